/*
 * What follows an expression (ranges, subqueries, offset, @, anchored, smoothed), and duration expressions.
 */
#include "metrics/promql/parser_priv.h"

#include <math.h>

enum { DURATION_BINDING_ADD = 1, DURATION_BINDING_MUL = 2, DURATION_BINDING_POW = 3 };

static bool out_of_range(double seconds)
{
    return seconds > 0x1p63 / 1e9 || seconds < -0x1p63 / 1e9;
}

static int64_t to_ns(const struct expr *e)
{
    double ns = round(e->number * 1e9);
    return ns >= 0x1p63 ? INT64_MAX : ns <= -0x1p63 ? INT64_MIN : (int64_t)ns;
}

/* --- duration expressions --- */

static struct expr *duration_node(struct parser *p, enum token_kind op, int32_t start, int32_t end,
                                  struct expr *left, struct expr *right)
{
    struct expr *e = parser_new(p, EXPR_DURATION, start, end);
    e->op = op;
    e->left = left;
    e->right = right;
    parser_adopt(p, e, left);
    parser_adopt(p, e, right);
    return e;
}

static struct expr *wrap(struct parser *p, struct expr *e, int32_t start)
{
    if (e->kind != EXPR_DURATION)
        e = duration_node(p, TOKEN_ADD, start, e->end, NULL, e);
    e->wrapped = true;
    return e;
}

static struct expr *literal(struct parser *p, const struct token *sign)
{
    struct token t = parser_take(p);
    struct expr *e = parser_new(p, EXPR_NUMBER, t.at, token_end(&t));
    e->number = parser_number(p, &t);
    e->is_duration = t.kind == TOKEN_DURATION;
    if (sign != NULL && sign->kind == TOKEN_SUB)
        e->number *= -1;
    if (out_of_range(e->number))
        parser_fail(p, sign != NULL ? sign->at : e->start, sign != NULL ? token_end(sign) : e->end,
                    "duration out of range");
    if (sign != NULL)
        e->start = sign->at;
    return e;
}

/* step(), range(), max_of(a, b), min_of(a, b) */
static struct expr *duration_call(struct parser *p)
{
    struct token name = parser_take(p), close;
    struct expr *left = NULL, *right = NULL;
    if (!parser_expect(p, TOKEN_LEFT_PAREN, NULL))
        return NULL;
    if (name.kind == TOKEN_MAX_OF || name.kind == TOKEN_MIN_OF) {
        left = parser_duration(p, 0);
        if (!parser_expect(p, TOKEN_COMMA, NULL))
            return NULL;
        right = parser_duration(p, 0);
    }
    if (!parser_expect(p, TOKEN_RIGHT_PAREN, &close))
        return NULL;
    /* positions of calls with arguments are those of the arguments */
    return duration_node(p, name.kind, left != NULL ? left->start : name.at,
                         right != NULL ? right->end : token_end(&close), left, right);
}

static struct expr *paren_duration(struct parser *p)
{
    struct token open = parser_take(p);
    struct expr *e = parser_duration(p, 0);
    if (!parser_expect(p, TOKEN_RIGHT_PAREN, NULL))
        return NULL;
    return wrap(p, e, open.at);
}

static struct expr *signed_duration(struct parser *p, const struct token *op, struct expr *e)
{
    if (p->failed)
        return NULL;
    if (e->kind == EXPR_DURATION)
        return op->kind == TOKEN_SUB ? duration_node(p, TOKEN_SUB, op->at, e->end, NULL, e) : e;
    if (op->kind == TOKEN_SUB)
        e->number *= -1;
    if (out_of_range(e->number))
        parser_fail(p, op->at, token_end(op), "duration out of range");
    e->start = op->at;
    return e;
}

static bool at_duration_call(struct parser *p)
{
    enum token_kind kind = parser_peek(p)->kind;
    return kind == TOKEN_STEP || kind == TOKEN_RANGE || kind == TOKEN_MAX_OF || kind == TOKEN_MIN_OF;
}

static bool at_number(struct parser *p)
{
    return parser_at(p, TOKEN_NUMBER) || parser_at(p, TOKEN_DURATION);
}

static struct expr *duration_operand(struct parser *p)
{
    if (at_number(p))
        return literal(p, NULL);
    if (parser_at(p, TOKEN_ADD) || parser_at(p, TOKEN_SUB)) {
        struct token op = parser_take(p);
        return signed_duration(p, &op, parser_duration(p, DURATION_BINDING_POW));
    }
    if (at_duration_call(p))
        return duration_call(p);
    if (parser_at(p, TOKEN_LEFT_PAREN))
        return paren_duration(p);
    parser_unexpected(p);
    return NULL;
}

static int duration_binding(enum token_kind kind)
{
    return kind == TOKEN_ADD || kind == TOKEN_SUB                        ? DURATION_BINDING_ADD
           : kind == TOKEN_MUL || kind == TOKEN_DIV || kind == TOKEN_MOD ? DURATION_BINDING_MUL
           : kind == TOKEN_POW                                           ? DURATION_BINDING_POW
                                                                         : 0;
}

