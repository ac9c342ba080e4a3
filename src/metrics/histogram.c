/*
 * Histograms: bounds, copies, scaling, comparison, counter resets, texts. Addition is in histogram_add.c,
 * trimming in histogram_trim.c.
 */
#include "metrics/histogram.h"

#include "base/go_text.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

#define STALE_NAN_BITS 0x7ff0000000000002ULL

bool is_stale(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits == STALE_NAN_BITS;
}

double stale_nan(void)
{
    uint64_t bits = STALE_NAN_BITS;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void kahan_add(double v, double *sum, double *rest)
{
    double t = *sum + v;
    if (isinf(t))
        *rest = 0;
    else if (fabs(*sum) >= fabs(v))
        *rest += (*sum - t) + v;
    else
        *rest += (v - t) + *sum;
    *sum = t;
}

double go_log2(double v)
{
    int exponent;
    double fraction = frexp(v, &exponent);
    if (!isfinite(v) || v <= 0)
        return log2(v);
    return fraction == 0.5 ? exponent - 1 : log(fraction) * (1 / M_LN2) + exponent;
}

bool almost_equal(double a, double b, double epsilon)
{
    if (is_stale(a) || is_stale(b))
        return is_stale(a) && is_stale(b);
    if ((isnan(a) && isnan(b)) || a == b)
        return true;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return difference < epsilon * DBL_MIN;
    return difference / fmin(sum, DBL_MAX) < epsilon;
}

/* --- bounds --- */

/* By how many units in the last place the established bounds 2^(i/256-1) lie below the correctly rounded
 * ones, plus one. Bounds are compared bit by bit with those of other programs, so their rounding is part of
 * the format. */
static const char bound_error[257] = "1111112111211111112311222222222211211121122211221122102211221122"
                                     "1111112222332132112111211112111111121011213311221222112121332222"
                                     "2121223322322122222222323233323311221121223321332233212232332232"
                                     "2243223233433343333333444455435422322333324422333243223333543344";

static double bound_fractions[256];

static void make_bounds(void)
{
    for (int i = 0; i < 256; i++)
        bound_fractions[i] = (double)exp2l((long double)i / 256 - 1) - (bound_error[i] - '1') * 0x1p-53;
}

static double exponential_bound(int32_t index, int32_t schema)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (schema < 0) {
        int64_t exponent = (int64_t)index * (1 << -schema);
        return exponent == 1024 ? DBL_MAX : ldexp(1, (int)TC_MAX(TC_MIN(exponent, 2000), -2000));
    }
    pthread_once(&once, make_bounds);
    int32_t within = index & ((1 << schema) - 1);
    double fraction = bound_fractions[within << (8 - schema)];
    int exponent = (index >> schema) + 1;
    return fraction == 0.5 && exponent == 1025 ? DBL_MAX : ldexp(fraction, exponent);
}

double histogram_bound(const struct histogram *h, int32_t index)
{
    if (!histogram_is_custom(h))
        return exponential_bound(index, TC_MIN(h->schema, HISTOGRAM_SCHEMA_MAX));
    if (index < 0)
        return -INFINITY;
    return (size_t)index < h->bound_count ? h->bounds[index] : INFINITY;
}

static struct histogram_bucket bucket_at(const struct histogram *h, bool positive, size_t i)
{
    const struct histogram_side *side = positive ? &h->positive : &h->negative;
    double far = histogram_bound(h, side->index[i]), near = histogram_bound(h, side->index[i] - 1);
    struct histogram_bucket b = {
        .lower = positive ? near : -far, .upper = positive ? far : -near, .count = side->count[i]};
    if (histogram_is_custom(h)) {
        b.lower_inclusive = side->index[i] == 0;
        b.upper_inclusive = true;
    } else {
        b.lower_inclusive = b.lower < 0;
        b.upper_inclusive = b.upper > 0;
    }
    return b;
}

static struct histogram_bucket zero_bucket(const struct histogram *h)
{
    return (struct histogram_bucket){-h->zero_threshold, h->zero_threshold, h->zero_count, true, true};
}

