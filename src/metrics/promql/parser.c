/*
 * Expressions: operators by binding strength, calls, aggregations, literals. Selectors are in
 * parser_selector.c, ranges and durations in parser_duration.c, types in parser_check.c.
 */
#include "metrics/promql/parser.h"

#include "base/go_text.h"
#include "metrics/grow.h"
#include "metrics/prom_duration.h"
#include "metrics/promql/functions.h"
#include "metrics/promql/parser_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- errors and tokens --- */

void promql_position(struct buf *out, struct sv text, int32_t at)
{
    if (at < 0 || (size_t)at > text.n) {
        buf_str(out, "invalid position");
        return;
    }
    int line = 1, column = at;
    for (int32_t i = 0; i < at; i++)
        if (text.p[i] == '\n') {
            line++;
            column = at - i - 1;
        }
    buf_printf(out, "%d:%d", line, column + 1);
}

void parser_fail(struct parser *p, int32_t start, int32_t end, const char *format, ...)
{
    va_list list;
    if (p->failed)
        return;
    p->failed = true;
    va_start(list, format);
    int n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = arena_alloc(p->arena, (size_t)TC_MAX(n, 0) + 1);
    va_start(list, format);
    vsnprintf(text, (size_t)TC_MAX(n, 0) + 1, format, list);
    va_end(list);
    p->parse->error = sv_of(text);
    p->parse->error_start = start;
    p->parse->error_end = end;
}

struct sv parser_quoted(struct parser *p, struct sv text)
{
    struct buf b;
    buf_init(&b, PROMQL_TEXT_MAX);
    go_quote(&b, text);
    struct sv made = arena_sv(p->arena, buf_view(&b));
    buf_free(&b);
    return made;
}

/* How Prometheus names a token in an error. */
static struct sv describe(struct parser *p, const struct token *t)
{
    static const char *const kinds[] = {[TOKEN_IDENTIFIER] = "identifier",
                                        [TOKEN_METRIC_IDENTIFIER] = "metric identifier",
                                        [TOKEN_STRING] = "string",
                                        [TOKEN_NUMBER] = "number",
                                        [TOKEN_DURATION] = "duration"};
    if (t->kind == TOKEN_EOF)
        return SV("end of input");
    if (token_is_keyword(t->kind))
        return arena_printf(p->arena, "<%.*s>", SV_FMT(t->text));
    if (token_is_operator(t->kind))
        return arena_printf(p->arena, "<op:%.*s>", SV_FMT(t->text));
    if (token_is_aggregation(t->kind))
        return arena_printf(p->arena, "<aggr:%.*s>", SV_FMT(t->text));
    bool name = t->kind == TOKEN_IDENTIFIER || t->kind == TOKEN_METRIC_IDENTIFIER;
    bool cut = !name && t->text.n > 10;
    struct sv text = parser_quoted(p, cut ? sv_head(t->text, 10) : t->text);
    const char *kind = (size_t)t->kind < TC_ARRAY_LEN(kinds) ? kinds[t->kind] : NULL;
    return arena_printf(p->arena, "%s%s%.*s%s", kind != NULL ? kind : "", kind != NULL ? " " : "",
                        SV_FMT(text), cut ? "..." : "");
}

void parser_unexpected(struct parser *p)
{
    struct token *t = parser_peek(p);
    if (p->failed || t->kind == TOKEN_ERROR)
        return;
    bool in = p->context.in[0] != '\0', expected = p->context.expected[0] != '\0';
    parser_fail(p, t->at, token_end(t), "unexpected %.*s%s%s%s%s", SV_FMT(describe(p, t)), in ? " in " : "",
                p->context.in, expected ? ", expected " : "", p->context.expected);
}

struct parse_context parser_enter(struct parser *p, const char *in, const char *expected)
{
    struct parse_context old = p->context;
    p->context = (struct parse_context){in, expected};
    return old;
}

