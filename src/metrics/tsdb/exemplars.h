/*
 * Exemplars: the newest examples of what was counted (a trace's id, mostly), in a ring over all series.
 *
 * As in Prometheus: one ring of fixed size, the oldest goes first; within a series times rise; the labels of
 * one have at most 128 characters (OpenMetrics 1.0, section "Exemplars"). They are in the log and in
 * snapshots like samples, and never in blocks. Not thread-safe; the store's lock guards it.
 */
#ifndef METRICS_TSDB_EXEMPLARS_H
#define METRICS_TSDB_EXEMPLARS_H

#include "metrics/tsdb/tsdb.h"

enum { EXEMPLAR_CHARACTERS_MAX = 128 };

struct exemplars;
struct exemplars *exemplars_new(size_t capacity);
void exemplars_free(struct exemplars **exemplars);
size_t exemplars_count(const struct exemplars *exemplars);

/* Both label sets are sorted and without empty values; they are copied. TSDB_OK with *ret_fresh false: it is
 * there already. Else TSDB_OUT_OF_ORDER or TSDB_BAD_LABELS. */
enum tsdb_outcome exemplars_add(struct exemplars *exemplars, const struct label *series, size_t series_count,
                                const struct label *labels, size_t count, int64_t t, double v,
                                bool *ret_fresh);

struct tombstones;
/* Forgets those that are deleted. */
void exemplars_erase(struct exemplars *exemplars, const struct tombstones *tombstones);

/* From the oldest to the newest. What is handed over is lent. */
void exemplars_each(const struct exemplars *exemplars,
                    void (*visit)(void *context, const struct labels *series,
                                  const struct tsdb_exemplar *exemplar),
                    void *context);
/* As tsdb_exemplars. */
void exemplars_select(const struct exemplars *exemplars, const struct tsdb_selector *selectors, size_t count,
                      int64_t min_t, int64_t max_t, struct arena *arena, struct tsdb_exemplar_series **ret,
                      size_t *ret_count);

#endif
