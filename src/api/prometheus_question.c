/*
 * Questions to Prometheus' API and the frame of their answers; see prometheus_priv.h.
 */
#include "api/prometheus_priv.h"

#include "base/go_text.h"
#include "base/num.h"
#include "metrics/prom_duration.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct sv question_truncated = {"results truncated due to limit", 30};

/* --- errors --- */

static void refuse(struct question *q, unsigned status, const char *type, struct sv text)
{
    buf_clear(&q->reply->body);
    reply_json(q->reply, status);
    struct json_out json = json_out_to(&q->reply->body);
    json_object(&json);
    json_kv_str(&json, "status", "error");
    json_kv_str(&json, "errorType", type);
    json_kv_string(&json, "error", text);
    json_object_end(&json);
}

void question_refuse(struct question *q, unsigned status, const char *type, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    refuse(q, status, type, sv_of(text));
}

bool question_invalid(struct question *q, const char *name, const char *format, ...)
{
    char text[2048];
    va_list list;
    int n = snprintf(text, sizeof text, "invalid parameter \"%s\": ", name);
    va_start(list, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, list);
    va_end(list);
    refuse(q, 400, "bad_data", sv_of(text));
    return false;
}

/* --- parameters --- */

static bool take_parameter(void *context, struct sv name, struct sv value)
{
    struct question *q = context;
    if (q->count == QUESTION_PARAMETERS_MAX) {
        q->too_many = true;
        return true;
    }
    q->parameters[q->count++] =
        (struct question_parameter){arena_sv(&q->arena, name), arena_sv(&q->arena, value)};
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

bool question_begin(struct question *q, struct api *api, struct request *request, struct reply *reply,
                    bool needs_store)
{
    bool bad = false;
    *q = (struct question){.api = api, .reply = reply};
    if (needs_store && api->options.tsdb == NULL) {
        question_refuse(q, 404, "not_found", "metrics are off: set metrics.enabled in the configuration");
        return false;
    }
    q->parameters = ARENA_ARRAY(&q->arena, struct question_parameter, QUESTION_PARAMETERS_MAX);
    struct sv body = buf_view(&request->body);
    while (body.n > 0) {
        struct sv value = sv_cut(&body, '&'), name = sv_cut(&value, '=');
        name = decode_form(q, name, &bad);
        value = decode_form(q, value, &bad);
        take_parameter(q, name, value);
    }
    if (!request_query(request, take_parameter, q) || bad) {
        question_refuse(q, 400, "bad_data", "a parameter is not properly encoded");
        return false;
    }
    if (q->too_many) {
        question_refuse(q, 400, "bad_data", "more than %d parameters", QUESTION_PARAMETERS_MAX);
        return false;
    }
    return true;
}

void question_end(struct question *q)
{
    for (size_t i = 0; i < q->match_count; i++)
        promql_parse_free(&q->matches[i]);
    arena_free(&q->arena);
}

struct sv question_get(const struct question *q, const char *name)
{
    for (size_t i = 0; i < q->count; i++)
        if (sv_is(q->parameters[i].name, name))
            return q->parameters[i].value;
    return (struct sv){0};
}

size_t question_all(struct question *q, const char *name, struct sv **ret)
{
    size_t n = 0;
    *ret = ARENA_ARRAY(&q->arena, struct sv, q->count + 1);
    for (size_t i = 0; i < q->count; i++)
        if (sv_is(q->parameters[i].name, name))
            (*ret)[n++] = q->parameters[i].value;
    return n;
}

int64_t question_now_ms(const struct question *q)
{
    return clk_now(q->api->options.clk).ns / 1000000;
}

static char *quoted(struct question *q, struct sv text)
{
    struct buf out;
    buf_init(&out, 4096);
    go_quote(&out, sv_head(text, 400));
    char *kept = arena_str(&q->arena, buf_view(&out));
    buf_free(&out);
    return kept;
}

static bool parse_time(struct sv text, int64_t *ret_ms)
{
    double seconds;
    int64_t ns;
    if (num_double(text, &seconds) && fabs(seconds) < 9e12)
        *ret_ms = (int64_t)round(seconds * 1000);
    else if (clk_parse_rfc3339(text, 0, &ns))
        *ret_ms = ns / 1000000;
    else
        return false;
    return true;
}

bool question_time(struct question *q, const char *name, bool required, int64_t fallback_ms, int64_t *ret_ms)
{
    struct sv text = question_get(q, name);
    *ret_ms = fallback_ms;
    if ((text.n == 0 && !required) || parse_time(text, ret_ms))
        return true;
    if (required)
        return question_invalid(q, name, "cannot parse %s to a valid timestamp", quoted(q, text));
    return question_invalid(q, name, "invalid time value for '%s': cannot parse %s to a valid timestamp",
                            name, quoted(q, text));
}

bool question_duration(struct question *q, const char *name, struct sv text, int64_t *ret_ms)
{
    double seconds;
    int64_t ns;
    if (num_double(text, &seconds) && fabs(seconds) < 9e12)
        *ret_ms = (int64_t)(seconds * 1000);
    else if (prom_parse_duration(text, &ns, NULL) == 0)
        *ret_ms = ns / 1000000;
    else if (strcmp(name, "lookback_delta") == 0) {
        question_refuse(q, 400, "bad_data",
                        "error parsing lookback delta duration: cannot parse %s to a valid duration",
                        quoted(q, text));
        return false;
    } else {
        bool over = num_double(text, &seconds);
        return question_invalid(q, name, "cannot parse %s to a valid duration%s", quoted(q, text),
                                over ? ". It overflows int64" : "");
    }
    return true;
}

bool question_window(struct question *q, int64_t *ret_min, int64_t *ret_max)
{
    return question_time(q, "start", false, QUESTION_MIN_MS, ret_min) &&
           question_time(q, "end", false, QUESTION_MAX_MS, ret_max);
}

bool question_limit(struct question *q, size_t *ret)
{
    struct sv text = question_get(q, "limit");
    uint64_t limit = 0;
    *ret = 0;
    if (text.n > 1 && text.p[0] == '-' && num_u64(sv_from(text, 1), 1, INT64_MAX, &limit))
        return question_invalid(q, "limit", "limit must be non-negative");
    if (text.n > 0 && !num_u64(text, 0, INT64_MAX, &limit))
        return question_invalid(q, "limit", "strconv.Atoi: parsing %s: invalid syntax", quoted(q, text));
    *ret = (size_t)limit;
    return true;
}

/* --- selectors --- */

static bool is_open(const struct expr *selector)
{
    for (size_t i = 0; i < selector->matcher_count; i++)
        if (!matcher_matches(&selector->matchers[i], SV("")))
            return false;
    return true;
}

bool question_matches(struct question *q, const char *where, bool strict)
{
    struct sv *texts;
    size_t count = question_all(q, "match[]", &texts);
    char before[64] = "";
    if (where != NULL)
        snprintf(before, sizeof before, "invalid parameter \"%s\": ", where);
    q->matches = ARENA_ARRAY(&q->arena, struct promql_parse, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct promql_parse *parse = &q->matches[q->match_count++];
        struct err err = {0};
        if (promql_parse_selector(parse, texts[i], &err) != 0) {
            question_refuse(q, 400, "bad_data", "%s%s", before, err.text);
            return false;
        }
        if (strict && is_open(parse->expr)) {
            question_refuse(q, 400, "bad_data", "%smatch[] must contain at least one non-empty matcher",
                            before);
            return false;
        }
    }
    return true;
}

/* --- answers --- */

struct json_out question_answer(struct question *q)
{
    reply_json(q->reply, 200);
    struct json_out json = json_out_to(&q->reply->body);
    json_object(&json);
    json_kv_str(&json, "status", "success");
    json_key(&json, SV("data"));
    return json;
}

void question_answered(struct question *q, struct json_out *json)
{
    json_object_end(json);
    if (q->reply->body.overflow)
        question_refuse(q, 422, "execution", "the answer is longer than %d MiB: ask for less",
                        TC_API_REPLY_BYTES >> 20);
}
