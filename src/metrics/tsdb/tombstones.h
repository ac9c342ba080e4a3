/*
 * Tombstones: which samples of which series were deleted, and are hidden from every reader until they are
 * gone from memory, the log and the blocks.
 *
 * As in Prometheus: a deletion covers, of each series that its selectors take, the asked stretch of time
 * clamped to the times that the series has samples at. What is newer than that is no part of it, so a series
 * that goes on being sent goes on being seen. A series is known by its labels, wherever its samples lie.
 *
 * A deletion is in the log, whole or not at all, in as many frames as it needs (first and last say so), and
 * in snapshots of the head. Not thread-safe; the store's lock guards it.
 */
#ifndef METRICS_TSDB_TOMBSTONES_H
#define METRICS_TSDB_TOMBSTONES_H

#include "base/map.h"
#include "metrics/labels.h"
#include "metrics/tsdb/chunk.h"

enum { TOMBSTONES_MAX = 1000000 /* stretches of time, over all series */ };
/* Of the labels, over all series: as many as one deletion in the log may have, and all of them in a snapshot.
 */
#define TOMBSTONES_BYTES_MAX (UINT64_C(512) << 20)

struct stretch {
    int64_t min_t, max_t; /* both are part of it */
};

struct tombstone {
    const struct labels *labels;
    struct stretch *stretches; /* rising, apart from each other */
    uint32_t n, capacity;
    uint32_t next; /* of the same hash; UINT32_MAX: none */
};

struct tombstones {
    struct arena arena;
    struct map by_hash; /* to the first of that hash */
    struct tombstone *items;
    size_t count, capacity;
    size_t stretches; /* of all */
    uint64_t bytes;   /* tombstone_bytes() of all */
    int64_t min_t, max_t;
    uint64_t sequence;  /* grows with each deletion */
    struct buf waiting; /* of a replay: frames of a deletion whose last one has not come */
};

void tombstones_init(struct tombstones *tombstones);
void tombstones_free(struct tombstones *tombstones);
/* Of what was deleted before; `sequence` goes on. */
void tombstones_clear(struct tombstones *tombstones);

/* What the labels of a series take, in memory and in the log, at most. */
uint64_t tombstone_bytes(const struct label *labels, size_t count);
/* Labels are sorted; they are copied. */
void tombstones_add(struct tombstones *tombstones, const struct label *labels, size_t count,
                    struct stretch stretch);
/* NULL where nothing of the series is deleted. */
const struct tombstone *tombstones_find(const struct tombstones *tombstones, const struct label *labels,
                                        size_t count, uint64_t hash);
/* Its stretches, in the arena, without its labels; NULL where it is. */
const struct tombstone *tombstone_copy(const struct tombstone *tombstone, struct arena *arena);
bool tombstone_overlaps(const struct tombstone *tombstone, int64_t min_t, int64_t max_t);
/* All of [min_t, max_t] is deleted. */
bool tombstone_covers(const struct tombstone *tombstone, int64_t min_t, int64_t max_t);
/* Takes what is deleted out of the columns, which rise. */
void tombstone_apply(const struct tombstone *tombstone, struct chunk_columns *columns);

/* --- as bytes: docs/format/metrics.md, payload "deletion" --- */

/* Begins a payload, the first of a deletion or a later one; then any number of series. */
void tombstones_record_begin(struct buf *out, bool first);
void tombstones_record(struct buf *out, const struct label *labels, size_t count,
                       const struct stretch *stretches, size_t n);
/* This payload is the last of its deletion. */
void tombstones_record_end(struct buf *out);
/* A frame of the log: kept until the last of its deletion comes, then all are put in force. TC_ECORRUPT. */
int tombstones_replay(struct tombstones *tombstones, struct sv payload, struct err *err);

#endif
