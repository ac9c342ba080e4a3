/*
 * GET /metrics of the Alertmanager's server, under Alertmanager's names, so that its dashboards and the
 * alerts of its mixin work. What it has no counterpart of (gossip, snapshots of two files) is left out.
 */
#include "api/alertmanager/server_priv.h"

#include "alert/alertmanager/inhibit.h"
#include "alert/alertmanager/silence_index.h"
#include "base/metric_text.h"
#include "base/process_metrics.h"

static void by_kind(struct buf *out, const char *name, const char *help, const uint64_t *counts)
{
    metric_head(out, name, "counter", help);
    for (size_t i = 0; am_receiver_kinds[i].name != NULL; i++)
        metric_labelled(out, name, "integration", sv_of(am_receiver_kinds[i].name), (double)counts[i]);
}

/* By the silences and rules of now, not by what was last looked at. */
static void count_alerts(struct am_request *request, size_t ret_states[2])
{
    const struct am_server *server = request->server;
    struct am_stored_alert stored;
    size_t source_count, flat_count;
    struct am_labels *sources =
        am_dispatch_sources(server->dispatch, request->now_ns, request->arena, &source_count);
    const struct am_silence *flat = am_silences_flat(server->silences, &flat_count);
    struct am_silence_index index;
    am_silence_index_init(&index, flat, flat_count);
    for (size_t at = 0; am_dispatch_next_alert(server->dispatch, &at, request->arena, &stored);) {
        bool suppressed = am_inhibited(server->config->inhibit_rules, server->config->inhibit_rule_count,
                                       stored.alert->labels, sources, source_count, NULL, NULL);
        suppressed =
            suppressed || am_silence_index_find(&index, stored.alert->labels, request->now_ns, NULL, 0) > 0;
        ret_states[suppressed]++;
    }
    am_silence_index_free(&index);
}

static void of_alerts(struct am_request *request, struct buf *out)
{
    const struct am_server *server = request->server;
    size_t states[2] = {0};
    count_alerts(request, states);
    metric_head(out, "alertmanager_alerts", "gauge", "How many alerts by state.");
    metric_labelled(out, "alertmanager_alerts", "state", SV("active"), (double)states[0]);
    metric_labelled(out, "alertmanager_alerts", "state", SV("suppressed"), (double)states[1]);
    metric_head(out, "alertmanager_alerts_received_total", "counter", "The total number of received alerts.");
    buf_printf(out,
               "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} %llu\n"
               "alertmanager_alerts_received_total{status=\"resolved\",version=\"v2\"} %llu\n",
               (unsigned long long)server->counts.firing, (unsigned long long)server->counts.resolved);
    metric_head(out, "alertmanager_alerts_invalid_total", "counter",
                "The total number of received alerts that were invalid.");
    metric_labelled(out, "alertmanager_alerts_invalid_total", "version", SV("v2"),
                    (double)server->counts.invalid);
    const struct metric rows[] = {
        {"alertmanager_alerts_per_alert_limit", "gauge", "Current limit on number of alerts per alert name",
         (double)server->options.max_alerts_of_a_name},
        {"alertmanager_alerts_limited_total", "counter",
         "Total number of alerts that were dropped due to per alert name limit",
         (double)server->counts.limited},
        {"alertmanager_dispatcher_aggregation_groups", "gauge", "Number of active aggregation groups",
         (double)am_dispatch_group_count(server->dispatch)},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

static void of_silences(const struct am_request *request, struct buf *out)
{
    size_t count, states[3] = {0};
    const struct am_silence_record *const *all = am_silences_all(request->server->silences, &count);
    for (size_t i = 0; i < count; i++)
        states[am_silence_state_at(&all[i]->silence, request->now_ns)]++;
    metric_head(out, "alertmanager_silences", "gauge", "How many silences by state.");
    for (int i = 0; i < 3; i++)
        metric_labelled(out, "alertmanager_silences", "state",
                        sv_of(am_silence_state_text((enum am_silence_state)i)), (double)states[i]);
}

static void of_notifications(const struct am_server *server, const struct courier_counts *sent,
                             struct buf *out)
{
    static const char latency[] = "alertmanager_notification_latency_seconds";
    by_kind(out, "alertmanager_notifications_total", "The total number of attempted notifications.",
            server->counts.notifications);
    by_kind(out, "alertmanager_notifications_failed_total", "The total number of failed notifications.",
            server->counts.failed);
    by_kind(out, "alertmanager_notification_requests_total",
            "The total number of attempted notification requests.", sent->requests);
    by_kind(out, "alertmanager_notification_requests_failed_total",
            "The total number of failed notification requests.", sent->failed_requests);
    metric_head(out, latency, "histogram", "The latency of notifications in seconds.");
    for (size_t i = 0; am_receiver_kinds[i].name != NULL; i++)
        duration_histogram_print_labelled(courier_latency(server->courier, (unsigned)i), latency,
                                          "integration", sv_of(am_receiver_kinds[i].name), out);
}

static size_t count_integrations(const struct am_config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->receiver_count; i++)
        for (size_t k = 0; am_receiver_kinds[k].name != NULL; k++)
            count += am_get(config->receivers[i].object, am_receiver_kinds[k].field)->count;
    return count;
}

static void of_server(const struct am_server *server, const struct courier_counts *sent, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_alertmanager_notifications_under_way", "gauge", "Notifications that are being sent.",
         (double)sent->jobs},
        {"tocsin_alertmanager_notifications_under_way_limit", "gauge", "Their bound.", COURIER_JOBS_MAX},
        {"tocsin_alertmanager_body_bytes", "gauge", "Bodies of requests that are under way.",
         (double)server->body_bytes},
        {"tocsin_alertmanager_body_bytes_limit", "gauge", "Their bound.", AM_BODIES_MAX_BYTES},
        {"alertmanager_config_hash", "gauge", "Hash of the currently loaded alertmanager configuration.",
         (double)(server->hash & 0xffffffffffff)},
        {"alertmanager_config_last_reload_successful", "gauge",
         "Whether the last configuration reload attempt was successful.", server->reloaded},
        {"alertmanager_config_last_reload_success_timestamp_seconds", "gauge",
         "Timestamp of the last successful configuration reload.",
         (double)(server->reloaded_ns / TC_SECOND_NS)},
        {"alertmanager_receivers", "gauge", "Number of configured receivers.",
         (double)server->config->receiver_count},
        {"alertmanager_integrations", "gauge", "Number of configured integrations.",
         (double)count_integrations(server->config)},
        {"alertmanager_inhibition_rules", "gauge", "Number of configured inhibition rules.",
         (double)server->config->inhibit_rule_count},
        {"alertmanager_cluster_enabled", "gauge", "Indicates whether the clustering is enabled or not.",
         server->options.cluster_listen[0] != '\0'},
        {"alertmanager_cluster_members", "gauge", "Number indicating current number of members in cluster.",
         1},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
    metric_head(out, "alertmanager_build_info", "gauge",
                "A metric with a constant '1' value labeled by version.");
    metric_labelled(out, "alertmanager_build_info", "version", SV(AM_SPEAKS), 1);
    process_metrics(server->started_ns, out);
}

void am_get_metrics(struct am_request *request, struct am_reply *reply)
{
    struct courier_counts sent;
    courier_counts(request->server->courier, &sent);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    of_alerts(request, &reply->body);
    of_silences(request, &reply->body);
    of_notifications(request->server, &sent, &reply->body);
    of_server(request->server, &sent, &reply->body);
}
