/*
 * `new_value` of the tocsin: map: the rule speaks only where a field's value is new for its group.
 *
 *     tocsin:
 *         new_value:
 *             field: source.geo.country_iso_code
 *             group-by: [user.name]
 *             timespan: 90d
 *
 * `field` may be a list: then the tuple counts. Without `group-by` there is one group for all events. An
 * event without one of the fields has no part in it.
 */
#include "detect/sigma.h"

static int check(struct sigma *sigma, const struct yaml_node *map, const struct sigma_rule *r)
{
    static const char *const known[] = {"field", "group-by", "timespan", NULL};
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "new_value",
                            "new_value must be a map of field, group-by and timespan");
    if (r->rule.kind != RULE_DETECTION)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(map), "new_value",
                            "new_value is for rules with a detection");
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0)
        sigma->construct = "new_value";
    return rc;
}

int sigma_read_memory_fields(struct sigma *sigma, const struct yaml_node *map, const struct correlation *c,
                             struct rule *rule)
{
    struct name_list all = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->group_count; i++)
        rc = sigma_add_name(sigma, &all, c->group_by[i].name, map);
    for (size_t i = 0; rc == 0 && i < c->field_count; i++)
        rc = sigma_add_name(sigma, &all, c->fields[i].name, map);
    for (size_t i = 0; rc == 0 && i < rule->read_count; i++)
        rc = sigma_add_name(sigma, &all, rule->reads[i].name, map);
    rule->reads = all.names;
    rule->read_count = all.count;
    return rc;
}

int sigma_read_new_value(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *r)
{
    struct correlation *c = ARENA_NEW(sigma->arena, struct correlation);
    *c = (struct correlation){.type = CORR_NEW_VALUE};
    int rc = check(sigma, map, r);
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "field"), "field", &c->fields, &c->field_count);
    if (rc == 0 && c->field_count == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "new_value",
                          "new_value needs the field whose values are remembered");
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "group-by"), "group-by", &c->group_by, &c->group_count);
    if (rc == 0)
        rc = sigma_read_timespan(sigma, map, c);
    if (rc == 0)
        rc = sigma_read_memory_fields(sigma, map, c, &r->rule);
    r->rule.correlation = c;
    return rc;
}
