/*
 * The table of severity words; see severity.h.
 */
#include "event/severity.h"

static const struct {
    const char *word;
    enum severity severity;
} words[] = {
    {"", SEVERITY_P3},
    {"p1", SEVERITY_P1},
    {"p2", SEVERITY_P2},
    {"p3", SEVERITY_P3},
    {"p4", SEVERITY_P4},
    {"critical", SEVERITY_P1},
    {"crit", SEVERITY_P1},
    {"emergency", SEVERITY_P1},
    {"emerg", SEVERITY_P1},
    {"alert", SEVERITY_P1},
    {"fatal", SEVERITY_P1},
    {"page", SEVERITY_P1},
    {"high", SEVERITY_P2},
    {"error", SEVERITY_P2},
    {"err", SEVERITY_P2},
    {"major", SEVERITY_P2},
    {"medium", SEVERITY_P3},
    {"moderate", SEVERITY_P3},
    {"warning", SEVERITY_P3},
    {"warn", SEVERITY_P3},
    {"minor", SEVERITY_P3},
    {"medium/high", SEVERITY_P3},
    {"low", SEVERITY_P4},
    {"notice", SEVERITY_P4},
    {"info", SEVERITY_P4},
    {"informational", SEVERITY_P4},
    {"information", SEVERITY_P4},
    {"none", SEVERITY_P4},
    {"debug", SEVERITY_P4},
};

enum severity severity_of(struct sv word)
{
    word = sv_trim(word);
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_eq_nocase(word, sv_of(words[i].word)))
            return words[i].severity;
    return SEVERITY_NONE;
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {"", "P1", "P2", "P3", "P4"};
    return names[severity];
}

const char *severity_word(enum severity severity)
{
    static const char *const names[] = {"", "critical", "high", "medium", "low"};
    return names[severity];
}
