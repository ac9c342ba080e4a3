/*
 * A chunk's records as bytes and back: the codings that a cold segment knows.
 *
 * What is packed is unpacked and compared before it is written, and every unpacking is compared with a
 * checksum: it gives the very same bytes, or is told as damage.
 */
#ifndef JOURNAL_COLD_PACK_H
#define JOURNAL_COLD_PACK_H

#include "base/buf.h"
#include "base/err.h"

enum cold_coding {
    COLD_PLAIN = 1,   /* the records one after another */
    COLD_COLUMNS = 2, /* cold_columns.h */
};

/* Positions (u64 each, rising) and the blocks of as many records, one after another: appends their packed
 * form to `out`. `seed`: of their salts (salts.h), NULL: not known. */
enum cold_coding cold_pack_records(struct sv positions, struct sv blocks, const uint8_t *seed,
                                   struct buf *out, uint64_t *ret_raw_bytes);
/* The other way; both outputs are cleared first. *ret_seed (SALTS_SEED_BYTES; NULL: nobody asks): zeros where
 * there is none. False: the bytes are not what cold_pack_records makes. */
bool cold_unpack_records(enum cold_coding coding, struct sv stored, size_t raw_bytes, uint32_t count,
                         struct buf *positions, struct buf *blocks, uint8_t *ret_seed);
/* Any bytes, by zstd. */
void cold_pack_bytes(struct sv bytes, struct buf *out);
/* Exactly raw_bytes must come of it; `out` is appended to. */
bool cold_unpack_bytes(struct sv stored, size_t raw_bytes, struct buf *out);

#endif
