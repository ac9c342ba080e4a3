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
};

struct detector {
    const struct ruleset *ruleset;
    struct detector_options options;
    struct corr_spec *specs; /* correlations by ordinal */
    uint32_t spec_count;
    uint32_t *spec_of; /* by rule ordinal */
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
    /* the chunk at work */
    const struct event *const *events;
    size_t event_count;
    struct moment moments[DETECTOR_CHUNK];
    struct slice slices[DETECTOR_SLICES];
    struct lane lanes[CORR_SHARDS];
};

static inline struct corr_table *detector_table(const struct detector *d, uint32_t spec, uint32_t shard)
{
    return &d->tables[(size_t)spec * CORR_SHARDS + shard];
}
void detector_free_tables(struct corr_table *tables, size_t count);

/* Phase three: what slices and lanes hold becomes findings, in order. `position` and `received` are of the
 * record where there are no events (a tick). */
void detector_emit(struct detector *detector, uint64_t position, struct receive_time received,
                   struct finding_list *findings);

#endif