struct token *parser_peek(struct parser *p)
{
    if (p->failed)
        p->token = (struct token){TOKEN_EOF, (int32_t)p->lexer.input.n, SV("")};
    else if (!p->have_token) {
        p->token = lexer_next(&p->lexer);
        p->newest = p->token;
        switch (p->token.kind) {
        case TOKEN_ERROR:
            parser_fail(p, p->token.at, (int32_t)p->lexer.input.n, "%.*s", SV_FMT(p->token.text));
            p->token.kind = TOKEN_EOF;
            break;
        case TOKEN_RIGHT_BRACE:
        case TOKEN_RIGHT_PAREN:
        case TOKEN_RIGHT_BRACKET:
        case TOKEN_DURATION:
        case TOKEN_NUMBER:
            p->last_closing = token_end(&p->token);
            break;
        default:
            break;
        }
    }
    p->have_token = true;
    return &p->token;
}

struct token parser_take(struct parser *p)
{
    struct token t = *parser_peek(p);
    p->have_token = t.kind == TOKEN_EOF;
    return t;
}

bool parser_expect(struct parser *p, enum token_kind kind, struct token *ret)
{
    if (!parser_at(p, kind)) {
        parser_unexpected(p);
        return false;
    }
    struct token t = parser_take(p);
    if (ret != NULL)
        *ret = t;
    return true;
}

double parser_number(struct parser *p, const struct token *t)
{
    double v = 0;
    if (t->kind == TOKEN_DURATION) {
        int64_t ns;
        struct err err = {0};
        if (prom_parse_duration(t->text, &ns, &err) != 0) {
            parser_fail(p, t->at, token_end(t), "%s", err.text);
            return 0;
        }
        return (double)(ns / 1000000000) + (double)(ns % 1000000000) / 1e9;
    }
    if (!go_parse_number(t->text, &v))
        parser_fail(p, p->newest.at, token_end(&p->newest),
                    "error parsing number: strconv.ParseFloat: parsing %.*s: %s",
                    SV_FMT(parser_quoted(p, t->text)), "invalid syntax");
    return v;
}

struct sv parser_unquote(struct parser *p, struct sv text)
{
    struct buf b;
    buf_init(&b, PROMQL_TEXT_MAX);
    if (!go_unquote(text, &b))
        parser_fail(p, p->newest.at, token_end(&p->newest), "error unquoting string %.*s: invalid syntax",
                    SV_FMT(parser_quoted(p, text)));
    struct sv made = arena_sv(p->arena, buf_view(&b));
    buf_free(&b);
    return made;
}

struct expr *parser_new(struct parser *p, enum expr_kind kind, int32_t start, int32_t end)
{
    struct expr *e = ARENA_NEW(p->arena, struct expr);
    e->kind = kind;
    e->start = start;
    e->end = end;
    return e;
}

void parser_adopt(struct parser *p, struct expr *parent, const struct expr *child)
{
    if (child == NULL)
        return;
    parent->height = TC_MAX(parent->height, child->height + 1);
    if (parent->height > PROMQL_HEIGHT_MAX)
        parser_fail(p, child->start, child->end, "the expression has more than %d operators in a row",
                    PROMQL_HEIGHT_MAX);
}

/* --- label lists --- */

static bool is_label_token(enum token_kind kind)
{
    return kind == TOKEN_IDENTIFIER || kind == TOKEN_METRIC_IDENTIFIER || token_is_aggregation(kind) ||
           token_is_keyword(kind) || (kind >= TOKEN_START && kind <= TOKEN_MIN_OF) ||
           (kind >= TOKEN_LAND && kind <= TOKEN_ATAN2);
}

static void grouping_label(struct parser *p, struct name_list *ret, size_t *capacity)
{
    struct parse_context old = parser_enter(p, "grouping opts", "label");
    struct token *t = parser_peek(p);
    bool quoted = t->kind == TOKEN_STRING;
    if (!quoted && !is_label_token(t->kind)) {
        parser_unexpected(p);
        return;
    }
    struct token name = parser_take(p);
    struct sv text = quoted ? parser_unquote(p, name.text) : name.text;
    if (!label_name_is_valid(text))
        parser_fail(p, name.at, token_end(&name), "invalid label name for grouping: %.*s",
                    SV_FMT(parser_quoted(p, text)));
    ret->items = grow(p->arena, ret->items, ret->n, capacity, sizeof *ret->items);
    ret->items[ret->n++] = text;
    p->context = old;
}

