/*
 * Types, and what the grammar alone cannot say.
 */
#include "metrics/promql/functions.h"
#include "metrics/promql/parser_priv.h"

enum value_type expr_type(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_DURATION:
        return VALUE_SCALAR;
    case EXPR_STRING:
        return VALUE_STRING;
    case EXPR_MATRIX:
    case EXPR_SUBQUERY:
        return VALUE_MATRIX;
    case EXPR_CALL:
        return e->function->returns;
    case EXPR_UNARY:
    case EXPR_PAREN:
    case EXPR_ONCE:
        return expr_type(e->left);
    case EXPR_BINARY:
        return expr_type(e->left) == VALUE_SCALAR && expr_type(e->right) == VALUE_SCALAR ? VALUE_SCALAR
                                                                                         : VALUE_VECTOR;
    default:
        return VALUE_VECTOR;
    }
}

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"none", "scalar", "instant vector", "range vector", "string"};
    return names[type];
}

#define FAIL_AT(p, e, ...) parser_fail((p), (e)->start, (e)->end, __VA_ARGS__)

static enum value_type check(struct parser *p, struct expr *e);

static void expect_type(struct parser *p, struct expr *e, enum value_type want, const char *context)
{
    enum value_type type = check(p, e);
    if (type != want)
        FAIL_AT(p, e, "expected type %s in %s, got %s", value_type_name(want), context,
                value_type_name(type));
}

static void check_aggregate(struct parser *p, struct expr *e)
{
    expect_type(p, e->left, VALUE_VECTOR, "aggregation expression");
    if (e->right != NULL)
        expect_type(p, e->right, e->op == TOKEN_COUNT_VALUES ? VALUE_STRING : VALUE_SCALAR,
                    "aggregation parameter");
}

static bool space_at(const struct parser *p, int32_t at)
{
    return at >= 0 && (size_t)at < p->lexer.input.n && strchr(" \t\n\r", p->lexer.input.p[at]) != NULL;
}

/* The operator and its modifiers, between the operands. */
static void operator_range(const struct parser *p, const struct expr *e, int32_t *start, int32_t *end)
{
    *start = e->left->end;
    while (space_at(p, *start))
        (*start)++;
    *end = e->right->start - 1;
    while (space_at(p, *end))
        (*end)--;
}

static void check_matching(struct parser *p, struct expr *e, enum value_type left, enum value_type right)
{
    struct vector_matching *m = e->matching;
    const char *op = token_text(e->op);
    if (left != VALUE_VECTOR || right != VALUE_VECTOR) {
        if (m->labels.n > 0)
            FAIL_AT(p, e, "vector matching only allowed between instant vectors");
        if (m->has_fill_left || m->has_fill_right)
            FAIL_AT(p, e, "filling in missing series only allowed between instant vectors");
        e->matching = NULL;
    } else if (token_is_set_operator(e->op)) {
        if (m->card == CARD_ONE_TO_MANY || m->card == CARD_MANY_TO_ONE)
            FAIL_AT(p, e, "no grouping allowed for \"%s\" operation", op);
        if (m->card != CARD_MANY_TO_MANY)
            FAIL_AT(p, e, "set operations must always be many-to-many");
        if (m->has_fill_left || m->has_fill_right)
            FAIL_AT(p, e, "filling in missing series not allowed for set operators");
    }
    if ((left == VALUE_SCALAR || right == VALUE_SCALAR) && token_is_set_operator(e->op))
        FAIL_AT(p, e, "set operator \"%s\" not allowed in binary scalar expression", op);
}

static void check_binary(struct parser *p, struct expr *e)
{
    enum value_type left = check(p, e->left), right = check(p, e->right);
    struct vector_matching *m = e->matching;
    int32_t start, end;
    operator_range(p, e, &start, &end);
    if (e->return_bool && !token_is_comparison(e->op))
        parser_fail(p, start, end, "bool modifier can only be used on comparison operators");
    if (token_is_comparison(e->op) && !e->return_bool && left == VALUE_SCALAR && right == VALUE_SCALAR)
        parser_fail(p, start, end, "comparisons between scalars must use BOOL modifier");
    if (token_is_set_operator(e->op) && m->card == CARD_ONE_TO_ONE)
        m->card = CARD_MANY_TO_MANY;
    for (size_t i = 0; i < m->labels.n && m->on; i++)
        for (size_t j = 0; j < m->include.n; j++)
            if (sv_eq(m->labels.items[i], m->include.items[j]))
                parser_fail(p, start, end, "label %.*s must not occur in ON and GROUP clause at once",
                            SV_FMT(parser_quoted(p, m->labels.items[i])));
    if (left != VALUE_SCALAR && left != VALUE_VECTOR)
        FAIL_AT(p, e->left, "binary expression must contain only scalar and instant vector types");
    if (right != VALUE_SCALAR && right != VALUE_VECTOR)
        FAIL_AT(p, e->right, "binary expression must contain only scalar and instant vector types");
    check_matching(p, e, left, right);
}

