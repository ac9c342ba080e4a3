/*
 * What has come to a store of samples since one last looked: what a keeper of windows needs beside
 * series_source.h, so that it reads a series once and then only hears what is new.
 *
 * One keeper at a time, one thread at a time.
 */
#ifndef METRICS_SERIES_FEED_H
#define METRICS_SERIES_FEED_H

#include "metrics/series_source.h"

#define FEED_NONE UINT32_MAX

struct fed_sample {
    uint32_t series; /* its number, as `follow` gave it */
    bool histogram;  /* `v` is its sum */
    bool started;    /* it has a start timestamp */
    int64_t t;
    double v;
};

/* An answer of select() holds as long as its state is the same but for `next_series`, and series from the old
 * `next_series` on are added where they match. */
struct feed_state {
    uint64_t history; /* grows when samples may have gone or changed places, or series have gone */
    uint64_t parts;   /* which parts of the store the range touches: they decide about the order of series */
    uint32_t next_series; /* the number that the next new series has */
};

struct series_feed {
    void *context;
    struct feed_state (*state)(void *context, int64_t min_t, int64_t max_t);
    /* The number under which `take` tells samples of the series from now on; FEED_NONE: nothing new comes
     * without a new number. */
    uint32_t (*follow)(void *context, const struct labels *labels);
    void (*unfollow)(void *context, uint32_t series);
    /* Series from number `from` on, in order; labels in `arena`. */
    void (*each_new)(void *context, uint32_t from, struct arena *arena,
                     void (*each)(void *to, uint32_t series, const struct labels *labels), void *to);
    /* All samples of followed series since the last call, in order of arrival, late ones too; good until the
     * next call. False: some are lost, for there were too many. */
    bool (*take)(void *context, const struct fed_sample **ret, size_t *ret_count);
};

#endif
