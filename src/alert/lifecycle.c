/*
 * The states of an alert and the moves between them (ledger D-14).
 *
 *   firing ──► acknowledged ──► resolved ──► closed
 *     │ ▲            │ ▲
 *     ▼ │            ▼ │         pending, snoozed: open, and told of by nobody until they end,
 *   pending, snoozed ──┘         which leads back to where they came from, or on as from there
 *
 * Whatever is open may be acknowledged, resolved and closed. Invariants. A state is left only along this
 * table. History only grows. Nothing leads out of closed, and nothing that has ended opens again: when the
 * trouble returns, that is a new alert with its own notification. An alert bears a disposition exactly when
 * it is closed. What ended has a time of its end and a name.
 */
#include "alert/alert_priv.h"

enum {
    TO_FIRING = 1u << ALERT_FIRING,
    TO_ACKNOWLEDGED = 1u << ALERT_ACKNOWLEDGED,
    TO_PENDING = 1u << ALERT_PENDING,
    TO_SNOOZED = 1u << ALERT_SNOOZED,
    TO_CLOSED = 1u << ALERT_CLOSED,
    TO_ENDED = 1u << ALERT_RESOLVED | TO_CLOSED,
};

static const struct {
    const char *name, *synonym;
    unsigned successors; /* bit per enum alert_state */
} states[] = {
    [ALERT_FIRING] = {"firing", "active", TO_ACKNOWLEDGED | TO_PENDING | TO_SNOOZED | TO_ENDED},
    [ALERT_ACKNOWLEDGED] = {"acknowledged", "investigating", TO_PENDING | TO_SNOOZED | TO_ENDED},
    [ALERT_RESOLVED] = {"resolved", "resolved", TO_CLOSED},
    [ALERT_CLOSED] = {"closed", "closed", 0},
    [ALERT_PENDING] = {"pending_confirmation", "pending", TO_FIRING | TO_ACKNOWLEDGED | TO_ENDED},
    [ALERT_SNOOZED] = {"snoozed", "snoozed", TO_FIRING | TO_ACKNOWLEDGED | TO_ENDED},
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

void lifecycle_wake(struct held *held, int64_t now_ns)
{
    struct alert_life *life = held_life(held);
    held->alert.state = life->snoozed_from;
    life->snoozed_until_ns = TC_NO_TIME;
    book_unpause(held, now_ns);
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
    static const char *const names[] = {
        "new",       "count_step", "severity_raised", "resolved", "acknowledged", "test",    "digest",
        "escalated", "question",   "task_due",        "reminder", "flapping",     "overdue", "incident"};
    _Static_assert(TC_ARRAY_LEN(names) == NOTIFY_INCIDENT + 1, "every reason has a name");
    return names[reason];
}
