/*
 * Aggregations that choose samples: topk, bottomk, limitk, limit_ratio.
 */
#include "metrics/promql/eval_priv.h"

#include "base/go_text.h"

#include <math.h>

struct chosen {
    double f;
    uint32_t series;
};

struct heap;

struct choice {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    struct vector in;
    uint32_t *group; /* per series */
    size_t group_count;
    double *offset;     /* per series: where it lies for limit_ratio, 0 to 1 */
    struct heap *heaps; /* per group, with room for all of its series */
    struct vector *out;
    uint32_t *column; /* per series, its column in `out`, + 1 */
};

static void find_groups(struct choice *c)
{
    struct query *q = c->q;
    const struct labels **keys = ARENA_ARRAY(q->arena, const struct labels *, c->in.n + 1);
    for (size_t k = 0; k < c->in.n; k++)
        keys[k] = group_labels(q, c->e->memory, c->in.items[k].labels, &c->e->grouping, !c->e->without);
    struct by_labels index = {0}; /* uint32_t: number + 1 */
    c->group = ARENA_ARRAY(q->arena, uint32_t, c->in.n + 1);
    for (size_t k = 0; k < c->in.n; k++) {
        uint32_t *at = by_labels_at(q, &index, keys[k], sizeof *at);
        if (*at == 0)
            *at = (uint32_t)++c->group_count;
        c->group[k] = *at - 1;
    }
}

/* A group's choice at one step: a heap with the sample on top that goes first when a better one comes. Which
 * of equal samples stay follows from the order in which a binary heap moves them, so the heap's steps are
 * part of the result. */
struct heap {
    struct chosen *items;
    size_t n, room;
};

static bool goes_before(const struct choice *c, const struct chosen *a, const struct chosen *b)
{
    if (isnan(a->f))
        return true;
    return c->e->op == TOKEN_BOTTOMK ? a->f > b->f : a->f < b->f;
}

static void swap(struct chosen *a, struct chosen *b)
{
    struct chosen t = *a;
    *a = *b;
    *b = t;
}

static void heap_push(const struct choice *c, struct heap *h, struct chosen item)
{
    size_t i = h->n++;
    h->items[i] = item;
    while (i > 0 && goes_before(c, &h->items[i], &h->items[(i - 1) / 2])) {
        swap(&h->items[i], &h->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static void heap_replace_top(const struct choice *c, struct heap *h, struct chosen item)
{
    h->items[0] = item;
    for (size_t i = 0, child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && goes_before(c, &h->items[child + 1], &h->items[child]))
            child++;
        if (!goes_before(c, &h->items[child], &h->items[i]))
            break;
        swap(&h->items[i], &h->items[child]);
    }
}

/* The best first, NaN last. */
static void heap_sort(const struct choice *c, struct heap *h)
{
    for (size_t i = 1; i < h->n; i++)
        for (size_t j = i; j > 0 && goes_before(c, &h->items[j - 1], &h->items[j]); j--)
            swap(&h->items[j - 1], &h->items[j]);
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

static void choose(const struct choice *c, struct heap *h, struct chosen item, int64_t k)
{
    bool ranked = c->e->op == TOKEN_TOPK || c->e->op == TOKEN_BOTTOMK;
    if ((int64_t)h->n < k)
        heap_push(c, h, item);
    else if (ranked && (c->e->op == TOKEN_TOPK ? h->items[0].f < item.f : h->items[0].f > item.f))
        heap_replace_top(c, h, item);
    else if (ranked && isnan(h->items[0].f) && !isnan(item.f))
        heap_replace_top(c, h, item);
}

static void choose_step(struct choice *c, size_t step, double parameter)
{
    enum token_kind op = c->e->op;
    bool ranked = op == TOKEN_TOPK || op == TOKEN_BOTTOMK;
    double ratio = fmax(-1, fmin(1, parameter));
    int64_t k = op == TOKEN_LIMIT_RATIO ? INT64_MAX : TC_MIN((int64_t)parameter, (int64_t)c->in.n);
    if (k < 1 || (op == TOKEN_LIMIT_RATIO && ratio == 0))
        return;
    for (size_t g = 0; g < c->group_count; g++)
        c->heaps[g].n = 0;
    for (uint32_t i = 0; i < c->in.n; i++) {
        const struct column *column = &c->in.items[i];
        if (column->kind[step] == SAMPLE_NONE)
            continue;
        if (ranked && column->kind[step] == SAMPLE_HISTOGRAM)
            info_ignored_in(c->q, token_text(op), c->e->start);
        else if (op != TOKEN_LIMIT_RATIO || sampled(ratio, c->offset[i]))
            choose(c, &c->heaps[c->group[i]],
                   (struct chosen){column->kind[step] == SAMPLE_FLOAT ? column->f[step] : 0, i}, k);
    }
    for (size_t g = 0; g < c->group_count; g++) {
        if (ranked)
            heap_sort(c, &c->heaps[g]);
        for (size_t i = 0; i < c->heaps[g].n; i++)
            put(c, c->heaps[g].items[i].series, step);
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
    c.heaps = ARENA_ARRAY(q->arena, struct heap, c.group_count + 1);
    for (size_t k = 0; k < c.in.n; k++)
        c.heaps[c.group[k]].room++;
    for (size_t g = 0; g < c.group_count; g++)
        c.heaps[g].items = ARENA_ARRAY(q->arena, struct chosen, c.heaps[g].room);
    c.column = ARENA_ARRAY(q->arena, uint32_t, c.in.n + 1);
    c.offset = ARENA_ARRAY(q->arena, double, c.in.n + 1);
    for (size_t k = 0; k < c.in.n && e->op == TOKEN_LIMIT_RATIO; k++)
        c.offset[k] = (double)labels_sampling_hash(c.in.items[k].labels) / 0x1p64;
    for (size_t i = 0; i < s->count; i++) {
        query_tick(q);
        choose_step(&c, i, parameter[i]);
    }
}
