/*
 * What the parts of LogQL's parser share; private to this room.
 */
#ifndef QUERY_PARSE_H
#define QUERY_PARSE_H

#include "query/lex.h"
#include "query/logql.h"

struct parsing {
    struct lexer lexer;
    struct logql *query;
    struct err *err;
    unsigned depth;
};

static inline const struct token *peek(const struct parsing *p)
{
    return &p->lexer.token;
}
static inline bool is_sign(const struct parsing *p, const char *sign)
{
    return peek(p)->kind == TOKEN_SIGN && sv_is(peek(p)->text, sign);
}
static inline bool is_word(const struct parsing *p, const char *word)
{
    return peek(p)->kind == TOKEN_WORD && sv_is(peek(p)->text, word);
}
int parse_fail(struct parsing *p, const char *format, ...) TC_PRINTF(2, 3);
/* "syntax error: unexpected X, expecting `what`". */
int parse_unexpected(struct parsing *p, const char *what);
int parse_move(struct parsing *p);
int parse_sign(struct parsing *p, const char *sign);
int parse_string(struct parsing *p, struct sv *ret);
int parse_word(struct parsing *p, const char *what, struct sv *ret);
/* Compiled, and freed with the query; a refusal names the place `at`. */
int parse_regex(struct parsing *p, struct sv text, enum re2_scope scope, size_t at, struct re2 **ret);
enum logql_op parse_match_op(const struct parsing *p);
/* {a="b", …} */
int parse_selector(struct parsing *p, struct logql_expr *ret);
/* Stages until something that is none. */
int parse_pipeline(struct parsing *p, struct logql_stage **ret);

#endif
