/*
 * Aggregations that make one value of a group: sum, avg, min, max, group, count, stddev, stdvar, quantile,
 * and count_values. Series come one by one and leave only what their group needs.
 */
#include "metrics/promql/eval_priv.h"

#include "base/go_text.h"
#include "metrics/grow.h"
#include "metrics/promql/lanes.h"

#include <math.h>

/* A group's histograms at one step. */
struct histogram_state {
    struct histogram *sum;
    struct histogram_rest rest;
    bool incremental, incompatible, reset_seen, not_reset_seen;
};

/* A group at one step. */
struct cell {
    double value, rest, mean;
    double count;
    bool has_float, has_histogram, incremental;
    struct histogram_state *histograms;
    double *all; /* of quantile */
    uint32_t capacity;
};

struct group {
    const struct labels *labels;
    bool drop_name;
    struct cell *cells; /* NULL while there are sums */
    double *sum, *rest; /* of a sum() of floats alone: columns, as long as no histogram was seen */
    uint8_t *seen;
};

struct aggregation {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    bool in_columns; /* sum(), and no histogram so far */
    struct group *groups;
    size_t count, capacity;
    struct by_labels index; /* uint32_t: place + 1 */
};

static void make_room(struct aggregation *a, struct group *g)
{
    size_t room = lanes_room(a->s->count);
    if (!a->in_columns) {
        g->cells = ARENA_ARRAY(a->q->arena, struct cell, a->s->count);
        return;
    }
    g->sum = arena_alloc(a->q->arena, room * (2 * sizeof(double) + 1));
    g->rest = g->sum + room;
    g->seen = (uint8_t *)(g->rest + room);
    for (size_t i = 0; i < room; i++)
        g->sum[i] = -0.0;
}

static struct group *group_of(struct aggregation *a, const struct labels *labels)
{
    struct query *q = a->q;
    const struct labels *key = group_labels(q, a->e->memory, labels, &a->e->grouping, !a->e->without);
    uint32_t *index = by_labels_at(q, &a->index, key, sizeof *index);
    if (*index != 0)
        return &a->groups[*index - 1];
    a->groups = grow(q->arena, a->groups, a->count, &a->capacity, sizeof *a->groups);
    query_hold(q, a->s->count);
    a->groups[a->count] = (struct group){.labels = key};
    make_room(a, &a->groups[a->count]);
    *index = (uint32_t)++a->count;
    return &a->groups[a->count - 1];
}

/* --- floats --- */

static void add_to_average(struct cell *c, double v)
{
    if (!c->incremental) {
        double sum = c->value, rest = c->rest;
        kahan_add(v, &sum, &rest);
        if (!isinf(sum)) {
            c->value = sum;
            c->rest = rest;
            return;
        }
        c->incremental = true;
        c->mean = c->value / (c->count - 1);
        c->rest /= c->count - 1;
    }
    double share = (c->count - 1) / c->count, mean = share * c->mean, rest = share * c->rest;
    kahan_add(v / c->count, &mean, &rest);
    c->mean = mean;
    c->rest = rest;
}

static void push_value(struct query *q, struct cell *c, double v)
{
    if ((uint32_t)c->count == c->capacity) {
        c->capacity = c->capacity == 0 ? 8 : c->capacity * 2;
        double *more = ARENA_ARRAY(q->arena, double, c->capacity);
        if (c->count > 0)
            memcpy(more, c->all, (size_t)c->count * sizeof *more);
        c->all = more;
    }
    c->all[(size_t)c->count] = v;
    c->count++;
}

static void add_float(struct query *q, enum token_kind op, struct cell *c, double v)
{
    bool first = c->count == 0 && !c->has_histogram;
    c->has_float = true;
    switch (op) {
    case TOKEN_SUM:
        c->count++;
        if (first)
            c->value = v;
        else
            kahan_add(v, &c->value, &c->rest);
        break;
    case TOKEN_AVG:
        c->count++;
        if (first)
            c->value = c->mean = v;
        else
            add_to_average(c, v);
        break;
    case TOKEN_MIN:
    case TOKEN_MAX:
        if (c->count++ == 0 || isnan(c->value) || (op == TOKEN_MIN ? c->value > v : c->value < v))
            c->value = v;
        break;
    case TOKEN_STDDEV:
    case TOKEN_STDVAR:
        if (c->count++ == 0) {
            c->mean = v;
            c->value = isfinite(v) ? 0 : NAN;
        } else {
            double delta = v - c->mean;
            c->mean += delta / c->count;
            c->value += delta * (v - c->mean);
        }
        break;
    case TOKEN_QUANTILE:
        push_value(q, c, v);
        break;
    default: /* count, group */
        c->count++;
    }
}

