/*
 * Loki's HTTP API over the journal: parameters in, a job for search.c, Loki's JSON out. Parameters come in
 * the query string or, with POST, as a form.
 */
#include "api/search.h"

#include "base/json_out.h"
#include "base/num.h"

#include <math.h>

enum { LIMIT_DEFAULT = 100, LINES_DEFAULT = 1000, LIMIT_MAX = 5000, POINTS_DEFAULT = 250 };
#define RANGE_DEFAULT_NS (INT64_C(3600) * TC_SECOND_NS)

struct reading {
    struct search_job *job;
    int64_t now_ns, since_ns;
    bool has_start, has_end;
    struct err err;
};

/* Nanoseconds, seconds with or without a fraction, or RFC 3339. */
static bool read_time(struct sv text, int64_t *ret)
{
    double seconds;
    bool good;
    if (num_i64(text, ret)) {
        good = text.n > 10 ||
               (*ret<QUERY_TIME_MAX_NS / TC_SECOND_NS && * ret> - QUERY_TIME_MAX_NS / TC_SECOND_NS);
        *ret *= good && text.n <= 10 ? TC_SECOND_NS : 1;
    } else if (num_double(text, &seconds)) {
        good = fabs(seconds) < (double)(QUERY_TIME_MAX_NS / TC_SECOND_NS);
        *ret = good ? (int64_t)(seconds * (double)TC_SECOND_NS) : 0;
    } else {
        good = clk_parse_rfc3339(text, 0, ret);
    }
    return good && *ret <= QUERY_TIME_MAX_NS && *ret >= -QUERY_TIME_MAX_NS;
}

static bool read_step(struct sv text, int64_t *ret)
{
    double value;
    if (num_double(text, &value))
        value *= (double)TC_SECOND_NS;
    else if (!logql_duration(text, &value))
        return false;
    if (!(value >= 1 && value < 9e18))
        return false;
    *ret = (int64_t)value;
    return true;
}

static bool add_query(struct reading *r, struct sv text)
{
    struct search_parameters *what = &r->job->what;
    if (text.n == 0 || sv_is(sv_trim(text), "{}"))
        return true;
    if (what->query_count == TC_ARRAY_LEN(what->queries)) {
        err_set(&r->err, TC_EINPUT, "too many selectors");
        return false;
    }
    if (logql_parse(text, &what->queries[what->query_count], &r->err) != 0)
        return false;
    what->query_count++;
    return true;
}

static bool parameter(void *context, struct sv name, struct sv value)
{
    struct reading *r = context;
    struct search_parameters *what = &r->job->what;
    bool good = true;
    if (sv_is(name, "query") || sv_is(name, "match[]") || sv_is(name, "match"))
        return add_query(r, value);
    if (value.n == 0)
        return true;
    if (sv_is(name, "start")) {
        good = r->has_start = read_time(value, &what->start_ns);
    } else if (sv_is(name, "end") || sv_is(name, "time")) {
        good = r->has_end = read_time(value, &what->end_ns);
    } else if (sv_is(name, "since")) {
        good = read_step(value, &r->since_ns);
    } else if (sv_is(name, "step")) {
        good = read_step(value, &what->step_ns);
    } else if (sv_is(name, "limit")) {
        good = num_u64(value, 1, LIMIT_MAX, &what->limit);
    } else if (sv_is(name, "line_limit")) {
        good = num_u64(value, 1, LIMIT_MAX, &what->line_limit);
    } else if (sv_is(name, "targetLabels") && what->kind >= SEARCH_VOLUME) {
        what->label = arena_sv(&r->job->arena, value);
    } else if (sv_is(name, "aggregateBy")) {
        good = sv_is(value, "series");
    } else if (sv_is(name, "direction")) {
        what->backward = !sv_eq_nocase(value, SV("forward"));
        good = !what->backward || sv_eq_nocase(value, SV("backward"));
    }
    if (!good)
        err_set(&r->err, TC_EINPUT, "the parameter %.*s is not understood: %.*s", SV_FMT(name),
                SV_FMT(sv_head(value, 100)));
    return good;
}

