/*
 * The notes of new samples; see follow.h. Appenders write them under the store's lock, and whoever takes them
 * holds it only to exchange two buffers.
 */
#include "metrics/tsdb/follow.h"

#include "metrics/tsdb/tsdb_priv.h"

#include <stdlib.h>

/* Does the sample come into a time that is deleted, so that the store does not show it? */
static bool is_deleted(const struct tsdb *tsdb, const struct head_series *s, int64_t t)
{
    struct label labels[TSDB_LABELS_MAX];
    struct index_view view = head_view(&tsdb->head);
    if (s->label_count > TSDB_LABELS_MAX)
        return false;
    for (uint32_t i = 0; i < s->label_count; i++)
        labels[i] = (struct label){view.text(view.context, s->pairs[i].name),
                                   view.text(view.context, s->pairs[i].value)};
    return tombstone_covers(tombstones_find(&tsdb->tombstones, labels, s->label_count, s->hash), t, t);
}

void follow_note(struct tsdb *tsdb, const struct head_series *s, int64_t t, double v, bool histogram,
                 bool started)
{
    struct follow *f = &tsdb->follow;
    if (TC_UNLIKELY(tsdb->tombstones.stretches > 0 && t <= tsdb->tombstones.max_t) && is_deleted(tsdb, s, t))
        return; /* the history changes when the tombstones go, and with them what hides it */
    if (f->n == f->capacity) {
        if (f->n == TSDB_FOLLOW_MAX) {
            f->lost = true;
            f->n = 0;
        } else {
            f->capacity = f->capacity == 0 ? 4096 : f->capacity * 2;
            f->items = tc_realloc(f->items, f->capacity * sizeof *f->items);
        }
    }
    f->items[f->n++] =
        (struct fed_sample){.series = s->id, .histogram = histogram, .started = started, .t = t, .v = v};
}

void follow_free(struct follow *f)
{
    free(f->items);
    free(f->taken);
    *f = (struct follow){0};
}

static bool take(void *context, const struct fed_sample **ret, size_t *ret_count)
{
    struct tsdb *tsdb = context;
    struct follow *f = &tsdb->follow;
    *ret = NULL;
    *ret_count = 0;
    pthread_rwlock_rdlock(&tsdb->lock);
    bool nothing = f->n == 0 && !f->lost;
    pthread_rwlock_unlock(&tsdb->lock);
    if (nothing) /* the usual case between two rules of a group */
        return true;
    pthread_rwlock_wrlock(&tsdb->lock);
    struct fed_sample *items = f->items;
    uint32_t capacity = f->capacity;
    bool lost = f->lost;
    *ret = items;
    *ret_count = lost ? 0 : f->n;
    f->items = f->taken;
    f->capacity = f->taken_capacity;
    f->n = 0;
    f->lost = false;
    f->taken = items;
    f->taken_capacity = capacity;
    pthread_rwlock_unlock(&tsdb->lock);
    return !lost;
}

static struct feed_state state(void *context, int64_t min_t, int64_t max_t)
{
    struct tsdb *tsdb = context;
    const uint64_t mix = UINT64_C(0x9e3779b97f4a7c15);
    struct feed_state s = {0};
    pthread_mutex_lock(&tsdb->blocks_lock);
    s.history = tsdb->generation;
    for (size_t i = 0; i < tsdb->block_count; i++) {
        const struct block_info *block = block_info(tsdb->blocks[i]);
        if (block->min_t <= max_t && block->max_t > min_t)
            s.parts = (s.parts + i + 1) * mix;
    }
    pthread_mutex_unlock(&tsdb->blocks_lock);
    pthread_rwlock_rdlock(&tsdb->lock);
    const struct head *head = &tsdb->head;
    const struct tombstones *t = &tsdb->tombstones;
    /* of a series that only blocks have it depends on the very range whether all of it is deleted */
    if (s.parts != 0 && t->count > 0 && t->min_t <= max_t && t->max_t >= min_t)
        s.parts = ((s.parts ^ (uint64_t)min_t) * mix ^ (uint64_t)max_t) * mix;
    s.history += head->removed + tsdb->tombstones.sequence + tsdb->cleanings;
    s.next_series = head->next_id;
    s.parts ^= head->any && head->max_t >= min_t && head->min_t <= max_t;
    pthread_rwlock_unlock(&tsdb->lock);
    return s;
}

/* `followed` is read by appenders, who hold the lock for writing: so must whoever changes it. */
static uint32_t follow(void *context, const struct labels *labels)
{
    struct tsdb *tsdb = context;
    pthread_rwlock_wrlock(&tsdb->lock);
    uint32_t id = head_find(&tsdb->head, labels->items, labels->count, labels->hash);
    if (id != UINT32_MAX)
        tsdb->head.series[id]->followed = true;
    pthread_rwlock_unlock(&tsdb->lock);
    return id == UINT32_MAX ? FEED_NONE : id;
}

static void unfollow(void *context, uint32_t series)
{
    struct tsdb *tsdb = context;
    pthread_rwlock_wrlock(&tsdb->lock);
    struct head_series *s = head_series_of(&tsdb->head, series);
    if (s != NULL)
        s->followed = false;
    pthread_rwlock_unlock(&tsdb->lock);
}

static void each_new(void *context, uint32_t from, struct arena *arena,
                     void (*each)(void *to, uint32_t series, const struct labels *labels), void *to)
{
    struct tsdb *tsdb = context;
    pthread_rwlock_rdlock(&tsdb->lock);
    struct index_view view = head_view(&tsdb->head);
    for (uint32_t id = from; id < tsdb->head.next_id; id++) {
        const struct head_series *s = tsdb->head.series[id];
        if (s != NULL)
            each(to, id, index_labels(&view, s->pairs, s->label_count, NULL, arena));
    }
    pthread_rwlock_unlock(&tsdb->lock);
}

struct series_feed tsdb_feed(struct tsdb *tsdb)
{
    return (struct series_feed){.context = tsdb,
                                .state = state,
                                .follow = follow,
                                .unfollow = unfollow,
                                .each_new = each_new,
                                .take = take};
}
