/*
 * Cutting blocks off the head, and trimming the log after it; see tsdb.h.
 *
 * The hand-over of a stretch [from, to): the head stops taking samples before `to`; the block is written and
 * made public; once no query is older than that, the head forgets the samples; a snapshot of what is left
 * takes the place of the log so far. A crash between any two steps is mended by the next start: blocks say
 * what the head need not hold.
 */
#include "metrics/tsdb/tsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct cut {
    struct tsdb *tsdb;
    struct head_series **series;
    size_t n;
    struct sv *texts; /* of symbols */
    uint32_t *ranks;  /* of symbols */
    size_t symbol_count;
    int64_t to;
    struct arena arena;
};

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t r = t % step;
    return t - r - (r < 0 ? step : 0);
}

struct ranked {
    struct sv text;
    uint32_t symbol;
};

static int by_text(const void *a, const void *b)
{
    return sv_cmp(((const struct ranked *)a)->text, ((const struct ranked *)b)->text);
}

static int by_labels(const void *a, const void *b, void *context)
{
    const struct head_series *x = *(struct head_series *const *)a, *y = *(struct head_series *const *)b;
    const uint32_t *ranks = context;
    for (uint32_t i = 0; i < x->label_count && i < y->label_count; i++) {
        uint32_t m = ranks[x->pairs[i].name], n = ranks[y->pairs[i].name];
        if (m == n) {
            m = ranks[x->pairs[i].value];
            n = ranks[y->pairs[i].value];
        }
        if (m != n)
            return m < n ? -1 : 1;
    }
    return (x->label_count > y->label_count) - (x->label_count < y->label_count);
}

/* Series that live now, in the order of their labels. Series and texts stay where they are: only the
 * maintainer, who is here, removes any. */
static void list_series(struct cut *cut)
{
    struct head *head = &cut->tsdb->head;
    pthread_rwlock_rdlock(&cut->tsdb->lock);
    cut->symbol_count = head->index.symbols.used;
    cut->texts = tc_alloc((cut->symbol_count + 1) * sizeof *cut->texts);
    for (size_t i = 0; i < cut->symbol_count; i++)
        cut->texts[i] = head->index.symbols.entries[i].key;
    cut->series = tc_alloc((head->live + 1) * sizeof(struct head_series *));
    for (uint32_t i = 0; i < head->next_id; i++)
        if (head->series[i] != NULL)
            cut->series[cut->n++] = head->series[i];
    pthread_rwlock_unlock(&cut->tsdb->lock);
    struct ranked *order = tc_alloc((cut->symbol_count + 1) * sizeof *order);
    cut->ranks = tc_alloc((cut->symbol_count + 1) * sizeof *cut->ranks);
    for (size_t i = 0; i < cut->symbol_count; i++)
        order[i] = (struct ranked){cut->texts[i], (uint32_t)i};
    qsort(order, cut->symbol_count, sizeof *order, by_text);
    for (size_t i = 0; i < cut->symbol_count; i++)
        cut->ranks[order[i].symbol] = (uint32_t)i;
    free(order);
    qsort_r(cut->series, cut->n, sizeof(struct head_series *), by_labels, cut->ranks);
}

/* From here on nothing before `to` changes. */
void head_freeze(struct tsdb *tsdb, int64_t to)
{
    for (uint32_t id = 0, end = 1; id < end;) {
        pthread_rwlock_wrlock(&tsdb->lock);
        tsdb->head.min_valid = TC_MAX(tsdb->head.min_valid, to);
        end = tsdb->head.next_id;
        for (unsigned i = 0; id < end && i < SLICE_SERIES; i++, id++) {
            struct head_series *s = tsdb->head.series[id];
            if (s != NULL && s->open.p != NULL && s->last_t < to)
                head_close_chunk(&tsdb->head, s);
        }
        pthread_rwlock_unlock(&tsdb->lock);
    }
}