/* --- histograms --- */

static void note_hint(struct histogram_state *state, const struct histogram *h)
{
    state->reset_seen |= h->hint == HINT_RESET;
    state->not_reset_seen |= h->hint == HINT_NOT_RESET;
}

static void mixed(struct aggregation *a, struct histogram_state *state, const struct labels *labels)
{
    warn_mixed_schemas(a->q, metric_name(labels), a->e->left->start);
    state->incompatible = true;
}

static void average_histograms(struct aggregation *a, struct cell *c, struct histogram_state *state,
                               const struct histogram *h, const struct labels *labels)
{
    struct arena *arena = a->q->arena;
    struct histogram_note note = {0};
    if (!state->incremental) {
        struct histogram *sum = histogram_copy(arena, state->sum);
        struct histogram_rest rest = histogram_rest_copy(arena, state->sum, &state->rest);
        if (!histogram_kahan_add(arena, sum, &rest, h, &note)) {
            mixed(a, state, labels);
            return;
        }
        if (note.bounds_reconciled)
            info_reconciled(a->q, a->e->left->start, "aggregation");
        if (!histogram_overflows(sum)) {
            state->sum = sum;
            state->rest = rest;
            return;
        }
        state->incremental = true;
        histogram_divide(state->sum, c->count - 1);
        histogram_rest_scale(&state->rest, state->sum, c->count - 1, true);
    }
    double share = (c->count - 1) / c->count;
    histogram_rest_scale(&state->rest, state->sum, share, false);
    histogram_multiply(state->sum, share);
    struct histogram *part = histogram_copy(arena, h);
    histogram_divide(part, c->count);
    if (!histogram_kahan_add(arena, state->sum, &state->rest, part, &note))
        mixed(a, state, labels);
    else if (note.bounds_reconciled)
        info_reconciled(a->q, a->e->left->start, "aggregation");
}

static void sum_histograms(struct aggregation *a, struct cell *c, const struct histogram *h,
                           const struct labels *labels)
{
    struct histogram_note note = {0};
    struct histogram_state *state = c->histograms;
    if (state != NULL && state->incompatible)
        return;
    bool first = c->count++ == 0;
    c->has_histogram = true;
    if (first) {
        state = c->histograms = ARENA_NEW(a->q->arena, struct histogram_state);
        state->sum = histogram_copy(a->q->arena, h);
        query_hold(a->q, histogram_size(h));
        note_hint(state, h);
        return;
    }
    if (state == NULL)
        return; /* floats came first: the mix is reported at the end */
    note_hint(state, h);
    if (a->e->op == TOKEN_AVG)
        average_histograms(a, c, state, h, labels);
    else if (!histogram_kahan_add(a->q->arena, state->sum, &state->rest, h, &note))
        mixed(a, state, labels);
    else if (note.bounds_reconciled)
        info_reconciled(a->q, a->e->left->start, "aggregation");
}

static void add_histogram(struct aggregation *a, struct cell *c, const struct histogram *h,
                          const struct labels *labels)
{
    switch (a->e->op) {
    case TOKEN_SUM:
    case TOKEN_AVG:
        sum_histograms(a, c, h, labels);
        break;
    case TOKEN_COUNT:
    case TOKEN_GROUP:
        c->count++;
        break;
    default:
        info_ignored_in(a->q, token_text(a->e->op), a->e->left->start);
    }
}

