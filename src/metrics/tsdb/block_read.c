/*
 * Reading a block; see block.h. The index is unpacked into tables that are used as they stand
 * (block_layout.h), after one walk that checks every number in them.
 */
#include "base/hash.h"
#include "metrics/tsdb/bits.h"
#include "metrics/tsdb/block.h"
#include "metrics/tsdb/block_layout.h"
#include "metrics/tsdb/wal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#define UNPACKED_MAX (UINT64_C(1) << 36) /* bytes of a part */

struct block {
    const struct fs *fs;
    char path[BLOCK_PATH_MAX];
    int file;
    struct block_info info;
    struct block_part parts[BLOCK_PARTS];
    atomic_uint refs;
    pthread_mutex_t lock;
    unsigned pins;
    uint64_t used;
    struct buf tables[BLOCK_TABLES];
    bool in_memory;
    /* into index: */
    uint32_t symbol_count, series_count, pair_count;
    const char *symbol_ends, *symbol_text, *series_offsets, *series, *pairs, *ids;
};

static atomic_ullong uses;

static int damaged(const struct block *b, const char *what, struct err *err)
{
    return err_set(err, TC_ECORRUPT,
                   "%s: its %s is damaged: restore the file, or move it away and lose its samples", b->path,
                   what);
}

static int read_ends(struct block *b, struct err *err)
{
    char head[BLOCK_HEADER_BYTES], foot[BLOCK_FOOTER_BYTES];
    uint64_t size;
    int64_t r = b->fs->size(b->fs, b->file, &size);
    if (r < 0)
        return wal_sys(err, (int)r, "cannot read", b->path);
    if (size < BLOCK_HEADER_BYTES + BLOCK_FOOTER_BYTES)
        return damaged(b, "length", err);
    r = b->fs->read_at(b->fs, b->file, head, sizeof head, 0);
    if (r >= 0)
        r = b->fs->read_at(b->fs, b->file, foot, sizeof foot, size - sizeof foot);
    if (r < 0)
        return wal_sys(err, (int)r, "cannot read", b->path);
    if (load_u32(head) != BLOCK_MAGIC || load_u64(head + 56) != hash_64(sv_make(head, 56)))
        return damaged(b, "header", err);
    if (load_u32(head + 4) != BLOCK_VERSION)
        return err_set(err, TC_EUNSUPPORTED, "%s has format version %u, and this program knows %d", b->path,
                       load_u32(head + 4), BLOCK_VERSION);
    if (load_u32(foot + 80) != BLOCK_MAGIC || load_u64(foot + 88) != hash_64(sv_make(foot, 88)))
        return damaged(b, "footer", err);
    b->info.min_t = (int64_t)load_u64(head + 8);
    b->info.max_t = (int64_t)load_u64(head + 16);
    b->info.level = load_u32(head + 24);
    b->info.thinned_ms = load_u32(head + 28);
    b->info.samples = load_u64(foot + 72);
    b->info.bytes = size;
    for (size_t i = 0; i < BLOCK_PARTS; i++) {
        b->parts[i] = (struct block_part){load_u64(foot + i * 24), load_u64(foot + i * 24 + 8),
                                          load_u64(foot + i * 24 + 16)};
        if (b->parts[i].offset > size || b->parts[i].bytes > size - b->parts[i].offset)
            return damaged(b, "footer", err);
    }
    return 0;
}

int block_open(const struct fs *fs, const char *dir, uint64_t number, struct block **ret, struct err *err)
{
    struct block *b = tc_alloc(sizeof *b);
    b->fs = fs;
    b->info.number = number;
    snprintf(b->path, sizeof b->path, "%s/%08llu.block", dir, (unsigned long long)number);
    atomic_init(&b->refs, 1);
    pthread_mutex_init(&b->lock, NULL);
    b->file = fs->open(fs, b->path, FS_READ);
    int rc = b->file < 0 ? wal_sys(err, b->file, "cannot open", b->path) : read_ends(b, err);
    if (rc == 0)
        *ret = b;
    else
        block_unref(&b);
    return rc;
}

struct block *block_ref(struct block *block)
{
    atomic_fetch_add(&block->refs, 1);
    return block;
}

static void forget(struct block *b)
{
    for (size_t i = 0; i < BLOCK_TABLES; i++)
        buf_free(&b->tables[i]);
    b->in_memory = false;
}

