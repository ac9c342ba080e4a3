/*
 * Selectors: instant values by looking back, smoothed values by interpolation, timestamps, and subqueries.
 */
#include "metrics/promql/eval_priv.h"

#include <math.h>

static void find(struct query *q, const struct matcher *matchers, size_t count, int64_t min_t, int64_t max_t,
                 struct source_series **ret, size_t *ret_count)
{
    struct err err = {0};
    if (q->source->select(q->source->context, matchers, count, min_t, max_t, q->arena, ret, ret_count,
                          &err) != 0)
        query_fail(q, "expanding series: %s", err.text);
}

/* Histograms without buckets. What their counter reset hints leave open is found out here, as long as the
 * buckets are there to be compared. */
static void strip_buckets(struct query *q, struct series_samples *d)
{
    const struct histogram *before = NULL;
    struct histogram last;
    if (d->h == NULL)
        return;
    struct histogram **stripped = ARENA_ARRAY(&q->scratch, struct histogram *, d->n + 1);
    for (size_t i = 0; i < d->n; i++) {
        const struct histogram *h = d->h[i];
        if (h == NULL)
            continue;
        struct histogram *made = stripped[i] = ARENA_NEW(q->arena, struct histogram);
        *made = (struct histogram){.hint = h->hint, .schema = h->schema, .count = h->count, .sum = h->sum};
        if (is_stale(h->sum))
            continue;
        if (h->hint == HINT_UNKNOWN && before != NULL)
            made->hint = histogram_detect_reset(&q->scratch, h, before) ? HINT_RESET : HINT_NOT_RESET;
        last = *h;
        last.hint = made->hint;
        before = &last;
    }
    d->h = stripped;
}

static void read(struct query *q, const struct source_series *series, bool skip_buckets, int64_t min_t,
                 int64_t max_t, struct series_samples *ret)
{
    struct err err = {0};
    arena_reset(&q->scratch);
    if (q->source->read(q->source->context, series->ref, min_t, max_t, &q->scratch, ret, &err) != 0)
        query_fail(q, "expanding series: %s", err.text);
    if (skip_buckets)
        strip_buckets(q, ret);
    query_work(q, ret->n);
    query_tick(q);
}

static struct remembered_series *remembered(struct query *q, struct node_memory *memory, size_t k,
                                            const struct source_series *series)
{
    if (memory->source != q->source->context) {
        memory->source = q->source->context;
        memory->series_count = 0;
    }
    if (k >= memory->series_capacity) {
        memory->series_capacity = TC_MAX(k + 16, memory->series_capacity * 2);
        memory->series = tc_realloc(memory->series, memory->series_capacity * sizeof *memory->series);
    }
    for (; memory->series_count <= k; memory->series_count++)
        memory->series[memory->series_count] = (struct remembered_series){0};
    struct remembered_series *known = &memory->series[k];
    if (known->ref != series->ref || known->hash != series->labels->hash)
        *known = (struct remembered_series){.ref = series->ref, .hash = series->labels->hash};
    return known;
}

const struct labels *selected_labels(struct query *q, struct node_memory *memory, size_t k,
                                     const struct source_series *series)
{
    if (memory == NULL)
        return labels_import(q->labels, series->labels);
    struct remembered_series *known = remembered(q, memory, k, series);
    if (known->labels == NULL)
        known->labels = labels_import(q->labels, series->labels);
    return known->labels;
}

const struct labels *selected_nameless(struct query *q, struct node_memory *memory, size_t k,
                                       const struct source_series *series)
{
    if (memory == NULL)
        return labels_import_nameless(q->labels, series->labels);
    struct remembered_series *known = remembered(q, memory, k, series);
    if (known->nameless == NULL)
        known->nameless = labels_import_nameless(q->labels, series->labels);
    return known->nameless;
}

/* --- instant values --- */

