/*
 * Reading a cold segment in the order of its positions; see cold.h.
 *
 * Each class is a lane of chunks, the hashes of dropped records are one more. For every position of a frame
 * one lane must have it next. A chunk is unpacked when its first record is due, and never ends within a
 * frame, so what a frame lends stays until the next one.
 */
#include "journal/cold.h"
#include "journal/cold_pack.h"
#include "journal/literals.h"

#include "base/arena.h"

#include <stdlib.h>

enum { LANES = CLASS_COUNT + 1, LEAVES_LANE = CLASS_COUNT };

static bool is_of_lane(const struct cold_entry *e, size_t lane)
{
    return lane == LEAVES_LANE ? e->kind == COLD_LEAVES : e->kind == COLD_RECORDS && e->class == lane;
}

/* 1 = the chunk may hold something that is wanted; 0 = not; negative. */
static int is_wanted(struct cold_walk *w, const struct cold_entry *e, struct err *err)
{
    const struct journal_want *want = w->want;
    if (want == NULL)
        return 1;
    if (e->kind == COLD_LEAVES || e->max_ns < want->from_ns || e->min_ns >= want->to_ns)
        return 0;
    return e->words.bytes == 0 || want->literal.n == 0 ? 1
                                                       : literals_may_hold(&w->cold, e, want->literal, err);
}

/* The lane's next chunk of which something is wanted, not unpacked yet. */
static int find_chunk(struct cold_walk *w, size_t lane, struct err *err)
{
    struct cold_lane *l = &w->lanes[lane];
    l->open = false;
    l->next = UINT64_MAX;
    for (; l->entry < w->cold.n; l->entry++) {
        if (!is_of_lane(&w->cold.entries[l->entry], lane))
            continue;
        int rc = is_wanted(w, &w->cold.entries[l->entry], err);
        if (rc < 0)
            return rc;
        w->chunks_skipped += rc == 0;
        if (rc == 1) {
            l->next = w->cold.entries[l->entry].first;
            return 0;
        }
    }
    return 0;
}

static int walk_open(struct cold_walk *w, const struct journal_want *want, bool strict, struct err *err)
{
    w->want = want;
    w->strict = strict;
    buf_init(&w->frames, COLD_RAW_MAX_BYTES);
    buf_init(&w->packed, COLD_RAW_MAX_BYTES + 1);
    bool any = want == NULL;
    int rc = 0;
    for (size_t i = 0; i < LANES; i++) {
        buf_init(&w->lanes[i].blocks, COLD_RAW_MAX_BYTES + 1);
        buf_init(&w->lanes[i].positions, COLD_RAW_MAX_BYTES + 1);
        rc = rc == 0 ? find_chunk(w, i, err) : rc;
        any = any || w->lanes[i].next != UINT64_MAX;
    }
    /* where nothing is wanted, not even the frames are looked at */
    if (rc == 0 && any)
        rc = cold_read(&w->cold, &w->cold.header.frames, true, &w->frames, err);
    w->rows_in = reader_of(buf_view(&w->frames));
    w->rows = cold_rows_begin(&w->cold.header.segment);
    if (rc != 0)
        cold_walk_close(w);
    return rc;
}

int cold_walk_open(struct cold_walk *w, const struct fs *fs, const char *dir, uint64_t first,
                   const struct journal_want *want, bool strict, struct err *err)
{
    *w = (struct cold_walk){.cold = {.file = -1}};
    int rc = cold_open(&w->cold, fs, dir, first, err);
    return rc != 0 ? rc : walk_open(w, want, strict, err);
}

int cold_walk_open_path(struct cold_walk *w, const struct fs *fs, const char *path, uint64_t first,
                        bool strict, struct err *err)
{
    *w = (struct cold_walk){.cold = {.file = -1}};
    int rc = cold_open_path(&w->cold, fs, path, first, err);
    return rc != 0 ? rc : walk_open(w, NULL, strict, err);
}

void cold_walk_close(struct cold_walk *w)
{
    for (size_t i = 0; i < LANES; i++) {
        buf_free(&w->lanes[i].blocks);
        buf_free(&w->lanes[i].positions);
    }
    buf_free(&w->frames);
    buf_free(&w->packed);
    free(w->records);
    w->records = NULL;
    cold_close(&w->cold);
}

static bool unpack_leaves(struct sv stored, const struct cold_entry *e, struct buf *positions,
                          struct buf *hashes)
{
    buf_clear(positions);
    buf_clear(hashes);
    if (e->part.raw_bytes != (uint64_t)e->count * (8 + TC_SHA256_BYTES) ||
        !cold_unpack_bytes(stored, (size_t)e->part.raw_bytes, hashes))
        return false;
    buf_add(positions, hashes->p, (size_t)e->count * 8);
    return !positions->overflow;
}

static int refuse_chunk(const struct cold *c, const struct cold_entry *e, struct err *err)
{
    return cold_damaged(c, e->part.offset, "a chunk does not give back what was packed", err);
}

static bool has_bounds(const struct cold_entry *e, const struct buf *positions)
{
    return positions->n >= 8 && load_u64(positions->p) == e->first &&
           load_u64(positions->p + positions->n - 8) == e->last;
}

int cold_read_records(const struct cold *c, const struct cold_entry *e, struct buf *packed,
                      struct buf *positions, struct buf *blocks, uint8_t *ret_seed, struct err *err)
{
    int rc = cold_read(c, &e->part, false, packed, err);
    if (rc != 0)
        return rc;
    bool good = cold_unpack_records(e->coding, buf_view(packed), (size_t)e->part.raw_bytes, e->count,
                                    positions, blocks, ret_seed);
    return good && hash_64(buf_view(blocks)) == e->content && has_bounds(e, positions)
               ? 0
               : refuse_chunk(c, e, err);
}

