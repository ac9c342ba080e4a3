/*
 * A query from text to answer; see query.h.
 */
#include "metrics/promql/query.h"

#include "base/clk.h"
#include "base/go_text.h"
#include "base/re2.h"
#include "metrics/grow.h"
#include "metrics/promql/eval_priv.h"
#include "metrics/promql/query_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TOO_MANY_SAMPLES "query processing would load too many samples into memory in query execution"

enum { WORK_BETWEEN_LOOKS = 1 << 16, WORK_OF_A_TICK = 64, ANNOTATION_TEXTS_MAX = 10000 };

void query_fail(struct query *q, const char *format, ...)
{
    va_list list;
    if (q->err != NULL) {
        *q->err = (struct err){.code = TC_EINPUT};
        va_start(list, format);
        vsnprintf(q->err->text, sizeof q->err->text, format, list);
        va_end(list);
    }
    longjmp(q->out, 1);
}

void query_work(struct query *q, size_t samples)
{
    q->work += samples;
    if (q->work < WORK_BETWEEN_LOOKS)
        return;
    q->work = 0;
    if (q->options->cancelled != NULL && q->options->cancelled(q->options->cancel_context))
        query_fail(q, "query timed out in expression evaluation");
}

void query_tick(struct query *q)
{
    query_work(q, WORK_OF_A_TICK);
}

void query_hold(struct query *q, uint64_t samples)
{
    q->samples += samples;
    if (q->samples > q->max_samples)
        query_fail(q, TOO_MANY_SAMPLES);
    query_tick(q);
}

/* --- the answer --- */

static void put_points(struct query *q, const struct steps *s, const struct column *c,
                       struct promql_series *out)
{
    size_t n = column_points(s, c);
    out->labels = c->labels;
    out->t = ARENA_ARRAY(q->arena, int64_t, n);
    out->f = ARENA_ARRAY(q->arena, double, n);
    out->h = c->h != NULL ? ARENA_ARRAY(q->arena, struct histogram *, n) : NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (c->kind[i] == SAMPLE_NONE)
            continue;
        out->t[out->n] = step_time(s, i);
        out->f[out->n] = c->kind[i] == SAMPLE_FLOAT ? c->f[i] : 0;
        if (c->kind[i] == SAMPLE_HISTOGRAM)
            out->h[out->n] = histogram_copy(q->arena, c->h[i]); /* the source's may be lent */
        out->n++;
    }
}

static int by_labels(const void *a, const void *b)
{
    const struct promql_series *x = a, *y = b;
    return labels_compare(x->labels, y->labels);
}

static void sort_series(struct promql_result *result)
{
    if (result->count > 1)
        qsort(result->series, result->count, sizeof result->series[0], by_labels);
}

static void drop_names(struct query *q, const struct steps *s, struct vector *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].drop_name)
            v->items[i].labels = labels_drop_metadata(q->labels, v->items[i].labels);
    vector_merge(q, s, v);
}

static void put_vector(struct query *q, const struct steps *s, struct vector *v, struct promql_result *result)
{
    drop_names(q, s, v);
    result->series = ARENA_ARRAY(q->arena, struct promql_series, v->n + 1);
    for (size_t i = 0; i < v->n; i++)
        if (column_points(s, &v->items[i]) > 0)
            put_points(q, s, &v->items[i], &result->series[result->count++]);
}

/* The samples of a range selector at the top of an instant query. */
struct range_answer {
    struct query *q;
    struct promql_result *result;
    const struct expr *range;
    size_t capacity;
};

static void put_range_series(void *context, const struct labels *labels, bool drop_name,
                             const struct split_samples *samples)
{
    struct range_answer *a = context;
    struct split_samples cut = *samples;
    cut_to_range(a->q, a->range, a->q->options->start_ms, &cut);
    samples = &cut;
    size_t n = samples->float_count + samples->histogram_count, f = 0, h = 0;
    (void)drop_name;
    if (n == 0)
        return;
    a->result->series =
        grow(a->q->arena, a->result->series, a->result->count, &a->capacity, sizeof *a->result->series);
    query_hold(a->q, n);
    struct promql_series *out = &a->result->series[a->result->count++];
    *out = (struct promql_series){.labels = labels,
                                  .n = n,
                                  .t = ARENA_ARRAY(a->q->arena, int64_t, n),
                                  .f = ARENA_ARRAY(a->q->arena, double, n)};
    if (samples->histogram_count > 0)
        out->h = ARENA_ARRAY(a->q->arena, struct histogram *, n);
    for (size_t i = 0; i < n; i++) {
        bool is_float = h == samples->histogram_count ||
                        (f < samples->float_count && samples->float_t[f] < samples->histogram_t[h]);
        out->t[i] = is_float ? samples->float_t[f] : samples->histogram_t[h];
        if (is_float)
            out->f[i] = samples->f[f++];
        else
            out->h[i] = histogram_copy(a->q->arena, samples->h[h++]);
    }
}

