/*
 * Reading the answer to a query; see remote_result.h.
 */
#include "metrics/remote/remote_result.h"

#include "base/num.h"
#include "template/value.h"

#include <math.h>

/* A member that is a text, or empty. */
static struct sv text_of(struct template_value object, const char *name)
{
    const struct template_value *v = template_get(object, sv_of(name));
    return v != NULL && v->kind == TEMPLATE_STRING ? v->as.text : (struct sv){0};
}

static bool read_float(struct template_value v, double *ret)
{
    static const struct {
        const char *text;
        double value;
    } words[] = {{"NaN", NAN}, {"+Inf", INFINITY}, {"Inf", INFINITY}, {"-Inf", -INFINITY}};
    if (v.kind != TEMPLATE_STRING)
        return false;
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_is(v.as.text, words[i].text)) {
            *ret = words[i].value;
            return true;
        }
    return num_double(v.as.text, ret);
}

/* [seconds, "value"] */
static bool read_point(struct template_value pair, int64_t *ret_t, struct template_value *ret_value)
{
    if (pair.kind != TEMPLATE_LIST || pair.as.list->n != 2)
        return false;
    const struct template_value *at = &pair.as.list->items[0];
    double seconds = at->kind == TEMPLATE_FLOAT ? at->as.number : (double)at->as.integer;
    if ((at->kind != TEMPLATE_FLOAT && at->kind != TEMPLATE_INT) || !(fabs(seconds) < 9e12))
        return false;
    *ret_t = (int64_t)llround(seconds * 1000);
    *ret_value = pair.as.list->items[1];
    return true;
}

static const struct labels *read_labels(struct template_value metric, struct labels_table *table,
                                        struct arena *arena)
{
    if (metric.kind != TEMPLATE_MAP)
        return NULL;
    struct label *items = ARENA_ARRAY(arena, struct label, metric.as.pairs->n + 1);
    for (size_t i = 0; i < metric.as.pairs->n; i++) {
        const struct template_pair *pair = &metric.as.pairs->items[i];
        if (pair->value->kind != TEMPLATE_STRING)
            return NULL;
        items[i] = (struct label){pair->name, pair->value->as.text};
    }
    return labels_intern(table, items, metric.as.pairs->n);
}

static int odd(struct err *err)
{
    return err_set(err, TC_EIO, "the remote store's answer is not one of Prometheus' API");
}

static int read_series(struct template_value object, struct labels_table *table, struct arena *arena,
                       struct promql_series *ret, struct err *err)
{
    if (object.kind != TEMPLATE_MAP)
        return odd(err);
    const struct template_value *metric = template_get(object, SV("metric")),
                                *value = template_get(object, SV("value")),
                                *values = template_get(object, SV("values"));
    if (template_get(object, SV("histogram")) != NULL || template_get(object, SV("histograms")) != NULL)
        return err_set(
            err, TC_EUNSUPPORTED,
            "the remote store answers with native histograms, which cannot be taken from there: ask "
            "for a float, as by histogram_quantile()");
    struct template_list one = {1, (struct template_value *)(uintptr_t)value};
    const struct template_list *points = values != NULL && values->kind == TEMPLATE_LIST ? values->as.list
                                         : value != NULL                                 ? &one
                                                                                         : NULL;
    ret->labels = metric == NULL ? NULL : read_labels(*metric, table, arena);
    if (points == NULL || ret->labels == NULL)
        return odd(err);
    ret->t = ARENA_ARRAY(arena, int64_t, points->n + 1);
    ret->f = ARENA_ARRAY(arena, double, points->n + 1);
    for (; ret->n < points->n; ret->n++) {
        struct template_value v;
        if (!read_point(points->items[ret->n], &ret->t[ret->n], &v) || !read_float(v, &ret->f[ret->n]))
            return odd(err);
    }
    return 0;
}

static int read_data(struct template_value data, struct labels_table *table, struct promql_result *result,
                     struct err *err)
{
    struct sv type = text_of(data, "resultType");
    const struct template_value *list = template_get(data, SV("result"));
    struct template_value v;
    int64_t t;
    if (list == NULL || list->kind != TEMPLATE_LIST)
        return odd(err);
    if (sv_is(type, "scalar") || sv_is(type, "string")) {
        bool is_scalar = sv_is(type, "scalar");
        result->type = is_scalar ? VALUE_SCALAR : VALUE_STRING;
        if (!read_point(*list, &t, &v) ||
            (is_scalar ? !read_float(v, &result->scalar) : v.kind != TEMPLATE_STRING))
            return odd(err);
        if (!is_scalar)
            result->string = v.as.text;
        return 0;
    }
    if (!sv_is(type, "vector") && !sv_is(type, "matrix"))
        return odd(err);
    result->type = sv_is(type, "vector") ? VALUE_VECTOR : VALUE_MATRIX;
    result->series = ARENA_ARRAY(&result->arena, struct promql_series, list->as.list->n + 1);
    for (size_t i = 0; i < list->as.list->n; i++) {
        int rc = read_series(list->as.list->items[i], table, &result->arena, &result->series[i], err);
        if (rc != 0)
            return rc;
    }
    result->count = list->as.list->n;
    return 0;
}

int remote_result_read(long status, struct sv body, struct labels_table *labels, struct promql_result *result,
                       struct err *err)
{
    struct template_value root = {0};
    bool good = template_from_json(&result->arena, body, &root, NULL) == 0 && root.kind == TEMPLATE_MAP;
    const struct template_value *data = good ? template_get(root, SV("data")) : NULL;
    int rc = 0;
    if (status != 200 || data == NULL || data->kind != TEMPLATE_MAP) {
        struct sv text = good ? text_of(root, "error") : (struct sv){0};
        rc = err_set(err, status >= 400 && status < 500 ? TC_EINPUT : TC_EIO,
                     "the remote store answered %ld: %.*s", status,
                     SV_FMT(sv_head(text.n > 0 ? text : sv_trim(body), 500)));
    }
    if (rc == 0)
        rc = read_data(*data, labels, result, err);
    if (rc != 0)
        result->count = 0;
    return rc;
}
