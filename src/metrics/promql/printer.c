/*
 * The canonical text of an expression, as Prometheus prints it.
 */
#include "metrics/promql/printer.h"
#include "base/go_text.h"
#include "metrics/prom_duration.h"

#include <stdlib.h>

static void put_names(struct buf *out, const struct name_list *names)
{
    buf_char(out, '(');
    for (size_t i = 0; i < names->n; i++) {
        buf_str(out, i > 0 ? ", " : "");
        if (label_name_is_legacy(names->items[i]))
            buf_sv(out, names->items[i]);
        else
            go_quote(out, names->items[i]);
    }
    buf_char(out, ')');
}

void promql_print_aggregation(struct buf *out, const struct expr *e)
{
    buf_str(out, token_text(e->op));
    if (e->without || e->grouping.n > 0) {
        buf_str(out, e->without ? " without " : " by ");
        put_names(out, &e->grouping);
        buf_char(out, ' ');
    }
}

static void put_aggregate(struct buf *out, const struct expr *e)
{
    promql_print_aggregation(out, e);
    buf_char(out, '(');
    if (e->right != NULL) {
        promql_print(out, e->right);
        buf_str(out, ", ");
    }
    promql_print(out, e->left);
    buf_char(out, ')');
}

static void put_fill(struct buf *out, const char *name, double value)
{
    buf_printf(out, " %s (", name);
    go_float_g(out, value);
    buf_char(out, ')');
}