static int write_one(struct cut *cut, const struct head_series *s, struct block_writer *w, struct err *err)
{
    struct tsdb *tsdb = cut->tsdb;
    arena_reset(&cut->arena);
    struct label *labels = ARENA_ARRAY(&cut->arena, struct label, s->label_count + 1);
    for (uint32_t i = 0; i < s->label_count; i++)
        labels[i] = (struct label){cut->texts[s->pairs[i].name], cut->texts[s->pairs[i].value]};
    pthread_rwlock_rdlock(&tsdb->lock);
    uint32_t n = 0, late = 0, count = 0;
    struct head_chunk *chunks = ARENA_ARRAY(&cut->arena, struct head_chunk, s->closed_count + 1);
    for (; n < s->closed_count && s->closed[n].max_t < cut->to; n++) {
        chunks[n] = s->closed[n];
        count += chunks[n].count;
    }
    while (s->late != NULL && late < s->late->n && s->late->items[late].t < cut->to)
        late++;
    struct chunk_columns c;
    chunk_columns_init(&c, &cut->arena, count + late + 1);
    c.n = count;
    for (uint32_t i = 0; i < late; i++, c.n++) {
        c.t[c.n] = s->late->items[i].t;
        c.st[c.n] = s->late->items[i].start_t;
        c.f[c.n] = s->late->items[i].v;
        c.h[c.n] = NULL;
    }
    pthread_rwlock_unlock(&tsdb->lock);
    if (n == 0 && late == 0)
        return 0;
    const struct tombstone *deleted = deleted_of(tsdb, labels, s->label_count, &cut->arena);
    if (late == 0 && deleted == NULL) {
        block_writer_series(w, labels, s->label_count);
        for (uint32_t i = 0; i < n; i++)
            block_writer_chunk(w, chunks[i].min_t, chunks[i].max_t, chunks[i].count,
                               sv_make(chunks[i].bytes, chunks[i].n));
        return 0;
    }
    c.n = 0;
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = chunk_decode(sv_make(chunks[i].bytes, chunks[i].n), &cut->arena, &c, err);
    c.n = count + late;
    if (rc != 0)
        return rc;
    columns_settle(&c, &cut->arena); /* samples that came late among the others: all are written again */
    tombstone_apply(deleted, &c);
    if (c.n == 0)
        return 0;
    block_writer_series(w, labels, s->label_count);
    block_writer_samples(w, &c);
    return 0;
}

static int write_block(struct tsdb *tsdb, int64_t from, int64_t to, struct block_info *ret, struct err *err)
{
    struct cut cut = {.tsdb = tsdb, .to = to};
    struct block_writer *w = NULL;
    list_series(&cut);
    int rc =
        block_writer_new(tsdb->options.fs, tsdb->blocks_dir, tsdb->next_block++, from, to, 1, 0, &w, err);
    for (size_t i = 0; i < cut.n && rc == 0; i++)
        rc = write_one(&cut, cut.series[i], w, err);
    if (rc == 0)
        rc = block_writer_finish(&w, ret, err);
    else
        block_writer_abort(&w);
    free(cut.series);
    free(cut.texts);
    free(cut.ranks);
    arena_free(&cut.arena);
    return rc;
}

/* Does the head hold a stretch that is old enough? Half a block more than it is kept, for what comes late. */
static bool due(struct tsdb *tsdb, int64_t *ret_from, int64_t *ret_to)
{
    pthread_rwlock_rdlock(&tsdb->lock);
    const struct head *head = &tsdb->head;
    bool is_due = false;
    if (head->any && head->min_t <= head->max_t) {
        *ret_from = floor_to(head->min_t, head->block_ms);
        *ret_to = *ret_from + head->block_ms;
        is_due = head->max_t >= *ret_to + head->block_ms / 2;
    }
    pthread_rwlock_unlock(&tsdb->lock);
    return is_due;
}

static int64_t least_time(const struct head *head)
{
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < head->next_id; i++) {
        const struct head_series *s = head->series[i];
        if (s == NULL)
            continue;
        if (s->closed_count > 0)
            least = TC_MIN(least, s->closed[0].min_t);
        if (s->open.p != NULL)
            least = TC_MIN(least, s->open.min_t);
        if (s->late != NULL)
            least = TC_MIN(least, s->late->items[0].t);
    }
    return least;
}

