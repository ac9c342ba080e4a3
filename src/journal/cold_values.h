/*
 * The values of a column, and streams of bytes: packed the way that takes least.
 */
#ifndef JOURNAL_COLD_VALUES_H
#define JOURNAL_COLD_VALUES_H

#include "journal/cold_columns.h"

struct cold_column {
    struct sv name;
    struct sv *values; /* lent texts */
    size_t n, capacity;
};

void cold_column_add(struct cold_column *column, struct sv value);
/* Appends its two streams. */
enum cold_values cold_column_write(const struct cold_column *column, struct buf *out);
/* `column->n` values, which lie in `arena` or in what `in` reads. False: damaged. */
bool cold_column_read(struct reader *in, enum cold_values coding, struct arena *arena,
                      struct cold_column *column);

/* Length, packed length (0: as it is), bytes. */
void cold_put_stream(struct sv bytes, struct buf *out);
/* Unpacked into `arena`, or where it lies. False: damaged. */
bool cold_get_stream(struct reader *in, struct arena *arena, struct sv *ret);

/* Steps of 8 bytes in place become their greatest common divisor, and varints of how many of it each is. */
void cold_pack_steps(struct buf *steps);
/* Reads them: the divisor first. */
uint64_t cold_read_divisor(struct reader *in);
uint64_t cold_read_step(struct reader *in, uint64_t divisor);

#endif
