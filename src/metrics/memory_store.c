/*
 * The store in memory; see memory_store.h.
 */
#include "metrics/memory_store.h"

#include <stdlib.h>

enum { CHUNK_RANGE_MS = 24 * 3600 * 1000 };

struct memory_series {
    const struct labels *labels;
    int64_t *t, *st;
    double *f;
    struct histogram **h;
    size_t n, capacity;
    bool has_histograms, has_start;
    const struct histogram *last; /* as given, where the newest sample is a histogram of an unfinished run */
    int64_t run_ends;
};

struct memory_store {
    struct labels_table table;
    struct arena arena;
    struct memory_series *series;
    size_t count, capacity;
    uint32_t *by_id; /* label set's number -> series + 1 */
    size_t id_capacity;
};

struct memory_store *memory_store_new(void)
{
    struct memory_store *store = tc_alloc(sizeof *store);
    labels_table_init(&store->table);
    return store;
}

void memory_store_clear(struct memory_store *store)
{
    for (size_t i = 0; i < store->count; i++) {
        free(store->series[i].t);
        free(store->series[i].st);
        free(store->series[i].f);
        free(store->series[i].h);
    }
    free(store->series);
    free(store->by_id);
    arena_free(&store->arena);
    labels_table_free(&store->table);
    *store = (struct memory_store){0};
    labels_table_init(&store->table);
}

void memory_store_free(struct memory_store **store)
{
    if (*store == NULL)
        return;
    memory_store_clear(*store);
    labels_table_free(&(*store)->table);
    free(*store);
    *store = NULL;
}

static struct memory_series *find_or_add(struct memory_store *store, const struct labels *labels)
{
    if (labels->id >= store->id_capacity) {
        size_t capacity = TC_MAX((size_t)64, (size_t)labels->id * 2);
        store->by_id = tc_realloc(store->by_id, capacity * sizeof *store->by_id);
        memset(store->by_id + store->id_capacity, 0, (capacity - store->id_capacity) * sizeof *store->by_id);
        store->id_capacity = capacity;
    }
    if (store->by_id[labels->id] != 0)
        return &store->series[store->by_id[labels->id] - 1];
    if (store->count == store->capacity) {
        store->capacity = TC_MAX((size_t)64, store->capacity * 2);
        store->series = tc_realloc(store->series, store->capacity * sizeof *store->series);
    }
    store->series[store->count] = (struct memory_series){.labels = labels};
    store->by_id[labels->id] = (uint32_t)++store->count;
    return &store->series[store->count - 1];
}

static void reserve(struct memory_series *s, size_t more)
{
    if (s->n + more <= s->capacity)
        return;
    s->capacity = TC_MAX(s->n + more, s->capacity * 2);
    s->t = tc_realloc(s->t, s->capacity * sizeof *s->t);
    s->st = tc_realloc(s->st, s->capacity * sizeof *s->st);
    s->f = tc_realloc(s->f, s->capacity * sizeof *s->f);
    s->h = tc_realloc(s->h, s->capacity * sizeof *s->h);
}

/* A chunk holds histograms of one layout without a reset between them. */
static bool continues_run(struct arena *arena, const struct memory_series *s, const struct histogram *h,
                          int64_t t)
{
    if (s->last == NULL || t >= s->run_ends || is_stale(s->last->sum))
        return false;
    if (is_stale(h->sum))
        return true;
    bool same = (h->hint == HINT_GAUGE) == (s->last->hint == HINT_GAUGE) && h->schema == s->last->schema &&
                h->zero_threshold == s->last->zero_threshold && h->bound_count == s->last->bound_count;
    for (size_t i = 0; same && i < h->bound_count; i++)
        same = h->bounds[i] == s->last->bounds[i];
    if (!same || h->hint == HINT_GAUGE)
        return same;
    if (h->hint == HINT_RESET)
        return false;
    struct histogram now = *h;
    now.hint = HINT_UNKNOWN;
    return !histogram_detect_reset(arena, &now, s->last);
}