static bool stale_at(const struct series_samples *d, size_t i)
{
    return d->h != NULL && d->h[i] != NULL ? is_stale(d->h[i]->sum) : is_stale(d->f[i]);
}

static struct sample value_at(const struct series_samples *d, size_t i, enum selector_value value)
{
    switch (value) {
    case SELECT_TIME_MS:
        return (struct sample){(double)d->t[i], NULL};
    case SELECT_TIME:
        return (struct sample){(double)d->t[i] / 1000, NULL};
    case SELECT_START:
        return (struct sample){d->st != NULL ? (double)d->st[i] / 1000 : 0, NULL};
    default:
        return (struct sample){d->f[i], d->h != NULL ? d->h[i] : NULL};
    }
}

static bool fill_instant(struct query *q, const struct steps *s, const struct series_samples *d,
                         int64_t offset_ms, const int64_t *at, enum selector_value value, struct column *c)
{
    size_t next = 0;
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        int64_t time = (at != NULL ? *at : step_time(s, i)) - offset_ms;
        while (next < d->n && d->t[next] <= time)
            next++;
        if (next == 0 || d->t[next - 1] <= time - q->lookback_ms || stale_at(d, next - 1))
            continue;
        if (value == SELECT_TIME_MS && d->h != NULL && d->h[next - 1] != NULL)
            query_fail(q, "this should be an info metric, with float samples: %.*s",
                       SV_FMT(labels_text(q, c->labels)));
        column_put(q, s, c, i, value_at(d, next - 1, value));
        any = true;
    }
    return any;
}

void eval_selected(struct query *q, const struct steps *s, const struct source_series *series, size_t count,
                   struct node_memory *memory, bool skip_buckets, int64_t offset_ms, const int64_t *at,
                   enum selector_value value, column_sink sink, void *context)
{
    int64_t min_t = (at != NULL ? *at : s->start) - offset_ms - q->lookback_ms;
    int64_t max_t = (at != NULL ? *at : s->end) - offset_ms;
    struct column c = {0};
    struct series_samples d;
    for (size_t k = 0; k < count; k++) {
        read(q, &series[k], skip_buckets, min_t, max_t, &d);
        column_reset(q, s, &c, selected_labels(q, memory, k, &series[k]));
        c.lent = skip_buckets ? 0 : s->count; /* what is stripped is the query's own */
        if (fill_instant(q, s, &d, offset_ms, at, value, &c))
            sink(context, &c);
    }
}

/* --- smoothed instant values --- */

