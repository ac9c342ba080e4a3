/*
 * The states of an alert and the moves between them (ledger D-14).
 *
 *   firing ──► acknowledged ──► resolved ──► closed
 *      └─────────────┴─────────────┴───────────▲        (any of them may be closed; firing may be resolved)
 *
 * Invariants. A state is left only along this table. History only grows. Nothing leads out of closed, and
 * nothing back to firing: when the trouble returns, that is a new alert with its own notification. An alert
 * bears a disposition exactly when it is closed. What ended has a time of its end and a name.
 */
#include "alert/alert_priv.h"

static const struct {
    const char *name, *synonym;
    unsigned successors; /* bit per enum alert_state */
} states[] = {
    [ALERT_FIRING] = {"firing", "active",
                      1u << ALERT_ACKNOWLEDGED | 1u << ALERT_RESOLVED | 1u << ALERT_CLOSED},
    [ALERT_ACKNOWLEDGED] = {"acknowledged", "investigating", 1u << ALERT_RESOLVED | 1u << ALERT_CLOSED},
    [ALERT_RESOLVED] = {"resolved", "resolved", 1u << ALERT_CLOSED},
    [ALERT_CLOSED] = {"closed", "closed", 0},
};

static const char *const dispositions[] = {"true_positive", "false_positive", "benign"};

const char *alert_state_name(enum alert_state state)
{
    return states[state].name;
}

bool alert_state_of(struct sv word, enum alert_state *ret)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(states); i++)
        if (sv_eq_nocase(word, sv_of(states[i].name)) || sv_eq_nocase(word, sv_of(states[i].synonym))) {
            *ret = (enum alert_state)i;
            return true;
        }
    return false;
}

bool lifecycle_allows(enum alert_state from, enum alert_state to)
{
    return (states[from].successors >> to & 1u) != 0;
}

struct sv lifecycle_disposition(struct sv word)
{
    char plain[32];
    word = sv_trim(word);
    if (word.n >= sizeof plain)
        return (struct sv){0};
    for (size_t i = 0; i < word.n; i++)
        plain[i] = word.p[i] == '-' || word.p[i] == ' ' ? '_' : word.p[i];
    for (size_t i = 0; i < TC_ARRAY_LEN(dispositions); i++)
        if (sv_eq_nocase(sv_make(plain, word.n), sv_of(dispositions[i])))
            return sv_of(dispositions[i]);
    return (struct sv){0};
}

const char *notify_reason_name(enum notify_reason reason)
{
    static const char *const names[] = {"new",          "count_step", "severity_raised", "resolved",
                                        "acknowledged", "test",       "digest"};
    return names[reason];
}
