/*
 * A chunk of a cold segment looked at by its columns: what a query needs of it, without putting all of its
 * records together.
 *
 * Not thread-safe; what is lent lives as long as the chunk is open. Damage is told once, by the function that
 * meets it (TC_ECORRUPT with file and offset).
 */
#ifndef JOURNAL_COLD_CHUNK_H
#define JOURNAL_COLD_CHUNK_H

#include "event/event.h"
#include "journal/cold.h"

struct cold_chunk;

/* What records of a chunk have in common, but for their numbers. */
struct cold_envelope {
    uint8_t type, class;
    bool has_time;
    struct sv source;
};

/* Reads the stored bytes of an entry of kind COLD_RECORDS and checks them. `cold` is lent. *ret is NULL, and
 * the result 0, where the chunk has no columns: cold_walk_next reads it. */
int cold_chunk_open(const struct cold *cold, const struct cold_entry *entry, struct cold_chunk **ret,
                    struct err *err);
void cold_chunk_close(struct cold_chunk **chunk);

/* Of record i: ids below *_count. A shape of 0 is a record that stands as it is, whose fields have no
 * columns. */
struct cold_ids {
    const uint16_t *envelope, *shape;
    uint32_t shape_count; /* shapes are 1 to this */
    const struct cold_envelope *envelopes;
    uint32_t envelope_count;
};
int cold_chunk_ids(struct cold_chunk *chunk, struct cold_ids *ret, struct err *err);
/* Event times, else receive times, of all records. */
int cold_chunk_times(struct cold_chunk *chunk, const int64_t **ret_ns, struct err *err);

/* The fields of a shape in their order, as in a record of it; a value says only whether there is one (n is 0
 * where the field is empty in every record) and is not to be read. */
int cold_chunk_fields(struct cold_chunk *chunk, uint32_t shape, const struct field **ret, uint32_t *ret_count,
                      struct err *err);

/* The values of one field of each shape, by record: `field` has shape_count + 1 numbers, -1 for none (an
 * empty value then, as for shape 0). 1 = done; 0 = a value is not a column of its own. Equal texts of a
 * dictionary are the same pointer. */
int cold_chunk_values(struct cold_chunk *chunk, const int32_t *field, struct sv *values, struct err *err);

/* Numbers of the records in whose raw text `literal` occurs, rising, and possibly some more; at most
 * entry->count. 1 = done; 0 = only whole records tell. */
int cold_chunk_find(struct cold_chunk *chunk, struct sv literal, uint32_t *records, uint32_t *ret_count,
                    struct err *err);
/* Appends the blocks and positions (u64) of these records, numbers rising. */
int cold_chunk_records(struct cold_chunk *chunk, const uint32_t *records, uint32_t count,
                       struct buf *positions, struct buf *blocks, struct err *err);

#endif
