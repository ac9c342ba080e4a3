/*
 * The writer: what a group commit does to the disk. It seals and hashes batches in the queue's order, writes
 * them with few calls, syncs once, and rolls segments.
 *
 * One thread at a time. After the first failure every call fails; a full disk is none.
 */
#ifndef JOURNAL_WRITER_H
#define JOURNAL_WRITER_H

#include "journal/salts.h"
#include "journal/segment.h"

/* A batch in the queue, its frame's bytes ready but for what only the commit knows. */
struct writer_entry {
    struct writer_entry *next;
    struct frame frame; /* kind, key, lengths, times, first; the writer fills the rest */
    char *bytes;        /* owned: header room, blocks, zero padding; NULL: only waits for what is before it */
    size_t n;           /* of bytes: a whole frame */
    bool refuse_when_full; /* see journal.h */
    journal_done_fn done;
    void *context;
    int64_t queued_ns; /* monotonic */
};

struct writer {
    const struct fs *fs;
    const struct rng *rng;
    const struct clk *clk;
    char *dir; /* owned */
    uint64_t segment_bytes;
    int64_t segment_age_ns;       /* 0: any */
    struct segment_header header; /* of the open segment */
    int file;                     /* -1: none */
    uint64_t offset;              /* where the next frame goes; all before is durable between commits */
    uint64_t position, commit;    /* the next ones */
    uint64_t sequences[CLASS_COUNT];
    uint8_t head[TC_SHA256_BYTES];
    struct salts salts; /* of the open segment */
    bool must_roll;     /* the open segment may be read but not written */
    bool failed;
    struct buf out; /* bytes on their way to out_at */
    uint64_t out_at;
    uint64_t bytes, commits, syncs; /* written since open */
    int64_t sync_ns_total, sync_ns_max;
};

void writer_init(struct writer *writer, const struct journal_options *options);
void writer_fini(struct writer *writer);
/* Begins a segment at the next position. */
int writer_roll(struct writer *writer, struct err *err);
/* Makes the entries durable up to the segment's end; *ret_rest is the first that is left, NULL = all done.
 * TC_EBOUND: the disk is full and nothing has changed; the same entries may be tried again. */
int writer_commit(struct writer *writer, struct writer_entry *entries, struct writer_entry **ret_rest,
                  struct err *err);
/* Notes at the end of an orderly life that all before is durable. */
int writer_mark(struct writer *writer, struct err *err);

#endif
