/*
 * Calls of functions of a range: series by series, windows moving over their columns.
 */
#include "metrics/promql/range_priv.h"

struct driver {
    struct range_call call;
    range_function function;
    struct column column;
    struct name_removal removal;
    struct expr *range;
    struct range_series series;
    column_sink sink;
    void *context;
    bool at_fixed; /* the range has a timestamp: the same window at every step */
};

size_t first_after(const int64_t *t, size_t n, int64_t after)
{
    size_t from = 0;
    while (from < n) {
        size_t middle = from + (n - from) / 2;
        if (t[middle] <= after)
            from = middle + 1;
        else
            n = middle;
    }
    return from;
}

bool start_timestamp_reset(int64_t previous_st, int64_t previous_t, int64_t st, int64_t t)
{
    if (st == 0 || st >= t || st < previous_t)
        return false;
    if (st > previous_t)
        return true;
    return previous_st <= previous_t && previous_st != 0 && previous_st != previous_t;
}

static bool is_rate(int id)
{
    return id == FN_RATE || id == FN_INCREASE;
}

static bool uses_start_timestamps(const struct query *q, int id)
{
    return !q->options->ignore_start_timestamps && (is_rate(id) || id == FN_IRATE || id == FN_RESETS);
}

/* Where a counter of floats was reset: found once, used by every window. */
static void find_resets(struct range_call *c)
{
    const struct split_samples *d = c->samples;
    c->reset_count = 0;
    c->resets = NULL;
    if (!is_rate(c->e->function->id) || (d->no_falls && d->float_st == NULL))
        return;
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (size_t i = 1; i < d->float_count; i++) {
            bool reset = d->f[i] < d->f[i - 1] ||
                         (d->float_st != NULL && start_timestamp_reset(d->float_st[i - 1], d->float_t[i - 1],
                                                                       d->float_st[i], d->float_t[i]));
            if (reset && pass == 1)
                c->resets[n] = i;
            n += reset;
        }
        if (n == 0)
            return;
        if (pass == 0)
            c->resets = ARENA_ARRAY(&c->q->scratch, size_t, n);
        c->reset_count = n;
    }
}

static void move(const int64_t *t, size_t n, int64_t after, int64_t until, size_t *from, size_t *to)
{
    while (*to < n && t[*to] <= until)
        (*to)++;
    while (*from < *to && t[*from] <= after)
        (*from)++;
}

struct ends {
    size_t f0, f1, h0, h1;
};

/* Moves the window to a step; what stays the same is left as it is. */
static void set_window(struct driver *d, const struct split_samples *in, struct ends *e, size_t step,
                       struct window *w)
{
    struct range_call *c = &d->call;
    int64_t until = step_time(c->s, step) - c->offset_ms, after = until - c->range_ms;
    if (c->anchored || c->smoothed)
        after -= c->q->lookback_ms;
    if (c->smoothed)
        until += c->q->lookback_ms;
    move(in->float_t, in->float_count, after, until, &e->f0, &e->f1);
    w->n = e->f1 - e->f0;
    w->first = e->f0;
    if (w->n > 0) {
        w->t = in->float_t + e->f0;
        w->f = in->f + e->f0;
        w->st = in->float_st != NULL ? in->float_st + e->f0 : NULL;
    }
    if (in->histogram_count == 0)
        return;
    move(in->histogram_t, in->histogram_count, after, until, &e->h0, &e->h1);
    w->hn = e->h1 - e->h0;
    if (w->hn > 0) {
        w->ht = in->histogram_t + e->h0;
        w->h = in->h + e->h0;
        w->hst = in->histogram_st != NULL ? in->histogram_st + e->h0 : NULL;
    }
}

