/*
 * The UTF-8 syntax of matchers (alertmanager/matcher/parse): tokens are braces, commas, operators, and texts
 * that are quoted (Go's escapes) or free of reserved characters. Errors name columns, counted in code points
 * from 0, as Alertmanager's do.
 */
#include "alert/alertmanager/matcher_priv.h"

#include "base/utf8.h"

#include <stdio.h>

enum token_kind {
    TOKEN_END,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_OPERATOR,
    TOKEN_QUOTED,
    TOKEN_PLAIN
};

struct token {
    enum token_kind kind;
    enum am_match_type type; /* of an operator */
    struct sv text;
    size_t column, end_column;
};

struct lexer {
    struct sv input;
    size_t start, at;      /* bytes: of the token, of the cursor */
    size_t column, cursor; /* the same in code points */
};

struct parser {
    struct am_pool *pool;
    struct am_matchers *matchers;
    struct lexer lexer;
    struct token next; /* the token ahead */
    struct err *err;
};

static const uint32_t at_end = UINT32_MAX;

/* The code point at the cursor and its bytes; what is not UTF-8 is U+FFFD, a byte at a time. */
static uint32_t look(const struct lexer *l, size_t *ret_bytes)
{
    uint32_t rune;
    size_t n = utf8_decode(sv_from(l->input, l->at), &rune);
    *ret_bytes = n;
    if (n > 0)
        return rune;
    *ret_bytes = l->at < l->input.n;
    return l->at < l->input.n ? 0xfffd : at_end;
}

static void step(struct lexer *l, size_t bytes)
{
    l->at += bytes;
    l->cursor += bytes > 0;
}

static bool accept(struct lexer *l, char c)
{
    if (l->at >= l->input.n || l->input.p[l->at] != c)
        return false;
    step(l, 1);
    return true;
}

static bool is_reserved(uint32_t rune)
{
    return am_is_space(rune) || (rune < 128 && rune > 0 && strchr("{}!=~,\\\"'`", (int)rune) != NULL);
}

static struct sv lexeme(const struct lexer *l)
{
    return sv_make(l->input.p + l->start, l->at - l->start);
}

static int emit(struct lexer *l, enum token_kind kind, enum am_match_type type, struct token *ret)
{
    *ret = (struct token){kind, type, lexeme(l), l->column, l->cursor};
    l->start = l->at;
    l->column = l->cursor;
    return 0;
}

/* One '!' or '=' and what may follow it. */
static int scan_operator(struct lexer *l, struct token *ret, struct err *err)
{
    if (accept(l, '=')) {
        bool regexp = accept(l, '~');
        return emit(l, TOKEN_OPERATOR, regexp ? AM_REGEXP : AM_EQUAL, ret);
    }
    (void)accept(l, '!');
    if (accept(l, '='))
        return emit(l, TOKEN_OPERATOR, AM_NOT_EQUAL, ret);
    if (accept(l, '~'))
        return emit(l, TOKEN_OPERATOR, AM_NOT_REGEXP, ret);
    if (l->at >= l->input.n)
        return err_set(err, TC_EINPUT, "%zu:%zu: unexpected end of input, expected one of '=~'", l->column,
                       l->cursor);
    return err_set(err, TC_EINPUT, "%zu:%zu: %.*s: expected one of '=~'", l->column, l->cursor,
                   SV_FMT(lexeme(l)));
}

static int scan_quoted(struct lexer *l, struct token *ret, struct err *err)
{
    bool escaped = false;
    size_t n;
    (void)accept(l, '"');
    for (uint32_t rune; (rune = look(l, &n)) != at_end; step(l, n)) {
        if (!escaped && rune == '"')
            break;
        escaped = !escaped && rune == '\\';
    }
    if (!accept(l, '"'))
        return err_set(err, TC_EINPUT, "%zu:%zu: %.*s: missing end \"", l->column, l->cursor,
                       SV_FMT(lexeme(l)));
    return emit(l, TOKEN_QUOTED, AM_EQUAL, ret);
}

