/*
 * A store in memory, for tests and small data: series in order of arrival, samples in order of time.
 *
 * Histograms get the counter reset hints that a chunked store gives on reading: known within a run of
 * histograms of one layout, unknown at its beginning. Not thread-safe.
 */
#ifndef METRICS_MEMORY_STORE_H
#define METRICS_MEMORY_STORE_H

#include "metrics/series_source.h"

struct memory_store;

struct memory_store *memory_store_new(void);
void memory_store_free(struct memory_store **store);
void memory_store_clear(struct memory_store *store);

struct memory_sample {
    int64_t t, start_t; /* start_t 0: unknown */
    double f;
    const struct histogram *h; /* copied; NULL: a float */
};

/* `labels` is sorted in place and copied. Samples must be newer than those there; the same sample again is
 * nothing new. */
int memory_store_append(struct memory_store *store, struct label *labels, size_t label_count,
                        const struct memory_sample *samples, size_t count, struct err *err);
/* Good until the store is cleared or freed. */
struct series_source memory_store_source(struct memory_store *store);

#endif
