/*
 * Metric queries: the tree is evaluated for all steps at once, from the leaves up.
 */
#include "query/metric_priv.h"

#include <stdlib.h>

void series_set_init(struct series_set *set, struct evaluation *run)
{
    *set = (struct series_set){.run = run};
    map_init(&set->by_key, QUERY_SERIES_MAX);
    buf_init(&set->key, 1 << 20);
}

void series_set_free(struct series_set *set)
{
    map_free(&set->by_key);
    buf_free(&set->key);
}

static void grow(struct series_set *set)
{
    size_t capacity = TC_MAX((size_t)64, 2 * set->capacity);
    struct query_series *series = ARENA_ARRAY(set->run->arena, struct query_series, capacity);
    if (set->count > 0)
        memcpy(series, set->series, set->count * sizeof *series);
    set->series = series;
    set->capacity = capacity;
}

int series_set_put(struct series_set *set, const struct query_label *labels, size_t count, size_t *ret,
                   struct err *err)
{
    struct arena *arena = set->run->arena;
    bool fresh;
    buf_clear(&set->key);
    for (size_t i = 0; i < count; i++) {
        buf_string(&set->key, labels[i].name);
        buf_string(&set->key, labels[i].value);
    }
    uint64_t *at = set->key.overflow ? NULL : map_put(&set->by_key, buf_view(&set->key), &fresh);
    if (at == NULL || (fresh && (set->count + 1) * set->run->steps > QUERY_POINTS_MAX))
        return err_set(err, TC_EBOUND,
                       "maximum number of series (%zu) reached for a single query; consider reducing query "
                       "cardinality by adding more specific stream selectors, reducing the time range, or "
                       "aggregating results with functions like sum, count or topk",
                       set->count);
    if (!fresh) {
        *ret = (size_t)*at;
        return 0;
    }
    *ret = (size_t)(*at = set->count);
    if (set->count == set->capacity)
        grow(set);
    struct query_series *series = &set->series[set->count++];
    series->labels = ARENA_ARRAY(arena, struct query_label, count + 1);
    for (size_t i = 0; i < count; i++)
        series->labels[i] =
            (struct query_label){arena_sv(arena, labels[i].name), arena_sv(arena, labels[i].value)};
    series->label_count = count;
    series->values = ARENA_ARRAY(arena, double, set->run->steps);
    series->present = ARENA_ARRAY(arena, uint8_t, set->run->steps);
    return 0;
}

static bool is_listed(const struct logql_grouping *grouping, struct sv name)
{
    for (size_t i = 0; i < grouping->count; i++)
        if (sv_eq(grouping->labels[i], name))
            return true;
    return false;
}

size_t logql_group_labels(const struct logql_grouping *grouping, const struct query_label *labels,
                          size_t count, struct query_label *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (is_listed(grouping, labels[i].name) != grouping->without)
            out[n++] = labels[i];
    return n;
}

struct sv series_label(const struct query_series *series, struct sv name)
{
    for (size_t i = 0; i < series->label_count; i++)
        if (sv_eq(series->labels[i].name, name))
            return series->labels[i].value;
    return (struct sv){0};
}

static int evaluate(struct evaluation *run, const struct logql_expr *expr, const struct logql_grouping *group,
                    struct query_matrix *ret, struct err *err);

static int evaluate_constant(struct evaluation *run, const struct logql_expr *expr, struct query_matrix *ret,
                             struct err *err)
{
    struct series_set set;
    size_t at;
    series_set_init(&set, run);
    int rc = series_set_put(&set, NULL, 0, &at, err);
    for (size_t k = 0; rc == 0 && k < run->steps; k++) {
        set.series[0].values[k] = expr->number;
        set.series[0].present[k] = 1;
    }
    *ret = (struct query_matrix){.steps = run->steps,
                                 .count = set.count,
                                 .series = set.series,
                                 .is_scalar = expr->kind == LOGQL_NUMBER};
    series_set_free(&set);
    return rc;
}

