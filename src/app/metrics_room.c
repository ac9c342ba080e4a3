/*
 * Opening and tending the store of metrics; see metrics_room.h.
 */
#include "app/metrics_room.h"

#include "base/log.h"
#include "base/metric_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEND_S = 30 };

struct metrics_room {
    struct tsdb *tsdb;
    pthread_mutex_t lock;
    pthread_cond_t end;
    bool ending;
    bool runs;
    pthread_t thread;
    struct metadata *metadata;
    struct delta_state *deltas;
    struct scrape_manager *scrape;      /* NULL: nothing is scraped */
    struct statsd_listener *statsd;     /* NULL: not listened for */
    struct graphite_listener *graphite; /* NULL: not listened for */
};

static void *tend(void *context)
{
    struct metrics_room *room = context;
    pthread_mutex_lock(&room->lock);
    while (!room->ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TEND_S;
        if (pthread_cond_timedwait(&room->end, &room->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&room->lock);
        struct err err = {0};
        if (tsdb_maintain(room->tsdb, &err) != 0)
            log_error("metrics", "%s; it is tried again", err.text);
        pthread_mutex_lock(&room->lock);
    }
    pthread_mutex_unlock(&room->lock);
    return NULL;
}

static int start_scraping(struct metrics_room *room, const struct config *c, struct err *err)
{
    const char *file = c->prometheus_config;
    for (const struct rule_problem *p = c->scrape.problems.first; p != NULL; p = p->next)
        log_warn("scrape", "%s:%u:%u: %.*s", file == NULL ? "scrape_configs" : file, p->line, p->column,
                 SV_FMT(p->text));
    if (c->scrape.job_count == 0)
        return 0;
    return scrape_manager_start(&(struct scrape_options){.fs = &fs_system,
                                                         .clk = &clk_system,
                                                         .tsdb = room->tsdb,
                                                         .metadata = room->metadata,
                                                         .config = &c->scrape},
                                &room->scrape, err);
}

static int start_statsd(struct metrics_room *room, const struct config *c, struct err *err)
{
    if (c->statsd_udp == NULL && c->statsd_path == NULL)
        return 0;
    return statsd_listener_start(&(struct statsd_options){.clk = &clk_system,
                                                          .tsdb = room->tsdb,
                                                          .udp = c->statsd_udp,
                                                          .path = c->statsd_path,
                                                          .allow_plaintext = c->statsd_allow_plaintext,
                                                          .flush_ns = c->statsd_flush_ns,
                                                          .signed_gauges = !c->statsd_absolute_gauges},
                                 &room->statsd, err);
}

static int start_graphite(struct metrics_room *room, const struct config *c, struct err *err)
{
    if (c->graphite_tcp == NULL)
        return 0;
    return graphite_listener_start(&(struct graphite_options){.clk = &clk_system,
                                                              .tsdb = room->tsdb,
                                                              .tcp = c->graphite_tcp,
                                                              .allow_plaintext = c->graphite_allow_plaintext},
                                   &room->graphite, err);
}

int metrics_room_start(const struct config *c, struct metrics_room **ret, struct err *err)
{
    struct metrics_room *room = tc_alloc(sizeof *room);
    pthread_condattr_t attributes;
    char dir[4096];
    uint64_t cut = 0;
    snprintf(dir, sizeof dir, "%s/metrics", c->data);
    struct tsdb_options o = {.fs = &fs_system,
                             .rng = &rng_system,
                             .dir = dir,
                             .series_max = c->series_limit,
                             .source_series_max = c->source_series_limit,
                             .retention_ms = c->metrics_retention_ns / 1000000,
                             .trend_retention_ms = c->metrics_trend_retention_ns / 1000000,
                             .retention_bytes = c->metrics_retention_bytes,
                             .out_of_order_ms = c->metrics_out_of_order_ns / 1000000,
                             .aliases = c->metric_aliases,
                             .alias_count = c->metric_alias_count,
                             .background = true};
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&room->lock, NULL);
    pthread_cond_init(&room->end, &attributes);
    pthread_condattr_destroy(&attributes);
    int rc = tsdb_open(&o, &room->tsdb, &cut, err);
    if (rc == 0 && cut > 0)
        log_warn("metrics",
                 "%llu bytes of a write that was under way at the last end were cut off the log of samples",
                 (unsigned long long)cut);
    if (rc == 0) {
        room->runs = pthread_create(&room->thread, NULL, tend, room) == 0;
        if (!room->runs)
            rc = err_set(err, TC_EIO, "cannot start the thread that tends the metrics");
    }
    room->metadata = metadata_new();
    room->deltas = delta_state_new();
    if (rc == 0)
        rc = start_scraping(room, c, err);
    if (rc == 0)
        rc = start_statsd(room, c, err);
    if (rc == 0)
        rc = start_graphite(room, c, err);
    if (rc == 0)
        *ret = room;
    else
        metrics_room_stop(&room);
    return rc;
}

