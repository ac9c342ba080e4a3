/*
 * The journal: the only truth. A group-commit log of frames; each frame holds records, a checksum, and the
 * hash chain.
 *
 * Invariants (docs/format/journal.md has the bytes):
 *  1. Frames are appended in one total order; a record's position is its running number over all frames and
 * never changes.
 *  2. A batch is one frame: all of it is durable or none. `done` is called after fdatasync covered the frame.
 *  3. A failed write or fdatasync stops the journal for good (TC_EIO from then on): never retry and hope.
 *  4. Recovery cuts a torn tail (an incomplete last frame that nobody was told about) and refuses a damaged
 * middle.
 *  5. Nothing of the past is ever changed: closed segments are packed (cold.h) and what retention drops
 * leaves its hashes, so that chain and proofs stay as they were.
 *
 * One writer thread per journal, started by journal_open; a group commit starts when the one before has
 * ended. All file operations go through `fs`; a simulated disk runs the journal without the thread
 * (options.inline_commit).
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/buf.h"
#include "base/clk.h"
#include "base/duration_histogram.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/rng.h"
#include "event/event.h"
#include "event/record.h"

struct journal;

struct journal_options {
    const struct fs *fs;
    const struct clk *clk;
    const struct rng *rng;
    const char *dir;        /* the data directory; segments lie in DIR/journal */
    uint64_t segment_bytes; /* a new segment is begun past this; 0 = 128 MiB */
    int64_t
        segment_age_ns;   /* a new segment is begun when the open one is older, and holds records; 0: never */
    uint64_t queue_bytes; /* batches waiting for commit; 0 = 64 MiB; past it append returns TC_EAGAIN */
    uint64_t reserve_bytes;      /* free space kept for decisions; 0 = 64 MiB; at most a quarter of the file
                                    system; input is refused (TC_EBOUND) below it */
    uint64_t reserve_file_bytes; /* DIR/reserve is as long and given up when the disk is full, so that what
                                    waits still finds room, whoever filled it; 0 = none */
    struct duration_histogram
        *durable;       /* is told how long input waited until it was synced; NULL: nobody asks */
    bool inline_commit; /* no thread: append writes, syncs and calls done before it returns (simulation) */
    /* Called before each group commit, on the thread that writes: makes durable what the records refer to.
     * TC_EBOUND: its disk is full, and is waited for like the journal's; any other failure stops the journal.
     * NULL: nothing to do. */
    int (*before_commit)(void *context, struct err *err);
    void *before_context;
};

struct journal_recovery {
    uint64_t records, segments; /* in the whole journal */
    uint64_t frames;            /* in the last segment, which is read in full */
    uint64_t torn_bytes;        /* cut off the tail; 0 = clean */
    char torn_file[256];
    struct receive_time newest; /* of the last segment's frames; 0: it has none */
    bool fresh;                 /* there was no journal yet */
};

enum batch_kind {
    BATCH_INPUT = 1,
    BATCH_DECISION = 2,
    BATCH_CONTROL = 3
}; /* control: ticks, activated, commands, opened */

struct journal_batch {
    enum batch_kind kind;
    struct receive_time received;
    uint64_t consumed;     /* BATCH_DECISION: position of the last record it is the result of */
    bool refuse_when_full; /* where the disk turns out to be full at the commit, `done` gets TC_EBOUND and
                            * nothing is kept, in place of waiting for room: whoever can send it again. Not
                            * BATCH_DECISION. */
    bool has_key;          /* BATCH_INPUT: idempotency */
    uint8_t
        key[16]; /* 8 bytes that name the batch (hash of source and Idempotency-Key), 8 of its body's hash */
    struct sv
        blocks; /* record blocks one after another; epoch, sequence and salt are filled in by the journal */
    uint32_t count;
};

/* first = position of the batch's first record (the others follow); rc 0 or negative. Called on the writer
 * thread: be short. */
typedef void (*journal_done_fn)(void *context, int rc, uint64_t first);

/* Opens or creates, takes the lock, recovers. TC_ESTATE where another process has the directory; TC_ECORRUPT
 * for a damaged middle (names file and offset, and the remedy: tocsin verify, restore). */
