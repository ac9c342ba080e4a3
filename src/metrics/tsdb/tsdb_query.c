/*
 * Queries: one view over head and blocks; see tsdb.h.
 *
 * A querier holds on to the blocks that there were when it began. The head keeps what a newer block has until
 * no querier is older than that block, so nothing falls between the two; what is in both is given once.
 */
#include "metrics/tsdb/tsdb_priv.h"

#include <stdlib.h>

struct part {
    uint32_t block, series;
};

struct found { /* a series of the answer */
    const struct labels *labels;
    uint32_t head; /* UINT32_MAX: not there */
    uint32_t part_count, part_capacity;
    struct part *parts; /* by time */
};

struct tsdb_querier *tsdb_querier_open(struct tsdb *tsdb)
{
    struct tsdb_querier *q = tc_alloc(sizeof *q);
    q->tsdb = tsdb;
    pthread_mutex_lock(&tsdb->blocks_lock);
    q->generation = tsdb->generation;
    q->block_count = tsdb->block_count;
    q->blocks = tc_alloc((q->block_count + 1) * sizeof(struct block *));
    q->pinned = tc_alloc(q->block_count + 1);
    for (size_t i = 0; i < q->block_count; i++)
        q->blocks[i] = block_ref(tsdb->blocks[i]);
    q->next = tsdb->queriers;
    if (q->next != NULL)
        q->next->previous = q;
    tsdb->queriers = q;
    pthread_mutex_unlock(&tsdb->blocks_lock);
    return q;
}

void tsdb_querier_close(struct tsdb_querier **querier)
{
    struct tsdb_querier *q = *querier;
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->block_count; i++) {
        if (q->pinned[i])
            block_unpin(q->blocks[i]);
        block_unref(&q->blocks[i]);
    }
    pthread_mutex_lock(&q->tsdb->blocks_lock);
    if (q->previous != NULL)
        q->previous->next = q->next;
    else
        q->tsdb->queriers = q->next;
    if (q->next != NULL)
        q->next->previous = q->previous;
    pthread_mutex_unlock(&q->tsdb->blocks_lock);
    free(q->blocks);
    free(q->pinned);
    arena_free(&q->arena);
    free(q);
    *querier = NULL;
}

struct table { /* found series by labels */
    struct found **slots, **list;
    size_t slot_count, n, capacity;
};

static bool same(const struct labels *a, const struct labels *b)
{
    return a->hash == b->hash && a->count == b->count && labels_compare(a, b) == 0;
}

static void grow(struct table *table)
{
    table->slot_count = TC_MAX((size_t)256, table->slot_count * 2);
    free(table->slots);
    table->slots = tc_alloc(table->slot_count * sizeof(struct found *));
    for (size_t i = 0; i < table->n; i++) {
        size_t at = table->list[i]->labels->hash & (table->slot_count - 1);
        while (table->slots[at] != NULL)
            at = (at + 1) & (table->slot_count - 1);
        table->slots[at] = table->list[i];
    }
}

static struct found *find(struct table *table, const struct labels *labels, struct arena *arena)
{
    if (table->n * 2 >= table->slot_count)
        grow(table);
    size_t at = labels->hash & (table->slot_count - 1);
    for (; table->slots[at] != NULL; at = (at + 1) & (table->slot_count - 1))
        if (same(table->slots[at]->labels, labels))
            return table->slots[at];
    struct found *f = ARENA_NEW(arena, struct found);
    f->labels = labels;
    f->head = UINT32_MAX;
    table->slots[at] = f;
    if (table->n == table->capacity) {
        table->capacity = TC_MAX((size_t)64, table->capacity * 2);
        table->list = tc_realloc(table->list, table->capacity * sizeof(struct found *));
    }
    table->list[table->n++] = f;
    return f;
}

static void add_part(struct found *f, struct part part, struct arena *arena)
{
    if (f->part_count == f->part_capacity) {
        uint32_t capacity = f->part_capacity == 0 ? 2 : f->part_capacity * 2;
        struct part *parts = arena_alloc_raw(arena, capacity * sizeof *parts, 4);
        if (f->part_count > 0)
            memcpy(parts, f->parts, f->part_count * sizeof *parts);
        f->parts = parts;
        f->part_capacity = capacity;
    }
    f->parts[f->part_count++] = part;
}

