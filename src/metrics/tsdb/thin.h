/*
 * Thinning: which samples of a series stay when its stretch of time is kept for trends only.
 *
 * What stays are samples as they came, with their times and values, so PromQL needs to know nothing of it. Of
 * each window: the last sample, the least and the greatest, every staleness marker, and of a counter the
 * samples before and behind each reset. So increase(), rate(), min_over_time() and max_over_time() over
 * ranges of several windows are what they were, up to one window at each edge; averages and quantiles are
 * not: they see fewer samples. A window is shorter than the look-back of queries, so a series has no holes.
 */
#ifndef METRICS_TSDB_THIN_H
#define METRICS_TSDB_THIN_H

#include "metrics/tsdb/tsdb_priv.h"

enum { THIN_WINDOW_MS = 4 * 60 * 1000 };

/* `counter`: whether the metric's name says that it only rises; a fall is then a reset. A series of another
 * name counts as one in windows where it falls at most once. Samples are in order of time. */
void thin_columns(struct chunk_columns *columns, int64_t window_ms, bool counter);
/* Ends in _total, _count, _sum or _bucket. */
bool thin_is_counter(struct sv metric_name);

/* Writes the block at this place of the list anew, thinned, and puts that in its place. Of the maintainer. */
int thin_block(struct tsdb *tsdb, size_t at, struct err *err);

#endif
