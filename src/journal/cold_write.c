/*
 * Writing a cold segment; see cold_write.h.
 */
#include "journal/cold_write.h"

#include "journal/cold_pack.h"

#include "base/arena.h"

#include <stdlib.h>

enum { CHUNKS = CLASS_COUNT + 1, LEAVES = CLASS_COUNT, EVENT_TIME_AT = 56, RECEIVED_AT = 48 };

static void empty(struct cold_chunk *c)
{
    buf_clear(&c->positions);
    buf_clear(&c->bytes);
    literals_clear(&c->literals);
    c->count = 0;
    c->min_ns = INT64_MAX;
    c->max_ns = INT64_MIN;
}

int cold_writer_begin(struct cold_writer *w, const struct fs *fs, const char *path,
                      const struct segment_header *segment, struct err *err)
{
    *w = (struct cold_writer){
        .fs = fs, .path = path, .at = COLD_HEADER_BYTES, .rows = cold_rows_begin(segment)};
    buf_init(&w->frames, COLD_RAW_MAX_BYTES);
    buf_init(&w->causes, COLD_RAW_MAX_BYTES);
    buf_init(&w->packed, 2 * (size_t)COLD_RAW_MAX_BYTES);
    for (size_t i = 0; i < CHUNKS; i++) {
        buf_init(&w->chunks[i].positions, COLD_RAW_MAX_BYTES);
        buf_init(&w->chunks[i].bytes, COLD_RAW_MAX_BYTES);
        empty(&w->chunks[i]);
    }
    w->file = fs->open(fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNCATE);
    return w->file < 0 ? segment_sys(err, w->file, "cannot create", path) : 0;
}

void cold_writer_free(struct cold_writer *w)
{
    for (size_t i = 0; i < CHUNKS; i++) {
        buf_free(&w->chunks[i].positions);
        buf_free(&w->chunks[i].bytes);
        literals_free(&w->chunks[i].literals);
    }
    buf_free(&w->frames);
    buf_free(&w->packed);
    buf_free(&w->causes);
    free(w->entries);
    if (w->file >= 0)
        w->fs->close(w->fs, w->file);
    w->file = -1;
}

static int write_part(struct cold_writer *w, struct sv bytes, struct cold_part *ret, struct err *err)
{
    ret->offset = w->at;
    ret->bytes = bytes.n;
    ret->checksum = hash_64(bytes);
    int rc = fs_write_all(w->fs, w->file, bytes.p, bytes.n, w->at);
    w->at += bytes.n;
    return rc < 0 ? segment_sys(err, rc, "cannot write", w->path) : 0;
}

/* --- chunks
 * -------------------------------------------------------------------------------------------------------- */

static int close_chunk(struct cold_writer *w, size_t lane, struct err *err)
{
    struct cold_chunk *c = &w->chunks[lane];
    struct cold_entry e = {.kind = lane == LEAVES ? COLD_LEAVES : COLD_RECORDS,
                           .class = lane == LEAVES ? 0 : (uint8_t)lane,
                           .coding = COLD_PLAIN,
                           .count = c->count,
                           .first = c->first,
                           .last = c->last,
                           .min_ns = c->min_ns,
                           .max_ns = c->max_ns};
    if (c->count == 0)
        return 0;
    w->too_many = w->too_many || w->n == COLD_ENTRIES_MAX;
    buf_clear(&w->packed);
    if (lane == LEAVES) {
        buf_sv(&c->positions, buf_view(&c->bytes));
        cold_pack_bytes(buf_view(&c->positions), &w->packed);
        e.part.raw_bytes = c->positions.n;
        e.content = hash_64(buf_view(&c->positions));
    } else {
        e.coding = (uint8_t)cold_pack_records(buf_view(&c->positions), buf_view(&c->bytes),
                                              w->has_seed[lane] ? w->seeds[lane] : NULL, &w->packed,
                                              &e.part.raw_bytes);
        e.content = hash_64(buf_view(&c->bytes));
    }
    int rc = write_part(w, buf_view(&w->packed), &e.part, err);
    buf_clear(&w->packed);
    literals_write(&c->literals, &w->packed);
    if (rc == 0 && w->packed.n > 0)
        rc = write_part(w, buf_view(&w->packed), &e.words, err);
    e.words.raw_bytes = e.words.bytes;
    if (w->n == w->capacity) {
        w->capacity = TC_MAX((size_t)64, 2 * w->capacity);
        w->entries = tc_realloc(w->entries, w->capacity * sizeof w->entries[0]);
    }
    w->entries[w->n++] = e;
    empty(c);
    return rc;
}

static void add_record(struct cold_writer *w, size_t lane, uint64_t position, struct sv bytes)
{
    struct cold_chunk *c = &w->chunks[lane];
    c->first = c->count == 0 ? position : c->first;
    c->last = position;
    c->count++;
    buf_u64(&c->positions, position);
    buf_sv(&c->bytes, bytes);
    if (lane == LEAVES)
        return;
    int64_t event = (int64_t)load_u64(bytes.p + EVENT_TIME_AT);
    int64_t ns = event != TC_NO_TIME ? event : (int64_t)load_u64(bytes.p + RECEIVED_AT);
    c->min_ns = TC_MIN(c->min_ns, ns);
    c->max_ns = TC_MAX(c->max_ns, ns);
    literals_add(&c->literals, sv_head(sv_from(bytes, TC_RECORD_HEADER_BYTES + load_u16(bytes.p + 18) +
                                                          TC_RECORD_SALT_BYTES),
                                       load_u32(bytes.p + 20)));
}

/* --- frames and gaps
 * ------------------------------------------------------------------------------------------------------- */

static void flush_gap(struct cold_writer *w)
{
    if (w->gap.is_gap)
        cold_rows_put(&w->rows, &w->gap, &w->frames);
    w->gap.is_gap = false;
}

