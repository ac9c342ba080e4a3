/*
 * Deleting: tombstones at once, and the samples themselves later; see tsdb.h and tombstones.h.
 *
 * Erasing for good, by the maintainer: each block with samples that are deleted is written anew without them,
 * the head lets go of its own, and once no query is older than that, the tombstones go, and a snapshot takes
 * the place of the log. A crash at any step finds the tombstones in the log still.
 */
#include "metrics/tsdb/tsdb_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- which series, and which of their time --- */

struct span {
    const struct labels *labels;
    int64_t min_t, max_t; /* of its samples */
};

struct spans {
    struct tsdb *tsdb;
    struct labels_table table;
    struct span *items; /* by the numbers of their labels */
    size_t n, capacity;
    size_t new_stretches;
};

static struct span *span_of(struct spans *spans, struct label *items, size_t count)
{
    const struct labels *labels = labels_intern(&spans->table, items, count);
    while (spans->n <= labels->id) {
        if (spans->n == spans->capacity) {
            spans->capacity = TC_MAX((size_t)256, spans->capacity * 2);
            spans->items = tc_realloc(spans->items, spans->capacity * sizeof *spans->items);
        }
        spans->items[spans->n++] = (struct span){NULL, INT64_MAX, INT64_MIN};
    }
    spans->items[labels->id].labels = labels;
    return &spans->items[labels->id];
}

static void widen(struct spans *spans, const struct index_view *view, uint32_t id, int64_t min_t,
                  int64_t max_t)
{
    uint32_t count;
    struct label items[TSDB_LABELS_MAX];
    const struct label_pair *pairs = view->pairs(view->context, id, &count);
    if (pairs == NULL || count > TSDB_LABELS_MAX || min_t > max_t)
        return;
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct label){view->text(view->context, pairs[i].name),
                                  view->text(view->context, pairs[i].value)};
    struct span *span = span_of(spans, items, count);
    span->min_t = TC_MIN(span->min_t, min_t);
    span->max_t = TC_MAX(span->max_t, max_t);
}

static void gather_block(struct spans *spans, struct block *block, const struct tsdb_selector *selector,
                         struct arena *scratch)
{
    struct index_view view = block_view(block);
    arena_reset(scratch);
    struct posting_list list = index_select(&view, selector->matchers, selector->count, scratch);
    for (size_t i = 0; i < list.n; i++) {
        uint32_t n = block_chunk_count(block, list.ids[i]);
        if (n > 0)
            widen(spans, &view, list.ids[i], block_chunk_at(block, list.ids[i], 0).min_t,
                  block_chunk_at(block, list.ids[i], n - 1).max_t);
    }
}

static int gather_blocks(struct spans *spans, struct tsdb_querier *q, const struct tsdb_selector *selectors,
                         size_t count, struct err *err)
{
    struct arena scratch = {0};
    int rc = 0;
    for (size_t b = 0; b < q->block_count && rc == 0; b++) {
        rc = block_pin(q->blocks[b], err);
        if (rc != 0)
            break;
        for (size_t i = 0; i < count; i++)
            gather_block(spans, q->blocks[b], &selectors[i], &scratch);
        block_unpin(q->blocks[b]);
    }
    arena_free(&scratch);
    return rc;
}

/* Under the lock. */
static void gather_head(struct spans *spans, const struct tsdb_selector *selectors, size_t count)
{
    struct arena scratch = {0};
    const struct head *head = &spans->tsdb->head;
    struct index_view view = head_view(head);
    for (size_t i = 0; i < count; i++) {
        arena_reset(&scratch);
        struct posting_list list = index_select(&view, selectors[i].matchers, selectors[i].count, &scratch);
        for (size_t k = 0; k < list.n; k++) {
            const struct head_series *s = head_series_of(head, list.ids[k]);
            int64_t min_t, max_t;
            if (s != NULL && head_span(s, &min_t, &max_t))
                widen(spans, &view, list.ids[k], min_t, max_t);
        }
    }
    arena_free(&scratch);
}

/* --- putting them in force --- */

static bool clamp(const struct span *span, int64_t min_t, int64_t max_t, struct stretch *ret)
{
    *ret = (struct stretch){TC_MAX(span->min_t, min_t), TC_MIN(span->max_t, max_t)};
    return span->labels != NULL && ret->min_t <= ret->max_t;
}

