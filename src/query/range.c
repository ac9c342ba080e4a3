/*
 * Aggregations over a range of lines. Counts and sizes are whole numbers, so each line is added where its
 * time enters the window and taken away where it leaves: two additions whatever the number of steps. What
 * unwrap gives is kept, sorted by time, and computed window by window.
 */
#include "query/metric_priv.h"
#include "query/search.h"

#include <math.h>
#include <stdlib.h>

struct sample {
    int64_t ns;
    uint64_t position;
    double value;
};

struct gathered {         /* beside a series */
    double *lines, *sums; /* differences, a step each and one more */
    struct sample *samples;
    size_t n, capacity;
};

struct range {
    struct evaluation *run;
    const struct logql_expr *expr;
    const struct logql_grouping *group;
    struct series_set set;
    struct gathered *gathered;
    size_t capacity;
    size_t sample_count;
    bool additive;
};

static size_t step_at_or_after(const struct evaluation *run, int64_t ns)
{
    if (ns <= run->start_ns)
        return 0;
    uint64_t steps =
        ((uint64_t)ns - (uint64_t)run->start_ns + (uint64_t)run->step_ns - 1) / (uint64_t)run->step_ns;
    return (size_t)TC_MIN(steps, (uint64_t)run->steps);
}

static struct gathered *gathered_of(struct range *r, size_t at)
{
    if (at >= r->capacity) {
        size_t old = r->capacity;
        r->capacity = TC_MAX((size_t)64, 2 * TC_MAX(r->capacity, at));
        r->gathered = tc_realloc(r->gathered, r->capacity * sizeof r->gathered[0]);
        memset(&r->gathered[old], 0, (r->capacity - old) * sizeof r->gathered[0]);
    }
    return &r->gathered[at];
}

/* The steps of whose windows a line of this time is. */
static void steps_of(const struct range *r, int64_t ns, size_t *ret_low, size_t *ret_high)
{
    int64_t enters = ns + r->expr->offset_ns;
    *ret_low = step_at_or_after(r->run, enters);
    *ret_high = step_at_or_after(r->run, enters + r->expr->range_ns);
}

static void add_lines(struct range *r, size_t at, int64_t ns, double lines, double bytes)
{
    struct gathered *g = gathered_of(r, at);
    size_t low, high;
    if (g->lines == NULL) {
        g->lines = ARENA_ARRAY(r->run->arena, double, r->run->steps + 1);
        g->sums = ARENA_ARRAY(r->run->arena, double, r->run->steps + 1);
    }
    steps_of(r, ns, &low, &high);
    g->lines[low] += lines;
    g->lines[high] -= lines;
    g->sums[low] += bytes;
    g->sums[high] -= bytes;
}

static int add(struct range *r, size_t at, const struct query_line *line, struct err *err)
{
    if (r->additive) {
        add_lines(r, at, line->ns, 1, (double)line->line.n);
        return 0;
    }
    struct gathered *g = gathered_of(r, at);
    if (++r->sample_count > QUERY_SAMPLES_MAX)
        return err_set(err, TC_EBOUND, "more than %d values: ask for a shorter time", QUERY_SAMPLES_MAX);
    if (g->n == g->capacity) {
        g->capacity = TC_MAX((size_t)16, 2 * g->capacity);
        g->samples = tc_realloc(g->samples, g->capacity * sizeof g->samples[0]);
    }
    g->samples[g->n++] = (struct sample){line->ns, line->event.position, line->value};
    return 0;
}

static int refuse_error(const struct query_label *labels, size_t count, struct sv kind, struct err *err)
{
    struct buf text;
    buf_init(&text, 600);
    query_labels_print(labels, count, &text);
    err_set(err, TC_EINPUT,
            "pipeline error: '%.*s' for series: '%.*s'. Use a label filter to intentionally skip this error. "
            "(e.g | __error__!=\"%.*s\").",
            SV_FMT(kind), SV_FMT(buf_view(&text)), SV_FMT(kind));
    buf_free(&text);
    return TC_EINPUT;
}

/* A label more of a sorted list; none of no value, or of a name that is there. */
static size_t insert_label(struct query_label *out, size_t n, struct query_label label)
{
    size_t at = n;
    for (size_t k = 0; k < n; k++)
        if (sv_eq(out[k].name, label.name))
            return n;
    if (label.value.n == 0)
        return n;
    for (; at > 0 && sv_cmp(out[at - 1].name, label.name) > 0; at--)
        out[at] = out[at - 1];
    out[at] = label;
    return n + 1;
}

