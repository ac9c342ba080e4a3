/*
 * What Prometheus' API shows of the service: its rules, its configuration as far as Prometheus has words for
 * it, and where it runs. See service.h.
 */
#include "app/service.h"

#include "base/json_out.h"
#include "metrics/prom_duration.h"

#include <stdio.h>
#include <unistd.h>

static void look_at_rules(void *context, void (*look)(void *look_context, const struct rule_engine *engine),
                          void *look_context)
{
    metric_rules_look(((struct service *)context)->metric_rules, look, look_context);
}

static void show_config(void *context, struct buf *out)
{
    metric_rules_yaml(((struct service *)context)->metric_rules, out);
}

static void external_labels(void *context, struct arena *arena, const struct label **ret, size_t *ret_count)
{
    metric_rules_external_labels(((struct service *)context)->metric_rules, arena, ret, ret_count);
}

static void last_reload(void *context, bool *ret_successful, int64_t *ret_success_ns)
{
    struct service *s = context;
    pthread_mutex_lock(&s->lock);
    *ret_successful = s->last_reload.successful;
    *ret_success_ns = s->last_reload.success_ns;
    pthread_mutex_unlock(&s->lock);
}

static void duration_flag(struct json_out *out, const char *name, int64_t ns, int64_t fallback_ns)
{
    struct buf text;
    buf_init(&text, 64);
    prom_duration(&text, ns > 0 ? ns : fallback_ns);
    json_kv_string(out, name, buf_view(&text));
    buf_free(&text);
}

/* By the names of Prometheus' command line, what is the same here. */
static void show_flags(void *context, struct json_out *out)
{
    const struct service *s = context;
    const struct config *c = &s->config;
    const struct metric_rule_settings *rules = &c->metric_rules;
    struct buf features;
    buf_init(&features, 256);
    promql_features_print(&features, &rules->features);
    json_kv_string(out, "enable-feature", buf_view(&features));
    buf_free(&features);
    duration_flag(out, "query.lookback-delta", rules->lookback_ns, 300 * TC_SECOND_NS);
    json_kv_str(out, "query.max-samples", "50000000");
    json_kv_str(out, "query.timeout", "2m");
    duration_flag(out, "rules.alert.for-grace-period", rules->grace_period_ns, 600 * TC_SECOND_NS);
    duration_flag(out, "rules.alert.for-outage-tolerance", rules->outage_tolerance_ns, 3600 * TC_SECOND_NS);
    duration_flag(out, "storage.tsdb.retention.time", c->metrics_retention_ns, 0);
    json_kv_str(out, "web.enable-admin-api", c->metrics_admin_api ? "true" : "false");
    json_kv_str(out, "web.enable-lifecycle", "true");
    json_kv_str(out, "web.enable-remote-write-receiver", "true");
    json_kv_str(out, "web.listen-address", c->listen);
}

/* The system is asked at the start: later the sandbox may not let it. */
void service_prometheus(struct service *s, struct api_prometheus *ret)
{
    struct buf text;
    if (s->metric_rules == NULL)
        return;
    if (getcwd(s->cwd, sizeof s->cwd) == NULL || gethostname(s->hostname, sizeof s->hostname - 1) != 0)
        s->cwd[0] = s->hostname[0] = '\0'; /* it is shown, and nothing else */
    buf_init(&text, sizeof s->metrics_retention - 1);
    prom_duration(&text, s->config.metrics_retention_ns);
    if (s->config.metrics_retention_bytes > 0)
        buf_printf(&text, " or %lluB", (unsigned long long)s->config.metrics_retention_bytes);
    snprintf(s->metrics_retention, sizeof s->metrics_retention, "%.*s", SV_FMT(buf_view(&text)));
    buf_free(&text);
    *ret = (struct api_prometheus){.lookback_ms = s->config.metric_rules.lookback_ns / 1000000,
                                   .features = s->config.metric_rules.features,
                                   .query_threads = s->config.threads,
                                   .retention = s->metrics_retention,
                                   .cwd = s->cwd,
                                   .hostname = s->hostname,
                                   .look_at_rules = look_at_rules,
                                   .config = show_config,
                                   .flags = show_flags,
                                   .external_labels = external_labels,
                                   .last_reload = last_reload};
}
