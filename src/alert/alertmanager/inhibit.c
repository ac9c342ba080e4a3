/*
 * Inhibition rules; see inhibit.h.
 */
#include "alert/alertmanager/inhibit.h"

#include "alert/alertmanager/config_priv.h"

int am_inhibit_build(struct am_pool *pool, const struct am_object *object, struct am_inhibit_rule *ret,
                     struct err *err)
{
    const struct am_value *equal = am_get(object, "equal");
    struct sv *names = ARENA_ARRAY(&pool->arena, struct sv, equal->count + 1);
    for (size_t i = 0; i < equal->count; i++)
        names[i] = equal->items[i].text;
    *ret = (struct am_inhibit_rule){
        .name = am_get_text(object, "name"), .equal = names, .equal_count = equal->count};
    int rc = am_collect_matchers(pool, object, "source_match", "source_match_re", "source_matchers",
                                 &ret->source, err);
    return rc != 0 ? rc
                   : am_collect_matchers(pool, object, "target_match", "target_match_re", "target_matchers",
                                         &ret->target, err);
}

static bool equal_labels(const struct am_inhibit_rule *rule, struct am_labels a, struct am_labels b)
{
    for (size_t i = 0; i < rule->equal_count; i++)
        if (!sv_eq(am_labels_get(a, rule->equal[i]), am_labels_get(b, rule->equal[i])))
            return false;
    return true;
}

bool am_inhibited(const struct am_inhibit_rule *rules, size_t rule_count, struct am_labels target,
                  const struct am_labels *sources, size_t source_count, size_t *ret_rule, size_t *ret_source)
{
    for (size_t r = 0; r < rule_count; r++) {
        const struct am_inhibit_rule *rule = &rules[r];
        if (!am_matchers_match(rule->target, target))
            continue;
        bool both_sides = am_matchers_match(rule->source, target);
        for (size_t s = 0; s < source_count; s++) {
            if (!equal_labels(rule, sources[s], target) || !am_matchers_match(rule->source, sources[s]) ||
                (both_sides && am_matchers_match(rule->target, sources[s])))
                continue;
            if (ret_rule != NULL)
                *ret_rule = r;
            if (ret_source != NULL)
                *ret_source = s;
            return true;
        }
    }
    return false;
}