static void answer_matrix(struct query *q, const struct steps *s, struct expr *e,
                          struct promql_result *result)
{
    while (e->kind == EXPR_PAREN || e->kind == EXPR_ONCE)
        e = e->left;
    if (e->kind == EXPR_SUBQUERY) {
        struct steps inner;
        struct vector v = {0};
        eval_subquery(q, s, e, &inner, &v);
        put_vector(q, &inner, &v, result);
    } else {
        struct range_answer answer = {.q = q, .result = result, .range = e};
        each_series_of_range(q, s, e, put_range_series, &answer);
    }
    sort_series(result);
}

static void answer(struct query *q, const struct steps *s, struct expr *e, struct promql_result *result)
{
    struct vector v = {0};
    bool instant = q->options->step_ms == 0;
    result->type = instant ? expr_type(e) : VALUE_MATRIX;
    while (e->kind == EXPR_PAREN)
        e = e->left;
    if (result->type == VALUE_STRING) {
        while (e->kind == EXPR_PAREN || e->kind == EXPR_ONCE)
            e = e->left;
        result->string = arena_sv(q->arena, e->text);
        return;
    }
    if (result->type == VALUE_MATRIX && instant) {
        answer_matrix(q, s, e, result);
        return;
    }
    eval(q, s, e, &v);
    if (result->type == VALUE_SCALAR) {
        result->scalar = v.items[0].f[0];
        return;
    }
    put_vector(q, s, &v, result);
    if (!instant)
        sort_series(result);
}

/* --- annotations --- */

static void put_time(struct buf *out, int64_t ms)
{
    char text[TC_RFC3339_MAX];
    int64_t seconds = ms / 1000;
    clk_rfc3339(seconds * 1000000000, text);
    /* whole seconds, without a fraction */
    size_t n = strcspn(text, ".Z");
    buf_add(out, text, n);
    buf_char(out, 'Z');
}

static void put_annotation(struct query *q, const struct annotation *a, struct buf *out)
{
    buf_sv(out, a->text);
    if (a->shape == ANNOTATION_MONOTONICITY) {
        buf_str(out, ", from buckets ");
        go_float_g(out, a->min_bucket);
        buf_str(out, " to ");
        go_float_g(out, a->max_bucket);
        buf_str(out, ", with a max diff of ");
        go_format_float(out, a->max_diff, 'g', 2);
        buf_printf(out, ", over %llu samples from ", (unsigned long long)a->count);
        put_time(out, a->min_t);
        buf_str(out, " to ");
        put_time(out, a->max_t);
    } else if (a->shape == ANNOTATION_OVERLAP && a->count > 1) {
        buf_printf(out, " (%llu occurrences)", (unsigned long long)a->count);
    }
    buf_str(out, " (");
    promql_position(out, q->text, a->at);
    buf_char(out, ')');
}

static int by_text(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static void put_annotations(struct query *q, struct promql_result *result)
{
    struct buf b;
    result->warnings = ARENA_ARRAY(q->arena, struct sv, q->annotation_count + 1);
    result->infos = ARENA_ARRAY(q->arena, struct sv, q->annotation_count + 1);
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < q->annotation_count; i++) {
        buf_clear(&b);
        put_annotation(q, &q->annotations[i], &b);
        struct sv text = arena_sv(q->arena, buf_view(&b));
        if (q->annotations[i].info)
            result->infos[result->info_count++] = text;
        else
            result->warnings[result->warning_count++] = text;
    }
    buf_free(&b);
    qsort(result->warnings, result->warning_count, sizeof(struct sv), by_text);
    qsort(result->infos, result->info_count, sizeof(struct sv), by_text);
}