/* Goes on with the operators after `left`. */
static struct expr *duration_rest(struct parser *p, struct expr *left, int min_binding)
{
    for (;;) {
        int strength = p->failed ? 0 : duration_binding(parser_peek(p)->kind);
        if (strength == 0 || strength < min_binding)
            return p->failed ? NULL : left;
        struct token op = parser_take(p);
        struct expr *right = parser_duration(p, op.kind == TOKEN_POW ? strength : strength + 1);
        if (p->failed)
            return NULL;
        if (right->kind == EXPR_NUMBER && right->number == 0 &&
            (op.kind == TOKEN_DIV || op.kind == TOKEN_MOD))
            parser_fail(p, op.at, token_end(&op),
                        op.kind == TOKEN_DIV ? "division by zero" : "modulo by zero");
        left = duration_node(p, op.kind, left->start, right->end, left, right);
    }
}

struct expr *parser_duration(struct parser *p, int min_binding)
{
    if (++p->depth > PROMQL_DEPTH_MAX)
        parser_fail(p, p->newest.at, p->newest.at, "the expression nests deeper than %d levels",
                    PROMQL_DEPTH_MAX);
    struct expr *e = duration_rest(p, duration_operand(p), min_binding);
    p->depth--;
    return e;
}

/* After `offset`, a literal or a call stands alone; only a parenthesis opens an expression with operators. */
static struct expr *offset_duration(struct parser *p)
{
    if (at_number(p))
        return literal(p, NULL);
    if (at_duration_call(p))
        return duration_call(p);
    if (!parser_at(p, TOKEN_ADD) && !parser_at(p, TOKEN_SUB))
        return parser_duration(p, 0);
    struct token op = parser_take(p);
    if (at_number(p))
        return literal(p, &op);
    if (at_duration_call(p)) {
        struct expr *e = duration_call(p);
        return p->failed ? NULL : duration_node(p, op.kind, op.at, e->end, NULL, e);
    }
    if (parser_at(p, TOKEN_LEFT_PAREN))
        return signed_duration(p, &op, paren_duration(p));
    return duration_rest(p, signed_duration(p, &op, parser_duration(p, DURATION_BINDING_POW)), 0);
}

/* --- ranges and subqueries --- */

static struct expr *positive(struct parser *p)
{
    struct expr *e = parser_duration(p, 0);
    if (!p->failed && e->kind == EXPR_NUMBER && e->number <= 0)
        parser_fail(p, e->start, e->end, "duration must be greater than 0");
    return e;
}

static void set_range(struct expr *e, struct expr *range)
{
    if (range->kind == EXPR_NUMBER)
        e->range_ns = to_ns(range);
    else
        e->range_expr = range;
}

static struct expr *subquery(struct parser *p, struct expr *left, struct expr *range)
{
    struct token close;
    struct expr *e = parser_new(p, EXPR_SUBQUERY, left->start, 0);
    p->context = (struct parse_context){"subquery selector", "number, duration, step(), range(), or \"]\""};
    parser_take(p);
    e->left = left;
    parser_adopt(p, e, left);
    set_range(e, range);
    if (!parser_at(p, TOKEN_RIGHT_BRACKET)) {
        struct expr *step = positive(p);
        if (p->failed)
            return NULL;
        if (step->kind == EXPR_NUMBER)
            e->step_ns = to_ns(step);
        else
            e->step_expr = step;
        p->context.expected = "\"]\"";
    }
    if (!parser_expect(p, TOKEN_RIGHT_BRACKET, &close))
        return NULL;
    e->end = close.at + 1;
    return e;
}

static struct expr *matrix(struct parser *p, struct expr *left, struct expr *range, const struct token *open)
{
    struct token close;
    if (!parser_expect(p, TOKEN_RIGHT_BRACKET, &close))
        return NULL;
    const char *wrong =
        left->kind != EXPR_SELECTOR                         ? "ranges only allowed for vector selectors"
        : left->offset_ns != 0 || left->offset_expr != NULL ? "no offset modifiers allowed before range"
        : left->has_timestamp || left->start_or_end != 0    ? "no @ modifiers allowed before range"
                                                            : NULL;
    if (wrong != NULL)
        parser_fail(p, open->at, token_end(&close), "%s", wrong);
    struct expr *e = parser_new(p, EXPR_MATRIX, left->start, p->last_closing);
    e->left = left;
    set_range(e, range);
    return e;
}

static struct expr *bracket(struct parser *p, struct expr *left)
{
    struct token open = parser_take(p);
    struct parse_context old =
        parser_enter(p, "subquery or range selector", "number, duration, step(), or range()");
    struct expr *range = positive(p);
    if (p->failed)
        return NULL;
    p->context = (struct parse_context){"subquery or range", "\":\" or \"]\""};
    struct expr *e = parser_at(p, TOKEN_COLON) ? subquery(p, left, range) : matrix(p, left, range, &open);
    p->context = old;
    return e;
}

