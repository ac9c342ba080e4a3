/*
 * Counting events; see event_metrics.h. What is counted between two writes lies in the table that StatsD's
 * series have (metrics/statsd/statsd_table.h): the same kinds, the same bounds.
 */
#include "app/event_metrics.h"

#include "app/emf.h"
#include "base/log.h"
#include "base/metric_text.h"
#include "detect/ruleset.h"
#include "metrics/graphite/graphite_line.h"
#include "metrics/statsd/statsd_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WRITE_EVERY_MS = 1000,
    WRITE_IDLE_EVERY_MS = 15000,
    SERIES_PER_MS = 10,
    VALUE_BYTES_MAX = 64,
    RESTORE_MS = 60000, /* before the last write: it had all series */
    IDLE_MS = 24 * 3600 * 1000,
};
#define WAIT_NS       (TC_SECOND_NS / 5)
#define POSITION_NAME SV("tocsin_event_metrics_position")

struct event_metrics {
    struct event_metrics_options options;
    struct journal_reader *reader;
    struct statsd_table *table;
    struct sample_list lines; /* samples with times of their own, until the next write */
    struct match_scratch *scratch;
    struct arena arena; /* of one event */
    unsigned source;
    uint64_t counted_to; /* position of the last record that was looked at */
    bool dirty;
    int64_t written_mono_ns;
    atomic_bool ending;
    bool runs;
    pthread_t thread;
    atomic_ullong events, matched, refused[STATSD_OUTCOMES], series, bytes, position, failed_writes,
        refused_samples, forgotten, made_room;
};

static int64_t now_ms(const struct event_metrics *m)
{
    return clk_now(m->options.clk).ns / 1000000;
}

static void count(struct event_metrics *m, const struct statsd_line *line)
{
    enum statsd_outcome outcome = statsd_table_add(m->table, line, now_ms(m));
    if (outcome != STATSD_TAKEN)
        atomic_fetch_add(&m->refused[outcome], 1);
    if (outcome == STATSD_PERSONAL)
        tsdb_count_refused(m->options.tsdb, TSDB_PERSONAL);
}

/* --- an event --- */

static struct sv value_of(struct event_metrics *m, const struct event_metric *metric,
                          const struct event *event)
{
    if (metric->value_field.n == 0)
        return SV("1");
    struct sv text = event_value(event, arena_str(&m->arena, metric->value_field));
    if (metric->value_pattern == NULL)
        return text;
    struct buf out;
    buf_init(&out, VALUE_BYTES_MAX);
    bool found = re2_expand(metric->value_pattern, text, SV("$1"), &out);
    struct sv value = found ? arena_sv(&m->arena, buf_view(&out)) : (struct sv){0};
    buf_free(&out);
    return value;
}

static void count_metric(struct event_metrics *m, const struct event_metric *metric,
                         const struct event *event)
{
    static const enum statsd_type types[] = {[EVENT_METRIC_COUNTER] = STATSD_COUNTER,
                                             [EVENT_METRIC_GAUGE] = STATSD_GAUGE,
                                             [EVENT_METRIC_HISTOGRAM] = STATSD_HISTOGRAM};
    struct statsd_line line = {.name = metric->name, .rate = 1};
    atomic_fetch_add(&m->matched, 1);
    if (metric->type == EVENT_METRIC_LINES) {
        struct sv message = event_value(event, "message");
        if (!graphite_read(sv_trim(message.n > 0 ? message : event->raw), now_ms(m), &m->lines))
            atomic_fetch_add(&m->refused[STATSD_BAD_VALUE], 1);
        return;
    }
    line.type = types[metric->type];
    line.values = value_of(m, metric, event);
    if (event->repeat > 1 && line.type == STATSD_COUNTER)
        line.rate = 1.0 / event->repeat;
    for (size_t i = 0; i < metric->label_count; i++) {
        struct sv value = event_value(event, arena_str(&m->arena, metric->labels[i].value));
        if (value.n == 0)
            continue;
        line.tags[line.tag_count].name = metric->labels[i].name;
        line.tags[line.tag_count++].value = value;
    }
    /* in a line of StatsD a colon would begin another value; in a field it is part of what is no number */
    if (line.values.n == 0 || sv_find_char(line.values, ':') < line.values.n)
        atomic_fetch_add(&m->refused[STATSD_BAD_VALUE], 1);
    else
        count(m, &line);
}

