/*
 * What the section `metrics` says of rules; see config_priv.h. Names and meanings are those of Prometheus'
 * configuration and flags.
 */
#include "app/config_priv.h"

#include <stdlib.h>

int config_rule_files(struct reading *r, const struct yaml_node *node)
{
    struct metric_rule_settings *s = &r->config->metric_rules;
    return setting_paths(r, node, &s->files, &s->file_count);
}

static int positive(struct reading *r, const struct yaml_node *node, int64_t min_ns, int64_t *ret_ns)
{
    int rc = setting_duration(r, node, ret_ns);
    if (rc == 0 && *ret_ns < min_ns)
        rc = setting_bad(r, node, "a millisecond at least");
    return rc;
}

int config_evaluation_interval(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.evaluation_interval_ns);
}

int config_rule_query_offset(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->metric_rules.query_offset_ns);
}

int config_lookback_delta(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.lookback_ns);
}

int config_for_grace_period(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.grace_period_ns);
}

int config_for_outage_tolerance(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.outage_tolerance_ns);
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return sv_cmp(x->name, y->name);
}

int config_external_labels(struct reading *r, const struct yaml_node *node)
{
    struct metric_rule_settings *s = &r->config->metric_rules;
    if (node->type != YAML_MAP || node->count > LIST_MAX)
        return setting_bad(r, node, "a map of labels is expected here");
    struct label *labels = ARENA_ARRAY(&r->config->arena, struct label, node->count + 1);
    size_t n = 0;
    for (const struct yaml_node *l = node->first; l != NULL; l = l->next) {
        if (!label_name_is_valid(l->key) || sv_eq(l->key, METRIC_NAME))
            return setting_bad(r, l, "is not a valid label name");
        if (l->type != YAML_SCALAR)
            return setting_bad(r, l, "a text is expected here");
        labels[n++] =
            (struct label){arena_sv(&r->config->arena, l->key), arena_sv(&r->config->arena, l->text)};
    }
    qsort(labels, n, sizeof *labels, by_name);
    s->external_labels = labels;
    s->external_label_count = n;
    return 0;
}

int config_enable_features(struct reading *r, const struct yaml_node *node)
{
    static const char *const always_on[] = {"promql-experimental-functions", "promql-duration-expr",
                                            "promql-extended-range-selectors", "promql-binop-fill-modifiers"};
    const struct sv *names;
    size_t count;
    int rc = setting_names(r, node, LIST_MAX, &names, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool known = sv_is(names[i], "promql-delayed-name-removal");
        r->config->metric_rules.delayed_name_removal |= known;
        for (size_t k = 0; !known && k < TC_ARRAY_LEN(always_on); k++)
            known = sv_is(names[i], always_on[k]);
        if (!known)
            rc = setting_bad(r, node,
                             "promql-delayed-name-removal, promql-experimental-functions, "
                             "promql-duration-expr, promql-extended-range-selectors and "
                             "promql-binop-fill-modifiers are the features that there are");
    }
    return rc;
}

bool config_metrics_is_reloaded(struct sv key)
{
    static const char *const keys[] = {"rule_files",       "evaluation_interval",  "rule_query_offset",
                                       "for_grace_period", "for_outage_tolerance", "external_labels"};
    for (size_t i = 0; i < TC_ARRAY_LEN(keys); i++)
        if (sv_is(key, keys[i]))
            return true;
    return false;
}
