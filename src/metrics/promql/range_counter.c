/*
 * rate, increase, delta, irate, idelta, resets and changes: with extrapolation to the borders of the range,
 * or with borders made up (anchored, smoothed).
 */
#include "metrics/promql/range_priv.h"

#include <math.h>

static bool is_counter(const struct range_call *c)
{
    return c->e->function->id == FN_RATE || c->e->function->id == FN_INCREASE;
}

static double range_seconds(const struct range_call *c)
{
    return (double)c->range_ms / 1000;
}

static void warn_overlap(struct range_call *c)
{
    struct sv text = arena_printf(
        c->q->arena,
        "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric %.*s",
        SV_FMT(quote_text(c->q, c->metric)));
    annotate(c->q, c->at, false, text)->shape = ANNOTATION_OVERLAP;
}

static bool overlaps(const int64_t *st, const int64_t *t, size_t n)
{
    for (size_t i = 1; st != NULL && i < n; i++)
        if (st[i] != 0 && st[i] < t[i - 1] && st[i] != st[i - 1])
            return true;
    return false;
}

static bool add_to(struct range_call *c, struct histogram *h, const struct histogram *other, double sign)
{
    struct histogram_note note = {0};
    if (!histogram_add(c->q->arena, h, other, sign, &note)) {
        warn_mixed_schemas(c->q, c->metric, c->at);
        return false;
    }
    if (note.bounds_reconciled)
        info_reconciled(c->q, c->at, sign > 0 ? "addition" : "subtraction");
    return true;
}

/* --- what happened between the first and the last sample --- */

static double float_increase(struct range_call *c, const struct window *w)
{
    double v = w->f[w->n - 1] - w->f[0];
    if (!is_counter(c))
        return v;
    if (overlaps(w->st, w->t, w->n))
        warn_overlap(c);
    /* the resets of the series that lie within the window */
    size_t from = 0, to = c->reset_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (c->resets[middle] <= w->first)
            from = middle + 1;
        else
            to = middle;
    }
    for (size_t i = from; i < c->reset_count && c->resets[i] < w->first + w->n; i++)
        v += w->f[c->resets[i] - w->first - 1];
    return v;
}

static bool was_reset(struct range_call *c, const struct window *w, size_t i, const struct histogram *before)
{
    return (w->hst != NULL && start_timestamp_reset(w->hst[i - 1], w->ht[i - 1], w->hst[i], w->ht[i])) ||
           histogram_detect_reset(c->q->arena, w->h[i], before);
}

/* Checks the histograms between the ends; false where they do not fit. */
static bool check_middle(struct range_call *c, const struct window *w, bool custom, int32_t *schema)
{
    for (size_t i = 1; i + 1 < w->hn && is_counter(c); i++) {
        if (w->h[i]->hint == HINT_GAUGE)
            warn_not_counter(c->q, c->metric, c->at);
        *schema = TC_MIN(*schema, w->h[i]->schema);
        if (histogram_is_custom(w->h[i]) != custom) {
            warn_mixed_schemas(c->q, c->metric, c->at);
            return false;
        }
    }
    return true;
}

static struct histogram *histogram_increase(struct range_call *c, const struct window *w)
{
    const struct histogram *before = w->h[0], *last = w->h[w->hn - 1];
    bool counter = is_counter(c);
    if (counter && (before->hint == HINT_GAUGE || last->hint == HINT_GAUGE))
        warn_not_counter(c->q, c->metric, c->at);
    if (counter && was_reset(c, w, 1, before)) {
        /* the first sample counts for nothing, so its layout must not coarsen the result */
        struct histogram *empty = ARENA_NEW(c->q->arena, struct histogram);
        empty->schema = w->h[1]->schema;
        empty->bounds = w->h[1]->bounds;
        empty->bound_count = w->h[1]->bound_count;
        before = empty;
    }
    bool custom = histogram_is_custom(before);
    int32_t schema = TC_MIN(last->schema, before->schema);
    if (histogram_is_custom(last) != custom) {
        warn_mixed_schemas(c->q, c->metric, c->at);
        return NULL;
    }
    if (!check_middle(c, w, custom, &schema))
        return NULL;
    struct histogram *h = histogram_copy_to_schema(c->q->arena, last, schema);
    if (!add_to(c, h, before, -1))
        return NULL;
    if (counter && overlaps(w->hst, w->ht, w->hn))
        warn_overlap(c);
    for (size_t i = 1; i < w->hn && counter; i++) {
        if (was_reset(c, w, i, before) && !add_to(c, h, before, 1))
            return NULL;
        before = w->h[i];
    }
    if (!counter && (w->h[0]->hint != HINT_GAUGE || last->hint != HINT_GAUGE))
        warn_not_gauge(c->q, c->metric, c->at);
    h->hint = HINT_GAUGE;
    return histogram_compact(h);
}

