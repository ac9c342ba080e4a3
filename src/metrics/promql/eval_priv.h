/*
 * What the parts of the evaluator share.
 *
 * All memory of a query is in its arena, so an error deep inside jumps straight out (query_fail) and loses
 * nothing.
 */
#ifndef METRICS_PROMQL_EVAL_PRIV_H
#define METRICS_PROMQL_EVAL_PRIV_H

#include "base/map.h"
#include "metrics/promql/functions.h"
#include "metrics/promql/query.h"

#include <setjmp.h>

enum { QUERY_WORKERS_MAX = 64 };

/* The times at which a node is evaluated. */
struct steps {
    int64_t start, end, interval; /* milliseconds; interval > 0 */
    size_t count;
};

enum sample_kind { SAMPLE_NONE, SAMPLE_FLOAT, SAMPLE_HISTOGRAM };

struct sample {
    double f;
    struct histogram *h; /* NULL: a float */
};

/* One series over all steps. */
struct column {
    const struct labels *labels;
    bool drop_name; /* at the very end; only with delayed removal */
    uint8_t *kind;  /* enum sample_kind, per step */
    double *f;
    struct histogram **h; /* NULL while there was no histogram */
    size_t lent; /* the histograms of so many steps are the source's, until the next series is read */
    bool taken;  /* set by a sink that keeps the arrays */
};

struct vector {
    struct column *items;
    size_t n, capacity;
};

struct annotation {
    struct sv text; /* "PromQL warning: …" without the place */
    bool info;
    int32_t at;
    enum { ANNOTATION_PLAIN, ANNOTATION_MONOTONICITY, ANNOTATION_OVERLAP } shape;
    /* of forced monotonicity */
    int64_t min_t, max_t;
    double min_bucket, max_bucket, max_diff;
    /* how often */
    uint64_t count;
};

/* What an expression gave that stands in several queries of a plan. */
struct shared_value {
    const struct expr *tree; /* one of them */
    size_t places;           /* where it stands */
    bool listed, ready;
    bool split_series;
    uint64_t samples; /* held while it was worked out */
    struct vector v;
};

/* Of a plan. */
struct sharing {
    struct arena arena; /* of one round */
    uint64_t worked_out, used_again;
};

struct query {
    struct arena *arena;
    struct labels_table *labels;
    struct sharing *sharing; /* NULL: the query stands alone, and makes annotations */
    unsigned inner;          /* subqueries under way: their times are others */
    const struct series_source *source;
    const struct promql_options *options;
    struct sv text;
    int64_t lookback_ms, subquery_step_ms;
    uint64_t samples, max_samples;
    size_t work; /* since the last look at `cancelled`, in samples */
    struct map annotation_index;
    struct annotation *annotations;
    size_t annotation_count, annotation_capacity;
    struct annotation ignored; /* stands for those that are not kept */
    struct re2 *regex;         /* made by info() */
    bool split_series;         /* some label set came in several columns: see remove_name */
    struct err *err;
    struct arena scratch; /* of one series */
    struct arena worker_scratch[QUERY_WORKERS_MAX];
    jmp_buf out;
};

/* --- errors, annotations, limits --- */

_Noreturn void query_fail(struct query *q, const char *format, ...) TC_PRINTF(2, 3);
/* Counts samples that are held, and ends the query past its limit or when it was cancelled. */
void query_hold(struct query *q, uint64_t samples);
/* What took as long as looking at so many samples; now and then it looks whether the query was cancelled. */
void query_work(struct query *q, size_t samples);
void query_tick(struct query *q); /* something small, of a series */
void annotate_warning(struct query *q, int32_t at, const char *format, ...) TC_PRINTF(3, 4);
void annotate_info(struct query *q, int32_t at, const char *format, ...) TC_PRINTF(3, 4);
struct annotation *annotate(struct query *q, int32_t at, bool info, struct sv text);
/* " for metric name "x"", or nothing for an empty name. */
struct sv annotation_metric(struct query *q, struct sv name);
struct sv quote_text(struct query *q, struct sv text);
struct sv labels_text(struct query *q, const struct labels *labels); /* {a="b"} */
/* The same words from many places. */
void warn_mixed_floats(struct query *q, struct sv metric, int32_t at);
void warn_mixed_schemas(struct query *q, struct sv metric, int32_t at);
void warn_not_counter(struct query *q, struct sv metric, int32_t at);
void warn_not_gauge(struct query *q, struct sv metric, int32_t at);
void warn_strategy(struct query *q, double strategy, int32_t at);
void warn_quantile(struct query *q, double quantile, int32_t at);
void warn_collision(struct query *q, int32_t at, const char *operation);
void info_reconciled(struct query *q, int32_t at, const char *operation);
void info_ignored_in(struct query *q, const char *aggregation, int32_t at);
void info_ignored_in_range(struct query *q, struct sv metric, int32_t at);