void head_forget(struct tsdb *tsdb)
{
    int64_t to = tsdb->head.min_valid; /* only we change it */
    for (uint32_t id = 0, end = 1; id < end; id += SLICE_SERIES) {
        pthread_rwlock_wrlock(&tsdb->lock);
        end = tsdb->head.next_id;
        head_truncate(&tsdb->head, to, id, id + SLICE_SERIES);
        pthread_rwlock_unlock(&tsdb->lock);
    }
    pthread_rwlock_wrlock(&tsdb->lock);
    tsdb->head.min_t = least_time(&tsdb->head);
    head_collect(&tsdb->head, false);
    pthread_rwlock_unlock(&tsdb->lock);
}

int snapshots_remove(struct tsdb *tsdb, uint64_t before)
{
    const struct fs *fs = tsdb->options.fs;
    char path[WAL_PATH_MAX];
    int rc = 0;
    for (uint64_t n = before; n > 1 && before - n < 64; n--) {
        snprintf(path, sizeof path, "%s/%08llu.snapshot", tsdb->wal_dir, (unsigned long long)(n - 1));
        int removed = fs->unlink(fs, path);
        if (removed < 0 && removed != -ENOENT)
            rc = removed;
    }
    return rc;
}

int trim_log(struct tsdb *tsdb, struct err *err)
{
    uint64_t number;
    int rc = wal_roll(tsdb->wal, &number, err);
    if (rc == 0)
        rc = snapshot_write(tsdb, tsdb->wal_dir, number, true, err);
    if (rc == 0)
        rc = wal_remove_before(tsdb->wal, number, err);
    if (rc == 0)
        (void)snapshots_remove(tsdb, number); /* what stays is removed by the next start */
    tsdb->snapshot_due = rc != 0;
    return rc;
}

static size_t place_of(const struct tsdb *tsdb, int64_t min_t)
{
    size_t at = 0;
    while (at < tsdb->block_count && block_info(tsdb->blocks[at])->min_t < min_t)
        at++;
    return at;
}

static int cut_block(struct tsdb *tsdb, int64_t from, int64_t to, struct err *err)
{
    struct block_info info;
    head_freeze(tsdb, to);
    int rc = write_block(tsdb, from, to, &info, err);
    if (rc == 0 && info.series > 0)
        rc = blocks_replace(tsdb, &info, place_of(tsdb, from), 0, err);
    if (rc != 0)
        return rc;
    tsdb->blocks_cut += info.series > 0;
    tsdb->clean_due = true;
    tsdb->truncate_due = true;
    tsdb->truncate_generation = tsdb->generation;
    return 0;
}

/* What was deleted leaves the disk with the next block that is cut, asked for or not. */
static int clean_in_passing(struct tsdb *tsdb, struct err *err)
{
    bool more;
    int rc = tsdb_clean(tsdb, &more, err);
    tsdb->clean_due = rc != 0 || more;
    return rc;
}

int tsdb_maintain(struct tsdb *tsdb, struct err *err)
{
    int rc = 0;
    if (tsdb->options.outgoing_bytes_max > 0)
        return outgoing_maintain(tsdb, err);
    for (unsigned step = 0; step < MAINTAIN_STEPS_MAX && rc == 0; step++) {
        int64_t from, to;
        if (tsdb->truncate_due) {
            if (blocks_older_queries(tsdb, tsdb->truncate_generation))
                break;
            head_forget(tsdb);
            tsdb->truncate_due = false;
            tsdb->snapshot_due = true;
        }
        if (!due(tsdb, &from, &to))
            break;
        rc = cut_block(tsdb, from, to, err);
    }
    if (rc == 0 && tsdb->snapshot_due && !tsdb->truncate_due)
        rc = trim_log(tsdb, err);
    bool more = rc == 0;
    if (rc == 0 && tsdb->clean_due && !tsdb->truncate_due)
        rc = clean_in_passing(tsdb, err);
    for (unsigned step = 0; step < MAINTAIN_STEPS_MAX && rc == 0 && more; step++)
        rc = blocks_compact(tsdb, &more, err);
    int expired = blocks_expire(tsdb, rc == 0 ? err : NULL); /* on a full disk it makes the room */
    deleted_expire(tsdb);
    blocks_trim_indexes(tsdb);
    return rc == 0 ? expired : rc;
}