static void take_emf(void *context, const struct statsd_line *line)
{
    count(context, line);
}

static void take_event(struct event_metrics *m, const struct event *event)
{
    const struct event_metrics_config *config = m->options.config;
    atomic_fetch_add(&m->events, 1);
    match_scratch_forget(m->scratch);
    for (size_t i = 0; config->rules != NULL && i < config->rules->count; i++) {
        const struct rule *rule = &config->rules->rules[i];
        size_t at = (size_t)strtoul(rule->info.file.p, NULL, 10);
        if (at < config->n && rule_applies(rule, event) && rule_matches(rule, event, m->scratch))
            count_metric(m, &config->items[at], event);
    }
    if (config->emf && !emf_read(event, &m->arena, take_emf, m))
        atomic_fetch_add(&m->refused[STATSD_BAD_VALUE], 1);
}

static void take_frame(struct event_metrics *m, const struct journal_frame *frame)
{
    struct sv rest = frame->blocks;
    for (uint64_t i = 0; i < frame->count; i++) {
        size_t n = record_length(rest);
        uint64_t position = frame->first + i;
        struct event event;
        struct err err = {0};
        if (n == 0)
            break; /* the reader has checked the frame */
        arena_reset(&m->arena);
        if (position > m->counted_to && frame->kind == BATCH_INPUT &&
            record_decode(sv_head(rest, n), &m->arena, &event, &err) == 0 && event.type == REC_EVENT &&
            !sv_is(event.source, "self")) {
            event.position = position;
            take_event(m, &event);
        }
        if (position > m->counted_to) {
            m->counted_to = position;
            m->dirty = true;
        }
        rest = sv_from(rest, n);
    }
}

/* --- writing --- */

static void write_all(struct event_metrics *m)
{
    struct sample_list list = {0};
    struct sample_target target = {.tsdb = m->options.tsdb, .source = m->source, .now_ms = now_ms(m)};
    struct label position[] = {{METRIC_NAME, POSITION_NAME}};
    struct err err = {0};
    statsd_table_flush(m->table, target.now_ms, &list);
    for (size_t i = 0; i < m->lines.n; i++)
        sample_list_add_sample(&list, &m->lines.items[i]);
    sample_list_next_point(&list);
    sample_list_add(&list, position, 1, target.now_ms, (double)m->counted_to);
    m->written_mono_ns = clk_monotonic_ns(m->options.clk);
    if (sample_list_append(&list, &target, NULL, NULL, &err) != 0) {
        atomic_fetch_add(&m->failed_writes, 1); /* all stays in memory for the next time */
    } else {
        sample_list_reset(&m->lines);
        m->dirty = false;
        atomic_store(&m->position, m->counted_to);
        atomic_fetch_add(&m->refused_samples, list.refused);
    }
    atomic_store(&m->series, statsd_table_series(m->table));
    atomic_store(&m->bytes, statsd_table_bytes(m->table));
    atomic_store(&m->forgotten, statsd_table_forgotten(m->table));
    atomic_store(&m->made_room, statsd_table_made_room(m->table));
    sample_list_free(&list);
}

/* A write takes all series: where there are many, they are written less often. */
static bool is_due(const struct event_metrics *m)
{
    int64_t since_ms = (clk_monotonic_ns(m->options.clk) - m->written_mono_ns) / 1000000;
    int64_t every_ms =
        TC_MAX((int64_t)WRITE_EVERY_MS, (int64_t)(statsd_table_series(m->table) / SERIES_PER_MS));
    return since_ms >= (m->dirty ? every_ms : WRITE_IDLE_EVERY_MS);
}

static void *run(void *context)
{
    struct event_metrics *m = context;
    struct journal_frame frame;
    struct err err = {0};
    while (!atomic_load(&m->ending)) {
        int rc = journal_reader_next(m->reader, &frame, &err);
        if (rc < 0) {
            log_error("metrics", "events are not counted any more: %s", err.text);
            break;
        }
        if (rc == 1)
            take_frame(m, &frame);
        else
            (void)journal_wait(m->options.journal, journal_end(m->options.journal), WAIT_NS);
        if (is_due(m))
            write_all(m);
    }
    write_all(m);
    return NULL;
}

/* --- going on where the last process ended --- */

