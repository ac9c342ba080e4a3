/*
 * Correlations at run time: the groups of one rule in one shard.
 *
 * A table holds the groups of one correlation whose key hashes to one of CORR_SHARDS shards; it is touched by
 * one thread at a time, in order of position, so what it does depends on its own events alone.
 *
 * Two ways to judge. A condition of gt and gte only is judged at each arrival ("sliding", window.h). One with
 * lt, lte, eq or neq can be taken back by the next event, so it is judged when it no longer can: a group's
 * first event (by time) opens the window [t, t + timespan]; when the floor (watermark.h) passes its end, its
 * value is judged once, the finding's time is that end, and the next event opens the next window. A group
 * that sends nothing opens no window, so a value of 0 is never seen.
 *
 * temporal asks for distinct rules where value_count asks for distinct values, and is the same window.
 * temporal_ordered keeps a sequence (sequence.h) in its place, value_sum and its like a measure (measure.h),
 * kinds that Sigma does not know a memory (memory.h).
 *
 * Bounds. A table has room for its share of max_groups. When it is full, the group to go is of the lowest
 * rank, and of those the one unheard for longest. Rank 0 holds a value of one or none; ranks above are parts
 * of the way to the threshold; so a flood of new keys pushes out its own. A group is forgotten without loss
 * when the floor has passed its newest event + timespan.
 */
#ifndef DETECT_CORR_H
#define DETECT_CORR_H

#include "base/buf.h"
#include "detect/measure.h"
#include "detect/memory.h"
#include "detect/ruleset.h"
#include "detect/sequence.h"

enum {
    CORR_SHARDS = 64,
    CORR_RANKS = 16,
    CORR_KEY_INSIDE_BYTES = 24,
    CORR_VALUE_BYTES = 1024,    /* longer group values are kept as their first bytes and a hash of all */
    CORR_ENTRIES_MAX = 1 << 27, /* hard bound of max_entries: room for CORR_COUNT_MAX distinct values */
};

#define CORR_STEP (UINT64_C(1) << 63) /* a step as a value is its number with this bit */

struct corr_outcome;

struct corr_spec { /* one correlation, compiled for its tables */
    const struct rule *rule;
    const struct correlation *correlation;
    struct window_spec window;
    bool ordered;                     /* steps in order: a sequence stands in for the window */
    const struct memory_kind *memory; /* stands in for the window; NULL: none */
    bool measured;                    /* a measure stands in for the window */
    struct measure_spec measure;
    bool closing; /* judged when its window is over */
    bool never;   /* its tests exclude each other for a count that only rises: gt of the largest number */
    uint32_t max_groups; /* per table */
    uint64_t seed;       /* from the rule's content: the same rule hashes alike in every rule set */
};

struct corr_group {
    uint64_t hash;
    union { /* see corr_key; most are short, and a block of their own would cost them twice their bytes */
        char inside[CORR_KEY_INSIDE_BYTES];
        char *outside; /* owned */
    } key;
    uint32_t key_bytes;
    uint32_t older, newer; /* list of its rank by last arrival; index + 1, 0 = none */
    uint32_t rank;         /* CORR_RANKS: the place is free */
    int64_t episode_ns;    /* start of the episode said last; TC_NO_TIME: none yet */
    struct window window;
    struct sequence *sequence; /* ordered only: in place of the window */
    struct measure *measure;   /* measured only: in place of the window */
    struct memory *memory;     /* of spec->memory only: in place of the window */
};

struct corr_table {
    struct corr_group *groups; /* by index; free places are chained by `newer` */
    uint32_t used, count, free_place;
    uint32_t *slots; /* index + 1, 0 = free; linear probing */
    uint32_t slot_count;
    struct {
        uint32_t oldest, newest; /* index + 1 */
    } ranks[CORR_RANKS];
    int64_t next_close_ns; /* closing: no window is over before; INT64_MAX none */
    uint64_t evicted, lost_entries;
};