/* rate() of what has no counter's name is reported. */
static void check_name(struct range_call *c, bool has_float)
{
    static const char *const endings[] = {"_total", "_sum", "_count", "_bucket"};
    if (!has_float || c->metric.n == 0 || c->q->sharing != NULL)
        return;
    if (c->q->options->type_and_unit_labels) {
        struct sv type = labels_get(c->labels, SV("__type__"));
        if (!sv_is(type, "counter") && !sv_is(type, "histogram"))
            annotate_info(
                c->q, c->at,
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", "
                "got %.*s: %.*s",
                SV_FMT(quote_text(c->q, type)), SV_FMT(quote_text(c->q, c->metric)));
        return;
    }
    if (sv_eq(c->metric, c->checked_name))
        return; /* most series are of one metric */
    c->checked_name = c->metric;
    for (size_t i = 0; i < TC_ARRAY_LEN(endings); i++)
        if (sv_ends(c->metric, sv_of(endings[i])))
            return;
    annotate_info(c->q, c->at,
                  "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: %.*s",
                  SV_FMT(quote_text(c->q, c->metric)));
}

/* Window by window. Returns whether there is a result; *any_float: one that is a float. */
static bool run_windows(struct driver *d, const struct split_samples *in, bool *any_float)
{
    struct range_call *c = &d->call;
    struct ends ends = {0};
    struct window w = {0};
    bool any = false;
    for (size_t i = 0; i < c->s->count; i++) {
        struct sample out = {0, NULL};
        if (!d->at_fixed || i == 0)
            set_window(d, in, &ends, i, &w);
        w.now = step_time(c->s, i);
        w.end = w.now - c->offset_ms;
        w.start = w.end - c->range_ms;
        for (size_t k = 0; k < RANGE_PARAMETERS_MAX; k++)
            w.parameters[k] = c->parameters[k] != NULL ? c->parameters[k][i] : 0;
        query_work(c->q, w.n + w.hn);
        if (w.n + w.hn == 0 || !d->function(c, &w, &out))
            continue;
        column_put(c->q, c->s, &d->column, i, out);
        any = true;
        *any_float |= out.h == NULL;
    }
    return any;
}

static void run_series(void *context, const struct labels *labels, bool drop_name,
                       const struct split_samples *given)
{
    struct driver *d = context;
    struct range_call *c = &d->call;
    int id = c->e->function->id;
    struct split_samples in = *given;
    bool any_float = false;
    if (!uses_start_timestamps(c->q, id))
        in.float_st = in.histogram_st = NULL;
    c->labels = labels;
    c->metric = metric_name(labels);
    c->samples = &in;
    find_resets(c);
    column_reset(c->q, c->s, &d->column, labels);
    d->column.drop_name = drop_name;
    bool any = run_windows(d, &in, &any_float);
    if (is_rate(id))
        check_name(c, any_float);
    if (!any)
        return;
    if (id != FN_LAST_OVER_TIME && id != FN_FIRST_OVER_TIME && id != FN_ABSENT_OVER_TIME)
        remove_name(&d->removal, &d->column);
    d->sink(d->context, &d->column);
}

/* --- rate and its kin, many series at once --- */

static void put_rates(void *context, size_t k, struct column *column)
{
    struct driver *d = context;
    struct range_call *c = &d->call;
    struct query *q = c->q;
    const struct source_series *series = &d->series.items[k];
    struct node_memory *memory = d->range->left->memory;
    c->labels = series->labels;
    c->metric = metric_name(series->labels);
    if (is_rate(c->e->function->id))
        check_name(c, true);
    column->drop_name = q->options->delayed_name_removal;
    column->labels =
        column->drop_name ? selected_labels(q, memory, k, series) : selected_nameless(q, memory, k, series);
    if (!column->drop_name)
        name_removed(&d->removal, column);
    d->sink(d->context, column);
}

static void run_general(void *context, size_t k)
{
    struct driver *d = context;
    read_range_series(d->call.q, d->range, &d->series, k, run_series, d);
}

/* Beyond so many steps, as a subquery may have, columns for all of them at once, of each thread, would be
 * more memory than the bound of samples means. */
enum { RATE_STEPS_MAX = 1 << 16 };

static bool is_plain_rate(const struct driver *d)
{
    int id = d->call.e->function->id;
    return d->call.s->count <= RATE_STEPS_MAX && d->range->kind == EXPR_MATRIX &&
           (is_rate(id) || id == FN_DELTA) && !d->call.anchored && !d->call.smoothed && !d->at_fixed;
}