/* The first histogram: from here on every step has a cell. */
static void leave_columns(struct aggregation *a)
{
    a->in_columns = false;
    for (size_t k = 0; k < a->count; k++) {
        struct group *g = &a->groups[k];
        make_room(a, g);
        for (size_t i = 0; i < a->s->count; i++)
            if (g->seen[i])
                g->cells[i] =
                    (struct cell){.value = g->sum[i], .rest = g->rest[i], .count = 1, .has_float = true};
    }
}

/* Adds a column of floats; where there is none -0.0 is added, which changes nothing. */
static void sum_column(struct aggregation *a, struct group *g, struct column *column)
{
    size_t n = a->s->count;
    bool any = memchr(column->kind, SAMPLE_FLOAT, n) != NULL;
    if (memchr(column->kind, SAMPLE_NONE, n) == NULL)
        memset(g->seen, SAMPLE_FLOAT, n);
    else
        for (size_t i = 0; i < n; i++) {
            if (column->kind[i] == SAMPLE_NONE)
                column->f[i] = -0.0;
            g->seen[i] |= column->kind[i];
        }
    lanes_kahan_add(column->f, g->sum, g->rest, a->s->count);
    g->drop_name |= any && column->drop_name;
}

static bool has_histogram(const struct aggregation *a, const struct column *column)
{
    return column->h != NULL && memchr(column->kind, SAMPLE_HISTOGRAM, a->s->count) != NULL;
}

static void aggregate_column(void *context, struct column *column)
{
    struct aggregation *a = context;
    if (a->in_columns && has_histogram(a, column))
        leave_columns(a);
    struct group *g = group_of(a, column->labels);
    bool any = false;
    if (a->in_columns) {
        sum_column(a, g, column);
        return;
    }
    for (size_t i = 0; i < a->s->count; i++) {
        if (column->kind[i] == SAMPLE_FLOAT) {
            if (g->cells[i].histograms == NULL || !g->cells[i].histograms->incompatible)
                add_float(a->q, a->e->op, &g->cells[i], column->f[i]);
        } else if (column->kind[i] == SAMPLE_HISTOGRAM) {
            add_histogram(a, &g->cells[i], column->h[i], column->labels);
        }
        any |= column->kind[i] != SAMPLE_NONE;
    }
    g->drop_name |= any && column->drop_name;
}

/* --- results --- */

static bool settle_histograms(struct aggregation *a, struct cell *c, struct sample *out)
{
    struct histogram_state *state = c->histograms;
    if (c->has_float && c->has_histogram) {
        annotate_warning(a->q, a->e->left->start,
                         "encountered a mix of histograms and floats for aggregation");
        return false;
    }
    if (state->incompatible)
        return false;
    if (a->e->op == TOKEN_AVG && !state->incremental) {
        histogram_divide(state->sum, c->count);
        histogram_rest_scale(&state->rest, state->sum, c->count, true);
    }
    histogram_settle(state->sum, &state->rest);
    out->h = histogram_compact(state->sum);
    if (state->reset_seen && state->not_reset_seen)
        warn_collision(a->q, a->e->left->start, "aggregation");
    return true;
}

static bool settle(struct aggregation *a, struct cell *c, double parameter, struct sample *out)
{
    *out = (struct sample){0, NULL};
    if (c->count == 0)
        return false;
    if (c->has_histogram)
        return settle_histograms(a, c, out);
    switch (a->e->op) {
    case TOKEN_SUM:
        out->f = c->value + c->rest;
        break;
    case TOKEN_AVG:
        out->f = c->incremental ? c->mean + c->rest : c->value / c->count + c->rest / c->count;
        break;
    case TOKEN_COUNT:
        out->f = c->count;
        break;
    case TOKEN_GROUP:
        out->f = 1;
        break;
    case TOKEN_STDVAR:
        out->f = c->value / c->count;
        break;
    case TOKEN_STDDEV:
        out->f = sqrt(c->value / c->count);
        break;
    case TOKEN_QUANTILE:
        out->f = quantile_of(parameter, c->all, (size_t)c->count);
        break;
    default:
        out->f = c->value;
    }
    return true;
}

