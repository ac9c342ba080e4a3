/*
 * The detector's insides, for detector*.c only.
 */
#ifndef DETECT_DETECTOR_PRIV_H
#define DETECT_DETECTOR_PRIV_H

#include "detect/corr.h"
#include "detect/watermark.h"

enum {
    DETECTOR_CHUNK = 1024, /* events judged at a time: bounds the memory of a call */
    DETECTOR_SLICE = 32,   /* events that one thread matches at a time */
    DETECTOR_SLICES = DETECTOR_CHUNK / DETECTOR_SLICE,
};

struct moment {      /* of one event of the chunk */
    int64_t time_ns; /* of the event, or what stands in; TC_NO_TIME: none */
    bool in_windows; /* it has a time and is not late */
    bool floor_moved;
    int64_t floor_ns; /* after it */
};

struct match {
    uint32_t event, rule;
};

struct slice { /* what one part of the matching found; by event, then rule */
    struct arena keys;
    struct buf scratch;
    struct match *matches; /* of rules that speak for themselves */
    size_t match_count, match_capacity;
    struct corr_hit *hits;
    size_t hit_count, hit_capacity;
};

struct lane { /* one shard's work in this chunk */
    struct arena keys;
    const struct corr_hit **hits; /* by event, then rule */
    size_t hit_count, hit_capacity;
    struct corr_outcome *outcomes;
    size_t outcome_count, outcome_capacity;
    size_t passed_on; /* of the outcomes: looked at by detector_chain */
};

struct chain { /* findings of correlations that others count */
    struct arena arena;
    struct buf scratch;
    const struct corr_hit **hits; /* in order of what they come from */
    size_t hit_count, hit_capacity;
};

struct detector {
    const struct ruleset *ruleset;
    struct detector_options options;
    struct corr_spec *specs; /* correlations by ordinal */
    uint32_t spec_count;
    uint32_t *spec_of; /* by rule ordinal */
    uint32_t layers;   /* correlations of layer n count findings of lower ones */
    bool steps;        /* hits of one event need sorting by step */
    bool closing;      /* one of the specs is judged at its windows' ends */
    uint32_t *detections;
    uint32_t detection_count;
    struct corr_table *tables; /* [spec][shard] */
    struct watermark watermark;
    uint64_t position; /* of the last record */
    struct receive_time received;
    struct detector_stats stats;
    unsigned workers;
    struct match_scratch **scratch; /* by worker */
    struct rule_cost **costs;       /* by worker, then rule */
    uint64_t limit_hits_taken;
    /* the chunk at work */
    const struct event *const *events;
    size_t event_count;
    struct moment moments[DETECTOR_CHUNK];
    struct slice slices[DETECTOR_SLICES];
    struct lane lanes[CORR_SHARDS];
    struct chain chain;
    uint32_t layer; /* at work */
};

static inline struct corr_table *detector_table(const struct detector *d, uint32_t spec, uint32_t shard)
{
    return &d->tables[(size_t)spec * CORR_SHARDS + shard];
}
/* Of all specs: spec_count * CORR_SHARDS of them. */
void detector_free_tables(const struct detector *detector, struct corr_table *tables);

/* Room for one more element of a work list. */
static inline void *detector_grown(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = TC_MAX(*capacity * 2, (size_t)16);
    return tc_realloc(items, *capacity * size);
}

/* The hit of a spec; its key lives in `arena`. False where the subject has no part in it. */
bool detector_hit(const struct detector *detector, struct arena *arena, struct buf *scratch,
                  const struct corr_subject *subject, struct corr_hit *hit);

/* The key of the event's group of a correlation or memory that is reset; false where it has none. */
bool detector_reset_key(const struct detector *detector, const struct rule *rule, const struct event *event,
                        struct arena *arena, struct sv *ret);

/* Outcomes in order of (event, rule, order); `fresh`: only those that were not passed on yet. The caller
 * frees. */
struct ordered {
    const struct corr_outcome *outcome;
    uint32_t rule; /* the correlation's ordinal */
    uint32_t at;   /* in its lane */
};
struct ordered *detector_sort_outcomes(const struct detector *detector, bool fresh, size_t *ret_count);

/* After a layer's lanes are done: makes hits of higher layers out of what they found. */
void detector_chain(struct detector *detector);

/* Phase three: what slices and lanes hold becomes findings, in order. `position` and `received` are of the
 * record where there are no events (a tick). */
void detector_emit(struct detector *detector, uint64_t position, struct receive_time received,
                   struct finding_list *findings);

#endif