/* --- the way in --- */

static int check_options(const struct promql_options *o, const struct expr *e, struct err *err)
{
    enum value_type type = expr_type(e);
    if (o->step_ms < 0 || o->end_ms < o->start_ms || (o->step_ms == 0 && o->end_ms != o->start_ms))
        return err_set(err, TC_EINPUT,
                       "the end of a query must not be before its start, and a range needs a step");
    if (o->step_ms > 0 && type != VALUE_SCALAR && type != VALUE_VECTOR)
        return err_set(err, TC_EINPUT,
                       "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
                       value_type_name(type));
    return 0;
}

static int run(struct query *q, struct expr *e, struct promql_result *result)
{
    const struct promql_options *o = q->options;
    struct steps s = {o->start_ms, o->end_ms, o->step_ms > 0 ? o->step_ms : 1, 1};
    volatile int rc = 0; /* set after the jump */
    if (o->step_ms > 0)
        s.count = (size_t)((o->end_ms - o->start_ms) / o->step_ms) + 1;
    map_init(&q->annotation_index, ANNOTATION_TEXTS_MAX);
    if (setjmp(q->out) == 0) {
        if (s.count > q->max_samples)
            query_fail(q, TOO_MANY_SAMPLES);
        struct expr *root = preprocess(q, e);
        set_effective_offsets(s.start, root);
        answer(q, &s, root, result);
    } else {
        rc = TC_EINPUT;
        result->count = 0;
        q->arena = &result->arena; /* it may have been at a plan's */
    }
    put_annotations(q, result);
    map_free(&q->annotation_index);
    re2_free(&q->regex);
    arena_free(&q->scratch);
    for (size_t i = 0; i < TC_ARRAY_LEN(q->worker_scratch); i++)
        arena_free(&q->worker_scratch[i]);
    return rc;
}

struct promql_prepared {
    struct promql_parse parse;
    struct labels_table own;
    struct labels_table *labels; /* its own, or its plan's */
    struct sharing *sharing;     /* NULL: it has no plan */
    bool delayed_name_removal;   /* of the evaluation before: what is remembered depends on it */
    size_t labels_at_first;      /* how many sets the first evaluation after a clean start made */
};

/* Sets beyond those of one evaluation: series that are gone. The table starts again after so many. */
enum { LABELS_STALE_MAX = 4096 };

/* What evaluations need beside the tree. */
static void equip(struct arena *arena, struct expr *e)
{
    if (e->kind == EXPR_SELECTOR || e->kind == EXPR_AGGREGATE || e->kind == EXPR_BINARY)
        e->memory = ARENA_NEW(arena, struct node_memory);
    if (e->kind != EXPR_CALL || e->function->id != FN_LABEL_REPLACE)
        return;
    const struct expr *pattern = e->args[e->arg_count - 1];
    while (pattern->kind == EXPR_PAREN)
        pattern = pattern->left;
    (void)re2_compile(pattern->text, RE2_WHOLE_DOTALL, &e->regex,
                      NULL); /* a bad one is an error of the evaluation */
}

static void forget(struct arena *arena, struct expr *e)
{
    (void)arena;
    if (e->memory != NULL)
        node_memory_free(e->memory);
}

static void strip(struct arena *arena, struct expr *e)
{
    forget(arena, e);
    re2_free(&e->regex);
}

static void each_node(struct arena *arena, struct expr *e, void (*visit)(struct arena *, struct expr *))
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return;
    visit(arena, e);
    each_node(arena, e->left, visit);
    each_node(arena, e->right, visit);
    for (size_t i = 0; i < e->arg_count; i++)
        each_node(arena, e->args[i], visit);
}

/* The tree that an evaluation may change; what only parsing writes (matchers, names, durations) is shared. */
static struct expr *copy_tree(struct arena *arena, struct expr *e)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return e;
    struct expr *made = ARENA_NEW(arena, struct expr);
    *made = *e;
    made->left = copy_tree(arena, e->left);
    made->right = copy_tree(arena, e->right);
    if (e->arg_count > 0)
        made->args = ARENA_ARRAY(arena, struct expr *, e->arg_count);
    for (size_t i = 0; i < e->arg_count; i++)
        made->args[i] = copy_tree(arena, e->args[i]);
    return made;
}

