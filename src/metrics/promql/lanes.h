/*
 * Arithmetic over all steps of a series, several steps at a time: the same operations in the same order as
 * one by one, so the same bits, on every processor.
 */
#ifndef METRICS_PROMQL_LANES_H
#define METRICS_PROMQL_LANES_H

#include "base/tc.h"

/* Arrays of steps have room for a multiple of so many. */
enum { LANES = 4 };
static inline size_t lanes_room(size_t steps)
{
    return (steps + LANES - 1) & ~(size_t)(LANES - 1);
}

/* The windows of one series: what happened in each, and where. */
struct lanes_windows {
    double *increase, *first;            /* the first sample's value */
    double *to_start, *to_end, *sampled; /* milliseconds: from the range's start to the first sample, … */
    double *gaps;                        /* samples less one, not 0 */
};

/* The two ends of a window in the samples of a series, and the times that it covers: (start, end]. */
struct lanes_edges {
    const int64_t *t;
    const double *f;
    size_t n, from, to;           /* samples [from, to) are in the window */
    int64_t start, end, interval; /* end - start < LANES_RANGE_MAX */
};
#define LANES_RANGE_MAX (INT64_C(1) << 50)
/* Moves the edges on step by step, as long as each step takes one sample in and lets one go, and writes each
 * window behind step `done`; `done` itself is written already. Returns the last step that is. */
size_t lanes_move(struct lanes_edges *edges, const struct lanes_windows *windows, size_t done, size_t steps);

/* Increases stretched to the borders of the range, as Prometheus extrapolates; `seconds` is what they are
 * divided by after that, 1 to leave them. The result stands in `windows->increase`. */
void lanes_extrapolate(const struct lanes_windows *windows, size_t steps, bool counter, double seconds);

/* None is below the one before it, and none is NaN. */
bool lanes_rise(const double *v, size_t n);

/* kahan_add of each `v` to its sum. A sum of nothing is -0.0; adding -0.0 changes nothing. */
void lanes_kahan_add(const double *v, double *sum, double *rest, size_t steps);

#endif
