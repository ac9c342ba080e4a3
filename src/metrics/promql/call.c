/*
 * Functions of instant vectors and scalars. Those that treat every sample alone change the column that comes
 * in and hand it on.
 */
#include "metrics/promql/eval_priv.h"

#include <math.h>

enum { MAP_PARAMETERS_MAX = 2 };

struct mapping {
    struct query *q;
    const struct steps *s;
    struct expr *e;
    double (*of_float)(double v);
    double (*of_histogram)(struct arena *arena, const struct histogram *h);
    double (*of_time)(int64_t seconds);
    const double *parameters[MAP_PARAMETERS_MAX];
    struct name_removal removal;
    column_sink sink;
    void *context;
};

/* --- one float --- */

static double sign_of(double v)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static double to_degrees(double v)
{
    return v * (180 / M_PI); /* the factor first: v times 180 may be past all numbers */
}

static double to_radians(double v)
{
    return v * (M_PI / 180);
}

static double (*const float_functions[FN_COUNT])(double) = {
    [FN_ABS] = fabs,    [FN_CEIL] = ceil,      [FN_FLOOR] = floor,    [FN_EXP] = exp,     [FN_SQRT] = sqrt,
    [FN_LN] = log,      [FN_LOG2] = go_log2,   [FN_LOG10] = log10,    [FN_SIN] = sin,     [FN_COS] = cos,
    [FN_TAN] = tan,     [FN_ASIN] = asin,      [FN_ACOS] = acos,      [FN_ATAN] = atan,   [FN_SINH] = sinh,
    [FN_COSH] = cosh,   [FN_TANH] = tanh,      [FN_ASINH] = asinh,    [FN_ACOSH] = acosh, [FN_ATANH] = atanh,
    [FN_SGN] = sign_of, [FN_DEG] = to_degrees, [FN_RAD] = to_radians,
};

static void map_floats(void *context, struct column *c)
{
    struct mapping *m = context;
    for (size_t i = 0; i < m->s->count; i++) {
        if (c->kind[i] == SAMPLE_FLOAT)
            c->f[i] = m->of_float(c->f[i]);
        else
            c->kind[i] = SAMPLE_NONE;
    }
    remove_name(&m->removal, c);
    m->sink(m->context, c);
}

static void map_clamp(void *context, struct column *c)
{
    struct mapping *m = context;
    for (size_t i = 0; i < m->s->count; i++) {
        int id = m->e->function->id;
        double least = id == FN_CLAMP_MAX ? -INFINITY : m->parameters[0][i];
        double most = id == FN_CLAMP_MIN ? INFINITY : m->parameters[id == FN_CLAMP ? 1 : 0][i];
        if (c->kind[i] == SAMPLE_FLOAT && !(most < least))
            c->f[i] = go_max(least, go_min(most, c->f[i]));
        else
            c->kind[i] = SAMPLE_NONE;
    }
    remove_name(&m->removal, c);
    m->sink(m->context, c);
}

static void map_round(void *context, struct column *c)
{
    struct mapping *m = context;
    for (size_t i = 0; i < m->s->count; i++) {
        double inverse = 1 / (m->parameters[0] != NULL ? m->parameters[0][i] : 1);
        if (c->kind[i] == SAMPLE_FLOAT)
            c->f[i] = floor(c->f[i] * inverse + 0.5) / inverse;
        else
            c->kind[i] = SAMPLE_NONE;
    }
    remove_name(&m->removal, c);
    m->sink(m->context, c);
}

/* --- dates --- */

struct civil {
    int64_t year, days; /* days since the epoch */
    int month, day;
};

static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Days and seconds of the day, wrapping around where the calendar ends, as Go's times do. */
static int64_t day_of_time(int64_t seconds, int64_t *ret_of_day)
{
    const int64_t first_day = 292277022400LL / 400 * 146097 + 306 + 719162;
    uint64_t absolute = (uint64_t)seconds + (uint64_t)first_day * 86400;
    *ret_of_day = (int64_t)(absolute % 86400);
    return (int64_t)(absolute / 86400) - first_day;
}

static struct civil civil_of(int64_t seconds)
{
    int64_t of_day, days = day_of_time(seconds, &of_day);
    int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    struct civil c = {.days = days, .day = (int)(of_year - (153 * month + 2) / 5 + 1)};
    c.month = (int)(month < 10 ? month + 3 : month - 9);
    c.year = year + era * 400 + (c.month <= 2);
    return c;
}