static int scan(struct lexer *l, struct token *ret, struct err *err)
{
    size_t n;
    uint32_t rune;
    while ((rune = look(l, &n)) != at_end && am_is_space(rune)) {
        step(l, n);
        l->start = l->at;
        l->column = l->cursor;
    }
    if (rune == at_end) {
        *ret = (struct token){.kind = TOKEN_END};
        return 0;
    }
    if (rune == '=' || rune == '!')
        return scan_operator(l, ret, err);
    if (rune == '"')
        return scan_quoted(l, ret, err);
    if (!is_reserved(rune)) {
        while ((rune = look(l, &n)) != at_end && !is_reserved(rune))
            step(l, n);
        return emit(l, TOKEN_PLAIN, AM_EQUAL, ret);
    }
    step(l, n);
    if (rune == '{' || rune == '}' || rune == ',')
        return emit(l, rune == '{' ? TOKEN_OPEN : rune == '}' ? TOKEN_CLOSE : TOKEN_COMMA, AM_EQUAL, ret);
    return err_set(err, TC_EINPUT, "%zu:%zu: %.*s: invalid input", l->column, l->cursor, SV_FMT(lexeme(l)));
}

static int advance(struct parser *p)
{
    return scan(&p->lexer, &p->next, p->err);
}

/* What was looked for is not there: "0:4: unexpected x: expected a comma". */
static int unexpected(struct parser *p, const char *expected)
{
    if (p->next.kind == TOKEN_END)
        return err_set(p->err, TC_EINPUT, "end of input: %s", expected);
    return err_set(p->err, TC_EINPUT, "%zu:%zu: unexpected %.*s: %s", p->next.column, p->next.end_column,
                   SV_FMT(p->next.text), expected);
}

/* A fault of the token ahead is told with what was looked for, too. */
static int advance_to(struct parser *p, const char *expected)
{
    int rc = advance(p);
    if (rc != 0 && p->err != NULL) {
        size_t n = strlen(p->err->text);
        snprintf(p->err->text + n, sizeof p->err->text - n, ": %s", expected);
    }
    return rc;
}

static bool hex_digits(struct sv text, size_t at, size_t count, unsigned base, uint32_t *ret)
{
    uint32_t v = 0;
    if (at + count > text.n)
        return false;
    for (size_t i = at; i < at + count; i++) {
        char c = text.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 99;
        if (digit >= base)
            return false;
        v = v * base + digit;
    }
    *ret = v;
    return true;
}

/* One escape behind its backslash at text.p[at]; *at moves on. */
static bool unescape_one(struct sv text, size_t *at, struct buf *out)
{
    static const char letters[] = "abfnrtv\\\"", values[] = "\a\b\f\n\r\t\v\\\"";
    char c = text.p[*at];
    const char *simple = c == '\0' ? NULL : strchr(letters, c);
    if (simple != NULL) {
        buf_char(out, values[simple - letters]);
        (*at)++;
        return true;
    }
    bool octal = c >= '0' && c <= '7';
    size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    size_t from = *at + !octal;
    uint32_t v;
    if (digits == 0 || !hex_digits(text, from, digits, octal ? 8 : 16, &v))
        return false;
    *at = from + digits;
    if (digits < 4) {
        buf_char(out, (char)v);
        return v < 256;
    }
    char bytes[4];
    if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return false;
    buf_add(out, bytes, utf8_encode(v, bytes));
    return true;
}

/* strconv.Unquote of a token in double quotes; the result must be UTF-8. */
static bool unquote(struct sv quoted, struct buf *out)
{
    struct sv text = sv_make(quoted.p + 1, quoted.n - 2);
    for (size_t at = 0; at < text.n;) {
        char c = text.p[at++];
        if (c == '\n')
            return false;
        if (c != '\\')
            buf_char(out, c);
        else if (at >= text.n || !unescape_one(text, &at, out))
            return false;
    }
    return utf8_valid(buf_view(out)) == out->n;
}

