/*
 * The evaluator's core: columns, and which part evaluates which node.
 */
#include "metrics/promql/eval_priv.h"

#include "metrics/grow.h"
#include "metrics/promql/lanes.h"

#include <math.h>
#include <stdlib.h>

#define SAME_LABELSET "vector cannot contain metrics with the same labelset"

/* --- columns --- */

void column_init(struct query *q, const struct steps *s, struct column *c, const struct labels *labels)
{
    query_hold(q, s->count);
    *c = (struct column){.labels = labels};
    size_t room = lanes_room(s->count);
    c->f = arena_alloc(q->arena, room * (sizeof(double) + 1));
    c->kind = (uint8_t *)(c->f + room);
}

void column_reset(struct query *q, const struct steps *s, struct column *c, const struct labels *labels)
{
    if (c->taken || c->f == NULL) {
        column_init(q, s, c, labels);
        return;
    }
    c->labels = labels;
    c->drop_name = false;
    c->lent = 0;
    memset(c->kind, 0, s->count);
}

void column_put(struct query *q, const struct steps *s, struct column *c, size_t step, struct sample sample)
{
    if (sample.h == NULL) {
        c->kind[step] = SAMPLE_FLOAT;
        c->f[step] = sample.f;
        return;
    }
    if (c->h == NULL)
        c->h = ARENA_ARRAY(q->arena, struct histogram *, s->count);
    query_hold(q, histogram_size(sample.h));
    c->kind[step] = SAMPLE_HISTOGRAM;
    c->h[step] = sample.h;
}

size_t column_points(const struct steps *s, const struct column *c)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += c->kind[i] != SAMPLE_NONE;
    return n;
}

struct column *vector_add(struct query *q, struct vector *v)
{
    v->items = grow(q->arena, v->items, v->n, &v->capacity, sizeof *v->items);
    v->items[v->n] = (struct column){0};
    return &v->items[v->n++];
}

/* Histograms of neighbouring steps are often one. */
static void keep_histograms(struct query *q, struct column *c)
{
    struct histogram *lent = NULL, *copy = NULL;
    for (size_t i = 0; i < c->lent; i++) {
        if (c->kind[i] != SAMPLE_HISTOGRAM)
            continue;
        if (c->h[i] != lent) {
            lent = c->h[i];
            copy = histogram_copy(q->arena, lent);
        }
        c->h[i] = copy;
    }
    c->lent = 0;
}

void collect(void *context, struct column *c)
{
    struct collector *collector = context;
    if (c->lent > 0 && c->h != NULL)
        keep_histograms(collector->q, c);
    c->taken = true;
    struct column *kept = vector_add(collector->q, collector->out);
    *kept = *c;
    kept->taken = false;
}

static void merge_column(struct query *q, const struct steps *s, struct column *into,
                         const struct column *from)
{
    for (size_t i = 0; i < s->count; i++) {
        if (from->kind[i] == SAMPLE_NONE)
            continue;
        if (into->kind[i] != SAMPLE_NONE)
            query_fail(q, SAME_LABELSET);
        column_put(q, s, into, i, column_get(from, i));
    }
}

void vector_merge(struct query *q, const struct steps *s, struct vector *v)
{
    size_t kept = 0;
    if (v->n < 2)
        return;
    struct by_labels seen = {0}, places = {0};
    bool same = false;
    for (size_t i = 0; i < v->n && !same; i++) {
        bool *at = by_labels_at(q, &seen, v->items[i].labels, sizeof *at);
        same = *at;
        *at = true;
    }
    for (size_t i = 0; same && i < v->n; i++) {
        uint32_t *at = by_labels_at(q, &places, v->items[i].labels, sizeof *at); /* + 1 */
        if (*at == 0) {
            v->items[kept] = v->items[i];
            *at = (uint32_t)++kept;
        } else {
            merge_column(q, s, &v->items[*at - 1], &v->items[i]);
        }
    }
    if (same)
        v->n = kept;
}