void block_unref(struct block **block)
{
    struct block *b = *block;
    *block = NULL;
    if (b == NULL || atomic_fetch_sub(&b->refs, 1) > 1)
        return;
    if (b->file >= 0)
        b->fs->close(b->fs, b->file);
    forget(b);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

const struct block_info *block_info(const struct block *block)
{
    return &block->info;
}

/* The bytes of a part as they were before they were compressed; *ret is the caller's to free. */
static int read_part(struct block *b, size_t i, struct buf *ret, struct err *err)
{
    size_t n = b->parts[i].bytes;
    char *packed = tc_realloc(NULL, n + 1);
    int64_t r = b->fs->read_at(b->fs, b->file, packed, n, b->parts[i].offset);
    bool good = r >= 0 && (size_t)r == n && hash_64(sv_make(packed, n)) == b->parts[i].checksum;
    unsigned long long bytes = good ? ZSTD_getFrameContentSize(packed, n) : 0;
    good = good && bytes <= UNPACKED_MAX;
    if (good) {
        size_t got = ZSTD_decompress(buf_reserve(ret, bytes + 1), bytes, packed, n);
        good = !ZSTD_isError(got) && got == bytes;
        ret->n = good ? bytes : 0;
    }
    free(packed);
    if (r < 0)
        return wal_sys(err, (int)r, "cannot read", b->path);
    return good ? 0 : damaged(b, "index", err);
}

static bool unpack(struct block *b, size_t i, struct sv bytes)
{
    switch (i) {
    case PART_SYMBOLS:
        return block_symbols_get(bytes, &b->tables[i]);
    case PART_TIMES:
        return block_times_get(bytes, &b->tables[i]);
    default:
        return block_series_get(bytes, buf_view(&b->tables[PART_TIMES]), &b->tables[i]);
    }
}

static bool check_symbols(struct block *b)
{
    const char *p = b->tables[PART_SYMBOLS].p;
    size_t n = b->tables[PART_SYMBOLS].n;
    if (n < 8)
        return false;
    b->symbol_count = load_u32(p);
    if ((n - 4) / 4 < (uint64_t)b->symbol_count + 1)
        return false;
    b->symbol_ends = p + 4;
    b->symbol_text = p + 4 + ((size_t)b->symbol_count + 1) * 4;
    size_t room = n - (size_t)(b->symbol_text - p);
    for (uint32_t i = 0; i < b->symbol_count; i++)
        if (load_u32(b->symbol_ends + (size_t)i * 4) > load_u32(b->symbol_ends + (size_t)i * 4 + 4))
            return false;
    return load_u32(b->symbol_ends + (size_t)b->symbol_count * 4) <= room;
}

static bool check_series(struct block *b)
{
    const char *p = b->tables[PART_SERIES].p;
    size_t n = b->tables[PART_SERIES].n;
    if (n < 16 || load_u64(p) > UINT32_MAX || (n - 8) / 8 < load_u64(p) + 1)
        return false;
    b->series_count = load_u32(p);
    b->info.series = b->series_count;
    b->series_offsets = p + 8;
    b->series = p + 8 + ((size_t)b->series_count + 1) * 8;
    size_t room = n - (size_t)(b->series - p);
    for (uint32_t i = 0; i < b->series_count; i++) {
        uint64_t at = load_u64(b->series_offsets + (size_t)i * 8),
                 end = load_u64(b->series_offsets + (size_t)i * 8 + 8);
        if (at > end || end > room || end - at < 8)
            return false;
        uint64_t labels = load_u32(b->series + at), chunks = load_u32(b->series + at + 4);
        if (end - at != 8 + labels * 8 + chunks * BLOCK_CHUNK_BYTES)
            return false;
        for (uint64_t k = 0; k < labels * 2; k++)
            if (load_u32(b->series + at + 8 + k * 4) >= b->symbol_count)
                return false;
    }
    return true;
}

static void find_postings(struct block *b)
{
    const char *p = b->tables[PART_POSTINGS].p;
    b->pair_count = load_u32(p);
    b->pairs = p + 8;
    b->ids = b->pairs + (size_t)b->pair_count * 16;
}

static int load_index(struct block *b, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < BLOCK_TABLES; i++)
        buf_init(&b->tables[i], BLOCK_INDEX_BYTES_MAX);
    for (size_t i = 0; i < BLOCK_PARTS && rc == 0; i++) {
        struct buf bytes;
        buf_init(&bytes, BLOCK_INDEX_BYTES_MAX);
        rc = read_part(b, i, &bytes, err);
        if (rc == 0 && !unpack(b, i, buf_view(&bytes)))
            rc = damaged(b, "index", err);
        buf_free(&bytes);
    }
    if (rc == 0 && !(check_symbols(b) && check_series(b)))
        rc = damaged(b, "index", err);
    if (rc != 0)
        return rc;
    block_postings_make(buf_view(&b->tables[PART_SERIES]), b->symbol_count, &b->tables[PART_POSTINGS]);
    find_postings(b);
    return 0;
}