static bool block_overlaps(const struct block *block, int64_t min_t, int64_t max_t)
{
    return block_info(block)->min_t <= max_t && block_info(block)->max_t > min_t;
}

static int pin(struct tsdb_querier *q, size_t i, struct err *err)
{
    if (q->pinned[i])
        return 0;
    int rc = block_pin(q->blocks[i], err);
    q->pinned[i] = rc == 0;
    return rc;
}

typedef void (*each_fn)(void *context, const struct index_view *view, uint32_t id, size_t block);

/* Walks the series that match; block SIZE_MAX: of the head, whose lock is held then. */
static int walk(struct tsdb_querier *q, const struct matcher *matchers, size_t count, int64_t min_t,
                int64_t max_t, each_fn each, void *context, struct err *err)
{
    struct arena scratch = {0};
    for (size_t b = 0; b < q->block_count; b++) {
        if (!block_overlaps(q->blocks[b], min_t, max_t))
            continue;
        int rc = pin(q, b, err);
        if (rc != 0) {
            arena_free(&scratch);
            return rc;
        }
        struct index_view view = block_view(q->blocks[b]);
        arena_reset(&scratch);
        struct posting_list list = index_select(&view, matchers, count, &scratch);
        for (size_t i = 0; i < list.n; i++)
            each(context, &view, list.ids[i], b);
    }
    arena_reset(&scratch);
    pthread_rwlock_rdlock(&q->tsdb->lock);
    const struct head *head = &q->tsdb->head;
    if (head->any && head->max_t >= min_t && head->min_t <= max_t) {
        struct index_view view = head_view(head);
        struct posting_list list = index_select(&view, matchers, count, &scratch);
        for (size_t i = 0; i < list.n; i++)
            each(context, &view, list.ids[i], SIZE_MAX);
    }
    pthread_rwlock_unlock(&q->tsdb->lock);
    arena_free(&scratch);
    return 0;
}

struct selection {
    struct tsdb_querier *querier;
    struct table table;
    const struct labels *newest;
};

static void select_one(void *context, const struct index_view *view, uint32_t id, size_t block)
{
    struct selection *s = context;
    uint32_t count;
    const struct label_pair *pairs = view->pairs(view->context, id, &count);
    struct arena *arena = &s->querier->arena;
    const struct labels *labels = index_labels(view, pairs, count, s->newest, arena);
    struct found *f = find(&s->table, labels, arena);
    s->newest = labels;
    if (block == SIZE_MAX)
        f->head = id;
    else
        add_part(f, (struct part){(uint32_t)block, id}, arena);
}

static const struct tombstone *deleted_here(const struct tsdb *tsdb, const struct labels *labels,
                                            struct arena *arena)
{
    return tsdb->tombstones.count == 0
               ? NULL
               : tombstone_copy(
                     tombstones_find(&tsdb->tombstones, labels->items, labels->count, labels->hash), arena);
}

/* Whether each chunk in the range is deleted as a whole. One that the head has is shown, as in Prometheus,
 * whose newest chunk is open to the end of time. */
static bool is_deleted(const struct tsdb_querier *q, const struct found *f, const struct tombstone *deleted,
                       int64_t min_t, int64_t max_t)
{
    if (deleted == NULL || f->head != UINT32_MAX)
        return false;
    for (uint32_t p = 0; p < f->part_count; p++) {
        const struct block *block = q->blocks[f->parts[p].block];
        uint32_t n = block_chunk_count(block, f->parts[p].series);
        for (uint32_t i = 0; i < n; i++) {
            struct block_chunk chunk = block_chunk_at(block, f->parts[p].series, i);
            if (chunk.min_t <= max_t && chunk.max_t >= min_t &&
                !tombstone_covers(deleted, chunk.min_t, chunk.max_t))
                return false;
        }
    }
    return true;
}

