/*
 * What the files of the store share.
 *
 * Locks, in the order in which they are taken: `lock` (head, sources, cache of known series; written by
 * appenders and the maintainer, read by queriers), `blocks_lock` (the list of blocks, open queriers).
 */
#ifndef METRICS_TSDB_TSDB_PRIV_H
#define METRICS_TSDB_TSDB_PRIV_H

#include "metrics/series_feed.h"
#include "metrics/tsdb/block.h"
#include "metrics/tsdb/exemplars.h"
#include "metrics/tsdb/head.h"
#include "metrics/tsdb/tombstones.h"
#include "metrics/tsdb/tsdb.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    RECORD_SERIES = 1,
    RECORD_FLOATS,
    RECORD_HISTOGRAMS,
    RECORD_SOURCE,
    RECORD_STATE,
    RECORD_META,
    RECORD_END,
    RECORD_EXEMPLARS,
    RECORD_BATCH,
    RECORD_DELETION,
};
enum { SLICE_SERIES = 4096, MERGE_BLOCKS = 3, MAINTAIN_STEPS_MAX = 1000 };

struct known { /* an entry of the cache */
    uint64_t low, high;
    uint32_t series; /* + 1; 0: free */
};

/* Notes of new samples: see follow.h. */
struct follow {
    struct fed_sample *items, *taken; /* under `lock`; of whoever takes them */
    uint32_t n, capacity, taken_capacity;
    bool lost;
};

struct tsdb {
    struct tsdb_options options;
    char *dir, *wal_dir, *blocks_dir;
    pthread_rwlock_t lock;
    struct head head;
    struct wal *wal;
    struct exemplars *exemplars;
    struct tombstones tombstones;
    struct buf series_record, source_record, float_record, histogram_record, exemplar_record,
        batch_record;     /* of the batch under way */
    uint64_t batch_bytes; /* of records put since it began */
    int64_t record_t;
    uint32_t record_id;
    struct known *known;
    size_t known_slots, known_count;
    uint64_t known_seed;
    uint64_t outcomes[TSDB_OUTCOMES];
    struct follow follow;
    /* ids that a replay found twice for one label set, pairs (from, to), rising */
    uint32_t *aliases;
    size_t alias_count;

    pthread_mutex_t blocks_lock;
    struct block **blocks; /* by time */
    size_t block_count;
    uint64_t next_block;
    uint64_t generation; /* grows when a block is made public */
    struct tsdb_querier *queriers;
    atomic_ullong blocks_cut, compactions, blocks_thinned, blocks_expired;

    /* Of an outgoing store: bytes of frames that there were at the start and were not sent, and that were
     * sent since; the segment from which on they are not all sent. */
    uint64_t outgoing_before;
    atomic_ullong outgoing_sent, outgoing_segment;
    struct wal_position outgoing_start;
    uint64_t await_segment; /* of the maintainer: what was cut off the head is sent when this is reached */

    /* of the maintainer: */
    bool truncate_due; /* a block was cut; the head still has its samples */
    uint64_t truncate_generation;
    bool snapshot_due;
    uint64_t erased_sequence; /* of tombstones: what it had then is in no block and not in the head */
    uint64_t erased_generation;
    bool clean_due;     /* a block was cut since the last cleaning */
    uint64_t cleanings; /* under lock */
};

struct tsdb_querier {
    struct tsdb *tsdb;
    struct tsdb_querier *previous, *next;
    uint64_t generation;
    struct block **blocks;
    bool *pinned;
    size_t block_count;
    struct arena arena;
};

/* A followed series has a new sample. */
void follow_note(struct tsdb *tsdb, const struct head_series *s, int64_t t, double v, bool histogram,
                 bool started);
void follow_free(struct follow *follow);

