/*
 * Where samples come from: the evaluator's only view of a store.
 *
 * Series come as columns, not one sample at a time: a read gives all samples of one series within a time
 * range, which the store may lend from its own memory. Times are milliseconds since the epoch.
 */
#ifndef METRICS_SERIES_SOURCE_H
#define METRICS_SERIES_SOURCE_H

#include "base/err.h"
#include "metrics/histogram.h"
#include "metrics/matcher.h"

/* Sorted by time, strictly rising. Staleness markers are samples (is_stale). */
struct series_samples {
    const int64_t *t;
    const double *f;
    struct histogram *const *h; /* NULL: floats only; else an entry that is not NULL is a histogram */
    const int64_t *st;          /* start timestamps, 0 for unknown; NULL: none */
    size_t n;
    bool plain;    /* known to hold floats only, none of them a staleness marker */
    bool no_falls; /* beside that: none is less than the one before */
};

struct promql_options;
struct promql_result;

struct source_series {
    const struct labels *labels; /* lent by the source until the query ends */
    uint64_t ref;                /* never given to another label set as long as the source lives */
};

struct series_source {
    void *context;
    /* The series that match and may have samples in [min_t, max_t], in a stable order, into `arena`. */
    int (*select)(void *context, const struct matcher *matchers, size_t count, int64_t min_t, int64_t max_t,
                  struct arena *arena, struct source_series **ret, size_t *ret_count, struct err *err);
    /* At least the samples in [min_t, max_t] (more is allowed). What is not lent is put into `scratch`, which
     * the caller resets before the next read. */
    int (*read)(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                struct series_samples *ret, struct err *err);
    /* Several threads may read at once, each with a scratch of its own. */
    bool concurrent;
    /* Answers a whole query where the samples are, in place of handing them over; NULL: it is computed here
     * of what select and read give. Label sets of the result are those of `labels`; all else lies in its
     * arena. */
    int (*query)(void *context, struct sv text, const struct promql_options *options,
                 struct labels_table *labels, struct promql_result *result, struct err *err);
};

#endif
