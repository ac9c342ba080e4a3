/*
 * Before evaluation: what depends only on the query's range becomes a constant, and what is the same at every
 * step is marked to be evaluated once.
 */
#include "metrics/promql/eval_priv.h"

#include <math.h>

/* --- start(), end(), step(), range() --- */

static double context_value(const struct query *q, int id)
{
    const struct promql_options *o = q->options;
    switch (id) {
    case FN_START:
        return (double)o->start_ms / 1000;
    case FN_END:
        return (double)o->end_ms / 1000;
    case FN_RANGE:
        return (double)(o->end_ms - o->start_ms) / 1000;
    default:
        return o->start_ms != o->end_ms ? (double)o->step_ms / 1000 : 0;
    }
}

static void fold(const struct query *q, struct expr *e)
{
    if (e == NULL || e->kind == EXPR_MATRIX)
        return;
    if (e->kind == EXPR_CALL) {
        int id = e->function->id;
        if (id == FN_START || id == FN_END || id == FN_RANGE || id == FN_STEP) {
            e->kind = EXPR_NUMBER;
            e->number = context_value(q, id);
            return;
        }
        for (size_t i = 0; i < e->arg_count; i++)
            fold(q, e->args[i]);
        return;
    }
    if (e->kind != EXPR_SELECTOR && e->kind != EXPR_DURATION) {
        fold(q, e->left);
        fold(q, e->right);
    }
}

/* --- durations --- */

static double duration_value(struct query *q, const struct expr *e)
{
    if (e->kind == EXPR_NUMBER)
        return e->number;
    double left = e->left != NULL ? duration_value(q, e->left) : 0;
    double right = e->right != NULL ? duration_value(q, e->right) : 0;
    switch (e->op) {
    case TOKEN_STEP:
        return (double)q->options->step_ms / 1000;
    case TOKEN_RANGE:
        return (double)(q->options->end_ms - q->options->start_ms) / 1000;
    case TOKEN_MIN_OF:
        return go_min(left, right);
    case TOKEN_MAX_OF:
        return go_max(left, right);
    case TOKEN_ADD:
        return left + right;
    case TOKEN_SUB:
        return left - right;
    case TOKEN_MUL:
        return left * right;
    case TOKEN_DIV:
    case TOKEN_MOD:
        if (right == 0)
            query_fail(q, "%d:%d: %s by zero", e->start, e->end, e->op == TOKEN_DIV ? "division" : "modulo");
        return e->op == TOKEN_DIV ? left / right : fmod(left, right);
    default:
        return pow(left, right);
    }
}

static void work_out(struct query *q, struct expr *from, bool negative, int64_t *ret_ns)
{
    if (from == NULL)
        return;
    double seconds = duration_value(q, from);
    const char *wrong = !isfinite(seconds)             ? "duration is NaN or infinite"
                        : seconds <= 0 && !negative    ? "duration must be greater than 0"
                        : fabs(seconds) > 0x1p63 / 1e9 ? "duration is out of range"
                                                       : NULL;
    if (wrong != NULL)
        query_fail(q, "%d:%d: %s", from->start, from->end, wrong);
    *ret_ns = (int64_t)(seconds * 1000) * 1000000;
}

static void durations(struct query *q, struct expr *e)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return;
    if (e->kind == EXPR_SELECTOR || e->kind == EXPR_SUBQUERY)
        work_out(q, e->offset_expr, true, &e->offset_ns);
    if (e->kind == EXPR_SUBQUERY)
        work_out(q, e->step_expr, false, &e->step_ns);
    if (e->kind == EXPR_MATRIX || e->kind == EXPR_SUBQUERY)
        work_out(q, e->range_expr, false, &e->range_ns);
    durations(q, e->left);
    durations(q, e->right);
    for (size_t i = 0; i < e->arg_count; i++)
        durations(q, e->args[i]);
}

/* --- what is the same at every step --- */

bool function_changes_with_time(int id)
{
    static const int ids[] = {FN_DAYS_IN_MONTH, FN_DAY_OF_MONTH,   FN_DAY_OF_WEEK, FN_DAY_OF_YEAR,
                              FN_END,           FN_HOUR,           FN_MINUTE,      FN_MONTH,
                              FN_YEAR,          FN_PREDICT_LINEAR, FN_RANGE,       FN_START,
                              FN_STEP,          FN_TIME,           FN_TIMESTAMP};
    for (size_t i = 0; i < TC_ARRAY_LEN(ids); i++)
        if (ids[i] == id)
            return true;
    return false;
}

static struct expr *once(struct query *q, struct expr *e)
{
    struct expr *made = ARENA_NEW(q->arena, struct expr);
    *made = (struct expr){.kind = EXPR_ONCE, .start = e->start, .end = e->end, .left = e};
    return made;
}

static void resolve_at(struct query *q, struct expr *e)
{
    if (e->start_or_end == 0)
        return;
    e->has_timestamp = true;
    e->timestamp_ms = e->start_or_end == TOKEN_START ? q->options->start_ms : q->options->end_ms;
}

static struct expr *unwrap(struct expr *e)
{
    while (e != NULL && e->kind == EXPR_PAREN)
        e = e->left;
    return e;
}

/* Returns whether the node is the same at every step; *wrap: whether it is worth marking. */
static bool invariant(struct query *q, struct expr *e, bool *wrap);

static bool binary_invariant(struct query *q, struct expr *e, bool *wrap)
{
    bool wrap_left, wrap_right;
    bool left = invariant(q, e->left, &wrap_left), right = invariant(q, e->right, &wrap_right);
    *wrap = left && right;
    if (*wrap)
        return true;
    if (wrap_left)
        e->left = once(q, e->left);
    if (wrap_right)
        e->right = once(q, e->right);
    return false;
}

