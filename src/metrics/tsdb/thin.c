/*
 * Thinning of blocks; see thin.h.
 */
#include "metrics/tsdb/thin.h"

#include <math.h>
#include <stdlib.h>

/* Levels of thinned blocks begin here: one covers the block that it was made of, and is joined with none. */
enum { THIN_LEVEL = 16 };

bool thin_is_counter(struct sv metric_name)
{
    static const char *const ends[] = {"_total", "_count", "_sum", "_bucket"};
    for (size_t i = 0; i < TC_ARRAY_LEN(ends); i++)
        if (sv_ends(metric_name, sv_of(ends[i])))
            return true;
    return false;
}

static double height(const struct chunk_columns *c, size_t i)
{
    return c->h[i] == NULL ? c->f[i] : c->h[i]->count;
}

static bool is_marker(const struct chunk_columns *c, size_t i)
{
    return is_stale(c->h[i] == NULL ? c->f[i] : c->h[i]->sum);
}

/* Falls from a sample of [from, to) to the next one, which may lie beyond. */
static size_t count_falls(const struct chunk_columns *c, size_t from, size_t to)
{
    size_t falls = 0;
    for (size_t i = from; i < to && i + 1 < c->n; i++)
        falls += height(c, i + 1) < height(c, i);
    return falls;
}

static void mark_window(const struct chunk_columns *c, size_t from, size_t to, bool counter, bool *keep)
{
    size_t least = SIZE_MAX, greatest = SIZE_MAX;
    bool resets = counter || count_falls(c, from, to) <= 1;
    keep[to - 1] = true;
    for (size_t i = from; i < to; i++) {
        if (is_marker(c, i)) {
            keep[i] = true;
            if (i > from)
                keep[i - 1] = true; /* the last value before */
            continue;
        }
        if (isnan(height(c, i)))
            continue;
        if (least == SIZE_MAX || height(c, i) < height(c, least))
            least = i;
        if (greatest == SIZE_MAX || height(c, i) > height(c, greatest))
            greatest = i;
        if ((resets || c->h[i] != NULL) && i + 1 < c->n && height(c, i + 1) < height(c, i))
            keep[i] = keep[i + 1] = true; /* without the second, a quick rise behind it hides the fall */
    }
    if (least != SIZE_MAX)
        keep[least] = keep[greatest] = true;
}

static int64_t window_of(int64_t t, int64_t window_ms)
{
    return t / window_ms - (t % window_ms < 0);
}

void thin_columns(struct chunk_columns *c, int64_t window_ms, bool counter)
{
    bool *keep = tc_alloc(c->n + 1);
    size_t kept = 0;
    for (size_t from = 0, to; from < c->n; from = to) {
        to = from;
        while (to < c->n && window_of(c->t[to], window_ms) == window_of(c->t[from], window_ms))
            to++;
        mark_window(c, from, to, counter, keep);
    }
    for (size_t i = 0; i < c->n; i++) {
        if (!keep[i])
            continue;
        c->t[kept] = c->t[i];
        c->st[kept] = c->st[i];
        c->f[kept] = c->f[i];
        c->h[kept++] = c->h[i];
    }
    c->n = kept;
    free(keep);
}

static int thin_series(struct tsdb *tsdb, const struct block *block, uint32_t series,
                       const struct labels *labels, struct block_writer *w, struct arena *arena,
                       struct err *err)
{
    uint32_t chunks = block_chunk_count(block, series);
    size_t samples = 0;
    for (uint32_t i = 0; i < chunks; i++)
        samples += block_chunk_at(block, series, i).count;
    struct chunk_columns columns;
    chunk_columns_init(&columns, arena, samples + 1);
    for (uint32_t i = 0; i < chunks; i++) {
        struct block_chunk chunk = block_chunk_at(block, series, i);
        struct sv bytes;
        int rc = block_read_chunk(block, &chunk, arena, &bytes, err);
        if (rc == 0)
            rc = chunk_decode(bytes, arena, &columns, err);
        if (rc != 0)
            return rc;
    }
    tombstone_apply(deleted_of(tsdb, labels->items, labels->count, arena), &columns);
    if (columns.n == 0)
        return 0;
    thin_columns(&columns, THIN_WINDOW_MS, thin_is_counter(labels_get(labels, METRIC_NAME)));
    block_writer_series(w, labels->items, labels->count);
    block_writer_samples(w, &columns);
    return 0;
}

static int thin_all(struct tsdb *tsdb, struct block *block, struct block_writer *w, struct err *err)
{
    struct arena arena = {0};
    struct index_view view = block_view(block);
    int rc = 0;
    for (uint32_t i = 0; i < block_series_count(block) && rc == 0; i++) {
        uint32_t n;
        arena_reset(&arena);
        const struct label_pair *pairs = view.pairs(block, i, &n);
        rc = thin_series(tsdb, block, i, index_labels(&view, pairs, n, NULL, &arena), w, &arena, err);
    }
    arena_free(&arena);
    return rc;
}

int thin_block(struct tsdb *tsdb, size_t at, struct err *err)
{
    struct block *block = tsdb->blocks[at];
    const struct block_info *old = block_info(block);
    struct block_writer *w;
    struct block_info info;
    int rc = block_writer_new(tsdb->options.fs, tsdb->blocks_dir, tsdb->next_block++, old->min_t, old->max_t,
                              old->level + THIN_LEVEL, THIN_WINDOW_MS, &w, err);
    if (rc != 0)
        return rc;
    rc = block_pin(block, err);
    if (rc == 0) {
        rc = thin_all(tsdb, block, w, err);
        block_unpin(block);
    }
    if (rc != 0) {
        block_writer_abort(&w);
        return rc;
    }
    rc = block_writer_finish(&w, &info, err);
    return rc != 0 ? rc : blocks_replace(tsdb, info.series > 0 ? &info : NULL, at, 1, err);
}
