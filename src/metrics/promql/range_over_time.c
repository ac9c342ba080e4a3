/*
 * Functions of the values in a window: the *_over_time family, trends and smoothing.
 */
#include "metrics/promql/range_priv.h"

#include <math.h>
#include <stdlib.h>

/* --- histograms summed and averaged --- */

struct hints {
    bool reset, not_reset, reconciled;
};

static void see(struct hints *hints, const struct histogram *h)
{
    hints->reset |= h->hint == HINT_RESET;
    hints->not_reset |= h->hint == HINT_NOT_RESET;
}

static bool finish_histogram(struct range_call *c, const struct hints *hints, bool fits)
{
    if (!fits) {
        warn_mixed_schemas(c->q, c->metric, c->at);
        return false;
    }
    if (hints->reset && hints->not_reset)
        warn_collision(c->q, c->at, "aggregation");
    if (hints->reconciled)
        info_reconciled(c->q, c->at, "aggregation");
    return true;
}

static bool sum_histograms(struct range_call *c, const struct window *w, struct sample *out)
{
    struct arena *arena = c->q->arena;
    struct histogram_rest rest = {0};
    struct histogram_note note = {0};
    struct hints hints = {0};
    bool fits = true;
    out->h = histogram_copy(arena, w->h[0]);
    see(&hints, w->h[0]);
    for (size_t i = 1; i < w->hn && fits; i++) {
        see(&hints, w->h[i]);
        fits = histogram_kahan_add(arena, out->h, &rest, w->h[i], &note);
    }
    hints.reconciled = note.bounds_reconciled;
    if (fits)
        histogram_settle(out->h, &rest);
    return finish_histogram(c, &hints, fits);
}

/* Adds the i-th histogram to a mean that is kept as a mean, because the sum would overflow. */
static bool add_to_mean(struct range_call *c, const struct window *w, size_t i, struct histogram *mean,
                        struct histogram_rest *rest, struct histogram_note *note)
{
    double count = (double)i + 1, share = (count - 1) / count;
    histogram_rest_scale(rest, mean, share, false);
    histogram_multiply(mean, share);
    struct histogram *part = histogram_copy(c->q->arena, w->h[i]);
    histogram_divide(part, count);
    return histogram_kahan_add(c->q->arena, mean, rest, part, note);
}

static bool average_histograms(struct range_call *c, const struct window *w, struct sample *out)
{
    struct arena *arena = c->q->arena;
    struct histogram *sum = histogram_copy(arena, w->h[0]);
    struct histogram_rest rest = {0};
    struct histogram_note note = {0};
    struct hints hints = {0};
    bool fits = true, incremental = false;
    see(&hints, sum);
    for (size_t i = 1; i < w->hn && fits; i++) {
        see(&hints, w->h[i]);
        if (!incremental) {
            struct histogram *next = histogram_copy(arena, sum);
            struct histogram_rest next_rest = histogram_rest_copy(arena, sum, &rest);
            fits = histogram_kahan_add(arena, next, &next_rest, w->h[i], &note);
            if (!fits || !histogram_overflows(next)) {
                sum = next;
                rest = next_rest;
                continue;
            }
            incremental = true;
            histogram_divide(sum, (double)i);
            histogram_rest_scale(&rest, sum, (double)i, true);
        }
        fits = add_to_mean(c, w, i, sum, &rest, &note);
    }
    if (fits && !incremental) {
        histogram_divide(sum, (double)w->hn);
        histogram_rest_scale(&rest, sum, (double)w->hn, true);
    }
    if (fits)
        histogram_settle(sum, &rest);
    hints.reconciled = note.bounds_reconciled;
    out->h = sum;
    return finish_histogram(c, &hints, fits);
}

/* --- sums and averages --- */

static bool is_mixed(struct range_call *c, const struct window *w)
{
    if (w->n == 0 || w->hn == 0)
        return false;
    warn_mixed_floats(c->q, c->metric, c->at);
    return true;
}

static bool sum_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    double rest = 0;
    if (is_mixed(c, w))
        return false;
    if (w->n == 0)
        return sum_histograms(c, w, out);
    for (size_t i = 0; i < w->n; i++)
        kahan_add(w->f[i], &out->f, &rest);
    if (!isinf(out->f))
        out->f += rest;
    return true;
}

static double average(const double *f, size_t n)
{
    double sum = f[0], rest = 0, mean = 0;
    bool incremental = false;
    for (size_t i = 1; i < n; i++) {
        double count = (double)i + 1;
        if (!incremental) {
            double next = sum, next_rest = rest;
            kahan_add(f[i], &next, &next_rest);
            if (!isinf(next)) {
                sum = next;
                rest = next_rest;
                continue;
            }
            incremental = true;
            mean = sum / (count - 1);
            rest /= count - 1;
        }
        double share = (count - 1) / count;
        mean *= share;
        rest *= share;
        kahan_add(f[i] / count, &mean, &rest);
    }
    return incremental ? mean + rest : sum / (double)n + rest / (double)n;
}

static bool avg_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (is_mixed(c, w))
        return false;
    if (w->n == 0)
        return average_histograms(c, w, out);
    out->f = average(w->f, w->n);
    return true;
}

