/*
 * Writing a block; see block.h. Chunks go to the file as they come; the index is built in memory and follows
 * them, its symbols sorted so that their numbers compare as their texts do.
 */
#include "base/hash.h"
#include "metrics/tsdb/bits.h"
#include "metrics/tsdb/block.h"
#include "metrics/tsdb/block_layout.h"
#include "metrics/tsdb/wal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { OUT_BYTES = 1 << 20 };
#define INDEX_BYTES_MAX (SIZE_MAX >> 2)

struct entry { /* a label of a series */
    uint32_t name, value, series;
};

struct block_writer {
    const struct fs *fs;
    char *dir;
    char path[BLOCK_PATH_MAX], fresh[BLOCK_PATH_MAX + 8];
    int file;
    int rc; /* sticks */
    struct block_info info;
    struct buf out;
    uint64_t offset;
    struct map symbols;
    struct buf series;   /* records as they will stand, with symbols in order of appearance */
    uint64_t *series_at; /* offsets in `series` */
    size_t series_count, series_capacity;
    size_t chunk_count_at; /* where the open series' chunk count stands; 0: none open */
};

static void put(struct block_writer *w, const void *bytes, size_t n)
{
    if (w->rc == 0 && w->out.n + n > OUT_BYTES) {
        w->rc = fs_write_all(w->fs, w->file, w->out.p, w->out.n, w->offset - w->out.n);
        buf_clear(&w->out);
    }
    if (w->rc == 0 && n > OUT_BYTES)
        w->rc = fs_write_all(w->fs, w->file, bytes, n, w->offset);
    else if (w->rc == 0)
        buf_add(&w->out, bytes, n);
    w->offset += n;
}

int block_writer_new(const struct fs *fs, const char *dir, uint64_t number, int64_t min_t, int64_t max_t,
                     uint32_t level, uint32_t thinned_ms, struct block_writer **ret, struct err *err)
{
    struct block_writer *w = tc_alloc(sizeof *w);
    w->fs = fs;
    w->dir = tc_strdup(dir);
    w->info = (struct block_info){
        .number = number, .min_t = min_t, .max_t = max_t, .level = level, .thinned_ms = thinned_ms};
    buf_init(&w->out, OUT_BYTES);
    buf_init(&w->series, INDEX_BYTES_MAX);
    map_init(&w->symbols, INDEX_SYMBOLS_MAX);
    snprintf(w->path, sizeof w->path, "%s/%08llu.block", dir, (unsigned long long)number);
    snprintf(w->fresh, sizeof w->fresh, "%s.new", w->path);
    w->file = fs->open(fs, w->fresh, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNCATE);
    if (w->file < 0) {
        int rc = wal_sys(err, w->file, "cannot create", w->fresh);
        block_writer_abort(&w);
        return rc;
    }
    char head[BLOCK_HEADER_BYTES] = {0};
    store_u32(head, BLOCK_MAGIC);
    store_u32(head + 4, BLOCK_VERSION);
    store_u64(head + 8, (uint64_t)min_t);
    store_u64(head + 16, (uint64_t)max_t);
    store_u32(head + 24, level);
    store_u32(head + 28, thinned_ms);
    store_u64(head + 56, hash_64(sv_make(head, 56)));
    put(w, head, sizeof head);
    *ret = w;
    return 0;
}

static uint32_t symbol(struct block_writer *w, struct sv text)
{
    bool fresh;
    uint64_t *value = map_put(&w->symbols, text, &fresh);
    tc_assert(value != NULL);
    if (fresh)
        *value = w->symbols.used - 1;
    return (uint32_t)*value;
}

void block_writer_series(struct block_writer *w, const struct label *labels, size_t count)
{
    if (w->series_count == w->series_capacity) {
        w->series_capacity = TC_MAX((size_t)1024, w->series_capacity * 2);
        w->series_at = tc_realloc(w->series_at, w->series_capacity * sizeof *w->series_at);
    }
    w->series_at[w->series_count++] = w->series.n;
    buf_u32(&w->series, (uint32_t)count);
    w->chunk_count_at = w->series.n;
    buf_u32(&w->series, 0);
    for (size_t i = 0; i < count; i++) {
        buf_u32(&w->series, symbol(w, labels[i].name));
        buf_u32(&w->series, symbol(w, labels[i].value));
    }
}

