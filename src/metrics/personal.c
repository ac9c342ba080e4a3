/*
 * Personal data among labels; see personal.h. The detectors are redaction's (event/redact_find.h).
 */
#include "metrics/personal.h"

#include "event/redact_find.h"

/* Names of systemd's units, such as getty@tty1.service, have the form of e-mail addresses. */
static bool is_unit(struct sv value)
{
    static const char *const kinds[] = {".service", ".socket", ".device", ".mount", ".automount", ".swap",
                                        ".target",  ".path",   ".timer",  ".slice", ".scope"};
    for (size_t i = 0; i < TC_ARRAY_LEN(kinds); i++)
        if (sv_ends(value, sv_of(kinds[i])))
            return true;
    return false;
}

static bool only_addresses(const struct redact_spans *found)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->items[i].kind != REDACT_EMAIL)
            return false;
    return true;
}

static bool is_personal(struct sv value, struct arena *arena)
{
    struct redact_spans found = {0};
    if (!redact_suspicious(value))
        return false;
    redact_find(value, arena, &found);
    return found.count > 0 && !(is_unit(value) && only_addresses(&found));
}

bool labels_hold_personal(const struct label *labels, size_t count)
{
    struct arena arena = {0};
    bool personal = false;
    for (size_t i = 0; i < count && !personal; i++)
        personal = is_personal(labels[i].value, &arena) || is_personal(labels[i].name, &arena);
    arena_free(&arena);
    return personal;
}
