/*
 * The lexer of LogQL, and its two kinds of numbers with units.
 */
#include "query/lex.h"

#include "base/num.h"
#include "base/utf8.h"
#include "query/logql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int lex_fail(const struct lexer *lexer, size_t at, struct err *err, const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    unsigned line = 1, column = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < at && i < lexer->text.n; i++) {
        column = lexer->text.p[i] == '\n' ? 1 : column + 1;
        line += lexer->text.p[i] == '\n';
    }
    err_set(err, TC_EINPUT, "parse error at line %u, col %u: %.900s", line, column, text);
    if (err != NULL) {
        err->line = line;
        err->column = column;
    }
    return TC_EINPUT;
}

struct sv lex_show(const struct token *token, char out[64])
{
    static const char *const names[] = {[TOKEN_END] = "end of query", [TOKEN_STRING] = "a string"};
    if (token->kind == TOKEN_END || token->kind == TOKEN_STRING)
        return sv_of(names[token->kind]);
    snprintf(out, 64, "`%.*s`", (int)TC_MIN(token->text.n, (size_t)40), token->text.p);
    return sv_of(out);
}

static bool is_letter(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct unit {
    const char *name;
    double factor;
};

/* The length of the number at the front: digits, a point, digits. */
static size_t decimal_length(struct sv text)
{
    size_t n = 0;
    while (n < text.n && (is_digit(text.p[n]) || text.p[n] == '.'))
        n++;
    return n;
}

bool logql_duration(struct sv text, double *ret_ns)
{
    static const struct unit units[] = {{"ns", 1},
                                        {"us", 1e3},
                                        {"µs", 1e3},
                                        {"ms", 1e6},
                                        {"s", 1e9},
                                        {"m", 60e9},
                                        {"h", 3600e9},
                                        {"d", 24 * 3600e9},
                                        {"w", 7 * 24 * 3600e9},
                                        {"y", 365 * 24 * 3600e9}};
    bool minus = text.n > 0 && text.p[0] == '-';
    double sum = 0, part;
    text = sv_from(text, minus);
    if (sv_is(text, "0")) {
        *ret_ns = 0;
        return true;
    }
    if (text.n == 0)
        return false;
    while (text.n > 0) {
        size_t n = decimal_length(text), u = 0, end = n;
        while (end < text.n && !is_digit(text.p[end]) && text.p[end] != '.')
            end++;
        struct sv unit = sv_make(text.p + n, end - n);
        while (u < TC_ARRAY_LEN(units) && !sv_is(unit, units[u].name))
            u++;
        if (n == 0 || u == TC_ARRAY_LEN(units) || !num_double(sv_head(text, n), &part))
            return false;
        sum += part * units[u].factor;
        text = sv_from(text, end);
    }
    *ret_ns = minus ? -sum : sum;
    return true;
}

bool logql_bytes(struct sv text, double *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1},         {"b", 1},        {"kb", 1e3},     {"mb", 1e6},     {"gb", 1e9},
        {"tb", 1e12},    {"pb", 1e15},    {"k", 1e3},      {"m", 1e6},      {"g", 1e9},
        {"t", 1e12},     {"p", 1e15},     {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30},
        {"tib", 0x1p40}, {"pib", 0x1p50}, {"ki", 0x1p10},  {"mi", 0x1p20},  {"gi", 0x1p30},
    };
    size_t n = decimal_length(text);
    struct sv unit = sv_trim(sv_from(text, n));
    double number;
    if (n == 0 || !num_double(sv_head(text, n), &number))
        return false;
    for (size_t u = 0; u < TC_ARRAY_LEN(units); u++)
        if (sv_eq_nocase(unit, sv_of(units[u].name))) {
            *ret_bytes = number * units[u].factor;
            return true;
        }
    return false;
}

static int lex_number(struct lexer *l, struct err *err)
{
    struct token *token = &l->token;
    size_t end = l->at;
    while (end < l->text.n &&
           (is_digit(l->text.p[end]) || is_letter(l->text.p[end]) || l->text.p[end] == '.' ||
            (uint8_t)l->text.p[end] >= 0x80 ||
            ((l->text.p[end] == '+' || l->text.p[end] == '-') && (l->text.p[end - 1] | 0x20) == 'e')))
        end++;
    token->text = sv_make(l->text.p + l->at, end - l->at);
    l->at = end;
    if (num_double(token->text, &token->number))
        token->kind = TOKEN_NUMBER;
    else if (logql_duration(token->text, &token->number))
        token->kind = TOKEN_DURATION;
    else if (logql_bytes(token->text, &token->number))
        token->kind = TOKEN_BYTES;
    else
        return lex_fail(l, token->at, err, "bad number, duration or size: %.*s",
                        SV_FMT(sv_head(token->text, 80)));
    return 0;
}