static void put_frames(struct spans *spans, int64_t min_t, int64_t max_t, uint64_t *ret_series)
{
    enum { FRAME_BYTES = 16 << 20 };
    struct tsdb *tsdb = spans->tsdb;
    struct buf out;
    struct stretch stretch;
    size_t last = 0;
    bool first = true;
    buf_init(&out, WAL_PAYLOAD_MAX);
    for (size_t i = 0; i < spans->n; i++)
        last = clamp(&spans->items[i], min_t, max_t, &stretch) ? i : last;
    for (size_t i = 0; i <= last && spans->n > 0; i++) {
        const struct labels *l = spans->items[i].labels;
        if (!clamp(&spans->items[i], min_t, max_t, &stretch))
            continue;
        if (out.n == 0)
            tombstones_record_begin(&out, first);
        tombstones_record(&out, l->items, l->count, &stretch, 1);
        tombstones_add(&tsdb->tombstones, l->items, l->count, stretch);
        ++*ret_series;
        if (i == last)
            tombstones_record_end(&out);
        if (i == last || out.n >= FRAME_BYTES) {
            wal_put(tsdb->wal, RECORD_DELETION, buf_view(&out));
            buf_clear(&out);
            first = false;
        }
    }
    buf_free(&out);
    if (*ret_series > 0) {
        tsdb->tombstones.sequence++;
        exemplars_erase(tsdb->exemplars, &tsdb->tombstones);
    }
}

static int put_all(struct spans *spans, int64_t min_t, int64_t max_t, uint64_t *ret_series, struct err *err)
{
    size_t more = 0;
    uint64_t bytes = spans->tsdb->tombstones.bytes;
    struct stretch stretch;
    for (size_t i = 0; i < spans->n; i++) {
        const struct labels *l = spans->items[i].labels;
        if (!clamp(&spans->items[i], min_t, max_t, &stretch))
            continue;
        more++;
        bytes += tombstone_bytes(l->items, l->count);
    }
    if (bytes > TOMBSTONES_BYTES_MAX)
        return err_set(
            err, TC_EBOUND,
            "the labels of these %zu series are too long: at most %llu MiB of labels of deleted "
            "series wait to leave the disk: delete less at a time, and clean the tombstones between",
            more, (unsigned long long)TOMBSTONES_BYTES_MAX >> 20);
    if (more + spans->tsdb->tombstones.stretches > TOMBSTONES_MAX)
        return err_set(err, TC_EBOUND,
                       "%zu series are too many: at most %d deletions of series wait to leave the disk, and "
                       "%zu do: delete less at a time, and clean the tombstones between",
                       more, TOMBSTONES_MAX, spans->tsdb->tombstones.stretches);
    put_frames(spans, min_t, max_t, ret_series);
    return 0;
}

int tsdb_delete(struct tsdb *tsdb, const struct tsdb_selector *selectors, size_t count, int64_t min_t,
                int64_t max_t, uint64_t *ret_series, wal_done_fn done, void *context, struct err *err)
{
    struct spans spans = {.tsdb = tsdb};
    struct tsdb_appender gate;
    *ret_series = 0;
    labels_table_init(&spans.table);
    /* the querier keeps in the head what is in a block that it does not know */
    struct tsdb_querier *q = tsdb_querier_open(tsdb);
    int rc = gather_blocks(&spans, q, selectors, count, err);
    if (rc == 0)
        rc = tsdb_begin(tsdb, 0, INT64_MAX, &gate, err);
    if (rc == 0) {
        gather_head(&spans, selectors, count);
        rc = put_all(&spans, min_t, max_t, ret_series, err);
        tsdb_commit(&gate, rc == 0 ? done : NULL, context);
    }
    tsdb_querier_close(&q);
    free(spans.items);
    labels_table_free(&spans.table);
    return rc;
}

const struct tombstone *deleted_of(struct tsdb *tsdb, const struct label *labels, size_t count,
                                   struct arena *arena)
{
    const struct tombstone *deleted = NULL;
    pthread_rwlock_rdlock(&tsdb->lock);
    if (tsdb->tombstones.count > 0)
        deleted = tombstone_copy(
            tombstones_find(&tsdb->tombstones, labels, count, labels_items_hash(labels, count)), arena);
    pthread_rwlock_unlock(&tsdb->lock);
    return deleted;
}

/* --- erasing for good --- */

/* Whether any series of the block has samples that are deleted. */
static int is_touched(struct tsdb *tsdb, struct block *block, bool *ret, struct err *err)
{
    struct arena arena = {0};
    int rc = block_pin(block, err);
    *ret = false;
    if (rc != 0)
        return rc;
    struct index_view view = block_view(block);
    for (uint32_t i = 0; i < block_series_count(block) && !*ret; i++) {
        uint32_t count;
        arena_reset(&arena);
        const struct label_pair *pairs = view.pairs(block, i, &count);
        const struct labels *labels = index_labels(&view, pairs, count, NULL, &arena);
        const struct tombstone *deleted = deleted_of(tsdb, labels->items, labels->count, &arena);
        uint32_t n = deleted == NULL ? 0 : block_chunk_count(block, i);
        for (uint32_t k = 0; k < n && !*ret; k++) {
            struct block_chunk chunk = block_chunk_at(block, i, k);
            *ret = tombstone_overlaps(deleted, chunk.min_t, chunk.max_t);
        }
    }
    block_unpin(block);
    arena_free(&arena);
    return 0;
}

