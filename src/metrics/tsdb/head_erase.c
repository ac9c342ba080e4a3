/*
 * Taking deleted samples out of the head's memory; see head.h.
 */
#include "metrics/tsdb/head.h"

#include "metrics/tsdb/tombstones.h"

#include <stdlib.h>

struct rest { /* chunks that stay */
    struct head_chunk *items;
    uint32_t n, capacity;
};

static void keep(struct rest *rest, const struct head_chunk *chunk)
{
    if (rest->n == rest->capacity) {
        rest->capacity = rest->capacity == 0 ? 2 : rest->capacity * 2;
        rest->items = tc_realloc(rest->items, rest->capacity * sizeof *rest->items);
    }
    rest->items[rest->n++] = *chunk;
}

static void keep_written(struct rest *rest, struct chunk_writer *w, int64_t max_t)
{
    if (w->p == NULL)
        return;
    struct head_chunk chunk = {.min_t = w->min_t, .max_t = max_t, .count = w->count};
    struct sv bytes = chunk_take(w);
    chunk.bytes = (char *)(uintptr_t)bytes.p;
    chunk.n = (uint32_t)bytes.n;
    keep(rest, &chunk);
}

/* The samples of one chunk, which are of one kind. */
static void keep_columns(struct rest *rest, const struct chunk_columns *c)
{
    struct chunk_writer w = {0};
    for (size_t i = 0; i < c->n; i++) {
        unsigned mode = CHUNK_XOR + 1;
        bool is_float = c->h[i] == NULL, added = false;
        if (w.p != NULL)
            added = is_float ? chunk_float_add(&w, c->t[i], c->f[i], c->st[i], &mode)
                             : chunk_histogram_add(&w, c->t[i], c->h[i], c->st[i]);
        if (added)
            continue;
        if (i > 0)
            keep_written(rest, &w, c->t[i - 1]);
        if (is_float)
            chunk_float_begin(&w, mode > CHUNK_XOR ? chunk_mode_of(c->f[i]) : mode, c->t[i], c->f[i],
                              c->st[i]);
        else
            chunk_histogram_begin(&w, c->t[i], c->h[i], c->st[i]);
    }
    if (c->n > 0)
        keep_written(rest, &w, c->t[c->n - 1]);
}

static int erase_chunks(struct head *head, struct head_series *s, const struct tombstone *deleted,
                        struct err *err)
{
    struct arena arena = {0};
    struct rest rest = {0};
    int rc = 0;
    for (uint32_t i = 0; i < s->closed_count; i++) {
        struct head_chunk *chunk = &s->closed[i];
        struct chunk_columns c;
        if (rc != 0 || !tombstone_overlaps(deleted, chunk->min_t, chunk->max_t)) {
            keep(&rest, chunk);
            continue;
        }
        arena_reset(&arena);
        chunk_columns_init(&c, &arena, chunk->count);
        rc = chunk_decode(sv_make(chunk->bytes, chunk->n), &arena, &c, err);
        if (rc != 0) {
            keep(&rest, chunk);
            continue;
        }
        uint32_t before = rest.n;
        tombstone_apply(deleted, &c);
        keep_columns(&rest, &c);
        head->chunk_bytes -= chunk->n + BITS_SLACK;
        for (uint32_t k = before; k < rest.n; k++)
            head->chunk_bytes += rest.items[k].n + BITS_SLACK;
        free(chunk->bytes);
    }
    free(s->closed);
    s->closed = rest.items;
    s->closed_count = rest.n;
    s->closed_capacity = rest.capacity;
    arena_free(&arena);
    return rc;
}

static void erase_late(struct head *head, struct head_series *s, const struct tombstone *deleted)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; s->late != NULL && i < s->late->n; i++)
        if (!tombstone_covers(deleted, s->late->items[i].t, s->late->items[i].t))
            s->late->items[kept++] = s->late->items[i];
    if (s->late == NULL)
        return;
    head->late -= s->late->n - kept;
    s->late->n = kept;
    if (kept == 0) {
        free(s->late);
        s->late = NULL;
    }
}

bool head_span(const struct head_series *s, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = INT64_MAX;
    *ret_max = INT64_MIN;
    if (s->closed_count > 0) {
        *ret_min = s->closed[0].min_t;
        *ret_max = s->closed[s->closed_count - 1].max_t;
    }
    if (s->open.p != NULL) {
        *ret_min = TC_MIN(*ret_min, s->open.min_t);
        *ret_max = s->last_t;
    }
    if (s->late != NULL) {
        *ret_min = TC_MIN(*ret_min, s->late->items[0].t);
        *ret_max = TC_MAX(*ret_max, s->late->items[s->late->n - 1].t);
    }
    return *ret_min <= *ret_max;
}

int head_erase(struct head *head, struct head_series *s, const struct tombstone *deleted, struct err *err)
{
    int64_t min_t, max_t;
    if (!head_span(s, &min_t, &max_t) || !tombstone_overlaps(deleted, min_t, max_t))
        return 0;
    if (s->open.p != NULL && tombstone_overlaps(deleted, s->open.min_t, s->last_t))
        head_close_chunk(head, s);
    int rc = erase_chunks(head, s, deleted, err);
    erase_late(head, s, deleted);
    if (s->closed_count == 0 && s->open.p == NULL && s->late == NULL)
        head_remove(head, s);
    return rc;
}
