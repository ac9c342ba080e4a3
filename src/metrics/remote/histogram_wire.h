/*
 * What native histograms look like in protobuf, the same in remote write and in what exporters show: spans of
 * buckets (offset from the one before, length), and the buckets' counts, as deltas of integers or as floats.
 */
#ifndef METRICS_REMOTE_HISTOGRAM_WIRE_H
#define METRICS_REMOTE_HISTOGRAM_WIRE_H

#include "metrics/histogram.h"
#include "metrics/remote/protobuf.h"

enum { WIRE_BUCKETS_MAX = 4096 }; /* of one side */

struct wire_spans {
    int32_t offsets[WIRE_BUCKETS_MAX];
    uint32_t lengths[WIRE_BUCKETS_MAX];
    size_t n, buckets;
};

struct wire_numbers {
    double p[WIRE_BUCKETS_MAX];
    size_t n;
};

/* Each false where it is no such message, or past WIRE_BUCKETS_MAX. */
bool wire_span(struct sv bytes, struct wire_spans *spans);
/* Repeated numbers, packed or one by one. Deltas are of integers. */
bool wire_numbers(const struct proto_field *f, bool deltas, struct wire_numbers *ret);
/* The buckets of one side, in `arena`; of `counts` where there are some, else of `deltas`. */
bool wire_side(struct arena *arena, const struct wire_spans *spans, const struct wire_numbers *deltas,
               const struct wire_numbers *counts, struct histogram_side *ret);

#endif