void parser_grouping(struct parser *p, struct name_list *ret)
{
    size_t capacity = 0;
    struct parse_context old = parser_enter(p, "grouping opts", "\"(\"");
    *ret = (struct name_list){0};
    if (!parser_expect(p, TOKEN_LEFT_PAREN, NULL))
        return;
    while (!p->failed && !parser_at(p, TOKEN_RIGHT_PAREN)) {
        grouping_label(p, ret, &capacity);
        p->context = (struct parse_context){"grouping opts", "\",\" or \")\""};
        if (!parser_at(p, TOKEN_COMMA))
            break;
        parser_take(p);
    }
    parser_expect(p, TOKEN_RIGHT_PAREN, NULL);
    p->context = old;
}

static bool starts_expression(struct parser *p)
{
    enum token_kind kind = parser_peek(p)->kind;
    return kind == TOKEN_ADD || kind == TOKEN_SUB || kind == TOKEN_NUMBER || kind == TOKEN_DURATION ||
           kind == TOKEN_STRING || kind == TOKEN_LEFT_PAREN || kind == TOKEN_LEFT_BRACE ||
           parser_is_metric_identifier(kind);
}

/* --- calls and aggregations --- */

struct args {
    struct expr **items;
    size_t n, capacity;
};

static void call_body(struct parser *p, struct args *args)
{
    if (!parser_expect(p, TOKEN_LEFT_PAREN, NULL))
        return;
    while (!p->failed && !parser_at(p, TOKEN_RIGHT_PAREN)) {
        struct expr *e = parser_expression(p, 0);
        args->items = grow(p->arena, args->items, args->n, &args->capacity, sizeof *args->items);
        args->items[args->n++] = e;
        if (!parser_at(p, TOKEN_COMMA))
            break;
        struct token comma = parser_take(p);
        if (!starts_expression(p))
            parser_fail(p, comma.at, token_end(&comma), "trailing commas not allowed in function call args");
    }
    parser_expect(p, TOKEN_RIGHT_PAREN, NULL);
}

static bool refuses(const struct parser *p, enum promql_extension extension)
{
    return (p->parse->refused & extension) != 0;
}

static struct expr *call(struct parser *p, const struct token *name)
{
    struct args args = {0};
    const struct promql_function *function = function_find(name->text);
    call_body(p, &args);
    if (function == NULL && !p->failed)
        parser_fail(p, name->at, token_end(name), "unknown function with name %.*s",
                    SV_FMT(parser_quoted(p, name->text)));
    if (!p->failed && function_is_experimental(function) && refuses(p, PROMQL_EXPERIMENTAL_FUNCTIONS))
        parser_fail(p, name->at, token_end(name), "function %.*s is not enabled",
                    SV_FMT(parser_quoted(p, name->text)));
    struct expr *e = parser_new(p, EXPR_CALL, name->at, p->last_closing);
    e->function = function;
    e->args = args.items;
    e->arg_count = args.n;
    for (size_t i = 0; i < args.n; i++)
        parser_adopt(p, e, args.items[i]);
    return e;
}

static void aggregate_modifier(struct parser *p, struct expr *e)
{
    e->without = parser_take(p).kind == TOKEN_WITHOUT;
    parser_grouping(p, &e->grouping);
}

static bool at_modifier(struct parser *p)
{
    return parser_at(p, TOKEN_BY) || parser_at(p, TOKEN_WITHOUT);
}