/* --- extrapolation --- */

/* Seconds from the range's start to the first sample that the increase is stretched over. */
static double stretch_to_start(struct range_call *c, const struct window *w, double to_start, double sampled,
                               double spacing, const struct sample *v)
{
    double to_zero;
    if (to_start >= spacing * 1.1)
        to_start = spacing / 2;
    if (!is_counter(c))
        return to_start;
    /* a counter does not go below zero */
    to_zero = to_start;
    if (v->f > 0 && w->n > 0 && w->f[0] >= 0)
        to_zero = sampled * (w->f[0] / v->f);
    else if (v->h != NULL && v->h->count > 0 && w->hn > 0 && w->h[0]->count >= 0)
        to_zero = sampled * (w->h[0]->count / v->h->count);
    return to_zero < to_start ? to_zero : to_start;
}

static bool extrapolate(struct range_call *c, const struct window *w, struct sample *v)
{
    bool histograms = w->hn > 0;
    size_t n = histograms ? w->hn : w->n;
    const int64_t *t = histograms ? w->ht : w->t, *st = histograms ? w->hst : w->st;
    double to_start = (double)(t[0] - w->start) / 1000, to_end = (double)(w->end - t[n - 1]) / 1000;
    double sampled = (double)(t[n - 1] - t[0]) / 1000, spacing = n > 1 ? sampled / (double)(n - 1) : 0;
    if (is_counter(c) && st != NULL && st[0] != 0 && st[0] > w->start && st[0] < t[0]) {
        /* the counter is known to have begun within the range, at zero */
        to_start = 0;
        sampled = (double)(t[n - 1] - st[0]) / 1000;
        if (!histograms)
            v->f += w->f[0];
        else if (v->h == NULL)
            v->h = histogram_copy(c->q->arena, w->h[0]);
        else if (!add_to(c, v->h, w->h[0], 1))
            return false;
    } else if (n == 1) {
        return false;
    } else {
        to_start = stretch_to_start(c, w, to_start, sampled, spacing, v);
    }
    if (to_end >= spacing * 1.1)
        to_end = spacing / 2;
    double factor = sampled != 0 ? (sampled + to_start + to_end) / sampled : 1;
    if (c->e->function->id == FN_RATE)
        factor /= range_seconds(c);
    if (v->h != NULL)
        histogram_multiply(v->h, factor);
    else
        v->f *= factor;
    return true;
}

/* --- floats, all steps at once --- */

/* By how much an increase within `n` samples is stretched to the borders of the range. */
static inline double stretch(bool counter, double v, double first, int64_t t0, int64_t tn, size_t n,
                             int64_t start, int64_t end)
{
    double to_start = (double)(t0 - start) / 1000, to_end = (double)(end - tn) / 1000;
    double sampled = (double)(tn - t0) / 1000, spacing = sampled / (double)(n - 1);
    if (to_start >= spacing * 1.1)
        to_start = spacing / 2;
    if (counter && v > 0 && first >= 0) {
        double to_zero = sampled * (first / v);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    if (to_end >= spacing * 1.1)
        to_end = spacing / 2;
    return sampled != 0 ? (sampled + to_start + to_end) / sampled : 1;
}

bool range_rate_column(struct range_call *c, struct column *out)
{
    const struct split_samples *d = c->samples;
    const int64_t *t = d->float_t;
    const double *f = d->f;
    size_t from = 0, to = 0, reset = 0, total = d->float_count;
    bool counter = is_counter(c), per_second = c->e->function->id == FN_RATE, any = false;
    double seconds = range_seconds(c);
    for (size_t i = 0; i < c->s->count; i++) {
        int64_t end = step_time(c->s, i) - c->offset_ms, start = end - c->range_ms;
        if (to < total && t[total - 1] <= end)
            to = total; /* the usual case of an instant query */
        while (to < total && t[to] <= end)
            to++;
        while (from < to && t[from] <= start)
            from++;
        if (to - from < 2)
            continue;
        double v = f[to - 1] - f[from];
        while (reset < c->reset_count && c->resets[reset] <= from)
            reset++;
        for (size_t k = reset; k < c->reset_count && c->resets[k] < to; k++)
            v += f[c->resets[k] - 1];
        double factor = stretch(counter, v, f[from], t[from], t[to - 1], to - from, start, end);
        out->f[i] = v * (per_second ? factor / seconds : factor);
        out->kind[i] = SAMPLE_FLOAT;
        any = true;
    }
    return any;
}

/* --- anchored and smoothed --- */

/* The samples that border the range, or the nearest within. */
static void border(struct range_call *c, const int64_t *t, size_t n, const struct window *w, size_t *first,
                   size_t *last)
{
    *last = n - 1;
    *first = first_after(t, *last, w->start);
    *first = *first > 0 ? *first - 1 : 0;
    if (c->smoothed)
        *last = first_after(t, *last, w->end - 1);
}

static bool extended_floats(struct range_call *c, const struct window *w, struct sample *out)
{
    size_t first, last;
    bool counter = is_counter(c);
    border(c, w->t, w->n, w, &first, &last);
    if (w->t[last] <= w->start || (c->smoothed && w->t[first] > w->end))
        return false;
    double left = w->f[first], right = w->f[last];
    if (c->smoothed && w->t[first] < w->start)
        left = interpolate_floats(left, w->t[first], w->f[first + 1], w->t[first + 1], w->start, counter);
    if (c->smoothed && last > 0 && w->t[last] > w->end)
        right = interpolate_floats(w->f[last - 1], w->t[last - 1], right, w->t[last], w->end, counter);
    out->f = right - left;
    if (counter) {
        double before = left;
        size_t from = w->t[first] <= w->start ? first + 1 : first,
               to = w->t[last] >= w->end ? last : last + 1;
        for (size_t i = from; i < to; i++) {
            if (w->f[i] < before)
                out->f += before;
            before = w->f[i];
        }
        if (right < before)
            out->f += before;
    }
    if (c->e->function->id == FN_RATE)
        out->f /= range_seconds(c);
    return true;
}

static bool usable(struct range_call *c, const struct window *w, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++) {
        if (histogram_is_custom(w->h[i]) != histogram_is_custom(w->h[first])) {
            warn_mixed_schemas(c->q, c->metric, c->at);
            return false;
        }
        if (is_counter(c) && w->h[i]->hint == HINT_GAUGE)
            warn_not_counter(c->q, c->metric, c->at);
    }
    return true;
}

