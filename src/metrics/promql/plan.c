/*
 * What queries have in common, found by canonical text; see plan.h.
 *
 * A node that is shared carries a pointer to where its series are kept. The outermost shared node is the one
 * that counts: what stands below it as often as it does needs no place of its own.
 */
#include "metrics/promql/plan.h"

#include "metrics/promql/eval_priv.h"
#include "metrics/promql/query_priv.h"

#include <stdlib.h>

enum { PLAN_TEXTS_MAX = 1 << 20, LABELS_STALE_MAX = 65536 };

struct promql_planned {
    struct promql_prepared *prepared;
    bool apart, whole; /* whole: only as a whole may it be shared */
};

struct promql_plan {
    struct promql_planned **queries;
    size_t count, capacity;
    struct map by_text; /* canonical text -> struct shared_value * */
    struct arena arena;
    struct shared_value **shared;
    size_t shared_count, shared_capacity;
    struct labels_table labels;
    size_t labels_at_first;
    bool ready, delayed_name_removal;
    struct sharing sharing;
};

/* --- what may be shared --- */

static bool looks_at_buckets_only_partly(const struct expr *e)
{
    return e->kind == EXPR_CALL &&
           (e->function->id == FN_HISTOGRAM_COUNT || e->function->id == FN_HISTOGRAM_SUM ||
            e->function->id == FN_HISTOGRAM_AVG);
}

static bool is_fixed(const struct expr *e)
{
    bool timed = e->kind == EXPR_SELECTOR || e->kind == EXPR_SUBQUERY;
    return (timed && (e->has_timestamp || e->start_or_end != 0)) ||
           (e->kind == EXPR_CALL && e->function->id == FN_INFO);
}

static bool any_node(const struct expr *e, bool (*is)(const struct expr *))
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return false;
    if (is(e) || any_node(e->left, is) || any_node(e->right, is))
        return true;
    for (size_t i = 0; i < e->arg_count; i++)
        if (any_node(e->args[i], is))
            return true;
    return false;
}

static bool has_value(const struct expr *e)
{
    bool kind = e->kind == EXPR_SELECTOR || e->kind == EXPR_CALL || e->kind == EXPR_AGGREGATE ||
                e->kind == EXPR_BINARY;
    return kind && expr_type(e) == VALUE_VECTOR;
}

/* Visits what is evaluated at the query's own time. */
static void each_value(struct promql_plan *plan, struct expr *e, bool whole,
                       void (*visit)(struct promql_plan *, struct expr *))
{
    if (e == NULL || e->kind == EXPR_DURATION || e->kind == EXPR_SUBQUERY || e->kind == EXPR_MATRIX)
        return;
    if (has_value(e)) {
        visit(plan, e);
        if (whole)
            return;
    }
    each_value(plan, e->left, whole, visit);
    each_value(plan, e->right, whole, visit);
    for (size_t i = 0; i < e->arg_count; i++)
        each_value(plan, e->args[i], whole, visit);
}

static void count_text(struct promql_plan *plan, struct expr *e)
{
    struct buf text;
    buf_init(&text, PROMQL_TEXT_MAX * 4);
    promql_print(&text, e);
    uint64_t *slot = text.overflow ? NULL : map_put(&plan->by_text, buf_view(&text), NULL);
    if (slot != NULL && *slot == 0) {
        struct shared_value *made = ARENA_NEW(&plan->arena, struct shared_value);
        made->tree = e;
        *slot = (uint64_t)(uintptr_t)made;
    }
    if (slot != NULL) {
        e->shared = (struct shared_value *)(uintptr_t)*slot;
        e->shared->places++;
    }
    buf_free(&text);
}

/* Takes the pointer off where it is of no use. `above`: in how many places the next shared node above is. */
static void keep_outermost(struct promql_plan *plan, struct expr *e, size_t above)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return;
    struct shared_value *value = e->shared;
    if (value != NULL && value->places <= TC_MAX(above, (size_t)1))
        e->shared = NULL;
    if (e->shared != NULL && !value->listed) {
        if (plan->shared_count == plan->shared_capacity) {
            plan->shared_capacity = TC_MAX((size_t)64, plan->shared_capacity * 2);
            plan->shared = tc_realloc(plan->shared, plan->shared_capacity * sizeof(struct shared_value *));
        }
        value->listed = true;
        plan->shared[plan->shared_count++] = value;
    }
    above = e->shared != NULL ? value->places : above;
    keep_outermost(plan, e->left, above);
    keep_outermost(plan, e->right, above);
    for (size_t i = 0; i < e->arg_count; i++)
        keep_outermost(plan, e->args[i], above);
}

/* In a copy: the parser knows its own by their places. */
static void sort_matchers(struct arena *arena, struct expr *e)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return;
    if (e->kind == EXPR_SELECTOR && e->matcher_count > 1) {
        struct matcher *sorted = ARENA_ARRAY(arena, struct matcher, e->matcher_count);
        memcpy(sorted, e->matchers, e->matcher_count * sizeof *sorted);
        /* the one that was made from the name is last, and stays there for the printer */
        matchers_sort(sorted, e->matcher_count - (e->text.n > 0));
        e->matchers = sorted;
    }
    sort_matchers(arena, e->left);
    sort_matchers(arena, e->right);
    for (size_t i = 0; i < e->arg_count; i++)
        sort_matchers(arena, e->args[i]);
}