static int read_leaves(struct cold_walk *w, const struct cold_entry *e, struct cold_lane *l, struct err *err)
{
    int rc = cold_read(&w->cold, &e->part, false, &w->packed, err);
    if (rc != 0)
        return rc;
    return unpack_leaves(buf_view(&w->packed), e, &l->positions, &l->blocks) &&
                   hash_64(buf_view(&l->blocks)) == e->content && has_bounds(e, &l->positions)
               ? 0
               : refuse_chunk(&w->cold, e, err);
}

static int unpack(struct cold_walk *w, size_t lane, struct err *err)
{
    struct cold_lane *l = &w->lanes[lane];
    const struct cold_entry *e = &w->cold.entries[l->entry];
    int rc = lane == LEAVES_LANE
                 ? read_leaves(w, e, l, err)
                 : cold_read_records(&w->cold, e, &w->packed, &l->positions, &l->blocks, l->seed, err);
    if (rc != 0)
        return rc;
    w->chunks++;
    l->open = true;
    l->rest =
        lane == LEAVES_LANE ? sv_from(buf_view(&l->blocks), (size_t)e->count * 8) : buf_view(&l->blocks);
    l->rest_positions = buf_view(&l->positions);
    return 0;
}

/* Behind the lane's next record. */
static int step(struct cold_walk *w, size_t lane, struct err *err)
{
    struct cold_lane *l = &w->lanes[lane];
    l->rest = sv_from(l->rest, lane == LEAVES_LANE ? TC_SHA256_BYTES : record_length(l->rest));
    l->rest_positions = sv_from(l->rest_positions, 8);
    if (l->rest_positions.n > 0) {
        l->next = load_u64(l->rest_positions.p);
        return 0;
    }
    l->entry++;
    return find_chunk(w, lane, err);
}

/* Opens the lane's chunk, in place of the one before: not while a frame lends from that. */
static int open_chunk(struct cold_walk *w, size_t lane, unsigned used, struct err *err)
{
    const struct cold_lane *l = &w->lanes[lane];
    if (l->open)
        return 0;
    if ((used & 1U << lane) != 0)
        return cold_damaged(&w->cold, w->cold.entries[l->entry].part.offset, "a chunk ends within a frame",
                            err);
    return unpack(w, lane, err);
}

/* The lane's next record is at `position` or behind it. */
static int bring(struct cold_walk *w, size_t lane, uint64_t position, unsigned used, struct err *err)
{
    struct cold_lane *l = &w->lanes[lane];
    int rc = 0;
    while (rc == 0 && l->next < position) {
        if (!l->open && w->cold.entries[l->entry].last < position) {
            l->entry++;
            rc = find_chunk(w, lane, err);
            continue;
        }
        rc = open_chunk(w, lane, used, err);
        rc = rc == 0 ? step(w, lane, err) : rc;
    }
    return rc;
}

/* Whose turn it is: a lane, LANES for none, negative. `used`: lanes that this frame lends from. */
static int turn(struct cold_walk *w, uint64_t position, unsigned used, struct err *err)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        struct cold_lane *l = &w->lanes[lane];
        int rc = l->next < position ? bring(w, lane, position, used, err) : 0;
        if (rc != 0)
            return rc;
        if (l->next != position)
            continue;
        rc = open_chunk(w, lane, used, err);
        return rc == 0 ? (int)lane : rc;
    }
    return LANES;
}

/*
 * The last record of a chunk is taken and its lane not moved on before the next frame: moving on looks only
 * for the next chunk and does not unpack it, so what was lent stays.
 */
static int fill(struct cold_walk *w, struct cold_item *item, struct err *err)
{
    struct frame *f = &item->frame;
    unsigned used = 0;
    if (f->count > w->capacity) {
        w->capacity = TC_MAX((size_t)f->count, 2 * w->capacity);
        w->records = tc_realloc(w->records, w->capacity * sizeof w->records[0]);
    }
    for (uint32_t i = 0; i < f->count; i++) {
        int lane = turn(w, f->first + i, used, err);
        if (lane < 0)
            return lane;
        w->records[i].bytes = (struct sv){0};
        if (lane == LANES && w->strict)
            return cold_damaged(&w->cold, w->cold.header.frames.offset, "a record is neither kept nor hashed",
                                err);
        if (lane == LANES) {
            memset(w->records[i].leaf, 0, TC_SHA256_BYTES);
            continue;
        }
        struct cold_lane *l = &w->lanes[lane];
        if (lane == LEAVES_LANE)
            memcpy(w->records[i].leaf, l->rest.p, TC_SHA256_BYTES);
        else
            w->records[i].bytes = sv_head(l->rest, record_length(l->rest));
        used |= 1U << lane;
        int rc = step(w, (size_t)lane, err);
        if (rc != 0)
            return rc;
    }
    item->records = w->records;
    return 0;
}

int cold_walk_next(struct cold_walk *w, uint64_t from, struct cold_item *ret, struct err *err)
{
    for (;;) {
        int rc = cold_rows_get(&w->rows, &w->rows_in, ret);
        if (rc < 0)
            return cold_damaged(&w->cold, w->cold.header.frames.offset, "a row of frames that cannot be",
                                err);
        if (rc == 0 && w->frames.n > 0 &&
            (w->rows.position != w->cold.header.next || w->rows.commit != w->cold.header.commit))
            return cold_damaged(&w->cold, w->cold.header.frames.offset, "frames are missing", err);
        if (rc == 0 || ret->is_gap)
            return rc;
        if (ret->frame.first + ret->frame.count <= from)
            continue;
        rc = fill(w, ret, err);
        return rc == 0 ? 1 : rc;
    }
}