int block_pin(struct block *b, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&b->lock);
    if (!b->in_memory) {
        rc = load_index(b, err);
        if (rc != 0)
            forget(b);
        b->in_memory = rc == 0;
    }
    b->pins += rc == 0;
    b->used = atomic_fetch_add(&uses, 1) + 1;
    pthread_mutex_unlock(&b->lock);
    return rc;
}

void block_unpin(struct block *b)
{
    pthread_mutex_lock(&b->lock);
    b->pins--;
    pthread_mutex_unlock(&b->lock);
}

void block_drop_index(struct block *b)
{
    pthread_mutex_lock(&b->lock);
    if (b->pins == 0)
        forget(b);
    pthread_mutex_unlock(&b->lock);
}

size_t block_index_bytes(struct block *b)
{
    size_t n = 0;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; b->in_memory && i < BLOCK_TABLES; i++)
        n += b->tables[i].n;
    pthread_mutex_unlock(&b->lock);
    return n;
}

uint64_t block_used(struct block *b)
{
    pthread_mutex_lock(&b->lock);
    uint64_t used = b->used;
    pthread_mutex_unlock(&b->lock);
    return used;
}

static struct sv view_text(const void *context, uint32_t symbol)
{
    const struct block *b = context;
    uint32_t at = load_u32(b->symbol_ends + (size_t)symbol * 4);
    return sv_make(b->symbol_text + at, load_u32(b->symbol_ends + (size_t)symbol * 4 + 4) - at);
}

