/*
 * Columns: a chunk's records taken apart, so that what is alike stands together, and put together again to
 * the very same bytes. docs/format/cold.md has them.
 *
 * A record's raw text is cut where its fields' values begin and end. What stands between the values, the
 * names and places of the fields, their types: that is its shape, and thousands of records share one. The
 * values stand in a column for each name. A text that varies outside of any field becomes a value, too. What
 * does not fit at all is kept as it is.
 */
#ifndef JOURNAL_COLD_COLUMNS_H
#define JOURNAL_COLD_COLUMNS_H

#include "base/arena.h"
#include "base/buf.h"
#include "journal/salts.h"

/* Appends what stands for these records (positions: u64 each) to `out`. `seed`: what their salts came from,
 * NULL: not known. False where they are no records of this version. */
bool cold_columns_write(struct sv positions, struct sv blocks, const uint8_t seed[SALTS_SEED_BYTES],
                        struct buf *out);
/* Both are appended to. *ret_seed (zeros where there is none) may be NULL. False: damaged. */
bool cold_columns_read(struct sv stored, uint32_t count, struct buf *positions, struct buf *blocks,
                       uint8_t ret_seed[SALTS_SEED_BYTES]);

/* --- shared by both sides
 * --------------------------------------------------------------------------------------------------- */

/* The streams of a chunk, in the order in which they are stored; then two for each column. */
enum cold_stream {
    COLD_POSITIONS,
    COLD_ENVELOPES, /* the dictionary of those */
    COLD_ENVELOPE,  /* a record's */
    COLD_SEQUENCE,
    COLD_RECEIVED,
    COLD_TIME,
    COLD_SOURCE_POSITION,
    COLD_SALTS,
    COLD_SHAPES, /* the dictionary of those */
    COLD_SHAPE,  /* a record's; 0: kept as it is */
    COLD_WHOLE,  /* of such: lengths of raw text and table, and both */
    COLD_STREAMS
};

enum { COLD_COLUMNS_MAX = 4096, COLD_SHAPES_MAX = 4096, COLD_PIECES_MAX = 8192, COLD_ENVELOPE_FIXED = 33 };
enum cold_piece { COLD_LITERAL, COLD_HOLE };
enum cold_place { COLD_IN_RAW, COLD_IN_STRINGS };
enum cold_values { COLD_TEXT = 1, COLD_SAME_LENGTH, COLD_DICTIONARY, COLD_INTEGERS, COLD_IPV4, COLD_COPY };

#endif
