/*
 * Prometheus' HTTP API for queries, as Grafana and promtool ask it: query, query_range, series, labels and
 * label values, with its parameters (in the address or a form), its JSON and its kinds of errors.
 *
 * A query is evaluated on the server's thread that took it; its `timeout` (2 minutes at most) and the limit
 * of samples bound how long it holds it.
 */
#include "api/api_priv.h"

#include "base/go_text.h"
#include "base/json_out.h"
#include "base/map.h"
#include "base/num.h"
#include "metrics/prom_duration.h"
#include "metrics/promql/query.h"
#include "metrics/tsdb/tsdb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MATCHES_MAX = 32, POINTS_MAX = 11000, TIMEOUT_S = 120, LIST_MAX = 1000 * 1000 };

struct question {
    struct api *api;
    struct reply *reply;
    struct arena arena;
    struct sv query, time, start, end, step, timeout, lookback, limit;
    struct sv matches[MATCHES_MAX];
    size_t match_count;
    bool too_many;
    int64_t deadline_ns; /* monotonic */
};

static void refuse(struct question *q, unsigned status, const char *type, const char *text)
{
    reply_json(q->reply, status);
    buf_clear(&q->reply->body);
    struct json_out json = json_out_to(&q->reply->body);
    json_object(&json);
    json_kv_str(&json, "status", "error");
    json_kv_str(&json, "errorType", type);
    json_kv_str(&json, "error", text);
    json_object_end(&json);
}

static bool bad_parameter(struct question *q, const char *name, const char *what, struct sv value)
{
    char text[400];
    snprintf(text, sizeof text, "invalid parameter \"%s\": %s \"%.*s\"", name, what,
             (int)TC_MIN(value.n, (size_t)200), value.p == NULL ? "" : value.p);
    refuse(q, 400, "bad_data", text);
    return false;
}

/* --- parameters --- */

static bool take_parameter(void *context, struct sv name, struct sv value)
{
    struct question *q = context;
    const struct {
        const char *name;
        struct sv *to;
    } known[] = {{"query", &q->query}, {"time", &q->time},
                 {"start", &q->start}, {"end", &q->end},
                 {"step", &q->step},   {"timeout", &q->timeout},
                 {"limit", &q->limit}, {"lookback_delta", &q->lookback}};
    if (sv_is(name, "match[]")) {
        if (q->match_count == MATCHES_MAX)
            q->too_many = true;
        else
            q->matches[q->match_count++] = arena_sv(&q->arena, value);
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(known); i++)
        if (sv_is(name, known[i].name) && known[i].to->p == NULL)
            *known[i].to = arena_sv(&q->arena, value);
    return true;
}

