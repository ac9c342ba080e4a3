/*
 * Retention: which closed segments become cold, and what of them is dropped when.
 *
 * Each record bears a retention class (enum record_class), given to it at intake. Of a cold segment a class
 * is dropped when its newest record there is older than the class is kept; so a record goes a segment's
 * length later at most. Kept beyond that are:
 *   - records that caused a finding or a decision (a tick that resolved an alert, too): as long as the class
 * security is kept (they are evidence);
 *   - the newest position of each source that is followed: as long as security, too;
 *   - what a hold names: until it is lifted.
 * The last segment is never touched. A drop is told by `announce` before it is done, so that it is a record
 * of the journal.
 *
 * The clock is not believed when it jumps: where it is ahead of the monotonic clock by an hour or more, or at
 * the first step of the journal's newest record by a week, nothing is dropped for `distrust_ns`, so that
 * somebody can put it right. A restart meanwhile does not shorten that: the journal shows the jump, as a
 * segment that was begun a week and more after the one before.
 *
 * One thread at a time, in the process that holds the directory's lock.
 */
#ifndef JOURNAL_RETENTION_H
#define JOURNAL_RETENTION_H

#include "journal/cold.h"

enum { RETENTION_HOLDS_MAX = 256 };

/* What must not be dropped. All that is named must fit. */
struct retention_hold {
    const char *name;
    int64_t from_ns, to_ns; /* [from, to) of event time, or receive time where there is none */
    uint32_t classes;       /* a bit for each */
    struct sv source;       /* exact, or with a * at its end; n == 0: any */
    struct sv text;         /* occurs in the raw text; n == 0: any */
};

struct retention_drop {   /* that is about to be made, of one segment */
    uint64_t first, next; /* positions [first, next) */
    bool classes[CLASS_COUNT];
    struct receive_time newest[CLASS_COUNT];
    const struct cold_header *header;
};

struct retention_options {
    const struct fs *fs;
    const struct clk *clk;
    const char *dir;
    int64_t keep_ns[CLASS_COUNT]; /* 0: for ever */
    int64_t cold_after_ns;        /* since the segment was closed */
    int64_t distrust_ns;          /* 0: a day */
    struct receive_time newest;   /* of the journal's records, at its opening; 0: none */
    const struct retention_hold *holds;
    size_t hold_count;   /* retention_set_holds changes both */
    const char *archive; /* a directory that gets a copy before the first drop; NULL: none */
    /* Makes a record of it, durably. Not 0: nothing is dropped, and the step fails. */
    int (*announce)(void *context, const struct retention_drop *drop, struct err *err);
    void *context;
};

struct retention_stats {
    uint64_t made_cold, drops, records_dropped, archived;
    uint64_t segments, cold_segments, cold_bytes,
        segment_bytes; /* that are there; what cold ones took before */
    bool distrusts;    /* the clock */
};

struct retention;
/* All that the options point to outlives it. */
struct retention *retention_new(const struct retention_options *options);
void retention_free(struct retention **retention);
/* Does one piece of work that is due: 1; 0 where none is. TC_ECORRUPT: a segment is damaged, which is left as
 * it is and not looked at again until a restart. Where a drop fails, segments are packed all the same. */
int retention_step(struct retention *retention, struct err *err);
/* On the thread that steps. */
void retention_stats(const struct retention *retention, struct retention_stats *ret);
/* From the next step on. They outlive it, or the next call of this. On the thread that steps. */
void retention_set_holds(struct retention *retention, const struct retention_hold *holds, size_t count);
/* Whether the hold names the record. */
bool retention_holds(const struct retention_hold *hold, struct sv block);

#endif
