/*
 * Windows that are kept: the samples that rules look at again and again, in memory as columns, and carried on
 * with what comes in, so that an evaluation costs what is new.
 *
 * It stands between an evaluator and a store (series_source.h) and answers select() and read() with exactly
 * what the store would: the same series in the same order, the same samples. What a selector asked for once
 * is kept from then on, as far back as the furthest of its ranges. Not kept, but read from the store each
 * time: series with histograms (or start timestamps, where these count), and what passes the bound of bytes.
 *
 * One thread at a time.
 */
#ifndef METRICS_RULES_WINDOWS_H
#define METRICS_RULES_WINDOWS_H

#include "metrics/series_feed.h"

#define WINDOWS_BYTES (256ULL << 20)
enum { WINDOWS_SELECTIONS_MAX = 65536 };

struct windows_options {
    struct series_source
        source;              /* answers at the time of a call what the store holds; outlives the windows */
    struct series_feed feed; /* of the same store */
    uint64_t bytes_max;      /* of samples and labels, roughly; 0: WINDOWS_BYTES */
    bool ignore_start_timestamps;
};

struct windows;
struct windows *windows_new(const struct windows_options *options);
void windows_free(struct windows **windows);
/* An evaluation at `now_ms` begins: takes in what has come to the store. Nothing that the source lent is in
 * use any more. */
void windows_refresh(struct windows *windows, int64_t now_ms);
/* Only takes in what has come, between evaluations that are far apart: the feed's notes are bounded. */
void windows_take_in(struct windows *windows);
/* Its series and samples are lent until the next refresh. */
struct series_source windows_source(struct windows *windows);

struct windows_stats {
    uint64_t series, selections, bytes, bytes_max;
    uint64_t samples_taken;    /* in all, that came to kept windows */
    uint64_t series_read;      /* in all, whose windows were read from the store */
    uint64_t selections_apart; /* now, that are read from the store each time */
    uint64_t overruns;         /* in all: more came than the feed could keep, and all was read anew */
};
struct windows_stats windows_stats(const struct windows *windows);
/* In Prometheus' text format, names tocsin_metric_rule_windows_*. */
void windows_metrics(const struct windows *windows, struct buf *out);

#endif