static struct sv decode_form(struct question *q, struct sv text, bool *bad)
{
    char *copy = arena_alloc(&q->arena, text.n + 1), *out = arena_alloc(&q->arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        copy[i] = text.p[i] == '+' ? ' ' : text.p[i];
    if (!router_decode(sv_make(copy, text.n), out, text.n + 1, &n))
        *bad = true;
    return sv_make(out, n);
}

static bool begin(struct question *q, struct api *api, struct request *request, struct reply *reply)
{
    bool bad = false;
    *q = (struct question){.api = api, .reply = reply};
    if (api->options.tsdb == NULL) {
        refuse(q, 404, "not_found", "metrics are off: set metrics.enabled in the configuration");
        return false;
    }
    struct sv body = buf_view(&request->body);
    while (body.n > 0) {
        struct sv value = sv_cut(&body, '&'), name = sv_cut(&value, '=');
        name = decode_form(q, name, &bad);
        value = decode_form(q, value, &bad);
        take_parameter(q, name, value);
    }
    if (!request_query(request, take_parameter, q) || bad) {
        refuse(q, 400, "bad_data", "a parameter is not properly encoded");
        return false;
    }
    if (q->too_many) {
        refuse(q, 400, "bad_data", "too many match[] parameters");
        return false;
    }
    return true;
}

/* Seconds, or RFC 3339. */
static bool read_time(struct question *q, const char *name, struct sv text, int64_t fallback_ms,
                      int64_t *ret_ms)
{
    double seconds;
    int64_t ns;
    *ret_ms = fallback_ms;
    if (text.n == 0)
        return true;
    if (num_double(text, &seconds) && fabs(seconds) < 9e12)
        *ret_ms = (int64_t)round(seconds * 1000);
    else if (clk_parse_rfc3339(text, 0, &ns))
        *ret_ms = ns / 1000000;
    else
        return bad_parameter(q, name, "cannot parse to a valid timestamp:", text);
    return true;
}

/* Seconds, or a duration. */
static bool read_duration(struct question *q, const char *name, struct sv text, int64_t fallback_ms,
                          int64_t *ret_ms)
{
    double seconds;
    int64_t ns;
    *ret_ms = fallback_ms;
    if (text.n == 0)
        return true;
    if (num_double(text, &seconds) && fabs(seconds) < 9e12)
        *ret_ms = (int64_t)(seconds * 1000);
    else if (prom_parse_duration(text, &ns, NULL) == 0)
        *ret_ms = ns / 1000000;
    else
        return bad_parameter(q, name, "cannot parse to a valid duration:", text);
    return true;
}

static bool read_limit(struct question *q, size_t *ret)
{
    uint64_t limit = 0;
    if (q->limit.n > 0 && !num_u64(q->limit, 0, UINT32_MAX, &limit))
        return bad_parameter(q, "limit", "limit must be a whole number:", q->limit);
    *ret = limit == 0 ? LIST_MAX : (size_t)TC_MIN(limit, (uint64_t)LIST_MAX);
    return true;
}

static int64_t now_ms(const struct question *q)
{
    return clk_now(q->api->options.clk).ns / 1000000;
}

/* --- answers --- */

static void json_value(struct json_out *json, double v)
{
    char text[400];
    struct buf out;
    buf_init(&out, sizeof text);
    go_float_f(&out, v);
    json_string(json, buf_view(&out));
    buf_free(&out);
}

static void json_time_s(struct json_out *json, int64_t ms)
{
    char text[32];
    int n = ms % 1000 == 0 ? snprintf(text, sizeof text, "%lld", (long long)(ms / 1000))
                           : snprintf(text, sizeof text, "%s%lld.%03lld", ms < 0 ? "-" : "",
                                      (long long)llabs(ms / 1000), (long long)llabs(ms % 1000));
    while (ms % 1000 != 0 && text[n - 1] == '0')
        n--;
    json_raw(json, sv_make(text, (size_t)n));
}

static void json_histogram(struct json_out *json, const struct histogram *h, struct arena *arena)
{
    struct histogram_bucket *buckets;
    size_t n = histogram_buckets(arena, h, &buckets);
    json_object(json);
    json_key(json, SV("count"));
    json_value(json, h->count);
    json_key(json, SV("sum"));
    json_value(json, h->sum);
    if (n > 0) {
        json_key(json, SV("buckets"));
        json_array(json);
        for (size_t i = 0; i < n; i++) {
            const struct histogram_bucket *b = &buckets[i];
            if (b->count == 0)
                continue;
            json_array(json);
            json_i64(json, b->lower_inclusive ? (b->upper_inclusive ? 3 : 1) : (b->upper_inclusive ? 0 : 2));
            json_value(json, b->lower);
            json_value(json, b->upper);
            json_value(json, b->count);
            json_array_end(json);
        }
        json_array_end(json);
    }
    json_object_end(json);
}

static void json_point(struct json_out *json, const struct promql_series *s, size_t i, struct arena *arena)
{
    json_array(json);
    json_time_s(json, s->t[i]);
    if (s->h != NULL && s->h[i] != NULL)
        json_histogram(json, s->h[i], arena);
    else
        json_value(json, s->f[i]);
    json_array_end(json);
}

static void json_labels(struct json_out *json, const struct labels *labels)
{
    json_object(json);
    for (uint32_t i = 0; i < labels->count; i++) {
        json_key(json, labels->items[i].name);
        json_string(json, labels->items[i].value);
    }
    json_object_end(json);
}

static void json_points(struct json_out *json, const struct promql_series *s, bool histograms,
                        const char *key, struct arena *arena)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        if ((s->h != NULL && s->h[i] != NULL) != histograms)
            continue;
        if (!any) {
            json_key(json, sv_of(key));
            json_array(json);
        }
        any = true;
        json_point(json, s, i, arena);
    }
    if (any)
        json_array_end(json);
}

