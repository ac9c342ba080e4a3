/*
 * What a frame must agree with beside its checksums: epoch and sequence of each record, and the hash chain.
 * Shared by recovery (last segment) and journal_verify (all).
 */
#ifndef JOURNAL_VERIFY_H
#define JOURNAL_VERIFY_H

#include "journal/cold.h"

struct verify_state {
    uint64_t epoch;
    uint64_t sequences[CLASS_COUNT]; /* next */
    uint8_t head[TC_SHA256_BYTES];
    bool loose; /* records were dropped: sequences rise, but not by one */
};

/* What a segment's header says of the state at its start. */
struct verify_state verify_start(const struct segment_header *header);
/* Moves the state over a frame whose checksums are right. NULL, or what is wrong. `leaves` (NULL: nobody
 * asks) gets the leaf hash of each record, TC_SHA256_BYTES each. */
const char *verify_frame(struct verify_state *state, const struct frame *frame, struct sv bytes,
                         struct buf *leaves);
/* As verify_frame for an item of a cold segment, whose head is made anew here, and leaves its records' leaf
 * hashes in them. */
const char *verify_item(struct verify_state *state, struct cold_item *item);
/* Whether the state at the end of a cold segment is what its header says. */
const char *verify_cold_end(const struct verify_state *state, const struct cold_header *header);

#endif
