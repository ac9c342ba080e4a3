/*
 * One frame of the journal: the bytes of a batch on disk, its two checksums, and its link in the hash chain.
 *
 * docs/format/journal.md has the format byte by byte. A frame is only valid at its own offset of its own
 * segment: both checksums are seeded with a random number of the segment plus the offset, so neither a stale
 * copy nor bytes that a sender put into an event can pass for a frame.
 */
#ifndef JOURNAL_FRAME_H
#define JOURNAL_FRAME_H

#include "base/hash.h"
#include "journal/journal.h"

enum {
    FRAME_HEADER_BYTES = 128,
    FRAME_CHAINED_BYTES = 80, /* of the header: what the chain covers */
    FRAME_ALIGN = 8,          /* frames begin at multiples of it: a search for frames looks there only */
    FRAME_MAX_BYTES = 64 << 20,
    FRAME_VERSION = 1,
    FRAME_MARK = 4, /* a kind beside enum batch_kind: no records, says that all before it is durable */
};

struct frame {
    uint8_t kind; /* enum batch_kind, or FRAME_MARK */
    bool has_key;
    uint32_t payload_bytes, count;
    uint64_t first;          /* position of the first record; of a mark: the next position */
    uint64_t commit;         /* number of the group commit that wrote it */
    uint64_t durable_before; /* up to this offset the segment was synced when that commit began */
    struct receive_time received;
    uint64_t consumed;
    uint8_t key[16];
    uint8_t head[TC_SHA256_BYTES]; /* of the chain, after this frame */
    uint64_t payload_checksum;     /* filled by frame_decode */
    size_t bytes;                  /* filled by frame_decode: the whole frame, padding included */
};

/* Whole bytes of a frame with this payload, padding included. */
size_t frame_bytes(size_t payload_bytes);
/* Writes the first FRAME_CHAINED_BYTES of the header: what the chain covers is known before its head is. */
void frame_encode(const struct frame *frame, char *to);
/* Adds head and checksums to the frame of `bytes` bytes at `to` (header, payload, zero padding) that will
 * stand at `offset`. */
void frame_seal(char *to, size_t bytes, const uint8_t head[TC_SHA256_BYTES], uint64_t seed, uint64_t offset);
/* Reads a header (at least FRAME_HEADER_BYTES at `p`) at `offset`; checks its checksum and every field by
 * itself. NULL where it is valid, else what is wrong with it; *ret is untouched then. */
const char *frame_decode(const char *p, uint64_t seed, uint64_t offset, struct frame *ret);
/* Checks the payload (with its padding) that follows the header: checksum, and whole record blocks as many as
 * the header says. NULL where it is valid, else what is wrong. */
const char *frame_check_payload(const struct frame *frame, struct sv payload_and_padding, uint64_t seed,
                                uint64_t offset);

/* The chain: chain_begin, chain_leaves or chain_leaf_hash for the records, chain_end. */
struct chain {
    struct sha256_ctx context;
};
void chain_first_head(uint64_t epoch, uint8_t out[TC_SHA256_BYTES]);
void chain_begin(struct chain *chain, const uint8_t head[TC_SHA256_BYTES], const char *frame_header);
/* Of `count` record blocks, one behind the other. */
void chain_leaves(struct chain *chain, struct sv blocks, uint32_t count);
void chain_leaf_hash(struct chain *chain, const uint8_t leaf[TC_SHA256_BYTES]); /* where it is known */
void chain_end(struct chain *chain, uint8_t out[TC_SHA256_BYTES]);

#endif
