/*
 * histogram_quantile, histogram_quantiles and histogram_fraction, over native histograms and over classic
 * ones, whose buckets are series with a label `le`.
 */
#include "metrics/promql/eval_priv.h"

#include "base/go_text.h"
#include "metrics/grow.h"

#include <math.h>
#include <stdlib.h>

struct classic_bucket {
    double bound, count;
};

/* The series of one classic histogram. */
struct classic {
    const struct labels *labels; /* without le */
    uint32_t *series;
    double *bounds;
    size_t n, capacity;
};

struct work {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    struct vector in;
    struct expr *vector_arg;
    struct classic *classics;
    size_t classic_count, classic_capacity;
    struct by_labels classic_by_labels; /* uint32_t: place + 1 */
    uint32_t *bad;                      /* series whose le is no number */
    size_t bad_count;
    struct classic_bucket *buckets; /* room for one histogram */
    bool *clash;                    /* per classic histogram: there is a native one, too, at this step */
};

/* --- classic histograms --- */

static int by_bound(const void *a, const void *b)
{
    const struct classic_bucket *x = a, *y = b;
    return (x->bound > y->bound) - (x->bound < y->bound);
}

/* Sorted, equal bounds made one. */
static size_t tidy(struct classic_bucket *b, size_t n)
{
    size_t kept = 0;
    qsort(b, n, sizeof *b, by_bound);
    for (size_t i = 1; i < n; i++) {
        if (b[i].bound == b[kept].bound)
            b[kept].count += b[i].count;
        else
            b[++kept] = b[i];
    }
    return kept + 1;
}

struct repair {
    bool needed;
    double min_bucket, max_bucket, max_diff;
};

/* Counts never fall from bucket to bucket; small differences are rounding. */
static void make_monotonic(struct classic_bucket *b, size_t n, struct repair *repair)
{
    double before = b[0].count;
    *repair = (struct repair){.min_bucket = INFINITY, .max_bucket = -INFINITY};
    for (size_t i = 1; i < n; i++) {
        double now = b[i].count;
        if (now == before)
            continue;
        bool rounding = almost_equal(before, now, 1e-12), falls = now < before;
        if (rounding || falls)
            b[i].count = before;
        else
            before = now; /* NaN, too */
        if (rounding || !falls)
            continue;
        repair->needed = true;
        repair->min_bucket = fmin(repair->min_bucket, b[i].bound);
        repair->max_bucket = fmax(repair->max_bucket, b[i].bound);
        repair->max_diff = fmax(repair->max_diff, before - now);
    }
}

static double classic_quantile(double q, struct classic_bucket *b, size_t n, struct repair *repair)
{
    *repair = (struct repair){0};
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    n = tidy(b, n);
    if (!(isinf(b[n - 1].bound) && b[n - 1].bound > 0))
        return NAN;
    make_monotonic(b, n, repair);
    double observations = b[n - 1].count, rank = q * observations;
    if (n < 2 || observations == 0)
        return NAN;
    size_t at = 0;
    while (at < n - 1 && !(b[at].count >= rank))
        at++;
    if (at == n - 1)
        return b[n - 2].bound;
    if (at == 0 && b[0].bound <= 0)
        return b[0].bound;
    double start = at > 0 ? b[at - 1].bound : 0, below = at > 0 ? b[at - 1].count : 0;
    return start + (b[at].bound - start) * ((rank - below) / (b[at].count - below));
}

/* Observations up to a value, among buckets with cumulated counts. */
static double classic_rank(const struct classic_bucket *b, size_t n, double value)
{
    double rank = 0, lower = b[0].bound <= 0 ? -INFINITY : 0, total = b[n - 1].count;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            lower = b[i - 1].bound;
        if (lower >= value)
            return fmin(rank, total);
        if (b[i].bound > value) {
            double v = isinf(lower) ? b[i].count
                                    : rank + (b[i].count - rank) * (value - lower) / (b[i].bound - lower);
            return v > total ? total : v;
        }
        rank = b[i].count;
    }
    return total;
}

