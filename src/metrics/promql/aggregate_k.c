/*
 * Aggregations that choose samples: topk, bottomk, limitk, limit_ratio.
 */
#include "metrics/promql/eval_priv.h"

#include "metrics/go_text.h"

#include <math.h>
#include <stdlib.h>

struct chosen {
    double f;
    uint32_t series;
    uint32_t group;
    uint32_t order; /* of arrival */
};

struct choice {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    struct vector in;
    uint32_t *group; /* per series */
    size_t group_count;
    double *offset; /* per series: where it lies for limit_ratio, 0 to 1 */
    struct chosen *all;
    struct vector *out;
    uint32_t *column; /* per series, its column in `out`, + 1 */
};

static void find_groups(struct choice *c)
{
    struct query *q = c->q;
    const struct name_list *by = &c->e->grouping;
    const struct labels **keys = ARENA_ARRAY(q->arena, const struct labels *, c->in.n + 1);
    for (size_t k = 0; k < c->in.n; k++)
        keys[k] = c->e->without ? labels_drop(q->labels, c->in.items[k].labels, by->items, by->n, true)
                                : labels_keep(q->labels, c->in.items[k].labels, by->items, by->n);
    uint32_t *index = ARENA_ARRAY(q->arena, uint32_t, q->labels->used + 1);
    c->group = ARENA_ARRAY(q->arena, uint32_t, c->in.n + 1);
    for (size_t k = 0; k < c->in.n; k++) {
        uint32_t *at = &index[keys[k]->id];
        if (*at == 0)
            *at = (uint32_t)++c->group_count;
        c->group[k] = *at - 1;
    }
}

/* The best first; NaN last; equal ones by arrival. */
static int by_value(const struct chosen *x, const struct chosen *y, bool top)
{
    if (isnan(x->f) != isnan(y->f))
        return isnan(x->f) ? 1 : -1;
    if (x->f != y->f && !isnan(x->f))
        return (x->f > y->f) == top ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static int by_group(const struct chosen *x, const struct chosen *y)
{
    return x->group != y->group ? (x->group < y->group ? -1 : 1) : 0;
}

static int order_top(const void *a, const void *b)
{
    int c = by_group(a, b);
    return c != 0 ? c : by_value(a, b, true);
}

static int order_bottom(const void *a, const void *b)
{
    int c = by_group(a, b);
    return c != 0 ? c : by_value(a, b, false);
}

static int order_arrival(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;
    int c = by_group(x, y);
    return c != 0 ? c : (x->order < y->order ? -1 : 1);
}

static void put(struct choice *c, uint32_t series, size_t step)
{
    const struct column *from = &c->in.items[series];
    if (c->column[series] == 0) {
        struct column *made = vector_add(c->q, c->out);
        column_init(c->q, c->s, made, from->labels);
        made->drop_name = from->drop_name;
        c->column[series] = (uint32_t)c->out->n;
    }
    column_put(c->q, c->s, &c->out->items[c->column[series] - 1], step, column_get(from, step));
}

static bool sampled(double ratio, double offset)
{
    return ratio >= 0 ? offset < ratio : offset >= 1 + ratio;
}

static void choose_step(struct choice *c, size_t step, double parameter)
{
    enum token_kind op = c->e->op;
    bool ranked = op == TOKEN_TOPK || op == TOKEN_BOTTOMK;
    double ratio = fmax(-1, fmin(1, parameter));
    int64_t k = op == TOKEN_LIMIT_RATIO ? INT64_MAX : TC_MIN((int64_t)parameter, (int64_t)c->in.n);
    size_t n = 0;
    if (k < 1 || (op == TOKEN_LIMIT_RATIO && ratio == 0))
        return;
    for (uint32_t i = 0; i < c->in.n; i++) {
        const struct column *column = &c->in.items[i];
        if (column->kind[step] == SAMPLE_NONE)
            continue;
        if (ranked && column->kind[step] == SAMPLE_HISTOGRAM)
            info_ignored_in(c->q, token_text(op), c->e->start);
        else if (op != TOKEN_LIMIT_RATIO || sampled(ratio, c->offset[i]))
            c->all[n++] = (struct chosen){column->f[step], i, c->group[i], i};
    }
    qsort(c->all, n, sizeof c->all[0],
          op == TOKEN_TOPK      ? order_top
          : op == TOKEN_BOTTOMK ? order_bottom
                                : order_arrival);
    int64_t taken = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || c->all[i].group != c->all[i - 1].group)
            taken = 0;
        if (taken++ < k)
            put(c, c->all[i].series, step);
    }
}

static void print_float(struct query *q, const char *what, double v, const char *how)
{
    struct buf b = {.p = arena_alloc(q->arena, 64), .capacity = 64, .max_bytes = 64};
    go_float_g(&b, v);
    query_fail(q, "%s %.*s %s", what, SV_FMT(buf_view(&b)), how);
}

static void warn_ratio(struct choice *c, double ratio, const char *limit)
{
    struct buf b = {.p = arena_alloc(c->q->arena, 64), .capacity = 64, .max_bytes = 64};
    go_float_g(&b, ratio);
    annotate_warning(c->q, c->e->right->start,
                     "ratio value should be between -1 and 1, got %.*s, capping to %s", SV_FMT(buf_view(&b)),
                     limit);
}

/* False where nothing can be chosen. */
static bool check_parameter(struct choice *c, const double *parameter)
{
    double least = INFINITY, most = -INFINITY;
    bool nan = false;
    for (size_t i = 0; i < c->s->count; i++) {
        nan |= isnan(parameter[i]);
        least = fmin(least, parameter[i]);
        most = fmax(most, parameter[i]);
    }
    if (c->e->op == TOKEN_LIMIT_RATIO) {
        if (nan)
            query_fail(c->q, "Ratio value is NaN");
        if (most > 1)
            warn_ratio(c, most, "1");
        if (least < -1)
            warn_ratio(c, least, "-1");
        return least != 0 || most != 0;
    }
    if (nan)
        query_fail(c->q, "Parameter value is NaN");
    if (most < 1)
        return false;
    if (least <= -0x1p63)
        print_float(c->q, "Scalar value", least, "underflows int64");
    if (most >= 0x1p63)
        print_float(c->q, "Scalar value", most, "overflows int64");
    return true;
}

void eval_aggregate_k(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    struct choice c = {.q = q, .s = s, .e = e, .out = out};
    const double *parameter = eval_scalar(q, s, e->right);
    eval(q, s, e->left, &c.in);
    if (!check_parameter(&c, parameter))
        return;
    find_groups(&c);
    c.all = ARENA_ARRAY(q->arena, struct chosen, c.in.n + 1);
    c.column = ARENA_ARRAY(q->arena, uint32_t, c.in.n + 1);
    c.offset = ARENA_ARRAY(q->arena, double, c.in.n + 1);
    for (size_t k = 0; k < c.in.n && e->op == TOKEN_LIMIT_RATIO; k++)
        c.offset[k] = (double)labels_sampling_hash(c.in.items[k].labels) / 0x1p64;
    for (size_t i = 0; i < s->count; i++) {
        query_tick(q);
        choose_step(&c, i, parameter[i]);
    }
}