static void leave_out_deleted(struct tsdb_querier *q, struct table *table, int64_t min_t, int64_t max_t)
{
    size_t kept = 0;
    pthread_rwlock_rdlock(&q->tsdb->lock);
    const struct tombstones *t = &q->tsdb->tombstones;
    for (size_t i = 0; i < table->n && t->count > 0; i++) {
        struct found *f = table->list[i];
        const struct labels *l = f->labels;
        if (!is_deleted(q, f, tombstones_find(t, l->items, l->count, l->hash), min_t, max_t))
            table->list[kept++] = f;
    }
    table->n = t->count > 0 ? kept : table->n;
    pthread_rwlock_unlock(&q->tsdb->lock);
}

static int source_select(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                         int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                         struct err *err)
{
    struct tsdb_querier *q = context;
    struct selection s = {.querier = q};
    int rc = walk(q, matchers, count, min_t, max_t, select_one, &s, err);
    if (rc == 0) {
        leave_out_deleted(q, &s.table, min_t, max_t);
        *ret = ARENA_ARRAY(arena, struct source_series, s.table.n + 1);
        for (size_t i = 0; i < s.table.n; i++)
            (*ret)[i] = (struct source_series){s.table.list[i]->labels, (uint64_t)(uintptr_t)s.table.list[i]};
        *ret_count = s.table.n;
    }
    free(s.table.slots);
    free(s.table.list);
    return rc;
}

static bool chunk_overlaps(const struct block_chunk *chunk, int64_t min_t, int64_t max_t)
{
    return chunk->min_t <= max_t && chunk->max_t >= min_t;
}

