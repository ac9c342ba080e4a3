/*
 * `absence` of the tocsin: map: the rule speaks where what it matches stays away.
 *
 *     tocsin:
 *         absence:
 *             group-by: [host.name]
 *             timespan: 15m
 *
 * A group that was heard of is expected again within the timespan. Without `group-by` there is one group for
 * all events; it, too, is expected only once it was heard of.
 */
#include "detect/sigma.h"

int sigma_read_absence(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *r)
{
    static const char *const known[] = {"group-by", "timespan", NULL};
    struct correlation *c = ARENA_NEW(sigma->arena, struct correlation);
    *c = (struct correlation){.type = CORR_ABSENCE};
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "absence",
                            "absence must be a map of group-by and timespan");
    if (r->rule.kind != RULE_DETECTION || r->rule.correlation != NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(map), "absence",
                            "absence is for rules with a detection, without new_value");
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "absence";
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "group-by"), "group-by", &c->group_by, &c->group_count);
    if (rc == 0)
        rc = sigma_read_timespan(sigma, map, c);
    r->rule.correlation = c;
    return rc == 0 ? sigma_read_memory_fields(sigma, map, c, &r->rule) : rc;
}