int journal_open(const struct journal_options *options, struct journal **ret,
                 struct journal_recovery *ret_recovery, struct err *err);
/* Commits what is queued, stops the thread, releases the lock. */
void journal_close(struct journal **journal);
/*
 * Queues a batch (blocks are copied) and assigns its positions: *ret_first (may be NULL) is the position of
 * its first record, known at once because the order of the queue is the order of the log. Thread-safe.
 * TC_EAGAIN: queue full, try later (BATCH_DECISION and BATCH_CONTROL may use a second queue_bytes on top, so
 * that alerts go first). TC_EBOUND: disk nearly full (input only). TC_EIO: stopped. TC_ESTATE: closing.
 * TC_EINPUT: not whole records as many as it says, longer than 64 MiB with its frame, or a key on what is not
 * input. TC_EEXIST: this key was seen within 15 minutes; *ret_first is the first position of the batch then,
 * and `done` is called (at once on this thread, or when that one is durable). TC_EDENIED: the name of this
 * key was seen within 15 minutes with another body. Otherwise `done` is called only where this returns 0.
 * With inline_commit, what `done` itself appends is committed as one group after it has returned.
 */
int journal_append(struct journal *journal, const struct journal_batch *batch, journal_done_fn done,
                   void *context, uint64_t *ret_first, struct err *err);
/* Waits until it is durable (with TC_EEXIST: until the earlier one is), and for room in a full queue:
 * TC_EAGAIN only with inline_commit. Not from `done`.
 */
int journal_append_wait(struct journal *journal, const struct journal_batch *batch, uint64_t *ret_first,
                        struct err *err);
uint64_t journal_end(const struct journal *journal); /* position after the last durable record */
uint64_t journal_epoch(const struct journal *journal);
/* Blocks until journal_end() > position, or the time-out; returns journal_end(). */
uint64_t journal_wait(struct journal *journal, uint64_t position, int64_t timeout_ns);
int journal_failed(const struct journal *journal); /* 0, or the negative code that stopped it */
/* A full disk is waited for: input is refused with TC_EBOUND, what is queued is tried again twice a second
 * (but see refuse_when_full: positions of what is behind such a batch move up, so that only what `done` says
 * of them holds), and BATCH_CONTROL gets TC_EAGAIN. After this call (before a stop) a full disk ends the
 * journal, with TC_EIO to all that wait; with inline_commit it always does. */
void journal_wait_no_more(struct journal *journal);

struct journal_stats {
    uint64_t batches, records, bytes, commits, syncs, queued_bytes, rejected, duplicates;
    uint64_t queue_limit_bytes, free_bytes, reserve_bytes; /* of the queue; of the disk; kept for decisions */
    bool full;                                             /* a commit waits for room on the disk */
    uint64_t keys_forgotten; /* idempotency keys dropped before their 15 minutes, for want of room */
    int64_t sync_ns_total, sync_ns_max;
};
void journal_stats(const struct journal *journal, struct journal_stats *ret);

/* --- reading: never needs the lock, works on a live directory and on one left by kill -9
 * ------------------------------ */

struct journal_reader;
struct journal_frame {
    enum batch_kind kind;
    struct receive_time received;
    uint64_t first, count; /* positions */
    uint64_t consumed;
    bool has_key;
    uint8_t key[16];
    struct sv blocks; /* lent until the next call */
    bool is_cold; /* from a cold segment: `head` is not known, and what was dropped is not there. A frame of
                     which some was dropped comes as several, each of consecutive records */
    uint8_t head[TC_SHA256_BYTES]; /* of the chain, after this frame: as stored, see journal_verify */
};
/* So that chunks of cold segments that cannot hold what is wanted are passed over; other records may come,
 * too. */
struct journal_want {
    int64_t from_ns, to_ns; /* [from, to) of event time, or receive time where there is none */
    struct sv literal;      /* occurs in the raw text of every record that is wanted; lent; n == 0: any */
    uint64_t until;         /* positions before this one; 0: any */
};
/* From the frame that holds `position` (0 = the oldest). `limit_to`: NULL, or a live journal whose durable
 * end bounds the reader. */
