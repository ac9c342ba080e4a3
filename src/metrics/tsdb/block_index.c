/*
 * The index of a block between memory and file; see block_layout.h. In the file each kind of number is a
 * column of steps from the number before, which compress to little: series that follow each other differ in
 * few labels, and chunks lie behind each other.
 */
#include "metrics/tsdb/block_layout.h"

#include "base/arena.h"
#include "base/varint.h"
#include "metrics/tsdb/block.h"

#include <stdlib.h>

/* --- symbols --- */

void block_symbols_put(struct buf *out, const struct map *symbols, const uint32_t *order)
{
    buf_varint(out, symbols->used);
    for (size_t i = 0; i < symbols->used; i++)
        buf_varint(out, symbols->entries[order[i]].key.n);
    for (size_t i = 0; i < symbols->used; i++)
        buf_sv(out, symbols->entries[order[i]].key);
}

bool block_symbols_get(struct sv in, struct buf *out)
{
    struct reader r = reader_of(in);
    uint64_t n = reader_varint(&r), at = 0;
    if (r.bad || n > in.n)
        return false;
    buf_u32(out, (uint32_t)n);
    buf_u32(out, 0);
    for (uint64_t i = 0; i < n && !r.bad && at <= in.n; i++) {
        at += reader_varint(&r);
        buf_u32(out, (uint32_t)at);
    }
    buf_sv(out, r.rest);
    return !r.bad && at == r.rest.n;
}

/* --- times --- */

void block_times_put(struct buf *out, struct sv times)
{
    uint64_t end = 0, min_t = 0, count = 0;
    buf_varint(out, times.n / BLOCK_TIMES_BYTES);
    for (const char *p = times.p; p < times.p + times.n; p += BLOCK_TIMES_BYTES) {
        buf_varint_step(out, end, load_u64(p));
        buf_varint(out, load_u32(p + 24));
        buf_varint_step(out, min_t, load_u64(p + 8));
        buf_varint(out, load_u64(p + 16) - load_u64(p + 8));
        buf_varint_step(out, count, load_u32(p + 28));
        end = load_u64(p) + load_u32(p + 24);
        min_t = load_u64(p + 8);
        count = load_u32(p + 28);
    }
}

bool block_times_get(struct sv in, struct buf *out)
{
    struct reader r = reader_of(in);
    uint64_t n = reader_varint(&r), end = 0, min_t = 0, count = 0;
    for (uint64_t i = 0; i < n && !r.bad; i++) {
        uint64_t offset = reader_varint_step(&r, end), bytes = reader_varint(&r);
        min_t = reader_varint_step(&r, min_t);
        buf_u64(out, offset);
        buf_u64(out, min_t);
        buf_u64(out, min_t + reader_varint(&r));
        buf_u32(out, (uint32_t)bytes);
        count = reader_varint_step(&r, count);
        buf_u32(out, (uint32_t)count);
        end = offset + bytes;
    }
    return !r.bad && r.rest.n == 0;
}

/* --- series --- */

struct table {
    const char *offsets, *records;
    size_t n;
};

static struct table table_of(struct sv series)
{
    size_t n = load_u64(series.p);
    return (struct table){series.p + 8, series.p + 8 + (n + 1) * 8, n};
}
static const char *record_of(const struct table *t, size_t i)
{
    return t->records + load_u64(t->offsets + i * 8);
}

enum column { COLUMN_TIMES, COLUMN_COUNT, COLUMN_BYTES, COLUMN_OFFSET, COLUMN_MIN, COLUMN_MAX, COLUMNS };

/* What a chunk's column says, after the chunk before it. */
struct before {
    uint64_t times, count, end, min_t;
};

static void put_chunk(struct buf *out, enum column column, const char *p, struct before *b)
{
    uint64_t min_t = load_u64(p), times = load_u32(p + 32);
    switch (column) {
    case COLUMN_TIMES:
        buf_varint_step(out, b->times, times);
        b->times = times;
        break;
    case COLUMN_COUNT:
        if (times == 0)
            buf_varint_step(out, b->count, load_u32(p + 28));
        b->count = load_u32(p + 28);
        break;
    case COLUMN_BYTES:
        buf_varint(out, load_u32(p + 24));
        break;
    case COLUMN_OFFSET:
        buf_varint_step(out, b->end, load_u64(p + 16));
        b->end = load_u64(p + 16) + load_u32(p + 24);
        break;
    case COLUMN_MIN:
        if (times == 0)
            buf_varint_step(out, b->min_t, min_t);
        b->min_t = min_t;
        break;
    default:
        if (times == 0)
            buf_varint(out, load_u64(p + 8) - min_t);
    }
}