/* --- columns --- */

typedef void (*column_sink)(void *context, struct column *column);

static inline int64_t step_time(const struct steps *s, size_t i)
{
    return s->start + (int64_t)i * s->interval;
}
void column_init(struct query *q, const struct steps *s, struct column *column, const struct labels *labels);
/* Ready for the next series: empty, with new arrays where the sink took the old ones. */
void column_reset(struct query *q, const struct steps *s, struct column *column, const struct labels *labels);
void column_put(struct query *q, const struct steps *s, struct column *column, size_t step,
                struct sample sample);
static inline struct sample column_get(const struct column *c, size_t step)
{
    return (struct sample){c->f[step], c->kind[step] == SAMPLE_HISTOGRAM ? c->h[step] : NULL};
}
size_t column_points(const struct steps *s, const struct column *column);
struct column *vector_add(struct query *q, struct vector *vector);
/* A sink that keeps every column in the struct vector of its context. */
struct collector {
    struct query *q;
    struct vector *out;
    const struct steps *s;
};
void collect(void *collector, struct column *column);
/* Series of the same labels become one. Two samples at one step: an error, as long as `strict`. */
void vector_merge(struct query *q, const struct steps *s, struct vector *vector);

/* Numbers and marks by label set, in the query's arena; only the stretch that is used takes room. All-zero:
 * empty. */
struct by_labels {
    char *items;
    size_t first, size;
};
/* The item of the label set, zero at first; good until the next call. Of one array all have the same size. */
void *by_labels_at(struct query *q, struct by_labels *array, const struct labels *labels, size_t item_bytes);

/*
 * A node that takes the names off its series. With delayed removal they are only marked. Else the labels
 * change at once, and two samples of one label set at one step end the query (`strict`: two series of one
 * label set do). Series of one label set that have their samples at different steps stay several columns
 * while they are handed on one by one, and become one where they are collected (eval).
 */
struct name_removal {
    struct query *q;
    const struct steps *s;
    bool strict;
    struct by_labels taken; /* union steps_taken */
};
void remove_name(struct name_removal *removal, struct column *column);
/* The labels went without their name already: only looks for two of the same. Not with delayed removal. */
void name_removed(struct name_removal *removal, const struct column *column);
/* The labels that a result has after the name went, or all where removal is delayed. */
const struct labels *without_name(struct query *q, const struct labels *labels);

/*
 * What a node remembers from one evaluation to the next: label sets of the query's table.
 */
struct node_memory {
    /* of a selector: the series that it gave, in order */
    const void *source;
    struct remembered_series {
        uint64_t ref, hash;
        const struct labels *labels, *nameless; /* NULL: not asked for so far */
    } * series;
    size_t series_count, series_capacity;
    struct labels_memo group;  /* of an aggregation: the group; of matching: what decides about it */
    struct labels_memo result; /* of matching: labels of the result where they follow from one side */
};
void node_memory_free(struct node_memory *memory);
/* The labels of the k-th series that a selector gives, in the query's table. */
const struct labels *selected_labels(struct query *q, struct node_memory *memory, size_t k,
                                     const struct source_series *series);
/* The same without its name: what a function of a range gives. */
const struct labels *selected_nameless(struct query *q, struct node_memory *memory, size_t k,
                                       const struct source_series *series);
/* The labels by which an aggregation groups, or a match group is found (its label names in `names`). */
const struct labels *group_labels(struct query *q, struct node_memory *memory, const struct labels *labels,
                                  const struct name_list *names, bool keep);

/* Output columns by label set. In an instant query with delayed removal equal label sets stay apart until the
 * end. */
struct output {
    struct query *q;
    const struct steps *s;
    struct vector *out;
    struct by_labels index; /* uint32_t: place + 1 */
};
/* Fails where the label set has a sample at that step already. */
void output_put(struct output *output, const struct labels *labels, bool drop_name, size_t step,
                struct sample v);

/* --- evaluation --- */

