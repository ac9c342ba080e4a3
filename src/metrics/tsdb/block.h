/*
 * Blocks: the samples of a stretch of time in one file that is written once and read in place.
 *
 * DIR/blocks/<number, 8 digits>.block holds chunks and columns of times, then symbols, times, series and a
 * footer with a checksum of each part (docs/format/metrics.md). It is written under another name, synced and
 * renamed, so a block is there whole or not at all. A block whose time and level another block covers is a
 * left-over of a compaction and is removed at the next start.
 *
 * The index part of a block is read when it is first asked for and checked once. Threads: a block may be read
 * by many at a time; loading and dropping its index is guarded by a lock of its own.
 */
#ifndef METRICS_TSDB_BLOCK_H
#define METRICS_TSDB_BLOCK_H

#include "base/fs.h"
#include "metrics/tsdb/chunk.h"
#include "metrics/tsdb/index.h"

enum {
    BLOCK_HEADER_BYTES = 64,
    BLOCK_FOOTER_BYTES = 96,
    BLOCK_VERSION = 2,
    BLOCK_PATH_MAX = 4096,
    BLOCK_CHUNK_BYTES = 40, /* of a chunk's entry in the index in memory */
    BLOCK_SERIES_CHUNKS_MAX = 1 << 20,
};

struct block_chunk {
    int64_t min_t, max_t;
    uint64_t offset; /* of its bytes; a u32 checksum stands before them */
    uint32_t bytes, count;
    uint32_t times; /* number of the column of times, + 1; 0: the chunk has its own */
};

struct block_info {
    uint64_t number;
    int64_t min_t, max_t; /* [min_t, max_t): the stretch it stands for */
    uint32_t level;       /* 1: from the head */
    uint32_t thinned_ms;  /* of each so many milliseconds a few samples are left (thin.h); 0: all are */
    uint64_t series, samples, bytes;
};

/* --- writing --- */
struct block_writer;
/* Series come in the order of their labels, chunks of one in order of time. */
int block_writer_new(const struct fs *fs, const char *dir, uint64_t number, int64_t min_t, int64_t max_t,
                     uint32_t level, uint32_t thinned_ms, struct block_writer **ret, struct err *err);
void block_writer_series(struct block_writer *writer, const struct label *labels, size_t count);
void block_writer_chunk(struct block_writer *writer, int64_t min_t, int64_t max_t, uint32_t count,
                        struct sv bytes);
/* The same from samples in order of time. Floats of both are gathered and packed. */
void block_writer_samples(struct block_writer *writer, const struct chunk_columns *columns);
/* Makes it a block, durably, or removes what there is; frees the writer either way. Nothing is written where
 * no series has a chunk; ret->series is 0 then. */
int block_writer_finish(struct block_writer **writer, struct block_info *ret, struct err *err);
void block_writer_abort(struct block_writer **writer);

/* --- reading --- */
struct block;
/* Reads header and footer only. */
int block_open(const struct fs *fs, const char *dir, uint64_t number, struct block **ret, struct err *err);
/* Counts those who use it; the last one frees it. block_open gives the first. */
struct block *block_ref(struct block *block);
void block_unref(struct block **block);
const struct block_info *block_info(const struct block *block);
/* The index in memory, until as many block_unpin. */
int block_pin(struct block *block, struct err *err);
void block_unpin(struct block *block);
/* Forgets the index where nobody has it pinned. */
void block_drop_index(struct block *block);
size_t block_index_bytes(struct block *block); /* 0: not in memory */
uint64_t block_used(struct block *block);      /* a number that grows with each pin, over all blocks */
/* Of a pinned block: */
struct index_view block_view(const struct block *block);
uint32_t block_series_count(const struct block *block);
uint32_t block_chunk_count(const struct block *block, uint32_t series);
struct block_chunk block_chunk_at(const struct block *block, uint32_t series, uint32_t at);
/* Bytes of a chunk, checked, with its times, and with BITS_SLACK behind them, in `arena`. */
int block_read_chunk(const struct block *block, const struct block_chunk *chunk, struct arena *arena,
                     struct sv *ret, struct err *err);

#endif