const struct labels *without_name(struct query *q, const struct labels *labels)
{
    return q->options->delayed_name_removal ? labels : labels_drop_metadata(q->labels, labels);
}

void *by_labels_at(struct query *q, struct by_labels *array, const struct labels *labels, size_t item_bytes)
{
    size_t first = array->first, size = array->size;
    labels_stretch(labels->id, &first, &size);
    if (size != array->size) {
        char *more = arena_alloc(q->arena, size * item_bytes);
        if (array->size > 0)
            memcpy(more + (array->first - first) * item_bytes, array->items, array->size * item_bytes);
        *array = (struct by_labels){more, first, size};
    }
    return array->items + (labels->id - first) * item_bytes;
}

/* A bit per step. */
union steps_taken {
    uint64_t one; /* of a single step: bit 0, and bit 1 where there is a series */
    uint64_t *many;
};

static uint64_t *steps_taken(struct name_removal *r, const struct labels *labels)
{
    enum { SEEN = 2 };
    static uint64_t known; /* two of one label set are refused: which steps they have is all the same */
    struct query *q = r->q;
    bool single = r->s->count == 1;
    union steps_taken *at = by_labels_at(q, &r->taken, labels, sizeof *at);
    bool seen = single ? at->one != 0 : at->many != NULL;
    if (seen && r->strict)
        query_fail(q, SAME_LABELSET);
    if (seen)
        q->split_series = true;
    else if (single)
        at->one = SEEN;
    else
        at->many = r->strict ? &known : ARENA_ARRAY(q->arena, uint64_t, (r->s->count + 63) / 64);
    return single ? &at->one : at->many;
}

void name_removed(struct name_removal *r, const struct column *c)
{
    uint64_t *taken = steps_taken(r, c->labels);
    for (size_t i = 0; !r->strict && i < r->s->count; i++) {
        uint64_t bit = c->kind[i] != SAMPLE_NONE ? 1ULL << (i % 64) : 0;
        if (taken[i / 64] & bit)
            query_fail(r->q, SAME_LABELSET);
        taken[i / 64] |= bit;
    }
}

void remove_name(struct name_removal *r, struct column *c)
{
    if (r->q->options->delayed_name_removal) {
        c->drop_name = true;
        return;
    }
    c->labels = labels_drop_metadata(r->q->labels, c->labels);
    name_removed(r, c);
}

void output_put(struct output *o, const struct labels *labels, bool drop_name, size_t step, struct sample v)
{
    const struct promql_options *options = o->q->options;
    bool apart = options->delayed_name_removal && options->step_ms == 0 && o->s->count == 1;
    uint32_t *index = by_labels_at(o->q, &o->index, labels, sizeof *index);
    struct column *c;
    if (*index == 0 || apart) {
        c = vector_add(o->q, o->out);
        column_init(o->q, o->s, c, labels);
        c->drop_name = drop_name;
        *index = (uint32_t)o->out->n;
    } else {
        c = &o->out->items[*index - 1];
    }
    if (c->kind[step] != SAMPLE_NONE)
        query_fail(o->q, SAME_LABELSET);
    column_put(o->q, o->s, c, step, v);
}

struct sv metric_name(const struct labels *labels)
{
    return labels_name(labels);
}

