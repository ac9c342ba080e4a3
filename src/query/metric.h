/*
 * Metric queries: series of numbers over equidistant steps.
 */
#ifndef QUERY_METRIC_H
#define QUERY_METRIC_H

#include "query/scan.h"

enum {
    QUERY_STEPS_MAX = 11000,
    QUERY_SERIES_MAX = 20000,
    QUERY_POINTS_MAX = 4 << 20,  /* series times steps */
    QUERY_SAMPLES_MAX = 8 << 20, /* values that unwrap gives */
};

struct query_series {
    struct query_label *labels; /* sorted by name */
    size_t label_count;
    double *values;   /* one a step */
    uint8_t *present; /* whether there is one */
};

struct query_matrix {
    struct arena arena; /* of all that follows */
    size_t steps, count;
    struct query_series *series;
    bool is_scalar; /* one series without labels */
};

/* Times are at most so far from 1970, so that no sum of them overflows. */
#define QUERY_TIME_MAX_NS INT64_C(4000000000000000000)

/* At start_ns, start_ns + step_ns, … up to end_ns; an instant query has both equal. TC_EBOUND past the bounds
 * above; TC_EINPUT for a pipeline's error that no filter took care of, as Loki has it. */
int query_metric(const struct query_source *source, const struct logql *query, int64_t start_ns,
                 int64_t end_ns, int64_t step_ns, struct query_matrix *ret, struct query_scan_stats *stats,
                 struct err *err);
void query_matrix_free(struct query_matrix *matrix);

#endif