size_t histogram_buckets(struct arena *arena, const struct histogram *h, struct histogram_bucket **ret)
{
    struct histogram_bucket *all =
        ARENA_ARRAY(arena, struct histogram_bucket, h->positive.n + h->negative.n + 1);
    size_t n = 0;
    for (size_t i = h->negative.n; i-- > 0;) {
        all[n] = bucket_at(h, false, i);
        if (all[n].upper < 0 && all[n].upper > -h->zero_threshold)
            all[n].upper = -h->zero_threshold;
        n++;
    }
    if (h->zero_count > 0)
        all[n++] = zero_bucket(h);
    for (size_t i = 0; i < h->positive.n; i++) {
        all[n] = bucket_at(h, true, i);
        if (all[n].lower > 0 && all[n].lower < h->zero_threshold)
            all[n].lower = h->zero_threshold;
        n++;
    }
    *ret = all;
    return n;
}

double histogram_fraction_below(const struct histogram_bucket *bucket, double value, bool linear)
{
    if (linear)
        return (value - bucket->lower) / (bucket->upper - bucket->lower);
    double lower = go_log2(fabs(bucket->lower)), upper = go_log2(fabs(bucket->upper)),
           v = go_log2(fabs(value));
    return value > 0 ? (v - lower) / (upper - lower) : 1 - (v - upper) / (lower - upper);
}

/* --- copies and scaling --- */

static struct histogram_side copy_side(struct arena *arena, const struct histogram_side *side)
{
    struct histogram_side made = {.n = side->n};
    if (side->n == 0)
        return made;
    made.index = arena_alloc_raw(arena, side->n * sizeof *made.index, 16);
    made.count = arena_alloc_raw(arena, side->n * sizeof *made.count, 16);
    memcpy(made.index, side->index, side->n * sizeof *made.index);
    memcpy(made.count, side->count, side->n * sizeof *made.count);
    return made;
}

struct histogram *histogram_copy(struct arena *arena, const struct histogram *h)
{
    struct histogram *made = ARENA_NEW(arena, struct histogram);
    *made = *h;
    made->positive = copy_side(arena, &h->positive);
    made->negative = copy_side(arena, &h->negative);
    if (h->bound_count > 0) {
        double *bounds = arena_alloc_raw(arena, h->bound_count * sizeof *bounds, 16);
        memcpy(bounds, h->bounds, h->bound_count * sizeof *bounds);
        made->bounds = bounds;
    }
    return made;
}

static void coarsen(struct histogram_side *side, int32_t from, int32_t to)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++) {
        int32_t index = ((side->index[i] - 1) >> (from - to)) + 1;
        if (n > 0 && side->index[n - 1] == index) {
            side->count[n - 1] += side->count[i];
        } else {
            side->count[n] = side->count[i];
            side->index[n++] = index;
        }
    }
    side->n = n;
}

struct histogram *histogram_copy_to_schema(struct arena *arena, const struct histogram *h, int32_t schema)
{
    struct histogram *made = histogram_copy(arena, h);
    if (schema < h->schema && !histogram_is_custom(h)) {
        coarsen(&made->positive, h->schema, schema);
        coarsen(&made->negative, h->schema, schema);
        made->schema = schema;
        made->hint = HINT_UNKNOWN;
    }
    return made;
}

static void scale(struct histogram *h, double factor, bool divide)
{
    double *const scalars[] = {&h->zero_count, &h->count, &h->sum};
    for (size_t i = 0; i < TC_ARRAY_LEN(scalars); i++)
        *scalars[i] = divide ? *scalars[i] / factor : *scalars[i] * factor;
    for (size_t i = 0; i < h->positive.n; i++)
        h->positive.count[i] = divide ? h->positive.count[i] / factor : h->positive.count[i] * factor;
    for (size_t i = 0; i < h->negative.n; i++)
        h->negative.count[i] = divide ? h->negative.count[i] / factor : h->negative.count[i] * factor;
    if (factor < 0)
        h->hint = HINT_GAUGE;
}

void histogram_multiply(struct histogram *h, double factor)
{
    scale(h, factor, false);
}

void histogram_divide(struct histogram *h, double divisor)
{
    scale(h, divisor, true);
    if (divisor == 0)
        h->positive.n = h->negative.n = 0;
}