void block_writer_chunk(struct block_writer *w, int64_t min_t, int64_t max_t, uint32_t count, struct sv bytes)
{
    tc_assert(w->chunk_count_at != 0);
    uint32_t sum = (uint32_t)hash_64(bytes);
    put(w, &sum, sizeof sum);
    buf_u64(&w->series, (uint64_t)min_t);
    buf_u64(&w->series, (uint64_t)max_t);
    buf_u64(&w->series, w->offset);
    buf_u32(&w->series, (uint32_t)bytes.n);
    buf_u32(&w->series, count);
    put(w, bytes.p, bytes.n);
    char *n = w->series.p + w->chunk_count_at;
    store_u32(n, load_u32(n) + 1);
    w->info.samples += count;
}

static void write_chunk(struct block_writer *w, struct chunk_writer *chunk, int64_t max_t)
{
    int64_t min_t = chunk->min_t;
    uint32_t count = chunk->count;
    struct sv bytes = chunk_take(chunk);
    block_writer_chunk(w, min_t, max_t, count, bytes);
    free((char *)(uintptr_t)bytes.p);
}

void block_writer_samples(struct block_writer *w, const struct chunk_columns *c)
{
    struct chunk_writer chunk = {0};
    for (size_t i = 0; i < c->n; i++) {
        unsigned mode = CHUNK_XOR + 1;
        bool is_float = c->h[i] == NULL, added = false;
        if (chunk.p != NULL && chunk.kind == (is_float ? CHUNK_FLOAT : CHUNK_HISTOGRAM))
            added = is_float ? chunk_float_add(&chunk, c->t[i], c->f[i], c->st[i], &mode)
                             : chunk_histogram_add(&chunk, c->t[i], c->h[i], c->st[i]);
        if (added)
            continue;
        if (chunk.p != NULL)
            write_chunk(w, &chunk, c->t[i - 1]);
        if (is_float)
            chunk_float_begin(&chunk, mode > CHUNK_XOR ? chunk_mode_of(c->f[i]) : mode, c->t[i], c->f[i],
                              c->st[i]);
        else
            chunk_histogram_begin(&chunk, c->t[i], c->h[i], c->st[i]);
    }
    if (chunk.p != NULL)
        write_chunk(w, &chunk, c->t[c->n - 1]);
}

static int by_text(const void *a, const void *b)
{
    return sv_cmp((*(struct map_entry *const *)a)->key, (*(struct map_entry *const *)b)->key);
}

static int by_label(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->series > y->series) - (x->series < y->series);
}

static struct block_part finish_part(struct block_writer *w, const struct buf *bytes)
{
    static const char zeros[8];
    put(w, zeros, (0 - w->offset) & 7);
    struct block_part part = {w->offset, bytes->n, hash_64(buf_view(bytes))};
    put(w, bytes->p, bytes->n);
    return part;
}

/* *ret_rank: number of appearance -> number in order. */
static struct block_part write_symbols(struct block_writer *w, uint32_t **ret_rank)
{
    size_t n = w->symbols.used;
    const struct map_entry **order = tc_alloc((n + 1) * sizeof *order);
    *ret_rank = tc_alloc((n + 1) * sizeof **ret_rank);
    for (size_t i = 0; i < n; i++)
        order[i] = &w->symbols.entries[i];
    qsort(order, n, sizeof order[0], by_text);
    struct buf out;
    buf_init(&out, INDEX_BYTES_MAX);
    buf_u32(&out, (uint32_t)n);
    uint64_t at = 0;
    for (size_t i = 0; i <= n; i++) {
        buf_u32(&out, (uint32_t)at);
        if (i < n) {
            (*ret_rank)[order[i]->value] = (uint32_t)i;
            at += order[i]->key.n;
        }
    }
    for (size_t i = 0; i < n; i++)
        buf_sv(&out, order[i]->key);
    if (at > UINT32_MAX)
        w->rc = -EFBIG;
    struct block_part part = finish_part(w, &out);
    buf_free(&out);
    free(order);
    return part;
}

