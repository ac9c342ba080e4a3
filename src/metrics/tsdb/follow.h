/*
 * Following series: each new sample of those that somebody follows is noted beside the head, so that a reader
 * of windows need not ask every series whether it has changed.
 *
 * Bound: TSDB_FOLLOW_MAX samples between two calls of `take`; past it all since the last are forgotten and
 * `take` says so.
 */
#ifndef METRICS_TSDB_FOLLOW_H
#define METRICS_TSDB_FOLLOW_H

#include "metrics/series_feed.h"
#include "metrics/tsdb/tsdb.h"

enum { TSDB_FOLLOW_MAX = 1 << 20 };

/* The store's only feed; it lives as long as the store. Its functions are called by one thread at a time,
 * beside any appenders, queriers and the maintainer. */
struct series_feed tsdb_feed(struct tsdb *tsdb);

#endif