static struct expr *aggregate(struct parser *p, const struct token *op)
{
    struct args args = {0};
    struct expr *e = parser_new(p, EXPR_AGGREGATE, op->at, op->at);
    struct parse_context old = parser_enter(p, "aggregation", "");
    e->op = op->kind;
    bool before = at_modifier(p), overread = false;
    if (before)
        aggregate_modifier(p, e);
    call_body(p, &args);
    if (!before && !p->failed && at_modifier(p))
        aggregate_modifier(p, e);
    else if (!before)
        overread = true;
    p->context = old;
    e->end = overread ? lexer_previous_right_paren(&p->lexer, p->last_closing) : p->last_closing;
    size_t wanted = token_has_parameter(e->op) ? 2 : 1;
    if (args.n == 0)
        parser_fail(p, e->start, e->end, "no arguments for aggregate expression provided");
    else if ((e->op == TOKEN_LIMITK || e->op == TOKEN_LIMIT_RATIO) &&
             refuses(p, PROMQL_EXPERIMENTAL_FUNCTIONS))
        parser_fail(
            p, e->start, e->end,
            "%s() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
            e->op == TOKEN_LIMITK ? "limitk" : "limit_ratio");
    else if (args.n != wanted)
        parser_fail(p, e->start, e->end,
                    "wrong number of arguments for aggregate expression provided, expected %zu, got %zu",
                    wanted, args.n);
    if (p->failed)
        return NULL;
    e->left = args.items[wanted - 1];
    e->right = wanted == 2 ? args.items[0] : NULL;
    parser_adopt(p, e, e->left);
    parser_adopt(p, e, e->right);
    return e;
}

/* --- operands --- */

static struct expr *number_literal(struct parser *p)
{
    struct token t = parser_take(p);
    struct expr *e = parser_new(p, EXPR_NUMBER, t.at, token_end(&t));
    e->number = parser_number(p, &t);
    e->is_duration = t.kind == TOKEN_DURATION;
    return e;
}

static struct expr *string_literal(struct parser *p)
{
    struct token t = parser_take(p);
    struct expr *e = parser_new(p, EXPR_STRING, t.at, token_end(&t));
    e->text = parser_unquote(p, t.text);
    return e;
}

static struct expr *paren(struct parser *p)
{
    struct token open = parser_take(p), close;
    struct expr *inner = parser_expression(p, 0);
    if (!parser_expect(p, TOKEN_RIGHT_PAREN, &close))
        return NULL;
    struct expr *e = parser_new(p, EXPR_PAREN, open.at, token_end(&close));
    e->left = inner;
    parser_adopt(p, e, inner);
    return e;
}

static bool calls(enum token_kind kind)
{
    return kind == TOKEN_IDENTIFIER || (kind >= TOKEN_START && kind <= TOKEN_MIN_OF);
}

/* The selector of a metric's name, which has been taken. */
static struct expr *named_selector(struct parser *p, const struct token *name)
{
    struct expr *e = parser_at(p, TOKEN_LEFT_BRACE) ? parser_selector(p)
                                                    : parser_new(p, EXPR_SELECTOR, name->at, token_end(name));
    if (p->failed)
        return NULL;
    e->start = name->at;
    e->text = name->text;
    struct matcher *all = ARENA_ARRAY(p->arena, struct matcher, e->matcher_count + 1);
    if (e->matcher_count > 0)
        memcpy(all, e->matchers, e->matcher_count * sizeof *all);
    matcher_init(&all[e->matcher_count++], MATCH_EQUAL, METRIC_NAME, name->text, NULL);
    e->matchers = all;
    return e;
}

/* A word: an aggregation, a call, or a metric name; what follows decides. */
static struct expr *word(struct parser *p)
{
    struct token name = parser_take(p);
    bool aggregation = token_is_aggregation(name.kind);
    if (aggregation && (parser_at(p, TOKEN_LEFT_PAREN) || at_modifier(p)))
        return aggregate(p, &name);
    if (calls(name.kind) && parser_at(p, TOKEN_LEFT_PAREN))
        return call(p, &name);
    return named_selector(p, &name);
}

static struct expr *unary(struct parser *p);

static struct expr *operand(struct parser *p)
{
    struct token *t = parser_peek(p);
    struct expr *e = NULL;
    switch (t->kind) {
    case TOKEN_ADD:
    case TOKEN_SUB:
        return unary(p);
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        e = number_literal(p);
        break;
    case TOKEN_STRING:
        e = string_literal(p);
        break;
    case TOKEN_LEFT_PAREN:
        e = paren(p);
        break;
    case TOKEN_LEFT_BRACE:
        e = parser_selector(p);
        break;
    default:
        if (parser_is_metric_identifier(t->kind))
            e = word(p);
        else
            parser_unexpected(p);
    }
    return p->failed ? NULL : parser_postfix(p, e);
}

