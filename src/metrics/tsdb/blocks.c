/*
 * The list of blocks: loading, joining, thinning, letting go. The maintainer alone changes it; see
 * tsdb_priv.h.
 */
#include "metrics/tsdb/thin.h"
#include "metrics/tsdb/tsdb_priv.h"

#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct names {
    uint64_t *numbers;
    size_t n, capacity;
    char (*fresh)[32]; /* unfinished files */
    size_t fresh_count;
};

static void note_name(void *context, const char *name)
{
    struct names *names = context;
    struct sv text = sv_of(name);
    uint64_t number;
    if (sv_ends(text, SV(".new")) && text.n < sizeof names->fresh[0]) {
        names->fresh = tc_realloc(names->fresh, (names->fresh_count + 1) * sizeof names->fresh[0]);
        memcpy(names->fresh[names->fresh_count++], name, text.n + 1);
        return;
    }
    if (text.n != 14 || !sv_ends(text, SV(".block")) || !num_u64(sv_head(text, 8), 1, 99999999, &number))
        return;
    if (names->n == names->capacity) {
        names->capacity = TC_MAX((size_t)16, names->capacity * 2);
        names->numbers = tc_realloc(names->numbers, names->capacity * sizeof *names->numbers);
    }
    names->numbers[names->n++] = number;
}

static int remove_file(struct tsdb *tsdb, uint64_t number, struct err *err)
{
    char path[BLOCK_PATH_MAX];
    snprintf(path, sizeof path, "%s/%08llu.block", tsdb->blocks_dir, (unsigned long long)number);
    int rc = tsdb->options.fs->unlink(tsdb->options.fs, path);
    return rc < 0 && rc != -ENOENT ? wal_sys(err, rc, "cannot remove", path) : 0;
}

static int remove_fresh(struct tsdb *tsdb, const char *name, struct err *err)
{
    char path[BLOCK_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", tsdb->blocks_dir, name);
    int rc = tsdb->options.fs->unlink(tsdb->options.fs, path);
    return rc < 0 && rc != -ENOENT ? wal_sys(err, rc, "cannot remove", path) : 0;
}

/* What was joined of it and others, thinned of it, or written anew without what was deleted. */
static bool covers(const struct block_info *a, const struct block_info *b)
{
    bool anew = a->level == b->level && a->number > b->number && a->min_t == b->min_t && a->max_t == b->max_t;
    return anew || (a->level > b->level && a->min_t <= b->min_t && a->max_t >= b->max_t);
}

static int by_time(const void *a, const void *b)
{
    const struct block_info *x = block_info(*(struct block *const *)a),
                            *y = block_info(*(struct block *const *)b);
    return x->min_t != y->min_t ? (x->min_t < y->min_t ? -1 : 1)
                                : (x->number > y->number) - (x->number < y->number);
}

/* What a compaction had joined before it could remove it. */
static int drop_covered(struct tsdb *tsdb, struct err *err)
{
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; i < tsdb->block_count; i++) {
        bool covered = false;
        for (size_t k = 0; k < tsdb->block_count && !covered; k++)
            covered =
                tsdb->blocks[k] != NULL && covers(block_info(tsdb->blocks[k]), block_info(tsdb->blocks[i]));
        if (!covered)
            continue;
        if (rc == 0)
            rc = remove_file(tsdb, block_info(tsdb->blocks[i])->number, err);
        block_unref(&tsdb->blocks[i]);
    }
    for (size_t i = 0; i < tsdb->block_count; i++)
        if (tsdb->blocks[i] != NULL)
            tsdb->blocks[kept++] = tsdb->blocks[i];
    tsdb->block_count = kept;
    return rc;
}

int blocks_load(struct tsdb *tsdb, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    struct names names = {0};
    int rc = fs->list(fs, tsdb->blocks_dir, note_name, &names);
    if (rc < 0)
        rc = wal_sys(err, rc, "cannot list", tsdb->blocks_dir);
    for (size_t i = 0; i < names.fresh_count && rc == 0; i++)
        (void)remove_fresh(tsdb, names.fresh[i], NULL); /* one that stays is in nobody's way */
    tsdb->blocks = tc_alloc((names.n + 1) * sizeof(struct block *));
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        rc = block_open(fs, tsdb->blocks_dir, names.numbers[i], &tsdb->blocks[tsdb->block_count], err);
        tsdb->block_count += rc == 0;
        tsdb->next_block = TC_MAX(tsdb->next_block, names.numbers[i] + 1);
    }
    free(names.numbers);
    free(names.fresh);
    if (rc == 0)
        rc = drop_covered(tsdb, err);
    if (tsdb->block_count > 0)
        qsort(tsdb->blocks, tsdb->block_count, sizeof(struct block *), by_time);
    for (size_t i = 0; i < tsdb->block_count; i++)
        tsdb->head.min_valid = TC_MAX(tsdb->head.min_valid, block_info(tsdb->blocks[i])->max_t);
    return rc;
}

