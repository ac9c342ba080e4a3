/*
 * The record block: the one flat form of an event, on disk (docs/format/journal.md) and across room queues.
 *
 * Little-endian. All offsets are checked on decoding; a block from disk or a peer may hold any bytes.
 *
 *   0  u32 block length, all of it      4  u32 field table length            (these two are not hashed)
 *   8  u8  format version = 1           9  u8  type (enum record_type)      10  u8 class    11  u8 zero
 *  12  u32 flags                       16  u16 parser version               18  u16 source length
 *  20  u32 raw length                  24  u32 repeat                       28  u32 zero
 *  32  u64 epoch                       40  u64 sequence (within the class)
 *  48  i64 receive time ns             56  i64 event time ns, INT64_MIN = none
 *  64  u64 position in its source      72  source bytes
 *      16 bytes salt
 *      raw bytes
 *      field table: u32 count, u32 strings length, count entries of 24 bytes, strings
 *        entry: u32 name offset, u32 name length, u32 value offset, u32 value length, u32 name hash,
 *               u8 type, u8 flags, u16 exact length (0: exact = name; else exact follows the name's bytes)
 *        an offset below the raw length points into raw, the others into strings (offset - raw length)
 *
 * Leaf hash = SHA-256(0x00 || salt || bytes 8 .. end of source || raw). The field table is not hashed: it can
 * be made anew. Epoch, sequence and salt are zero until the journal appends the record (record_seal).
 */
#ifndef EVENT_RECORD_H
#define EVENT_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "event/event.h"

enum { TC_RECORD_VERSION = 1, TC_RECORD_SALT_BYTES = 16, TC_RECORD_HEADER_BYTES = 72 };

/* Appends the block of `event` to `out` (which overflows past its bound). */
void record_encode(const struct event *event, struct buf *out);
/* A block without fields, whose raw text is JSON or empty: ticks, commands, decisions … */
void record_encode_plain(enum record_type type, enum record_class class, struct sv source,
                         struct receive_time received, struct event_time time, struct sv raw,
                         struct buf *out);
/* Length of the block at the start of `bytes`, or 0 where these are too few or the length is absurd. */
size_t record_length(struct sv bytes);
/* Fills *ret (fields, buckets) from a block. Field arrays live in `arena`; texts point into `block`. */
int record_decode(struct sv block, struct arena *arena, struct event *ret, struct err *err);
/* As record_decode without the field table: envelope and raw only. No arena needed. */
int record_decode_envelope(struct sv block, struct event *ret, struct err *err);
/* Writes epoch, sequence and salt into a block that record_encode made. */
void record_seal(char *block, uint64_t epoch, uint64_t sequence, const uint8_t salt[TC_RECORD_SALT_BYTES]);
/* Of a block that is not well-formed: some value that no record has. */
void record_leaf_hash(struct sv block, uint8_t out[TC_SHA256_BYTES]);
/* The same for two, which costs less than one after the other. */
void record_leaf_hash_two(const struct sv blocks[2], uint8_t out[2][TC_SHA256_BYTES]);

#endif
