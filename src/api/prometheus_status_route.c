/*
 * What Prometheus' HTTP API tells of the server itself: status/…, metadata, and the administration of its
 * store, which is not offered.
 */
#include "api/prometheus_priv.h"

#include "base/map.h"
#include "base/num.h"
#include "base/pool.h"
#include "metrics/metadata.h"

#include <stdlib.h>

/* What of its API and language this server speaks; clients choose by it what they may ask. */
#define PROMETHEUS_VERSION "3.16.0"

enum { STATUS_TOP = 10, STATUS_TOP_MAX = 10000, PAIRS_MAX = 4 * 1000 * 1000 };

void prometheus_config_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true)) {
        struct buf yaml;
        struct json_out json = question_answer(&q);
        buf_init(&yaml, 1 << 20);
        if (api->options.prometheus.config != NULL)
            api->options.prometheus.config(api->options.context, &yaml);
        json_object(&json);
        json_kv_string(&json, "yaml", buf_view(&yaml));
        json_object_end(&json);
        question_answered(&q, &json);
        buf_free(&yaml);
    }
    question_end(&q);
}

void prometheus_flags_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true)) {
        struct json_out json = question_answer(&q);
        json_object(&json);
        if (api->options.prometheus.flags != NULL)
            api->options.prometheus.flags(api->options.context, &json);
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

/* What is Go's alone is zero or empty. */
void prometheus_runtime_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    const struct api_prometheus *p = &api->options.prometheus;
    if (question_begin(&q, api, request, reply, true)) {
        bool successful = true;
        int64_t success_ns = api->started_ns;
        if (p->last_reload != NULL)
            p->last_reload(api->options.context, &successful, &success_ns);
        struct json_out json = question_answer(&q);
        json_object(&json);
        json_kv_time(&json, "startTime", api->started_ns);
        json_kv_str(&json, "CWD", or_empty(p->cwd));
        json_kv_str(&json, "hostname", or_empty(p->hostname));
        json_kv_time(&json, "serverTime", clk_now(api->options.clk).ns);
        json_kv_bool(&json, "reloadConfigSuccess", successful);
        json_kv_time(&json, "lastConfigTime", success_ns);
        json_kv_u64(&json, "corruptionCount", 0);
        json_kv_u64(&json, "goroutineCount", 0);
        json_kv_u64(&json, "GOMAXPROCS", pool_processors());
        json_kv_u64(&json, "GOMEMLIMIT", 0);
        json_kv_str(&json, "GOGC", "");
        json_kv_str(&json, "GODEBUG", "");
        json_kv_str(&json, "storageRetention", or_empty(p->retention));
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

void prometheus_build_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, false)) {
        struct json_out json = question_answer(&q);
        json_object(&json);
        json_kv_str(&json, "version", PROMETHEUS_VERSION);
        json_kv_str(&json, "revision", "tocsin " TC_VERSION);
        json_kv_str(&json, "branch", "");
        json_kv_str(&json, "buildUser", "");
        json_kv_str(&json, "buildDate", "");
        json_kv_str(&json, "goVersion", "");
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

/* Before it answers at all, the log has been replayed. */
void prometheus_replay_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true)) {
        static const char *const members[] = {"min", "max", "current"};
        struct json_out json = question_answer(&q);
        json_object(&json);
        for (size_t i = 0; i < TC_ARRAY_LEN(members); i++)
            json_kv_u64(&json, members[i], 0);
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

/* --- the store --- */

struct tally { /* of what, how many */
    struct sv name;
    uint64_t value;
};

struct survey {
    struct map names, label_values, label_bytes, pairs; /* pairs: also which values a label has */
    uint64_t series;
};

static void survey_label(struct survey *s, const struct label *label, struct buf *scratch)
{
    bool fresh = false;
    buf_clear(scratch);
    buf_printf(scratch, "%.*s=%.*s", SV_FMT(label->name), SV_FMT(label->value));
    uint64_t *pair = map_put(&s->pairs, buf_view(scratch), &fresh);
    if (pair != NULL)
        (*pair)++;
    uint64_t *values = map_put(&s->label_values, label->name, NULL), *bytes = NULL;
    if (fresh && values != NULL)
        (*values)++;
    bytes = map_put(&s->label_bytes, label->name, NULL);
    if (fresh && bytes != NULL)
        *bytes += label->value.n;
}

static void survey_series(struct survey *s, const struct labels *labels, struct buf *scratch)
{
    uint64_t *count = map_put(&s->names, labels_name(labels), NULL);
    if (count != NULL)
        (*count)++;
    s->series++;
    for (uint32_t i = 0; i < labels->count; i++)
        survey_label(s, &labels->items[i], scratch);
}

static int by_value(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value ? -1 : 1) : sv_cmp(x->name, y->name);
}