double go_max(double a, double b)
{
    if ((isinf(a) && a > 0) || (isinf(b) && b > 0))
        return INFINITY;
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

double go_min(double a, double b)
{
    if ((isinf(a) && a < 0) || (isinf(b) && b < 0))
        return -INFINITY;
    return isnan(a) || isnan(b) ? NAN : fmin(a, b);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

/* NaN is the smallest. */
double quantile_of(double q, double *values, size_t n)
{
    if (n == 0 || isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    qsort(values, n, sizeof *values, by_value);
    double rank = q * (double)(n - 1), lower = fmax(0, floor(rank)), weight = rank - floor(rank);
    double upper = fmin((double)n - 1, lower + 1);
    if (weight == 0)
        return values[(size_t)lower]; /* an infinite neighbour must not make it NaN */
    return values[(size_t)lower] * (1 - weight) + values[(size_t)upper] * weight;
}

/* --- what a prepared query remembers --- */

void node_memory_free(struct node_memory *m)
{
    free(m->series);
    labels_memo_free(&m->group);
    labels_memo_free(&m->result);
    *m = (struct node_memory){0};
}

const struct labels *group_labels(struct query *q, struct node_memory *memory, const struct labels *labels,
                                  const struct name_list *names, bool keep)
{
    const struct labels *made = *labels_memo_at(&memory->group, labels);
    if (made == NULL) {
        made = keep ? labels_keep(q->labels, labels, names->items, names->n)
                    : labels_drop(q->labels, labels, names->items, names->n, true);
        *labels_memo_at(&memory->group, labels) = made;
    }
    return made;
}

/* --- nodes --- */

static void constant(struct query *q, const struct steps *s, double v, column_sink sink, void *context)
{
    struct column c;
    column_init(q, s, &c, labels_empty(q->labels));
    for (size_t i = 0; i < s->count; i++)
        column_put(q, s, &c, i, (struct sample){v, NULL});
    sink(context, &c);
}

struct negation {
    struct query *q;
    const struct steps *s;
    struct name_removal removal;
    column_sink sink;
    void *context;
};

static void negate(void *context, struct column *c)
{
    struct negation *n = context;
    for (size_t i = 0; i < n->s->count; i++) {
        c->f[i] = -c->f[i];
        if (c->kind[i] == SAMPLE_HISTOGRAM) {
            c->h[i] = histogram_copy(n->q->arena, c->h[i]);
            histogram_multiply(c->h[i], -1);
        }
    }
    remove_name(&n->removal, c);
    n->sink(n->context, c);
}

/* The one value of each series, at every step. */
static void eval_once(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context)
{
    struct steps single = {s->start, s->start, s->interval, 1};
    struct vector v = {0};
    eval(q, &single, e->left, &v);
    for (size_t k = 0; k < v.n; k++) {
        struct column c;
        if (v.items[k].kind[0] == SAMPLE_NONE)
            continue;
        column_init(q, s, &c, v.items[k].labels);
        c.drop_name = v.items[k].drop_name;
        for (size_t i = 0; i < s->count; i++)
            column_put(q, s, &c, i, column_get(&v.items[k], 0));
        sink(context, &c);
    }
}

static void hand_on(struct vector *v, column_sink sink, void *context)
{
    for (size_t i = 0; i < v->n; i++)
        sink(context, &v->items[i]);
}

static bool takes_range(const struct expr *e)
{
    for (size_t i = 0; i < e->arg_count; i++)
        if (e->args[i]->kind == EXPR_MATRIX || e->args[i]->kind == EXPR_SUBQUERY)
            return true;
    return false;
}

static void eval_function(struct query *q, const struct steps *s, struct expr *e, column_sink sink,
                          void *context)
{
    struct vector v = {0};
    switch (e->function->id) {
    case FN_TIMESTAMP:
    case FN_START_TIMESTAMP:
        eval_timestamp(q, s, e, sink, context);
        return;
    case FN_LABEL_REPLACE:
    case FN_LABEL_JOIN:
        eval_label_function(q, s, e, &v);
        break;
    case FN_INFO:
        eval_info(q, s, e, &v);
        break;
    case FN_SORT:
    case FN_SORT_DESC:
    case FN_SORT_BY_LABEL:
    case FN_SORT_BY_LABEL_DESC:
        eval_sort(q, s, e, &v);
        break;
    case FN_HISTOGRAM_QUANTILE:
    case FN_HISTOGRAM_QUANTILES:
    case FN_HISTOGRAM_FRACTION:
        eval_histogram_function(q, s, e, &v);
        break;
    default:
        if (takes_range(e))
            eval_range_call(q, s, e, sink, context);
        else
            eval_call(q, s, e, sink, context);
        return;
    }
    hand_on(&v, sink, context);
}

/* --- what a plan's queries have in common --- */

const struct vector *shared_series(struct query *q, const struct steps *s, struct expr *e)
{
    struct shared_value *value = e->shared;
    if (value->ready) {
        q->sharing->used_again++;
        query_hold(q, value->samples);
    } else {
        struct arena *own = q->arena;
        uint64_t samples = q->samples;
        bool split_series = q->split_series;
        q->arena = &q->sharing->arena;
        value->v = (struct vector){0};
        struct collector collector = {q, &value->v, s};
        e->shared = NULL; /* `e` is this evaluation's own copy */
        q->split_series = false;
        eval_each(q, s, e, collect, &collector);
        e->shared = value;
        q->arena = own;
        value->split_series = q->split_series;
        value->samples = q->samples - samples;
        value->ready = true;
        q->split_series = split_series;
        q->sharing->worked_out++;
    }
    q->split_series |= value->split_series;
    return &value->v;
}

void copy_shared(struct query *q, const struct steps *s, const struct column *from, struct column *to)
{
    column_reset(q, s, to, from->labels);
    to->drop_name = from->drop_name;
    if (from->kind[0] != SAMPLE_NONE)
        column_put(q, s, to, 0, column_get(from, 0));
}

/* A sink may change what it is handed, so it gets copies. */
static void hand_on_shared(struct query *q, const struct steps *s, struct expr *e, column_sink sink,
                           void *context)
{
    const struct vector *v = shared_series(q, s, e);
    struct column c = {0};
    for (size_t i = 0; i < v->n; i++) {
        copy_shared(q, s, &v->items[i], &c);
        sink(context, &c);
    }
}

void eval_each(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context)
{
    struct vector v = {0};
    query_tick(q);
    if (s->end < s->start)
        return;
    if (is_shared(q, s, e)) {
        hand_on_shared(q, s, e, sink, context);
        return;
    }
    switch (e->kind) {
    case EXPR_NUMBER:
        constant(q, s, e->number, sink, context);
        return;
    case EXPR_PAREN:
        eval_each(q, s, e->left, sink, context);
        return;
    case EXPR_UNARY: {
        struct negation n = {q, s, {.q = q, .s = s}, sink, context};
        eval_each(q, s, e->left, e->op == TOKEN_SUB ? negate : sink, e->op == TOKEN_SUB ? &n : context);
        return;
    }
    case EXPR_ONCE:
        eval_once(q, s, e, sink, context);
        return;
    case EXPR_SELECTOR:
        eval_selector(q, s, e, sink, context);
        return;
    case EXPR_CALL:
        eval_function(q, s, e, sink, context);
        return;
    case EXPR_BINARY:
        eval_binary(q, s, e, &v);
        break;
    case EXPR_AGGREGATE:
        if (e->op == TOKEN_COUNT_VALUES)
            eval_count_values(q, s, e, &v);
        else if (e->op == TOKEN_TOPK || e->op == TOKEN_BOTTOMK || e->op == TOKEN_LIMITK ||
                 e->op == TOKEN_LIMIT_RATIO)
            eval_aggregate_k(q, s, e, &v);
        else
            eval_aggregate(q, s, e, &v);
        break;
    default:
        query_fail(q, "a %s cannot be evaluated here", value_type_name(expr_type(e)));
    }
    hand_on(&v, sink, context);
}

void eval(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    struct collector collector = {q, out, s};
    eval_each(q, s, e, collect, &collector);
    if (q->split_series)
        vector_merge(q, s, out);
}

const double *eval_scalar(struct query *q, const struct steps *s, struct expr *e)
{
    struct vector v = {0};
    eval(q, s, e, &v);
    if (v.n == 0)
        query_fail(q, "a scalar is expected here");
    return v.items[0].f;
}