static void put_labels(struct buf *out, const struct table *t)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < t->n; i++)
        deepest = TC_MAX(deepest, load_u32(record_of(t, i)));
    for (uint32_t at = 0; at < deepest; at++) {
        uint32_t name = 0, value = 0;
        for (size_t i = 0; i < t->n; i++) {
            const char *record = record_of(t, i), *pair = record + 8 + (size_t)at * 8;
            if (load_u32(record) <= at)
                continue;
            buf_varint_step(out, name, load_u32(pair));
            buf_varint_step(out, value, load_u32(pair + 4));
            name = load_u32(pair);
            value = load_u32(pair + 4);
        }
    }
}

void block_series_put(struct buf *out, struct sv series)
{
    struct table t = table_of(series);
    buf_varint(out, t.n);
    for (unsigned at = 0; at < 8; at += 4)
        for (size_t i = 0; i < t.n; i++)
            buf_varint(out, load_u32(record_of(&t, i) + at));
    put_labels(out, &t);
    for (unsigned column = 0; column < COLUMNS; column++) {
        struct before b = {0};
        for (size_t i = 0; i < t.n; i++) {
            const char *record = record_of(&t, i), *p = record + 8 + (size_t)load_u32(record) * 8;
            for (uint32_t k = 0; k < load_u32(record + 4); k++, p += BLOCK_CHUNK_BYTES)
                put_chunk(out, column, p, &b);
        }
    }
}

static bool get_chunk(struct reader *r, enum column column, char *p, struct sv times, struct before *b)
{
    uint64_t number = load_u32(p + 32);
    const char *shared = number > 0 ? times.p + (number - 1) * BLOCK_TIMES_BYTES : NULL;
    switch (column) {
    case COLUMN_TIMES:
        b->times = reader_varint_step(r, b->times);
        if (b->times > times.n / BLOCK_TIMES_BYTES)
            return false;
        store_u32(p + 32, (uint32_t)b->times);
        break;
    case COLUMN_COUNT:
        b->count = shared != NULL ? load_u32(shared + 28) : reader_varint_step(r, b->count);
        store_u32(p + 28, (uint32_t)b->count);
        break;
    case COLUMN_BYTES:
        store_u32(p + 24, (uint32_t)reader_varint(r));
        break;
    case COLUMN_OFFSET:
        store_u64(p + 16, reader_varint_step(r, b->end));
        b->end = load_u64(p + 16) + load_u32(p + 24);
        break;
    case COLUMN_MIN:
        b->min_t = shared != NULL ? load_u64(shared + 8) : reader_varint_step(r, b->min_t);
        store_u64(p, b->min_t);
        break;
    default:
        store_u64(p + 8, shared != NULL ? load_u64(shared + 16) : load_u64(p) + reader_varint(r));
    }
    return !r->bad;
}

static bool get_labels(struct reader *r, const struct table *t, uint32_t deepest)
{
    for (uint32_t at = 0; at < deepest && !r->bad; at++) {
        uint64_t name = 0, value = 0;
        for (size_t i = 0; i < t->n; i++) {
            char *record = (char *)(uintptr_t)record_of(t, i), *pair = record + 8 + (size_t)at * 8;
            if (load_u32(record) <= at)
                continue;
            name = reader_varint_step(r, name);
            value = reader_varint_step(r, value);
            store_u32(pair, (uint32_t)name);
            store_u32(pair + 4, (uint32_t)value);
        }
    }
    return !r->bad;
}

/* The table with its records empty but for the counts of labels (n of them) and chunks (n more). */
static bool put_shape(struct buf *out, const uint32_t *counts, size_t n, size_t bytes)
{
    size_t at = 0;
    buf_u64(out, n);
    for (size_t i = 0; i <= n; i++) {
        buf_u64(out, at);
        if (i < n)
            at += 8 + (size_t)counts[i] * 8 + (size_t)counts[n + i] * BLOCK_CHUNK_BYTES;
    }
    char *records = buf_reserve(out, bytes);
    if (records == NULL || out->overflow)
        return false;
    memset(records, 0, bytes);
    for (size_t i = 0; i < n; i++) {
        char *record = records + load_u64(out->p + 8 + i * 8);
        store_u32(record, counts[i]);
        store_u32(record + 4, counts[n + i]);
    }
    out->n += bytes;
    return true;
}