static bool hex_value(struct sv digits, uint32_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        unsigned v = is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
        if (v > 15)
            return false;
        *ret = *ret * 16 + v;
    }
    return true;
}

/* One escape behind its backslash; the bytes that it takes, 0 where it is none. */
static size_t unescape(struct sv rest, char *out, size_t *n)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *simple = rest.n == 0 || rest.p[0] == '\0' ? NULL : strchr(from, rest.p[0]);
    if (simple != NULL) {
        out[(*n)++] = to[simple - from];
        return 1;
    }
    size_t digits = rest.n == 0 ? 0 : rest.p[0] == 'x' ? 2 : rest.p[0] == 'u' ? 4 : rest.p[0] == 'U' ? 8 : 0;
    uint32_t rune;
    if (digits == 0 || rest.n <= digits || !hex_value(sv_make(rest.p + 1, digits), &rune) || rune > 0x10ffff)
        return 0;
    if (digits == 2) {
        out[(*n)++] = (char)rune;
        return 3;
    }
    *n += utf8_encode(rune, out + *n);
    return digits + 1;
}

static int lex_string(struct lexer *l, struct err *err)
{
    struct token *token = &l->token;
    char quote = l->text.p[l->at], *out = arena_alloc_raw(l->arena, l->text.n - l->at + 1, 1);
    size_t n = 0, at = l->at + 1;
    while (at < l->text.n && l->text.p[at] != quote) {
        if (l->text.p[at] != '\\' || quote == '`') {
            out[n++] = l->text.p[at++];
            continue;
        }
        size_t used = unescape(sv_from(l->text, at + 1), out, &n);
        if (used == 0)
            return lex_fail(l, at, err,
                            "an escape that no string has: write \\\\ for a backslash, or put the "
                            "string between backticks");
        at += 1 + used;
    }
    if (at >= l->text.n)
        return lex_fail(l, token->at, err, "literal not terminated");
    out[n] = '\0';
    token->kind = TOKEN_STRING;
    token->value = sv_make(out, n);
    token->text = sv_make(l->text.p + l->at, at + 1 - l->at);
    l->at = at + 1;
    return 0;
}

static void skip_blank(struct lexer *l)
{
    while (l->at < l->text.n) {
        char c = l->text.p[l->at];
        if (c == '#')
            l->at += sv_find_char(sv_from(l->text, l->at), '\n');
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            l->at++;
        else
            return;
    }
}

static int lex_sign(struct lexer *l, struct err *err)
{
    /* longer ones first */
    static const char *const signs[] = {
        "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "{", "}", "(", ")",
        "[",  "]",  ",",  "|",  "=",  ">",  "<",  "+",  "-",  "*",  "/", "%", "^"};
    struct sv rest = sv_from(l->text, l->at);
    for (size_t i = 0; i < TC_ARRAY_LEN(signs); i++)
        if (sv_starts(rest, sv_of(signs[i]))) {
            l->token.kind = TOKEN_SIGN;
            l->token.text = sv_head(rest, strlen(signs[i]));
            l->at += l->token.text.n;
            return 0;
        }
    return lex_fail(l, l->at, err, "unexpected character %#x", (unsigned)(uint8_t)rest.p[0]);
}

int lex_next(struct lexer *l, struct err *err)
{
    skip_blank(l);
    l->token = (struct token){.kind = TOKEN_END, .at = l->at};
    if (l->at >= l->text.n)
        return 0;
    struct sv rest = sv_from(l->text, l->at);
    char c = rest.p[0];
    if (c == '"' || c == '`')
        return lex_string(l, err);
    if (is_digit(c) || (c == '.' && rest.n > 1 && is_digit(rest.p[1])))
        return lex_number(l, err);
    if (is_letter(c) || (c == '-' && rest.n > 2 && rest.p[1] == '-' && is_letter(rest.p[2]))) {
        size_t n = c == '-' ? 2 : 0;
        while (n < rest.n && (is_letter(rest.p[n]) || is_digit(rest.p[n]) || (c == '-' && rest.p[n] == '-')))
            n++;
        l->token.kind = c == '-' ? TOKEN_FLAG : TOKEN_WORD;
        l->token.text = sv_head(rest, n);
        l->at += n;
        return 0;
    }
    return lex_sign(l, err);
}