static int read_blocks(struct tsdb_querier *q, const struct found *f, int64_t min_t, int64_t max_t,
                       struct arena *scratch, struct chunk_columns *c, struct err *err)
{
    for (uint32_t p = 0; p < f->part_count; p++) {
        const struct block *block = q->blocks[f->parts[p].block];
        uint32_t n = block_chunk_count(block, f->parts[p].series);
        for (uint32_t i = 0; i < n; i++) {
            struct block_chunk chunk = block_chunk_at(block, f->parts[p].series, i);
            struct sv bytes;
            if (!chunk_overlaps(&chunk, min_t, max_t))
                continue;
            int rc = block_read_chunk(block, &chunk, scratch, &bytes, err);
            if (rc == 0)
                rc = chunk_decode(bytes, scratch, c, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

static size_t count_blocks(struct tsdb_querier *q, const struct found *f, int64_t min_t, int64_t max_t)
{
    size_t total = 0;
    for (uint32_t p = 0; p < f->part_count; p++) {
        const struct block *block = q->blocks[f->parts[p].block];
        uint32_t n = block_chunk_count(block, f->parts[p].series);
        for (uint32_t i = 0; i < n; i++) {
            struct block_chunk chunk = block_chunk_at(block, f->parts[p].series, i);
            total += chunk_overlaps(&chunk, min_t, max_t) ? chunk.count : 0;
        }
    }
    return total;
}

static int source_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                       struct series_samples *ret, struct err *err)
{
    struct tsdb_querier *q = context;
    const struct found *f = (const struct found *)(uintptr_t)ref;
    struct chunk_columns c;
    size_t of_blocks = count_blocks(q, f, min_t, max_t);
    int rc = 0;
    pthread_rwlock_rdlock(&q->tsdb->lock);
    const struct head_series *s = f->head == UINT32_MAX ? NULL : head_series_of(&q->tsdb->head, f->head);
    size_t of_head = s == NULL ? 0 : head_count(s, min_t, max_t);
    chunk_columns_init(&c, scratch, of_blocks + of_head);
    c.n = of_blocks; /* the head's go behind those of the blocks, which are read without the lock */
    if (s != NULL)
        rc = head_read(&q->tsdb->head, s, min_t, max_t, scratch, &c, err);
    const struct tombstone *deleted = deleted_here(q->tsdb, f->labels, scratch);
    pthread_rwlock_unlock(&q->tsdb->lock);
    if (rc == 0 && of_blocks > 0) {
        size_t end = c.n;
        c.n = 0;
        c.capacity = of_blocks;
        rc = read_blocks(q, f, min_t, max_t, scratch, &c, err);
        if (rc == 0 && c.n != of_blocks)
            rc = err_set(err, TC_ECORRUPT,
                         "a block's chunk has another number of samples than its index says");
        c.n = c.capacity = end;
    }
    if (rc != 0)
        return rc;
    columns_settle(&c, scratch);
    tombstone_apply(deleted, &c);
    *ret = (struct series_samples){
        .t = c.t, .f = c.f, .h = c.has_histograms ? c.h : NULL, .st = c.has_start ? c.st : NULL, .n = c.n};
    return 0;
}

struct series_source tsdb_querier_source(struct tsdb_querier *querier)
{
    return (struct series_source){
        .context = querier, .select = source_select, .read = source_read, .concurrent = true};
}

/* --- labels --- */

struct texts {
    struct map map;
    struct sv name; /* values of it; p == NULL: names */
};

static void gather_one(void *context, const struct index_view *view, uint32_t id, size_t block)
{
    (void)block;
    struct texts *texts = context;
    uint32_t count;
    const struct label_pair *pairs = view->pairs(view->context, id, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct sv name = view->text(view->context, pairs[i].name);
        if (texts->name.p == NULL)
            (void)map_put(&texts->map, name, NULL);
        else if (sv_eq(name, texts->name))
            (void)map_put(&texts->map, view->text(view->context, pairs[i].value), NULL);
    }
}

static void gather_all(struct texts *texts, const struct index_view *view, struct arena *scratch)
{
    uint32_t *symbols, name, n = 0;
    if (texts->name.p == NULL)
        n = (uint32_t)view->names(view->context, scratch, &symbols);
    else if (view->symbol(view->context, texts->name, &name))
        n = (uint32_t)view->values(view->context, name, scratch, &symbols);
    for (uint32_t i = 0; i < n; i++)
        (void)map_put(&texts->map, view->text(view->context, symbols[i]), NULL);
}

static int gather_indexes(struct tsdb_querier *q, struct texts *texts, int64_t min_t, int64_t max_t,
                          struct err *err)
{
    struct arena scratch = {0};
    int rc = 0;
    for (size_t b = 0; b < q->block_count && rc == 0; b++) {
        if (!block_overlaps(q->blocks[b], min_t, max_t) || (rc = pin(q, b, err)) != 0)
            continue;
        struct index_view view = block_view(q->blocks[b]);
        gather_all(texts, &view, &scratch);
    }
    pthread_rwlock_rdlock(&q->tsdb->lock);
    const struct head *head = &q->tsdb->head;
    if (rc == 0 && head->any && head->max_t >= min_t && head->min_t <= max_t) {
        struct index_view view = head_view(head);
        gather_all(texts, &view, &scratch);
    }
    pthread_rwlock_unlock(&q->tsdb->lock);
    arena_free(&scratch);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static int gather(struct tsdb_querier *q, struct sv name, const struct matcher *matchers, size_t count,
                  int64_t min_t, int64_t max_t, struct arena *arena, struct sv **ret, size_t *ret_count,
                  struct err *err)
{
    struct texts texts = {.name = name};
    map_init(&texts.map, INDEX_SYMBOLS_MAX);
    int rc = count == 0 ? gather_indexes(q, &texts, min_t, max_t, err)
                        : walk(q, matchers, count, min_t, max_t, gather_one, &texts, err);
    if (rc == 0) {
        struct map_entry *entry;
        size_t n = 0;
        *ret = ARENA_ARRAY(arena, struct sv, texts.map.live + 1);
        for (size_t i = 0; map_next(&texts.map, &i, &entry);)
            (*ret)[n++] = arena_sv(arena, entry->key);
        qsort(*ret, n, sizeof **ret, by_text);
        *ret_count = n;
    }
    map_free(&texts.map);
    return rc;
}

int tsdb_label_names(struct tsdb_querier *querier, const struct matcher *matchers, size_t count,
                     int64_t min_t, int64_t max_t, struct arena *arena, struct sv **ret, size_t *ret_count,
                     struct err *err)
{
    return gather(querier, (struct sv){0}, matchers, count, min_t, max_t, arena, ret, ret_count, err);
}

int tsdb_label_values(struct tsdb_querier *querier, struct sv name, const struct matcher *matchers,
                      size_t count, int64_t min_t, int64_t max_t, struct arena *arena, struct sv **ret,
                      size_t *ret_count, struct err *err)
{
    if (name.p == NULL)
        name.p = "";
    return gather(querier, name, matchers, count, min_t, max_t, arena, ret, ret_count, err);
}
