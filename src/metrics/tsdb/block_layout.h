/*
 * What writer and reader of blocks share: the parts of the index as they stand in the file (columns,
 * compressed) and in memory (records that are looked into as they stand). docs/format/metrics.md has the
 * former.
 *
 * In memory:
 * symbols   u32 n, n + 1 × u32 ends into the text, the text
 * times     n × BLOCK_TIMES_BYTES: u64 offset, i64 min t, i64 max t, u32 bytes, u32 samples
 * series    u64 n, n + 1 × u64 offsets into what follows, records: u32 labels, u32 chunks, labels × (u32
 * name, u32 value), chunks × BLOCK_CHUNK_BYTES: i64 min t, i64 max t, u64 offset, u32 bytes, u32 samples, u32
 * times (0: its own), u32 0 postings  u32 pairs, u32 ids, pairs × (u32 name, u32 value, u32 first, u32 n)
 * sorted, ids × u32 number of a series
 */
#ifndef METRICS_TSDB_BLOCK_LAYOUT_H
#define METRICS_TSDB_BLOCK_LAYOUT_H

#include "base/buf.h"
#include "base/map.h"

enum {
    BLOCK_MAGIC = 0x4b4c4254,
    PART_SYMBOLS = 0,
    PART_TIMES,
    PART_SERIES,
    BLOCK_PARTS, /* in the file */
    PART_POSTINGS = BLOCK_PARTS,
    BLOCK_TABLES, /* in memory */
    BLOCK_TIMES_BYTES = 32,
};
#define BLOCK_INDEX_BYTES_MAX (SIZE_MAX >> 2)

struct block_part {
    uint64_t offset, bytes, checksum;
};

/* From memory to the file's columns and back; false for what no writer wrote. `out` has room. */
void block_symbols_put(struct buf *out, const struct map *symbols, const uint32_t *order);
bool block_symbols_get(struct sv in, struct buf *out);
void block_times_put(struct buf *out, struct sv times);
bool block_times_get(struct sv in, struct buf *out);
/* Of whole series tables. Each chunk with times has the time and number of samples that those have. */
void block_series_put(struct buf *out, struct sv series);
bool block_series_get(struct sv in, struct sv times, struct buf *out);
/* Follows from the series; their symbols are below `symbols`. */
void block_postings_make(struct sv series, uint32_t symbols, struct buf *out);

#endif
