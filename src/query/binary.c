/*
 * Operations between two vectors, or a vector and a number, as Prometheus defines them: series meet by their
 * labels, one to one, or many to one with group_left and group_right.
 */
#include "query/line.h"
#include "query/metric_priv.h"

#include <math.h>

static double apply(enum logql_op op, double a, double b)
{
    switch (op) {
    case LOGQL_ADD:
        return a + b;
    case LOGQL_SUB:
        return a - b;
    case LOGQL_MUL:
        return a * b;
    case LOGQL_DIV:
        return b == 0 ? (double)NAN : a / b;
    case LOGQL_MOD:
        return b == 0 ? (double)NAN : fmod(a, b);
    case LOGQL_POW:
        return pow(a, b);
    default:
        return query_compare(op, a, b);
    }
}

static bool is_comparison(enum logql_op op)
{
    return op == LOGQL_EQ || op == LOGQL_NEQ || (op >= LOGQL_GT && op <= LOGQL_LTE);
}

/* One step of one pair; `kept` is what a comparison without bool leaves. */
static void step(const struct logql_expr *expr, double a, double b, double kept, struct query_series *out,
                 size_t k)
{
    double v = apply(expr->op, a, b);
    bool filters = is_comparison(expr->op) && !expr->return_bool;
    if (out->present[k] || (filters && v == 0))
        return;
    out->present[k] = 1;
    out->values[k] = filters ? kept : v;
}

static int with_scalar(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *left,
                       const struct query_matrix *right, struct query_matrix *ret, struct err *err)
{
    bool both = left->is_scalar && right->is_scalar;
    const struct query_matrix *vector = left->is_scalar && !both ? right : left;
    struct series_set set;
    int rc = 0;
    series_set_init(&set, run);
    for (size_t i = 0; rc == 0 && i < vector->count; i++) {
        const struct query_series *series = &vector->series[i];
        size_t at;
        rc = series_set_put(&set, series->labels, series->label_count, &at, err);
        for (size_t k = 0; rc == 0 && k < run->steps; k++) {
            double a = left->is_scalar ? left->series[0].values[k] : series->values[k];
            double b = right->is_scalar ? right->series[0].values[k] : series->values[k];
            if (series->present[k] && both && is_comparison(expr->op)) {
                set.series[at].present[k] = 1;
                set.series[at].values[k] = apply(expr->op, a, b);
            } else if (series->present[k]) {
                step(expr, a, b, series->values[k], &set.series[at], k);
            }
        }
    }
    *ret = (struct query_matrix){
        .steps = run->steps, .count = set.count, .series = set.series, .is_scalar = both};
    series_set_free(&set);
    return rc;
}

/* The labels by which a series meets others. */
static size_t signature(const struct logql_expr *expr, const struct query_series *series,
                        struct query_label out[QUERY_LABELS_MAX])
{
    struct logql_grouping grouping = expr->matching;
    grouping.without = !expr->on;
    return logql_group_labels(&grouping, series->labels, series->label_count, out);
}

struct sides {
    struct evaluation *run;
    const struct logql_expr *expr;
    struct series_set signatures;
    size_t *left, *right; /* number of each series' signature */
};

static int sign(struct sides *s, const struct query_matrix *of, size_t **ret, struct err *err)
{
    struct query_label labels[QUERY_LABELS_MAX];
    int rc = 0;
    *ret = ARENA_ARRAY(s->run->arena, size_t, of->count + 1);
    for (size_t i = 0; rc == 0 && i < of->count; i++)
        rc = series_set_put(&s->signatures, labels, signature(s->expr, &of->series[i], labels), &(*ret)[i],
                            err);
    return rc;
}

/* Signatures present at a step, one side. */
static void mark(const struct sides *s, const struct query_matrix *of, const size_t *signatures, size_t k,
                 uint8_t *marks)
{
    memset(marks, 0, s->signatures.count);
    for (size_t i = 0; i < of->count; i++)
        marks[signatures[i]] |= of->series[i].present[k];
}

static int copy_side(const struct sides *s, struct series_set *set, const struct query_matrix *of,
                     const size_t *signatures, const uint8_t *marks, bool wanted, size_t k, struct err *err)
{
    size_t at;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < of->count; i++) {
        const struct query_series *series = &of->series[i];
        if (!series->present[k] || (marks != NULL && (marks[signatures[i]] != 0) != wanted))
            continue;
        rc = series_set_put(set, series->labels, series->label_count, &at, err);
        if (rc == 0) {
            set->series[at].present[k] = 1;
            set->series[at].values[k] = series->values[k];
        }
    }
    (void)s;
    return rc;
}