static void add_histogram(struct memory_store *store, struct memory_series *s, const struct histogram *h,
                          int64_t t)
{
    bool continues = continues_run(&store->arena, s, h, t);
    struct histogram *kept = histogram_copy(&store->arena, h);
    s->last = kept;
    if (!continues)
        s->run_ends = (t / CHUNK_RANGE_MS + 1) * CHUNK_RANGE_MS;
    struct histogram *shown = ARENA_NEW(&store->arena, struct histogram);
    *shown = *kept;
    if (h->hint != HINT_GAUGE)
        shown->hint = continues ? HINT_NOT_RESET : HINT_UNKNOWN;
    s->h[s->n] = shown;
    s->has_histograms = true;
}

static int append_one(struct memory_store *store, struct memory_series *s, const struct memory_sample *sample,
                      struct err *err)
{
    if (s->n > 0 && sample->t <= s->t[s->n - 1]) {
        const struct histogram *newest = s->h[s->n - 1];
        bool same = sample->h != NULL && newest != NULL
                        ? histogram_equal(sample->h, newest)
                        : sample->h == newest && memcmp(&sample->f, &s->f[s->n - 1], sizeof sample->f) == 0;
        if (sample->t == s->t[s->n - 1] && !same)
            return err_set(err, TC_EINPUT, "duplicate sample for timestamp");
        return sample->t == s->t[s->n - 1] ? 0 : err_set(err, TC_EINPUT, "out of order sample");
    }
    s->t[s->n] = sample->t;
    s->st[s->n] = sample->start_t;
    s->has_start |= sample->start_t != 0;
    s->f[s->n] = sample->f;
    s->h[s->n] = NULL;
    if (sample->h != NULL) {
        add_histogram(store, s, sample->h, sample->t);
    } else if (is_stale(sample->f) && s->last != NULL) {
        /* the end of a series of histograms */
        s->h[s->n] = ARENA_NEW(&store->arena, struct histogram);
        s->h[s->n]->sum = sample->f;
        s->last = s->h[s->n];
    } else {
        s->last = NULL;
    }
    s->n++;
    return 0;
}

int memory_store_append(struct memory_store *store, struct label *labels, size_t label_count,
                        const struct memory_sample *samples, size_t count, struct err *err)
{
    if (count == 0)
        return 0;
    struct memory_series *s = find_or_add(store, labels_intern(&store->table, labels, label_count));
    reserve(s, count);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = append_one(store, s, &samples[i], err);
    return rc;
}

static int store_select(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                        int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                        struct err *err)
{
    struct memory_store *store = context;
    size_t n = 0;
    (void)err;
    *ret = ARENA_ARRAY(arena, struct source_series, store->count + 1);
    for (size_t i = 0; i < store->count; i++) {
        const struct memory_series *s = &store->series[i];
        if (s->n > 0 && s->t[0] <= max_t && s->t[s->n - 1] >= min_t &&
            matchers_match(matchers, count, s->labels))
            (*ret)[n++] = (struct source_series){s->labels, i};
    }
    *ret_count = n;
    return 0;
}

/* First index with t >= at. */
static size_t lower_bound(const int64_t *t, size_t n, int64_t at)
{
    size_t from = 0;
    while (from < n) {
        size_t middle = from + (n - from) / 2;
        if (t[middle] < at)
            from = middle + 1;
        else
            n = middle;
    }
    return from;
}

static int store_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                      struct series_samples *ret, struct err *err)
{
    const struct memory_store *store = context;
    const struct memory_series *s = &store->series[ref];
    size_t from = lower_bound(s->t, s->n, min_t);
    size_t to = max_t == INT64_MAX ? s->n : lower_bound(s->t, s->n, max_t + 1);
    (void)scratch;
    (void)err;
    *ret = (struct series_samples){.t = s->t + from,
                                   .f = s->f + from,
                                   .h = s->has_histograms ? s->h + from : NULL,
                                   .st = s->has_start ? s->st + from : NULL,
                                   .n = to - from};
    return 0;
}

struct series_source memory_store_source(struct memory_store *store)
{
    return (struct series_source){.context = store, .select = store_select, .read = store_read};
}
