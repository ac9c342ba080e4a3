/*
 * Trimming histograms (`</` and `>/`): buckets beyond the value lose their observations, the one that holds
 * it is split by interpolation, and the sum is estimated anew from the middles of what is left.
 */
#include "metrics/histogram.h"

#include <math.h>

struct trim {
    const struct histogram *h;
    double value;
    bool upper; /* keep what is below */
    double count, sum;
    bool changed;
};

/* Where the observations between two bounds are taken to be. */
static double middle(double lower, double upper, bool positive, bool linear)
{
    if (isinf(lower) && isinf(upper))
        return 0;
    if (isinf(lower))
        return upper > 0 ? upper / 2 : upper;
    if (isinf(upper))
        return lower;
    if (linear)
        return (lower + upper) / 2;
    double mean = sqrt(fabs(lower * upper));
    return positive ? mean : -mean;
}

static double finite_or_zero(double v)
{
    return isinf(v) ? 0 : v;
}

/* A bucket with one open end, cut at the value: what is kept, and around where. */
static double split_open(const struct histogram_bucket *b, const struct trim *t, double *at)
{
    double v = t->value;
    *at = 0;
    if (isinf(b->lower) && b->lower < 0) {
        bool bounded = b->upper > 0 && !isinf(b->upper);
        if (t->upper) {
            if (v >= b->upper)
                return b->count;
            if (v > 0 && bounded) {
                *at = v / 2;
                return b->count * v / b->upper;
            }
            *at = b->upper <= 0 ? v : finite_or_zero(b->upper);
            return b->upper <= 0 ? b->count : 0;
        }
        if (v <= b->lower)
            return b->count;
        if (v >= 0 && b->upper > v && !isinf(b->upper)) {
            *at = (v + b->upper) / 2;
            return b->count * (1 - v / b->upper);
        }
        *at = finite_or_zero(b->upper);
        return 0;
    }
    if (t->upper || v < b->lower) {
        *at = finite_or_zero(b->lower);
        return 0;
    }
    *at = v;
    return b->count;
}

static double split(const struct histogram_bucket *b, const struct trim *t, bool positive, double *at)
{
    bool linear = histogram_is_custom(t->h);
    if (isinf(b->lower) || isinf(b->upper))
        return split_open(b, t, at);
    double below = t->value <= b->lower   ? 0
                   : t->value >= b->upper ? b->count
                                          : b->count * histogram_fraction_below(b, t->value, linear);
    *at = t->upper ? middle(b->lower, t->value, positive, linear)
                   : middle(t->value, b->upper, positive, linear);
    return t->upper ? below : b->count - below;
}

/* Returns whether the side has observations. */
static bool trim_side(struct trim *t, struct histogram_side *side, bool positive)
{
    bool any = false;
    for (size_t i = 0; i < side->n; i++) {
        double far = histogram_bound(t->h, side->index[i]), near = histogram_bound(t->h, side->index[i] - 1);
        struct histogram_bucket b = {
            .lower = positive ? near : -far, .upper = positive ? far : -near, .count = side->count[i]};
        double kept = 0, at = 0;
        if (b.count == 0)
            continue;
        any = true;
        bool whole = t->upper ? b.upper <= t->value : b.lower >= t->value;
        bool part = t->upper ? b.lower < t->value : b.upper > t->value;
        if (whole) {
            kept = b.count;
            at = middle(b.lower, b.upper, positive, histogram_is_custom(t->h));
        } else if (part) {
            kept = split(&b, t, positive, &at);
        }
        t->count += kept;
        t->sum += at * kept;
        t->changed |= kept != b.count || (!whole && !part);
        side->count[i] = kept;
    }
    return any;
}

static void trim_zero(struct trim *t, struct histogram *h, bool has_positive, bool has_negative)
{
    double lower = has_positive && !has_negative ? 0 : -h->zero_threshold;
    double upper = has_negative && !has_positive ? 0 : h->zero_threshold;
    double kept = 0, at = 0;
    bool all = t->upper ? t->value >= upper && t->value > lower : t->value <= lower;
    bool none = t->upper ? t->value <= lower : t->value >= upper && t->value > lower;
    if (all) {
        kept = h->zero_count;
        at = (lower + upper) / 2;
    } else if (!none) {
        double share = (t->upper ? t->value - lower : upper - t->value) / (upper - lower);
        kept = h->zero_count * share;
        at = t->upper ? (lower + t->value) / 2 : (t->value + upper) / 2;
    }
    t->changed |= kept != h->zero_count;
    h->zero_count = kept;
    t->sum += at * kept;
    t->count += kept;
}

void histogram_trim(struct histogram *h, double value, bool upper)
{
    struct trim t = {.h = h, .value = value, .upper = upper};
    bool has_positive = trim_side(&t, &h->positive, true), has_negative = trim_side(&t, &h->negative, false);
    if (h->zero_count > 0)
        trim_zero(&t, h, has_positive, has_negative);
    if (!t.changed)
        return;
    h->count = t.count;
    h->sum = t.sum;
    histogram_compact(h);
}
