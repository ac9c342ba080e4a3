/*
 * Cold segments: what becomes of a segment that is closed. DIR/journal/<first>.cold holds the same records,
 * packed class by class in chunks, with what a search needs to pass over most of them; docs/format/cold.md
 * has the bytes.
 *
 * One is written beside its place, synced, read back and judged whole, and then renamed; the segment goes
 * after that. Nothing in it is ever changed: where retention drops a class, it is written anew without. What
 * is dropped leaves its hashes: the leaf of each record in a frame of which something is kept, and for frames
 * that are wholly gone (a gap) the chain's head behind them and the roots of the full subtrees of the Merkle
 * tree that they were. So the chain and all proofs of what is kept stay as they were.
 */
#ifndef JOURNAL_COLD_H
#define JOURNAL_COLD_H

#include "journal/merkle.h"
#include "journal/salts.h"
#include "journal/segment.h"

enum {
    COLD_VERSION = 2,
    COLD_HEADER_BYTES = 512,
    COLD_ENTRY_BYTES = 112,
    COLD_CHUNK_BYTES = 8 << 20, /* of records: a new chunk is begun past it */
    COLD_CHUNK_RECORDS = 1 << 13,
    COLD_RAW_MAX_BYTES = 96 << 20, /* of one chunk, unpacked: a frame may hold one long record */
    COLD_ENTRIES_MAX = 1 << 20,
};

/* What is left of a class, and how much of it went when. */
struct cold_class {
    uint64_t kept, dropped;         /* records */
    struct receive_time newest;     /* when the newest of the class was received, kept or dropped */
    struct receive_time dropped_at; /* 0: nothing was */
    uint32_t stage;                 /* how far retention went (retention.h) */
};

struct cold_part {
    uint64_t offset, bytes, raw_bytes, checksum;
};

struct cold_header {
    struct segment_header segment; /* of the segment that it was; checksum_seed 0 */
    uint64_t next, commit;         /* position after its last record; its last group commit */
    uint64_t sequences[CLASS_COUNT];
    uint8_t head[TC_SHA256_BYTES];              /* of the chain, after it */
    uint64_t segment_bytes;                     /* that it took */
    struct receive_time sealed, oldest, newest; /* when it became cold; of its frames */
    uint64_t wish;                              /* what was to be kept beyond the age (retention.h) */
    struct cold_class classes[CLASS_COUNT];
    struct cold_part frames, directory;
    struct cold_part
        causes; /* positions (u64, rising) of what findings and decisions in here came from; bytes 0: none */
};

enum cold_kind { COLD_RECORDS = 1, COLD_LEAVES = 2 };

/* One chunk. */
struct cold_entry {
    uint8_t kind, class, coding;
    uint32_t count;
    uint64_t first, last;   /* positions */
    int64_t min_ns, max_ns; /* event times, else receive times */
    struct cold_part part;  /* checksum: of the stored bytes */
    uint64_t content;       /* checksum of what comes of them */
    struct cold_part words; /* the filter of literals (literals.h); bytes 0: there is none */
};

struct cold {
    const struct fs *fs;
    int file;
    char path[SEGMENT_PATH_MAX];
    struct cold_header header;
    struct cold_entry *entries; /* in the order of their first positions, class by class mixed */
    size_t n;
};

/* DIR/journal/<first>.cold; false where the path is too long. */
bool cold_path(const char *dir, uint64_t first, char out[SEGMENT_PATH_MAX]);
/* TC_ENOTFOUND where there is none; TC_ECORRUPT with file and what. */
int cold_open(struct cold *cold, const struct fs *fs, const char *dir, uint64_t first, struct err *err);
int cold_open_path(struct cold *cold, const struct fs *fs, const char *path, uint64_t first, struct err *err);
void cold_close(struct cold *cold); /* an all-zero one and a closed one are fine */
/* The unpacked bytes of a part into `out` (cleared first). */
int cold_read(const struct cold *cold, const struct cold_part *part, bool packed, struct buf *out,
              struct err *err);
