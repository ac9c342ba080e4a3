/*
 * What the parts of the parser share: the token in hand, the first error, and the context that words it.
 *
 * Only the first error counts, so parsing stops there: `failed` makes every later token the end of input, and
 * all functions unwind. `context` says in which construct a token is unexpected; whoever enters a construct
 * that Prometheus' grammar names in its errors sets it and puts the old one back.
 */
#ifndef METRICS_PROMQL_PARSER_PRIV_H
#define METRICS_PROMQL_PARSER_PRIV_H

#include "metrics/promql/lexer.h"
#include "metrics/promql/parser.h"

struct parse_context {
    const char *in;       /* "label matching"; "" where none is named */
    const char *expected; /* "string"; "" where nothing is */
};

struct parser {
    struct promql_parse *parse;
    struct arena *arena;
    struct lexer lexer;
    struct token token; /* in hand, where have_token */
    bool have_token;
    struct token newest; /* the last one that was read, in hand or not */
    int32_t last_closing;
    bool failed;
    unsigned depth;
    struct parse_context context;
};

void parser_fail(struct parser *p, int32_t start, int32_t end, const char *format, ...) TC_PRINTF(4, 5);
/* "unexpected X in …, expected …" for the token in hand, by the context. */
void parser_unexpected(struct parser *p);
struct token *parser_peek(struct parser *p);
struct token parser_take(struct parser *p);
static inline bool parser_at(struct parser *p, enum token_kind kind)
{
    return parser_peek(p)->kind == kind;
}
/* Takes the token where it is of that kind; an error else. */
bool parser_expect(struct parser *p, enum token_kind kind, struct token *ret);
struct parse_context parser_enter(struct parser *p, const char *in, const char *expected);
static inline int32_t token_end(const struct token *t)
{
    return t->at + (int32_t)t->text.n;
}

double parser_number(struct parser *p, const struct token *t); /* NUMBER or DURATION, in seconds */
struct sv parser_unquote(struct parser *p, struct sv text);
struct sv parser_quoted(struct parser *p, struct sv text);
struct expr *parser_new(struct parser *p, enum expr_kind kind, int32_t start, int32_t end);
/* Counts `child` (may be NULL) into the height of `parent`. */
void parser_adopt(struct parser *p, struct expr *parent, const struct expr *child);
bool parser_is_metric_identifier(enum token_kind kind);

struct expr *parser_expression(struct parser *p, int min_binding);
struct expr *parser_selector(struct parser *p);
struct expr *parser_duration(struct parser *p, int min_binding);
/* The operators after an expression: ranges, offset, @, anchored, smoothed. */
struct expr *parser_postfix(struct parser *p, struct expr *expr);
void parser_grouping(struct parser *p, struct name_list *ret);

/* A series description of the test language. */
void parser_series(struct parser *p, struct series_description *ret);

/* Checks types; the first error goes to the parser. */
void parser_check(struct parser *p, struct expr *expr);

#endif
