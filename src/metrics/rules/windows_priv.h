/*
 * What the two files of the windows share: windows.c keeps selections, windows_series.c the samples of each
 * series.
 */
#ifndef METRICS_RULES_WINDOWS_PRIV_H
#define METRICS_RULES_WINDOWS_PRIV_H

#include "base/map.h"
#include "metrics/rules/windows.h"

/* The newest samples of one series. Its place is used again when it is gone, with another `turn`. */
struct window {
    const struct labels *labels; /* of the windows' own table; NULL: the place is free */
    uint32_t feed;               /* its number with the feed, or FEED_NONE */
    uint32_t turn;
    uint32_t selections; /* that have it */
    uint32_t stale;      /* staleness markers among its samples */
    uint32_t falls;      /* samples that are less than the one before */
    uint32_t first, n, capacity;
    bool known;               /* it holds all samples from `from_t` on */
    bool apart;               /* it has something that is not kept */
    int64_t from_t, reach_ms; /* reach: so far behind the newest evaluation its samples are needed */
    int64_t *t;               /* `capacity` of them, and behind them as many values; owned */
    double *f;
};

struct selection {
    struct matcher *matchers; /* owned, with their texts in `arena` */
    size_t matcher_count;
    struct arena arena;
    uint32_t *places; /* of its windows, in the store's order */
    size_t n, capacity;
    size_t unknown; /* windows that are to be read */
    struct feed_state state;
    int64_t reach_ms;       /* of all its windows, at least */
    int64_t used_ms;        /* the evaluation that asked for it last */
    bool built;             /* `places` is what the store would answer in this state */
    bool apart;             /* the store answers, until its history changes */
    uint64_t checked_apart; /* windows->apart_series when it was known that none of its windows is apart */
};

struct windows {
    struct windows_options options;
    struct map by_text; /* canonical matchers -> struct selection * */
    struct selection **selections;
    size_t selection_count, selection_capacity;
    struct labels_table table;
    uint32_t *by_labels; /* by label set's number: place + 1 */
    size_t by_labels_size;
    struct window *windows;
    uint32_t used, capacity;
    uint32_t *free_places;
    uint32_t free_count, free_capacity;
    uint32_t *by_feed; /* by the feed's number: place + 1 */
    size_t by_feed_size;
    uint32_t live;
    uint32_t next_series;      /* of the feed: all before it have been looked at */
    uint32_t new_until;        /* while new ones are looked at: these are left for the next time */
    uint64_t history;          /* of the feed */
    uint64_t apart_series;     /* windows that became apart so far */
    int64_t now_ms, newest_ms; /* of the evaluation under way; the newest there was */
    int64_t swept_ms;          /* when unused selections were looked for */
    uint64_t bytes;
    struct arena scratch, read_scratch;
    struct windows_stats stats;
};

/* The window of the series, made where it is new. */
uint32_t window_of(struct windows *w, const struct labels *labels, bool *ret_new);
/* UINT32_MAX: there is none. */
uint32_t window_find(struct windows *w, const struct labels *labels);
void window_release(struct windows *w, uint32_t place);
void window_follow(struct windows *w, uint32_t place);
/* Forgets its samples. */
void window_clear(struct windows *w, struct window *window);
/* All samples from `from_t` on. False, and apart, where they cannot be kept. */
bool window_fill(struct windows *w, struct window *window, const struct series_samples *samples,
                 int64_t from_t);
/* One sample that came in. */
void window_take(struct windows *w, const struct fed_sample *sample);
/* What a sample of the series will need comes into the cache; step 0, then 1. */
void window_expect(const struct windows *w, uint32_t series, unsigned step);
void window_set_apart(struct windows *w, struct window *window);
void window_read(const struct window *window, int64_t min_t, int64_t max_t, struct series_samples *ret);

static inline uint64_t window_ref(const struct windows *w, uint32_t place)
{
    return UINT64_C(1) << 63 | (uint64_t)(w->windows[place].turn & 0x7fffffff) << 32 | place;
}

#endif