/* A sum of counts is a count: the grouping goes down to where the lines are. */
static const struct logql_grouping *pushed_down(const struct logql_expr *expr)
{
    const struct logql_expr *of = expr->left;
    bool adds = of->kind == LOGQL_RANGE && !of->unwraps && of->range_op <= RANGE_BYTES_RATE;
    return expr->aggregate_op == AGGREGATE_SUM && adds ? &expr->grouping : NULL;
}

static int evaluate_inner(struct evaluation *run, const struct logql_expr *expr, struct query_matrix *ret,
                          struct err *err)
{
    struct query_matrix left = {0}, right = {0};
    const struct logql_grouping *group = expr->kind == LOGQL_AGGREGATE ? pushed_down(expr) : NULL;
    int rc = evaluate(run, expr->left, group, group != NULL ? ret : &left, err);
    if (rc != 0 || group != NULL)
        return rc;
    if (expr->kind == LOGQL_AGGREGATE)
        return aggregate_evaluate(run, expr, &left, ret, err);
    if (expr->kind == LOGQL_REPLACE)
        return replace_evaluate(run, expr, &left, ret, err);
    rc = evaluate(run, expr->right, NULL, &right, err);
    return rc != 0 ? rc : binary_evaluate(run, expr, &left, &right, ret, err);
}

static int evaluate(struct evaluation *run, const struct logql_expr *expr, const struct logql_grouping *group,
                    struct query_matrix *ret, struct err *err)
{
    if (expr->kind == LOGQL_RANGE)
        return range_evaluate(run, expr, group, ret, err);
    if (expr->kind == LOGQL_NUMBER || expr->kind == LOGQL_VECTOR)
        return evaluate_constant(run, expr, ret, err);
    return evaluate_inner(run, expr, ret, err);
}

static int by_labels(const void *a, const void *b)
{
    const struct query_series *x = a, *y = b;
    for (size_t i = 0; i < x->label_count && i < y->label_count; i++) {
        int c = sv_cmp(x->labels[i].name, y->labels[i].name);
        if (c == 0)
            c = sv_cmp(x->labels[i].value, y->labels[i].value);
        if (c != 0)
            return c;
    }
    return (x->label_count > y->label_count) - (x->label_count < y->label_count);
}

int query_metric(const struct query_source *source, const struct logql *query, int64_t start_ns,
                 int64_t end_ns, int64_t step_ns, struct query_matrix *ret, struct query_scan_stats *stats,
                 struct err *err)
{
    struct arena arena = {0};
    struct query_matrix made = {0};
    if (end_ns < start_ns || step_ns <= 0)
        return err_set(err, TC_EINPUT, "the end is before the start, or the step is not positive");
    if (start_ns < -QUERY_TIME_MAX_NS || end_ns > QUERY_TIME_MAX_NS)
        return err_set(err, TC_EINPUT, "the time is too far from now");
    if ((uint64_t)(end_ns - start_ns) / (uint64_t)step_ns >= QUERY_STEPS_MAX)
        return err_set(err, TC_EINPUT,
                       "exceeded maximum resolution of %d points per time series. Try increasing the value "
                       "of the step parameter",
                       QUERY_STEPS_MAX);
    struct evaluation run = {.source = source,
                             .query = query,
                             .start_ns = start_ns,
                             .step_ns = step_ns,
                             .steps = (size_t)((end_ns - start_ns) / step_ns) + 1,
                             .arena = &arena,
                             .stats = stats};
    int rc = evaluate(&run, query->root, NULL, &made, err);
    if (rc != 0) {
        arena_free(&arena);
        return rc;
    }
    bool sorted = query->root->kind == LOGQL_AGGREGATE && query->root->aggregate_op >= AGGREGATE_SORT;
    if (!sorted && made.count > 1)
        qsort(made.series, made.count, sizeof made.series[0], by_labels);
    made.arena = arena;
    *ret = made;
    return 0;
}

void query_matrix_free(struct query_matrix *matrix)
{
    arena_free(&matrix->arena);
    *matrix = (struct query_matrix){0};
}
