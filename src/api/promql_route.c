/*
 * Queries by Prometheus' HTTP API: query and query_range, with their parameters (in the
 * address or a form), their JSON and their kinds of errors.
 *
 * A query is evaluated on the server's thread that took it; its `timeout` (2 minutes at most) and the limit
 * of samples bound how long it holds it.
 */
#include "api/prometheus_priv.h"

enum { POINTS_MAX = 11000, TIMEOUT_S = 120, NOTES_MAX = 10 };

/* --- answers --- */

/* What a query read, for `stats`. */
struct counting {
    struct series_source source;
    uint64_t series, samples;
    int64_t began_ns;
};

static int count_select(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                        int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                        struct err *err)
{
    struct counting *c = context;
    int rc = c->source.select(c->source.context, matchers, count, min_t, max_t, arena, ret, ret_count, err);
    c->series += rc == 0 ? *ret_count : 0;
    return rc;
}

static int count_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                      struct series_samples *ret, struct err *err)
{
    struct counting *c = context;
    int rc = c->source.read(c->source.context, ref, min_t, max_t, scratch, ret, err);
    for (size_t i = 0; rc == 0 && i < ret->n; i++)
        c->samples += ret->t[i] >= min_t && ret->t[i] <= max_t;
    return rc;
}

static void json_stats(struct question *q, struct json_out *json, const struct counting *c)
{
    double took_s = (double)(clk_monotonic_ns(q->api->options.clk) - c->began_ns) / 1e9;
    static const char *const timings[] = {"evalTotalTime", "resultSortTime", "queryPreparationTime",
                                          "innerEvalTime", "execQueueTime",  "execTotalTime"};
    static const bool is_whole[] = {true, false, false, true, false, true};
    json_key(json, SV("stats"));
    json_object(json);
    json_key(json, SV("timings"));
    json_object(json);
    for (size_t i = 0; i < TC_ARRAY_LEN(timings); i++) {
        json_key(json, sv_of(timings[i]));
        json_double(json, is_whole[i] ? took_s : 0);
    }
    json_object_end(json);
    json_key(json, SV("samples"));
    json_object(json);
    json_kv_u64(json, "totalQueryableSamples", c->samples);
    json_kv_u64(json, "samplesRead", c->samples);
    json_kv_u64(json, "seriesTouched", c->series);
    json_kv_u64(json, "peakSamples", c->samples);
    json_object_end(json);
    json_object_end(json);
}

static void answer(struct question *q, const struct promql_result *r, int64_t at_ms, size_t limit,
                   const struct counting *counting)
{
    bool is_cut = limit > 0 && r->count > limit;
    struct json_out json = question_answer(q);
    json_object(&json);
    promql_result_json(&json, r, at_ms, limit);
    if (question_get(q, "stats").n > 0)
        json_stats(q, &json, counting);
    json_object_end(&json);
    promql_annotations_json(&json, r, NOTES_MAX, is_cut ? question_truncated : SV(""));
    question_answered(q, &json);
}

/* --- evaluating --- */

static bool is_late(void *context)
{
    const struct question *q = context;
    return workers_ending(&q->api->asides) || clk_monotonic_ns(q->api->options.clk) > q->deadline_ns;
}

static bool read_options(struct question *q, struct promql_options *o)
{
    int64_t timeout_ms = TIMEOUT_S * 1000;
    struct sv timeout = question_get(q, "timeout"), lookback = question_get(q, "lookback_delta");
    o->lookback_ms = q->api->options.prometheus.lookback_ms;
    if (timeout.n > 0 && !question_duration(q, "timeout", timeout, &timeout_ms))
        return false;
    if (lookback.n > 0 && !question_duration(q, "lookback_delta", lookback, &o->lookback_ms))
        return false;
    timeout_ms = TC_MIN(TC_MAX(timeout_ms, (int64_t)0), (int64_t)TIMEOUT_S * 1000);
    q->deadline_ns = clk_monotonic_ns(q->api->options.clk) + timeout_ms * 1000000;
    o->cancelled = is_late;
    o->cancel_context = q;
    const struct promql_features *features = &q->api->options.prometheus.features;
    o->refused = promql_features_refused(features);
    o->delayed_name_removal = features->delayed_name_removal;
    o->ignore_start_timestamps = !features->use_start_timestamps;
    return true;
}

static void evaluate(struct question *q, struct sv text, struct promql_options *options, size_t limit)
{
    struct promql_result result = {0};
    struct err err = {0};
    struct tsdb_querier *querier = tsdb_querier_open(q->api->options.tsdb);
    struct counting counting = {.source = tsdb_querier_source(querier),
                                .began_ns = clk_monotonic_ns(q->api->options.clk)};
    struct series_source source = {.context = &counting, .select = count_select, .read = count_read};
    int rc = promql_query(&source, text, options, &result, &err);
    if (rc == 0)
        answer(q, &result, options->end_ms, limit, &counting);
    else if (is_late(q))
        question_refuse(q, 503, "timeout", "%s", err.text);
    else
        question_refuse(q, rc == TC_EINPUT ? 422 : 500, rc == TC_EINPUT ? "execution" : "internal", "%s",
                        err.text);
    promql_result_free(&result);
    tsdb_querier_close(&querier);
}

/* Whether it has a value at each step. */
static bool is_ranged(const struct expr *e)
{
    return expr_type(e) == VALUE_SCALAR || expr_type(e) == VALUE_VECTOR;
}

static void run(struct question *q, struct promql_options *options, size_t limit)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    struct sv text = question_get(q, "query");
    if (!read_options(q, options))
        return;
    parse.refused = options->refused;
    if (promql_parse(&parse, text, &err) != 0)
        question_invalid(q, "query", "%s", err.text);
    else if (options->step_ms > 0 && !is_ranged(parse.expr))
        question_invalid(q, "query",
                         "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
                         value_type_name(expr_type(parse.expr)));
    else
        evaluate(q, text, options, limit);
    promql_parse_free(&parse);
}

static void answer_query(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct promql_options o = {0};
    size_t limit;
    if (question_begin(&q, api, request, reply, true) && question_limit(&q, &limit) &&
        question_time(&q, "time", false, question_now_ms(&q), &o.start_ms)) {
        o.end_ms = o.start_ms;
        run(&q, &o, limit);
    }
    question_end(&q);
}

void promql_query_route(struct api *api, struct request *request, struct reply *reply)
{
    aside_run(api, request, answer_query, reply);
}

static bool read_range(struct question *q, struct promql_options *o)
{
    if (!question_time(q, "start", true, 0, &o->start_ms) || !question_time(q, "end", true, 0, &o->end_ms))
        return false;
    if (o->end_ms < o->start_ms)
        return question_invalid(q, "end", "end timestamp must not be before start time");
    if (!question_duration(q, "step", question_get(q, "step"), &o->step_ms))
        return false;
    if (o->step_ms <= 0)
        return question_invalid(
            q, "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer");
    if ((o->end_ms - o->start_ms) / o->step_ms > POINTS_MAX) {
        question_refuse(q, 400, "bad_data",
                        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
                        "query resolution (?step=XX)");
        return false;
    }
    return true;
}

static void answer_range(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct promql_options o = {0};
    size_t limit;
    if (question_begin(&q, api, request, reply, true) && question_limit(&q, &limit) && read_range(&q, &o))
        run(&q, &o, limit);
    question_end(&q);
}

void promql_range_route(struct api *api, struct request *request, struct reply *reply)
{
    aside_run(api, request, answer_range, reply);
}