static int prepare(struct sv text, unsigned refused, struct promql_prepared **ret, struct err *err)
{
    struct err own = {0};
    struct promql_prepared *p = *ret = tc_alloc(sizeof *p);
    p->parse.refused = refused;
    int rc = promql_parse(&p->parse, text, err != NULL ? err : &own);
    if (rc != 0) {
        promql_prepared_free(ret);
        return rc;
    }
    each_node(&p->parse.arena, p->parse.expr, equip);
    labels_table_init(&p->own);
    p->labels = &p->own;
    return 0;
}

int promql_prepare(struct sv text, struct promql_prepared **ret, struct err *err)
{
    return prepare(text, 0, ret, err);
}

const struct expr *promql_prepared_expr(const struct promql_prepared *prepared)
{
    return prepared->parse.expr;
}

void promql_prepared_free(struct promql_prepared **prepared)
{
    struct promql_prepared *p = *prepared;
    if (p == NULL)
        return;
    each_node(NULL, p->parse.expr, strip);
    promql_parse_free(&p->parse);
    if (p->own.slots != NULL)
        labels_table_free(&p->own);
    free(p);
    *prepared = NULL;
}

struct expr *prepared_tree(struct promql_prepared *prepared)
{
    return prepared->parse.expr;
}

void prepared_forget(struct promql_prepared *prepared)
{
    each_node(NULL, prepared->parse.expr, forget);
}

void prepared_share(struct promql_prepared *prepared, struct labels_table *labels, struct sharing *sharing)
{
    labels_table_free(&prepared->own);
    prepared->labels = labels;
    prepared->sharing = sharing;
}

/* What is remembered names sets of the table, so both go together. */
static void make_ready(struct promql_prepared *p, const struct promql_options *options)
{
    bool stale = p->own.used > 2 * p->labels_at_first + LABELS_STALE_MAX;
    if (p->sharing != NULL) /* its plan sees to that */
        return;
    if (!stale && options->delayed_name_removal == p->delayed_name_removal)
        return;
    p->delayed_name_removal = options->delayed_name_removal;
    prepared_forget(p);
    labels_table_free(&p->own);
    labels_table_init(&p->own);
}

int promql_evaluate(struct promql_prepared *prepared, const struct series_source *source,
                    const struct promql_options *options, struct promql_result *result, struct err *err)
{
    struct err own = {0};
    struct arena arena = result->arena;
    arena_reset(&arena);
    *result = (struct promql_result){.arena = arena};
    make_ready(prepared, options);
    bool first = prepared->own.used == 0;
    struct query q = {.arena = &result->arena,
                      .labels = prepared->labels,
                      .sharing = prepared->sharing,
                      .source = source,
                      .options = options,
                      .text = prepared->parse.text,
                      .lookback_ms = options->lookback_ms > 0 ? options->lookback_ms : PROMQL_LOOKBACK_MS,
                      .subquery_step_ms = options->subquery_step_ms > 0 ? options->subquery_step_ms : 60000,
                      .max_samples = options->max_samples > 0 ? options->max_samples : PROMQL_MAX_SAMPLES,
                      .err = err != NULL ? err : &own};
    int rc = check_options(options, prepared->parse.expr, q.err);
    if (rc == 0)
        rc = source->query != NULL
                 ? source->query(source->context, prepared->parse.text, options, q.labels, result, q.err)
                 : run(&q, copy_tree(q.arena, prepared->parse.expr), result);
    if (first)
        prepared->labels_at_first = prepared->own.used;
    return rc;
}

int promql_query(const struct series_source *source, struct sv text, const struct promql_options *options,
                 struct promql_result *result, struct err *err)
{
    struct promql_prepared *prepared;
    int rc = prepare(text, options->refused, &prepared, err);
    if (rc != 0)
        return rc;
    rc = promql_evaluate(prepared, source, options, result, err);
    result->labels = prepared->own;
    prepared->own = (struct labels_table){0};
    promql_prepared_free(&prepared);
    return rc;
}

void promql_result_free(struct promql_result *result)
{
    if (result->labels.slots != NULL)
        labels_table_free(&result->labels);
    arena_free(&result->arena);
    *result = (struct promql_result){0};
}