static size_t compact_side(struct histogram_side *side)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++)
        if (side->count[i] != 0) {
            side->index[n] = side->index[i];
            side->count[n++] = side->count[i];
        }
    return n;
}

struct histogram *histogram_compact(struct histogram *h)
{
    h->positive.n = compact_side(&h->positive);
    h->negative.n = compact_side(&h->negative);
    return h;
}

bool histogram_overflows(const struct histogram *h)
{
    bool over = isinf(h->zero_count) || isinf(h->count) || isinf(h->sum);
    for (size_t i = 0; i < h->positive.n; i++)
        over |= isinf(h->positive.count[i]);
    for (size_t i = 0; i < h->negative.n; i++)
        over |= isinf(h->negative.count[i]);
    return over;
}

/* --- comparison --- */

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static bool same_side(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->n == b->n && (a->n == 0 || (memcmp(a->index, b->index, a->n * sizeof *a->index) == 0 &&
                                          memcmp(a->count, b->count, a->n * sizeof *a->count) == 0));
}

static bool same_bounds(const struct histogram *a, const struct histogram *b)
{
    bool same = a->bound_count == b->bound_count;
    for (size_t i = 0; same && i < a->bound_count; i++)
        same = a->bounds[i] == b->bounds[i];
    return same;
}

bool histogram_equal(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && same_bits(a->count, b->count) && same_bits(a->sum, b->sum) &&
           (!histogram_is_custom(a) || same_bounds(a, b)) && a->zero_threshold == b->zero_threshold &&
           same_bits(a->zero_count, b->zero_count) && same_side(&a->positive, &b->positive) &&
           same_side(&a->negative, &b->negative);
}

/* --- counter resets --- */

/* Observations up to the bound, from bucket *at on. */
static double roll_up(const struct histogram *h, size_t *at, double bound)
{
    double sum = 0;
    while (*at < h->positive.n && histogram_bound(h, h->positive.index[*at]) <= bound)
        sum += h->positive.count[(*at)++];
    return sum;
}

/* Compares over the bounds that both have, +Inf included. */
static bool reset_over_common_bounds(const struct histogram *now, const struct histogram *before)
{
    size_t i = 0, j = 0, at_now = 0, at_before = 0;
    while (i <= now->bound_count && j <= before->bound_count) {
        double a = i < now->bound_count ? now->bounds[i] : INFINITY;
        double b = j < before->bound_count ? before->bounds[j] : INFINITY;
        if (a == b) {
            if (roll_up(now, &at_now, a) < roll_up(before, &at_before, a))
                return true;
            i++;
            j++;
        } else if (a < b) {
            i++;
        } else {
            j++;
        }
    }
    return false;
}

/* `before` has the schema of `now`. Buckets inside the zero bucket are not looked at. */
static bool side_was_reset(const struct histogram *now, const struct histogram_side *a,
                           const struct histogram_side *b)
{
    size_t i = 0;
    for (size_t j = 0; j < b->n; j++) {
        if (!histogram_is_custom(now) && now->zero_threshold > 0 &&
            histogram_bound(now, b->index[j]) <= now->zero_threshold)
            continue;
        while (i < a->n && a->index[i] < b->index[j])
            i++;
        bool found = i < a->n && a->index[i] == b->index[j];
        if (found ? a->count[i] < b->count[j] : b->count[j] != 0)
            return true;
    }
    return false;
}

/* Observations that a zero bucket widened to `threshold` would hold; false where it would have to be wider
 * still. */
static bool zero_count_at(const struct histogram *h, double threshold, double *ret)
{
    double rest = 0;
    *ret = h->zero_count;
    for (int positive = 0; positive < 2; positive++) {
        const struct histogram_side *side = positive ? &h->positive : &h->negative;
        for (size_t i = 0; i < side->n && histogram_bound(h, side->index[i] - 1) < threshold; i++) {
            kahan_add(side->count[i], ret, &rest);
            if (histogram_bound(h, side->index[i]) > threshold && side->count[i] != 0)
                return false;
        }
    }
    return true;
}