/* TC_ECORRUPT with file, place and remedy. */
int cold_damaged(const struct cold *cold, uint64_t offset, const char *why, struct err *err);

void cold_put_entry(const struct cold_entry *entry, struct buf *out);
void cold_encode_header(const struct cold_header *header, char to[COLD_HEADER_BYTES]);
int cold_decode_header(struct sv bytes, uint64_t first, const char *path, struct cold_header *ret,
                       struct err *err);

/* Whether a record says something that came from the record at its source position: a finding, a decision. */
bool cold_names_cause(const struct event *event);

/* --- frames and gaps
 * ------------------------------------------------------------------------------------------------------- */

struct cold_gap {
    uint64_t first, count, frames, bytes; /* positions from and how many; of the frames */
    uint64_t commit, durable;             /* of its last frame; offsets as in the segment */
    uint8_t head[TC_SHA256_BYTES];        /* of the chain, behind it */
    struct merkle_range range;
};

struct cold_record {
    struct sv bytes;               /* n == 0: it was dropped, or not wanted */
    uint8_t leaf[TC_SHA256_BYTES]; /* of a dropped one */
};

struct cold_item {
    bool is_gap;
    struct frame frame;          /* not a gap: all but its checksums and the head, which are made anew */
    uint64_t offset;             /* in the segment that it was */
    struct cold_record *records; /* frame.count of them */
    struct cold_gap gap;
};

/* The rows of the frames part, one after another. */
struct cold_rows {
    uint64_t position, commit, durable, offset, received;
};
struct cold_rows cold_rows_begin(const struct segment_header *segment);
void cold_rows_put(struct cold_rows *rows, const struct cold_item *item, struct buf *out);
/* 1 = a row; 0 = the end; TC_ECORRUPT. Records are not filled. */
int cold_rows_get(struct cold_rows *rows, struct reader *in, struct cold_item *ret);

/* --- reading in order
 * ------------------------------------------------------------------------------------------------------ */

struct cold_walk {
    struct cold cold;
    const struct journal_want *want;
    bool strict; /* a record that is neither kept nor hashed is damage */
    struct buf frames;
    struct reader rows_in;
    struct cold_rows rows;
    struct buf packed;
    struct cold_lane { /* a class' chunks, and the leaves' (the last lane) */
        size_t entry;  /* index of the open chunk, or of the next one */
        bool open;
        struct buf blocks, positions; /* of the open chunk */
        struct sv rest, rest_positions;
        uint8_t seed[SALTS_SEED_BYTES]; /* of the last chunk's salts; zeros: there was none */
        uint64_t next;                  /* position of its next record; UINT64_MAX: none is left */
    } lanes[CLASS_COUNT + 1];
    struct cold_record *records;
    size_t capacity;
    uint64_t chunks, chunks_skipped;
};

int cold_walk_open(struct cold_walk *walk, const struct fs *fs, const char *dir, uint64_t first,
                   const struct journal_want *want, bool strict, struct err *err);
int cold_walk_open_path(struct cold_walk *walk, const struct fs *fs, const char *path, uint64_t first,
                        bool strict, struct err *err);
void cold_walk_close(struct cold_walk *walk);
/* 1 = an item, lent until the next call; 0 = the end; negative. Frames that end at or before `from` are
 * passed over, and chunks that hold nothing else are not unpacked. Frames without records (marks) come, too.
 */
int cold_walk_next(struct cold_walk *walk, uint64_t from, struct cold_item *ret, struct err *err);

/* The records of a chunk of kind COLD_RECORDS: positions (u64 each) and blocks, checked; the three are
 * cleared first, `packed` is room. *ret_seed as cold_unpack_records. */
int cold_read_records(const struct cold *cold, const struct cold_entry *entry, struct buf *packed,
                      struct buf *positions, struct buf *blocks, uint8_t *ret_seed, struct err *err);

#endif