/* What resets between the borders have taken away; *ret stays NULL without one. */
static bool correction(struct range_call *c, const struct window *w, size_t first, size_t last,
                       const struct histogram *left, const struct histogram *right, struct histogram **ret)
{
    const struct histogram *before = left;
    size_t from = first + 1;
    if (c->smoothed && w->ht[first] < w->start &&
        histogram_detect_reset(c->q->arena, w->h[first + 1], w->h[first])) {
        /* the made-up border has crossed this reset already */
        before = w->h[first + 1];
        from++;
    }
    if (from > last)
        return true;
    for (size_t i = from; i <= last; i++) {
        const struct histogram *now = i == last ? right : w->h[i];
        if (histogram_detect_reset(c->q->arena, now, before)) {
            if (*ret == NULL)
                *ret = histogram_copy(c->q->arena, before);
            else if (!add_to(c, *ret, before, 1))
                return false;
        }
        before = now;
    }
    return true;
}

static bool extended_histograms(struct range_call *c, const struct window *w, struct sample *out)
{
    size_t first, last;
    bool counter = is_counter(c);
    border(c, w->ht, w->hn, w, &first, &last);
    if (w->ht[last] <= w->start || (c->smoothed && w->ht[first] > w->end) || !usable(c, w, first, last))
        return false;
    struct histogram *left = w->h[first], *right = w->h[last], *lost = NULL;
    if (c->smoothed && w->ht[first] < w->start)
        left = interpolate_histograms(c->q, left, w->ht[first], w->h[first + 1], w->ht[first + 1], w->start,
                                      counter, c->metric, c->at);
    if (left != NULL && c->smoothed && last > 0 && w->ht[last] > w->end)
        right = interpolate_histograms(c->q, w->h[last - 1], w->ht[last - 1], right, w->ht[last], w->end,
                                       counter, c->metric, c->at);
    if (left == NULL || right == NULL)
        return false;
    if (!counter && (left->hint != HINT_GAUGE || right->hint != HINT_GAUGE))
        warn_not_gauge(c->q, c->metric, c->at);
    struct histogram *h = histogram_copy(c->q->arena, right);
    if (!add_to(c, h, left, -1))
        return false;
    if (counter &&
        (!correction(c, w, first, last, left, right, &lost) || (lost != NULL && !add_to(c, h, lost, 1))))
        return false;
    if (c->e->function->id == FN_RATE)
        histogram_divide(h, range_seconds(c));
    h->hint = HINT_GAUGE;
    out->h = histogram_compact(h);
    return true;
}

static bool rate(struct range_call *c, const struct window *w, struct sample *out)
{
    if (w->n > 0 && w->hn > 0) {
        warn_mixed_floats(c->q, c->metric, c->at);
        return false;
    }
    if (c->anchored || c->smoothed)
        return w->hn > 0 ? extended_histograms(c, w, out) : extended_floats(c, w, out);
    if (w->hn > 1) {
        out->h = histogram_increase(c, w);
        if (out->h == NULL)
            return false;
    } else if (w->hn == 0) {
        out->f = float_increase(c, w);
    }
    return extrapolate(c, w, out);
}

