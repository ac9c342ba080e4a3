/*
 * Writing a block; see block.h. The floats of a series are gathered over all chunks that come, and packed: as
 * many as go into one chunk, their times apart, which stand once for all series that have the same. Other
 * chunks go to the file as they come. The index is built in memory and follows, its symbols sorted so that
 * their numbers compare as their texts do.
 */
#include "base/hash.h"
#include "base/varint.h"
#include "metrics/tsdb/bits.h"
#include "metrics/tsdb/block.h"
#include "metrics/tsdb/block_layout.h"
#include "metrics/tsdb/packed.h"
#include "metrics/tsdb/wal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

enum { OUT_BYTES = 1 << 20, INDEX_ZSTD_LEVEL = 9, SHARED_TIMES_MAX = 1 << 16 };

/* Floats of the open series that are not written yet. */
struct gathered {
    int64_t *t;
    double *f;
    size_t n, capacity;
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
    struct gathered gathered;
    struct map times; /* packed columns of times -> number, + 1; forgotten where they are too many */
    struct buf times_table, packed;
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
    buf_init(&w->series, BLOCK_INDEX_BYTES_MAX);
    buf_init(&w->times_table, BLOCK_INDEX_BYTES_MAX);
    buf_init(&w->packed, BLOCK_INDEX_BYTES_MAX);
    map_init(&w->symbols, INDEX_SYMBOLS_MAX);
    map_init(&w->times, SHARED_TIMES_MAX);
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

/* Bytes with their checksum before them; returns where they stand. */
static uint64_t put_checked(struct block_writer *w, struct sv bytes)
{
    uint32_t sum = (uint32_t)hash_64(bytes);
    put(w, &sum, sizeof sum);
    uint64_t at = w->offset;
    put(w, bytes.p, bytes.n);
    return at;
}

/* A chunk with the times of that number; 0: its own. */
static void put_chunk(struct block_writer *w, int64_t min_t, int64_t max_t, uint32_t count, uint32_t times,
                      struct sv bytes)
{
    tc_assert(w->chunk_count_at != 0);
    buf_u64(&w->series, (uint64_t)min_t);
    buf_u64(&w->series, (uint64_t)max_t);
    buf_u64(&w->series, put_checked(w, bytes));
    buf_u32(&w->series, (uint32_t)bytes.n);
    buf_u32(&w->series, count);
    buf_u32(&w->series, times);
    buf_u32(&w->series, 0);
    char *n = w->series.p + w->chunk_count_at;
    store_u32(n, load_u32(n) + 1);
    w->info.samples += count;
}

static void write_chunk(struct block_writer *w, struct chunk_writer *chunk, int64_t max_t)
{
    int64_t min_t = chunk->min_t;
    uint32_t count = chunk->count;
    struct sv bytes = chunk_take(chunk);
    put_chunk(w, min_t, max_t, count, 0, bytes);
    free((char *)(uintptr_t)bytes.p);
}

/* --- packing --- */

static uint32_t times_number(struct block_writer *w, const int64_t *t, size_t n)
{
    bool fresh;
    buf_clear(&w->packed);
    packed_put(&w->packed, t, n);
    size_t column = w->packed.n;
    buf_varint(&w->packed, n); /* the same bytes may stand for more samples */
    struct sv key = buf_view(&w->packed);
    uint64_t *number = map_put(&w->times, key, &fresh);
    if (number == NULL) {
        map_free(&w->times);
        map_init(&w->times, SHARED_TIMES_MAX);
        number = map_put(&w->times, key, &fresh);
    }
    if (!fresh)
        return (uint32_t)*number;
    struct sv bytes = sv_make(key.p, column);
    buf_u64(&w->times_table, put_checked(w, bytes));
    buf_u64(&w->times_table, (uint64_t)t[0]);
    buf_u64(&w->times_table, (uint64_t)t[n - 1]);
    buf_u32(&w->times_table, (uint32_t)bytes.n);
    buf_u32(&w->times_table, (uint32_t)n);
    *number = w->times_table.n / BLOCK_TIMES_BYTES;
    return (uint32_t)*number;
}

static void write_packed(struct block_writer *w, unsigned mode, const int64_t *t, const double *f, size_t n)
{
    uint32_t times = times_number(w, t, n);
    buf_clear(&w->packed);
    buf_u8(&w->packed, (uint8_t)mode);
    chunk_pack_values(&w->packed, mode, f, n);
    put_chunk(w, t[0], t[n - 1], (uint32_t)n, times, buf_view(&w->packed));
}

static void write_floats(struct block_writer *w, const int64_t *t, const double *f, size_t n)
{
    struct chunk_writer chunk = {0};
    for (size_t i = 0; i < n; i++) {
        unsigned mode = CHUNK_XOR + 1;
        if (chunk.p != NULL && chunk_float_add(&chunk, t[i], f[i], 0, &mode))
            continue;
        if (chunk.p != NULL)
            write_chunk(w, &chunk, t[i - 1]);
        chunk_float_begin(&chunk, mode > CHUNK_XOR ? chunk_mode_of(f[i]) : mode, t[i], f[i], 0);
    }
    if (chunk.p != NULL)
        write_chunk(w, &chunk, t[n - 1]);
}

/* What was gathered: staleness markers apart, the rest in pieces of about the same size. */
static void flush(struct block_writer *w)
{
    struct gathered *g = &w->gathered;
    for (size_t i = 0, n; i < g->n; i += n) {
        bool is_number = !isnan(g->f[i]);
        size_t run = 1;
        while (i + run < g->n && isnan(g->f[i + run]) != is_number)
            run++;
        size_t pieces = (run + PACKED_MAX - 1) / PACKED_MAX;
        n = (run + pieces - 1) / pieces;
        unsigned mode = is_number ? chunk_mode_of_all(g->f + i, n) : CHUNK_XOR;
        if (mode == CHUNK_XOR)
            write_floats(w, g->t + i, g->f + i, n);
        else
            write_packed(w, mode, g->t + i, g->f + i, n);
    }
    g->n = 0;
}

static void gather_room(struct gathered *g, size_t n)
{
    if (g->n + n <= g->capacity)
        return;
    g->capacity = TC_MAX(g->n + n, g->capacity * 2);
    g->t = tc_realloc(g->t, g->capacity * sizeof *g->t);
    g->f = tc_realloc(g->f, g->capacity * sizeof *g->f);
}

static bool gather_chunk(struct block_writer *w, uint32_t count, struct sv bytes)
{
    struct gathered *g = &w->gathered;
    bool plain =
        bytes.n >= CHUNK_HEADER_BYTES &&
        (bytes.p[0] == CHUNK_PACKED || (bytes.p[0] == CHUNK_FLOAT && (bytes.p[1] & CHUNK_START_TIMES) == 0));
    if (!plain)
        return false;
    struct arena arena = {0};
    struct chunk_columns c;
    chunk_columns_init(&c, &arena, count);
    plain = chunk_decode(bytes, &arena, &c, NULL) == 0 && c.n == count;
    if (plain) {
        gather_room(g, count);
        memcpy(g->t + g->n, c.t, count * sizeof *c.t);
        memcpy(g->f + g->n, c.f, count * sizeof *c.f);
        g->n += count;
    }
    arena_free(&arena);
    return plain;
}

void block_writer_series(struct block_writer *w, const struct label *labels, size_t count)
{
    flush(w);
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
    if (gather_chunk(w, count, bytes))
        return;
    flush(w);
    put_chunk(w, min_t, max_t, count, 0, bytes);
}

static void write_samples(struct block_writer *w, const struct chunk_columns *c)
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

void block_writer_samples(struct block_writer *w, const struct chunk_columns *c)
{
    struct gathered *g = &w->gathered;
    bool plain = true;
    for (size_t i = 0; i < c->n && plain; i++)
        plain = c->h[i] == NULL && c->st[i] == 0;
    if (!plain) {
        flush(w);
        write_samples(w, c);
        return;
    }
    gather_room(g, c->n);
    memcpy(g->t + g->n, c->t, c->n * sizeof *c->t);
    memcpy(g->f + g->n, c->f, c->n * sizeof *c->f);
    g->n += c->n;
}

/* --- the index --- */

static int by_text(const void *a, const void *b)
{
    return sv_cmp((*(struct map_entry *const *)a)->key, (*(struct map_entry *const *)b)->key);
}

static struct block_part finish_part(struct block_writer *w, const struct buf *bytes)
{
    static const char zeros[8];
    size_t room = ZSTD_compressBound(bytes->n);
    char *packed = tc_realloc(NULL, room);
    size_t n = ZSTD_compress(packed, room, bytes->p, bytes->n, INDEX_ZSTD_LEVEL);
    tc_assert(!ZSTD_isError(n)); /* it has room */
    put(w, zeros, (0 - w->offset) & 7);
    struct block_part part = {w->offset, n, hash_64(sv_make(packed, n))};
    put(w, packed, n);
    free(packed);
    return part;
}

/* *ret_rank: number of appearance -> number in order. */
static struct block_part write_symbols(struct block_writer *w, uint32_t **ret_rank)
{
    size_t n = w->symbols.used, text = 0;
    const struct map_entry **order = tc_alloc((n + 1) * sizeof *order);
    uint32_t *numbers = tc_alloc((n + 1) * sizeof *numbers);
    *ret_rank = tc_alloc((n + 1) * sizeof **ret_rank);
    for (size_t i = 0; i < n; i++)
        order[i] = &w->symbols.entries[i];
    qsort(order, n, sizeof order[0], by_text);
    for (size_t i = 0; i < n; i++) {
        (*ret_rank)[order[i]->value] = (uint32_t)i;
        numbers[i] = (uint32_t)(order[i] - w->symbols.entries);
        text += order[i]->key.n;
    }
    if (text > UINT32_MAX)
        w->rc = -EFBIG;
    struct buf out;
    buf_init(&out, BLOCK_INDEX_BYTES_MAX);
    block_symbols_put(&out, &w->symbols, numbers);
    struct block_part part = finish_part(w, &out);
    buf_free(&out);
    free(numbers);
    free(order);
    return part;
}

/* Series that got no chunk are left out. */
static struct block_part write_series(struct block_writer *w, const uint32_t *rank)
{
    struct buf records, table, out;
    buf_init(&records, BLOCK_INDEX_BYTES_MAX);
    buf_init(&table, BLOCK_INDEX_BYTES_MAX);
    buf_init(&out, BLOCK_INDEX_BYTES_MAX);
    buf_u64(&table, 0);
    for (size_t i = 0; i < w->series_count; i++) {
        char *record = w->series.p + w->series_at[i];
        size_t end = i + 1 < w->series_count ? w->series_at[i + 1] : w->series.n;
        if (load_u32(record + 4) == 0)
            continue;
        for (uint32_t k = 0; k < load_u32(record) * 2; k++) {
            char *label = record + 8 + (size_t)k * 4;
            store_u32(label, rank[load_u32(label)]);
        }
        buf_u64(&table, records.n);
        buf_add(&records, record, end - w->series_at[i]);
        w->info.series++;
    }
    buf_u64(&table, records.n);
    store_u64(table.p, w->info.series);
    buf_sv(&table, buf_view(&records));
    block_series_put(&out, buf_view(&table));
    struct block_part part = finish_part(w, &out);
    buf_free(&records);
    buf_free(&table);
    buf_free(&out);
    return part;
}

static struct block_part write_times(struct block_writer *w)
{
    struct buf out;
    buf_init(&out, BLOCK_INDEX_BYTES_MAX);
    block_times_put(&out, buf_view(&w->times_table));
    struct block_part part = finish_part(w, &out);
    buf_free(&out);
    return part;
}

static void write_footer(struct block_writer *w, const struct block_part parts[BLOCK_PARTS])
{
    char foot[BLOCK_FOOTER_BYTES] = {0};
    for (size_t i = 0; i < BLOCK_PARTS; i++) {
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
    buf_free(&w->times_table);
    buf_free(&w->packed);
    map_free(&w->symbols);
    map_free(&w->times);
    free(w->series_at);
    free(w->gathered.t);
    free(w->gathered.f);
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
    struct block_part parts[BLOCK_PARTS];
    uint32_t *rank;
    flush(w);
    parts[PART_SYMBOLS] = write_symbols(w, &rank);
    parts[PART_TIMES] = write_times(w);
    parts[PART_SERIES] = write_series(w, rank);
    free(rank);
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
