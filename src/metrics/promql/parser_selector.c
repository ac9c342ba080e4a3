/*
 * Selectors and their matchers.
 */
#include "metrics/promql/parser_priv.h"

#include "metrics/grow.h"

static void remember(struct parser *p, struct matcher *m)
{
    struct promql_parse *parse = p->parse;
    if (m->regex == NULL)
        return;
    if (parse->matcher_count == parse->matcher_capacity) {
        parse->matcher_capacity = parse->matcher_capacity == 0 ? 8 : parse->matcher_capacity * 2;
        parse->matchers = tc_realloc(parse->matchers, parse->matcher_capacity * sizeof(struct matcher *));
    }
    /* the compiled expression is what must be freed; copies of the matcher share it */
    struct matcher *kept = ARENA_NEW(p->arena, struct matcher);
    *kept = *m;
    parse->matchers[parse->matcher_count++] = kept;
}

static bool take_operator(struct parser *p, enum match_type *ret)
{
    static const struct {
        enum token_kind token;
        enum match_type type;
    } operators[] = {{TOKEN_EQL, MATCH_EQUAL},
                     {TOKEN_NEQ, MATCH_NOT_EQUAL},
                     {TOKEN_EQL_REGEX, MATCH_REGEXP},
                     {TOKEN_NEQ_REGEX, MATCH_NOT_REGEXP}};
    for (size_t i = 0; i < TC_ARRAY_LEN(operators); i++)
        if (parser_at(p, operators[i].token)) {
            parser_take(p);
            *ret = operators[i].type;
            return true;
        }
    return false;
}

static void label_matcher(struct parser *p, struct matcher *ret)
{
    enum match_type type;
    struct token value;
    struct parse_context old = parser_enter(p, "label matching", "identifier or \"}\"");
    if (!parser_at(p, TOKEN_IDENTIFIER) && !parser_at(p, TOKEN_STRING)) {
        parser_unexpected(p);
        return;
    }
    struct token name = parser_take(p);
    bool quoted = name.kind == TOKEN_STRING;
    struct sv text = quoted ? parser_unquote(p, name.text) : name.text;
    if (!take_operator(p, &type)) {
        if (!quoted) {
            p->context.expected = "label matching operator";
            parser_unexpected(p);
        }
        matcher_init(ret, MATCH_EQUAL, METRIC_NAME, text, NULL);
        p->context = old;
        return;
    }
    p->context.expected = "string";
    if (!parser_expect(p, TOKEN_STRING, &value))
        return;
    struct err err = {0};
    if (matcher_init(ret, type, text, parser_unquote(p, value.text), &err) != 0)
        parser_fail(p, name.at, token_end(&value), "%s", err.text);
    else
        remember(p, ret);
    p->context = old;
}

struct expr *parser_selector(struct parser *p)
{
    struct token open = parser_take(p), close;
    struct expr *e = parser_new(p, EXPR_SELECTOR, open.at, 0);
    struct parse_context old = parser_enter(p, "label matching", "identifier or \"}\"");
    size_t capacity = 0;
    while (!p->failed && !parser_at(p, TOKEN_RIGHT_BRACE)) {
        e->matchers = grow(p->arena, e->matchers, e->matcher_count, &capacity, sizeof *e->matchers);
        label_matcher(p, &e->matchers[e->matcher_count++]);
        p->context.expected = "\",\" or \"}\"";
        if (!parser_at(p, TOKEN_COMMA))
            break;
        parser_take(p);
        p->context.expected = "identifier or \"}\"";
    }
    if (!parser_expect(p, TOKEN_RIGHT_BRACE, &close))
        return NULL;
    p->context = old;
    e->end = token_end(&close);
    return e;
}
