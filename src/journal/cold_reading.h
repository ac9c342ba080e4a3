/*
 * What both ways of reading a chunk of columns share (cold_columns_read.c puts its records together,
 * cold_chunk.c looks into it): its streams, shapes and columns, each unpacked when it is first asked for.
 */
#ifndef JOURNAL_COLD_READING_H
#define JOURNAL_COLD_READING_H

#include "journal/cold_values.h"

struct cold_shape_place {
    uint32_t piece, offset;
};

struct cold_shape_piece {
    bool is_hole;
    struct sv literal;
    size_t column;
};

struct cold_shape_entry {
    uint8_t type, flags;
    bool name_in_raw, value_in_raw;
    struct cold_shape_place name, from, to;
    uint32_t name_n, hash;
    struct sv text; /* of a name that is not in raw, its exact name behind it */
    size_t column;
};

struct cold_shape {
    struct cold_shape_piece *pieces;
    struct cold_shape_entry *entries;
    uint32_t piece_count, entry_count;
    bool has_table;
};

struct cold_reading {
    struct cold_room room;
    uint32_t count; /* records */
    struct cold_packed_stream packed[COLD_STREAMS];
    struct sv *envelopes;
    size_t envelope_count;
    struct cold_shape *shapes;
    size_t shape_count;
    struct cold_column *columns; /* values NULL: not unpacked yet */
    struct cold_packed_column *packed_columns;
    size_t column_count;
    uint8_t seed[SALTS_SEED_BYTES];
    bool bad; /* damaged: nothing that is given from here on means anything */
};

/* Of `stored`, which is lent as long as `r` is used. Damage shows in r->bad. */
void cold_reading_begin(struct cold_reading *r, struct sv stored, uint32_t count);
void cold_reading_end(struct cold_reading *r);
struct sv cold_reading_stream(struct cold_reading *r, enum cold_stream which);
/* With its values. */
struct cold_column *cold_reading_column(struct cold_reading *r, size_t column);
/* Value i of a column, at the cost of one where that is less. */
struct sv cold_reading_value(struct cold_reading *r, size_t column, size_t i);
/* Appends the blocks of these records, numbers rising; each costs little beside the unpacking of the columns.
 * False: damaged. */
bool cold_columns_some(struct cold_reading *r, const uint32_t *records, uint32_t count, struct buf *blocks);

#endif
