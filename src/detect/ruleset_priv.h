/*
 * A rule set while it is loaded, for ruleset*.c only.
 */
#ifndef DETECT_RULESET_PRIV_H
#define DETECT_RULESET_PRIV_H

#include "base/map.h"
#include "detect/sigma.h"
#include "event/policy.h"

struct profile;
struct references;

struct loading {
    struct ruleset *set;
    struct arena scratch; /* YAML trees of one source at a time */
    struct arena kept;    /* of the whole loading */
    struct sigma_rule **rules;
    size_t count, capacity;
    struct sigma_rule **filters; /* in order of source */
    size_t filter_count, filter_capacity;
    struct placeholders *placeholders;
    struct pipelines *pipelines; /* NULL: none among the sources */
    struct profile *profiles;    /* ruleset_profile.c's; NULL: all rules speak */
    struct rule_note *notes;
    size_t note_count, note_capacity;
    struct map ids, names;   /* to index + 1 in rules; names: 0 where two rules bear one */
    struct references *refs; /* of each of rules; ruleset_link.c's */
};

void ruleset_refuse(struct loading *loading, struct sigma_rule *rule, int code, const char *construct,
                    const char *text, struct sv subject);

/* Notes that nothing came of it. */
void ruleset_warn(struct loading *loading, const struct sigma_rule *rule, const char *construct,
                  const char *text, struct sv subject);

/* Adds the filters' conditions to the rules that they are for. Once `ids` and `names` are known. */
void ruleset_filter(struct loading *loading);

/* A document that says which rules speak; it is no rule. */
bool ruleset_is_profile(const struct yaml_node *root);
/* The profiles of a source, checked. */
int ruleset_read_profiles(struct loading *loading, const struct rule_source *source, struct err *err);
/* Leaves out what no profile chooses. Once `ids` and `names` are known; TC_EINPUT where one names what is not
 * there. */
int ruleset_choose(struct loading *loading, struct err *err);

/* Finds what correlations refer to, and their layers; refuses those that refer to what is not there, or to
 * each other in a circle. Once all sources are read and `ids` and `names` are known. */
void ruleset_resolve(struct loading *loading);
/* Refuses rules that ask a field what the policy lets it no longer answer. */
void ruleset_check_policy(struct loading *loading, const struct policy *policy);
/* Turns references into ordinals, once rules have them. */
void ruleset_link(struct loading *loading);

#endif