static bool call_invariant(struct query *q, struct expr *e, bool *wrap)
{
    bool all = !function_changes_with_time(e->function->id), timestamp = e->function->id == FN_TIMESTAMP;
    bool info = e->function->id == FN_INFO;
    bool *wraps = ARENA_ARRAY(q->arena, bool, e->arg_count + 1);
    for (size_t i = 0; i < e->arg_count; i++) {
        e->args[i] = unwrap(e->args[i]);
        bool same = invariant(q, e->args[i], &wraps[i]);
        if (info && i == 1) {
            wraps[i] = false; /* looks like a selector, but is not evaluated */
            continue;
        }
        all &= same;
        timestamp &= same && e->args[i]->kind == EXPR_SELECTOR;
    }
    all &= !info || info_time_is_shared(e->args[0]);
    *wrap = all || timestamp;
    for (size_t i = 0; i < e->arg_count && !*wrap; i++)
        if (wraps[i])
            e->args[i] = once(q, e->args[i]);
    return *wrap;
}

static bool invariant(struct query *q, struct expr *e, bool *wrap)
{
    bool inner;
    *wrap = false;
    switch (e->kind) {
    case EXPR_SELECTOR:
        resolve_at(q, e);
        *wrap = e->has_timestamp;
        return e->has_timestamp;
    case EXPR_AGGREGATE:
        e->left = unwrap(e->left);
        e->right = unwrap(e->right);
        return invariant(q, e->left, wrap);
    case EXPR_BINARY:
        return binary_invariant(q, e, wrap);
    case EXPR_CALL:
        return call_invariant(q, e, wrap);
    case EXPR_MATRIX:
        return invariant(q, e->left, &inner);
    case EXPR_SUBQUERY:
        if (invariant(q, e->left, &inner))
            e->left = once(q, e->left);
        resolve_at(q, e);
        return e->has_timestamp;
    case EXPR_PAREN:
    case EXPR_UNARY:
        return invariant(q, e->left, wrap);
    default:
        return true;
    }
}

/* --- histograms of which only count and sum matter --- */

struct path {
    const struct expr *node;
    const struct path *outer;
};

static bool compares_buckets(enum token_kind op)
{
    return op == TOKEN_TRIM_UPPER || op == TOKEN_TRIM_LOWER || op == TOKEN_EQLC || op == TOKEN_NEQ;
}

static bool skips_buckets(const struct path *path)
{
    bool skip = false;
    for (; path != NULL; path = path->outer) {
        const struct expr *e = path->node;
        if (e->kind == EXPR_SUBQUERY || (e->kind == EXPR_BINARY && compares_buckets(e->op)) ||
            (e->kind == EXPR_AGGREGATE && e->op == TOKEN_COUNT_VALUES))
            return false;
        if (e->kind != EXPR_CALL)
            continue;
        int id = e->function->id;
        if (id == FN_HISTOGRAM_QUANTILE || id == FN_HISTOGRAM_QUANTILES || id == FN_HISTOGRAM_FRACTION ||
            id == FN_HISTOGRAM_STDDEV || id == FN_HISTOGRAM_STDVAR || id == FN_CHANGES)
            return false;
        skip |= id == FN_HISTOGRAM_COUNT || id == FN_HISTOGRAM_SUM || id == FN_HISTOGRAM_AVG;
    }
    return skip;
}

static void find_skipped(struct expr *e, const struct path *outer)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return;
    if (e->kind == EXPR_SELECTOR) {
        e->skip_buckets = skips_buckets(outer);
        return;
    }
    struct path path = {e, outer};
    find_skipped(e->left, &path);
    find_skipped(e->right, &path);
    for (size_t i = 0; i < e->arg_count; i++)
        find_skipped(e->args[i], &path);
}

struct expr *preprocess(struct query *q, struct expr *e)
{
    bool wrap;
    find_skipped(e, NULL);
    fold(q, e);
    durations(q, e);
    (void)invariant(q, e, &wrap);
    return wrap ? once(q, e) : e;
}

/* --- @ and offset --- */

struct subquery_times {
    int64_t offset_ns;
    bool has_timestamp;
    int64_t timestamp_ms;
};

static int64_t effective(const struct expr *e, int64_t eval_time_ms, const struct subquery_times *outer)
{
    if (!e->has_timestamp)
        return e->offset_ns;
    int64_t outer_ns = outer->offset_ns;
    if (outer->has_timestamp)
        outer_ns += (eval_time_ms - outer->timestamp_ms) * 1000000;
    return e->offset_ns + (eval_time_ms - e->timestamp_ms) * 1000000 - outer_ns;
}

static void set_offsets(int64_t eval_time_ms, struct expr *e, struct subquery_times outer)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return;
    if (e->kind == EXPR_SELECTOR || e->kind == EXPR_SUBQUERY)
        e->effective_offset_ns = effective(e, eval_time_ms, &outer);
    if (e->kind == EXPR_SUBQUERY) {
        outer.offset_ns = e->has_timestamp ? e->offset_ns : outer.offset_ns + e->offset_ns;
        if (e->has_timestamp) {
            outer.has_timestamp = true;
            outer.timestamp_ms = e->timestamp_ms;
        }
    }
    set_offsets(eval_time_ms, e->left, outer);
    set_offsets(eval_time_ms, e->right, outer);
    for (size_t i = 0; i < e->arg_count; i++)
        set_offsets(eval_time_ms, e->args[i], outer);
}

void set_effective_offsets(int64_t eval_time_ms, struct expr *e)
{
    set_offsets(eval_time_ms, e, (struct subquery_times){0});
}
