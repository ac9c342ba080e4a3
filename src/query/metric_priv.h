/*
 * What the files of metric queries share; private to this room.
 */
#ifndef QUERY_METRIC_PRIV_H
#define QUERY_METRIC_PRIV_H

#include "base/map.h"
#include "query/metric.h"

struct evaluation {
    const struct query_source *source;
    const struct logql *query;
    int64_t start_ns, step_ns;
    size_t steps;
    struct arena *arena;
    struct query_scan_stats *stats;
};

/* Series in the making, told apart by their labels. */
struct series_set {
    struct evaluation *run;
    struct map by_key;
    struct query_series *series;
    size_t count, capacity;
    struct buf key;
};

void series_set_init(struct series_set *set, struct evaluation *run);
void series_set_free(struct series_set *set); /* the series stay: they are the arena's */
/* The series of these sorted labels, made where there is none; its number in *ret. TC_EBOUND. */
int series_set_put(struct series_set *set, const struct query_label *labels, size_t count, size_t *ret,
                   struct err *err);
/* Keeps those of `labels` that the grouping leaves; returns their number. */
size_t logql_group_labels(const struct logql_grouping *grouping, const struct query_label *labels,
                          size_t count, struct query_label *out);
struct sv series_label(const struct query_series *series, struct sv name);

/* `group` (may be NULL): the sum over the result is taken by it, so that it may be taken at once. */
int range_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct logql_grouping *group,
                   struct query_matrix *ret, struct err *err);
int aggregate_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *of,
                       struct query_matrix *ret, struct err *err);
int binary_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *left,
                    const struct query_matrix *right, struct query_matrix *ret, struct err *err);
int replace_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *of,
                     struct query_matrix *ret, struct err *err);

#endif
