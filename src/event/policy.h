/*
 * The policy: what becomes of a field because of its name, whatever stands in it. docs/privacy.md describes
 * it for people; the detectors (redact_find.h) look at values and run beside it.
 *
 * Written as lines "PATTERN ACTION [N]"; the first line whose pattern fits decides. A pattern is a field's
 * dotted name without indexes, '*' in it stands for any bytes; case does not count. A pattern that names a
 * container is asked for its members, too. Read-only once made: any thread may use it.
 */
#ifndef EVENT_POLICY_H
#define EVENT_POLICY_H

#include "base/err.h"
#include "event/event.h"

enum policy_action {
    POLICY_KEEP,  /* as it is, but for what the detectors find */
    POLICY_TOKEN, /* "<person:…>": a random token, the value in the vault */
    POLICY_MASK,  /* "<masked>" */
    POLICY_HASH,  /* "<hash:…>": keyed; the same value gives the same text, and nobody can turn it back */
    POLICY_DROP,  /* null (in text: nothing) */
    POLICY_TRUNCATE, /* the first N characters */
    POLICY_SQL,      /* literals become '?', then the first 100 characters */
    POLICY_ACTION_COUNT
};
const char *policy_action_name(enum policy_action action);

struct policy;
/* `text`: lines as above; "strict" alone on a line drops every field that no line names. TC_EINPUT with the
 * line's number. An empty text is a policy that keeps all. */
int policy_new(struct sv text, struct policy **ret, struct err *err);
void policy_free(struct policy **policy);
bool policy_is_empty(const struct policy *policy);
/* It replaces or drops whole fields: where fields cannot be told apart, nothing may be kept. */
bool policy_is_personal(const struct policy *policy);

struct policy_verdict {
    enum policy_action action;
    unsigned characters; /* POLICY_TRUNCATE */
    bool by_default;     /* no line names it: strict mode dropped it, or nothing did */
};
struct policy_verdict policy_of(const struct policy *policy, struct sv name);

#endif