bool parser_is_metric_identifier(enum token_kind kind)
{
    return kind == TOKEN_IDENTIFIER || kind == TOKEN_METRIC_IDENTIFIER || token_is_aggregation(kind) ||
           (kind >= TOKEN_START && kind <= TOKEN_MIN_OF) || token_is_set_operator(kind) || kind == TOKEN_BY ||
           kind == TOKEN_WITHOUT || kind == TOKEN_OFFSET || kind == TOKEN_ANCHORED ||
           kind == TOKEN_SMOOTHED || kind == TOKEN_FILL || kind == TOKEN_FILL_LEFT ||
           kind == TOKEN_FILL_RIGHT;
}

/* --- operators --- */

enum { BINDING_POW = 6, BINDING_MUL = 5 };

static int binding(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_LOR:
        return 1;
    case TOKEN_LAND:
    case TOKEN_LUNLESS:
        return 2;
    case TOKEN_EQLC:
    case TOKEN_NEQ:
    case TOKEN_LTE:
    case TOKEN_LSS:
    case TOKEN_GTE:
    case TOKEN_GTR:
    case TOKEN_TRIM_UPPER:
    case TOKEN_TRIM_LOWER:
        return 3;
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 4;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
    case TOKEN_ATAN2:
        return BINDING_MUL;
    case TOKEN_POW:
        return BINDING_POW;
    default:
        return 0;
    }
}

/* A sign binds as multiplication does: weaker than ^. */
static struct expr *unary(struct parser *p)
{
    struct token op = parser_take(p);
    struct expr *e = parser_expression(p, BINDING_POW);
    if (p->failed)
        return NULL;
    if (e->kind == EXPR_NUMBER) {
        if (op.kind == TOKEN_SUB)
            e->number *= -1;
        e->start = op.at;
        return e;
    }
    struct expr *made = parser_new(p, EXPR_UNARY, op.at, e->end);
    made->op = op.kind;
    made->left = e;
    parser_adopt(p, made, e);
    return made;
}

static double fill_value(struct parser *p)
{
    double sign = 1;
    if (!parser_expect(p, TOKEN_LEFT_PAREN, NULL))
        return 0;
    if (parser_at(p, TOKEN_ADD) || parser_at(p, TOKEN_SUB))
        sign = parser_take(p).kind == TOKEN_SUB ? -1 : 1;
    if (!parser_at(p, TOKEN_NUMBER) && !parser_at(p, TOKEN_DURATION)) {
        parser_unexpected(p);
        return 0;
    }
    struct token t = parser_take(p);
    double v = sign * parser_number(p, &t);
    parser_expect(p, TOKEN_RIGHT_PAREN, NULL);
    return v;
}

static void fill_modifiers(struct parser *p, struct vector_matching *m)
{
    if (parser_at(p, TOKEN_FILL)) {
        parser_take(p);
        m->fill_left = m->fill_right = fill_value(p);
        m->has_fill_left = m->has_fill_right = true;
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (parser_at(p, TOKEN_FILL_LEFT) && !m->has_fill_left) {
            parser_take(p);
            m->fill_left = fill_value(p);
            m->has_fill_left = true;
        } else if (parser_at(p, TOKEN_FILL_RIGHT) && !m->has_fill_right) {
            parser_take(p);
            m->fill_right = fill_value(p);
            m->has_fill_right = true;
        }
    }
}

static void modifiers(struct parser *p, struct expr *e)
{
    struct vector_matching *m = e->matching = ARENA_NEW(p->arena, struct vector_matching);
    if (parser_at(p, TOKEN_BOOL)) {
        parser_take(p);
        e->return_bool = true;
    }
    if (parser_at(p, TOKEN_ON) || parser_at(p, TOKEN_IGNORING)) {
        m->on = parser_take(p).kind == TOKEN_ON;
        parser_grouping(p, &m->labels);
        if (parser_at(p, TOKEN_GROUP_LEFT) || parser_at(p, TOKEN_GROUP_RIGHT)) {
            m->card = parser_take(p).kind == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
            /* the list may be left out, where an operand follows */
            if (parser_at(p, TOKEN_LEFT_PAREN) || !starts_expression(p))
                parser_grouping(p, &m->include);
        }
    }
    fill_modifiers(p, m);
}