/* The text of the token ahead in *out (initialised here). */
static int take_text(struct parser *p, struct buf *out)
{
    struct token token = p->next;
    buf_init(out, AM_MATCHERS_MAX_BYTES);
    if (token.kind == TOKEN_PLAIN)
        buf_sv(out, token.text);
    else if (!unquote(token.text, out))
        return err_set(p->err, TC_EINPUT, "%zu:%zu: %.*s: invalid input", token.column, token.end_column,
                       SV_FMT(token.text));
    return 0;
}

static bool is_text(enum token_kind kind)
{
    return kind == TOKEN_QUOTED || kind == TOKEN_PLAIN;
}

static int finish_matcher(struct parser *p, struct sv name, enum am_match_type type, struct sv value)
{
    struct am_matcher matcher;
    int rc = am_matcher_make(p->pool, type, name, value, &matcher, p->err);
    if (rc != 0)
        return err_while(p->err, "failed to create matcher");
    return am_matchers_add(p->pool, p->matchers, matcher, p->err);
}

/* Name, operator and value; the name is the token ahead, and afterwards the token behind the value is. */
static int parse_matcher(struct parser *p)
{
    static const char no_operator[] = "expected an operator such as '=', '!=', '=~' or '!~'",
                      no_value[] = "expected label value";
    struct buf name = {0}, value = {0};
    enum am_match_type type = AM_EQUAL;
    int rc = is_text(p->next.kind) ? take_text(p, &name) : unexpected(p, "expected label name");
    if (rc == 0)
        rc = advance_to(p, no_operator);
    if (rc == 0 && p->next.kind != TOKEN_OPERATOR)
        rc = unexpected(p, no_operator);
    if (rc == 0) {
        type = p->next.type;
        rc = advance_to(p, no_value);
    }
    if (rc == 0)
        rc = is_text(p->next.kind) ? take_text(p, &value) : unexpected(p, no_value);
    if (rc == 0)
        rc = finish_matcher(p, buf_view(&name), type, buf_view(&value));
    if (rc == 0)
        rc = advance_to(p, "expected a comma or close brace");
    buf_free(&name);
    buf_free(&value);
    return rc;
}

static int parse_end(struct parser *p, bool braces)
{
    size_t column = p->next.kind == TOKEN_END ? p->lexer.cursor : p->next.end_column;
    if (braces) {
        if (p->next.kind != TOKEN_CLOSE) {
            int rc = unexpected(p, "expected close brace");
            /* where the end was looked for stands in front */
            return err_while(p->err, "0:%zu", p->next.kind == TOKEN_END ? column : p->next.column), rc;
        }
        int rc = advance_to(p, "expected end of input");
        if (rc != 0)
            return rc;
    } else if (p->next.kind == TOKEN_CLOSE) {
        return err_set(p->err, TC_EINPUT, "0:%zu: }: expected opening brace", column);
    }
    if (p->next.kind != TOKEN_END)
        return err_set(p->err, TC_EINPUT, "%zu:%zu: %.*s: expected end of input", p->next.column,
                       p->next.end_column, SV_FMT(p->next.text));
    return 0;
}

static int parse(struct parser *p)
{
    int rc = advance(p);
    if (rc != 0 || p->next.kind == TOKEN_END)
        return rc;
    bool braces = p->next.kind == TOKEN_OPEN;
    if (braces)
        rc = advance(p);
    while (rc == 0 && p->next.kind != TOKEN_CLOSE && p->next.kind != TOKEN_END) {
        rc = parse_matcher(p);
        if (rc != 0 || p->next.kind == TOKEN_CLOSE || p->next.kind == TOKEN_END)
            break;
        if (p->next.kind != TOKEN_COMMA)
            return unexpected(p, "expected a comma or close brace");
        rc = advance_to(p, "expected a matcher or close brace after comma");
        if (rc == 0 && !is_text(p->next.kind) && p->next.kind != TOKEN_CLOSE && p->next.kind != TOKEN_END)
            return unexpected(p, "expected a matcher or close brace after comma");
    }
    return rc != 0 ? rc : parse_end(p, braces);
}

int am_utf8_matchers(struct am_pool *pool, struct sv input, struct am_matchers *ret, struct err *err)
{
    struct parser p = {.pool = pool, .matchers = ret, .lexer = {.input = input}, .err = err};
    return parse(&p);
}
