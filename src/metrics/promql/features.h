/*
 * Prometheus' feature flags of PromQL (--enable-feature,
 * https://prometheus.io/docs/prometheus/latest/feature_flags/): extensions of the language, which may be
 * refused, and meanings that differ. All-zero is what Prometheus does without a flag.
 */
#ifndef METRICS_PROMQL_FEATURES_H
#define METRICS_PROMQL_FEATURES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

enum promql_extension {
    PROMQL_EXPERIMENTAL_FUNCTIONS = 1, /* functions and aggregations */
    PROMQL_FILL_MODIFIERS = 2,         /* fill(), fill_left(), fill_right() of binary operators */
    PROMQL_EXTENSIONS = 3              /* all of them */
};

struct promql_features {
    unsigned extensions; /* of enum promql_extension: those that are enabled */
    bool delayed_name_removal, use_start_timestamps;
};

/* What a parser that is told these features refuses. */
static inline unsigned promql_features_refused(const struct promql_features *features)
{
    return PROMQL_EXTENSIONS & ~features->extensions;
}

/* Adds what a list of names, parted by commas, enables; names of features that are always on add nothing.
 * TC_EINPUT with the names that there are for another. */
int promql_features_enable(struct promql_features *features, struct sv names, struct err *err);
/* Appends the names of what is enabled, parted by commas. */
void promql_features_print(struct buf *out, const struct promql_features *features);

#endif
