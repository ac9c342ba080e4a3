/*
 * Recovery; see recover.h and docs/format/journal.md, "Recovery".
 *
 * Headers of earlier segments are believed (verify checks all), the last segment is checked in full, chain
 * included. What is kept is synced before it counts: after kill -9 it may be in the page cache only.
 */
#include "journal/recover.h"

#include "journal/cold.h"
#include "journal/cursor.h"
#include "journal/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct recovery {
    struct writer *w;
    struct keys *keys;
    struct journal_recovery *ret;
    struct segment_list list;
    size_t keys_from; /* index of the oldest segment that may hold a key of the window */
    bool sealed;      /* an unfinished successor proves that all of the last segment was durable */
};

static int sync_dir(const struct recovery *r, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    segment_dir(r->w->dir, path);
    int rc = r->w->fs->sync_dir(r->w->fs, path);
    return rc < 0 ? segment_sys(err, rc, "cannot sync", path) : 0;
}

/* The last file may be a segment whose creation was cut off: no frame of it was ever written. */
static int remove_unfinished(struct recovery *r, struct err *err)
{
    struct cursor c;
    int rc = cursor_open(&c, r->w->fs, r->w->dir, r->list.first[r->list.n - 1], err);
    cursor_close(&c);
    if (rc == TC_ENOTFOUND)
        return 0; /* it is cold: check_headers tells that the last one is missing */
    if (rc != CURSOR_TORN_HEADER)
        return rc < 0 ? rc : 0;
    struct fs_stat st = {0};
    r->w->fs->stat(r->w->fs, c.path, &st);
    rc = r->w->fs->unlink(r->w->fs, c.path);
    if (rc < 0)
        return segment_sys(err, rc, "cannot remove the unfinished segment", c.path);
    r->ret->torn_bytes = TC_MAX(st.size_bytes, (uint64_t)1);
    snprintf(r->ret->torn_file, sizeof r->ret->torn_file, "%.255s", c.path);
    r->sealed = true;
    r->list.n--;
    return sync_dir(r, err);
}

static int read_header(const struct recovery *r, size_t i, struct segment_header *ret, struct err *err)
{
    const char *missing = "a segment before this one is missing";
    bool is_last = i + 1 == r->list.n;
    struct cursor c;
    struct cold cold;
    int rc = cold_open(&cold, r->w->fs, r->w->dir, r->list.first[i], err);
    if (rc == 0) {
        *ret = cold.header.segment;
        if (i > 0 && ret->previous != r->list.first[i - 1])
            rc = cold_damaged(&cold, 0, missing, err);
        else if (is_last || cold.header.next != r->list.first[i + 1])
            rc = cold_damaged(&cold, 0, "the segment after this one is missing", err);
        cold_close(&cold);
    }
    if (rc != TC_ENOTFOUND)
        return rc;
    rc = cursor_open(&c, r->w->fs, r->w->dir, r->list.first[i], err);
    *ret = c.header;
    if (rc == CURSOR_TORN_HEADER)
        rc = cursor_damaged(&c, "no segment header", err);
    else if (rc == CURSOR_FRAME)
        rc = i > 0 && ret->previous != r->list.first[i - 1] ? cursor_damaged(&c, missing, err) : 0;
    cursor_close(&c);
    return rc;
}

/* Every segment names the one before it: a missing one is noticed. Finds where the keys' window begins. */
static int check_headers(struct recovery *r, struct err *err)
{
    int64_t window_start = clk_now(r->w->clk).ns - TC_KEYS_WINDOW_S * TC_SECOND_NS;
    for (size_t i = 0; i < r->list.n; i++) {
        struct segment_header header;
        int rc = read_header(r, i, &header, err);
        if (rc != 0)
            return rc;
        if (header.created.ns < window_start)
            r->keys_from = i; /* all before were full by then */
    }
    return 0;
}

static void note_key(struct recovery *r, const struct frame *f)
{
    if (f->has_key)
        keys_add(r->keys, f->key, f->first, f->received);
}

static int keys_of_cold(struct recovery *r, size_t i, struct err *err)
{
    struct cold cold;
    struct buf bytes;
    struct cold_item item;
    int rc = cold_open(&cold, r->w->fs, r->w->dir, r->list.first[i], err);
    if (rc != 0)
        return rc;
    buf_init(&bytes, COLD_RAW_MAX_BYTES);
    rc = cold_read(&cold, &cold.header.frames, true, &bytes, err);
    struct reader in = reader_of(buf_view(&bytes));
    struct cold_rows rows = cold_rows_begin(&cold.header.segment);
    int got = 0;
    while (rc == 0 && (got = cold_rows_get(&rows, &in, &item)) == 1)
        if (!item.is_gap)
            note_key(r, &item.frame);
    if (got < 0)
        rc = cold_damaged(&cold, cold.header.frames.offset, "a row of frames that cannot be", err);
    buf_free(&bytes);
    cold_close(&cold);
    return rc;
}