/* by (field): fields count, too, as they do in label filters. */
static size_t grouped(const struct logql_grouping *grouping, const struct query_line *line,
                      struct query_label out[QUERY_LABELS_MAX])
{
    struct query_label sorted[QUERY_LABELS_MAX];
    if (grouping->without)
        return logql_group_labels(grouping, sorted, query_labels_sorted(line, sorted), out);
    size_t n = 0;
    for (size_t i = 0; i < grouping->count; i++)
        n = insert_label(
            out, n, (struct query_label){grouping->labels[i], query_line_get(line, grouping->labels[i])});
    return n;
}

static int take(void *context, struct query_line *line, struct err *err)
{
    struct range *r = context;
    struct query_label labels[QUERY_LABELS_MAX];
    size_t n, at = 0;
    if (!query_pipeline(line, r->run->query, r->expr->left->stages))
        return 0;
    for (size_t i = 0; i < line->label_count; i++)
        if (sv_is(line->labels[i].name, "__error__") && line->labels[i].value.n > 0) {
            n = query_labels_sorted(line, labels);
            return refuse_error(labels, n, line->labels[i].value, err);
        }
    n = r->group != NULL ? grouped(r->group, line, labels) : query_labels_sorted(line, labels);
    int rc = series_set_put(&r->set, labels, n, &at, err);
    return rc != 0 ? rc : add(r, at, line, err);
}

/* --- counted by columns, not line by line */

static bool is_alike(void *context, int64_t first_ns, int64_t last_ns)
{
    size_t low[2], high[2];
    steps_of(context, first_ns, &low[0], &high[0]);
    steps_of(context, last_ns, &low[1], &high[1]);
    return low[0] == low[1] && high[0] == high[1];
}

static int count(void *context, const struct sv *values, int64_t ns, uint64_t lines, struct err *err)
{
    struct range *r = context;
    struct query_label labels[QUERY_FOLD_LABELS_MAX];
    size_t n = 0, at;
    for (size_t i = 0; i < r->group->count; i++)
        n = insert_label(labels, n, (struct query_label){r->group->labels[i], values[i]});
    int rc = series_set_put(&r->set, labels, n, &at, err);
    if (rc == 0)
        add_lines(r, at, ns, (double)lines, 0);
    return rc;
}

/* Lengths of lines, and labels that are not named, are not in the columns. */
static bool may_fold(const struct range *r)
{
    enum logql_range_op op = r->expr->range_op;
    return r->additive && r->group != NULL && !r->group->without &&
           (op == RANGE_COUNT || op == RANGE_RATE || op == RANGE_ABSENT);
}

/* --- windows of values */

static int by_time(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct sample *samples, size_t n, double q)
{
    if (isnan(q) || q < 0 || q > 1)
        return isnan(q) ? (double)NAN : q < 0 ? -(double)INFINITY : (double)INFINITY;
    double *values = tc_alloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = samples[i].value;
    qsort(values, n, sizeof *values, by_value);
    double rank = q * (double)(n - 1), low = floor(rank);
    size_t below = (size_t)low, above = TC_MIN(below + 1, n - 1);
    double result = values[below] + (rank - low) * (values[above] - values[below]);
    free(values);
    return result;
}

/* Increase over the window, with counters that begin anew. */
static double increase(const struct sample *samples, size_t n)
{
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        sum += samples[i].value >= samples[i - 1].value ? samples[i].value - samples[i - 1].value
                                                        : samples[i].value;
    return sum;
}

static double window_value(const struct logql_expr *expr, const struct sample *samples, size_t n)
{
    double sum = 0, low = samples[0].value, high = low, mean = 0, squares = 0;
    double seconds = (double)expr->range_ns / (double)TC_SECOND_NS;
    if (expr->range_op == RANGE_QUANTILE)
        return quantile(samples, n, expr->number);
    for (size_t i = 0; i < n; i++) {
        double v = samples[i].value, delta = v - mean;
        sum += v;
        low = fmin(low, v);
        high = fmax(high, v);
        mean += delta / (double)(i + 1);
        squares += delta * (v - mean);
    }
    switch (expr->range_op) {
    case RANGE_RATE:
        return sum / seconds;
    case RANGE_AVG:
        return mean;
    case RANGE_MIN:
        return low;
    case RANGE_MAX:
        return high;
    case RANGE_STDDEV:
        return sqrt(squares / (double)n);
    case RANGE_STDVAR:
        return squares / (double)n;
    case RANGE_FIRST:
        return samples[0].value;
    case RANGE_LAST:
        return samples[n - 1].value;
    case RANGE_RATE_COUNTER:
        return increase(samples, n) / seconds;
    default:
        return sum;
    }
}

