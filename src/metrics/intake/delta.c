/*
 * Running sums; see delta.h. A series is known by the 128-bit hash of its sorted labels.
 */
#include "metrics/intake/delta.h"

#include "base/hash.h"
#include "base/map.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { KEY_BYTES_MAX = 128 << 10 };

struct sum {
    int64_t t_ms;
    double value;
    struct histogram *histogram; /* NULL: of floats */
    struct arena arena;          /* of the histogram */
};

struct delta_state {
    pthread_mutex_t lock;
    struct map series; /* hash -> index into sums + 1 */
    struct sum **sums;
    size_t n, capacity;
    uint32_t *free_places;
    size_t free_count;
    int64_t swept_ms;
    uint64_t evicted;
    struct buf key;
};

struct delta_state *delta_state_new(void)
{
    struct delta_state *s = tc_alloc(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->series, DELTA_SERIES_MAX);
    buf_init(&s->key, KEY_BYTES_MAX);
    return s;
}

static void sum_free(struct sum *sum)
{
    if (sum == NULL)
        return;
    arena_free(&sum->arena);
    free(sum);
}

void delta_state_free(struct delta_state **state)
{
    struct delta_state *s = *state;
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        sum_free(s->sums[i]);
    free(s->sums);
    free(s->free_places);
    map_free(&s->series);
    buf_free(&s->key);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *state = NULL;
}

const char *delta_outcome_text(enum delta_outcome outcome)
{
    static const char *const texts[] = {
        [DELTA_OK] = "ok",
        [DELTA_OLD] = "a delta that is not newer than the one before it",
        [DELTA_FULL] = "too many series are sent as deltas: send cumulative values, or fewer series",
        [DELTA_MISMATCH] = "a delta that cannot be added to the one before it",
    };
    return texts[outcome];
}

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct hash_128 hash_of(struct delta_state *s, struct label *labels, size_t count)
{
    buf_clear(&s->key);
    qsort(labels, count, sizeof *labels, by_name);
    for (size_t i = 0; i < count; i++) {
        buf_string(&s->key, labels[i].name);
        buf_string(&s->key, labels[i].value);
    }
    return hash_128(buf_view(&s->key));
}

/* At most once a minute of the samples' time: it looks at all. */
static void sweep(struct delta_state *s, int64_t now_ms)
{
    struct map_entry *e;
    if (now_ms < s->swept_ms + 60000 && now_ms >= s->swept_ms)
        return;
    s->swept_ms = now_ms;
    for (size_t i = 0; map_next(&s->series, &i, &e);) {
        size_t at = e->value - 1;
        struct hash_128 key;
        if (s->sums[at]->t_ms + DELTA_IDLE_MS > now_ms)
            continue;
        memcpy(&key, e->key.p, sizeof key);
        map_remove(&s->series, sv_make((const char *)&key, sizeof key));
        sum_free(s->sums[at]);
        s->sums[at] = NULL;
        s->free_places[s->free_count++] = (uint32_t)at;
        s->evicted++;
    }
}

static struct sum *place(struct delta_state *s)
{
    if (s->free_count == 0 && s->n == s->capacity) {
        s->capacity = TC_MAX(s->capacity * 2, (size_t)64);
        s->sums = tc_realloc(s->sums, s->capacity * sizeof(struct sum *));
        s->free_places = tc_realloc(s->free_places, s->capacity * sizeof *s->free_places);
    }
    size_t at = s->free_count > 0 ? s->free_places[--s->free_count] : s->n++;
    s->sums[at] = tc_alloc(sizeof *s->sums[at]);
    s->sums[at]->t_ms = INT64_MIN;
    return s->sums[at];
}

static struct sum *find(struct delta_state *s, struct label *labels, size_t count, int64_t t_ms)
{
    struct hash_128 hash = hash_of(s, labels, count);
    struct sv key = sv_make((const char *)&hash, sizeof hash);
    const uint64_t *known = map_get(&s->series, key);
    if (known != NULL)
        return s->sums[*known - 1];
    if (s->series.live >= DELTA_SERIES_MAX)
        sweep(s, t_ms);
    uint64_t *slot = map_put(&s->series, key, NULL);
    if (slot == NULL)
        return NULL;
    bool reused = s->free_count > 0;
    size_t at = reused ? s->free_places[s->free_count - 1] : s->n;
    *slot = at + 1;
    return place(s);
}

enum delta_outcome delta_add(struct delta_state *s, struct label *labels, size_t count, bool any_order,
                             int64_t *t_ms, double value, double *ret)
{
    enum delta_outcome outcome = DELTA_OK;
    pthread_mutex_lock(&s->lock);
    struct sum *sum = find(s, labels, count, *t_ms);
    if (sum == NULL) {
        outcome = DELTA_FULL;
    } else if (!isfinite(value)) {
        outcome = DELTA_MISMATCH; /* the sum would never be a number again */
    } else if (*t_ms <= sum->t_ms && !any_order) {
        outcome = DELTA_OLD;
    } else {
        *t_ms = *t_ms <= sum->t_ms ? sum->t_ms + 1 : *t_ms;
        sum->t_ms = *t_ms;
        *ret = sum->value += value;
    }
    pthread_mutex_unlock(&s->lock);
    return outcome;
}

/* Into an arena of its own, so that the one before can go. */
static bool add_histogram(struct sum *sum, const struct histogram *histogram)
{
    struct arena fresh = {0};
    struct histogram_note note = {0};
    struct histogram *copy = histogram_copy(&fresh, sum->histogram == NULL ? histogram : sum->histogram);
    if (sum->histogram != NULL && !histogram_add(&fresh, copy, histogram, 1, &note)) {
        arena_free(&fresh);
        return false;
    }
    struct arena compact = {0};
    sum->histogram = histogram_copy(&compact, copy);
    sum->histogram->hint = HINT_UNKNOWN;
    arena_free(&fresh);
    arena_free(&sum->arena);
    sum->arena = compact;
    return true;
}

enum delta_outcome delta_add_histogram(struct delta_state *s, struct label *labels, size_t count,
                                       int64_t t_ms, const struct histogram *histogram, struct arena *arena,
                                       struct histogram **ret)
{
    enum delta_outcome outcome = DELTA_OK;
    pthread_mutex_lock(&s->lock);
    struct sum *sum = find(s, labels, count, t_ms);
    if (sum == NULL) {
        outcome = DELTA_FULL;
    } else if (t_ms <= sum->t_ms) {
        outcome = DELTA_OLD;
    } else if (!add_histogram(sum, histogram)) {
        outcome = DELTA_MISMATCH;
    } else {
        sum->t_ms = t_ms;
        *ret = histogram_copy(arena, sum->histogram);
    }
    pthread_mutex_unlock(&s->lock);
    return outcome;
}

struct delta_stats delta_state_stats(struct delta_state *s)
{
    pthread_mutex_lock(&s->lock);
    struct delta_stats stats = {s->series.live, s->evicted};
    pthread_mutex_unlock(&s->lock);
    return stats;
}