struct expr *parser_expression(struct parser *p, int min_binding)
{
    if (++p->depth > PROMQL_DEPTH_MAX) {
        struct token *t = parser_peek(p);
        parser_fail(p, t->at, t->at, "the expression nests deeper than %d levels", PROMQL_DEPTH_MAX);
    }
    struct expr *left = operand(p);
    for (;;) {
        int strength = p->failed ? 0 : binding(parser_peek(p)->kind);
        if (strength == 0 || strength < min_binding)
            break;
        struct expr *e = parser_new(p, EXPR_BINARY, 0, 0);
        e->op = parser_take(p).kind;
        modifiers(p, e);
        e->left = left;
        e->right = parser_expression(p, e->op == TOKEN_POW ? strength : strength + 1);
        if (p->failed)
            break;
        e->start = left->start;
        e->end = e->right->end;
        if ((e->matching->has_fill_left || e->matching->has_fill_right) && refuses(p, PROMQL_FILL_MODIFIERS))
            parser_fail(p, e->start, e->end, "binop fill modifiers are experimental and not enabled");
        parser_adopt(p, e, left);
        parser_adopt(p, e, e->right);
        left = e;
    }
    p->depth--;
    return p->failed ? NULL : left;
}

/* --- the way in --- */

static int finish(struct parser *p, struct err *err)
{
    struct promql_parse *parse = p->parse;
    struct buf at;
    if (!p->failed)
        return 0;
    buf_init(&at, 64);
    if (parse->text.n == 0)
        buf_str(&at, "unknown position");
    else
        promql_position(&at, parse->text, parse->error_start);
    int rc = err_set(err, TC_EINPUT, "%.*s: parse error: %.*s", SV_FMT(buf_view(&at)), SV_FMT(parse->error));
    buf_free(&at);
    return rc;
}

static void open_parser(struct parser *p, struct promql_parse *parse, struct sv text, bool series)
{
    parse->text = arena_sv(&parse->arena, text);
    *p = (struct parser){.parse = parse, .arena = &parse->arena, .context = {"", ""}};
    lexer_init(&p->lexer, p->arena, parse->text, series);
    if (text.n > PROMQL_TEXT_MAX)
        parser_fail(p, 0, 0, "the expression is longer than %d bytes", PROMQL_TEXT_MAX);
}

int promql_parse(struct promql_parse *parse, struct sv text, struct err *err)
{
    struct parser p;
    open_parser(&p, parse, text, false);
    if (parser_at(&p, TOKEN_EOF))
        parser_fail(&p, 0, 0, "no expression found in input");
    struct expr *e = parser_expression(&p, 0);
    if (!p.failed && !parser_at(&p, TOKEN_EOF))
        parser_unexpected(&p);
    if (!p.failed)
        parser_check(&p, e);
    parse->expr = p.failed ? NULL : e;
    return finish(&p, err);
}

int promql_parse_selector(struct promql_parse *parse, struct sv text, struct err *err)
{
    struct parser p;
    struct expr *e = NULL;
    open_parser(&p, parse, text, false);
    if (parser_at(&p, TOKEN_LEFT_BRACE))
        e = parser_selector(&p);
    else if (parser_is_metric_identifier(parser_peek(&p)->kind)) {
        struct token name = parser_take(&p);
        e = named_selector(&p, &name);
    }
    if (e == NULL || !parser_at(&p, TOKEN_EOF))
        parser_unexpected(&p);
    parse->expr = p.failed ? NULL : e;
    return finish(&p, err);
}

void promql_parse_free(struct promql_parse *parse)
{
    for (size_t i = 0; i < parse->matcher_count; i++)
        matcher_free(parse->matchers[i]);
    free(parse->matchers);
    arena_free(&parse->arena);
    *parse = (struct promql_parse){0};
}

int promql_parse_series(struct promql_parse *parse, struct sv text, struct series_description *ret,
                        struct err *err)
{
    struct parser p;
    *ret = (struct series_description){0};
    open_parser(&p, parse, text, true);
    parser_series(&p, ret);
    return finish(&p, err);
}