struct restoring {
    struct event_metrics *m;
    struct tsdb_querier *querier;
    struct series_source source;
    struct arena arena, scratch;
    double position;  /* below 0: there is none */
    int64_t wrote_ms; /* when it was written */
};

/* Calls `each` with the last sample in [min_t, max_t] of every series of that name. */
static int each_last(struct restoring *r, struct sv name, int64_t min_t, int64_t max_t,
                     void (*each)(struct restoring *r, const struct labels *labels,
                                  const struct series_samples *got, void *context),
                     void *context, struct err *err)
{
    struct matcher matcher;
    struct source_series *series;
    size_t n = 0;
    int rc = matcher_init(&matcher, MATCH_EQUAL, METRIC_NAME, name, err);
    if (rc == 0)
        rc = r->source.select(r->source.context, &matcher, 1, min_t, max_t, &r->arena, &series, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct series_samples got;
        arena_reset(&r->scratch);
        rc = r->source.read(r->source.context, series[i].ref, min_t, max_t, &r->scratch, &got, err);
        while (rc == 0 && got.n > 0 && got.t[got.n - 1] > max_t)
            got.n--; /* whole chunks are read */
        if (rc == 0 && got.n > 0 && got.t[got.n - 1] >= min_t)
            each(r, series[i].labels, &got, context);
    }
    matcher_free(&matcher);
    return rc;
}

static void take_position(struct restoring *r, const struct labels *labels, const struct series_samples *got,
                          void *context)
{
    (void)labels;
    (void)context;
    r->position = got->f[got->n - 1];
    r->wrote_ms = got->t[got->n - 1];
}

static void take_series(struct restoring *r, const struct labels *labels, const struct series_samples *got,
                        void *context)
{
    double value = got->f[got->n - 1];
    const struct histogram *histogram = got->h == NULL ? NULL : got->h[got->n - 1];
    const struct event_metric *metric = context;
    enum statsd_type type = metric->type == EVENT_METRIC_COUNTER ? STATSD_COUNTER
                            : metric->type == EVENT_METRIC_GAUGE ? STATSD_GAUGE
                                                                 : STATSD_HISTOGRAM;
    if (histogram != NULL ? is_stale(histogram->sum) : is_stale(value))
        return;
    statsd_table_restore(r->m->table, type, labels->items, labels->count, value, histogram, now_ms(r->m));
}

static int restore(struct event_metrics *m, struct err *err)
{
    struct restoring r = {.m = m, .querier = tsdb_querier_open(m->options.tsdb), .position = -1};
    const struct event_metrics_config *config = m->options.config;
    uint64_t end = journal_end(m->options.journal);
    r.source = tsdb_querier_source(r.querier);
    int rc = each_last(&r, POSITION_NAME, INT64_MIN / 4, INT64_MAX / 4, take_position, NULL, err);
    for (size_t i = 0; rc == 0 && r.position >= 0 && i < config->n; i++)
        if (config->items[i].type != EVENT_METRIC_LINES)
            rc = each_last(&r, config->items[i].name, r.wrote_ms - RESTORE_MS, r.wrote_ms, take_series,
                           &config->items[i], err);
    m->counted_to = r.position >= 0 && r.position < (double)end ? (uint64_t)r.position
                    : end == 0                                  ? 0
                                                                : end - 1;
    tsdb_querier_close(&r.querier);
    arena_free(&r.arena);
    arena_free(&r.scratch);
    return rc;
}

/* Counters without labels are there from the start, so that their first event is an increase. */
static void begin_counters(struct event_metrics *m)
{
    const struct event_metrics_config *config = m->options.config;
    for (size_t i = 0; i < config->n; i++) {
        const struct event_metric *metric = &config->items[i];
        struct statsd_line line = {
            .name = metric->name, .values = SV("0"), .type = STATSD_COUNTER, .rate = 1};
        static const char *const types[] = {"counter", "gauge", "histogram", ""};
        if (metric->type == EVENT_METRIC_COUNTER && metric->label_count == 0)
            count(m, &line);
        if (metric->type != EVENT_METRIC_LINES && m->options.metadata != NULL)
            (void)metadata_put(m->options.metadata,
                               &(struct metadata_entry){metric->name, sv_of(types[metric->type]),
                                                        metric->help, metric->unit});
    }
}