void eval(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
/* Hands the series on one by one; their arrays are used again unless taken. */
void eval_each(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context);
/* Can the node's series be those that its plan keeps? */
static inline bool is_shared(const struct query *q, const struct steps *s, const struct expr *e)
{
    return e->shared != NULL && q->inner == 0 && s->count == 1 && s->start == q->options->start_ms;
}
/* They, worked out where they are not there yet. Not to be changed. */
const struct vector *shared_series(struct query *q, const struct steps *s, struct expr *e);
/* One of them for a sink, which may change it. */
void copy_shared(struct query *q, const struct steps *s, const struct column *from, struct column *to);
/* The values of a scalar expression, one a step. */
const double *eval_scalar(struct query *q, const struct steps *s, struct expr *e);

void eval_selector(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context);
/* Instant values of given series at `offset`; `times`: the samples' own times (in milliseconds) as values;
 * `starts`: their start timestamps in seconds. */
enum selector_value { SELECT_VALUE, SELECT_TIME_MS, SELECT_TIME, SELECT_START };
void eval_selected(struct query *q, const struct steps *s, const struct source_series *series, size_t count,
                   struct node_memory *memory, bool skip_buckets, int64_t offset_ms, const int64_t *at,
                   enum selector_value value, column_sink sink, void *context);
void eval_timestamp(struct query *q, const struct steps *s, struct expr *call, column_sink sink,
                    void *context);
void eval_subquery(struct query *q, const struct steps *s, struct expr *e, struct steps *ret_steps,
                   struct vector *out);
void eval_range_call(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context);
void eval_call(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context);
void eval_binary(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
void eval_aggregate(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
void eval_aggregate_k(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
void eval_count_values(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
void eval_histogram_function(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
void eval_label_function(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
void eval_sort(struct query *q, const struct steps *s, struct expr *e, struct vector *out);
/* Do all selectors of info()'s argument look at one time? */
bool info_time_is_shared(const struct expr *argument);
void eval_info(struct query *q, const struct steps *s, struct expr *e, struct vector *out);

/* A series of samples, floats and histograms apart, staleness markers left out. */
struct split_samples {
    const int64_t *float_t, *float_st;
    const double *f;
    size_t float_count;
    const int64_t *histogram_t, *histogram_st;
    struct histogram *const *h;
    size_t histogram_count;
    bool no_falls; /* as in series_samples */
};
void split_samples(struct arena *arena, const struct series_samples *in, struct split_samples *out);
/* The samples of the series that an EXPR_MATRIX selects, one after the other. */
typedef void (*series_sink)(void *context, const struct labels *labels, bool drop_name,
                            const struct split_samples *samples);
void each_series_of_range(struct query *q, const struct steps *s, struct expr *e, series_sink sink,
                          void *context);
/* The same in two steps, for an EXPR_MATRIX of a selector: which series, and one of them. */
struct range_series {
    struct source_series *items;
    size_t count;
    int64_t min_t, max_t; /* what any step may need */
};
void find_range_series(struct query *q, const struct steps *s, const struct expr *e,
                       struct range_series *ret);
void read_range_series(struct query *q, const struct expr *e, const struct range_series *series, size_t k,
                       series_sink sink, void *context);

/* What a range at the top of an instant query shows: its own samples, with borders made up where it is
 * extended. */
void cut_to_range(struct query *q, const struct expr *e, int64_t time_ms, struct split_samples *samples);

/* --- shared arithmetic --- */

/* An infinity on its side wins, then NaN. */
double go_max(double a, double b);
double go_min(double a, double b);
/* Sorts the values. */
double quantile_of(double q, double *values, size_t n);
struct histogram *interpolate_histograms(struct query *q, struct histogram *a, int64_t ta,
                                         struct histogram *b, int64_t tb, int64_t t, bool counter,
                                         struct sv metric, int32_t at);
double interpolate_floats(double a, int64_t ta, double b, int64_t tb, int64_t t, bool counter);
/* Float samples of an anchored or smoothed range, with its borders made up. */
size_t extend_floats(const int64_t *t, const double *f, size_t n, int64_t min_t, int64_t max_t, bool smoothed,
                     int64_t *ret_t, double *ret_f);
struct sv metric_name(const struct labels *labels);
/* What the matchers of a selector or range say about a series that is not there. */
const struct labels *absent_labels(struct query *q, const struct expr *e);
static inline int64_t to_ms(int64_t ns)
{
    return ns / 1000000;
}

/* --- before evaluation --- */

/* Folds start(), end(), step() and range(), works out duration expressions and @, marks what is the same at
 * every step. Returns the new root. */
struct expr *preprocess(struct query *q, struct expr *e);
void set_effective_offsets(int64_t eval_time_ms, struct expr *e);
bool function_changes_with_time(int id); /* so that @ does not make a call the same at every step */

#endif
