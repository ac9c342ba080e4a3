/*
 * For tests of windows: a store on a simulated disk as rules see it, its windows, and a feed that can be told
 * to have lost samples.
 */
#ifndef METRICS_RULES_WINDOWS_KIT_H
#define METRICS_RULES_WINDOWS_KIT_H

#include "metrics/rules/engine.h"
#include "metrics/tsdb/follow.h"
#include "metrics/tsdb/tsdb_kit.h"

struct test_store {
    struct sim_fs *sim;
    struct tsdb *tsdb;
    struct tsdb_querier *querier; /* NULL until it is needed */
    struct tsdb_appender appender;
    struct windows *windows; /* NULL: none */
    struct series_feed real_feed;
    bool overrun; /* the feed says once that samples were lost */
};

static inline struct series_source test_store_querier(struct test_store *store)
{
    if (store->querier == NULL)
        store->querier = tsdb_querier_open(store->tsdb);
    return tsdb_querier_source(store->querier);
}

static inline int test_store_select(void *context, const struct matcher *matchers, size_t count,
                                    int64_t min_t, int64_t max_t, struct arena *arena,
                                    struct source_series **ret, size_t *ret_count, struct err *err)
{
    struct series_source source = test_store_querier(context);
    return source.select(source.context, matchers, count, min_t, max_t, arena, ret, ret_count, err);
}

static inline int test_store_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t,
                                  struct arena *scratch, struct series_samples *ret, struct err *err)
{
    struct series_source source = test_store_querier(context);
    return source.read(source.context, ref, min_t, max_t, scratch, ret, err);
}

static inline void test_store_refresh(void *context)
{
    tsdb_querier_close(&((struct test_store *)context)->querier);
}

static inline int test_store_begin(void *context, struct err *err)
{
    struct test_store *store = context;
    return tsdb_begin(store->tsdb, 0, INT64_MAX, &store->appender, err);
}

static inline void test_store_commit(void *context)
{
    tsdb_commit(&((struct test_store *)context)->appender, NULL, NULL);
}

static inline int test_store_append(void *context, const struct labels *labels, int64_t time_ms, double value,
                                    const struct histogram *histogram, struct err *err)
{
    struct test_store *store = context;
    struct label items[TSDB_LABELS_MAX];
    uint32_t series;
    memcpy(items, labels->items, labels->count * sizeof *items);
    enum tsdb_outcome outcome = tsdb_series(&store->appender, items, labels->count, &series);
    if (outcome == TSDB_OK)
        outcome = histogram != NULL ? tsdb_histogram(&store->appender, series, time_ms, histogram, 0)
                                    : tsdb_float(&store->appender, series, time_ms, value, 0);
    return outcome == TSDB_OK ? 0 : err_set(err, TC_ESTATE, "%s", tsdb_outcome_text(outcome));
}

static inline bool test_store_take(void *context, const struct fed_sample **ret, size_t *ret_count)
{
    struct test_store *store = context;
    bool overrun = store->overrun, good = store->real_feed.take(store->tsdb, ret, ret_count);
    store->overrun = false;
    return good && !overrun;
}
static inline struct feed_state test_store_state(void *context, int64_t min_t, int64_t max_t)
{
    struct test_store *store = context;
    return store->real_feed.state(store->tsdb, min_t, max_t);
}
static inline uint32_t test_store_follow(void *context, const struct labels *labels)
{
    struct test_store *store = context;
    return store->real_feed.follow(store->tsdb, labels);
}
static inline void test_store_unfollow(void *context, uint32_t series)
{
    struct test_store *store = context;
    store->real_feed.unfollow(store->tsdb, series);
}
static inline void test_store_each_new(void *context, uint32_t from, struct arena *arena,
                                       void (*each)(void *to, uint32_t series, const struct labels *labels),
                                       void *to)
{
    struct test_store *store = context;
    store->real_feed.each_new(store->tsdb, from, arena, each, to);
}

/* The store as it is, read anew each time. */
static inline struct series_source test_store_source(struct test_store *store)
{
    return (struct series_source){.context = store, .select = test_store_select, .read = test_store_read};
}

static inline void test_store_open(struct test_store *store, const struct tsdb_options *options)
{
    struct tsdb_options o = *options;
    struct err err = {0};
    if (store->sim == NULL)
        store->sim = sim_fs_new(0);
    o.fs = sim_fs_seam(store->sim);
    o.rng = &rng_system;
    o.dir = "/data/metrics";
    if (tsdb_open(&o, &store->tsdb, NULL, &err) != 0)
        fail_msg("%s", err.text);
    store->real_feed = tsdb_feed(store->tsdb);
}

static inline void test_store_keep_windows(struct test_store *store, uint64_t bytes_max)
{
    store->windows = windows_new(
        &(struct windows_options){.source = test_store_source(store),
                                  .feed = {store, test_store_state, test_store_follow, test_store_unfollow,
                                           test_store_each_new, test_store_take},
                                  .bytes_max = bytes_max,
                                  .ignore_start_timestamps = true});
}

/* What is on its disk stays, for test_store_open. */
static inline void test_store_close(struct test_store *store)
{
    tsdb_querier_close(&store->querier);
    windows_free(&store->windows);
    tsdb_close(&store->tsdb);
}

#endif