/* What a hit needs; made when the event is matched, by any thread. */
struct corr_hit {
    uint32_t event; /* caller's number of it */
    uint32_t spec;  /* caller's number of the correlation */
    uint32_t rule;  /* ordinal of the referenced rule that matched */
    uint32_t step;  /* of that rule */
    uint32_t order; /* caller's: among hits of one event, correlation and step */
    uint32_t weight;
    int64_t time_ns;
    uint64_t value;    /* value_count: hash of the value or tuple; temporal: the step as one; never 0 */
    num_amount amount; /* value_sum and its like */
    uint64_t hash;     /* of the key; shard = hash % CORR_SHARDS */
    struct sv key;
    bool clears;                     /* no hit: the group is to be forgotten (action: reset) */
    const struct corr_outcome *from; /* the finding of a correlation that it is; NULL: an event */
};

struct corr_outcome {
    uint32_t event, spec;
    uint32_t rule;        /* UINT32_MAX: judged at a window's end, no event completed it */
    uint32_t step, order; /* of the hit */
    uint32_t weight;
    bool repeat;
    int64_t time_ns, episode_ns;
    uint64_t value;
    num_amount amount;
    const int64_t *facts; /* of the hit, lent for the call; NULL: none */
    struct sv key;        /* of the hit; judged at the end: lent for the call */
    const struct correlation *correlation;
    const struct corr_outcome *from; /* of the hit */
};

/* What a correlation may read of a hit: the event, and before it the groups of the correlations on the way.
 */
struct corr_subject {
    const struct event *event;
    const struct corr_outcome *from; /* NULL: a detection matched the event */
    uint32_t step;
};
typedef void (*corr_outcome_fn)(void *context, const struct corr_outcome *outcome);

void corr_spec_init(struct corr_spec *spec, const struct rule *rule, size_t max_groups, size_t max_entries);

/*
 * A group's key: each value in group-by order as u32 length and bytes. The first value of a field that is
 * neither null nor a container counts; values are compared as text, to the byte, but an IPv6 address in any
 * of its forms is one, and the IPv4-mapped one is the IPv4 address. What an inner correlation grouped by is
 * read from its group, by name. False where the subject lacks one (it does not enter).
 */
bool corr_key(const struct corr_spec *spec, const struct corr_subject *subject, struct buf *out);
/* Next value of a key; for findings. */
struct sv corr_key_value(struct reader *key);
bool corr_key_valid(const struct corr_spec *spec, struct sv key);
uint64_t corr_key_hash(const struct corr_spec *spec, struct sv key);
/* The counted value (or tuple), the step, or the number: sets hit->value and hit->amount; `scratch` is
 * overwritten. False where the subject lacks a field of it, or has no number there. */
bool corr_value(const struct corr_spec *spec, const struct corr_subject *subject, struct buf *scratch,
                struct corr_hit *hit);

void corr_table_free(struct corr_table *table, const struct corr_spec *spec); /* all zero is an empty table */
void corr_table_hit(struct corr_table *table, const struct corr_spec *spec, const struct corr_hit *hit,
                    int64_t floor_ns, corr_outcome_fn each, void *context);
/* Forgets the group of that hash and key, where there is one. */
void corr_table_forget(struct corr_table *table, const struct corr_spec *spec, uint64_t hash, struct sv key);
/* Judges and clears windows that ended before the floor; closing specs only. Outcomes in no promised order.
 */
void corr_table_close(struct corr_table *table, const struct corr_spec *spec, int64_t floor_ns,
                      uint32_t event, corr_outcome_fn each, void *context);

/* Groups by rank, oldest first; equal state gives equal bytes. */
void corr_table_save(const struct corr_table *table, const struct corr_spec *spec, struct buf *out);
/* One saved group, into whichever table of `tables` (CORR_SHARDS of them, of this spec) is its own. */
bool corr_table_load(struct corr_table *tables, const struct corr_spec *spec, struct reader *from);

#endif
