/*
 * Aggregations over series: sum, avg, …, topk, sort.
 */
#include "query/metric_priv.h"

#include <math.h>
#include <stdlib.h>

struct moments {
    double n, sum, low, high, mean, squares;
};

static void moments_add(struct moments *m, double v)
{
    m->low = m->n == 0 ? v : fmin(m->low, v);
    m->high = m->n == 0 ? v : fmax(m->high, v);
    m->n++;
    m->sum += v;
    double delta = v - m->mean;
    m->mean += delta / m->n;
    m->squares += delta * (v - m->mean);
}

static double moments_value(const struct moments *m, enum logql_aggregate_op op)
{
    switch (op) {
    case AGGREGATE_AVG:
        return m->mean;
    case AGGREGATE_MIN:
        return m->low;
    case AGGREGATE_MAX:
        return m->high;
    case AGGREGATE_COUNT:
        return m->n;
    case AGGREGATE_STDDEV:
        return sqrt(m->squares / m->n);
    case AGGREGATE_STDVAR:
        return m->squares / m->n;
    default:
        return m->sum;
    }
}

static int group_all(struct series_set *set, const struct logql_expr *expr, const struct query_matrix *of,
                     size_t *groups, struct err *err)
{
    struct query_label labels[QUERY_LABELS_MAX];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < of->count; i++) {
        size_t n =
            logql_group_labels(&expr->grouping, of->series[i].labels, of->series[i].label_count, labels);
        rc = series_set_put(set, labels, n, &groups[i], err);
    }
    return rc;
}

static void combine(const struct evaluation *run, const struct logql_expr *expr,
                    const struct query_matrix *of, const size_t *groups, struct series_set *set)
{
    struct moments *moments = tc_alloc((set->count + 1) * sizeof *moments);
    for (size_t k = 0; k < run->steps; k++) {
        memset(moments, 0, set->count * sizeof *moments);
        for (size_t i = 0; i < of->count; i++)
            if (of->series[i].present[k])
                moments_add(&moments[groups[i]], of->series[i].values[k]);
        for (size_t g = 0; g < set->count; g++) {
            set->series[g].present[k] = moments[g].n > 0;
            set->series[g].values[k] = moments[g].n > 0 ? moments_value(&moments[g], expr->aggregate_op) : 0;
        }
    }
    free(moments);
}

struct ranked {
    size_t group, series;
    double value; /* the first in order is wanted most */
};
static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->series < y->series ? -1 : x->series > y->series;
}

static void select_best(const struct evaluation *run, const struct logql_expr *expr,
                        const struct query_matrix *of, const size_t *groups, struct query_matrix *ret)
{
    double sign = expr->aggregate_op == AGGREGATE_TOPK ? 1 : -1;
    struct ranked *ranked = tc_alloc((of->count + 1) * sizeof *ranked);
    *ret = (struct query_matrix){.steps = run->steps, .count = of->count};
    ret->series = ARENA_ARRAY(run->arena, struct query_series, of->count + 1);
    for (size_t i = 0; i < of->count; i++) {
        ret->series[i] = of->series[i];
        ret->series[i].present = ARENA_ARRAY(run->arena, uint8_t, run->steps);
    }
    for (size_t k = 0; k < run->steps; k++) {
        size_t n = 0, taken = 0;
        for (size_t i = 0; i < of->count; i++)
            if (of->series[i].present[k])
                ranked[n++] = (struct ranked){groups[i], i, sign * of->series[i].values[k]};
        qsort(ranked, n, sizeof *ranked, by_rank);
        for (size_t i = 0; i < n; i++) {
            taken = i > 0 && ranked[i].group == ranked[i - 1].group ? taken + 1 : 0;
            ret->series[ranked[i].series].present[k] = taken < (size_t)expr->number;
        }
    }
    free(ranked);
}

static void sort_series(const struct logql_expr *expr, const struct query_matrix *of, struct evaluation *run,
                        struct query_matrix *ret)
{
    double sign = expr->aggregate_op == AGGREGATE_SORT_DESC ? 1 : -1;
    struct ranked *ranked = tc_alloc((of->count + 1) * sizeof *ranked);
    *ret = *of;
    ret->series = ARENA_ARRAY(run->arena, struct query_series, of->count + 1);
    for (size_t i = 0; i < of->count; i++)
        ranked[i] = (struct ranked){0, i, sign * of->series[i].values[run->steps - 1]};
    qsort(ranked, of->count, sizeof *ranked, by_rank);
    for (size_t i = 0; i < of->count; i++)
        ret->series[i] = of->series[ranked[i].series];
    free(ranked);
}

int aggregate_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *of,
                       struct query_matrix *ret, struct err *err)
{
    if (expr->aggregate_op >= AGGREGATE_SORT) {
        sort_series(expr, of, run, ret);
        return 0;
    }
    struct series_set set;
    size_t *groups = tc_alloc((of->count + 1) * sizeof *groups);
    series_set_init(&set, run);
    int rc = group_all(&set, expr, of, groups, err);
    if (rc == 0 && expr->aggregate_op >= AGGREGATE_TOPK) {
        select_best(run, expr, of, groups, ret);
    } else if (rc == 0) {
        combine(run, expr, of, groups, &set);
        *ret = (struct query_matrix){.steps = run->steps, .count = set.count, .series = set.series};
    }
    series_set_free(&set);
    free(groups);
    return rc;
}

int replace_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *of,
                     struct query_matrix *ret, struct err *err)
{
    struct query_label labels[QUERY_LABELS_MAX + 1];
    struct series_set set;
    struct buf text;
    int rc = 0;
    series_set_init(&set, run);
    buf_init(&text, 64 << 10);
    for (size_t i = 0; rc == 0 && i < of->count; i++) {
        const struct query_series *series = &of->series[i];
        struct sv source = series_label(series, expr->replace[2]);
        bool matches = re2_matches(expr->re, source);
        size_t n = 0, at;
        for (size_t k = 0; k < series->label_count; k++)
            if (!matches || !sv_eq(series->labels[k].name, expr->replace[0]))
                labels[n++] = series->labels[k];
        buf_clear(&text);
        if (matches)
            re2_replace_all(expr->re, source, expr->replace[1], &text);
        if (matches && text.n > 0 && n < QUERY_LABELS_MAX) {
            for (at = n++; at > 0 && sv_cmp(labels[at - 1].name, expr->replace[0]) > 0; at--)
                labels[at] = labels[at - 1];
            labels[at] = (struct query_label){expr->replace[0], buf_view(&text)};
        }
        size_t before = set.count;
        rc = series_set_put(&set, labels, n, &at, err);
        if (rc == 0 && set.count == before)
            rc = err_set(err, TC_EINPUT, "label_replace makes two series of the same labels");
        if (rc == 0) {
            memcpy(set.series[at].values, series->values, run->steps * sizeof(double));
            memcpy(set.series[at].present, series->present, run->steps);
        }
    }
    *ret = (struct query_matrix){.steps = run->steps, .count = set.count, .series = set.series};
    buf_free(&text);
    series_set_free(&set);
    return rc;
}