static bool is_listed(const struct tsdb *tsdb, uint64_t number)
{
    for (size_t i = 0; i < tsdb->block_count; i++)
        if (block_info(tsdb->blocks[i])->number == number)
            return true;
    return false;
}

int blocks_settle(struct tsdb *tsdb, struct err *err)
{
    const struct fs *fs = tsdb->options.fs;
    struct names names = {0};
    int rc = fs->list(fs, tsdb->blocks_dir, note_name, &names);
    if (rc < 0)
        rc = wal_sys(err, rc, "cannot list", tsdb->blocks_dir);
    for (size_t i = 0; i < names.n && rc == 0; i++)
        if (!is_listed(tsdb, names.numbers[i]))
            rc = remove_file(tsdb, names.numbers[i], err);
    for (size_t i = 0; i < names.fresh_count && rc == 0; i++)
        rc = remove_fresh(tsdb, names.fresh[i], err);
    int synced = rc == 0 ? fs->sync_dir(fs, tsdb->blocks_dir) : 0;
    free(names.numbers);
    free(names.fresh);
    return synced < 0 ? wal_sys(err, synced, "cannot sync", tsdb->blocks_dir) : rc;
}

int blocks_replace(struct tsdb *tsdb, const struct block_info *info, size_t from, size_t count,
                   struct err *err)
{
    struct block *fresh = NULL;
    int rc = info == NULL ? 0 : block_open(tsdb->options.fs, tsdb->blocks_dir, info->number, &fresh, err);
    if (rc != 0)
        return rc;
    struct block **old = tc_alloc((count + 1) * sizeof(struct block *));
    pthread_mutex_lock(&tsdb->blocks_lock);
    size_t n = tsdb->block_count - count + (fresh != NULL), at = 0;
    struct block **list = tc_alloc((n + 1) * sizeof(struct block *));
    for (size_t i = 0; i <= tsdb->block_count; i++) {
        if (i == from && fresh != NULL)
            list[at++] = fresh;
        if (i == tsdb->block_count)
            break;
        if (i >= from && i < from + count)
            old[i - from] = tsdb->blocks[i];
        else
            list[at++] = tsdb->blocks[i];
    }
    free(tsdb->blocks);
    tsdb->blocks = list;
    tsdb->block_count = n;
    tsdb->generation++;
    pthread_mutex_unlock(&tsdb->blocks_lock);
    for (size_t i = 0; i < count; i++) {
        int removed = remove_file(tsdb, block_info(old[i])->number, rc == 0 ? err : NULL);
        rc = rc == 0 ? removed : rc;
        block_unref(&old[i]);
    }
    free(old);
    return rc;
}

/* --- compaction --- */

struct input {
    struct block *block;
    struct index_view view;
    uint32_t at, count;
};

static int compare_series(const struct input *a, const struct input *b)
{
    uint32_t n, m;
    const struct label_pair *x = a->view.pairs(a->block, a->at, &n), *y = b->view.pairs(b->block, b->at, &m);
    for (uint32_t i = 0; i < n && i < m; i++) {
        int c = sv_cmp(a->view.text(a->block, x[i].name), b->view.text(b->block, y[i].name));
        if (c == 0)
            c = sv_cmp(a->view.text(a->block, x[i].value), b->view.text(b->block, y[i].value));
        if (c != 0)
            return c;
    }
    return (n > m) - (n < m);
}

struct merging { /* a series of the block that is written */
    struct block_writer *w;
    const struct labels *labels;
    const struct tombstone *deleted;
    bool begun;
};

/* Not before there is something: what is deleted leaves not even its name. */
static void begin(struct merging *m)
{
    if (!m->begun)
        block_writer_series(m->w, m->labels->items, m->labels->count);
    m->begun = true;
}