static void put_matching(struct buf *out, const struct vector_matching *m)
{
    bool grouped = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
    if (m->labels.n > 0 || m->on || grouped) {
        buf_str(out, m->on ? " on " : " ignoring ");
        put_names(out, &m->labels);
    }
    if (grouped) {
        buf_str(out, m->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        put_names(out, &m->include);
    }
    if (m->has_fill_left && m->has_fill_right && m->fill_left == m->fill_right) {
        put_fill(out, "fill", m->fill_left);
        return;
    }
    if (m->has_fill_left)
        put_fill(out, "fill_left", m->fill_left);
    if (m->has_fill_right)
        put_fill(out, "fill_right", m->fill_right);
}

void promql_print_operator(struct buf *out, const struct expr *e)
{
    buf_printf(out, "%s%s", token_text(e->op), e->return_bool ? " bool" : "");
    if (e->matching != NULL)
        put_matching(out, e->matching);
}

static void put_binary(struct buf *out, const struct expr *e)
{
    promql_print(out, e->left);
    buf_char(out, ' ');
    promql_print_operator(out, e);
    buf_char(out, ' ');
    promql_print(out, e->right);
}

static void put_duration_expr(struct buf *out, const struct expr *e)
{
    if (e->wrapped)
        buf_char(out, '(');
    if (e->op == TOKEN_STEP || e->op == TOKEN_RANGE) {
        buf_printf(out, "%s()", token_text(e->op));
    } else if (e->op == TOKEN_MIN_OF || e->op == TOKEN_MAX_OF) {
        buf_printf(out, "%s(", token_text(e->op));
        promql_print(out, e->left);
        buf_str(out, ", ");
        promql_print(out, e->right);
        buf_char(out, ')');
    } else if (e->left == NULL) {
        buf_str(out, e->op == TOKEN_SUB ? "-" : "");
        promql_print(out, e->right);
    } else {
        promql_print(out, e->left);
        buf_printf(out, " %s ", token_text(e->op));
        promql_print(out, e->right);
    }
    if (e->wrapped)
        buf_char(out, ')');
}

static void put_at(struct buf *out, const struct expr *e)
{
    if (e->has_timestamp)
        buf_printf(out, " @ %.3f", (double)e->timestamp_ms / 1000);
    else if (e->start_or_end != 0)
        buf_printf(out, " @ %s()", token_text(e->start_or_end));
}

static void put_offset(struct buf *out, const struct expr *e)
{
    if (e->offset_expr == NULL && e->offset_ns == 0)
        return;
    buf_str(out, " offset ");
    if (e->offset_expr != NULL) {
        promql_print(out, e->offset_expr);
        return;
    }
    buf_str(out, e->offset_ns < 0 ? "-" : "");
    prom_duration(out, llabs(e->offset_ns));
}

static int by_text(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

/* Name and matchers, without modifiers. */
static void put_selector(struct buf *out, const struct expr *e)
{
    struct arena arena = {0};
    struct sv *texts = ARENA_ARRAY(&arena, struct sv, e->matcher_count + 1);
    size_t n = 0;
    struct buf one;
    buf_init(&one, PROMQL_TEXT_MAX);
    for (size_t i = 0; i < e->matcher_count; i++) {
        const struct matcher *m = &e->matchers[i];
        if (sv_eq(m->name, METRIC_NAME) && m->type == MATCH_EQUAL && m->value.n > 0 &&
            sv_eq(m->value, e->text))
            continue;
        buf_clear(&one);
        matcher_format(&one, m);
        texts[n++] = arena_sv(&arena, buf_view(&one));
    }
    qsort(texts, n, sizeof texts[0], by_text);
    buf_sv(out, e->text);
    for (size_t i = 0; i < n; i++) {
        buf_char(out, i == 0 ? '{' : ',');
        buf_sv(out, texts[i]);
    }
    if (n > 0)
        buf_char(out, '}');
    buf_free(&one);
    arena_free(&arena);
}

static const char *extended(const struct expr *selector)
{
    return selector->anchored ? " anchored" : selector->smoothed ? " smoothed" : "";
}

static void put_range(struct buf *out, const struct expr *e)
{
    if (e->range_expr != NULL)
        promql_print(out, e->range_expr);
    else
        prom_duration(out, e->range_ns);
}

void promql_print_subquery(struct buf *out, const struct expr *e)
{
    buf_char(out, '[');
    put_range(out, e);
    buf_char(out, ':');
    if (e->step_ns != 0)
        prom_duration(out, e->step_ns);
    else if (e->step_expr != NULL)
        promql_print(out, e->step_expr);
    buf_char(out, ']');
    put_at(out, e);
    put_offset(out, e);
}

static void put_number(struct buf *out, const struct expr *e)
{
    if (!e->is_duration) {
        go_float_f(out, e->number);
        return;
    }
    double ns = e->number < 0 ? -e->number * 1e9 : e->number * 1e9;
    buf_str(out, e->number < 0 ? "-" : "");
    prom_duration(out, ns >= 0x1p63 ? INT64_MAX : (int64_t)ns);
}

void promql_print(struct buf *out, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        put_number(out, e);
        break;
    case EXPR_STRING:
        go_quote(out, e->text);
        break;
    case EXPR_SELECTOR:
        put_selector(out, e);
        put_at(out, e);
        buf_str(out, extended(e));
        put_offset(out, e);
        break;
    case EXPR_MATRIX:
        put_selector(out, e->left);
        buf_char(out, '[');
        put_range(out, e);
        buf_char(out, ']');
        buf_str(out, extended(e->left));
        put_at(out, e->left);
        put_offset(out, e->left);
        break;
    case EXPR_SUBQUERY:
        promql_print(out, e->left);
        promql_print_subquery(out, e);
        break;
    case EXPR_CALL:
        buf_printf(out, "%s(", e->function->name);
        for (size_t i = 0; i < e->arg_count; i++) {
            buf_str(out, i > 0 ? ", " : "");
            promql_print(out, e->args[i]);
        }
        buf_char(out, ')');
        break;
    case EXPR_AGGREGATE:
        put_aggregate(out, e);
        break;
    case EXPR_BINARY:
        put_binary(out, e);
        break;
    case EXPR_UNARY:
        buf_str(out, token_text(e->op));
        promql_print(out, e->left);
        break;
    case EXPR_PAREN:
        buf_char(out, '(');
        promql_print(out, e->left);
        buf_char(out, ')');
        break;
    case EXPR_DURATION:
        put_duration_expr(out, e);
        break;
    case EXPR_ONCE:
        promql_print(out, e->left);
        break;
    }
}