/* --- modifiers --- */

/* The node that holds offset and @: the selector of a range. NULL where there is none. */
static struct expr *holder(struct expr *e)
{
    if (e->kind == EXPR_MATRIX)
        return e->left->kind == EXPR_SELECTOR ? e->left : NULL;
    return e->kind == EXPR_SELECTOR || e->kind == EXPR_SUBQUERY ? e : NULL;
}

static void offset(struct parser *p, struct expr *e)
{
    struct parse_context old = parser_enter(p, "offset", "number, duration, step(), or range()");
    parser_take(p);
    struct expr *by = offset_duration(p);
    struct expr *at = holder(e);
    p->context = old;
    if (p->failed)
        return;
    if (at == NULL) {
        parser_fail(
            p, e->start, e->end,
            "offset modifier must be preceded by an instant vector selector or range vector selector or a "
            "subquery");
        return;
    }
    if (at->offset_ns != 0 || at->offset_expr != NULL)
        parser_fail(p, e->start, e->end, "offset may not be set multiple times");
    if (by->kind == EXPR_NUMBER)
        at->offset_ns = to_ns(by);
    else
        at->offset_expr = by;
    e->end = p->last_closing;
}

static void set_timestamp(struct parser *p, struct expr *e, struct expr *at, double seconds)
{
    if (!(fabs(seconds) < 0x1p63)) {
        struct sv text = isnan(seconds)   ? SV("NaN")
                         : isinf(seconds) ? (seconds > 0 ? SV("+Inf") : SV("-Inf"))
                                          : arena_printf(p->arena, "%f", seconds);
        parser_fail(p, e->start, e->end, "timestamp out of bounds for @ modifier: %.*s", SV_FMT(text));
        return;
    }
    if (at == NULL)
        return;
    double ms = round(seconds * 1000);
    at->has_timestamp = true;
    at->timestamp_ms = fabs(ms) < 0x1p63 ? (int64_t)ms : INT64_MAX;
}

static void at_modifier(struct parser *p, struct expr *e)
{
    struct parse_context old = parser_enter(p, "@", "timestamp");
    struct token op = {0};
    double seconds = 0;
    parser_take(p);
    bool preprocessor = parser_at(p, TOKEN_START) || parser_at(p, TOKEN_END);
    if (preprocessor) {
        op = parser_take(p);
        if (parser_expect(p, TOKEN_LEFT_PAREN, NULL))
            parser_expect(p, TOKEN_RIGHT_PAREN, NULL);
    } else {
        double sign = 1;
        if (parser_at(p, TOKEN_ADD) || parser_at(p, TOKEN_SUB))
            sign = parser_take(p).kind == TOKEN_SUB ? -1 : 1;
        if (!at_number(p)) {
            parser_unexpected(p);
            return;
        }
        struct token t = parser_take(p);
        seconds = sign * parser_number(p, &t);
    }
    p->context = old;
    struct expr *at = holder(e);
    if (p->failed)
        return;
    if (!preprocessor && !(fabs(seconds) < 0x1p63))
        set_timestamp(p, e, at, seconds);
    if (at == NULL)
        parser_fail(p, e->start, e->end,
                    "@ modifier must be preceded by an instant vector selector or range vector selector or a "
                    "subquery");
    else if (at->has_timestamp || at->start_or_end != 0)
        parser_fail(p, e->start, e->end, "@ <timestamp> may not be set multiple times");
    if (p->failed)
        return;
    if (preprocessor)
        at->start_or_end = op.kind;
    else
        set_timestamp(p, e, at, seconds);
    e->end = p->last_closing;
}

static void extended(struct parser *p, struct expr *e)
{
    bool anchored = parser_take(p).kind == TOKEN_ANCHORED;
    const char *name = anchored ? "anchored" : "smoothed";
    struct expr *at = holder(e);
    if (e->kind == EXPR_SUBQUERY) {
        parser_fail(p, e->start, e->end, "%s modifier is not supported for subqueries", name);
        return;
    }
    if (at == NULL) {
        if (e->kind != EXPR_MATRIX)
            parser_fail(p, e->start, e->end, "%s modifier not implemented", name);
        return;
    }
    if (anchored)
        at->anchored = true;
    else
        at->smoothed = true;
    if (at->anchored && at->smoothed)
        parser_fail(p, e->start, e->end, "anchored and smoothed modifiers cannot be used together");
}

struct expr *parser_postfix(struct parser *p, struct expr *e)
{
    while (!p->failed) {
        switch (parser_peek(p)->kind) {
        case TOKEN_LEFT_BRACKET:
            e = bracket(p, e);
            break;
        case TOKEN_OFFSET:
            offset(p, e);
            break;
        case TOKEN_AT:
            at_modifier(p, e);
            break;
        case TOKEN_ANCHORED:
        case TOKEN_SMOOTHED:
            extended(p, e);
            break;
        default:
            return e;
        }
    }
    return NULL;
}