static int64_t of_day(int64_t seconds)
{
    int64_t ret;
    (void)day_of_time(seconds, &ret);
    return ret;
}

static double minute_of(int64_t t)
{
    return (double)(of_day(t) / 60 % 60);
}

static double hour_of(int64_t t)
{
    return (double)(of_day(t) / 3600);
}

static double weekday_of(int64_t t)
{
    return (double)(((civil_of(t).days + 4) % 7 + 7) % 7);
}

static double day_of(int64_t t)
{
    return civil_of(t).day;
}

static double year_day_of(int64_t t)
{
    struct civil c = civil_of(t);
    return (double)(c.days - days_of(c.year, 1, 1) + 1);
}

static double month_of(int64_t t)
{
    return civil_of(t).month;
}

static double month_days_of(int64_t t)
{
    struct civil c = civil_of(t);
    int64_t next = c.month == 12 ? days_of(c.year + 1, 1, 1) : days_of(c.year, c.month + 1, 1);
    return (double)(next - days_of(c.year, c.month, 1));
}

static double year_of(int64_t t)
{
    return (double)civil_of(t).year;
}

static double (*const time_functions[FN_COUNT])(int64_t) = {
    [FN_MINUTE] = minute_of,
    [FN_HOUR] = hour_of,
    [FN_DAY_OF_WEEK] = weekday_of,
    [FN_DAY_OF_MONTH] = day_of,
    [FN_DAY_OF_YEAR] = year_day_of,
    [FN_MONTH] = month_of,
    [FN_DAYS_IN_MONTH] = month_days_of,
    [FN_YEAR] = year_of,
};