/* Room for all records, with their two counts, which are checked against the bytes that must follow. */
static bool get_shape(struct reader *r, struct buf *out, uint32_t *ret_deepest)
{
    size_t all = r->rest.n, n = reader_varint(r), labels = 0, chunks = 0;
    if (r->bad || n > all)
        return false;
    uint32_t *counts = tc_alloc((2 * n + 1) * sizeof *counts);
    *ret_deepest = 0;
    for (size_t i = 0; i < 2 * n && !r->bad; i++) {
        uint64_t v = reader_varint(r);
        counts[i] = (uint32_t)v;
        *(i < n ? &labels : &chunks) += v;
        r->bad |= v > all || labels > all || chunks > all;
        if (i < n)
            *ret_deepest = TC_MAX(*ret_deepest, counts[i]);
    }
    r->bad |= !r->bad && !put_shape(out, counts, n, n * 8 + labels * 8 + chunks * BLOCK_CHUNK_BYTES);
    free(counts);
    return !r->bad;
}

bool block_series_get(struct sv in, struct sv times, struct buf *out)
{
    struct reader r = reader_of(in);
    uint32_t deepest;
    if (!get_shape(&r, out, &deepest))
        return false;
    struct table t = table_of(buf_view(out));
    bool good = get_labels(&r, &t, deepest);
    for (unsigned column = 0; good && column < COLUMNS; column++) {
        struct before b = {0};
        for (size_t i = 0; i < t.n && good; i++) {
            char *record = (char *)(uintptr_t)record_of(&t, i),
                 *p = record + 8 + (size_t)load_u32(record) * 8;
            for (uint32_t k = 0; k < load_u32(record + 4) && good; k++, p += BLOCK_CHUNK_BYTES)
                good = get_chunk(&r, column, p, times, &b);
        }
    }
    return good && r.rest.n == 0;
}

/* --- postings --- */

struct entry { /* a label of a series */
    uint32_t name, value, series;
};

/* Stable, by one of the two symbols. */
static void sort_by(const struct entry *from, struct entry *to, size_t n, uint32_t symbols, bool by_name)
{
    size_t *starts = tc_alloc(((size_t)symbols + 1) * sizeof *starts), at = 0;
    for (size_t i = 0; i < n; i++)
        starts[by_name ? from[i].name : from[i].value]++;
    for (size_t i = 0; i <= symbols; i++) {
        size_t count = starts[i];
        starts[i] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[starts[by_name ? from[i].name : from[i].value]++] = from[i];
    free(starts);
}

void block_postings_make(struct sv series, uint32_t symbols, struct buf *out)
{
    struct table t = table_of(series);
    size_t n = 0, at = 0, pairs = 0;
    for (size_t i = 0; i < t.n; i++)
        n += load_u32(record_of(&t, i));
    struct entry *a = tc_alloc(2 * (n + 1) * sizeof *a), *b = a + n + 1;
    for (size_t i = 0; i < t.n; i++) {
        const char *record = record_of(&t, i);
        for (uint32_t k = 0; k < load_u32(record); k++, at++)
            a[at] = (struct entry){load_u32(record + 8 + (size_t)k * 8),
                                   load_u32(record + 12 + (size_t)k * 8), (uint32_t)i};
    }
    sort_by(a, b, n, symbols, false);
    sort_by(b, a, n, symbols, true);
    buf_u32(out, 0);
    buf_u32(out, (uint32_t)n);
    for (size_t i = 0, end; i < n; i = end, pairs++) {
        for (end = i; end < n && a[end].name == a[i].name && a[end].value == a[i].value;)
            end++;
        buf_u32(out, a[i].name);
        buf_u32(out, a[i].value);
        buf_u32(out, (uint32_t)i);
        buf_u32(out, (uint32_t)(end - i));
    }
    store_u32(out->p, (uint32_t)pairs);
    for (size_t i = 0; i < n; i++)
        buf_u32(out, a[i].series);
    free(a);
}