static int erase_blocks(struct tsdb *tsdb, struct stretch all, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < tsdb->block_count && rc == 0;) {
        const struct block_info *info = block_info(tsdb->blocks[i]);
        bool touched = false;
        size_t before = tsdb->block_count;
        if (info->min_t <= all.max_t && info->max_t > all.min_t)
            rc = is_touched(tsdb, tsdb->blocks[i], &touched, err);
        if (rc == 0 && touched)
            rc = blocks_rewrite(tsdb, i, err);
        i += tsdb->block_count == before; /* one of which nothing is left is gone */
    }
    return rc;
}

static int erase_head(struct tsdb *tsdb, struct err *err)
{
    int rc = 0;
    for (size_t i = 0, end = 1; i < end && rc == 0;) {
        pthread_rwlock_wrlock(&tsdb->lock);
        const struct tombstones *t = &tsdb->tombstones;
        end = t->count;
        for (unsigned k = 0; i < end && k < SLICE_SERIES && rc == 0; i++, k++) {
            const struct labels *l = t->items[i].labels;
            uint32_t id = head_find(&tsdb->head, l->items, l->count, l->hash);
            if (id != UINT32_MAX)
                rc = head_erase(&tsdb->head, tsdb->head.series[id], &t->items[i], err);
        }
        pthread_rwlock_unlock(&tsdb->lock);
    }
    return rc;
}

static int erase(struct tsdb *tsdb, struct err *err)
{
    pthread_rwlock_rdlock(&tsdb->lock);
    uint64_t sequence = tsdb->tombstones.sequence;
    struct stretch all = {tsdb->tombstones.min_t, tsdb->tombstones.max_t};
    pthread_rwlock_unlock(&tsdb->lock);
    if (sequence == tsdb->erased_sequence)
        return 0;
    int rc = erase_blocks(tsdb, all, err);
    if (rc == 0)
        rc = erase_head(tsdb, err);
    if (rc == 0) /* a block that is only removed must not come back without its tombstones */
        rc = blocks_settle(tsdb, err);
    if (rc == 0) {
        tsdb->erased_sequence = sequence;
        tsdb->erased_generation = tsdb->generation;
    }
    return rc;
}

static bool has_any(struct tsdb *tsdb)
{
    pthread_rwlock_rdlock(&tsdb->lock);
    bool any = tsdb->tombstones.count > 0;
    pthread_rwlock_unlock(&tsdb->lock);
    return any;
}

int tsdb_clean(struct tsdb *tsdb, bool *ret_more, struct err *err)
{
    *ret_more = false;
    if (!has_any(tsdb))
        return 0;
    int rc = erase(tsdb, err);
    if (rc != 0)
        return rc;
    *ret_more = blocks_older_queries(tsdb, tsdb->erased_generation);
    if (*ret_more)
        return 0;
    pthread_rwlock_wrlock(&tsdb->lock);
    *ret_more = tsdb->tombstones.sequence != tsdb->erased_sequence; /* more was deleted meanwhile */
    if (!*ret_more) {
        tombstones_clear(&tsdb->tombstones);
        head_collect(&tsdb->head, true);
        tsdb->cleanings++;
    }
    pthread_rwlock_unlock(&tsdb->lock);
    return *ret_more ? 0 : trim_log(tsdb, err);
}

void deleted_expire(struct tsdb *tsdb)
{
    /* neither an old query nor a power cut may bring back a block that retention has just removed */
    if (!has_any(tsdb) || blocks_older_queries(tsdb, tsdb->generation) || blocks_settle(tsdb, NULL) != 0)
        return;
    pthread_rwlock_wrlock(&tsdb->lock);
    int64_t first = tsdb->head.any ? tsdb->head.min_t : INT64_MAX;
    for (size_t i = 0; i < tsdb->block_count; i++)
        first = TC_MIN(first, block_info(tsdb->blocks[i])->min_t);
    if (tsdb->tombstones.count > 0 && tsdb->tombstones.max_t < first) {
        tombstones_clear(&tsdb->tombstones);
        tsdb->snapshot_due = true;
    }
    pthread_rwlock_unlock(&tsdb->lock);
}
