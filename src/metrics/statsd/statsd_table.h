/*
 * What StatsD's lines add up to between two flushes: counters and histograms since the start, gauges as they
 * are, sets as the number of their distinct members since the last flush.
 *
 * Timers, histograms and distributions become native histograms of schema 3: any two neighbouring bounds are
 * 9 % apart, so that quantiles are right within that, whatever the range.
 *
 * A series that hears nothing for some time is given a stale marker and forgotten. Bounds:
 * STATSD_SERIES_MAX series, STATSD_MEMBERS_MAX members of a set, STATSD_BYTES_MAX bytes of all labels and
 * members, STATSD_BUCKETS_MAX buckets of a histogram (past it, neighbours are merged). One thread.
 */
#ifndef METRICS_STATSD_STATSD_TABLE_H
#define METRICS_STATSD_STATSD_TABLE_H

#include "metrics/intake/samples.h"
#include "metrics/statsd/statsd_line.h"

enum {
    STATSD_SERIES_MAX = 100 * 1000,
    STATSD_MEMBERS_MAX = 10 * 1000,
    STATSD_BYTES_MAX = 256 << 20,
    STATSD_BUCKETS_MAX = 320,
    STATSD_IDLE_MS = 3600 * 1000,
};

struct statsd_table;
/* A series that hears nothing for `idle_ms` is forgotten; 0: never. `signed_gauges`: "+3" and "-3" change a
 * gauge, as StatsD has it; else they are its value, as DogStatsD's clients mean it. */
struct statsd_table *statsd_table_new(bool signed_gauges, int64_t idle_ms);
void statsd_table_free(struct statsd_table **table);

enum statsd_outcome {
    STATSD_TAKEN,
    STATSD_BAD_VALUE,
    STATSD_BAD_NAME,   /* nothing of it is a name, or a tag would be a label of our own */
    STATSD_NO_ROOM,    /* one of the bounds above */
    STATSD_PERSONAL,   /* a tag holds personal data */
    STATSD_OTHER_TYPE, /* the series is of another type already */
    STATSD_OUTCOMES,
};
enum statsd_outcome statsd_table_add(struct statsd_table *table, const struct statsd_line *line,
                                     int64_t now_ms);
/* A series as a flush before left it: the sum of a counter, a gauge's value, or a histogram. */
void statsd_table_restore(struct statsd_table *table, enum statsd_type type, const struct label *labels,
                          size_t count, double value, const struct histogram *histogram, int64_t now_ms);
/* All series as samples of that time. */
void statsd_table_flush(struct statsd_table *table, int64_t now_ms, struct sample_list *list);
size_t statsd_table_series(const struct statsd_table *table);
/* Of STATSD_BYTES_MAX. */
size_t statsd_table_bytes(const struct statsd_table *table);

#endif
