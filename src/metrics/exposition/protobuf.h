/*
 * What exporters show as protobuf: messages io.prometheus.client.MetricFamily, each behind its length. It is
 * the one format with native histograms.
 */
#ifndef METRICS_EXPOSITION_PROTOBUF_H
#define METRICS_EXPOSITION_PROTOBUF_H

#include "metrics/exposition/exposition.h"

struct exposition_histograms {
    bool native;         /* take native histograms; else only the classic buckets beside them */
    bool classic_always; /* take the classic buckets also of what is native */
};

/* Samples are those that the text format would have, but for native histograms. TC_EINPUT for what is no such
 * message; what came before was told to the handler. */
int exposition_parse_protobuf(struct sv body, const struct exposition_histograms *wanted,
                              const struct exposition_handler *handler, struct err *err);

#endif