/* First index in [from, to) with t >= at. */
static size_t first_at(const int64_t *t, size_t from, size_t to, int64_t at)
{
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (t[middle] < at)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

double interpolate_floats(double a, int64_t ta, double b, int64_t tb, int64_t t, bool counter)
{
    if (counter && b < a)
        a = 0;
    return a + (b - a) * (double)(t - ta) / (double)(tb - ta);
}

struct histogram *interpolate_histograms(struct query *q, struct histogram *a, int64_t ta,
                                         struct histogram *b, int64_t tb, int64_t t, bool counter,
                                         struct sv metric, int32_t at)
{
    struct histogram_note note = {0};
    if (t == ta || t == tb)
        return histogram_copy(q->arena, t == ta ? a : b);
    double share = (double)(t - ta) / (double)(tb - ta);
    struct histogram *made = histogram_copy(q->arena, b);
    if (counter && histogram_detect_reset(q->arena, b, a)) {
        histogram_multiply(made, share);
        return made;
    }
    bool fits = histogram_add(q->arena, made, a, -1, &note);
    if (fits && note.bounds_reconciled)
        info_reconciled(q, at, "subtraction");
    note.bounds_reconciled = false;
    histogram_multiply(made, share);
    fits = fits && histogram_add(q->arena, made, a, 1, &note);
    if (fits && note.bounds_reconciled)
        info_reconciled(q, at, "addition");
    if (!fits)
        warn_mixed_schemas(q, metric, at);
    return fits ? made : NULL;
}

struct smooth {
    struct query *q;
    const struct steps *s;
    struct column *c;
    struct sv metric;
    int32_t at;
};

static void smooth_floats(struct smooth *w, const struct split_samples *d, size_t from, size_t to, int64_t t,
                          size_t step)
{
    size_t i = first_at(d->float_t, from, to, t);
    struct sample out = {0, NULL};
    if (i < to && d->float_t[i] == t)
        out.f = d->f[i];
    else if (i > from && i < to)
        out.f = interpolate_floats(d->f[i - 1], d->float_t[i - 1], d->f[i], d->float_t[i], t, false);
    else if (i > from)
        out.f = d->f[i - 1];
    else
        return;
    column_put(w->q, w->s, w->c, step, out);
}

static void smooth_histograms(struct smooth *w, const struct split_samples *d, size_t from, size_t to,
                              int64_t t, size_t step)
{
    size_t i = first_at(d->histogram_t, from, to, t);
    struct histogram *made;
    if (i < to && d->histogram_t[i] == t) {
        made = histogram_copy(w->q->arena, d->h[i]);
    } else if (i > from && i < to) {
        struct histogram *a = d->h[i - 1], *b = d->h[i];
        if (histogram_is_custom(a) != histogram_is_custom(b)) {
            warn_mixed_schemas(w->q, w->metric, w->at);
            return;
        }
        made = interpolate_histograms(w->q, a, d->histogram_t[i - 1], b, d->histogram_t[i], t,
                                      a->hint != HINT_GAUGE || b->hint != HINT_GAUGE, w->metric, w->at);
    } else if (i > from) {
        made = histogram_copy(w->q->arena, d->h[i - 1]);
        made->hint = HINT_UNKNOWN;
    } else {
        return;
    }
    if (made != NULL)
        column_put(w->q, w->s, w->c, step, (struct sample){0, made});
}

static void fill_smooth(struct smooth *w, const struct split_samples *d, int64_t offset_ms)
{
    for (size_t i = 0; i < w->s->count; i++) {
        int64_t t = step_time(w->s, i) - offset_ms, min_t = t - w->q->lookback_ms,
                max_t = t + w->q->lookback_ms;
        size_t f0 = first_at(d->float_t, 0, d->float_count, min_t + 1);
        size_t f1 = first_at(d->float_t, f0, d->float_count, max_t + 1);
        size_t h0 = first_at(d->histogram_t, 0, d->histogram_count, min_t + 1);
        size_t h1 = first_at(d->histogram_t, h0, d->histogram_count, max_t + 1);
        if (h1 > h0 && f1 > f0)
            warn_mixed_floats(w->q, w->metric, w->at);
        else if (h1 > h0)
            smooth_histograms(w, d, h0, h1, t, i);
        else
            smooth_floats(w, d, f0, f1, t, i);
    }
}

static void eval_smoothed(struct query *q, const struct steps *s, struct expr *e,
                          const struct source_series *series, size_t count, column_sink sink, void *context)
{
    int64_t offset_ms = to_ms(e->effective_offset_ns);
    struct column c = {0};
    struct series_samples d;
    for (size_t k = 0; k < count; k++) {
        struct split_samples split;
        read(q, &series[k], e->skip_buckets, s->start - offset_ms - q->lookback_ms,
             s->end - offset_ms + q->lookback_ms, &d);
        split_samples(&q->scratch, &d, &split);
        column_reset(q, s, &c, selected_labels(q, e->memory, k, &series[k]));
        struct smooth w = {q, s, &c, metric_name(c.labels), e->start};
        fill_smooth(&w, &split, offset_ms);
        if (column_points(s, &c) > 0)
            sink(context, &c);
    }
}

void eval_selector(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context)
{
    struct source_series *series;
    size_t count;
    int64_t offset_ms = to_ms(e->effective_offset_ns);
    find(q, e->matchers, e->matcher_count, s->start - offset_ms - q->lookback_ms,
         s->end - offset_ms + (e->smoothed ? q->lookback_ms : 0), &series, &count);
    if (e->smoothed)
        eval_smoothed(q, s, e, series, count, sink, context);
    else
        eval_selected(q, s, series, count, e->memory, e->skip_buckets, offset_ms, NULL, SELECT_VALUE, sink,
                      context);
}

/* --- timestamp() and start_timestamp() --- */

struct now {
    struct query *q;
    const struct steps *s;
    bool start; /* start_timestamp of what is not a selector: nothing */
    struct name_removal removal;
    column_sink sink;
    void *context;
};

static void put_now(void *context, struct column *c)
{
    struct now *n = context;
    for (size_t i = 0; i < n->s->count; i++) {
        if (c->kind[i] == SAMPLE_NONE)
            continue;
        c->kind[i] = n->start ? SAMPLE_NONE : SAMPLE_FLOAT;
        c->f[i] = (double)step_time(n->s, i) / 1000;
    }
    remove_name(&n->removal, c);
    n->sink(n->context, c);
}

struct renamed {
    struct name_removal removal;
    column_sink sink;
    void *context;
};

static void put_renamed(void *context, struct column *c)
{
    struct renamed *r = context;
    remove_name(&r->removal, c);
    r->sink(r->context, c);
}

void eval_timestamp(struct query *q, const struct steps *s, struct expr *call, column_sink sink,
                    void *context)
{
    struct expr *e = call->args[0];
    bool start = call->function->id == FN_START_TIMESTAMP;
    if (e->kind != EXPR_SELECTOR) {
        struct now now = {q, s, start, {.q = q, .s = s}, sink, context};
        eval_each(q, s, e, put_now, &now);
        return;
    }
    struct source_series *series;
    struct renamed renamed = {{.q = q, .s = s}, sink, context};
    size_t count;
    int64_t offset_ms = to_ms(e->effective_offset_ns);
    const int64_t *at = e->has_timestamp ? &e->timestamp_ms : NULL;
    if (at != NULL)
        offset_ms = 0;
    if (start && q->options->ignore_start_timestamps)
        return;
    find(q, e->matchers, e->matcher_count, (at != NULL ? *at : s->start) - offset_ms - q->lookback_ms,
         (at != NULL ? *at : s->end) - offset_ms, &series, &count);
    eval_selected(q, s, series, count, e->memory, false, offset_ms, at, start ? SELECT_START : SELECT_TIME,
                  put_renamed, &renamed);
}

/* --- ranges --- */

void split_samples(struct arena *arena, const struct series_samples *in, struct split_samples *out)
{
    bool plain = in->h == NULL;
    *out = (struct split_samples){
        .float_t = in->t, .float_st = in->st, .f = in->f, .float_count = in->n, .no_falls = in->no_falls};
    for (size_t i = 0; i < in->n && plain && !in->plain; i++)
        plain = !is_stale(in->f[i]);
    if (plain)
        return;
    int64_t *ft = ARENA_ARRAY(arena, int64_t, in->n), *fs = ARENA_ARRAY(arena, int64_t, in->n);
    int64_t *ht = ARENA_ARRAY(arena, int64_t, in->n), *hs = ARENA_ARRAY(arena, int64_t, in->n);
    double *f = ARENA_ARRAY(arena, double, in->n);
    struct histogram **h = ARENA_ARRAY(arena, struct histogram *, in->n);
    *out = (struct split_samples){.float_t = ft, .f = f, .histogram_t = ht, .h = h};
    out->float_st = in->st != NULL ? fs : NULL;
    out->histogram_st = in->st != NULL ? hs : NULL;
    for (size_t i = 0; i < in->n; i++) {
        if (stale_at(in, i))
            continue;
        if (in->h != NULL && in->h[i] != NULL) {
            ht[out->histogram_count] = in->t[i];
            hs[out->histogram_count] = in->st != NULL ? in->st[i] : 0;
            h[out->histogram_count++] = in->h[i];
        } else {
            ft[out->float_count] = in->t[i];
            fs[out->float_count] = in->st != NULL ? in->st[i] : 0;
            f[out->float_count++] = in->f[i];
        }
    }
}

/* As a range sees a subquery's result. */
static void each_of_subquery(struct query *q, const struct steps *s, struct expr *e, series_sink sink,
                             void *context)
{
    struct vector v = {0};
    struct steps inner;
    eval_subquery(q, s, e, &inner, &v);
    int64_t *t = ARENA_ARRAY(q->arena, int64_t, inner.count + 1);
    double *f = ARENA_ARRAY(q->arena, double, inner.count + 1);
    struct histogram **h = ARENA_ARRAY(q->arena, struct histogram *, inner.count + 1);
    for (size_t k = 0; k < v.n; k++) {
        struct column *c = &v.items[k];
        struct series_samples d = {.t = t, .f = f, .h = c->h != NULL ? h : NULL};
        for (size_t i = 0; i < inner.count; i++) {
            if (c->kind[i] == SAMPLE_NONE)
                continue;
            t[d.n] = step_time(&inner, i);
            f[d.n] = c->f[i];
            h[d.n] = c->kind[i] == SAMPLE_HISTOGRAM ? c->h[i] : NULL;
            if (h[d.n] != NULL && (h[d.n]->hint == HINT_RESET || h[d.n]->hint == HINT_NOT_RESET)) {
                /* what lies between two samples of a subquery is unknown */
                struct histogram *copy = ARENA_NEW(q->arena, struct histogram);
                *copy = *h[d.n];
                copy->hint = HINT_UNKNOWN;
                h[d.n] = copy;
            }
            d.n++;
        }
        struct split_samples split;
        arena_reset(&q->scratch);
        split_samples(&q->scratch, &d, &split);
        sink(context, c->labels, c->drop_name, &split);
    }
}

static void cut_to(struct split_samples *d, int64_t after, int64_t until)
{
    size_t f0 = first_at(d->float_t, 0, d->float_count, after + 1);
    size_t h0 = first_at(d->histogram_t, 0, d->histogram_count, after + 1);
    d->float_count = first_at(d->float_t, f0, d->float_count, until + 1) - f0;
    d->histogram_count = first_at(d->histogram_t, h0, d->histogram_count, until + 1) - h0;
    if (d->float_count > 0) {
        d->float_t += f0;
        d->f += f0;
        d->float_st = d->float_st != NULL ? d->float_st + f0 : NULL;
    }
    if (d->histogram_count > 0) {
        d->histogram_t += h0;
        d->h += h0;
        d->histogram_st = d->histogram_st != NULL ? d->histogram_st + h0 : NULL;
    }
}

size_t extend_floats(const int64_t *t, const double *f, size_t n, int64_t min_t, int64_t max_t, bool smoothed,
                     int64_t *ret_t, double *ret_f)
{
    size_t last = n - 1, first = first_at(t, 0, last, min_t + 1), count = 0;
    first = first > 0 ? first - 1 : 0;
    if (smoothed)
        last = first_at(t, 0, last, max_t);
    if (t[last] <= min_t)
        return 0;
    double left = f[first], right = f[last];
    if (smoothed && t[first] < min_t)
        left = interpolate_floats(f[first], t[first], f[first + 1], t[first + 1], min_t, false);
    if (smoothed && last > 0 && t[last] > max_t)
        right = interpolate_floats(f[last - 1], t[last - 1], f[last], t[last], max_t, false);
    size_t from = t[first] <= min_t ? first + 1 : first, to = t[last] >= max_t ? last : last + 1;
    ret_t[count] = min_t;
    ret_f[count++] = left;
    for (size_t i = from; i < to; i++) {
        ret_t[count] = t[i];
        ret_f[count++] = f[i];
    }
    ret_t[count] = max_t;
    ret_f[count++] = right;
    return count;
}

void cut_to_range(struct query *q, const struct expr *e, int64_t time_ms, struct split_samples *d)
{
    const struct expr *selector = e->left;
    int64_t max_t = time_ms - to_ms(selector->effective_offset_ns), min_t = max_t - to_ms(e->range_ns);
    bool extended = selector->anchored || selector->smoothed;
    cut_to(d, min_t - (extended ? q->lookback_ms : 0), max_t + (selector->smoothed ? q->lookback_ms : 0));
    if (!extended)
        return;
    if (d->histogram_count > 0)
        query_fail(q, "%s modifier is not supported with histograms",
                   selector->anchored ? "anchored" : "smoothed");
    if (d->float_count == 0)
        return;
    int64_t *t = ARENA_ARRAY(&q->scratch, int64_t, d->float_count + 2);
    double *f = ARENA_ARRAY(&q->scratch, double, d->float_count + 2);
    d->float_count = extend_floats(d->float_t, d->f, d->float_count, min_t, max_t, selector->smoothed, t, f);
    d->float_t = t;
    d->f = f;
    d->float_st = NULL;
}

void find_range_series(struct query *q, const struct steps *s, const struct expr *e, struct range_series *ret)
{
    const struct expr *selector = e->left;
    int64_t offset_ms = to_ms(selector->effective_offset_ns), range_ms = to_ms(e->range_ns);
    int64_t before = range_ms + (selector->anchored || selector->smoothed ? q->lookback_ms : 0);
    int64_t after = selector->smoothed ? q->lookback_ms : 0;
    ret->min_t = s->start - offset_ms - before;
    ret->max_t = s->end - offset_ms + after;
    find(q, selector->matchers, selector->matcher_count, ret->min_t, ret->max_t, &ret->items, &ret->count);
}

void read_range_series(struct query *q, const struct expr *e, const struct range_series *series, size_t k,
                       series_sink sink, void *context)
{
    const struct expr *selector = e->left;
    struct series_samples d;
    struct split_samples split;
    read(q, &series->items[k], selector->skip_buckets, series->min_t, series->max_t, &d);
    split_samples(&q->scratch, &d, &split);
    sink(context, selected_labels(q, selector->memory, k, &series->items[k]), false, &split);
}

/* Hands on all samples that any step may need. */
void each_series_of_range(struct query *q, const struct steps *s, struct expr *e, series_sink sink,
                          void *context)
{
    struct range_series series;
    if (e->kind == EXPR_SUBQUERY) {
        each_of_subquery(q, s, e, sink, context);
        return;
    }
    find_range_series(q, s, e, &series);
    for (size_t k = 0; k < series.count; k++)
        read_range_series(q, e, &series, k, sink, context);
}

/* --- subqueries --- */

void eval_subquery(struct query *q, const struct steps *s, struct expr *e, struct steps *ret,
                   struct vector *out)
{
    int64_t offset_ms = to_ms(e->effective_offset_ns), range_ms = to_ms(e->range_ns);
    int64_t interval = e->step_ns != 0 ? to_ms(e->step_ns) : q->subquery_step_ms;
    int64_t after = s->start - offset_ms - range_ms;
    interval = TC_MAX(interval, 1);
    /* with @, every step looks at the window of the first */
    int64_t last = e->has_timestamp ? s->start : step_time(s, s->count - 1);
    *ret = (struct steps){.interval = interval, .end = last - offset_ms};
    ret->start = interval * (after / interval);
    if (ret->start <= after)
        ret->start += interval;
    ret->count = ret->end < ret->start ? 0 : (size_t)((ret->end - ret->start) / interval) + 1;
    if (ret->count == 0)
        return;
    query_hold(q, ret->count);
    if (ret->start != s->start)
        set_effective_offsets(ret->start, e->left);
    q->inner++;
    eval(q, ret, e->left, out);
    q->inner--;
}