static void json_series(struct json_out *json, const struct promql_series *s, bool matrix,
                        struct arena *arena)
{
    json_object(json);
    json_key(json, SV("metric"));
    json_labels(json, s->labels);
    if (matrix) {
        json_points(json, s, false, "values", arena);
        json_points(json, s, true, "histograms", arena);
    } else if (s->n > 0) {
        json_key(json, s->h != NULL && s->h[0] != NULL ? SV("histogram") : SV("value"));
        json_point(json, s, 0, arena);
    }
    json_object_end(json);
}

static void json_texts(struct json_out *json, const char *key, const struct sv *texts, size_t count)
{
    if (count == 0)
        return;
    json_key(json, sv_of(key));
    json_array(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, texts[i]);
    json_array_end(json);
}

static void answer(struct question *q, const struct promql_result *r, int64_t at_ms)
{
    static const char *const types[] = {[VALUE_SCALAR] = "scalar",
                                        [VALUE_VECTOR] = "vector",
                                        [VALUE_MATRIX] = "matrix",
                                        [VALUE_STRING] = "string"};
    struct arena scratch = {0};
    reply_json(q->reply, 200);
    struct json_out json = json_out_to(&q->reply->body);
    json_object(&json);
    json_kv_str(&json, "status", "success");
    json_key(&json, SV("data"));
    json_object(&json);
    json_kv_str(&json, "resultType", types[r->type]);
    json_key(&json, SV("result"));
    json_array(&json);
    if (r->type == VALUE_SCALAR || r->type == VALUE_STRING) {
        json_time_s(&json, at_ms);
        if (r->type == VALUE_SCALAR)
            json_value(&json, r->scalar);
        else
            json_string(&json, r->string);
    }
    for (size_t i = 0; i < r->count; i++) {
        arena_reset(&scratch);
        json_series(&json, &r->series[i], r->type == VALUE_MATRIX, &scratch);
    }
    json_array_end(&json);
    json_object_end(&json);
    json_texts(&json, "warnings", r->warnings, r->warning_count);
    json_texts(&json, "infos", r->infos, r->info_count);
    json_object_end(&json);
    arena_free(&scratch);
    if (q->reply->body.overflow)
        refuse(q, 422, "execution", "the answer is longer than 64 MiB: ask for fewer series or steps");
}

static bool is_late(void *context)
{
    const struct question *q = context;
    return clk_monotonic_ns(q->api->options.clk) > q->deadline_ns;
}

static void run(struct question *q, struct promql_options *options)
{
    struct promql_parse parse = {0};
    struct promql_result result = {0};
    struct err err = {0};
    int64_t timeout_ms;
    if (!read_duration(q, "timeout", q->timeout, TIMEOUT_S * 1000, &timeout_ms) ||
        !read_duration(q, "lookback_delta", q->lookback, 0, &options->lookback_ms))
        return;
    timeout_ms = TC_MIN(TC_MAX(timeout_ms, 0), TIMEOUT_S * 1000);
    q->deadline_ns = clk_monotonic_ns(q->api->options.clk) + timeout_ms * 1000000;
    options->cancelled = is_late;
    options->cancel_context = q;
    options->ignore_start_timestamps = true; /* as Prometheus, unless it is told otherwise */
    int rc = promql_parse(&parse, q->query, &err);
    if (rc != 0) {
        char text[TC_ERR_TEXT_MAX + 40];
        snprintf(text, sizeof text, "invalid parameter \"query\": %s", err.text);
        refuse(q, 400, "bad_data", text);
    } else {
        struct tsdb_querier *querier = tsdb_querier_open(q->api->options.tsdb);
        struct series_source source = tsdb_querier_source(querier);
        rc = promql_query(&source, q->query, options, &result, &err);
        if (rc == 0)
            answer(q, &result, options->end_ms);
        else if (is_late(q))
            refuse(q, 503, "timeout", err.text);
        else
            refuse(q, rc == TC_EINPUT ? 422 : 500, rc == TC_EINPUT ? "execution" : "internal", err.text);
        promql_result_free(&result);
        tsdb_querier_close(&querier);
    }
    promql_parse_free(&parse);
}