/* Once all are there. */
static void make_ready(struct promql_plan *plan)
{
    plan->ready = true;
    map_init(&plan->by_text, PLAN_TEXTS_MAX);
    for (size_t i = 0; i < plan->count; i++) {
        struct promql_planned *p = plan->queries[i];
        if (!p->apart)
            each_value(plan, prepared_tree(p->prepared), p->whole, count_text);
    }
    for (size_t i = 0; i < plan->count; i++)
        keep_outermost(plan, prepared_tree(plan->queries[i]->prepared), 0);
    map_free(&plan->by_text);
}

/* --- life --- */

struct promql_plan *promql_plan_new(void)
{
    struct promql_plan *plan = tc_alloc(sizeof *plan);
    labels_table_init(&plan->labels);
    return plan;
}

void promql_plan_free(struct promql_plan **plan)
{
    struct promql_plan *p = *plan;
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++) {
        promql_prepared_free(&p->queries[i]->prepared);
        free(p->queries[i]);
    }
    free(p->queries);
    free(p->shared);
    labels_table_free(&p->labels);
    arena_free(&p->arena);
    arena_free(&p->sharing.arena);
    free(p);
    *plan = NULL;
}

int promql_plan_add(struct promql_plan *plan, struct sv text, struct promql_planned **ret, struct err *err)
{
    struct promql_prepared *prepared;
    *ret = NULL;
    tc_assert(!plan->ready);
    int rc = promql_prepare(text, &prepared, err);
    if (rc != 0)
        return rc;
    prepared_share(prepared, &plan->labels, &plan->sharing);
    struct expr *tree = prepared_tree(prepared);
    sort_matchers(&plan->arena, tree);
    struct promql_planned *p = *ret = tc_alloc(sizeof *p);
    *p = (struct promql_planned){.prepared = prepared,
                                 .apart = any_node(tree, is_fixed),
                                 .whole = any_node(tree, looks_at_buckets_only_partly)};
    if (plan->count == plan->capacity) {
        plan->capacity = TC_MAX((size_t)16, plan->capacity * 2);
        plan->queries = tc_realloc(plan->queries, plan->capacity * sizeof(struct promql_planned *));
    }
    plan->queries[plan->count++] = p;
    return 0;
}

bool promql_planned_is_apart(const struct promql_planned *planned)
{
    return planned->apart;
}

/* --- evaluating --- */

static void forget_labels(struct promql_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        prepared_forget(plan->queries[i]->prepared);
    labels_table_free(&plan->labels);
    labels_table_init(&plan->labels);
    plan->labels_at_first = 0;
}

void promql_plan_begin(struct promql_plan *plan)
{
    if (!plan->ready)
        make_ready(plan);
    for (size_t i = 0; i < plan->shared_count; i++)
        plan->shared[i]->ready = false;
    arena_reset(&plan->sharing.arena);
    if (plan->labels_at_first == 0)
        plan->labels_at_first = plan->labels.used;
    if (plan->labels.used > 2 * plan->labels_at_first + LABELS_STALE_MAX)
        forget_labels(plan);
}

int promql_plan_evaluate(struct promql_plan *plan, struct promql_planned *planned,
                         const struct series_source *source, const struct promql_options *options,
                         struct promql_result *result, struct err *err)
{
    tc_assert(plan->ready && options->step_ms == 0);
    if (options->delayed_name_removal != plan->delayed_name_removal) {
        plan->delayed_name_removal = options->delayed_name_removal;
        promql_plan_begin(plan);
        forget_labels(plan);
    }
    return promql_evaluate(planned->prepared, source, options, result, err);
}

static bool may_read(const struct expr *e, struct sv name)
{
    if (e == NULL || e->kind == EXPR_DURATION)
        return false;
    if (e->kind == EXPR_SELECTOR) {
        for (size_t i = 0; i < e->matcher_count; i++)
            if (sv_eq(e->matchers[i].name, METRIC_NAME) && !matcher_matches(&e->matchers[i], name))
                return false;
        return true;
    }
    if (may_read(e->left, name) || may_read(e->right, name))
        return true;
    for (size_t i = 0; i < e->arg_count; i++)
        if (may_read(e->args[i], name))
            return true;
    return false;
}

void promql_plan_wrote(struct promql_plan *plan, struct sv name)
{
    for (size_t i = 0; i < plan->shared_count; i++)
        if (plan->shared[i]->ready && (name.n == 0 || may_read(plan->shared[i]->tree, name)))
            plan->shared[i]->ready = false;
}

struct promql_plan_stats promql_plan_stats(const struct promql_plan *plan)
{
    return (struct promql_plan_stats){.queries = plan->count,
                                      .shared = plan->shared_count,
                                      .worked_out = plan->sharing.worked_out,
                                      .used_again = plan->sharing.used_again};
}
