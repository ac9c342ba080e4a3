/*
 * The values of a column, and streams of bytes: packed the way that takes least.
 */
#ifndef JOURNAL_COLD_VALUES_H
#define JOURNAL_COLD_VALUES_H

#include "journal/cold_columns.h"
#include "journal/cold_copy.h"

enum {
    COLD_STREAM_MAX = 512 << 20,
    COLD_DICTIONARY_MAX = 65535, /* values; 255 and fewer take a byte each */
    COLD_SAME_LENGTH_MAX = 64,
};

struct cold_column {
    struct sv name;
    struct sv *values; /* lent texts */
    size_t n, capacity;
    uint64_t rows; /* while it is written: hash of the records that its values are of */
};

void cold_column_add(struct cold_column *column, struct sv value, uint64_t record);
/* Appends its two streams to `out`, and to `names` how they are to be read. */
void cold_column_write(const struct cold_column *columns, size_t column, struct buf *names, struct buf *out);
/* Length, packed length (0: as it is), bytes. */
void cold_put_stream(struct sv bytes, struct buf *out);

/* --- and back: found first, unpacked where somebody asks */

/* What is unpacked lies here. */
struct cold_room {
    struct arena arena;
    void *zstd; /* one context for all that is unpacked; made when it is needed */
};
void cold_room_free(struct cold_room *room); /* an all-zero one is ready */

struct cold_packed_stream {
    struct sv stored;
    uint64_t raw_bytes;
    bool is_packed, is_ready;
    struct sv bytes; /* once it is ready */
};
/* Where a stream lies, and behind it. False: damaged. */
bool cold_find_stream(struct reader *in, struct cold_packed_stream *ret);
bool cold_unpack_stream(struct cold_packed_stream *stream, struct cold_room *room, struct sv *ret);

struct cold_packed_column {
    enum cold_values coding;
    struct cold_packed_stream first, second;
    struct cold_copy copies[COLD_COPIES_MAX]; /* outermost first: what the streams leave out */
    size_t copy_count;
};
/* How the values of column `column` are to be read. False: damaged. */
bool cold_read_coding(struct reader *names, size_t column, struct cold_packed_column *ret);
bool cold_find_column(struct reader *in, struct cold_packed_column *ret);
/* All `column->n` values but for what is copied, which lie in `room` or in what was read. False: damaged. */
bool cold_column_unpack(struct cold_packed_column *packed, struct cold_room *room,
                        struct cold_column *column);
/* Value `i` of `n` alone, but for what is copied, at the cost of one where the coding allows it. False:
 * damaged. */
bool cold_column_at(struct cold_packed_column *packed, struct cold_room *room, size_t n, size_t i,
                    struct sv *ret);

/* 20 bytes at most; returns how many. */
size_t cold_print_ipv4(uint64_t v, char *to);

/* Steps of 8 bytes in place become their greatest common divisor, and varints of how many of it each is. */
void cold_pack_steps(struct buf *steps);
/* Reads them: the divisor first. */
uint64_t cold_read_divisor(struct reader *in);
uint64_t cold_read_step(struct reader *in, uint64_t divisor);

#endif