int journal_reader_open(const struct fs *fs, const char *dir, uint64_t position,
                        const struct journal *limit_to, struct journal_reader **ret, struct err *err);
/* As journal_reader_open, for what is wanted (copied; NULL: everything). */
int journal_reader_open_for(const struct fs *fs, const char *dir, uint64_t position,
                            const struct journal *limit_to, const struct journal_want *want,
                            struct journal_reader **ret, struct err *err);
void journal_reader_close(struct journal_reader **reader);
/* 1 = a frame; 0 = nothing more now (call again later on a live directory); TC_ECORRUPT with file and offset.
 * A torn tail reads as 0. */
int journal_reader_next(struct journal_reader *reader, struct journal_frame *ret, struct err *err);
/* Whether the last call gave 0 before an unfinished tail: the file (lent) and the offset where it begins. */
bool journal_reader_torn(const struct journal_reader *reader, const char **ret_file, uint64_t *ret_offset);

struct journal_verify_report {
    uint64_t segments, frames, records, bytes; /* that are there; bytes: as they lie on disk */
    uint64_t cold_segments, dropped;           /* of these; records that retention dropped */
    struct receive_time dropped_last;          /* when it last did */
    uint64_t torn_bytes;                       /* an unfinished tail: not damage */
    char torn_file[256];
    uint8_t head[TC_SHA256_BYTES]; /* chain head after the last frame */
    struct receive_time first, last;
};
/* Recomputes every checksum, leaf and the chain. TC_ECORRUPT with file, offset and what, at the first damage.
 * Read-only. */
int journal_verify(const struct fs *fs, const char *dir, struct journal_verify_report *ret, struct err *err);
/* As journal_verify, and shows each record and frame that was found good, in order. */
struct journal_watch {
    void *context;
    unsigned threads; /* that verify segments side by side; 0, 1: the caller's alone. It is told by the
                         caller's, in order */
    /* With threads: whether `record` looks into the record; of others it gets one byte in place of the block.
     * Asked on any thread. NULL: it looks into none. */
    bool (*wants)(void *context, uint64_t position, struct sv block);
    /* Of one that was dropped only the leaf is left: block.n == 0. */
    void (*record)(void *context, uint64_t position, struct sv block,
                   const uint8_t leaf[TC_SHA256_BYTES]); /* NULL: nobody is told of anything */
    /* A full subtree of 2^level records that were dropped, the first at `position`. */
    void (*dropped)(void *context, uint64_t position, unsigned level, const uint8_t node[TC_SHA256_BYTES]);
    void (*frame)(void *context, uint64_t last, const uint8_t head[TC_SHA256_BYTES]); /* position, chain */
};
int journal_verify_watched(const struct fs *fs, const char *dir, const struct journal_watch *watch,
                           struct journal_verify_report *ret, struct err *err);

/* --- backup and restore
 * ------------------------------------------------------------------------------------------------------- */

struct journal_part { /* of a segment: as many bytes as hold whole frames; or a cold segment, whole */
    uint64_t first, bytes;
    bool is_cold;
};
struct journal_snapshot {
    struct journal_part *parts;
    size_t count;
    uint64_t epoch; /* of the last part */
    struct journal_verify_report report;
    uint64_t position; /* of the last record; 0 = there is none */
};
/*
 * What a copy of the journal must hold to be whole, as it stands now: verified from first to last byte. Takes
 * no lock and needs no stop: the bytes of these parts do not change any more, save at the end of the last
 * one, where a live journal may take back a commit that found no room; but a segment may become cold, and a
 * cold one be replaced. So whoever copies compares the bytes with the hash he took, and begins anew where
 * they differ. TC_ECORRUPT as journal_verify; TC_ENOTFOUND.
 */
int journal_snapshot(const struct fs *fs, const char *dir, struct journal_snapshot *ret, struct err *err);
void journal_snapshot_free(struct journal_snapshot *snapshot);
/* Begins a new epoch in a directory that no process has open: what is appended from now on bears ids that no
 * other copy of this journal gives. The chain goes on. TC_ESTATE where it is open. */
int journal_begin_epoch(const struct journal_options *options, uint64_t *ret_epoch, struct err *err);

#endif
