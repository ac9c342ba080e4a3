/*
 * Packing a chunk; see cold_pack.h.
 *
 * Plain: the steps between positions as varints, then the record blocks as they are, all in one zstd frame.
 */
#include "journal/cold_pack.h"

#include "journal/cold_columns.h"

#include "base/varint.h"
#include "event/record.h"

#include <zstd.h>

enum { LEVEL = 9 };

void cold_pack_bytes(struct sv bytes, struct buf *out)
{
    size_t bound = ZSTD_compressBound(bytes.n);
    char *to = buf_reserve(out, bound);
    tc_assert(to != NULL);
    size_t n = ZSTD_compress(to, bound, bytes.p, bytes.n, LEVEL);
    tc_assert(!ZSTD_isError(n)); /* room is enough, and there is nothing else that could fail but memory */
    out->n += n;
}

bool cold_unpack_bytes(struct sv stored, size_t raw_bytes, struct buf *out)
{
    char *to = buf_reserve(out, raw_bytes + 1);
    if (to == NULL || ZSTD_getFrameContentSize(stored.p, stored.n) != raw_bytes)
        return false;
    size_t n = ZSTD_decompress(to, raw_bytes, stored.p, stored.n);
    if (n != raw_bytes)
        return false;
    out->n += n;
    return true;
}

static void put_positions(struct sv positions, struct buf *out)
{
    uint64_t before = 0;
    for (size_t at = 0; at + 8 <= positions.n; at += 8) {
        uint64_t position = load_u64(positions.p + at);
        buf_varint(out, position - before);
        before = position;
    }
}

static bool get_positions(struct reader *in, uint32_t count, struct buf *out)
{
    uint64_t position = 0;
    for (uint32_t i = 0; i < count && !in->bad; i++) {
        uint64_t step = reader_varint(in);
        if (step == 0 || position > UINT64_MAX - step)
            return false;
        buf_u64(out, position += step);
    }
    return !in->bad && !out->overflow;
}

/* Into columns, and back at once: only what gives the very same bytes counts. */
static bool pack_columns(struct sv positions, struct sv blocks, const uint8_t *seed, struct buf *out)
{
    struct buf got_positions, got_blocks;
    size_t start = out->n;
    buf_init(&got_positions, positions.n + 1);
    buf_init(&got_blocks, blocks.n + 1);
    bool good = cold_columns_write(positions, blocks, seed, out) &&
                cold_columns_read(sv_from(buf_view(out), start), (uint32_t)(positions.n / 8), &got_positions,
                                  &got_blocks, NULL) &&
                sv_eq(positions, buf_view(&got_positions)) && sv_eq(blocks, buf_view(&got_blocks));
    if (!good)
        out->n = start;
    buf_free(&got_positions);
    buf_free(&got_blocks);
    return good;
}

enum cold_coding cold_pack_records(struct sv positions, struct sv blocks, const uint8_t *seed,
                                   struct buf *out, uint64_t *ret_raw_bytes)
{
    struct buf raw;
    *ret_raw_bytes = blocks.n;
    if (pack_columns(positions, blocks, seed, out))
        return COLD_COLUMNS;
    buf_init(&raw, blocks.n + positions.n * 2 + 64);
    put_positions(positions, &raw);
    buf_sv(&raw, blocks);
    cold_pack_bytes(buf_view(&raw), out);
    *ret_raw_bytes = raw.n;
    buf_free(&raw);
    return COLD_PLAIN;
}

static bool unpack_plain(struct sv raw, uint32_t count, struct buf *positions, struct buf *blocks)
{
    struct reader in = reader_of(raw);
    if (!get_positions(&in, count, positions))
        return false;
    buf_sv(blocks, in.rest);
    struct sv rest = in.rest;
    for (uint32_t i = 0; i < count; i++) {
        size_t n = record_length(rest);
        if (n == 0)
            return false;
        rest = sv_from(rest, n);
    }
    return rest.n == 0 && !blocks->overflow;
}

bool cold_unpack_records(enum cold_coding coding, struct sv stored, size_t raw_bytes, uint32_t count,
                         struct buf *positions, struct buf *blocks, uint8_t *ret_seed)
{
    struct buf raw;
    buf_clear(positions);
    buf_clear(blocks);
    if (ret_seed != NULL)
        memset(ret_seed, 0, SALTS_SEED_BYTES);
    if (coding == COLD_COLUMNS)
        return cold_columns_read(stored, count, positions, blocks, ret_seed) && blocks->n == raw_bytes;
    if (coding != COLD_PLAIN)
        return false;
    buf_init(&raw, raw_bytes + 1);
    bool good =
        cold_unpack_bytes(stored, raw_bytes, &raw) && unpack_plain(buf_view(&raw), count, positions, blocks);
    buf_free(&raw);
    return good;
}
