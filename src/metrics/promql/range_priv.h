/*
 * Functions of a range: what a window is, and who computes what.
 *
 * The samples of a series are one pair of columns for the whole query; a window is a piece of them, found by
 * moving two ends, so nothing is copied from step to step.
 */
#ifndef METRICS_PROMQL_RANGE_PRIV_H
#define METRICS_PROMQL_RANGE_PRIV_H

#include "metrics/promql/eval_priv.h"
#include "metrics/promql/lanes.h"

enum { RANGE_PARAMETERS_MAX = 2 };

/* What holds for all windows of a call. */
struct range_call {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    int64_t range_ms, offset_ms;
    bool anchored, smoothed;
    int32_t at; /* of the range, for annotations */
    const double *parameters[RANGE_PARAMETERS_MAX];
    /* of the series under way */
    const struct labels *labels;
    struct sv metric;
    struct sv checked_name; /* the last whose ending was looked at */
    const struct split_samples *samples;
    size_t *resets; /* positions of float samples before which a counter was reset */
    size_t reset_count;
};

struct window {
    const int64_t *t, *st; /* floats; st may be NULL */
    const double *f;
    size_t n;
    const int64_t *ht, *hst; /* histograms */
    struct histogram *const *h;
    size_t hn;
    size_t first;            /* where the floats begin in the series */
    int64_t now, start, end; /* evaluation time; the range (start, end] */
    double parameters[RANGE_PARAMETERS_MAX];
};

/* False where there is no result. */
typedef bool (*range_function)(struct range_call *c, const struct window *w, struct sample *out);

range_function range_function_over_time(int id); /* *_over_time, deriv, … */
range_function range_function_counter(int id);   /* rate, increase, delta, irate, idelta, resets, changes */

/* rate, increase and delta of the series of a selector that is neither anchored nor smoothed nor fixed in
 * time. */
struct rate_call {
    struct query *q;
    const struct steps *s;
    const struct range_series *series;
    int64_t range_ms, offset_ms;
    bool counter, per_second;
    bool start_timestamps; /* are looked at */
    /* The k-th series: its values, with neither labels nor marks; or it is not one of plain floats. */
    void (*put)(void *context, size_t k, struct column *column);
    void (*general)(void *context, size_t k);
    void *context;
};
/* Calls put or general for each series, in order. The same numbers as window by window. */
void rate_series(const struct rate_call *call);

bool start_timestamp_reset(int64_t previous_st, int64_t previous_t, int64_t st, int64_t t);
/* First index with t > after. */
size_t first_after(const int64_t *t, size_t n, int64_t after);

#endif
