/*
 * The section `metrics`: the store of metrics and the rules over it; where samples come from is in
 * config_metrics_doors.c. See config_priv.h. Names and meanings are those of Prometheus' configuration and
 * flags.
 */
#include "app/config_priv.h"

#include <stdlib.h>

/* --- the store --- */

static int metrics_enabled(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->metrics);
}

static int metrics_series(struct reading *r, const struct yaml_node *node)
{
    return setting_number(r, node, 1000, 100 * 1000 * 1000, &r->config->series_limit);
}

static int metrics_source_series(struct reading *r, const struct yaml_node *node)
{
    return setting_number(r, node, 1, 100 * 1000 * 1000, &r->config->source_series_limit);
}

static int metrics_retention(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->metrics_retention_ns);
}

static int metrics_trend_retention(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->metrics_trend_retention_ns);
}

static int metrics_retention_bytes(struct reading *r, const struct yaml_node *node)
{
    return setting_number(r, node, 1 << 20, INT64_MAX, &r->config->metrics_retention_bytes);
}

static int metrics_out_of_order(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->metrics_out_of_order_ns);
    return rc == 0 && r->config->metrics_out_of_order_ns > 3600 * TC_SECOND_NS
               ? setting_bad(r, node, "at most 1h")
               : rc;
}

static int metrics_admin_api(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->metrics_admin_api);
}

/* --- rules --- */

static int metrics_rule_files(struct reading *r, const struct yaml_node *node)
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

static int metrics_evaluation_interval(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.evaluation_interval_ns);
}

static int metrics_rule_query_offset(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->metric_rules.query_offset_ns);
}

static int metrics_rule_windows_bytes(struct reading *r, const struct yaml_node *node)
{
    return setting_number(r, node, 0, INT64_MAX, &r->config->metric_rules.windows_bytes);
}

static int metrics_lookback_delta(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.lookback_ns);
}

static int metrics_for_grace_period(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.grace_period_ns);
}

static int metrics_for_outage_tolerance(struct reading *r, const struct yaml_node *node)
{
    return positive(r, node, 1000000, &r->config->metric_rules.outage_tolerance_ns);
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return sv_cmp(x->name, y->name);
}

static int metrics_external_labels(struct reading *r, const struct yaml_node *node)
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

static int metrics_enable_features(struct reading *r, const struct yaml_node *node)
{
    struct err err = {0};
    const struct sv *names;
    size_t count;
    int rc = setting_names(r, node, LIST_MAX, &names, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (promql_features_enable(&r->config->metric_rules.features, names[i], &err) != 0)
            rc = setting_bad(r, node, err.text);
    return rc;
}

/* --- the section --- */

const struct setting config_metrics_settings[] = {
    {"enabled", "keep metrics: take Prometheus remote write, answer PromQL", "false", metrics_enabled},
    {"scrape_interval", "how often `scrape_configs` ask that do not say it", "1m", config_scrape_interval},
    {"scrape_timeout", "how long a scrape may take where they do not say it", "10s, or the interval",
     config_scrape_timeout},
    {"scrape_configs", "what is scraped, in Prometheus' own form (docs/metrics-in.md)", "none",
     config_scrape_configs},
    {"prometheus_config", "a Prometheus configuration file whose scrape_configs are used instead", "none",
     config_prometheus_config},
    {"from_events", "metrics that are made of events (docs/metrics-in.md)", "none", config_from_events},
    {"emf", "make series of CloudWatch's embedded metric format in events", "false", config_emf},
    {"aliases", "map of names of metrics to the names under which their series are kept", "none",
     config_metric_aliases},
    {"graphite", "listen for Graphite's plaintext lines", "none", config_graphite},
    {"statsd", "listen for StatsD and DogStatsD", "none", config_statsd},
    {"series_limit", "series in memory; new ones past it are refused", "2000000", metrics_series},
    {"source_series_limit", "series in memory that one source may have", "`series_limit`",
     metrics_source_series},
    {"retention", "how long samples are kept", "15d", metrics_retention},
    {"trend_retention",
     "how long a few samples of every four minutes are kept, for trends (docs/promql.md); 0: not at all",
     "396d", metrics_trend_retention},
    {"retention_bytes", "bytes of all blocks past which the oldest go", "no bound", metrics_retention_bytes},
    {"out_of_order", "how late a sample may come, at most 1h", "0 (refused, as Prometheus does)",
     metrics_out_of_order},
    {"remote_store",
     "a store that speaks Prometheus' API and takes remote write, in place of ours (docs/remote-store.md)",
     "none: metrics are kept here", config_remote_store},
    {"admin_api",
     "let privacy officers delete series and copy the store by Prometheus' admin API (docs/http-api.md)",
     "false", metrics_admin_api},
    {"rule_files",
     "files of Prometheus' rules, or patterns of such; `NAME.tocsin.yml` beside one is read along", "none",
     metrics_rule_files},
    {"evaluation_interval", "how often groups of rules are evaluated that do not say it", "1m",
     metrics_evaluation_interval},
    {"rule_query_offset", "how far in the past rules look whose group does not say it", "0",
     metrics_rule_query_offset},
    {"rule_windows_bytes",
     "memory for what rules look at again and again; what does not fit is read at each evaluation; 0: all is",
     "268435456", metrics_rule_windows_bytes},
    {"lookback_delta", "how old the newest sample of a series may be", "5m", metrics_lookback_delta},
    {"for_grace_period", "alerts taken up after a restart fire no sooner than this", "10m",
     metrics_for_grace_period},
    {"for_outage_tolerance", "state of alerts older than this is not taken up after a restart", "1h",
     metrics_for_outage_tolerance},
    {"external_labels", "labels of all alerts on metrics, and of what is federated, beside their own", "none",
     metrics_external_labels},
    {"enable_features",
     "Prometheus' feature flags of PromQL: promql-experimental-functions, promql-binop-fill-modifiers, "
     "promql-delayed-name-removal, use-start-timestamps; promql-duration-expr and "
     "promql-extended-range-selectors are always on",
     "none", metrics_enable_features},
    {0}};

int config_read_metrics(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_section(r, node, config_metrics_settings);
    if (rc == 0 && r->config->remote_store.query_url != NULL && r->config->metrics_admin_api)
        return setting_bad(r, node,
                           "admin_api is about a store of our own, and remote_store names another: ask "
                           "that one to delete");
    if (rc == 0 && r->config->remote_store.query_url != NULL && !r->config->metrics)
        return setting_bad(r, node, "remote_store needs enabled: true");
    return rc == 0 && r->config->metric_rules.file_count > 0 && !r->config->metrics
               ? setting_bad(r, node, "rule_files need enabled: true")
               : rc;
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
