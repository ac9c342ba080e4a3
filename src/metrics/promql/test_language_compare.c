/*
 * Comparing a result with what an eval expects.
 */
#include "metrics/promql/test_language_priv.h"

#include "base/go_text.h"

#include <math.h>

#define TEST_EPSILON 1e-6

static void put_value(struct buf *out, double f, const struct histogram *h)
{
    if (h != NULL)
        histogram_format_test(out, h);
    else
        go_float_g(out, f);
}

static bool same_side(const struct histogram_side *a, const struct histogram_side *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = a->index[i] == b->index[i] && almost_equal(a->count[i], b->count[i], TEST_EPSILON);
    return same;
}

static bool same_histogram(struct test_file *t, const struct series_value *expected,
                           const struct histogram *actual)
{
    struct histogram *a = histogram_compact(histogram_copy(&t->arena, expected->histogram));
    struct histogram *b = histogram_compact(histogram_copy(&t->arena, actual));
    bool same = a->schema == b->schema && almost_equal(a->count, b->count, TEST_EPSILON) &&
                almost_equal(a->sum, b->sum, TEST_EPSILON) && a->zero_threshold == b->zero_threshold &&
                almost_equal(a->zero_count, b->zero_count, TEST_EPSILON) &&
                same_side(&a->negative, &b->negative) && same_side(&a->positive, &b->positive) &&
                (!expected->hint_set || a->hint == b->hint);
    if (same && histogram_is_custom(a)) {
        same = a->bound_count == b->bound_count;
        for (size_t i = 0; same && i < a->bound_count; i++)
            same = a->bounds[i] == b->bounds[i];
    }
    return same;
}

static bool same_value(struct test_file *t, const struct series_value *expected, double f,
                       const struct histogram *h)
{
    if ((expected->histogram == NULL) != (h == NULL))
        return false;
    return h != NULL ? same_histogram(t, expected, h) : almost_equal(expected->value, f, TEST_EPSILON);
}

static void refuse(struct buf *why, const struct labels *labels, const struct series_value *expected,
                   double f, const struct histogram *h, int64_t time_ms)
{
    buf_str(why, "expected ");
    put_value(why, expected->value, expected->histogram);
    buf_str(why, " for ");
    labels_format(why, labels);
    buf_printf(why, " at %lld ms but got ", (long long)time_ms);
    put_value(why, f, h);
}

static struct expected_series *find(struct eval_command *c, const struct labels *labels)
{
    /* the last line of equal ones counts */
    for (size_t i = c->series_count; i-- > 0;)
        if (c->series[i].labels == labels)
            return &c->series[i];
    return NULL;
}

static bool compare_points(struct test_file *t, const struct eval_command *c,
                           const struct expected_series *expected, const struct promql_series *actual,
                           struct buf *why)
{
    size_t at = 0;
    for (size_t i = 0; i < expected->count; i++) {
        const struct series_value *v = &expected->values[i];
        int64_t time = c->start_ms + (int64_t)i * c->step_ms;
        if (v->omitted)
            continue;
        if (time > c->end_ms) {
            buf_printf(why, "expected %zu points, but the query's range cannot return this many",
                       expected->count);
            return false;
        }
        if (at >= actual->n || actual->t[at] != time) {
            buf_str(why, "expected a point of ");
            labels_format(why, expected->labels);
            buf_printf(why, " at %lld ms", (long long)time);
            return false;
        }
        const struct histogram *h = actual->h != NULL ? actual->h[at] : NULL;
        if (!same_value(t, v, actual->f[at], h)) {
            refuse(why, expected->labels, v, actual->f[at], h, time);
            return false;
        }
        at++;
    }
    if (at < actual->n) {
        buf_str(why, "unexpected point of ");
        labels_format(why, expected->labels);
        buf_printf(why, " at %lld ms: ", (long long)actual->t[at]);
        put_value(why, actual->f[at], actual->h != NULL ? actual->h[at] : NULL);
    }
    return at >= actual->n;
}

static bool compare_sample(struct test_file *t, const struct expected_series *expected,
                           const struct promql_series *actual, struct buf *why)
{
    const struct histogram *h = actual->h != NULL ? actual->h[0] : NULL;
    const struct series_value none = {.omitted = true};
    const struct series_value *v = expected->count > 0 ? &expected->values[0] : &none;
    if (same_value(t, v, actual->f[0], h))
        return true;
    refuse(why, expected->labels, v, actual->f[0], h, actual->t[0]);
    return false;
}

static void compare_series(struct test_file *t, struct eval_command *c, const struct promql_result *r,
                           struct buf *why)
{
    bool matrix = r->type == VALUE_MATRIX, ordered = c->legacy_ordered || c->counts[EXPECT_ORDERED] > 0;
    if (c->expect_scalar || (matrix && ordered)) {
        buf_printf(why, "expected %s result, but got a %s", c->expect_scalar ? "scalar" : "ordered",
                   value_type_name(r->type));
        return;
    }
    for (size_t k = 0; k < r->count; k++) {
        struct expected_series *expected = find(c, labels_import(&t->labels, r->series[k].labels));
        if (expected == NULL) {
            buf_str(why, "unexpected metric ");
            labels_format(why, r->series[k].labels);
            buf_str(why, " in result, has value ");
            put_value(why, r->series[k].f[0], r->series[k].h != NULL ? r->series[k].h[0] : NULL);
            return;
        }
        if (!matrix && ordered && expected->position != k + 1) {
            buf_str(why, "expected metric ");
            labels_format(why, expected->labels);
            buf_printf(why, " at position %zu but was at %zu", expected->position, k + 1);
            return;
        }
        expected->seen = true;
        if (!(matrix ? compare_points(t, c, expected, &r->series[k], why)
                     : compare_sample(t, expected, &r->series[k], why)))
            return;
    }
    for (size_t i = 0; i < c->series_count && why->n == 0; i++)
        if (!find(c, c->series[i].labels)->seen) {
            buf_str(why, "expected metric ");
            labels_format(why, c->series[i].labels);
            buf_str(why, " not found");
        }
}

void test_compare(struct test_file *t, struct eval_command *c, const struct promql_result *r, struct buf *why)
{
    if (r->type == VALUE_STRING) {
        if (!sv_eq(c->string, r->string))
            buf_printf(why, "expected string \"%.*s\" but got \"%.*s\"", SV_FMT(c->string),
                       SV_FMT(r->string));
    } else if (r->type != VALUE_SCALAR) {
        compare_series(t, c, r, why);
    } else if (!c->expect_scalar) {
        buf_str(why, "expected vector or matrix result, but got a scalar");
    } else if (!almost_equal(c->scalar, r->scalar, TEST_EPSILON)) {
        buf_str(why, "expected scalar ");
        go_float_g(why, c->scalar);
        buf_str(why, " but got ");
        go_float_g(why, r->scalar);
    }
}
