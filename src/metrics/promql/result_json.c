/*
 * Answers as JSON; see result_json.h. Values are strings, times are seconds.
 */
#include "metrics/promql/result_json.h"

#include "base/go_text.h"

static void put_float(struct json_out *out, double v)
{
    char text[512];
    struct buf b = {.p = text, .capacity = sizeof text, .max_bytes = sizeof text};
    go_float_f(&b, v);
    json_string(out, buf_view(&b));
}

static void put_time(struct json_out *out, int64_t ms)
{
    json_double(out, (double)ms / 1000);
}

static void put_histogram(struct json_out *out, const struct histogram *h)
{
    struct arena arena = {0};
    struct histogram_bucket *buckets;
    size_t n = histogram_buckets(&arena, h, &buckets);
    json_object(out);
    json_key(out, SV("count"));
    put_float(out, h->count);
    json_key(out, SV("sum"));
    put_float(out, h->sum);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const struct histogram_bucket *b = &buckets[i];
        if (b->count == 0)
            continue;
        if (!any) {
            json_key(out, SV("buckets"));
            json_array(out);
        }
        any = true;
        json_array(out);
        json_i64(out, b->lower_inclusive ? (b->upper_inclusive ? 3 : 1) : (b->upper_inclusive ? 0 : 2));
        put_float(out, b->lower);
        put_float(out, b->upper);
        put_float(out, b->count);
        json_array_end(out);
    }
    if (any)
        json_array_end(out);
    json_object_end(out);
    arena_free(&arena);
}

static void put_point(struct json_out *out, const struct promql_series *s, size_t i)
{
    json_array(out);
    put_time(out, s->t[i]);
    if (s->h != NULL && s->h[i] != NULL)
        put_histogram(out, s->h[i]);
    else
        put_float(out, s->f[i]);
    json_array_end(out);
}

static void put_points(struct json_out *out, const struct promql_series *s, bool histograms)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        if ((s->h != NULL && s->h[i] != NULL) != histograms)
            continue;
        if (!any) {
            json_key(out, histograms ? SV("histograms") : SV("values"));
            json_array(out);
        }
        any = true;
        put_point(out, s, i);
    }
    if (any)
        json_array_end(out);
}

static void put_series(struct json_out *out, const struct promql_series *s, bool matrix)
{
    json_object(out);
    json_key(out, SV("metric"));
    json_object(out);
    for (uint32_t i = 0; i < s->labels->count; i++) {
        json_key(out, s->labels->items[i].name);
        json_string(out, s->labels->items[i].value);
    }
    json_object_end(out);
    if (matrix) {
        put_points(out, s, false);
        put_points(out, s, true);
    } else {
        json_key(out, s->h != NULL && s->h[0] != NULL ? SV("histogram") : SV("value"));
        put_point(out, s, 0);
    }
    json_object_end(out);
}

void promql_result_json(struct json_out *out, const struct promql_result *result, int64_t at_ms)
{
    static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};
    json_object(out);
    json_kv_str(out, "resultType", names[result->type]);
    json_key(out, SV("result"));
    json_array(out);
    if (result->type == VALUE_SCALAR || result->type == VALUE_STRING) {
        put_time(out, at_ms);
        if (result->type == VALUE_SCALAR)
            put_float(out, result->scalar);
        else
            json_string(out, result->string);
    }
    for (size_t i = 0; i < result->count; i++)
        put_series(out, &result->series[i], result->type == VALUE_MATRIX);
    json_array_end(out);
    json_object_end(out);
}

static void put_texts(struct json_out *out, const char *name, const struct sv *texts, size_t count)
{
    if (count == 0)
        return;
    json_key(out, sv_of(name));
    json_array(out);
    for (size_t i = 0; i < count; i++)
        json_string(out, texts[i]);
    json_array_end(out);
}

void promql_annotations_json(struct json_out *out, const struct promql_result *result)
{
    put_texts(out, "warnings", result->warnings, result->warning_count);
    put_texts(out, "infos", result->infos, result->info_count);
}