static void compute_windows(const struct range *r, struct gathered *g, struct query_series *series)
{
    size_t low = 0, high = 0;
    qsort(g->samples, g->n, sizeof g->samples[0], by_time);
    for (size_t k = 0; k < r->run->steps; k++) {
        int64_t end = r->run->start_ns + (int64_t)k * r->run->step_ns - r->expr->offset_ns;
        while (high < g->n && g->samples[high].ns <= end)
            high++;
        while (low < high && g->samples[low].ns <= end - r->expr->range_ns)
            low++;
        series->present[k] = high > low;
        if (high > low)
            series->values[k] = window_value(r->expr, &g->samples[low], high - low);
    }
}

static void compute_sums(const struct range *r, const struct gathered *g, struct query_series *series)
{
    enum logql_range_op op = r->expr->range_op;
    double lines = 0, bytes = 0, seconds = (double)r->expr->range_ns / (double)TC_SECOND_NS;
    for (size_t k = 0; k < r->run->steps; k++) {
        lines += g->lines[k];
        bytes += g->sums[k];
        series->present[k] = lines > 0;
        series->values[k] = op == RANGE_COUNT || op == RANGE_ABSENT ? lines
                            : op == RANGE_RATE                      ? lines / seconds
                            : op == RANGE_BYTES                     ? bytes
                                                                    : bytes / seconds;
    }
}

/* 1 where there was no line; its labels are those that the selector fixes. */
static int make_absent(struct range *r, struct query_matrix *ret, struct err *err)
{
    struct query_label labels[LOGQL_LIST_MAX];
    struct query_series *made = r->set.series, *one;
    size_t n = 0, count = r->set.count, at;
    for (size_t i = 0; i < r->expr->left->matcher_count; i++) {
        const struct logql_matcher *m = &r->expr->left->matchers[i];
        if (m->op != LOGQL_EQ || m->value.n == 0)
            continue;
        for (at = n++; at > 0 && sv_cmp(labels[at - 1].name, m->name) > 0; at--)
            labels[at] = labels[at - 1];
        labels[at] = (struct query_label){m->name, m->value};
    }
    struct series_set set;
    series_set_init(&set, r->run);
    int rc = series_set_put(&set, labels, n, &at, err);
    one = set.series;
    for (size_t k = 0; rc == 0 && k < r->run->steps; k++) {
        bool some = false;
        for (size_t i = 0; i < count; i++)
            some |= made[i].present[k];
        one->present[k] = !some;
        one->values[k] = 1;
    }
    *ret = (struct query_matrix){.steps = r->run->steps, .count = set.count, .series = set.series};
    series_set_free(&set);
    return rc;
}

int range_evaluate(struct evaluation *run, const struct logql_expr *expr, const struct logql_grouping *group,
                   struct query_matrix *ret, struct err *err)
{
    static const struct logql_grouping nothing = {.given = true};
    struct range r = {.run = run, .expr = expr, .group = group, .additive = !expr->unwraps};
    int64_t last = run->start_ns + (int64_t)(run->steps - 1) * run->step_ns;
    series_set_init(&r.set, run);
    if (expr->range_op == RANGE_ABSENT)
        r.group = &nothing;
    else if (expr->grouping.given)
        r.group = &expr->grouping;
    int64_t from_ns = run->start_ns - expr->range_ns - expr->offset_ns + 1,
            to_ns = last - expr->offset_ns + 1;
    int rc;
    if (may_fold(&r)) {
        struct query_fold fold = {r.group->labels, r.group->count, is_alike, count};
        rc = query_scan_fold(run->source, expr->left, from_ns, to_ns, &fold, take, &r, run->stats, err);
    } else {
        rc = query_scan(run->source, expr->left, from_ns, to_ns, NULL, take, &r, run->stats, err);
    }
    for (size_t i = 0; rc == 0 && i < r.set.count; i++) {
        if (r.additive)
            compute_sums(&r, &r.gathered[i], &r.set.series[i]);
        else
            compute_windows(&r, &r.gathered[i], &r.set.series[i]);
    }
    *ret = (struct query_matrix){.steps = run->steps, .count = r.set.count, .series = r.set.series};
    if (rc == 0 && expr->range_op == RANGE_ABSENT)
        rc = make_absent(&r, ret, err);
    for (size_t i = 0; i < r.capacity; i++)
        free(r.gathered[i].samples);
    free(r.gathered);
    series_set_free(&r.set);
    return rc;
}