static int copy_rest(struct merging *m, const struct block_chunk *chunk, struct sv bytes,
                     struct arena *scratch, struct err *err)
{
    struct chunk_columns columns;
    chunk_columns_init(&columns, scratch, chunk->count);
    int rc = chunk_decode(bytes, scratch, &columns, err);
    if (rc != 0)
        return rc;
    tombstone_apply(m->deleted, &columns);
    if (columns.n == 0)
        return 0;
    begin(m);
    block_writer_samples(m->w, &columns);
    return 0;
}

static int copy_chunks(struct merging *m, const struct input *in, struct arena *scratch, struct err *err)
{
    uint32_t n = block_chunk_count(in->block, in->at);
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct block_chunk chunk = block_chunk_at(in->block, in->at, i);
        struct sv bytes;
        arena_reset(scratch);
        rc = block_read_chunk(in->block, &chunk, scratch, &bytes, err);
        if (rc == 0 && tombstone_overlaps(m->deleted, chunk.min_t, chunk.max_t)) {
            rc = copy_rest(m, &chunk, bytes, scratch, err);
        } else if (rc == 0) {
            begin(m);
            block_writer_chunk(m->w, chunk.min_t, chunk.max_t, chunk.count, bytes);
        }
    }
    return rc;
}

/* The blocks lie one after another in time, so a series' chunks need no decoding but where some of their
 * samples are deleted. */
static int merge(struct tsdb *tsdb, struct block_writer *w, struct input *inputs, size_t count,
                 struct err *err)
{
    struct arena scratch = {0}, chunk = {0};
    int rc = 0;
    while (rc == 0) {
        const struct input *least = NULL;
        for (size_t i = 0; i < count; i++)
            if (inputs[i].at < inputs[i].count && (least == NULL || compare_series(&inputs[i], least) < 0))
                least = &inputs[i];
        if (least == NULL)
            break;
        uint32_t n;
        const struct label_pair *pairs = least->view.pairs(least->block, least->at, &n);
        arena_reset(&scratch);
        const struct labels *labels = index_labels(&least->view, pairs, n, NULL, &scratch);
        struct merging m = {w, labels, deleted_of(tsdb, labels->items, labels->count, &scratch), false};
        const struct input key = *least;
        for (size_t i = 0; i < count && rc == 0; i++) {
            if (inputs[i].at >= inputs[i].count || compare_series(&inputs[i], &key) != 0)
                continue;
            rc = copy_chunks(&m, &inputs[i], &chunk, err);
            inputs[i].at++;
        }
    }
    arena_free(&scratch);
    arena_free(&chunk);
    return rc;
}

static int compact(struct tsdb *tsdb, size_t from, size_t count, uint32_t level, uint32_t thinned_ms,
                   struct err *err)
{
    struct input *inputs = tc_alloc(count * sizeof *inputs);
    struct block_writer *w = NULL;
    struct block_info info;
    size_t pinned = 0;
    int rc = 0;
    for (; pinned < count && rc == 0; pinned += rc == 0) {
        struct block *b = tsdb->blocks[from + pinned];
        rc = block_pin(b, err);
        if (rc == 0)
            inputs[pinned] = (struct input){b, block_view(b), 0, block_series_count(b)};
    }
    if (rc == 0)
        rc = block_writer_new(tsdb->options.fs, tsdb->blocks_dir, tsdb->next_block++,
                              block_info(tsdb->blocks[from])->min_t,
                              block_info(tsdb->blocks[from + count - 1])->max_t, level, thinned_ms, &w, err);
    if (rc == 0)
        rc = merge(tsdb, w, inputs, count, err);
    for (size_t i = 0; i < pinned; i++)
        block_unpin(inputs[i].block);
    free(inputs);
    if (rc != 0) {
        block_writer_abort(&w);
        return rc;
    }
    rc = block_writer_finish(&w, &info, err);
    if (rc == 0)
        rc = blocks_replace(tsdb, info.series > 0 ? &info : NULL, from, count, err);
    tsdb->compactions += rc == 0;
    return rc;
}

int blocks_rewrite(struct tsdb *tsdb, size_t at, struct err *err)
{
    const struct block_info *info = block_info(tsdb->blocks[at]);
    return compact(tsdb, at, 1, info->level, info->thinned_ms, err);
}

