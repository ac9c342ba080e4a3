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

int sigma_check_memory(struct sigma *sigma, const struct yaml_node *map, const char *const known[],
                       const struct sigma_rule *r)
{
    const char *construct = arena_str(sigma->arena, map->key); /* the key itself is the word */
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), construct, "%s must be a map", construct);
    if (r->rule.kind != RULE_DETECTION || r->rule.correlation != NULL)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(map), construct,
                            "%s is for rules with a detection, and none that remembers otherwise", construct);
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = construct;
    return rc;
}

int sigma_read_decimal(struct sigma *sigma, const struct yaml_node *map, const char *key, int64_t least,
                       int64_t *ret)
{
    const struct yaml_node *node = yaml_get(map, key);
    num_amount amount;
    if (node == NULL)
        return 0;
    if (node->type != YAML_SCALAR || !num_millionths(node->text, &amount) || amount < least ||
        amount > (num_amount)1000000000 * 1000000)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), arena_str(sigma->arena, map->key),
                            "%s must be a number, 10^9 at most and not below its least", key);
    *ret = (int64_t)amount;
    return 0;
}

int sigma_read_absence(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *r)
{
    static const char *const known[] = {"group-by", "timespan", NULL};
    struct correlation *c = ARENA_NEW(sigma->arena, struct correlation);
    *c = (struct correlation){.type = CORR_ABSENCE};
    int rc = sigma_check_memory(sigma, map, known, r);
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "group-by"), "group-by", &c->group_by, &c->group_count);
    if (rc == 0)
        rc = sigma_read_timespan(sigma, map, c);
    r->rule.correlation = c;
    return rc == 0 ? sigma_read_memory_fields(sigma, map, c, &r->rule) : rc;
}
