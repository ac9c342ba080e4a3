/*
 * Text to tokens; see lex.h.
 *
 * One token at a time from a small state, so that there is no list of tokens to bound.
 */
#include "template/lex.h"

#include "base/utf8.h"

static const struct {
    const char *word;
    enum token_kind kind;
} keywords[] = {
    {"break", TOKEN_BREAK},   {"continue", TOKEN_CONTINUE}, {"block", TOKEN_BLOCK},
    {"define", TOKEN_DEFINE}, {"else", TOKEN_ELSE},         {"end", TOKEN_END},
    {"if", TOKEN_IF},         {"range", TOKEN_RANGE},       {"nil", TOKEN_NIL},
    {"with", TOKEN_WITH},     {"template", TOKEN_TEMPLATE}, {"true", TOKEN_BOOL},
    {"false", TOKEN_BOOL},
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(struct sv text, size_t at, size_t *ret_length)
{
    uint32_t rune = 0;
    size_t n = utf8_decode(sv_from(text, at), &rune);
    *ret_length = n;
    return n > 0 &&
           (rune == '_' || (rune >= '0' && rune <= '9') || ((rune | 0x20) >= 'a' && (rune | 0x20) <= 'z') ||
            (rune >= 0xAA && rune != 0xD7 && rune != 0xF7 && !(rune >= 0x2000 && rune < 0x2070) &&
             rune < 0xE000));
}

static struct token token_of(struct lexer *lexer, enum token_kind kind, size_t from)
{
    return (struct token){kind, sv_make(lexer->text.p + from, lexer->at - from), (uint32_t)from};
}

static struct token lex_error(struct lexer *lexer, const char *problem)
{
    struct token token = {TOKEN_ERROR, sv_of(problem), (uint32_t)TC_MIN(lexer->at, lexer->text.n)};
    lexer->at = lexer->text.n;
    return token;
}

static bool at_text(const struct lexer *lexer, const char *text)
{
    return sv_starts(sv_from(lexer->text, lexer->at), sv_of(text));
}

/* The end of an action at `at`: its length, 0 where it is none; *ret_trims where white space after it goes.
 */
static size_t right_end(const struct lexer *lexer, bool *ret_trims)
{
    struct sv rest = sv_from(lexer->text, lexer->at);
    *ret_trims =
        rest.n >= 4 && is_space(rest.p[0]) && rest.p[1] == '-' && rest.p[2] == '}' && rest.p[3] == '}';
    return *ret_trims ? 4 : sv_starts(rest, SV("}}")) ? 2 : 0;
}

static bool left_trims(const struct lexer *lexer, size_t at)
{
    struct sv rest = sv_from(lexer->text, at);
    return rest.n >= 4 && rest.p[2] == '-' && is_space(rest.p[3]);
}

/* A comment stands alone in its action. */
static bool lex_comment(struct lexer *lexer, struct token *ret_error)
{
    size_t close = sv_find(sv_from(lexer->text, lexer->at), SV("*/"));
    if (lexer->at + close >= lexer->text.n) {
        *ret_error = lex_error(lexer, "unclosed comment");
        return false;
    }
    lexer->at += close + 2;
    bool trims;
    size_t end = right_end(lexer, &trims);
    if (end == 0) {
        *ret_error = lex_error(lexer, "comment ends before closing delimiter");
        return false;
    }
    lexer->at += end;
    lexer->trim_next = trims;
    return true;
}

static struct token lex_text(struct lexer *lexer)
{
    struct sv text = lexer->text;
    while (lexer->trim_next && lexer->at < text.n && is_space(text.p[lexer->at]))
        lexer->at++;
    lexer->trim_next = false;
    size_t start = lexer->at, left = start + sv_find(sv_from(text, start), SV("{{")), end = left;
    if (left >= text.n) {
        lexer->at = text.n;
        return token_of(lexer, start < text.n ? TOKEN_TEXT : TOKEN_EOF, start);
    }
    bool trims = left_trims(lexer, left);
    while (trims && end > start && is_space(text.p[end - 1]))
        end--;
    if (end > start) {
        lexer->at = left;
        return (struct token){TOKEN_TEXT, sv_make(text.p + start, end - start), (uint32_t)start};
    }
    lexer->at = left + 2 + (trims ? 2 : 0);
    if (at_text(lexer, "/*")) {
        struct token error;
        return lex_comment(lexer, &error) ? lex_text(lexer) : error;
    }
    lexer->at = left + 2 + (trims ? 1 : 0); /* the space of the marker is a space token, too */
    lexer->inside = true;
    lexer->depth = 0;
    return (struct token){TOKEN_LEFT, sv_make(text.p + left, 2), (uint32_t)left};
}

static struct token lex_quoted(struct lexer *lexer, char quote)
{
    size_t start = lexer->at++;
    for (; lexer->at < lexer->text.n; lexer->at++) {
        char c = lexer->text.p[lexer->at];
        if (c == '\\' && quote != '`' && lexer->at + 1 < lexer->text.n &&
            lexer->text.p[lexer->at + 1] != '\n')
            lexer->at++;
        else if (c == '\n' && quote != '`')
            break;
        else if (c == quote) {
            lexer->at++;
            return token_of(lexer,
                            quote == '"'   ? TOKEN_STRING
                            : quote == '`' ? TOKEN_RAW_STRING
                                           : TOKEN_CHARACTER,
                            start);
        }
    }
    return lex_error(lexer, quote == '"'   ? "unterminated quoted string"
                            : quote == '`' ? "unterminated raw quoted string"
                                           : "unterminated character constant");
}

/* What may stand behind a field, variable or word. */
static bool at_terminator(const struct lexer *lexer)
{
    bool trims;
    if (lexer->at >= lexer->text.n || right_end(lexer, &trims) > 0)
        return true;
    char c = lexer->text.p[lexer->at];
    return is_space(c) || memchr(".,|:=()", c, 7) != NULL;
}

static struct token lex_bad_character(struct lexer *lexer, struct arena *arena, const char *lead)
{
    uint32_t rune;
    size_t n = utf8_decode(sv_from(lexer->text, lexer->at), &rune);
    if (n == 0)
        rune = 0xFFFD;
    bool shown = rune > 0x20 && rune != 0x7F && !(rune >= 0x80 && rune <= 0xA0);
    struct sv text = shown ? arena_printf(arena, "%s U+%04X '%.*s'", lead, rune, (int)TC_MAX(n, 1),
                                          lexer->text.p + lexer->at)
                           : arena_printf(arena, "%s U+%04X", lead, rune);
    return lex_error(lexer, text.p);
}

static struct token lex_word(struct lexer *lexer, struct arena *arena, enum token_kind kind, size_t start)
{
    size_t n;
    while (lexer->at < lexer->text.n && is_word(lexer->text, lexer->at, &n))
        lexer->at += n;
    struct token token = token_of(lexer, kind, start);
    if (!at_terminator(lexer))
        return lex_bad_character(lexer, arena, "bad character");
    for (size_t i = 0; kind == TOKEN_IDENTIFIER && i < TC_ARRAY_LEN(keywords); i++)
        if (sv_is(token.text, keywords[i].word))
            token.kind = keywords[i].kind;
    return token;
}

static struct token lex_number(struct lexer *lexer, struct arena *arena)
{
    size_t start = lexer->at, n;
    if (lexer->text.p[lexer->at] == '+' || lexer->text.p[lexer->at] == '-')
        lexer->at++;
    bool hex = at_text(lexer, "0x") || at_text(lexer, "0X");
    for (; lexer->at < lexer->text.n; lexer->at++) {
        char c = lexer->text.p[lexer->at], before = lexer->text.p[lexer->at - (lexer->at > start)];
        bool exponent = hex ? (before | 0x20) == 'p' : (before | 0x20) == 'e';
        if ((c == '+' || c == '-') && exponent)
            continue;
        if (c != '.' && c != '_' && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            break;
    }
    struct token token = token_of(lexer, TOKEN_NUMBER, start);
    if (lexer->at < lexer->text.n && is_word(lexer->text, lexer->at, &n))
        return lex_error(lexer, arena_printf(arena, "bad number syntax: \"%.*s\"", SV_FMT(token.text)).p);
    return token;
}

static struct token lex_inside(struct lexer *lexer, struct arena *arena)
{
    struct sv text = lexer->text;
    bool trims;
    size_t end = right_end(lexer, &trims), start = lexer->at;
    if (end > 0) {
        if (lexer->depth > 0)
            return lex_error(lexer, "unclosed left paren");
        lexer->at += end;
        lexer->inside = false;
        lexer->trim_next = trims;
        return token_of(lexer, TOKEN_RIGHT, start);
    }
    if (start >= text.n)
        return lex_error(lexer, "unclosed action");
    char c = text.p[start];
    if (is_space(c)) {
        while (lexer->at < text.n && is_space(text.p[lexer->at]) &&
               (lexer->at == start || right_end(lexer, &trims) == 0))
            lexer->at++;
        return token_of(lexer, TOKEN_SPACE, start);
    }
    bool digit_next = start + 1 < text.n && text.p[start + 1] >= '0' && text.p[start + 1] <= '9';
    size_t n;
    if ((c >= '0' && c <= '9') || c == '+' || c == '-' || (c == '.' && digit_next))
        return lex_number(lexer, arena);
    if (c == '"' || c == '`' || c == '\'')
        return lex_quoted(lexer, c);
    if (is_word(text, start, &n))
        return lex_word(lexer, arena, TOKEN_IDENTIFIER, start);
    lexer->at++;
    switch (c) {
    case '=':
        return token_of(lexer, TOKEN_ASSIGN, start);
    case ':':
        if (lexer->at >= text.n || text.p[lexer->at] != '=')
            return lex_error(lexer, "expected :=");
        lexer->at++;
        return token_of(lexer, TOKEN_DECLARE, start);
    case '|':
        return token_of(lexer, TOKEN_PIPE, start);
    case ',':
        return token_of(lexer, TOKEN_COMMA, start);
    case '$':
        return lex_word(lexer, arena, TOKEN_VARIABLE, start);
    case '.':
        if (at_terminator(lexer))
            return token_of(lexer, TOKEN_DOT, start);
        return lex_word(lexer, arena, TOKEN_FIELD, start);
    case '(':
        lexer->depth++;
        return token_of(lexer, TOKEN_OPEN, start);
    case ')':
        if (--lexer->depth < 0)
            return lex_error(lexer, "unexpected right paren");
        return token_of(lexer, TOKEN_CLOSE, start);
    default:
        if (c > ' ' && c < 0x7F)
            return token_of(lexer, TOKEN_CHAR, start);
        lexer->at--;
        return lex_bad_character(lexer, arena, "unrecognized character in action:");
    }
}

struct token template_lex(struct lexer *lexer, struct arena *arena)
{
    return lexer->inside ? lex_inside(lexer, arena) : lex_text(lexer);
}
