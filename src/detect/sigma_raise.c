/*
 * `raise` of the tocsin: map (D-13): one more condition under which what the rule finds is more severe, so
 * that warning and critical are levels of one alert.
 *
 *     raise:
 *         - {severity: critical, condition: selection and admin}    a detection: over its own selections
 *         - {severity: high, condition: {gte: 50}}                  a correlation: over its value
 */
#include "detect/sigma.h"

#include <stdlib.h>

static int refuse(struct sigma *sigma, const struct yaml_node *at, const char *text)
{
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(at), "raise", "%s", text);
}

static int read_condition(struct sigma *sigma, const struct yaml_node *node, const struct sigma_rule *rule,
                          struct selection *selections, size_t count, struct rule_raise *ret)
{
    static const char *const none[] = {NULL};
    if (rule->correlation == NULL) {
        ret->written = arena_sv(sigma->arena, node->text);
        return node->type == YAML_MAP
                   ? refuse(sigma, node, "of a detection, the condition is one over its selections")
                   : sigma_read_condition(sigma, node, selections, count, &ret->condition);
    }
    if (node->type != YAML_MAP)
        return refuse(sigma, node, "of a correlation, the condition is one of its value, such as {gte: 50}");
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
        ret->written = arena_printf(sigma->arena, "%.*s%s%.*s %.*s", SV_FMT(ret->written),
                                    n == node->first ? "" : " and ", SV_FMT(n->key), SV_FMT(n->text));
    return sigma_read_tests(sigma, node, rule->correlation->type, none, &ret->tests, &ret->amounts,
                            &ret->test_count);
}

static int read_raise(struct sigma *sigma, const struct yaml_node *map, const struct sigma_rule *rule,
                      struct selection *selections, size_t count, struct rule_raise *ret)
{
    static const char *const known[] = {"severity", "condition", NULL};
    struct sv word;
    if (map->type != YAML_MAP)
        return refuse(sigma, map, "raise is a list of maps of severity and condition");
    int rc = yaml_check_keys(map, sigma->file, known, sigma->err);
    if (rc != 0) {
        sigma->construct = "raise";
        return rc;
    }
    if (yaml_get(map, "severity") == NULL || yaml_get(map, "condition") == NULL)
        return refuse(sigma, map, "raise needs both a severity and a condition");
    rc = sigma_read_severity(sigma, map, "severity", &word, &ret->severity);
    return rc == 0 ? read_condition(sigma, yaml_get(map, "condition"), rule, selections, count, ret) : rc;
}

static int compare_raises(const void *a, const void *b)
{
    const struct rule_raise *x = a, *y = b;
    return (x->severity > y->severity) - (x->severity < y->severity);
}

int sigma_read_raises(struct sigma *sigma, struct sigma_rule *rule, struct selection *selections,
                      size_t count)
{
    const struct yaml_node *list = yaml_get(rule->own, "raise");
    int rc = 0;
    if (list == NULL)
        return 0;
    if (list->type != YAML_LIST || list->count == 0)
        return refuse(sigma, list, "raise is a list of maps of severity and condition");
    struct rule_raise *raises = ARENA_ARRAY(sigma->arena, struct rule_raise, list->count);
    size_t n = 0;
    for (const struct yaml_node *one = list->first; rc == 0 && one != NULL; one = one->next)
        rc = read_raise(sigma, one, rule, selections, count, &raises[n++]);
    qsort(raises, n, sizeof raises[0], compare_raises);
    rule->rule.raises = raises;
    rule->rule.raise_count = n;
    return rc;
}

int sigma_check_raises(struct sigma *sigma, struct sigma_rule *r)
{
    const struct yaml_node *list = yaml_get(r->own, "raise");
    if (list == NULL)
        return 0;
    if (r->is_filter)
        return refuse(sigma, list, "a filter finds nothing, so nothing of it can be more severe");
    if (r->rule.correlation != NULL && r->rule.correlation->type == CORR_ABSENCE)
        return refuse(sigma, list, "of what did not come there is no event to ask: raise is not for absence");
    for (size_t i = 0; i < r->rule.raise_count; i++)
        if (r->rule.raises[i].severity >= r->rule.info.severity)
            return refuse(sigma, list, "raise must name a severity above the rule's own");
    return 0;
}