/* Seconds as an integer; what is no time at all is the earliest one. */
static int64_t seconds_of(double v)
{
    return fabs(v) < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static void map_times(void *context, struct column *c)
{
    struct mapping *m = context;
    for (size_t i = 0; i < m->s->count; i++) {
        if (c->kind[i] == SAMPLE_FLOAT)
            c->f[i] = m->of_time(seconds_of(c->f[i]));
        else
            c->kind[i] = SAMPLE_NONE;
    }
    remove_name(&m->removal, c);
    m->sink(m->context, c);
}

/* --- histograms --- */

static double count_of(struct arena *arena, const struct histogram *h)
{
    (void)arena;
    return h->count;
}

static double sum_of(struct arena *arena, const struct histogram *h)
{
    (void)arena;
    return h->sum;
}

static double average_of(struct arena *arena, const struct histogram *h)
{
    (void)arena;
    return h->sum / h->count;
}

/* Every bucket counts as if all its observations were in its middle. */
static double variance_of(struct arena *arena, const struct histogram *h)
{
    struct histogram_bucket *buckets;
    size_t n = histogram_buckets(arena, h, &buckets);
    double mean = h->sum / h->count, variance = 0, rest = 0;
    for (size_t i = 0; i < n; i++) {
        const struct histogram_bucket *b = &buckets[i];
        double at = sqrt(b->upper * b->lower);
        if (b->count == 0)
            continue;
        if (histogram_is_custom(h))
            at = (b->upper + b->lower) / 2;
        else if (b->lower <= 0 && b->upper >= 0)
            at = 0;
        else if (b->upper < 0)
            at = -at;
        kahan_add(b->count * (at - mean) * (at - mean), &variance, &rest);
    }
    return (variance + rest) / h->count;
}

static double deviation_of(struct arena *arena, const struct histogram *h)
{
    return sqrt(variance_of(arena, h));
}

static double (*const histogram_functions[FN_COUNT])(struct arena *, const struct histogram *) = {
    [FN_HISTOGRAM_COUNT] = count_of,      [FN_HISTOGRAM_SUM] = sum_of,
    [FN_HISTOGRAM_AVG] = average_of,      [FN_HISTOGRAM_STDVAR] = variance_of,
    [FN_HISTOGRAM_STDDEV] = deviation_of,
};

static void map_histograms(void *context, struct column *c)
{
    struct mapping *m = context;
    for (size_t i = 0; i < m->s->count; i++) {
        bool is_histogram = c->kind[i] == SAMPLE_HISTOGRAM;
        c->kind[i] = SAMPLE_NONE;
        if (is_histogram)
            column_put(m->q, m->s, c, i, (struct sample){m->of_histogram(m->q->arena, c->h[i]), NULL});
    }
    remove_name(&m->removal, c);
    m->sink(m->context, c);
}

/* --- scalar, absent, and what needs no vector --- */

struct single {
    struct query *q;
    const struct steps *s;
    double *value;
    uint8_t *seen; /* 2: more than one */
    bool any_kind; /* histograms count, too */
};

static void note_single(void *context, struct column *c)
{
    struct single *w = context;
    for (size_t i = 0; i < w->s->count; i++) {
        if (c->kind[i] == SAMPLE_NONE || (c->kind[i] == SAMPLE_HISTOGRAM && !w->any_kind))
            continue;
        w->value[i] = c->f[i];
        w->seen[i] = w->seen[i] == 0 ? 1 : 2;
    }
}

static struct single look(struct query *q, const struct steps *s, struct expr *e, bool any_kind)
{
    struct single w = {q, s, ARENA_ARRAY(q->arena, double, s->count),
                       ARENA_ARRAY(q->arena, uint8_t, s->count), any_kind};
    eval_each(q, s, e, note_single, &w);
    return w;
}

const struct labels *absent_labels(struct query *q, const struct expr *e)
{
    const struct labels *labels = labels_empty(q->labels);
    const struct expr *selector = e->kind == EXPR_MATRIX ? e->left : e;
    if (selector->kind != EXPR_SELECTOR)
        return labels;
    for (size_t i = 0; i < selector->matcher_count; i++) {
        const struct matcher *m = &selector->matchers[i];
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= sv_eq(selector->matchers[k].name, m->name) && selector->matchers[k].type == MATCH_EQUAL;
        if (!sv_eq(m->name, METRIC_NAME))
            labels =
                labels_set(q->labels, labels, m->name, m->type == MATCH_EQUAL && !again ? m->value : SV(""));
    }
    return labels;
}

static void eval_plain(struct query *q, const struct steps *s, struct expr *e, column_sink sink,
                       void *context)
{
    int id = e->function->id;
    struct column c;
    struct single w = {0};
    const double *a = NULL, *b = NULL;
    if (id == FN_SCALAR || id == FN_ABSENT)
        w = look(q, s, e->args[0], id == FN_ABSENT);
    if (id == FN_VECTOR || id == FN_MAX_OF || id == FN_MIN_OF)
        a = eval_scalar(q, s, e->args[0]);
    if (id == FN_MAX_OF || id == FN_MIN_OF)
        b = eval_scalar(q, s, e->args[1]);
    column_init(q, s, &c, id == FN_ABSENT ? absent_labels(q, e->args[0]) : labels_empty(q->labels));
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        double now = (double)step_time(s, i) / 1000, v;
        if (id == FN_ABSENT && w.seen[i] != 0)
            continue;
        switch (id) {
        case FN_SCALAR:
            v = w.seen[i] == 1 ? w.value[i] : NAN;
            break;
        case FN_ABSENT:
            v = 1;
            break;
        case FN_VECTOR:
            v = a[i];
            break;
        case FN_MAX_OF:
            v = go_max(a[i], b[i]);
            break;
        case FN_MIN_OF:
            v = go_min(a[i], b[i]);
            break;
        case FN_PI:
            v = M_PI;
            break;
        case FN_TIME:
            v = now;
            break;
        default:
            v = time_functions[id](step_time(s, i) / 1000);
        }
        column_put(q, s, &c, i, (struct sample){v, NULL});
        any = true;
    }
    if (any)
        sink(context, &c);
}

void eval_call(struct query *q, const struct steps *s, struct expr *e, column_sink sink, void *context)
{
    int id = e->function->id;
    struct mapping m = {
        .q = q, .s = s, .e = e, .removal = {.q = q, .s = s}, .sink = sink, .context = context};
    column_sink map = NULL;
    m.of_float = float_functions[id];
    m.of_time = time_functions[id];
    m.of_histogram = histogram_functions[id];
    if (m.of_float != NULL)
        map = map_floats;
    else if (m.of_time != NULL && e->arg_count > 0)
        map = map_times;
    else if (m.of_histogram != NULL)
        map = map_histograms;
    else if (id == FN_CLAMP || id == FN_CLAMP_MAX || id == FN_CLAMP_MIN)
        map = map_clamp;
    else if (id == FN_ROUND)
        map = map_round;
    if (map == NULL) {
        eval_plain(q, s, e, sink, context);
        return;
    }
    for (size_t i = 1; i < e->arg_count && i <= MAP_PARAMETERS_MAX; i++)
        m.parameters[i - 1] = eval_scalar(q, s, e->args[i]);
    eval_each(q, s, e->args[0], map, &m);
}
