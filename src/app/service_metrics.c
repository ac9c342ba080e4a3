/*
 * Answers to /metrics and /v1/channels; see service.h.
 */
#include "app/service.h"

#include "app/metrics.h"
#include "app/metrics_doors.h"
#include "app/tend.h"
#include "base/json_out.h"

static void outbox_counts(struct service *s, struct metrics_view *view)
{
    struct store *store;
    struct err err;
    uint64_t pending, sent, failed;
    if (store_open_reader(s->store_path, &store, &err) != 0)
        return;
    if (store_outbox_counts(store, &pending, &sent, &failed, &err) == 0) {
        view->outbox_pending = pending;
        view->outbox_rows = pending + sent + failed;
    }
    store_close(&store);
}

/* For /v1/channels. */
void service_channels_json(void *context, struct buf *out)
{
    struct service *s = context;
    struct json_out json = json_out_to(out);
    struct channel_stats stats;
    json_array(&json);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->notifier != NULL && i < notifier_channel_count(s->notifier); i++) {
        notifier_channel_stats(s->notifier, i, &stats);
        json_object(&json);
        json_kv_string(&json, "name", stats.name);
        json_kv_string(&json, "type", stats.type);
        json_kv_bool(&json, "failing", stats.failing);
        json_kv_u64(&json, "pending", stats.pending);
        json_kv_u64(&json, "sent", stats.sent);
        json_kv_u64(&json, "failed", stats.failed);
        json_kv_u64(&json, "retries", stats.retries);
        json_kv_u64(&json, "diverted", stats.diverted);
        json_object_end(&json);
    }
    pthread_mutex_unlock(&s->lock);
    json_array_end(&json);
}

static void door_metrics(struct service *s, struct buf *out)
{
    struct vault_stats vault;
    vault_stats(s->privacy.vault, &vault);
    metrics_vault(&vault, s->privacy.revealed, s->privacy.erased, out);
    const struct tail *tail = s->tail;
    if (tail != NULL) {
        struct tail_stats stats;
        tail_stats(tail, &stats);
        metrics_tail(&stats, out);
    }
    const struct journald_source *journald = s->journald;
    if (journald != NULL) {
        struct journald_stats stats;
        journald_source_stats(journald, &stats);
        metrics_journald(&stats, out);
    }
    if (s->callbacks != NULL)
        metrics_callbacks(s->callbacks, out);
    pthread_mutex_lock(&s->lock);
    if (s->notifier != NULL)
        metrics_channels(s->notifier, out);
    pthread_mutex_unlock(&s->lock);
}

void service_metrics(void *context, struct buf *out)
{
    struct service *s = context;
    struct metrics_view view = {.latencies = &s->latencies, .started_ns = s->started_ns};
    struct delivery_state held;
    core_stats(s->core, &view.core);
    core_delivery(s->core, &held);
    journal_stats(core_journal(s->core), &view.journal);
    view.journal_failed = journal_failed(core_journal(s->core)) != 0;
    view.delivery_held = held.held;
    pthread_mutex_lock(&s->lock);
    struct reload_outcome last_reload = s->last_reload;
    if (s->notifier != NULL)
        notifier_stats(s->notifier, &view.sent, &view.retries, &view.failed);
    view.has_sentinel = s->sentinel != NULL;
    if (view.has_sentinel)
        sentinel_stats(s->sentinel, &view.sentinel);
    if (s->sealing != NULL)
        sealing_metrics(s->sealing, out);
    if (s->keeping != NULL)
        keeping_metrics(s->keeping, out);
    if (s->forwarding != NULL)
        forwarding_metrics(s->forwarding, out);
    pthread_mutex_unlock(&s->lock);
    const struct syslog_listener *syslog = s->syslog;
    view.has_syslog = syslog != NULL;
    if (view.has_syslog)
        syslog_listener_stats(syslog, &view.syslog);
    outbox_counts(s, &view);
    metrics_measure(&fs_system, s->config.data, &view);
    metrics_print(&view, out);
    metrics_reload(last_reload.successful, last_reload.success_ns, out);
    door_metrics(s, out);
    if (s->metrics != NULL)
        metrics_room_metrics(s->metrics, out);
    if (s->event_metrics != NULL)
        event_metrics_metrics(s->event_metrics, out);
    if (s->metric_rules != NULL)
        metric_rules_metrics(s->metric_rules, out);
    tend_metrics(out);
    core_source_metrics(s->core, out);
}

/* For /v1/sources. */
void service_sources_json(void *context, struct buf *out)
{
    core_sources_json(((struct service *)context)->core, out);
}

void service_rules_json(void *context, struct buf *out)
{
    core_rules_json(((struct service *)context)->core, out);
}
