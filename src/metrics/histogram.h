/*
 * Native histograms with float counts: exponential schemas -4 to 8 and custom buckets (schema -53).
 *
 * A side is two parallel arrays, bucket numbers and counts, sorted by number: spans exist only in the text
 * and wire forms. Everything lives in the caller's arena; functions that change a histogram may give it new
 * arrays, and never write into arrays that it shares (histogram_copy first where that matters). Semantics:
 * the native histogram specification of Prometheus, and its arithmetic (compensated sums, zero bucket
 * widening, reconciled custom bounds).
 */
#ifndef METRICS_HISTOGRAM_H
#define METRICS_HISTOGRAM_H

#include "base/arena.h"
#include "base/buf.h"

enum { HISTOGRAM_CUSTOM_SCHEMA = -53, HISTOGRAM_SCHEMA_MIN = -4, HISTOGRAM_SCHEMA_MAX = 8 };

enum counter_reset_hint { HINT_UNKNOWN, HINT_RESET, HINT_NOT_RESET, HINT_GAUGE };

struct histogram_side {
    int32_t *index;
    double *count;
    size_t n;
};

struct histogram {
    enum counter_reset_hint hint;
    int32_t schema;
    double zero_threshold, zero_count, count, sum;
    struct histogram_side positive, negative;
    const double *bounds; /* of custom buckets, without +Inf */
    size_t bound_count;
};

/* What a compensated sum has lost so far; parallel to the histogram's sides. All zero is a fresh one. */
struct histogram_rest {
    bool used;
    double zero_count, count, sum;
    double *positive, *negative;
};

/* What happened in an addition, for annotations. */
struct histogram_note {
    bool reset_collision;
    bool bounds_reconciled;
};

struct histogram_bucket {
    double lower, upper, count;
    bool lower_inclusive, upper_inclusive;
};

static inline bool histogram_is_custom(const struct histogram *h)
{
    return h->schema == HISTOGRAM_CUSTOM_SCHEMA;
}
/* Compensated addition (Neumaier): *sum += v, what is lost goes to *rest. */
void kahan_add(double v, double *sum, double *rest);
/* Both NaN, or equal within a relative `epsilon` (a staleness marker equals only itself). */
bool almost_equal(double a, double b, double epsilon);
bool is_stale(double v);
double stale_nan(void);

struct histogram *histogram_copy(struct arena *arena, const struct histogram *h);
/* A copy with a coarser schema. */
struct histogram *histogram_copy_to_schema(struct arena *arena, const struct histogram *h, int32_t schema);
void histogram_multiply(struct histogram *h, double factor);
void histogram_divide(struct histogram *h, double divisor);
void histogram_rest_scale(struct histogram_rest *rest, const struct histogram *h, double factor, bool divide);
/* h += sign * other. False where one has custom and the other exponential buckets. */
TC_MUST_USE bool histogram_add(struct arena *arena, struct histogram *h, const struct histogram *other,
                               double sign, struct histogram_note *note);
/* h += other, with compensation. */
TC_MUST_USE bool histogram_kahan_add(struct arena *arena, struct histogram *h, struct histogram_rest *rest,
                                     const struct histogram *other, struct histogram_note *note);
/* Adds what `rest` holds to `h`. */
void histogram_settle(struct histogram *h, const struct histogram_rest *rest);
struct histogram_rest histogram_rest_copy(struct arena *arena, const struct histogram *h,
                                          const struct histogram_rest *rest);
/* Takes out buckets without observations. Returns h. */
struct histogram *histogram_compact(struct histogram *h);
bool histogram_equal(const struct histogram *a, const struct histogram *b);
bool histogram_overflows(const struct histogram *h);
/* Was there a counter reset between the two? */
bool histogram_detect_reset(struct arena *arena, const struct histogram *now, const struct histogram *before);
/* Keeps what was observed below (`upper`) or above the value. */
void histogram_trim(struct histogram *h, double value, bool upper);

/* Upper bound of a bucket on the positive side. */
double histogram_bound(const struct histogram *h, int32_t index);
/* Every bucket from the lowest to the highest, zero bucket included where it has observations. */
size_t histogram_buckets(struct arena *arena, const struct histogram *h, struct histogram_bucket **ret);
double histogram_fraction_below(const struct histogram_bucket *bucket, double value, bool linear);

/* {count:3, sum:2, (1,2]:3} */
void histogram_format(struct buf *out, const struct histogram *h);
/* {{schema:1 count:3 …}} as the test language writes it. */
void histogram_format_test(struct buf *out, const struct histogram *h);
/* Samples that one histogram stands for in the accounting of a query's limit. */
size_t histogram_size(const struct histogram *h);

#endif
