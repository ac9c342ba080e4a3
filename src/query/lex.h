/*
 * LogQL's words; private to this room. A token points into the query's text, save that a string's value is
 * unquoted into the arena.
 */
#ifndef QUERY_LEX_H
#define QUERY_LEX_H

#include "base/arena.h"
#include "base/err.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD, /* an identifier; keywords are words, too */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_BYTES,
    TOKEN_FLAG, /* --strict */
    TOKEN_SIGN, /* one of the signs, the longest that fits */
};

struct token {
    enum token_kind kind;
    struct sv text;  /* as written */
    struct sv value; /* STRING: unquoted */
    double number;   /* NUMBER; DURATION in nanoseconds; BYTES */
    size_t at;
};

struct lexer {
    struct sv text;
    size_t at;
    struct arena *arena;
    struct token token; /* the present one */
};

/* Moves on; TC_EINPUT with the place where there is no token. */
int lex_next(struct lexer *lexer, struct err *err);
/* "parse error at line L, col C: …" at a byte offset of the text. */
int lex_fail(const struct lexer *lexer, size_t at, struct err *err, const char *format, ...) TC_PRINTF(4, 5);
/* How a token is called in an error text: STRING, `|=`, end of query. */
struct sv lex_show(const struct token *token, char out[64]);

#endif