/* application/x-www-form-urlencoded */
static bool form(const struct request *request, bool (*each)(void *context, struct sv name, struct sv value),
                 struct arena *arena, void *context)
{
    struct sv rest = buf_view(&request->body);
    while (rest.n > 0) {
        struct sv value = sv_cut(&rest, '&'), name = sv_cut(&value, '=');
        char *parts[2] = {arena_str(arena, name), arena_str(arena, value)};
        size_t lengths[2] = {name.n, value.n};
        for (size_t i = 0; i < 2; i++) {
            char *out = arena_alloc_raw(arena, lengths[i] + 1, 1);
            for (size_t k = 0; k < lengths[i]; k++)
                parts[i][k] = parts[i][k] == '+' ? ' ' : parts[i][k];
            if (!router_decode(sv_make(parts[i], lengths[i]), out, lengths[i] + 1, &lengths[i]))
                return false;
            parts[i] = out;
        }
        if (!each(context, sv_make(parts[0], lengths[0]), sv_make(parts[1], lengths[1])))
            return false;
    }
    return true;
}

static bool parameters(const struct request *request, struct arena *arena,
                       bool (*each)(void *context, struct sv name, struct sv value), void *context)
{
    return request_query(request, each, context) && form(request, each, arena, context);
}

static enum search_kind kind_of(struct sv pattern)
{
    static const struct {
        const char *end;
        enum search_kind kind;
    } kinds[] = {{"/query", SEARCH_INSTANT},
                 {"/query_range", SEARCH_RANGE},
                 {"/labels", SEARCH_LABELS},
                 {"/detected_field/{name}/values", SEARCH_DETECTED_VALUES},
                 {"/values", SEARCH_VALUES},
                 {"/series", SEARCH_SERIES},
                 {"/volume", SEARCH_VOLUME},
                 {"/volume_range", SEARCH_VOLUME_RANGE},
                 {"/detected_labels", SEARCH_DETECTED_LABELS},
                 {"/detected_fields", SEARCH_DETECTED_FIELDS},
                 {"/stats", SEARCH_STATS}};
    size_t i = 0;
    while (i + 1 < TC_ARRAY_LEN(kinds) && !sv_ends(pattern, sv_of(kinds[i].end)))
        i++;
    return kinds[i].kind;
}

static void fill_defaults(struct reading *r)
{
    struct search_parameters *what = &r->job->what;
    if (!r->has_end)
        what->end_ns = r->now_ns;
    if (!r->has_start)
        what->start_ns = what->end_ns - (r->since_ns > 0 ? r->since_ns : RANGE_DEFAULT_NS);
    if (what->step_ns == 0) {
        int64_t seconds = (what->end_ns - what->start_ns) / TC_SECOND_NS;
        what->step_ns = TC_MAX((seconds + POINTS_DEFAULT - 1) / POINTS_DEFAULT, INT64_C(1)) * TC_SECOND_NS;
    }
}

static bool is_acceptable(struct reading *r)
{
    const struct search_parameters *what = &r->job->what;
    if (what->kind <= SEARCH_RANGE && what->query_count != 1) {
        err_set(&r->err, TC_EINPUT, "parse error : the parameter query is missing");
        return false;
    }
    for (size_t i = 0; i < what->query_count; i++)
        if (what->kind > SEARCH_RANGE && logql_is_metric(what->queries[i])) {
            err_set(&r->err, TC_EINPUT, "only a selector of streams is taken here");
            return false;
        }
    if (what->kind == SEARCH_INSTANT && !logql_is_metric(what->queries[0]) && !r->has_start) {
        err_set(&r->err, TC_EINPUT,
                "log queries are not supported as an instant query type, please change your query to a range "
                "query type");
        return false;
    }
    if (what->kind != SEARCH_INSTANT && what->end_ns < what->start_ns) {
        err_set(&r->err, TC_EINPUT, "end timestamp must not be before or equal to start time");
        return false;
    }
    return true;
}

/* What the parameters say, as request->search. False: the reply says what is wrong. */
static bool read_search(struct api *api, struct request *request, enum search_kind kind, struct reply *reply)
{
    struct search_job *job = request->search = tc_alloc(sizeof *job);
    struct reading r = {.job = job, .now_ns = clk_now(api->options.clk).ns};
    job->api = api;
    job->refs = 1;
    job->what =
        (struct search_parameters){.kind = kind,
                                   .limit = kind >= SEARCH_DETECTED_LABELS ? LINES_DEFAULT : LIMIT_DEFAULT,
                                   .line_limit = LINES_DEFAULT,
                                   .backward = true};
    if (kind == SEARCH_VALUES || kind == SEARCH_DETECTED_VALUES)
        job->what.label = arena_sv(&job->arena, request->match.params[0]);
    bool good = parameters(request, &job->arena, parameter, &r);
    fill_defaults(&r);
    if (api->options.data_dir == NULL)
        reply_error(reply, 404, "there is no journal to query");
    else if (!good || !is_acceptable(&r))
        reply_error(reply, 400, "%s",
                    r.err.text[0] != '\0' ? r.err.text : "the parameters are not properly encoded");
    return reply->status == 0;
}

