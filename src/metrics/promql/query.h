/*
 * Evaluating PromQL over a source of series.
 *
 * A query is evaluated for a whole range of steps at once, in columns: a node of the tree yields, per series,
 * one value a step. Selectors, window functions and most functions of one vector hand their series on one by
 * one, so an aggregation over many series keeps only its groups. One thread a query, to which a pool may lend
 * its own for reading; any number of queries at once where the source allows it.
 */
#ifndef METRICS_PROMQL_QUERY_H
#define METRICS_PROMQL_QUERY_H

#include "base/pool.h"
#include "metrics/promql/parser.h"
#include "metrics/series_source.h"

#define PROMQL_MAX_SAMPLES 50000000ULL
#define PROMQL_LOOKBACK_MS 300000LL

struct promql_options {
    int64_t start_ms, end_ms; /* equal for an instant query */
    int64_t step_ms;          /* 0: an instant query */
    int64_t lookback_ms;      /* 0: 5 minutes */
    int64_t subquery_step_ms; /* of subqueries without one; 0: 1 minute */
    uint64_t max_samples;     /* held at once; 0: 50 million */
    unsigned refused;         /* of enum promql_extension: an expression with one is an error */
    bool type_and_unit_labels;
    /* Names go at the very end (Prometheus' feature promql-delayed-name-removal), else as soon as a function
     * or operator takes them off. */
    bool delayed_name_removal;
    bool ignore_start_timestamps; /* rate and friends do not look at them */
    /* Who helps where a source can be read by several threads; one query at a time, others go on alone. NULL:
     * nobody. The answer does not depend on it. */
    struct pool *pool;
    /* Asked now and then; true ends the query with an error. May be NULL. */
    bool (*cancelled)(void *context);
    void *cancel_context;
};

/* One series of the answer: `n` points, floats and histograms. */
struct promql_series {
    const struct labels *labels;
    size_t n;
    int64_t *t;
    double *f;
    struct histogram **h; /* NULL: floats only; else histograms where an entry is not NULL */
};

struct promql_result {
    enum value_type type;
    double scalar;
    struct sv string;
    struct promql_series *series; /* of vectors (one point each) and matrices */
    size_t count;
    struct sv *warnings, *infos; /* with their places, sorted */
    size_t warning_count, info_count;
    /* what everything above lives in; the table is that of promql_query */
    struct arena arena;
    struct labels_table labels;
};

/*
 * A query that is read once and evaluated any number of times, one evaluation at a time. Label sets that one
 * evaluation made serve the next. A query is prepared for every source and any options.
 */
struct promql_prepared;

/* The text of an error is Prometheus'. Returns 0 or a negative code; *ret is NULL then. */
int promql_prepare(struct sv text, struct promql_prepared **ret, struct err *err);
/* As promql_query, but the labels in `result` belong to `prepared`: they are good until its next evaluation
 * or its end. `result` may be that of an earlier evaluation, not freed: its memory is used again. */
int promql_evaluate(struct promql_prepared *prepared, const struct series_source *source,
                    const struct promql_options *options, struct promql_result *result, struct err *err);
/* Canonical form, kind and places of what was prepared; never changed by an evaluation. */
const struct expr *promql_prepared_expr(const struct promql_prepared *prepared);
void promql_prepared_free(struct promql_prepared **prepared);

/* Once. The text of an error is Prometheus'. `result` is to be freed in any case; all-zero before. */
int promql_query(const struct series_source *source, struct sv text, const struct promql_options *options,
                 struct promql_result *result, struct err *err);
void promql_result_free(struct promql_result *result);

#endif