struct tsdb *metrics_room_tsdb(const struct metrics_room *room)
{
    return room->tsdb;
}

struct delta_state *metrics_room_deltas(const struct metrics_room *room)
{
    return room->deltas;
}

struct metadata *metrics_room_metadata(const struct metrics_room *room)
{
    return room->metadata;
}

struct scrape_manager *metrics_room_scrape(const struct metrics_room *room)
{
    return room->scrape;
}

static void intake_metrics(const struct metrics_room *room, struct buf *out)
{
    struct metadata_stats stats = metadata_stats(room->metadata);
    struct delta_stats deltas = delta_state_stats(room->deltas);
    const struct metric rows[] = {
        {"tocsin_metadata_entries", "gauge", "Descriptions of metrics that are kept.", (double)stats.entries},
        {"tocsin_metadata_entries_limit", "gauge", "Descriptions of metrics that may be kept.",
         METADATA_ENTRIES_MAX},
        {"tocsin_metadata_bytes", "gauge", "Bytes of descriptions of metrics.", (double)stats.bytes},
        {"tocsin_metadata_bytes_limit", "gauge", "Bytes that descriptions of metrics may have.",
         METADATA_BYTES_MAX},
        {"tocsin_metadata_refused_total", "counter", "Descriptions that there was no room for.",
         (double)stats.refused},
        {"tocsin_delta_series", "gauge", "Series that are sent as deltas.", (double)deltas.series},
        {"tocsin_delta_series_limit", "gauge", "Series that may be sent as deltas.", DELTA_SERIES_MAX},
        {"tocsin_delta_evicted_total", "counter", "Series whose sum was forgotten, silent for an hour.",
         (double)deltas.evicted},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

void metrics_room_metrics(const struct metrics_room *room, struct buf *out)
{
    tsdb_metrics(room->tsdb, out);
    intake_metrics(room, out);
    if (room->scrape != NULL)
        scrape_manager_metrics(room->scrape, out);
    if (room->statsd != NULL)
        statsd_listener_metrics(room->statsd, out);
    if (room->graphite != NULL)
        graphite_listener_metrics(room->graphite, out);
}

void metrics_room_stop(struct metrics_room **ret)
{
    struct metrics_room *room = *ret;
    if (room == NULL)
        return;
    scrape_manager_stop(&room->scrape);
    statsd_listener_stop(&room->statsd);
    graphite_listener_stop(&room->graphite);
    if (room->runs) {
        pthread_mutex_lock(&room->lock);
        room->ending = true;
        pthread_cond_signal(&room->end);
        pthread_mutex_unlock(&room->lock);
        pthread_join(room->thread, NULL);
    }
    tsdb_close(&room->tsdb);
    metadata_free(&room->metadata);
    delta_state_free(&room->deltas);
    pthread_cond_destroy(&room->end);
    pthread_mutex_destroy(&room->lock);
    free(room);
    *ret = NULL;
}
