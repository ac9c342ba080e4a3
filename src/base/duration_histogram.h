/*
 * A histogram of durations with fixed bounds (0.5 ms … 30 s), for /metrics. Thread-safe; an all-zero one is
 * empty and ready.
 */
#ifndef BASE_DURATION_HISTOGRAM_H
#define BASE_DURATION_HISTOGRAM_H

#include "base/buf.h"

#include <stdatomic.h>

enum { TC_HISTOGRAM_BOUNDS = 14 };

struct duration_histogram {
    atomic_ullong counts[TC_HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last is above all bounds */
    atomic_ullong sum_ns;
};

/* A negative duration (a clock was set back) counts as 0. */
void duration_histogram_observe(struct duration_histogram *histogram, int64_t duration_ns);
/* In Prometheus' text format, with HELP and TYPE. */
void duration_histogram_print(const struct duration_histogram *histogram, const char *name, const char *help,
                              struct buf *out);
/* The samples of one of several with a label each, without HELP and TYPE. `value` is escaped. */
void duration_histogram_print_labelled(const struct duration_histogram *histogram, const char *name,
                                       const char *label, struct sv value, struct buf *out);

#endif
