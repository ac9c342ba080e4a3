/*
 * Metrics made of events: a reader of the journal of its own, which counts what the declarations say and
 * writes the sums into the store of metrics.
 *
 * With each write goes the journal's position up to which events were counted, as the sample of a series
 * (tocsin_event_metrics_position), in the same commit: after a restart, and after kill -9, reading goes on
 * behind it, and the sums go on from what the store has, so that no event counts twice and none is left out.
 * Where the store has no position yet, counting begins at the journal's end.
 */
#ifndef APP_EVENT_METRICS_H
#define APP_EVENT_METRICS_H

#include "app/event_metric_config.h"
#include "journal/journal.h"
#include "metrics/metadata.h"
#include "metrics/tsdb/tsdb.h"

struct event_metrics_options {
    const struct fs *fs;
    const struct clk *clk;
    const char *dir; /* the data directory */
    struct journal *journal;
    struct tsdb *tsdb;
    struct metadata *metadata;
    const struct event_metrics_config *config; /* outlives it */
};

struct event_metrics;
int event_metrics_start(const struct event_metrics_options *options, struct event_metrics **ret,
                        struct err *err);
/* Writes what was counted. Before journal and store are closed. */
void event_metrics_stop(struct event_metrics **metrics);
/* In Prometheus' text format, names tocsin_event_metrics_*. Any thread. */
void event_metrics_metrics(const struct event_metrics *metrics, struct buf *out);

#endif