void promql_query_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct promql_options o = {0};
    if (begin(&q, api, request, reply) && read_time(&q, "time", q.time, now_ms(&q), &o.start_ms)) {
        o.end_ms = o.start_ms;
        run(&q, &o);
    }
    arena_free(&q.arena);
}

static bool read_range(struct question *q, struct promql_options *o)
{
    if (q->start.n == 0 || q->end.n == 0 || q->step.n == 0)
        return bad_parameter(q,
                             q->start.n == 0 ? "start"
                             : q->end.n == 0 ? "end"
                                             : "step",
                             "is missing", SV(""));
    if (!read_time(q, "start", q->start, 0, &o->start_ms) || !read_time(q, "end", q->end, 0, &o->end_ms) ||
        !read_duration(q, "step", q->step, 0, &o->step_ms))
        return false;
    if (o->end_ms < o->start_ms)
        return bad_parameter(q, "end", "end timestamp must not be before start time:", q->end);
    if (o->step_ms <= 0)
        return bad_parameter(
            q, "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer:",
            q->step);
    if ((o->end_ms - o->start_ms) / o->step_ms > POINTS_MAX) {
        refuse(q, 400, "bad_data",
               "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
               "resolution "
               "(?step=XX)");
        return false;
    }
    return true;
}

void promql_range_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct promql_options o = {0};
    if (begin(&q, api, request, reply) && read_range(&q, &o))
        run(&q, &o);
    arena_free(&q.arena);
}

/* --- series and labels --- */

/* What is done for each match[], or once without matchers where there is none. */
typedef int (*match_fn)(struct question *q, struct tsdb_querier *querier, const struct matcher *matchers,
                        size_t count, int64_t min_t, int64_t max_t, void *context, struct err *err);

static int each_match(struct question *q, struct tsdb_querier *querier, match_fn each, void *context,
                      int64_t min_t, int64_t max_t, struct err *err)
{
    int rc = q->match_count == 0 ? each(q, querier, NULL, 0, min_t, max_t, context, err) : 0;
    for (size_t i = 0; i < q->match_count && rc == 0; i++) {
        struct promql_parse parse = {0};
        rc = promql_parse(&parse, q->matches[i], err);
        if (rc == 0 && parse.expr->kind != EXPR_SELECTOR)
            rc = err_set(err, TC_EINPUT, "invalid parameter \"match[]\": a selector of series is expected");
        if (rc == 0)
            rc =
                each(q, querier, parse.expr->matchers, parse.expr->matcher_count, min_t, max_t, context, err);
        promql_parse_free(&parse);
    }
    return rc;
}

static bool read_window(struct question *q, int64_t *ret_min, int64_t *ret_max)
{
    return read_time(q, "start", q->start, INT64_MIN / 4, ret_min) &&
           read_time(q, "end", q->end, INT64_MAX / 4, ret_max);
}

struct listing {
    struct map seen;
    struct sv name; /* of label values; p == NULL: names */
    struct sv *texts;
    size_t count, limit;
    struct json_out json;
    struct labels_table table;
    uint32_t listed;
};

static int list_series(struct question *q, struct tsdb_querier *querier, const struct matcher *matchers,
                       size_t count, int64_t min_t, int64_t max_t, void *context, struct err *err)
{
    struct listing *l = context;
    struct series_source source = tsdb_querier_source(querier);
    struct source_series *series;
    size_t n;
    int rc = source.select(source.context, matchers, count, min_t, max_t, &q->arena, &series, &n, err);
    for (size_t i = 0; rc == 0 && i < n && l->count < l->limit; i++) {
        const struct labels *labels = labels_import(&l->table, series[i].labels);
        if (labels->id < l->listed)
            continue; /* another match[] had it */
        l->listed = labels->id + 1;
        l->count++;
        json_labels(&l->json, labels);
    }
    return rc;
}