static bool view_symbol(const void *context, struct sv text, uint32_t *ret)
{
    const struct block *b = context;
    uint32_t low = 0, high = b->symbol_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = sv_cmp(view_text(b, middle), text);
        if (c == 0) {
            *ret = middle;
            return true;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The first pair not below (name, value). */
static uint32_t pair_at(const struct block *b, uint32_t name, uint32_t value)
{
    uint32_t low = 0, high = b->pair_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const char *pair = b->pairs + (size_t)middle * 16;
        uint32_t n = load_u32(pair), v = load_u32(pair + 4);
        if (n < name || (n == name && v < value))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct posting_list view_posting(const void *context, uint32_t name, uint32_t value)
{
    const struct block *b = context;
    uint32_t at = pair_at(b, name, value);
    const char *pair = b->pairs + (size_t)at * 16;
    if (at == b->pair_count || load_u32(pair) != name || load_u32(pair + 4) != value)
        return (struct posting_list){0};
    return (struct posting_list){(const uint32_t *)(const void *)(b->ids + (size_t)load_u32(pair + 8) * 4),
                                 load_u32(pair + 12)};
}

static size_t view_values(const void *context, uint32_t name, struct arena *arena, uint32_t **ret)
{
    const struct block *b = context;
    uint32_t from = pair_at(b, name, 0), to = pair_at(b, name + 1, 0);
    *ret = arena_alloc_raw(arena, ((size_t)(to - from) + 1) * 4, 4);
    for (uint32_t i = from; i < to; i++)
        (*ret)[i - from] = load_u32(b->pairs + (size_t)i * 16 + 4);
    return to - from;
}

static size_t view_names(const void *context, struct arena *arena, uint32_t **ret)
{
    const struct block *b = context;
    size_t n = 0;
    *ret = arena_alloc_raw(arena, ((size_t)b->pair_count + 1) * 4, 4);
    for (uint32_t i = 0; i < b->pair_count; i++) {
        uint32_t name = load_u32(b->pairs + (size_t)i * 16);
        if (n == 0 || (*ret)[n - 1] != name)
            (*ret)[n++] = name;
    }
    return n;
}

static struct posting_list view_all(const void *context, struct arena *arena)
{
    const struct block *b = context;
    uint32_t *ids = arena_alloc_raw(arena, ((size_t)b->series_count + 1) * 4, 4);
    for (uint32_t i = 0; i < b->series_count; i++)
        ids[i] = i;
    return (struct posting_list){ids, b->series_count};
}

static const char *record_of(const struct block *b, uint32_t series)
{
    return b->series + load_u64(b->series_offsets + (size_t)series * 8);
}

static const struct label_pair *view_pairs(const void *context, uint32_t id, uint32_t *ret_count)
{
    const char *record = record_of(context, id);
    *ret_count = load_u32(record);
    return (const struct label_pair *)(const void *)(record + 8);
}

struct index_view block_view(const struct block *b)
{
    return (struct index_view){.context = b,
                               .symbol_count = b->symbol_count,
                               .symbol = view_symbol,
                               .text = view_text,
                               .posting = view_posting,
                               .values = view_values,
                               .names = view_names,
                               .all = view_all,
                               .pairs = view_pairs};
}

uint32_t block_series_count(const struct block *b)
{
    return b->series_count;
}

uint32_t block_chunk_count(const struct block *b, uint32_t series)
{
    return load_u32(record_of(b, series) + 4);
}

struct block_chunk block_chunk_at(const struct block *b, uint32_t series, uint32_t at)
{
    const char *record = record_of(b, series);
    const char *p = record + 8 + (size_t)load_u32(record) * 8 + (size_t)at * BLOCK_CHUNK_BYTES;
    return (struct block_chunk){(int64_t)load_u64(p), (int64_t)load_u64(p + 8), load_u64(p + 16),
                                load_u32(p + 24),     load_u32(p + 28),         load_u32(p + 32)};
}

/* Bytes with the checksum before them, behind `before` others in memory, and BITS_SLACK behind them. */
static int read_checked(const struct block *b, uint64_t offset, uint32_t bytes, size_t before,
                        struct arena *arena, char **ret, struct err *err)
{
    if (offset < BLOCK_HEADER_BYTES + 4 || offset > b->info.bytes || bytes > b->info.bytes - offset)
        return damaged(b, "index", err);
    char *all = arena_alloc_raw(arena, before + 4 + (size_t)bytes + BITS_SLACK, 8), *p = all + before;
    memset(p + bytes + 4, 0, BITS_SLACK);
    int64_t r = b->fs->read_at(b->fs, b->file, p, (size_t)bytes + 4, offset - 4);
    if (r < 0)
        return wal_sys(err, (int)r, "cannot read", b->path);
    if ((uint64_t)r < (uint64_t)bytes + 4 || load_u32(p) != (uint32_t)hash_64(sv_make(p + 4, bytes)))
        return damaged(b, "chunk", err);
    *ret = p + 4;
    return 0;
}

int block_read_chunk(const struct block *b, const struct block_chunk *chunk, struct arena *arena,
                     struct sv *ret, struct err *err)
{
    char *values, *times;
    if (chunk->times == 0) {
        int rc = read_checked(b, chunk->offset, chunk->bytes, 0, arena, &values, err);
        *ret = sv_make(values, chunk->bytes);
        return rc;
    }
    const char *shared = b->tables[PART_TIMES].p + (size_t)(chunk->times - 1) * BLOCK_TIMES_BYTES;
    uint32_t times_bytes = load_u32(shared + 24);
    int rc = read_checked(b, load_u64(shared), times_bytes, 0, arena, &times, err);
    if (rc == 0) /* the values behind a header and their times, as if it had been one chunk */
        rc = read_checked(b, chunk->offset, chunk->bytes, times_bytes, arena, &values, err);
    if (rc != 0)
        return rc;
    if (chunk->bytes == 0)
        return damaged(b, "chunk", err);
    unsigned mode = (uint8_t)values[0];
    char *head = values + 1 - times_bytes - CHUNK_HEADER_BYTES;
    memcpy(values + 1 - times_bytes, times, times_bytes);
    head[0] = CHUNK_PACKED;
    head[1] = (char)(mode << 4);
    store_u16(head + 2, (uint16_t)chunk->count);
    *ret = sv_make(head, CHUNK_HEADER_BYTES + times_bytes + chunk->bytes - 1);
    return 0;
}