static int set_operation(struct sides *s, const struct query_matrix *left, const struct query_matrix *right,
                         struct series_set *set, struct err *err)
{
    uint8_t *marks = ARENA_ARRAY(s->run->arena, uint8_t, s->signatures.count + 1);
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < s->run->steps; k++) {
        bool is_or = s->expr->op == LOGQL_OR;
        mark(s, is_or ? left : right, is_or ? s->left : s->right, k, marks);
        rc = copy_side(s, set, left, s->left, is_or ? NULL : marks, s->expr->op == LOGQL_AND, k, err);
        if (rc == 0 && is_or)
            rc = copy_side(s, set, right, s->right, marks, false, k, err);
    }
    return rc;
}

/* Labels of what a pair gives. */
static size_t result_labels(const struct logql_expr *expr, const struct query_series *many,
                            const struct query_series *one, struct query_label out[QUERY_LABELS_MAX + 1])
{
    if (expr->cardinality == LOGQL_ONE_TO_ONE && expr->matching.given)
        return signature(expr, many, out);
    size_t n = 0;
    for (size_t i = 0; i < many->label_count; i++)
        out[n++] = many->labels[i];
    for (size_t i = 0; i < expr->include.count; i++) {
        struct query_label label = {expr->include.labels[i], series_label(one, expr->include.labels[i])};
        size_t at = 0;
        while (at < n && sv_cmp(out[at].name, label.name) < 0)
            at++;
        bool there = at < n && sv_eq(out[at].name, label.name);
        if (there)
            memmove(&out[at], &out[at + 1], (--n - at) * sizeof out[0]);
        if (label.value.n == 0 || n >= QUERY_LABELS_MAX)
            continue;
        memmove(&out[at + 1], &out[at], (n++ - at) * sizeof out[0]);
        out[at] = label;
    }
    return n;
}

static int clash(const char *side, struct err *err)
{
    return err_set(err, TC_EINPUT,
                   "found duplicate series for the match group on the %s side of the operation: name labels "
                   "in on(…) that tell them apart, or use group_left or group_right",
                   side);
}

/* One step: `one` gives at most one series a signature, `many` any number (with grouping) or one. */
static int pair_step(struct sides *s, const struct query_matrix *many, const size_t *many_signatures,
                     const struct query_matrix *one, const size_t *one_signatures, size_t k, size_t *chosen,
                     struct series_set *set, struct err *err)
{
    struct query_label labels[QUERY_LABELS_MAX + 1];
    bool swapped = s->expr->cardinality == LOGQL_GROUP_RIGHT;
    uint8_t *seen = (uint8_t *)(chosen + s->signatures.count);
    memset(chosen, 0, s->signatures.count * sizeof *chosen);
    memset(seen, 0, s->signatures.count);
    for (size_t i = 0; i < one->count; i++)
        if (one->series[i].present[k]) {
            if (chosen[one_signatures[i]] != 0)
                return clash(swapped ? "left" : "right", err);
            chosen[one_signatures[i]] = i + 1;
        }
    for (size_t i = 0; i < many->count; i++) {
        size_t signature_at = many_signatures[i], at;
        if (!many->series[i].present[k] || chosen[signature_at] == 0)
            continue;
        if (seen[signature_at]++ > 0 && s->expr->cardinality == LOGQL_ONE_TO_ONE)
            return clash("left", err);
        seen[signature_at] = 1;
        const struct query_series *m = &many->series[i], *o = &one->series[chosen[signature_at] - 1];
        int rc = series_set_put(set, labels, result_labels(s->expr, m, o, labels), &at, err);
        if (rc != 0)
            return rc;
        double a = swapped ? o->values[k] : m->values[k], b = swapped ? m->values[k] : o->values[k];
        step(s->expr, a, b, a, &set->series[at], k);
    }
    return 0;
}

static int pair(struct sides *s, const struct query_matrix *left, const struct query_matrix *right,
                struct series_set *set, struct err *err)
{
    bool swapped = s->expr->cardinality == LOGQL_GROUP_RIGHT;
    size_t *chosen = ARENA_ARRAY(s->run->arena, size_t, 2 * s->signatures.count + 1);
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < s->run->steps; k++)
        rc = swapped ? pair_step(s, right, s->right, left, s->left, k, chosen, set, err)
                     : pair_step(s, left, s->left, right, s->right, k, chosen, set, err);
    return rc;
}

int binary_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct query_matrix *left,
                    const struct query_matrix *right, struct query_matrix *ret, struct err *err)
{
    if (left->is_scalar || right->is_scalar)
        return with_scalar(run, expr, left, right, ret, err);
    struct sides s = {.run = run, .expr = expr};
    struct series_set set;
    series_set_init(&s.signatures, run);
    series_set_init(&set, run);
    int rc = sign(&s, left, &s.left, err);
    if (rc == 0)
        rc = sign(&s, right, &s.right, err);
    if (rc == 0)
        rc = expr->op >= LOGQL_AND ? set_operation(&s, left, right, &set, err)
                                   : pair(&s, left, right, &set, err);
    *ret = (struct query_matrix){.steps = run->steps, .count = set.count, .series = set.series};
    series_set_free(&s.signatures);
    series_set_free(&set);
    return rc;
}