/* --- records of the log --- */
void record_source(struct buf *out, unsigned source, struct sv name);
void record_series(struct buf *out, const struct head *head, const struct head_series *s);
void record_float(struct tsdb *tsdb, uint32_t id, int64_t t, double v, int64_t start_t);
void record_histogram(struct buf *out, uint32_t id, int64_t t, const struct histogram *h, int64_t start_t);
void record_exemplar(struct buf *out, const struct label *series, size_t series_count,
                     const struct label *labels, size_t count, int64_t t, double v);
/* A record of one kind within a batch. */
enum { RECORD_PART_BYTES = 5 };
void record_part(struct buf *out, unsigned kind, struct sv payload);
/* wal_frame_fn; context is the store. */
int record_replay(void *context, unsigned kind, struct sv payload, struct err *err);
/* Frames for all that the head holds (`with_series`; else only for what stands beside series), into the file
 * DIR/<number>.snapshot, which replaces the log before segment `number`. */
int snapshot_write(struct tsdb *tsdb, const char *dir, uint64_t number, bool with_series, struct err *err);
/* Snapshots before that number. */
int snapshots_remove(struct tsdb *tsdb, uint64_t before);
/* Of the maintainer: a snapshot in place of the log so far. */
int trim_log(struct tsdb *tsdb, struct err *err);
/* The newest snapshot into the head; *ret_number: the first segment after it, 0 without one. */
int snapshot_load(struct tsdb *tsdb, uint64_t *ret_number, struct err *err);

/* --- blocks --- */
int blocks_load(struct tsdb *tsdb, struct err *err);
/* Puts a block that was written into the list in place of [from, from + count), whose files go. NULL: only
 * takes them out. */
int blocks_replace(struct tsdb *tsdb, const struct block_info *info, size_t from, size_t count,
                   struct err *err);
/* Joins blocks that are due, one group a call; *ret_more: there may be another. */
int blocks_compact(struct tsdb *tsdb, bool *ret_more, struct err *err);
/* Thins what is past its retention, and lets go what is past that of trends, or too much. */
int blocks_expire(struct tsdb *tsdb, struct err *err);
void blocks_trim_indexes(struct tsdb *tsdb);
/* Files of blocks that are in no list (their removal failed, or their end was not known) go for good. Of the
 * maintainer. */
int blocks_settle(struct tsdb *tsdb, struct err *err);
/* Writes the block at this place anew, without what is deleted, and puts that in its place. */
int blocks_rewrite(struct tsdb *tsdb, size_t at, struct err *err);
/* A query is under way that began before the list of blocks was of this generation. */
bool blocks_older_queries(struct tsdb *tsdb, uint64_t generation);

/* --- of samples in frames --- */
struct reader;
bool record_read_histogram(struct reader *in, struct arena *arena, uint64_t *ret_id, int64_t *ret_t,
                           int64_t *ret_start_t, struct histogram *ret);
struct label;
bool record_read_labels(struct reader *in, struct label labels[TSDB_LABELS_MAX], size_t *ret_count);
/* The number that stands for `id` since the start. */
uint32_t record_canonical(const struct tsdb *tsdb, uint32_t id);

/* --- an outgoing store (outgoing.c) --- */
/* Where sending goes on, before the log is read; after it, outgoing_recovered. */
int outgoing_load(struct tsdb *tsdb, struct err *err);
int outgoing_recovered(struct tsdb *tsdb, struct err *err);
bool outgoing_has_room(struct tsdb *tsdb);
/* From here on the head takes nothing before `to`. */
void head_freeze(struct tsdb *tsdb, int64_t to);
/* The head forgets what is before its min_valid. */
void head_forget(struct tsdb *tsdb);
/* In place of tsdb_maintain. */
int outgoing_maintain(struct tsdb *tsdb, struct err *err);

/* --- deletion (tsdb_delete.c) --- */
/* What is deleted of a series, copied into the arena; NULL: nothing. Takes the lock. */
const struct tombstone *deleted_of(struct tsdb *tsdb, const struct label *labels, size_t count,
                                   struct arena *arena);
/* Of the maintainer: lets tombstones go that no block and not the head has samples for. */
void deleted_expire(struct tsdb *tsdb);

#endif