/* --- counts, ends, times --- */

static bool count_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    (void)c;
    out->f = (double)(w->n + w->hn);
    return true;
}

static bool present_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    (void)c;
    (void)w;
    out->f = 1;
    return true;
}

static bool first_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (w->hn == 0 || (w->n > 0 && w->t[0] < w->ht[0]))
        out->f = w->f[0];
    else
        out->h = histogram_copy(c->q->arena, w->h[0]);
    return true;
}

static bool last_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (w->hn == 0 || (w->n > 0 && w->ht[w->hn - 1] < w->t[w->n - 1]))
        out->f = w->f[w->n - 1];
    else
        out->h = histogram_copy(c->q->arena, w->h[w->hn - 1]);
    return true;
}

static bool ts_of_first(struct range_call *c, const struct window *w, struct sample *out)
{
    (void)c;
    int64_t t = w->n > 0 ? w->t[0] : INT64_MAX;
    out->f = (double)(w->hn > 0 ? TC_MIN(t, w->ht[0]) : t) / 1000;
    return true;
}

static bool ts_of_last(struct range_call *c, const struct window *w, struct sample *out)
{
    (void)c;
    int64_t t = w->n > 0 ? w->t[w->n - 1] : 0;
    out->f = (double)(w->hn > 0 ? TC_MAX(t, w->ht[w->hn - 1]) : t) / 1000;
    return true;
}

/* --- extremes --- */

/* Floats only; false without any. */
static bool only_floats(struct range_call *c, const struct window *w)
{
    if (w->n > 0 && w->hn > 0)
        info_ignored_in_range(c->q, c->metric, c->at);
    return w->n > 0;
}

/* Of equal extremes the first, or the last. */
static size_t extreme(const struct window *w, bool least, bool newest)
{
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        double v = w->f[i], best = w->f[at];
        if (isnan(best) || (least ? v < best : v > best) || (newest && v == best))
            at = i;
    }
    return at;
}

static bool max_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    out->f = w->f[extreme(w, false, false)];
    return true;
}

static bool min_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    out->f = w->f[extreme(w, true, false)];
    return true;
}

static bool ts_of_max(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    out->f = (double)w->t[extreme(w, false, true)] / 1000;
    return true;
}

static bool ts_of_min(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    out->f = (double)w->t[extreme(w, true, true)] / 1000;
    return true;
}

/* --- distribution --- */

/* The mean of two, which does not overflow where both are finite; *io_rest is what was rounded off. */
static double mean_of(double a, double b, double *ret_rest)
{
    double sum = b;
    *ret_rest = 0;
    kahan_add(a, &sum, ret_rest);
    if (isinf(sum) && !isinf(a) && !isinf(b)) {
        sum = b / 2;
        *ret_rest = 0;
        kahan_add(a / 2, &sum, ret_rest);
        return sum;
    }
    *ret_rest /= 2;
    return sum / 2;
}

/* The area under the values, in seconds; strategies: 0 the value before an interval, 1 the one behind it, 2
 * their mean. NaN counts as zero. */
static bool integral(struct range_call *c, const struct window *w, struct sample *out)
{
    double strategy = c->parameters[0] == NULL ? 2 : w->parameters[0], rest = 0;
    if (!only_floats(c, w))
        return false;
    if (strategy != 0 && strategy != 1 && strategy != 2) {
        warn_strategy(c->q, strategy, c->e->args[1]->start);
        strategy = 2;
    }
    for (size_t i = 1; i < w->n; i++) {
        double before = isnan(w->f[i - 1]) ? 0 : w->f[i - 1], now = isnan(w->f[i]) ? 0 : w->f[i], more = 0;
        double height = strategy == 0 ? before : strategy == 1 ? now : mean_of(now, before, &more);
        double seconds = (double)(w->t[i] - w->t[i - 1]) / 1000;
        if (height == 0 && more == 0)
            continue;
        rest += more * seconds;
        kahan_add(height * seconds, &out->f, &rest);
    }
    if (!isinf(out->f))
        out->f += rest;
    return true;
}

static double *values_of(struct range_call *c, const struct window *w)
{
    double *values = arena_alloc_raw(&c->q->scratch, w->n * sizeof *values, 16);
    memcpy(values, w->f, w->n * sizeof *values);
    return values;
}

static bool quantile_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    double q = w->parameters[0];
    if (w->n == 0)
        return false;
    if (isnan(q) || q < 0 || q > 1)
        warn_quantile(c->q, q, c->at);
    (void)only_floats(c, w);
    out->f = quantile_of(q, values_of(c, w), w->n);
    return true;
}

static bool mad_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    double *values = values_of(c, w);
    for (size_t i = 0; i < w->n; i++)
        if (isnan(values[i])) {
            out->f = NAN;
            return true;
        }
    double median = quantile_of(0.5, values, w->n);
    for (size_t i = 0; i < w->n; i++)
        values[i] = fabs(values[i] - median);
    out->f = quantile_of(0.5, values, w->n);
    return true;
}