static void json_top(struct question *q, struct json_out *json, const char *key, const struct map *map,
                     uint64_t limit)
{
    struct tally *all = ARENA_ARRAY(&q->arena, struct tally, map->live + 1);
    struct map_entry *entry;
    size_t n = 0;
    for (size_t at = 0; map_next(map, &at, &entry);)
        all[n++] = (struct tally){entry->key, entry->value};
    qsort(all, n, sizeof *all, by_value);
    json_key(json, sv_of(key));
    json_array(json);
    for (size_t i = 0; i < n && i < limit; i++) {
        json_object(json);
        json_kv_string(json, "name", all[i].name);
        json_kv_u64(json, "value", all[i].value);
        json_object_end(json);
    }
    json_array_end(json);
}

static int survey_store(struct question *q, struct survey *s, int64_t min_t, struct err *err)
{
    struct tsdb_querier *querier = tsdb_querier_open(q->api->options.tsdb);
    struct series_source source = tsdb_querier_source(querier);
    struct source_series *series;
    struct buf scratch;
    size_t n = 0;
    buf_init(&scratch, TSDB_LABEL_BYTES_MAX * 2);
    int rc = source.select(source.context, NULL, 0, min_t, QUESTION_MAX_MS, &q->arena, &series, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        survey_series(s, series[i].labels, &scratch);
    buf_free(&scratch);
    tsdb_querier_close(&querier);
    return rc;
}

static void json_survey(struct question *q, const struct survey *s, const struct tsdb_stats *stats,
                        uint64_t limit)
{
    struct json_out json = question_answer(q);
    json_object(&json);
    json_key(&json, SV("headStats"));
    json_object(&json);
    json_kv_u64(&json, "numSeries", stats->series);
    json_kv_u64(&json, "numLabelPairs", s->pairs.live);
    json_kv_u64(&json, "chunkCount", stats->series); /* one is open for each */
    json_kv_i64(&json, "minTime", stats->min_t);
    json_kv_i64(&json, "maxTime", stats->max_t);
    json_object_end(&json);
    json_top(q, &json, "seriesCountByMetricName", &s->names, limit);
    json_top(q, &json, "labelValueCountByLabelName", &s->label_values, limit);
    json_top(q, &json, "memoryInBytesByLabelName", &s->label_bytes, limit);
    json_top(q, &json, "seriesCountByLabelValuePair", &s->pairs, limit);
    json_object_end(&json);
    question_answered(q, &json);
}

static bool read_top(struct question *q, uint64_t *ret)
{
    struct sv text = question_get(q, "limit");
    *ret = STATUS_TOP;
    if (text.n > 0 && !num_u64(text, 1, INT64_MAX, ret)) {
        question_refuse(q, 400, "bad_data", "limit must be a positive number");
        return false;
    }
    if (*ret > STATUS_TOP_MAX) {
        question_refuse(q, 400, "bad_data", "limit must not exceed %d", STATUS_TOP_MAX);
        return false;
    }
    return true;
}

/* Of the series that have samples since the head begins. */
void prometheus_tsdb_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct err err = {0};
    uint64_t limit;
    if (question_begin(&q, api, request, reply, true) && read_top(&q, &limit)) {
        struct tsdb_stats stats = tsdb_stats(api->options.tsdb);
        struct survey s = {0};
        struct map *const maps[] = {&s.names, &s.label_values, &s.label_bytes, &s.pairs};
        for (size_t i = 0; i < TC_ARRAY_LEN(maps); i++)
            map_init(maps[i], PAIRS_MAX);
        int rc = survey_store(&q, &s, stats.min_t, &err);
        json_survey(&q, &s, &stats, limit);
        if (rc != 0)
            question_refuse(&q, 500, "internal", "%s", err.text);
        for (size_t i = 0; i < TC_ARRAY_LEN(maps); i++)
            map_free(maps[i]);
    }
    question_end(&q);
}

