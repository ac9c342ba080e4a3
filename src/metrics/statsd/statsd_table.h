/*
 * What StatsD's lines add up to between two flushes: counters and histograms since the start, gauges as they
 * are, sets as the number of their distinct members since the last flush.
 *
 * Timers, histograms and distributions become native histograms of schema 3: any two neighbouring bounds are
 * 9 % apart, so that quantiles are right within that, whatever the range.
 *
 * A series that hears nothing for some time is given a stale marker and forgotten. Where little room is left,
 * so that hostile tags would keep new series out, those that were silent for an hour go sooner, those that
 * were heard least often first. Bounds: STATSD_SERIES_MAX series, STATSD_MEMBERS_MAX members of a set,
 * STATSD_BYTES_MAX bytes of all labels and members, STATSD_BUCKETS_MAX buckets of a histogram (past it,
 * neighbours are merged). One thread.
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
    STATSD_CROWDED =
        STATSD_SERIES_MAX / 10 * 9, /* from so many series (or so much of the bytes) on some go sooner */
    STATSD_ROOMY = STATSD_SERIES_MAX / 10 * 8, /* until so many are left */
};

struct statsd_table;
struct statsd_table_options {
    /* "+3" and "-3" change a gauge, as StatsD has it; else they are its value, as DogStatsD's clients mean it
     */
    bool signed_gauges;
    bool keeps_bare; /* series without a label but the name stay for ever */
    int64_t idle_ms; /* a series that hears nothing for so long is forgotten; at least STATSD_IDLE_MS */
};
struct statsd_table *statsd_table_new(const struct statsd_table_options *options);
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
/* Series that were forgotten: for being silent, and of these to make room. */
uint64_t statsd_table_forgotten(const struct statsd_table *table);
uint64_t statsd_table_made_room(const struct statsd_table *table);
/* Of STATSD_BYTES_MAX. */
size_t statsd_table_bytes(const struct statsd_table *table);

#endif
