/*
 * From deltas to what the store keeps: the running sums of counters and histograms whose senders tell only
 * what has been added.
 *
 * In memory: after a restart the sums begin at zero, which to PromQL is a counter's reset. Bounded by
 * DELTA_SERIES_MAX; at the bound, series that were silent for an hour make room, else a new one is refused.
 * Thread-safe.
 */
#ifndef METRICS_INTAKE_DELTA_H
#define METRICS_INTAKE_DELTA_H

#include "metrics/histogram.h"
#include "metrics/labels.h"

enum { DELTA_SERIES_MAX = 200 * 1000, DELTA_IDLE_MS = 3600 * 1000 };

struct delta_state;
struct delta_state *delta_state_new(void);
void delta_state_free(struct delta_state **state);

enum delta_outcome { DELTA_OK, DELTA_OLD /* not after the one before */, DELTA_FULL, DELTA_MISMATCH };
const char *delta_outcome_text(enum delta_outcome outcome);
/* Adds to the series of these labels (any order), and gives what it has now. Where `any_order`, *t_ms becomes
 * later than the time before where it is not. */
enum delta_outcome delta_add(struct delta_state *state, struct label *labels, size_t count, bool any_order,
                             int64_t *t_ms, double value, double *ret);
/* The same of a histogram; *ret is in `arena`. */
enum delta_outcome delta_add_histogram(struct delta_state *state, struct label *labels, size_t count,
                                       int64_t t_ms, const struct histogram *histogram, struct arena *arena,
                                       struct histogram **ret);

struct delta_stats {
    uint64_t series, evicted;
};
struct delta_stats delta_state_stats(struct delta_state *state);

#endif