/* Series that got no chunk are left out. Gathers the labels for the postings. */
static struct block_part write_series(struct block_writer *w, const uint32_t *rank,
                                      struct entry **ret_entries, size_t *ret_n)
{
    struct buf out, offsets;
    buf_init(&out, INDEX_BYTES_MAX);
    buf_init(&offsets, INDEX_BYTES_MAX);
    size_t capacity = 0, n = 0;
    uint32_t kept = 0;
    *ret_entries = NULL;
    for (size_t i = 0; i < w->series_count; i++) {
        char *record = w->series.p + w->series_at[i];
        size_t end = i + 1 < w->series_count ? w->series_at[i + 1] : w->series.n;
        uint32_t labels = load_u32(record);
        if (load_u32(record + 4) == 0)
            continue;
        if (n + labels > capacity) {
            capacity = TC_MAX(n + labels, capacity * 2);
            *ret_entries = tc_realloc(*ret_entries, capacity * sizeof **ret_entries);
        }
        for (uint32_t k = 0; k < labels; k++) {
            char *pair = record + 8 + (size_t)k * 8;
            store_u32(pair, rank[load_u32(pair)]);
            store_u32(pair + 4, rank[load_u32(pair + 4)]);
            (*ret_entries)[n++] = (struct entry){load_u32(pair), load_u32(pair + 4), kept};
        }
        buf_u64(&offsets, out.n);
        buf_add(&out, record, end - w->series_at[i]);
        kept++;
    }
    buf_u64(&offsets, out.n);
    struct buf all;
    buf_init(&all, INDEX_BYTES_MAX);
    buf_u64(&all, kept);
    buf_sv(&all, buf_view(&offsets));
    buf_sv(&all, buf_view(&out));
    struct block_part part = finish_part(w, &all);
    buf_free(&all);
    buf_free(&out);
    buf_free(&offsets);
    w->info.series = kept;
    *ret_n = n;
    return part;
}

static struct block_part write_postings(struct block_writer *w, struct entry *entries, size_t n)
{
    if (n > 0)
        qsort(entries, n, sizeof *entries, by_label);
    struct buf out, table;
    buf_init(&out, INDEX_BYTES_MAX);
    buf_init(&table, INDEX_BYTES_MAX);
    uint32_t pairs = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && entries[end].name == entries[i].name && entries[end].value == entries[i].value)
            end++;
        buf_u32(&table, entries[i].name);
        buf_u32(&table, entries[i].value);
        buf_u32(&table, (uint32_t)i);
        buf_u32(&table, (uint32_t)(end - i));
        pairs++;
        i = end;
    }
    buf_u32(&out, pairs);
    buf_u32(&out, (uint32_t)n);
    buf_sv(&out, buf_view(&table));
    for (size_t i = 0; i < n; i++)
        buf_u32(&out, entries[i].series);
    struct block_part part = finish_part(w, &out);
    buf_free(&out);
    buf_free(&table);
    return part;
}

static void write_footer(struct block_writer *w, const struct block_part parts[3])
{
    char foot[BLOCK_FOOTER_BYTES] = {0};
    for (size_t i = 0; i < 3; i++) {
        store_u64(foot + i * 24, parts[i].offset);
        store_u64(foot + i * 24 + 8, parts[i].bytes);
        store_u64(foot + i * 24 + 16, parts[i].checksum);
    }
    store_u64(foot + 72, w->info.samples);
    store_u32(foot + 80, BLOCK_MAGIC);
    store_u64(foot + 88, hash_64(sv_make(foot, 88)));
    put(w, foot, sizeof foot);
    w->info.bytes = w->offset;
    if (w->rc == 0 && w->out.n > 0)
        w->rc = fs_write_all(w->fs, w->file, w->out.p, w->out.n, w->offset - w->out.n);
}

static void free_writer(struct block_writer **writer)
{
    struct block_writer *w = *writer;
    if (w->file >= 0)
        w->fs->close(w->fs, w->file);
    buf_free(&w->out);
    buf_free(&w->series);
    map_free(&w->symbols);
    free(w->series_at);
    free(w->dir);
    free(w);
    *writer = NULL;
}

void block_writer_abort(struct block_writer **writer)
{
    if (*writer != NULL && (*writer)->file >= 0)
        (*writer)->fs->unlink((*writer)->fs, (*writer)->fresh);
    if (*writer != NULL)
        free_writer(writer);
}

int block_writer_finish(struct block_writer **writer, struct block_info *ret, struct err *err)
{
    struct block_writer *w = *writer;
    struct block_part parts[3];
    struct entry *entries;
    uint32_t *rank;
    size_t n;
    parts[0] = write_symbols(w, &rank);
    parts[1] = write_series(w, rank, &entries, &n);
    parts[2] = write_postings(w, entries, n);
    free(rank);
    free(entries);
    write_footer(w, parts);
    *ret = w->info;
    if (w->info.series == 0 && w->rc == 0) {
        block_writer_abort(writer);
        return 0;
    }
    int rc = w->rc == 0 ? w->fs->sync(w->fs, w->file) : w->rc;
    if (rc == 0)
        rc = w->fs->rename(w->fs, w->fresh, w->path);
    if (rc == 0)
        rc = w->fs->sync_dir(w->fs, w->dir);
    if (rc < 0) {
        rc = wal_sys(err, rc, "cannot write", w->path);
        block_writer_abort(writer);
        return rc;
    }
    free_writer(writer);
    return 0;
}