/* --- metadata --- */

struct described { /* the descriptions of metrics that were asked for */
    struct question *q;
    struct sv metric; /* n == 0: of all */
    struct metadata_entry *entries;
    size_t count, capacity;
};

static bool take_entry(void *context, const struct metadata_entry *entry)
{
    struct described *d = context;
    if (d->metric.n > 0 && !sv_eq(entry->name, d->metric))
        return true;
    if (d->count == d->capacity) {
        d->capacity = TC_MAX((size_t)64, d->capacity * 2);
        d->entries = tc_realloc(d->entries, d->capacity * sizeof *d->entries);
    }
    d->entries[d->count++] = *entry; /* its texts live as long as their store */
    return true;
}

static int by_entry(const void *a, const void *b)
{
    const struct metadata_entry *x = a, *y = b;
    const struct sv pairs[][2] = {
        {x->name, y->name}, {x->type, y->type}, {x->help, y->help}, {x->unit, y->unit}};
    int order = 0;
    for (size_t i = 0; order == 0 && i < TC_ARRAY_LEN(pairs); i++)
        order = sv_cmp(pairs[i][0], pairs[i][1]);
    return order;
}

static void json_entry(struct json_out *json, const struct metadata_entry *entry)
{
    json_object(json);
    json_kv_string(json, "type", entry->type);
    json_kv_string(json, "unit", entry->unit);
    json_kv_string(json, "help", entry->help);
    json_object_end(json);
}

static void print_described(struct described *d, uint64_t limit, uint64_t limit_per_metric)
{
    struct json_out json = question_answer(d->q);
    uint64_t metrics = 0;
    if (d->count > 0)
        qsort(d->entries, d->count, sizeof *d->entries, by_entry);
    json_object(&json);
    for (size_t i = 0, n; i < d->count && metrics < limit; i += n, metrics++) {
        json_key(&json, d->entries[i].name);
        json_array(&json);
        for (n = 0; i + n < d->count && sv_eq(d->entries[i + n].name, d->entries[i].name); n++)
            if (n < limit_per_metric)
                json_entry(&json, &d->entries[i + n]);
        json_array_end(&json);
    }
    json_object_end(&json);
    question_answered(d->q, &json);
}

/* Absent or negative: no bound. Zero is none for `limit`, and no bound for `limit_per_metric`. */
static bool read_bound(struct question *q, const char *name, uint64_t *ret)
{
    struct sv text = question_get(q, name);
    uint64_t ignored;
    *ret = UINT64_MAX;
    if (text.n == 0 || num_u64(text, 0, INT64_MAX, ret) ||
        (text.p[0] == '-' && num_u64(sv_from(text, 1), 0, INT64_MAX, &ignored)))
        return true;
    question_refuse(q, 400, "bad_data", "%s must be a number", name);
    return false;
}

void prometheus_metadata_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    uint64_t limit, limit_per_metric;
    if (question_begin(&q, api, request, reply, true) && read_bound(&q, "limit", &limit) &&
        read_bound(&q, "limit_per_metric", &limit_per_metric)) {
        struct described d = {.q = &q, .metric = question_get(&q, "metric")};
        if (api->options.metadata != NULL)
            metadata_each(api->options.metadata, take_entry, &d);
        print_described(&d, limit, limit_per_metric == 0 ? UINT64_MAX : limit_per_metric);
        free(d.entries);
    }
    question_end(&q);
}
