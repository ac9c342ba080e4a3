/*
 * Writing the file of a cold segment, frame by frame; cold_make.h decides what is in it.
 */
#ifndef JOURNAL_COLD_WRITE_H
#define JOURNAL_COLD_WRITE_H

#include "journal/cold.h"
#include "journal/literals.h"
#include "journal/salts.h"

struct cold_chunk { /* that is being filled */
    struct buf positions, bytes;
    uint64_t first, last;
    int64_t min_ns, max_ns;
    uint32_t count;
    struct literals literals;
};

struct cold_writer {
    const struct fs *fs;
    const char *path; /* lent */
    int file;
    uint64_t at; /* where the next part goes */
    bool has_seed[CLASS_COUNT];
    uint8_t seeds[CLASS_COUNT][SALTS_SEED_BYTES]; /* that salts of a class come from, where none is dropped */
    struct cold_chunk chunks[CLASS_COUNT + 1];    /* the last: hashes of dropped records */
    struct cold_entry *entries;
    size_t n, capacity;
    struct cold_rows rows;
    struct buf frames, packed;
    struct buf causes;    /* u64 each */
    struct cold_item gap; /* is_gap: frames that are gone, not written yet */
    bool too_many;
};

/* Creates the file anew. */
int cold_writer_begin(struct cold_writer *writer, const struct fs *fs, const char *path,
                      const struct segment_header *segment, struct err *err);
/* An item of the segment, in order; `head`: of the chain, behind it. Records without bytes are dropped ones,
 * whose leaves are set. A frame without any left becomes part of a gap. */
int cold_writer_add(struct cold_writer *writer, const struct cold_item *item,
                    const uint8_t head[TC_SHA256_BYTES], struct err *err);
/* A record that findings or decisions came from. */
void cold_writer_cause(struct cold_writer *writer, uint64_t position);
/* Writes the rest, `header` (whose parts are filled in) last, and syncs the file. */
int cold_writer_end(struct cold_writer *writer, struct cold_header *header, struct err *err);
/* Closes the file, frees the rest. In any case, after begin. */
void cold_writer_free(struct cold_writer *writer);

#endif