static int keys_of_earlier(struct recovery *r, size_t i, struct err *err)
{
    struct cursor c;
    struct frame f;
    int rc = keys_of_cold(r, i, err);
    if (rc != TC_ENOTFOUND)
        return rc;
    rc = cursor_open(&c, r->w->fs, r->w->dir, r->list.first[i], err);
    while (rc == CURSOR_FRAME && (rc = cursor_next_judged(&c, true, &f, NULL, err)) == CURSOR_FRAME)
        note_key(r, &f);
    if (rc == CURSOR_END && c.position != r->list.first[i + 1])
        rc = cursor_damaged(&c, "records after this place are missing", err);
    cursor_close(&c);
    return rc;
}

static int fresh(struct recovery *r, struct err *err)
{
    struct writer *w = r->w;
    do
        w->header.epoch = rng_u64(w->rng);
    while (w->header.epoch == 0);
    chain_first_head(w->header.epoch, w->head);
    w->position = w->commit = 1;
    for (int i = 0; i < CLASS_COUNT; i++)
        w->sequences[i] = 1;
    r->ret->fresh = true;
    r->ret->segments = 1;
    return writer_roll(w, err);
}

static int walk_last(struct recovery *r, struct cursor *c, struct verify_state *state, struct err *err)
{
    struct frame f;
    struct sv bytes;
    uint64_t at = c->offset;
    int rc;
    while ((rc = cursor_next_judged(c, r->sealed, &f, &bytes, err)) == CURSOR_FRAME) {
        const char *why = verify_frame(state, &f, bytes, NULL);
        if (why != NULL) {
            c->offset = at;
            c->position -= f.count;
            return cursor_damaged(c, why, err);
        }
        note_key(r, &f);
        r->ret->newest.ns = TC_MAX(r->ret->newest.ns, f.received.ns);
        r->ret->frames++;
        at = c->offset;
    }
    return rc;
}

/* Cuts what is behind the last good frame, and syncs what is kept. */
static int settle(struct recovery *r, const struct cursor *c, struct err *err)
{
    uint64_t size;
    int rc = cursor_size(c, &size, err);
    int file = rc == 0 ? c->fs->open(c->fs, c->path, FS_READ | FS_WRITE) : -1;
    if (rc != 0)
        return rc;
    if (file < 0)
        return segment_sys(err, file, "cannot open", c->path);
    r->w->file = file;
    if (size > c->offset) {
        r->ret->torn_bytes = size - c->offset;
        snprintf(r->ret->torn_file, sizeof r->ret->torn_file, "%.255s", c->path);
        rc = c->fs->truncate(c->fs, file, c->offset);
    }
    if (rc == 0)
        rc = c->fs->sync(c->fs, file);
    return rc < 0 ? segment_sys(err, rc, "cannot cut the torn tail of", c->path) : sync_dir(r, err);
}

static void continue_from(struct recovery *r, const struct cursor *c, const struct verify_state *state)
{
    struct writer *w = r->w;
    w->header = c->header;
    salts_read(w->fs, w->dir, w->header.first, &w->salts);
    w->offset = w->out_at = c->offset;
    w->position = c->position;
    w->commit = c->commit + 1;
    w->must_roll = (c->header.compatible & ~(uint32_t)SEGMENT_COMPATIBLE) != 0;
    memcpy(w->sequences, state->sequences, sizeof w->sequences);
    memcpy(w->head, state->head, sizeof w->head);
    r->ret->segments = r->list.n;
    r->ret->records = c->position - r->list.first[0];
}

static int last_segment(struct recovery *r, struct err *err)
{
    struct cursor c;
    int rc = cursor_open(&c, r->w->fs, r->w->dir, r->list.first[r->list.n - 1], err);
    if (rc == CURSOR_FRAME) {
        struct verify_state state = verify_start(&c.header);
        rc = walk_last(r, &c, &state, err);
        if (rc >= 0)
            rc = settle(r, &c, err);
        if (rc == 0)
            continue_from(r, &c, &state);
    }
    cursor_close(&c);
    return rc;
}

int recover_journal(struct writer *w, struct keys *keys, struct journal_recovery *ret, struct err *err)
{
    struct recovery r = {.w = w, .keys = keys, .ret = ret};
    int rc = segment_list_read(w->fs, w->dir, &r.list, err);
    if (rc == 0 && r.list.n > 0)
        rc = remove_unfinished(&r, err);
    if (rc == 0)
        rc = check_headers(&r, err);
    for (size_t i = r.keys_from; rc == 0 && i + 1 < r.list.n; i++)
        rc = keys_of_earlier(&r, i, err);
    if (rc == 0)
        rc = r.list.n == 0 ? fresh(&r, err) : last_segment(&r, err);
    segment_list_free(&r.list);
    return rc;
}
