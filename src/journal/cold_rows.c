/*
 * The rows of frames and gaps; see cold.h.
 *
 * A row is a tag (the frame's kind, 0 for a gap; 8: has a key; 16: has consumed) and varints. What rules 1 to
 * 3 of docs/format/journal.md say of a frame's place (first position, offset, durable before) follows from
 * the rows before it and is not written.
 */
#include "base/varint.h"
#include "journal/cold.h"

enum { TAG_KIND = 7, TAG_KEY = 8, TAG_CONSUMED = 16 };

struct cold_rows cold_rows_begin(const struct segment_header *h)
{
    return (struct cold_rows){.position = h->first,
                              .commit = h->commit - 1,
                              .offset = SEGMENT_HEADER_BYTES,
                              .received = (uint64_t)h->created.ns};
}

/* Moves behind an item. */
static void advance(struct cold_rows *r, const struct cold_item *item)
{
    const struct frame *f = &item->frame;
    const struct cold_gap *g = &item->gap;
    r->commit = item->is_gap ? g->commit : f->commit;
    r->durable = item->is_gap ? g->durable : f->durable_before;
    r->position += item->is_gap ? g->count : f->count;
    r->offset += item->is_gap ? g->bytes : f->bytes;
    r->received = item->is_gap ? r->received : (uint64_t)f->received.ns;
}

static void put_gap(const struct cold_rows *r, const struct cold_gap *g, struct buf *out)
{
    buf_varint(out, g->count);
    buf_varint(out, g->frames);
    buf_varint(out, g->bytes);
    buf_varint(out, g->commit - r->commit);
    buf_varint(out, r->offset + g->bytes - g->durable);
    buf_add(out, g->head, sizeof g->head);
    buf_varint(out, g->range.n);
    for (size_t i = 0; i < g->range.n; i++) {
        buf_u8(out, g->range.nodes[i].level);
        buf_add(out, g->range.nodes[i].hash, TC_SHA256_BYTES);
    }
}

void cold_rows_put(struct cold_rows *r, const struct cold_item *item, struct buf *out)
{
    const struct frame *f = &item->frame;
    if (item->is_gap) {
        buf_u8(out, 0);
        put_gap(r, &item->gap, out);
    } else {
        buf_u8(out, (uint8_t)(f->kind | (f->has_key ? TAG_KEY : 0) | (f->consumed != 0 ? TAG_CONSUMED : 0)));
        buf_varint(out, f->count);
        buf_varint(out, f->payload_bytes);
        buf_varint(out, f->commit - r->commit);
        buf_varint_step(out, r->received, (uint64_t)f->received.ns);
        if (f->consumed != 0)
            buf_varint_step(out, f->first, f->consumed);
        if (f->has_key)
            buf_add(out, f->key, sizeof f->key);
    }
    advance(r, item);
}

static bool get_gap(const struct cold_rows *r, struct reader *in, struct cold_gap *g)
{
    *g = (struct cold_gap){.first = r->position, .count = reader_varint(in)};
    g->frames = reader_varint(in);
    g->bytes = reader_varint(in);
    g->commit = r->commit + reader_varint(in);
    g->durable = r->offset + g->bytes - reader_varint(in);
    struct sv head = reader_bytes(in, sizeof g->head);
    uint64_t nodes = reader_varint(in);
    if (in->bad || nodes > MERKLE_RANGE_NODES || g->count == 0 || g->count > UINT64_MAX - r->position)
        return false;
    memcpy(g->head, head.p, head.n);
    g->range.start = r->position - 1; /* leaves are counted from 0 */
    for (uint64_t i = 0; i < nodes; i++) {
        unsigned level = reader_u8(in);
        struct sv hash = reader_bytes(in, TC_SHA256_BYTES);
        if (in->bad || !merkle_range_add(&g->range, level, (const uint8_t *)hash.p))
            return false;
    }
    return g->range.count == g->count;
}

static bool get_frame(const struct cold_rows *r, struct reader *in, uint8_t tag, struct frame *f)
{
    *f = (struct frame){.kind = tag & TAG_KIND, .has_key = (tag & TAG_KEY) != 0, .first = r->position};
    uint64_t count = reader_varint(in), payload = reader_varint(in);
    f->commit = r->commit + reader_varint(in);
    f->durable_before = f->commit == r->commit ? r->durable : r->offset;
    f->received.ns = (int64_t)reader_varint_step(in, r->received);
    f->consumed = tag & TAG_CONSUMED ? reader_varint_step(in, f->first) : 0;
    struct sv key = f->has_key ? reader_bytes(in, sizeof f->key) : (struct sv){0};
    if (in->bad || f->kind < BATCH_INPUT || f->kind > FRAME_MARK || payload > FRAME_MAX_BYTES ||
        count > payload / (TC_RECORD_HEADER_BYTES + TC_RECORD_SALT_BYTES) ||
        (f->kind == FRAME_MARK) != (count == 0))
        return false;
    memcpy(f->key, f->has_key ? key.p : (const char *)f->key, f->has_key ? key.n : 0);
    f->count = (uint32_t)count;
    f->payload_bytes = (uint32_t)payload;
    f->bytes = frame_bytes(f->payload_bytes);
    return true;
}

int cold_rows_get(struct cold_rows *r, struct reader *in, struct cold_item *ret)
{
    if (in->rest.n == 0 && !in->bad)
        return 0;
    uint8_t tag = reader_u8(in);
    *ret = (struct cold_item){.is_gap = (tag & TAG_KIND) == 0, .offset = r->offset};
    if (!(ret->is_gap ? tag == 0 && get_gap(r, in, &ret->gap) : get_frame(r, in, tag, &ret->frame)))
        return TC_ECORRUPT;
    advance(r, ret);
    return 1;
}