/* Bytes by label are what a query of numbers says: the text of that query. */
static void write_volume(const struct search_parameters *what, int64_t range_ns, struct buf *out)
{
    const struct logql_expr *log = what->queries[0]->root;
    struct sv labels = what->label;
    const bool is_instant = what->kind == SEARCH_VOLUME;
    buf_printf(out, "%stopk(%llu, sum by (", is_instant ? "sort_desc(" : "", (unsigned long long)what->limit);
    buf_sv(out, labels);
    for (size_t i = 0; labels.n == 0 && i < log->matcher_count; i++)
        buf_printf(out, "%s%.*s", i > 0 ? "," : "", SV_FMT(log->matchers[i].name));
    buf_str(out, ") (bytes_over_time(");
    logql_print(log, out);
    buf_printf(out, "[%lldns])))%s", (long long)range_ns, is_instant ? ")" : "");
}

static bool read_volume(struct search_job *job, struct reply *reply)
{
    struct search_parameters *what = &job->what;
    struct logql *volume = NULL;
    struct err err;
    struct buf text;
    bool is_range = what->kind == SEARCH_VOLUME_RANGE;
    if (what->query_count != 1) {
        reply_error(reply, 400, "parse error : the parameter query is missing");
        return false;
    }
    buf_init(&text, 4 * LOGQL_TEXT_MAX);
    write_volume(what, is_range ? what->step_ns : TC_MAX(what->end_ns - what->start_ns, INT64_C(1)), &text);
    bool good = logql_parse(buf_view(&text), &volume, &err) == 0;
    if (good) {
        logql_free(&what->queries[0]);
        what->queries[0] = volume;
        what->kind = is_range ? SEARCH_RANGE : SEARCH_INSTANT;
    } else {
        reply_error(reply, 400, "the labels of the volume: %s", err.text);
    }
    buf_free(&text);
    return good;
}

static bool is_volume(enum search_kind kind)
{
    return kind == SEARCH_VOLUME || kind == SEARCH_VOLUME_RANGE;
}

void loki_search(struct api *api, struct request *request, struct reply *reply)
{
    enum search_kind kind = kind_of(sv_of(request->match.route->pattern));
    if (request->pending == NULL && read_search(api, request, kind, reply) &&
        (!is_volume(kind) || read_volume(request->search, reply)))
        search_begin(api, request, reply);
    if (request->pending != NULL)
        search_finish(api, request, reply);
}

void loki_tail(struct api *api, struct request *request, struct reply *reply)
{
    if (!read_search(api, request, SEARCH_RANGE, reply))
        return;
    if (logql_is_metric(request->search->what.queries[0]))
        reply_error(reply, 400, "lines can be followed, numbers cannot: leave the metric functions away");
    else
        loki_tail_begin(api, request, reply);
}

/* --- small ones */

static bool take_query(void *context, struct sv name, struct sv value)
{
    struct buf *query = context;
    if (sv_is(name, "query"))
        buf_sv(query, value);
    return true;
}

void loki_format(struct api *api, struct request *request, struct reply *reply)
{
    struct arena arena = {0};
    struct buf text, printed;
    struct logql *query;
    struct err err = {0};
    (void)api;
    buf_init(&text, LOGQL_TEXT_MAX + 1);
    buf_init(&printed, 4 * LOGQL_TEXT_MAX);
    if (!parameters(request, &arena, take_query, &text)) {
        reply_error(reply, 400, "the parameters are not properly encoded");
    } else if (logql_parse(buf_view(&text), &query, &err) != 0) {
        reply_error(reply, 400, "%s", err.text);
    } else {
        struct json_out json = json_out_to(&reply->body);
        logql_print(query->root, &printed);
        logql_free(&query);
        reply_json(reply, 200);
        json_object(&json);
        json_kv_str(&json, "status", "success");
        json_kv_string(&json, "data", buf_view(&printed));
        json_object_end(&json);
    }
    buf_free(&text);
    buf_free(&printed);
    arena_free(&arena);
}

/* Grafana asks for the version to know what it may send: the one whose language this is. */
void loki_build(struct api *api, struct request *request, struct reply *reply)
{
    (void)api;
    (void)request;
    reply_json(reply, 200);
    buf_str(&reply->body, "{\"version\":\"3.0.0\",\"revision\":\"tocsin " TC_VERSION
                          "\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}");
}
