/*
 * The walk over a cold segment, chunk by chunk; see scan_priv.h.
 *
 * Two questions are answered by columns: which records hold a text (only those are put together), and how
 * many records have which values of some labels (none is). Whatever cannot be told from the columns alone is
 * told from whole records, so an answer never depends on how a record is kept. Records come in the order of
 * chunks and not of positions: no answer depends on that (README.md).
 */
#include "query/scan_priv.h"

#include "journal/cold_chunk.h"
#include "journal/literals.h"

#include <stdlib.h>

struct walk { /* over one segment */
    struct scan *scan;
    struct cold cold;
    struct buf packed, positions, blocks;
    uint32_t *records; /* room for numbers of one chunk's records */
};

static int scan_records(struct walk *w, struct err *err)
{
    struct sv rest = buf_view(&w->blocks), positions = buf_view(&w->positions);
    for (; rest.n > 0 && positions.n >= 8; positions = sv_from(positions, 8)) {
        size_t n = record_length(rest);
        if (n == 0)
            return err_set(err, TC_ECORRUPT, "a chunk of %s holds a record that is none", w->cold.path);
        int rc = scan_block(w->scan, sv_head(rest, n), load_u64(positions.p), err);
        if (rc != 0)
            return rc;
        rest = sv_from(rest, n);
    }
    return 0;
}

static int scan_whole_chunk(struct walk *w, const struct cold_entry *e, struct err *err)
{
    int rc = cold_read_records(&w->cold, e, &w->packed, &w->positions, &w->blocks, NULL, err);
    w->scan->stats->bytes += w->blocks.n;
    return rc == 0 ? scan_records(w, err) : rc;
}

/* Records in which the literal stands. 1 = done; 0 = the columns cannot tell. */
static int find_records(struct walk *w, struct cold_chunk *chunk, const struct cold_entry *e, struct err *err)
{
    uint32_t count;
    w->records = tc_realloc(w->records, e->count * sizeof w->records[0] + 1);
    int rc = cold_chunk_find(chunk, w->scan->literal, w->records, &count, err);
    if (rc != 1)
        return rc;
    if (count > e->count / 4)
        return 0; /* all at once is cheaper */
    buf_clear(&w->positions);
    buf_clear(&w->blocks);
    rc = cold_chunk_records(chunk, w->records, count, &w->positions, &w->blocks, err);
    w->scan->stats->bytes += w->blocks.n;
    rc = rc == 0 ? scan_records(w, err) : rc;
    return rc == 0 ? 1 : rc;
}

static int scan_chunk(struct walk *w, const struct cold_entry *e, struct err *err)
{
    struct scan *scan = w->scan;
    struct cold_chunk *chunk;
    int rc = cold_chunk_open(&w->cold, e, &chunk, err);
    if (rc == 0 && chunk != NULL)
        rc = scan->fold != NULL ? scan_fold_chunk(scan, chunk, e, err) : find_records(w, chunk, e, err);
    cold_chunk_close(&chunk);
    scan->stats->frames++;
    scan->stats->lines += e->count;
    if (rc == 0)
        rc = scan_whole_chunk(w, e, err);
    return TC_MIN(rc, 0);
}

static bool is_outside(const struct scan *scan, const struct cold_entry *e)
{
    return e->kind != COLD_RECORDS || e->max_ns < scan->from_ns || e->min_ns >= scan->to_ns ||
           e->last <= scan->source->after;
}

static int scan_chunks(struct walk *w, struct err *err)
{
    const struct scan *scan = w->scan;
    int rc = 0;
    for (size_t i = 0; i < w->cold.n && rc == 0; i++) {
        const struct cold_entry *e = &w->cold.entries[i];
        if (is_outside(scan, e))
            continue;
        if (scan_is_stopped(scan, err))
            return TC_ESTATE;
        int may = scan->literal.n == 0 || e->words.bytes == 0
                      ? 1
                      : literals_may_hold(&w->cold, e, scan->literal, err);
        rc = may == 1 ? scan_chunk(w, e, err) : may;
    }
    return rc;
}

int scan_cold(struct scan *scan, uint64_t first, uint64_t end, struct err *err)
{
    if (scan->fold == NULL && scan->literal.n == 0)
        return 0;
    struct walk w = {.scan = scan};
    int rc = cold_open(&w.cold, scan->source->fs, scan->source->dir, first, err);
    if (rc == TC_ENOTFOUND)
        return 0;
    if (rc != 0)
        return rc;
    bool whole = end == UINT64_MAX || w.cold.header.next == end; /* else the reader says what is missing */
    buf_init(&w.packed, COLD_RAW_MAX_BYTES + 1);
    buf_init(&w.positions, COLD_RAW_MAX_BYTES + 1);
    buf_init(&w.blocks, COLD_RAW_MAX_BYTES + 1);
    rc = whole ? scan_chunks(&w, err) : 0;
    free(w.records);
    buf_free(&w.packed);
    buf_free(&w.positions);
    buf_free(&w.blocks);
    cold_close(&w.cold);
    return rc == 0 ? whole : rc;
}