bool blocks_older_queries(struct tsdb *tsdb, uint64_t generation)
{
    bool older = false;
    pthread_mutex_lock(&tsdb->blocks_lock);
    for (const struct tsdb_querier *q = tsdb->queriers; q != NULL && !older; q = q->next)
        older = q->generation < generation;
    pthread_mutex_unlock(&tsdb->blocks_lock);
    return older;
}

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t r = t % step;
    return t - r - (r < 0 ? step : 0);
}

/* Blocks of one level in one stretch three times as long, once all of it is in blocks. */
int blocks_compact(struct tsdb *tsdb, bool *ret_more, struct err *err)
{
    int64_t longest =
        tsdb->options.retention_ms > 0 ? tsdb->options.retention_ms / 10 : INT64_C(31) * 24 * 3600 * 1000;
    int64_t range = tsdb->options.block_ms * MERGE_BLOCKS;
    *ret_more = false;
    for (uint32_t level = 1; range <= longest; level++, range *= MERGE_BLOCKS) {
        for (size_t i = 0; i < tsdb->block_count; i++) {
            const struct block_info *first = block_info(tsdb->blocks[i]);
            int64_t start = floor_to(first->min_t, range);
            size_t n = 0;
            while (i + n < tsdb->block_count && block_info(tsdb->blocks[i + n])->level == level &&
                   block_info(tsdb->blocks[i + n])->max_t <= start + range)
                n++;
            if (n < 2 || tsdb->head.min_valid < start + range)
                continue;
            *ret_more = true;
            return compact(tsdb, i, n, level + 1, 0, err);
        }
    }
    return 0;
}

static bool is_before(const struct tsdb *tsdb, size_t at, int64_t now, int64_t retention_ms)
{
    return retention_ms > 0 && now != INT64_MIN && block_info(tsdb->blocks[at])->max_t < now - retention_ms;
}

/* One block that is past `retention_ms`, and not past `trend_retention_ms`, a call. */
static int thin_next(struct tsdb *tsdb, int64_t now, bool *ret_more, struct err *err)
{
    *ret_more = false;
    for (size_t i = 0; i < tsdb->block_count; i++) {
        if (!is_before(tsdb, i, now, tsdb->options.retention_ms))
            return 0;
        if (block_info(tsdb->blocks[i])->thinned_ms > 0)
            continue;
        *ret_more = true;
        int rc = thin_block(tsdb, i, err);
        tsdb->blocks_thinned += rc == 0;
        return rc;
    }
    return 0;
}

int blocks_expire(struct tsdb *tsdb, struct err *err)
{
    size_t n = 0;
    uint64_t bytes = 0;
    const struct tsdb_options *o = &tsdb->options;
    int64_t longest = TC_MAX(o->retention_ms, o->trend_retention_ms);
    pthread_rwlock_rdlock(&tsdb->lock);
    int64_t now = tsdb->head.any ? tsdb->head.max_t : INT64_MIN;
    pthread_rwlock_unlock(&tsdb->lock);
    for (size_t i = 0; i < tsdb->block_count; i++)
        bytes += block_info(tsdb->blocks[i])->bytes;
    for (; n < tsdb->block_count; n++) {
        bool large = o->retention_bytes > 0 && bytes > o->retention_bytes;
        if (!large && !is_before(tsdb, n, now, o->retention_ms > 0 ? longest : 0))
            break;
        bytes -= block_info(tsdb->blocks[n])->bytes;
    }
    tsdb->blocks_expired += n;
    int rc = n == 0 ? 0 : blocks_replace(tsdb, NULL, 0, n, err);
    bool more = longest > o->retention_ms;
    for (unsigned step = 0; rc == 0 && more && step < MAINTAIN_STEPS_MAX; step++)
        rc = thin_next(tsdb, now, &more, err);
    return rc;
}

void blocks_trim_indexes(struct tsdb *tsdb)
{
    for (size_t round = 0; round < tsdb->block_count; round++) {
        uint64_t bytes = 0;
        struct block *oldest = NULL;
        for (size_t i = 0; i < tsdb->block_count; i++) {
            size_t n = block_index_bytes(tsdb->blocks[i]);
            bytes += n;
            if (n > 0 && (oldest == NULL || block_used(tsdb->blocks[i]) < block_used(oldest)))
                oldest = tsdb->blocks[i];
        }
        if (bytes <= tsdb->options.index_cache_bytes || oldest == NULL)
            return;
        block_drop_index(oldest);
    }
}
