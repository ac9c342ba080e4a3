/*
 * A template's text as tokens, as Go's text/template/parse makes them (Go 1.24, lex.go).
 *
 * A lexer is a value: a copy of it reads on from the same place, which is how the parser looks ahead.
 */
#ifndef TEMPLATE_LEX_H
#define TEMPLATE_LEX_H

#include "base/arena.h"
#include "base/sv.h"

enum token_kind {
    TOKEN_ERROR,
    TOKEN_EOF,
    TOKEN_TEXT,
    TOKEN_LEFT, /* {{ */
    TOKEN_RIGHT,
    TOKEN_SPACE,
    TOKEN_ASSIGN,  /* = */
    TOKEN_DECLARE, /* := */
    TOKEN_PIPE,
    TOKEN_COMMA,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_CHAR, /* any other printable byte */
    TOKEN_DOT,
    TOKEN_FIELD,
    TOKEN_VARIABLE,
    TOKEN_IDENTIFIER,
    TOKEN_BOOL,
    TOKEN_NIL,
    TOKEN_NUMBER,
    TOKEN_CHARACTER, /* 'x' */
    TOKEN_STRING,
    TOKEN_RAW_STRING,
    TOKEN_BREAK,
    TOKEN_CONTINUE,
    TOKEN_BLOCK,
    TOKEN_DEFINE,
    TOKEN_ELSE,
    TOKEN_END,
    TOKEN_IF,
    TOKEN_RANGE,
    TOKEN_TEMPLATE,
    TOKEN_WITH,
};

struct token {
    enum token_kind kind;
    struct sv text; /* of an error: what is wrong */
    uint32_t at;
};

struct lexer {
    struct sv text;
    size_t at;
    bool inside;    /* an action */
    bool trim_next; /* the text after an action loses its leading space */
    int depth;      /* of parentheses */
};

/* The next token; its text points into the lexer's, an error's into `arena` or at a constant. At the
 * end and after an error only TOKEN_EOF and TOKEN_ERROR follow. */
struct token template_lex(struct lexer *lexer, struct arena *arena);

#endif