/* --- the last two samples --- */

struct pair_sample {
    int64_t t, st;
    double f;
    struct histogram *h;
};

static struct pair_sample nth_float(const struct window *w, size_t i)
{
    return (struct pair_sample){w->t[i], w->st != NULL ? w->st[i] : 0, w->f[i], NULL};
}

static struct pair_sample nth_histogram(const struct window *w, size_t i)
{
    return (struct pair_sample){w->ht[i], w->hst != NULL ? w->hst[i] : 0, 0, w->h[i]};
}

/* From the newest back, whichever kind it is. */
static struct pair_sample take_last(const struct window *w, size_t *n, size_t *hn)
{
    if (*hn == 0 || (*n > 0 && w->t[*n - 1] > w->ht[*hn - 1]))
        return nth_float(w, --*n);
    return nth_histogram(w, --*hn);
}

static bool instant_rate(struct range_call *c, const struct window *w, struct sample *out)
{
    bool counter = c->e->function->id == FN_IRATE;
    size_t n = w->n, hn = w->hn;
    if (n + hn < 2)
        return false;
    struct pair_sample b = take_last(w, &n, &hn), a = take_last(w, &n, &hn);
    double seconds = (double)(b.t - a.t) / 1000;
    if (seconds == 0)
        return false;
    if ((a.h == NULL) != (b.h == NULL)) {
        warn_mixed_floats(c->q, c->metric, c->at);
        return false;
    }
    bool begun = start_timestamp_reset(a.st, a.t, b.st, b.t);
    if (b.h == NULL) {
        out->f = counter && (b.f < a.f || begun) ? b.f : b.f - a.f;
        out->f = counter ? out->f / seconds : out->f;
        return true;
    }
    if (counter && (a.h->hint == HINT_GAUGE || b.h->hint == HINT_GAUGE))
        warn_not_counter(c->q, c->metric, c->at);
    if (!counter && (a.h->hint != HINT_GAUGE || b.h->hint != HINT_GAUGE))
        warn_not_gauge(c->q, c->metric, c->at);
    struct histogram *h = histogram_copy(c->q->arena, b.h);
    if ((!counter || (!begun && !histogram_detect_reset(c->q->arena, b.h, a.h))) && !add_to(c, h, a.h, -1))
        return false;
    h->hint = HINT_GAUGE;
    out->h = histogram_compact(h);
    if (counter)
        histogram_divide(h, seconds);
    return true;
}

/* --- resets and changes --- */

/* Where the window begins: with the sample at its border, if it is anchored. False where there is none
 * within. */
static bool first_samples(struct range_call *c, const struct window *w, size_t *f, size_t *h)
{
    *f = *h = 0;
    if (!c->anchored)
        return true;
    size_t after_f = first_after(w->t, w->n, w->start), after_h = first_after(w->ht, w->hn, w->start);
    if (after_f >= w->n && after_h >= w->hn)
        return false;
    if (after_f == 0 && after_h == 0)
        return true;
    bool from_float = after_h == 0 || (after_f > 0 && w->t[after_f - 1] >= w->ht[after_h - 1]);
    *f = from_float ? after_f - 1 : after_f;
    *h = from_float ? after_h : after_h - 1;
    return true;
}

static bool differs(struct range_call *c, const struct pair_sample *a, const struct pair_sample *b)
{
    bool resets = c->e->function->id == FN_RESETS;
    if ((a->h == NULL) != (b->h == NULL))
        return true;
    if (resets && start_timestamp_reset(a->st, a->t, b->st, b->t))
        return true;
    if (b->h != NULL)
        return resets ? histogram_detect_reset(c->q->arena, b->h, a->h) : !histogram_equal(a->h, b->h);
    return resets ? b->f < a->f : b->f != a->f && !(isnan(a->f) && isnan(b->f));
}

static bool count_differences(struct range_call *c, const struct window *w, struct sample *out)
{
    size_t f, h;
    struct pair_sample before = {0};
    bool first = true;
    if (!first_samples(c, w, &f, &h))
        return false;
    while (f < w->n || h < w->hn) {
        bool is_float = h >= w->hn || (f < w->n && w->t[f] < w->ht[h]);
        struct pair_sample now = is_float ? nth_float(w, f++) : nth_histogram(w, h++);
        if (!first && differs(c, &before, &now))
            out->f++;
        before = now;
        first = false;
    }
    return true;
}

range_function range_function_counter(int id)
{
    switch (id) {
    case FN_IRATE:
    case FN_IDELTA:
        return instant_rate;
    case FN_RESETS:
    case FN_CHANGES:
        return count_differences;
    default:
        return rate;
    }
}
