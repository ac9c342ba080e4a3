/*
 * What a field repeats of another one of the same record: an identifier that stands in a path, a name that is
 * a part of a longer one. It is left out of the column and copied when the column is read.
 */
#ifndef JOURNAL_COLD_COPY_H
#define JOURNAL_COLD_COPY_H

#include "base/arena.h"
#include "base/buf.h"

enum { COLD_COPIES_MAX = 4 };
enum cold_copy_case { COLD_COPY_AS_IS, COLD_COPY_LOWER, COLD_COPY_UPPER, COLD_COPY_CASES };

/* Value i is the rest's, with source's value i [from, from + length) put in at `at`. */
struct cold_copy {
    uint32_t source, from, length, at; /* source: a column before this one */
    uint8_t letters; /* enum cold_copy_case: ASCII letters as they are, or all of one case */
};

struct cold_column;
/* Whether all of `n` values hold a part of the same record's value in a column before `column`. */
bool cold_copy_find(const struct cold_column *columns, size_t column, const struct sv *values,
                    struct cold_copy *ret);
/* The values without that part. */
struct sv *cold_copy_cut(const struct cold_copy *copy, const struct sv *values, size_t n,
                         struct arena *arena);
/* And with it again: one value, of rest.n + copy->length bytes, to `to`. False: damaged. */
bool cold_copy_put(const struct cold_copy *copy, struct sv rest, struct sv source, char *to);

#endif