static bool settle_sums(const struct aggregation *a, const struct group *g, struct column *out)
{
    bool any = false;
    for (size_t i = 0; i < a->s->count; i++) {
        out->f[i] = g->sum[i] + g->rest[i];
        out->kind[i] = g->seen[i] ? SAMPLE_FLOAT : SAMPLE_NONE;
        any |= g->seen[i] != 0;
    }
    return any;
}

static void check_quantile(struct query *q, const struct steps *s, const struct expr *e,
                           const double *parameter)
{
    double least = INFINITY, most = -INFINITY;
    bool nan = false;
    for (size_t i = 0; i < s->count; i++) {
        nan |= isnan(parameter[i]);
        least = fmin(least, parameter[i]);
        most = fmax(most, parameter[i]);
    }
    if (nan)
        warn_quantile(q, NAN, e->right->start);
    if (!nan && most > 1)
        warn_quantile(q, most, e->right->start);
    if (!nan && least < 0)
        warn_quantile(q, least, e->right->start);
}

void eval_aggregate(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    struct aggregation a = {.q = q, .s = s, .e = e, .in_columns = e->op == TOKEN_SUM};
    const double *parameter = e->right != NULL ? eval_scalar(q, s, e->right) : NULL;
    eval_each(q, s, e->left, aggregate_column, &a);
    if (e->op == TOKEN_QUANTILE)
        check_quantile(q, s, e, parameter);
    for (size_t k = 0; k < a.count; k++) {
        struct column c;
        bool any = false;
        column_init(q, s, &c, a.groups[k].labels);
        c.drop_name = a.groups[k].drop_name;
        any = a.in_columns && settle_sums(&a, &a.groups[k], &c);
        for (size_t i = 0; !a.in_columns && i < s->count; i++) {
            struct sample v;
            if (!settle(&a, &a.groups[k].cells[i], parameter != NULL ? parameter[i] : 0, &v))
                continue;
            column_put(q, s, &c, i, v);
            any = true;
        }
        if (any)
            *vector_add(q, out) = c;
    }
}

/* --- count_values --- */

struct counting {
    struct aggregation a;
    struct sv label;
    struct buf text;
};

static void count_column(void *context, struct column *column)
{
    struct counting *c = context;
    for (size_t i = 0; i < c->a.s->count; i++) {
        if (column->kind[i] == SAMPLE_NONE)
            continue;
        buf_clear(&c->text);
        if (column->kind[i] == SAMPLE_FLOAT)
            go_float_f(&c->text, column->f[i]);
        else
            histogram_format(&c->text, column->h[i]);
        const struct labels *labels =
            labels_set(c->a.q->labels, column->labels, c->label, buf_view(&c->text));
        group_of(&c->a, labels)->cells[i].count++;
    }
}

void eval_count_values(struct query *q, const struct steps *s, struct expr *e, struct vector *out)
{
    struct expr *label = e->right;
    while (label->kind == EXPR_PAREN || label->kind == EXPR_ONCE)
        label = label->left;
    if (!label_name_is_valid(label->text))
        query_fail(q, "invalid label name %.*s", SV_FMT(quote_text(q, label->text)));
    struct counting c = {.a = {.q = q, .s = s, .e = e}, .label = label->text};
    if (!e->without) {
        struct sv *names = ARENA_ARRAY(q->arena, struct sv, e->grouping.n + 1);
        if (e->grouping.n > 0)
            memcpy(names, e->grouping.items, e->grouping.n * sizeof *names);
        names[e->grouping.n++] = label->text;
        e->grouping.items = names;
    }
    struct vector v = {0};
    eval(q, s, e->left, &v);
    char *room = arena_alloc(q->arena, 1 << 16); /* nothing to free where an error jumps out */
    c.text = (struct buf){.p = room, .capacity = 1 << 16, .max_bytes = 1 << 16};
    for (size_t k = 0; k < v.n; k++)
        count_column(&c, &v.items[k]);
    for (size_t k = 0; k < c.a.count; k++) {
        struct column *column = vector_add(q, out);
        column_init(q, s, column, c.a.groups[k].labels);
        for (size_t i = 0; i < s->count; i++)
            if (c.a.groups[k].cells[i].count > 0)
                column_put(q, s, column, i, (struct sample){c.a.groups[k].cells[i].count, NULL});
    }
}