bool histogram_detect_reset(struct arena *arena, const struct histogram *now, const struct histogram *before)
{
    if (now->hint == HINT_RESET || now->hint == HINT_NOT_RESET)
        return now->hint == HINT_RESET;
    if (now->count < before->count)
        return true;
    if (histogram_is_custom(now) != histogram_is_custom(before))
        return true;
    if (histogram_is_custom(now) && !same_bounds(now, before))
        return reset_over_common_bounds(now, before);
    if (now->schema > before->schema || now->zero_threshold < before->zero_threshold)
        return true;
    double zero_before = before->zero_count;
    if (now->zero_threshold != before->zero_threshold &&
        !zero_count_at(before, now->zero_threshold, &zero_before))
        return true;
    if (now->zero_count < zero_before)
        return true;
    if (before->schema > now->schema)
        before = histogram_copy_to_schema(arena, before, now->schema);
    return side_was_reset(now, &now->positive, &before->positive) ||
           side_was_reset(now, &now->negative, &before->negative);
}

/* --- texts --- */

static void put_bucket(struct buf *out, const struct histogram_bucket *b)
{
    if (b->count == 0)
        return;
    buf_str(out, b->lower_inclusive ? ", [" : ", (");
    go_float_g(out, b->lower);
    buf_char(out, ',');
    go_float_g(out, b->upper);
    buf_str(out, b->upper_inclusive ? "]:" : "):");
    go_float_g(out, b->count);
}

void histogram_format(struct buf *out, const struct histogram *h)
{
    buf_str(out, "{count:");
    go_float_g(out, h->count);
    buf_str(out, ", sum:");
    go_float_g(out, h->sum);
    for (size_t i = h->negative.n; i-- > 0;) {
        struct histogram_bucket b = bucket_at(h, false, i);
        put_bucket(out, &b);
    }
    struct histogram_bucket zero = zero_bucket(h);
    put_bucket(out, &zero);
    for (size_t i = 0; i < h->positive.n; i++) {
        struct histogram_bucket b = bucket_at(h, true, i);
        put_bucket(out, &b);
    }
    buf_char(out, '}');
}

static void put_field(struct buf *out, const char *name, double v)
{
    if (v == 0)
        return;
    if (out->n > 0 && out->p[out->n - 1] != '{')
        buf_char(out, ' ');
    buf_printf(out, "%s:", name);
    go_float_g(out, v);
}

static void put_side(struct buf *out, const char *prefix, const struct histogram_side *side)
{
    char name[16];
    if (side->n == 0)
        return;
    snprintf(name, sizeof name, "%soffset", prefix);
    put_field(out, name, side->index[0]);
    buf_printf(out, " %sbuckets:[", prefix);
    int32_t next = side->index[0];
    for (size_t i = 0; i < side->n; next++) {
        if (next != side->index[0])
            buf_char(out, ' ');
        if (next - side->index[0] > 1000)
            break; /* far apart: the rest would be a row of zeros */
        go_float_g(out, next == side->index[i] ? side->count[i++] : 0);
    }
    buf_char(out, ']');
}

void histogram_format_test(struct buf *out, const struct histogram *h)
{
    static const char *const hints[] = {"", "reset", "not_reset", "gauge"};
    buf_str(out, "{{");
    put_field(out, "schema", h->schema);
    put_field(out, "count", h->count);
    put_field(out, "sum", h->sum);
    put_field(out, "z_bucket", h->zero_count);
    put_field(out, "z_bucket_w", h->zero_threshold);
    if (histogram_is_custom(h)) {
        buf_str(out, " custom_values:[");
        for (size_t i = 0; i < h->bound_count; i++) {
            buf_str(out, i > 0 ? " " : "");
            go_float_g(out, h->bounds[i]);
        }
        buf_char(out, ']');
    }
    if (h->hint != HINT_UNKNOWN)
        buf_printf(out, " counter_reset_hint:%s", hints[h->hint]);
    put_side(out, "", &h->positive);
    put_side(out, "n_", &h->negative);
    buf_str(out, "}}");
}

size_t histogram_size(const struct histogram *h)
{
    /* the accounting of the limit is Prometheus': a struct of 168 bytes, 8 a bucket and bound, 16 bytes a
     * sample */
    return (168 + 8 * (h->positive.n + h->negative.n + h->bound_count) + 16 + 8) / 16;
}