static void run_plain_rate(struct driver *d)
{
    struct range_call *c = &d->call;
    int id = c->e->function->id;
    find_range_series(c->q, c->s, d->range, &d->series);
    struct rate_call call = {.q = c->q,
                             .s = c->s,
                             .series = &d->series,
                             .range_ms = c->range_ms,
                             .offset_ms = c->offset_ms,
                             .counter = is_rate(id),
                             .per_second = id == FN_RATE,
                             .start_timestamps = uses_start_timestamps(c->q, id),
                             .put = put_rates,
                             .general = run_general,
                             .context = d};
    rate_series(&call);
}

/* --- absent_over_time --- */

static bool present(struct range_call *c, const struct window *w, struct sample *out)
{
    (void)c;
    (void)w;
    out->f = 1;
    return true;
}

struct absence {
    const struct steps *s;
    bool *seen;
};

static void note_present(void *context, struct column *c)
{
    struct absence *a = context;
    for (size_t i = 0; i < a->s->count; i++)
        a->seen[i] |= c->kind[i] != SAMPLE_NONE;
}

static void put_absent(struct query *q, const struct steps *s, struct expr *e, const bool *seen,
                       column_sink sink, void *context)
{
    struct column c;
    bool any = false;
    column_init(q, s, &c, absent_labels(q, e->args[0]));
    c.drop_name = q->options->delayed_name_removal;
    for (size_t i = 0; i < s->count; i++)
        if (!seen[i]) {
            column_put(q, s, &c, i, (struct sample){1, NULL});
            any = true;
        }
    if (any)
        sink(context, &c);
}

/* --- the way in --- */

static void check_extended(struct query *q, const struct expr *e, const struct expr *selector)
{
    int id = e->function->id;
    bool rate = is_rate(id) || id == FN_DELTA;
    if (selector->anchored && !rate && id != FN_RESETS && id != FN_CHANGES)
        query_fail(
            q,
            "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with %s",
            e->function->name);
    if (selector->smoothed && !rate)
        query_fail(q, "smoothed modifier can only be used with: delta, increase, rate - not with %s",
                   e->function->name);
}

void eval_range_call(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context)
{
    struct driver d = {.call = {.q = q, .s = s, .e = e},
                       .removal = {.q = q, .s = s, .strict = true},
                       .sink = sink,
                       .context = context};
    struct expr *range = NULL;
    size_t parameters = 0;
    for (size_t i = 0; i < e->arg_count; i++) {
        if (range == NULL && expr_type(e->args[i]) == VALUE_MATRIX)
            range = e->args[i];
        else if (parameters < RANGE_PARAMETERS_MAX)
            d.call.parameters[parameters++] = eval_scalar(q, s, e->args[i]);
    }
    const struct expr *holder = range->kind == EXPR_MATRIX ? range->left : range;
    if (range->kind == EXPR_MATRIX)
        check_extended(q, e, holder);
    d.call.range_ms = to_ms(range->range_ns);
    d.call.offset_ms = to_ms(holder->effective_offset_ns);
    d.call.anchored = holder->anchored;
    d.call.smoothed = holder->smoothed;
    /* a subquery that is a function's argument has no place of its own in annotations */
    d.call.at = e->args[0]->kind == EXPR_SUBQUERY ? 0 : e->args[0]->start;
    d.at_fixed = holder->has_timestamp;
    d.function = e->function->id == FN_ABSENT_OVER_TIME ? present : range_function_over_time(e->function->id);
    if (d.function == NULL)
        d.function = range_function_counter(e->function->id);
    struct absence absence = {s, ARENA_ARRAY(q->arena, bool, s->count)};
    bool absent = e->function->id == FN_ABSENT_OVER_TIME;
    if (absent) {
        d.sink = note_present;
        d.context = &absence;
    }
    d.range = range;
    if (is_plain_rate(&d))
        run_plain_rate(&d);
    else
        each_series_of_range(q, s, range, run_series, &d);
    if (absent)
        put_absent(q, s, e, absence.seen, sink, context);
}