static void check_info(struct parser *p, struct expr *e)
{
    struct expr *labels = e->args[1];
    enum value_type type = expr_type(labels);
    if (type != VALUE_VECTOR)
        FAIL_AT(p, e, "expected type %s in call to function \"info\", got %s", value_type_name(VALUE_VECTOR),
                value_type_name(type));
    if (labels->kind != EXPR_SELECTOR)
        FAIL_AT(p, labels, "expected label selectors only");
    else if (labels->text.n > 0)
        FAIL_AT(p, labels, "expected label selectors only, got vector selector instead");
    else
        labels->allow_empty = true;
}

static void check_call(struct parser *p, struct expr *e)
{
    const struct promql_function *f = e->function;
    int types = 0, n = (int)e->arg_count;
    while (types < FUNCTION_ARGS_MAX && f->args[types] != VALUE_NONE)
        types++;
    if (f->variadic == 0 && n != types)
        FAIL_AT(p, e, "expected %d argument(s) in call to \"%s\", got %d", types, f->name, n);
    else if (f->variadic != 0 && n < types - 1)
        FAIL_AT(p, e, "expected at least %d argument(s) in call to \"%s\", got %d", types - 1, f->name, n);
    else if (f->variadic > 0 && n > types - 1 + f->variadic)
        FAIL_AT(p, e, "expected at most %d argument(s) in call to \"%s\", got %d", types - 1 + f->variadic,
                f->name, n);
    if (f->id == FN_INFO && n > 1 && !p->failed)
        check_info(p, e);
    for (int i = 0; i < n && !p->failed; i++) {
        enum value_type want = f->args[TC_MIN(i, types - 1)], type = check(p, e->args[i]);
        if (type != want)
            FAIL_AT(p, e->args[i], "expected type %s in call to function \"%s\", got %s",
                    value_type_name(want), f->name, value_type_name(type));
    }
}

static void check_selector(struct parser *p, struct expr *e)
{
    bool selective = e->allow_empty;
    if (e->text.n > 0) {
        for (size_t i = 0; i + 1 < e->matcher_count; i++)
            if (sv_eq(e->matchers[i].name, METRIC_NAME))
                FAIL_AT(p, e, "metric name must not be set twice: %.*s or %.*s",
                        SV_FMT(parser_quoted(p, e->text)), SV_FMT(parser_quoted(p, e->matchers[i].value)));
        return;
    }
    for (size_t i = 0; i < e->matcher_count && !selective; i++)
        selective = !matcher_matches(&e->matchers[i], SV(""));
    if (!selective)
        FAIL_AT(p, e, "vector selector must contain at least one non-empty matcher");
}

static void check_unary(struct parser *p, struct expr *e)
{
    enum value_type type = check(p, e->left);
    if (type != VALUE_SCALAR && type != VALUE_VECTOR)
        FAIL_AT(p, e,
                "unary expression only allowed on expressions of type scalar or instant vector, got \"%s\"",
                value_type_name(type));
}

static void check_subquery(struct parser *p, struct expr *e)
{
    static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};
    enum value_type type = check(p, e->left);
    if (type != VALUE_VECTOR)
        FAIL_AT(p, e, "subquery is only allowed on instant vector, got %s instead", names[type]);
}

static enum value_type check(struct parser *p, struct expr *e)
{
    if (p->failed)
        return VALUE_NONE;
    switch (e->kind) {
    case EXPR_AGGREGATE:
        check_aggregate(p, e);
        break;
    case EXPR_BINARY:
        check_binary(p, e);
        break;
    case EXPR_CALL:
        check_call(p, e);
        break;
    case EXPR_UNARY:
        check_unary(p, e);
        break;
    case EXPR_SUBQUERY:
        check_subquery(p, e);
        break;
    case EXPR_SELECTOR:
        check_selector(p, e);
        break;
    case EXPR_PAREN:
    case EXPR_MATRIX:
        (void)check(p, e->left);
        break;
    default:
        break;
    }
    return p->failed ? VALUE_NONE : expr_type(e);
}

void parser_check(struct parser *p, struct expr *expr)
{
    (void)check(p, expr);
}
