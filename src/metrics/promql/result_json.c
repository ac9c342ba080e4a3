/*
 * Answers as JSON; see result_json.h. Values are strings, times are seconds.
 */
#include "metrics/promql/result_json.h"

#include "base/go_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void prom_json_items(struct json_out *json, const struct label *items, size_t count)
{
    json_object(json);
    for (size_t i = 0; i < count; i++) {
        json_key(json, items[i].name);
        json_string(json, items[i].value);
    }
    json_object_end(json);
}

void prom_json_labels(struct json_out *json, const struct labels *labels)
{
    prom_json_items(json, labels->items, labels->count);
}

void prom_json_texts(struct json_out *json, const char *key, const struct sv *texts, size_t count)
{
    if (count == 0)
        return;
    json_key(json, sv_of(key));
    json_array(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, texts[i]);
    json_array_end(json);
}

static void put_float(struct json_out *json, double v, char verb)
{
    struct buf out;
    buf_init(&out, GO_FLOAT_MAX);
    go_format_float(&out, v, verb, -1);
    json_string(json, buf_view(&out));
    buf_free(&out);
}

void prom_json_float(struct json_out *json, double v)
{
    put_float(json, v, 'f');
}

void prom_json_sample(struct json_out *json, double v)
{
    double size = fabs(v);
    put_float(json, v, size != 0 && (size < 1e-6 || size >= 1e21) ? 'e' : 'f');
}

void prom_json_seconds(struct json_out *json, int64_t ms)
{
    char text[32];
    int n = ms % 1000 == 0 ? snprintf(text, sizeof text, "%lld", (long long)(ms / 1000))
                           : snprintf(text, sizeof text, "%s%lld.%03lld", ms < 0 ? "-" : "",
                                      (long long)llabs(ms / 1000), (long long)llabs(ms % 1000));
    while (ms % 1000 != 0 && text[n - 1] == '0')
        n--;
    json_raw(json, sv_make(text, (size_t)n));
}

static void put_histogram(struct json_out *out, const struct histogram *h)
{
    struct arena arena = {0};
    struct histogram_bucket *buckets;
    size_t n = histogram_buckets(&arena, h, &buckets);
    json_object(out);
    json_key(out, SV("count"));
    prom_json_sample(out, h->count);
    json_key(out, SV("sum"));
    prom_json_sample(out, h->sum);
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
        prom_json_sample(out, b->lower);
        prom_json_sample(out, b->upper);
        prom_json_sample(out, b->count);
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
    prom_json_seconds(out, s->t[i]);
    if (s->h != NULL && s->h[i] != NULL)
        put_histogram(out, s->h[i]);
    else
        prom_json_sample(out, s->f[i]);
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
    prom_json_labels(out, s->labels);
    if (matrix) {
        put_points(out, s, false);
        put_points(out, s, true);
    } else if (s->n > 0) {
        json_key(out, s->h != NULL && s->h[0] != NULL ? SV("histogram") : SV("value"));
        put_point(out, s, 0);
    }
    json_object_end(out);
}

void promql_result_json(struct json_out *out, const struct promql_result *result, int64_t at_ms, size_t limit)
{
    static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};
    json_kv_str(out, "resultType", names[result->type]);
    json_key(out, SV("result"));
    json_array(out);
    if (result->type == VALUE_SCALAR || result->type == VALUE_STRING) {
        prom_json_seconds(out, at_ms);
        if (result->type == VALUE_SCALAR)
            prom_json_float(out, result->scalar);
        else
            json_string(out, result->string);
    }
    for (size_t i = 0; i < result->count && (limit == 0 || i < limit); i++)
        put_series(out, &result->series[i], result->type == VALUE_MATRIX);
    json_array_end(out);
}

static void put_notes(struct json_out *out, const char *key, const char *kind, const struct sv *texts,
                      size_t count, size_t most, struct sv extra)
{
    struct arena arena = {0};
    size_t n = TC_MIN(count, most);
    struct sv *all = ARENA_ARRAY(&arena, struct sv, n + 2);
    if (n > 0)
        memcpy(all, texts, n * sizeof *all);
    if (count > most)
        all[n++] = arena_printf(&arena, "%zu more %s annotations omitted", count - most, kind);
    if (extra.n > 0)
        all[n++] = extra;
    prom_json_texts(out, key, all, n);
    arena_free(&arena);
}

void promql_annotations_json(struct json_out *out, const struct promql_result *result, size_t most,
                             struct sv warning)
{
    put_notes(out, "warnings", "warning", result->warnings, result->warning_count, most, warning);
    put_notes(out, "infos", "info", result->infos, result->info_count, most, SV(""));
}