int event_metrics_start(const struct event_metrics_options *options, struct event_metrics **ret,
                        struct err *err)
{
    struct event_metrics *m = tc_alloc(sizeof *m);
    m->options = *options;
    m->table = statsd_table_new(&(struct statsd_table_options){.keeps_bare = true, .idle_ms = IDLE_MS});
    m->scratch = match_scratch_new();
    m->source = tsdb_source(options->tsdb, SV("events"));
    int rc = restore(m, err);
    if (rc == 0) {
        begin_counters(m);
        atomic_store(&m->position, m->counted_to);
        rc = journal_reader_open(options->fs, options->dir, m->counted_to, options->journal, &m->reader, err);
    }
    if (rc == TC_ENOTFOUND) { /* what lies there was let go meanwhile */
        log_warn("metrics",
                 "events behind position %llu are not in the journal any more: counting begins with those "
                 "that are",
                 (unsigned long long)m->counted_to);
        rc = journal_reader_open(options->fs, options->dir, 0, options->journal, &m->reader, err);
    }
    if (rc == 0) {
        m->runs = pthread_create(&m->thread, NULL, run, m) == 0;
        rc = m->runs ? 0 : err_set(err, TC_EIO, "cannot start the thread that counts events");
    }
    if (rc == 0)
        *ret = m;
    else
        event_metrics_stop(&m);
    return rc;
}

void event_metrics_stop(struct event_metrics **metrics)
{
    struct event_metrics *m = *metrics;
    if (m == NULL)
        return;
    atomic_store(&m->ending, true);
    if (m->runs)
        pthread_join(m->thread, NULL);
    if (m->reader != NULL)
        journal_reader_close(&m->reader);
    statsd_table_free(&m->table);
    match_scratch_free(&m->scratch);
    sample_list_free(&m->lines);
    arena_free(&m->arena);
    free(m);
    *metrics = NULL;
}

void event_metrics_metrics(const struct event_metrics *m, struct buf *out)
{
    static const char *const reasons[STATSD_OUTCOMES] = {[STATSD_BAD_VALUE] = "value",
                                                         [STATSD_BAD_NAME] = "name",
                                                         [STATSD_NO_ROOM] = "limit",
                                                         [STATSD_PERSONAL] = "personal_data",
                                                         [STATSD_OTHER_TYPE] = "other_type"};
    const struct metric rows[] = {
        {"tocsin_event_metrics_events_total", "counter", "Events looked at.",
         (double)atomic_load(&m->events)},
        {"tocsin_event_metrics_matched_total", "counter", "Times that an event counted for a metric.",
         (double)atomic_load(&m->matched)},
        {"tocsin_event_metrics_counted_to", "gauge",
         "Position in the journal up to which events are counted and written.",
         (double)atomic_load(&m->position)},
        {"tocsin_event_metrics_series", "gauge", "Series that are added up.",
         (double)atomic_load(&m->series)},
        {"tocsin_event_metrics_series_limit", "gauge", "Series that may be added up.", STATSD_SERIES_MAX},
        {"tocsin_event_metrics_bytes", "gauge", "Bytes of their labels.", (double)atomic_load(&m->bytes)},
        {"tocsin_event_metrics_bytes_limit", "gauge", "Bytes that these may have.", STATSD_BYTES_MAX},
        {"tocsin_event_metrics_forgotten_total", "counter",
         "Series that were silent and are not added up any more.", (double)atomic_load(&m->forgotten)},
        {"tocsin_event_metrics_made_room_total", "counter",
         "Of these, series that went sooner because little room was left.",
         (double)atomic_load(&m->made_room)},
        {"tocsin_event_metrics_failed_writes_total", "counter",
         "Times that the store took nothing; it is tried again.", (double)atomic_load(&m->failed_writes)},
        {"tocsin_event_metrics_refused_samples_total", "counter", "Samples that the store did not take.",
         (double)atomic_load(&m->refused_samples)},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
    metric_head(out, "tocsin_event_metrics_refused_total", "counter",
                "Events that could not count, by reason.");
    for (size_t i = STATSD_TAKEN + 1; i < STATSD_OUTCOMES; i++)
        metric_labelled(out, "tocsin_event_metrics_refused_total", "reason", sv_of(reasons[i]),
                        (double)atomic_load(&m->refused[i]));
}