static void widen_gap(struct cold_writer *w, const struct cold_item *item, const uint8_t *head)
{
    const struct frame *f = &item->frame;
    struct cold_gap *gap = &w->gap.gap;
    const struct cold_gap *added = &item->gap;
    uint64_t first = item->is_gap ? added->first : f->first;
    bool fits = true;
    if (!w->gap.is_gap)
        *gap = (struct cold_gap){.first = first, .range = {.start = first - 1}};
    w->gap.is_gap = true;
    gap->count += item->is_gap ? added->count : f->count;
    gap->frames += item->is_gap ? added->frames : 1;
    gap->bytes += item->is_gap ? added->bytes : f->bytes;
    gap->commit = item->is_gap ? added->commit : f->commit;
    gap->durable = item->is_gap ? added->durable : f->durable_before;
    memcpy(gap->head, head, sizeof gap->head);
    for (size_t i = 0; item->is_gap && i < added->range.n; i++)
        fits = fits && merkle_range_add(&gap->range, added->range.nodes[i].level, added->range.nodes[i].hash);
    for (uint32_t i = 0; !item->is_gap && i < f->count; i++)
        fits = fits && merkle_range_add(&gap->range, 0, item->records[i].leaf);
    tc_assert(fits); /* in order, and no range has more nodes than MERKLE_RANGE_NODES */
}

static bool is_gone(const struct cold_item *item)
{
    for (uint32_t i = 0; !item->is_gap && i < item->frame.count; i++)
        if (item->records[i].bytes.n > 0)
            return false;
    return item->is_gap || item->frame.count > 0;
}

int cold_writer_add(struct cold_writer *w, const struct cold_item *item, const uint8_t head[TC_SHA256_BYTES],
                    struct err *err)
{
    const struct frame *f = &item->frame;
    int rc = 0;
    if (is_gone(item)) {
        widen_gap(w, item, head);
        return 0;
    }
    flush_gap(w);
    cold_rows_put(&w->rows, item, &w->frames);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct cold_record *r = &item->records[i];
        if (r->bytes.n > 0)
            add_record(w, (uint8_t)r->bytes.p[10] < CLASS_COUNT ? (size_t)r->bytes.p[10] : 0, f->first + i,
                       r->bytes);
        else
            add_record(w, LEAVES, f->first + i, sv_make((const char *)r->leaf, TC_SHA256_BYTES));
    }
    for (size_t lane = 0; rc == 0 && lane < CHUNKS; lane++)
        if (w->chunks[lane].bytes.n >= COLD_CHUNK_BYTES || w->chunks[lane].count >= COLD_CHUNK_RECORDS)
            rc = close_chunk(w, lane, err);
    return rc;
}

void cold_writer_cause(struct cold_writer *w, uint64_t position)
{
    buf_u64(&w->causes, position);
}

static int by_position(const void *a, const void *b)
{
    uint64_t x = load_u64(a), y = load_u64(b);
    return (x > y) - (x < y);
}

static int write_causes(struct cold_writer *w, struct cold_part *ret, struct err *err)
{
    size_t n = 0;
    *ret = (struct cold_part){0};
    if (w->causes.n == 0)
        return 0;
    qsort(w->causes.p, w->causes.n / 8, 8, by_position);
    for (size_t at = 0; at < w->causes.n; at += 8)
        if (at == 0 || load_u64(w->causes.p + at) != load_u64(w->causes.p + n - 8)) {
            memmove(w->causes.p + n, w->causes.p + at, 8);
            n += 8;
        }
    buf_clear(&w->packed);
    cold_pack_bytes(sv_make(w->causes.p, n), &w->packed);
    ret->raw_bytes = n;
    return write_part(w, buf_view(&w->packed), ret, err);
}

static int by_first(const void *a, const void *b)
{
    const struct cold_entry *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

int cold_writer_end(struct cold_writer *w, struct cold_header *header, struct err *err)
{
    struct buf directory;
    char bytes[COLD_HEADER_BYTES];
    int rc = 0;
    flush_gap(w);
    for (size_t lane = 0; rc == 0 && lane < CHUNKS; lane++)
        rc = close_chunk(w, lane, err);
    if (rc == 0 && (w->too_many || w->frames.overflow || w->causes.overflow))
        rc = err_at(err, TC_EBOUND, w->path, 0, 0, "more frames or chunks than a cold segment can hold");
    if (rc != 0)
        return rc;
    if (w->n > 0)
        qsort(w->entries, w->n, sizeof w->entries[0], by_first);
    buf_clear(&w->packed);
    cold_pack_bytes(buf_view(&w->frames), &w->packed);
    header->frames.raw_bytes = w->frames.n;
    rc = write_part(w, buf_view(&w->packed), &header->frames, err);
    if (rc == 0)
        rc = write_causes(w, &header->causes, err);
    buf_init(&directory, COLD_RAW_MAX_BYTES);
    for (size_t i = 0; i < w->n; i++)
        cold_put_entry(&w->entries[i], &directory);
    header->directory.raw_bytes = directory.n;
    if (rc == 0 && directory.overflow)
        rc = err_at(err, TC_EBOUND, w->path, 0, 0, "more chunks than a cold segment can hold");
    if (rc == 0)
        rc = write_part(w, buf_view(&directory), &header->directory, err);
    buf_free(&directory);
    cold_encode_header(header, bytes);
    int written = rc != 0 ? 0 : fs_write_all(w->fs, w->file, bytes, sizeof bytes, 0);
    if (rc == 0 && written == 0)
        written = w->fs->sync(w->fs, w->file);
    return written < 0 ? segment_sys(err, written, "cannot write", w->path) : rc;
}