static double variance(const struct window *w)
{
    double count = 0, mean = 0, mean_rest = 0, sum = 0, sum_rest = 0;
    for (size_t i = 0; i < w->n; i++) {
        double delta = w->f[i] - (mean + mean_rest);
        kahan_add(delta / ++count, &mean, &mean_rest);
        kahan_add(delta * (w->f[i] - (mean + mean_rest)), &sum, &sum_rest);
    }
    return (sum + sum_rest) / count;
}

static bool stdvar_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    out->f = variance(w);
    return true;
}

static bool stddev_over_time(struct range_call *c, const struct window *w, struct sample *out)
{
    if (!only_floats(c, w))
        return false;
    out->f = sqrt(variance(w));
    return true;
}

/* --- trends --- */

static void regression(const struct window *w, int64_t zero_t, double *slope, double *intercept)
{
    double n = (double)w->n, x_sum = 0, x_rest = 0, y_sum = 0, y_rest = 0;
    double xy_sum = 0, xy_rest = 0, xx_sum = 0, xx_rest = 0;
    bool constant = true;
    for (size_t i = 0; i < w->n; i++) {
        double x = (double)(w->t[i] - zero_t) / 1e3, y = w->f[i];
        constant &= i == 0 || y == w->f[0];
        kahan_add(x, &x_sum, &x_rest);
        kahan_add(y, &y_sum, &y_rest);
        kahan_add(x * y, &xy_sum, &xy_rest);
        kahan_add(x * x, &xx_sum, &xx_rest);
    }
    if (constant) {
        *slope = isinf(w->f[0]) ? NAN : 0;
        *intercept = isinf(w->f[0]) ? NAN : w->f[0];
        return;
    }
    x_sum += x_rest;
    y_sum += y_rest;
    double covariance = xy_sum + xy_rest - x_sum * y_sum / n,
           x_variance = xx_sum + xx_rest - x_sum * x_sum / n;
    *slope = covariance / x_variance;
    *intercept = y_sum / n - *slope * x_sum / n;
}

/* Two floats at least; a lone one among histograms is reported. */
static bool has_trend(struct range_call *c, const struct window *w)
{
    if (w->n > 0 && w->hn > 0)
        info_ignored_in_range(c->q, c->metric, c->at);
    return w->n >= 2;
}

static bool deriv(struct range_call *c, const struct window *w, struct sample *out)
{
    double intercept;
    if (!has_trend(c, w))
        return false;
    regression(w, w->t[0], &out->f, &intercept);
    return true;
}

static bool predict_linear(struct range_call *c, const struct window *w, struct sample *out)
{
    double slope, intercept;
    if (!has_trend(c, w))
        return false;
    regression(w, w->now, &slope, &intercept);
    out->f = slope * w->parameters[0] + intercept;
    return true;
}

static bool double_exponential_smoothing(struct range_call *c, const struct window *w, struct sample *out)
{
    double sf = w->parameters[0], tf = w->parameters[1];
    if (sf <= 0 || sf >= 1)
        query_fail(c->q, "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", sf);
    if (tf <= 0 || tf >= 1)
        query_fail(c->q, "invalid trend factor. Expected: 0 < tf < 1, got: %f", tf);
    if (!has_trend(c, w))
        return false;
    double before = 0, now = w->f[0], trend = w->f[1] - w->f[0];
    for (size_t i = 1; i < w->n; i++) {
        double x = sf * w->f[i];
        if (i > 1)
            trend = tf * (now - before) + (1 - tf) * trend;
        double y = (1 - sf) * (now + trend);
        before = now;
        now = x + y;
    }
    out->f = now;
    return true;
}

range_function range_function_over_time(int id)
{
    static const range_function functions[FN_COUNT] = {
        [FN_SUM_OVER_TIME] = sum_over_time,
        [FN_AVG_OVER_TIME] = avg_over_time,
        [FN_COUNT_OVER_TIME] = count_over_time,
        [FN_PRESENT_OVER_TIME] = present_over_time,
        [FN_FIRST_OVER_TIME] = first_over_time,
        [FN_LAST_OVER_TIME] = last_over_time,
        [FN_TS_OF_FIRST_OVER_TIME] = ts_of_first,
        [FN_TS_OF_LAST_OVER_TIME] = ts_of_last,
        [FN_TS_OF_MAX_OVER_TIME] = ts_of_max,
        [FN_TS_OF_MIN_OVER_TIME] = ts_of_min,
        [FN_MAX_OVER_TIME] = max_over_time,
        [FN_MIN_OVER_TIME] = min_over_time,
        [FN_QUANTILE_OVER_TIME] = quantile_over_time,
        [FN_MAD_OVER_TIME] = mad_over_time,
        [FN_INTEGRAL] = integral,
        [FN_STDDEV_OVER_TIME] = stddev_over_time,
        [FN_STDVAR_OVER_TIME] = stdvar_over_time,
        [FN_DERIV] = deriv,
        [FN_PREDICT_LINEAR] = predict_linear,
        [FN_DOUBLE_EXPONENTIAL_SMOOTHING] = double_exponential_smoothing,
    };
    return functions[id];
}