static void begin_list(struct listing *l, struct reply *reply)
{
    reply_json(reply, 200);
    l->json = json_out_to(&reply->body);
    json_object(&l->json);
    json_kv_str(&l->json, "status", "success");
    json_key(&l->json, SV("data"));
    json_array(&l->json);
}

static void end_list(struct question *q, struct listing *l, int rc, const struct err *err)
{
    const struct sv truncated = SV("results truncated due to limit");
    json_array_end(&l->json);
    if (l->count == l->limit && l->limit > 0 && q->limit.n > 0)
        json_texts(&l->json, "warnings", &truncated, 1);
    json_object_end(&l->json);
    if (rc != 0)
        refuse(q, rc == TC_EINPUT ? 400 : 500, rc == TC_EINPUT ? "bad_data" : "internal", err->text);
    else if (q->reply->body.overflow)
        refuse(q, 422, "execution", "the answer is longer than 64 MiB: ask for less");
}

void promql_series_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct listing l = {0};
    int64_t min_t, max_t;
    struct err err = {0};
    if (begin(&q, api, request, reply) && read_window(&q, &min_t, &max_t) && read_limit(&q, &l.limit)) {
        if (q.match_count == 0) {
            refuse(&q, 400, "bad_data", "no match[] parameter provided");
        } else {
            struct tsdb_querier *querier = tsdb_querier_open(api->options.tsdb);
            labels_table_init(&l.table);
            begin_list(&l, reply);
            int rc = each_match(&q, querier, list_series, &l, min_t, max_t, &err);
            end_list(&q, &l, rc, &err);
            labels_table_free(&l.table);
            tsdb_querier_close(&querier);
        }
    }
    arena_free(&q.arena);
}

static int gather_texts(struct question *q, struct tsdb_querier *querier, const struct matcher *matchers,
                        size_t count, int64_t min_t, int64_t max_t, void *context, struct err *err)
{
    struct listing *l = context;
    struct sv *texts;
    size_t n;
    int rc =
        l->name.p == NULL
            ? tsdb_label_names(querier, matchers, count, min_t, max_t, &q->arena, &texts, &n, err)
            : tsdb_label_values(querier, l->name, matchers, count, min_t, max_t, &q->arena, &texts, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        (void)map_put(&l->seen, texts[i], NULL);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static void list_texts(struct api *api, struct request *request, struct reply *reply, struct sv name)
{
    struct question q;
    struct listing l = {.name = name};
    int64_t min_t, max_t;
    struct err err = {0};
    if (begin(&q, api, request, reply) && read_window(&q, &min_t, &max_t) && read_limit(&q, &l.limit)) {
        struct tsdb_querier *querier = tsdb_querier_open(api->options.tsdb);
        map_init(&l.seen, LIST_MAX);
        int rc = each_match(&q, querier, gather_texts, &l, min_t, max_t, &err);
        struct sv *texts = ARENA_ARRAY(&q.arena, struct sv, l.seen.live + 1);
        struct map_entry *entry;
        size_t n = 0;
        for (size_t i = 0; map_next(&l.seen, &i, &entry);)
            texts[n++] = entry->key;
        qsort(texts, n, sizeof *texts, by_text);
        begin_list(&l, reply);
        for (; l.count < n && l.count < l.limit; l.count++)
            json_string(&l.json, texts[l.count]);
        end_list(&q, &l, rc, &err);
        map_free(&l.seen);
        tsdb_querier_close(&querier);
    }
    arena_free(&q.arena);
}

void promql_labels_route(struct api *api, struct request *request, struct reply *reply)
{
    list_texts(api, request, reply, (struct sv){0});
}

void promql_values_route(struct api *api, struct request *request, struct reply *reply)
{
    list_texts(api, request, reply, request->match.params[0]);
}