static double classic_fraction(double lower, double upper, struct classic_bucket *b, size_t n)
{
    n = tidy(b, n);
    if (!(isinf(b[n - 1].bound) && b[n - 1].bound > 0) || b[n - 1].count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    return lower >= upper ? 0 : (classic_rank(b, n, upper) - classic_rank(b, n, lower)) / b[n - 1].count;
}

/* --- native histograms --- */

static bool one_sided(const struct histogram *h, bool positive)
{
    return positive ? h->negative.n == 0 && h->positive.n > 0 : h->positive.n == 0 && h->negative.n > 0;
}

/* Where the observations of the bucket lie: within the zero bucket only on the side that has any. */
static bool find_quantile_bucket(const struct histogram *h, struct histogram_bucket *b, double *ret)
{
    if (!histogram_is_custom(h)) {
        if (b->lower < 0 && b->upper > 0) {
            if (one_sided(h, true))
                b->lower = 0;
            else if (one_sided(h, false))
                b->upper = 0;
        }
        return false;
    }
    if (isinf(b->lower) && b->lower < 0) {
        *ret = b->upper;
        if (b->upper <= 0)
            return true;
        b->lower = 0;
        return false;
    }
    *ret = b->lower;
    return isinf(b->upper);
}

static double native_quantile(struct query *q, double quantile, const struct histogram *h, struct sv metric,
                              int32_t at)
{
    struct histogram_bucket *all, b = {0};
    bool nan = isnan(h->sum), forward = nan || quantile < 0.5;
    double rank = (forward ? quantile : 1 - quantile) * h->count, count = 0, v;
    if (quantile < 0 || quantile > 1)
        return quantile < 0 ? -INFINITY : INFINITY;
    if (h->count == 0 || isnan(quantile))
        return NAN;
    size_t n = histogram_buckets(q->arena, h, &all), i = 0;
    for (; i < n; i++) {
        b = all[forward ? i : n - 1 - i];
        if (b.count == 0)
            continue;
        count += b.count;
        if (count >= rank)
            break;
    }
    if (find_quantile_bucket(h, &b, &v))
        return v;
    count = fmin(count, h->count);
    if (count < rank && nan) {
        annotate_info(q, at, "input to histogram_quantile has NaN observations, result is NaN%.*s",
                      SV_FMT(annotation_metric(q, metric)));
        return NAN;
    }
    if (count < rank)
        return b.upper;
    rank = forward ? rank - (count - b.count) : count - rank;
    for (i++; nan && i < n; i++)
        count += all[i].count;
    if (nan && count < h->count)
        annotate_info(q, at, "input to histogram_quantile has NaN observations, result is skewed higher%.*s",
                      SV_FMT(annotation_metric(q, metric)));
    double share = rank / b.count;
    if (histogram_is_custom(h) || (b.lower <= 0 && b.upper >= 0))
        return b.lower + (b.upper - b.lower) * share;
    double lower = go_log2(fabs(b.lower)), upper = go_log2(fabs(b.upper));
    return b.lower > 0 ? exp2(lower + (upper - lower) * share) : -exp2(upper + (lower - upper) * (1 - share));
}

/* Observations up to a value. False where the value lies beyond all buckets. */
static bool native_rank(const struct histogram *h, const struct histogram_bucket *all, size_t n, double value,
                        double *ret)
{
    double rank = 0;
    for (size_t i = 0; i < n; i++) {
        struct histogram_bucket b = all[i];
        bool zero = b.lower <= 0 && b.upper >= 0;
        if (histogram_is_custom(h)) {
            if (isinf(b.lower) && b.lower < 0 && b.upper > 0)
                b.lower = 0; /* as of classic buckets; there is no zero bucket */
        } else if (zero && one_sided(h, true))
            b.lower = 0;
        else if (zero && one_sided(h, false))
            b.upper = 0;
        *ret = rank;
        if (b.lower >= value)
            return true;
        if (b.upper > value) {
            bool linear = histogram_is_custom(h) || zero;
            *ret = linear && isinf(b.lower) ? b.count
                                            : rank + b.count * histogram_fraction_below(&b, value, linear);
            return true;
        }
        rank += b.count;
    }
    return false;
}

static double native_fraction(struct query *q, double lower, double upper, const struct histogram *h,
                              struct sv metric, int32_t at)
{
    struct histogram_bucket *all;
    double count = 0, low, high;
    if (h->count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    size_t n = histogram_buckets(q->arena, h, &all);
    for (size_t i = 0; i < n; i++)
        count += all[i].count;
    if (!isnan(h->sum))
        count = h->count;
    else if (count < h->count)
        annotate_info(
            q, at,
            "input to histogram_fraction has NaN observations, which are excluded from all fractions%.*s",
            SV_FMT(annotation_metric(q, metric)));
    if (!native_rank(h, all, n, lower, &low) || low > count)
        low = count;
    if (!native_rank(h, all, n, upper, &high) || high > count)
        high = count;
    return (high - low) / h->count;
}

/* --- sorting the series --- */

/* Annotations name the metric only where the name is still there. */
static struct sv known_name(const struct query *q, const struct labels *labels)
{
    return q->options->delayed_name_removal ? metric_name(labels) : SV("");
}

static struct classic *classic_of(struct work *w, const struct labels *labels)
{
    uint32_t *place = by_labels_at(w->q, &w->classic_by_labels, labels, sizeof *place);
    if (*place != 0)
        return &w->classics[*place - 1];
    w->classics = grow(w->q->arena, w->classics, w->classic_count, &w->classic_capacity, sizeof *w->classics);
    w->classics[w->classic_count] = (struct classic){.labels = labels};
    *place = (uint32_t)++w->classic_count;
    return &w->classics[w->classic_count - 1];
}

static void add_bucket_series(struct work *w, struct classic *c, uint32_t series, double bound)
{
    if (c->n == c->capacity) {
        c->capacity = TC_MAX((size_t)16, c->capacity * 2);
        uint32_t *more = ARENA_ARRAY(w->q->arena, uint32_t, c->capacity);
        double *bounds = ARENA_ARRAY(w->q->arena, double, c->capacity);
        if (c->n > 0) {
            memcpy(more, c->series, c->n * sizeof *more);
            memcpy(bounds, c->bounds, c->n * sizeof *bounds);
        }
        c->series = more;
        c->bounds = bounds;
    }
    c->series[c->n] = series;
    c->bounds[c->n++] = bound;
}

static void sort_series(struct work *w)
{
    struct query *q = w->q;
    const struct sv le = SV("le");
    const struct labels **bases = ARENA_ARRAY(q->arena, const struct labels *, w->in.n + 1);
    for (size_t k = 0; k < w->in.n; k++)
        bases[k] = labels_drop(q->labels, w->in.items[k].labels, &le, 1, false);
    w->bad = ARENA_ARRAY(q->arena, uint32_t, w->in.n + 1);
    for (size_t k = 0; k < w->in.n; k++) {
        double bound;
        if (go_parse_float(labels_get(w->in.items[k].labels, le), &bound) && !isnan(bound))
            add_bucket_series(w, classic_of(w, bases[k]), (uint32_t)k, bound);
        else
            w->bad[w->bad_count++] = (uint32_t)k;
    }
    w->buckets = ARENA_ARRAY(q->arena, struct classic_bucket, w->in.n + 1);
    w->clash = ARENA_ARRAY(q->arena, bool, w->classic_count + 1);
}

/* --- one step --- */

static void report_bad(struct work *w, size_t step)
{
    for (size_t i = 0; i < w->bad_count; i++) {
        const struct column *c = &w->in.items[w->bad[i]];
        if (c->kind[step] == SAMPLE_FLOAT)
            annotate_warning(w->q, w->vector_arg->start,
                             "bucket label \"le\" is missing or has a malformed value of %.*s%.*s",
                             SV_FMT(quote_text(w->q, labels_get(c->labels, SV("le")))),
                             SV_FMT(annotation_metric(w->q, known_name(w->q, c->labels))));
    }
}

static bool classic_present(const struct work *w, const struct classic *c, size_t step)
{
    for (size_t i = 0; i < c->n; i++)
        if (w->in.items[c->series[i]].kind[step] == SAMPLE_FLOAT)
            return true;
    return false;
}

/* Native samples beside a classic histogram of the same name: neither is used. */
static bool clashes(struct work *w, const struct column *c, size_t step)
{
    uint32_t id = *(uint32_t *)by_labels_at(w->q, &w->classic_by_labels, c->labels, sizeof id);
    if (id == 0 || !classic_present(w, &w->classics[id - 1], step))
        return false;
    w->clash[id - 1] = true;
    annotate_warning(w->q, w->vector_arg->start, "vector contains a mix of classic and native histograms%.*s",
                     SV_FMT(annotation_metric(w->q, known_name(w->q, c->labels))));
    return true;
}

static void report_repair(struct work *w, const struct classic *c, const struct repair *r, size_t step)
{
    struct sv text =
        arena_printf(w->q->arena,
                     "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
                     "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                     "#histogram_quantile)%.*s",
                     SV_FMT(annotation_metric(w->q, known_name(w->q, c->labels))));
    struct annotation *a = annotate(w->q, w->vector_arg->start, true, text);
    int64_t t = step_time(w->s, step);
    bool first = a->shape != ANNOTATION_MONOTONICITY;
    a->shape = ANNOTATION_MONOTONICITY;
    a->min_t = first ? t : TC_MIN(a->min_t, t);
    a->max_t = first ? t : TC_MAX(a->max_t, t);
    a->min_bucket = first ? r->min_bucket : fmin(a->min_bucket, r->min_bucket);
    a->max_bucket = first ? r->max_bucket : fmax(a->max_bucket, r->max_bucket);
    a->max_diff = first ? r->max_diff : fmax(a->max_diff, r->max_diff);
}

/* What is asked of each histogram at a step. */
struct question {
    bool fraction;
    double a, b;     /* quantile, or the borders of a fraction */
    struct sv label; /* of histogram_quantiles */
    struct sv value; /* the quantile as a label */
};

static const struct labels *answer_labels(struct work *w, const struct question *question,
                                          const struct labels *labels)
{
    labels = without_name(w->q, labels);
    return question->label.n == 0 ? labels
                                  : labels_set(w->q->labels, labels, question->label, question->value);
}

static void ask_native(struct work *w, const struct question *question, size_t step, const bool *skip,
                       struct output *out)
{
    for (size_t k = 0; k < w->in.n; k++) {
        const struct column *c = &w->in.items[k];
        if (c->kind[step] != SAMPLE_HISTOGRAM || skip[k])
            continue;
        struct sv metric = known_name(w->q, c->labels);
        int32_t at = w->vector_arg->start;
        double v = question->fraction
                       ? native_fraction(w->q, question->a, question->b, c->h[step], metric, at)
                       : native_quantile(w->q, question->a, c->h[step], metric, at);
        output_put(out, answer_labels(w, question, c->labels), w->q->options->delayed_name_removal, step,
                   (struct sample){v, NULL});
    }
}

static void ask_classic(struct work *w, const struct question *question, size_t step, struct output *out)
{
    for (size_t k = 0; k < w->classic_count; k++) {
        const struct classic *c = &w->classics[k];
        struct repair repair = {0};
        size_t n = 0;
        for (size_t i = 0; i < c->n && !w->clash[k]; i++) {
            const struct column *column = &w->in.items[c->series[i]];
            if (column->kind[step] == SAMPLE_FLOAT)
                w->buckets[n++] = (struct classic_bucket){c->bounds[i], column->f[step]};
        }
        if (n == 0)
            continue;
        double v = question->fraction ? classic_fraction(question->a, question->b, w->buckets, n)
                                      : classic_quantile(question->a, w->buckets, n, &repair);
        if (repair.needed)
            report_repair(w, c, &repair, step);
        output_put(out, answer_labels(w, question, c->labels), w->q->options->delayed_name_removal, step,
                   (struct sample){v, NULL});
    }
}

static void check_quantile(struct query *q, double v, const struct expr *arg)
{
    if (isnan(v) || v < 0 || v > 1)
        warn_quantile(q, v, arg->start);
}

void eval_histogram_function(struct query *q, const struct steps *s, struct expr *e, struct vector *result)
{
    int id = e->function->id;
    bool many = id == FN_HISTOGRAM_QUANTILES, fraction = id == FN_HISTOGRAM_FRACTION;
    size_t vector_at = many ? 0 : e->arg_count - 1;
    struct work w = {.q = q, .s = s, .e = e, .vector_arg = e->args[vector_at]};
    const double **parameters = ARENA_ARRAY(q->arena, const double *, e->arg_count + 1);
    size_t first = many ? 2 : 0, last = many ? e->arg_count : vector_at;
    for (size_t i = first; i < last; i++)
        parameters[i] = eval_scalar(q, s, e->args[i]);
    eval(q, s, w.vector_arg, &w.in);
    sort_series(&w);
    struct output out = {.q = q, .s = s, .out = result};
    bool *skip = ARENA_ARRAY(q->arena, bool, w.in.n + 1);
    struct expr *label = many ? e->args[1] : NULL;
    while (label != NULL && (label->kind == EXPR_PAREN || label->kind == EXPR_ONCE))
        label = label->left;
    for (size_t step = 0; step < s->count; step++) {
        query_tick(q);
        memset(w.clash, 0, w.classic_count * sizeof *w.clash);
        report_bad(&w, step);
        for (size_t k = 0; k < w.in.n; k++)
            skip[k] = w.in.items[k].kind[step] == SAMPLE_HISTOGRAM && clashes(&w, &w.in.items[k], step);
        for (size_t i = first; i < last; i += fraction ? 2 : 1) {
            struct question question = {.fraction = fraction, .a = parameters[i][step]};
            char text[64];
            struct buf b = {.p = text, .capacity = sizeof text, .max_bytes = sizeof text};
            if (fraction)
                question.b = parameters[i + 1][step];
            else
                check_quantile(q, question.a, e->args[i]);
            if (many) {
                go_float_openmetrics(&b, question.a);
                question.label = label->text;
                question.value = buf_view(&b);
            }
            ask_native(&w, &question, step, skip, &out);
            ask_classic(&w, &question, step, &out);
        }
    }
}
