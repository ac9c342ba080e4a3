/*
 * The lexer; see lexer.h. White space and comments are skipped here.
 */
#include "metrics/promql/lexer.h"

#include "base/go_text.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>

enum { RUNE_END = -1, RUNE_BAD = 0xfffd };

static const struct {
    const char *text;
    enum token_kind kind;
} words[] = {
    {"and", TOKEN_LAND},
    {"or", TOKEN_LOR},
    {"unless", TOKEN_LUNLESS},
    {"atan2", TOKEN_ATAN2},
    {"sum", TOKEN_SUM},
    {"avg", TOKEN_AVG},
    {"count", TOKEN_COUNT},
    {"min", TOKEN_MIN},
    {"max", TOKEN_MAX},
    {"group", TOKEN_GROUP},
    {"stddev", TOKEN_STDDEV},
    {"stdvar", TOKEN_STDVAR},
    {"topk", TOKEN_TOPK},
    {"bottomk", TOKEN_BOTTOMK},
    {"count_values", TOKEN_COUNT_VALUES},
    {"quantile", TOKEN_QUANTILE},
    {"limitk", TOKEN_LIMITK},
    {"limit_ratio", TOKEN_LIMIT_RATIO},
    {"offset", TOKEN_OFFSET},
    {"smoothed", TOKEN_SMOOTHED},
    {"anchored", TOKEN_ANCHORED},
    {"by", TOKEN_BY},
    {"without", TOKEN_WITHOUT},
    {"on", TOKEN_ON},
    {"ignoring", TOKEN_IGNORING},
    {"group_left", TOKEN_GROUP_LEFT},
    {"group_right", TOKEN_GROUP_RIGHT},
    {"fill", TOKEN_FILL},
    {"fill_left", TOKEN_FILL_LEFT},
    {"fill_right", TOKEN_FILL_RIGHT},
    {"bool", TOKEN_BOOL},
    {"start", TOKEN_START},
    {"end", TOKEN_END},
    {"step", TOKEN_STEP},
    {"range", TOKEN_RANGE},
    {"max_of", TOKEN_MAX_OF},
    {"min_of", TOKEN_MIN_OF},
};

static const char *const token_texts[TOKEN_COUNT_OF] = {
    [TOKEN_LEFT_PAREN] = "(",  [TOKEN_RIGHT_PAREN] = ")",  [TOKEN_LEFT_BRACE] = "{",
    [TOKEN_RIGHT_BRACE] = "}", [TOKEN_LEFT_BRACKET] = "[", [TOKEN_RIGHT_BRACKET] = "]",
    [TOKEN_COMMA] = ",",       [TOKEN_EQL] = "=",          [TOKEN_COLON] = ":",
    [TOKEN_SPACE] = "<space>", [TOKEN_BLANK] = "_",        [TOKEN_TIMES] = "x",
    [TOKEN_OPEN_HIST] = "{{",  [TOKEN_CLOSE_HIST] = "}}",  [TOKEN_ADD] = "+",
    [TOKEN_SUB] = "-",         [TOKEN_MUL] = "*",          [TOKEN_DIV] = "/",
    [TOKEN_MOD] = "%",         [TOKEN_POW] = "^",          [TOKEN_EQLC] = "==",
    [TOKEN_NEQ] = "!=",        [TOKEN_LTE] = "<=",         [TOKEN_LSS] = "<",
    [TOKEN_GTE] = ">=",        [TOKEN_GTR] = ">",          [TOKEN_TRIM_UPPER] = "</",
    [TOKEN_TRIM_LOWER] = ">/", [TOKEN_EQL_REGEX] = "=~",   [TOKEN_NEQ_REGEX] = "!~",
    [TOKEN_AT] = "@",
};

const char *token_text(enum token_kind kind)
{
    if (token_texts[kind] != NULL)
        return token_texts[kind];
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (words[i].kind == kind)
            return words[i].text;
    return NULL;
}

static bool is_space(int32_t r)
{
    return r == ' ' || r == '\t' || r == '\n' || r == '\r';
}

static bool is_digit(int32_t r)
{
    return r >= '0' && r <= '9';
}

static bool is_alpha(int32_t r)
{
    return r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z');
}

static bool is_alnum(int32_t r)
{
    return is_alpha(r) || is_digit(r);
}

/* The rune at `pos` and its width; RUNE_END at the end, RUNE_BAD (width 1) for a byte that is not UTF-8. */
static int32_t rune_at(const struct lexer *l, size_t pos, size_t *width)
{
    uint32_t rune;
    *width = 0;
    if (pos >= l->input.n)
        return RUNE_END;
    *width = utf8_decode(sv_from(l->input, pos), &rune);
    if (*width > 0)
        return (int32_t)rune;
    *width = 1;
    return RUNE_BAD;
}

static int32_t peek(const struct lexer *l)
{
    size_t width;
    return rune_at(l, l->pos, &width);
}

static int32_t next(struct lexer *l)
{
    size_t width;
    int32_t r = rune_at(l, l->pos, &width);
    l->pos += width;
    return r;
}

static struct sv current(const struct lexer *l)
{
    return sv_make(l->input.p + l->start, l->pos - l->start);
}

static struct token emit(struct lexer *l, enum token_kind kind)
{
    struct token t = {kind, (int32_t)l->start, current(l)};
    l->last = l->start;
    l->start = l->pos;
    return t;
}

static struct token fail(struct lexer *l, struct sv message)
{
    l->state = LEX_DONE;
    l->last = l->start;
    return (struct token){TOKEN_ERROR, (int32_t)l->start, message};
}

#define FAIL(l, ...) fail((l), arena_printf((l)->arena, __VA_ARGS__))

/* 'x' as Go quotes a rune; with `number`, "U+0078 'x'". */
static const char *rune_text(const struct lexer *l, int32_t r, bool number)
{
    char bytes[4];
    uint32_t rune = r == RUNE_END ? RUNE_BAD : (uint32_t)r;
    struct buf b;
    buf_init(&b, 64);
    go_quote(&b, sv_make(bytes, utf8_encode(rune, bytes)));
    struct sv inner = b.n >= 2 ? sv_make(b.p + 1, b.n - 2) : SV("");
    if (rune == '\'')
        inner = SV("\\'");
    else if (rune == '"')
        inner = SV("\"");
    struct sv text = number ? arena_printf(l->arena, "U+%04X '%.*s'", rune, SV_FMT(inner))
                            : arena_printf(l->arena, "'%.*s'", SV_FMT(inner));
    buf_free(&b);
    return text.p;
}

static struct sv quoted(const struct lexer *l, struct sv text)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    go_quote(&b, text);
    struct sv made = arena_sv(l->arena, buf_view(&b));
    buf_free(&b);
    return made;
}

/* --- numbers --- */

static bool accept(struct lexer *l, const char *valid)
{
    int32_t r = peek(l);
    if (r <= 0 || r > 127 || strchr(valid, (int)r) == NULL)
        return false;
    l->pos++;
    return true;
}

static bool is_in(const struct lexer *l, const char *valid)
{
    int32_t r = peek(l);
    return r > 0 && r < 128 && strchr(valid, (int)r) != NULL;
}

static bool scan_number(struct lexer *l)
{
    size_t first = l->pos;
    const char *digits = "0123456789";
    bool hex = false, dot = false, exponent = false;
    if (!l->series && accept(l, "0") && accept(l, "xX")) {
        accept(l, "_");
        digits = "0123456789abcdefABCDEF";
        hex = true;
    }
    accept(l, ".");
    accept(l, digits);
    while (is_in(l, digits) || is_in(l, "._eE")) {
        if (is_in(l, ".") && dot) {
            accept(l, ".");
            return false;
        }
        /* in a hexadecimal number, e is a digit and yet only one may come */
        if (is_in(l, "eE") && exponent) {
            accept(l, "eE");
            return false;
        }
        if (accept(l, ".")) {
            dot = true;
            if (accept(l, "_.") || hex)
                return false;
        } else if (accept(l, "eE")) {
            exponent = true;
            accept(l, "+-");
            if (accept(l, "._eE") || peek(l) == RUNE_END)
                return false;
        } else if (accept(l, "_")) {
            if (accept(l, "._eE") || peek(l) == RUNE_END)
                return false;
        } else {
            while (accept(l, digits)) {
            }
        }
    }
    if (l->pos == first)
        return false;
    int32_t r = peek(l);
    return (l->series && r == 'x') || !is_alnum(r);
}

static bool scan_duration_rest(struct lexer *l)
{
    if (!accept(l, "smhdwy"))
        return false;
    accept(l, "s");
    while (accept(l, "0123456789")) {
        while (accept(l, "0123456789")) {
        }
        if (!accept(l, "smhdw"))
            return false;
        accept(l, "s");
    }
    if (!is_alnum(peek(l)))
        return true;
    next(l);
    return false;
}

static struct token lex_number_or_duration(struct lexer *l)
{
    l->state = LEX_STATEMENTS;
    if (scan_number(l))
        return emit(l, TOKEN_NUMBER);
    if (scan_duration_rest(l))
        return emit(l, TOKEN_DURATION);
    return FAIL(l, "bad number or duration syntax: %.*s", SV_FMT(quoted(l, current(l))));
}

static struct token lex_number(struct lexer *l)
{
    if (scan_number(l))
        return emit(l, TOKEN_NUMBER);
    return FAIL(l, "bad number syntax: %.*s", SV_FMT(quoted(l, current(l))));
}

/* --- strings --- */

static int digit_value(int32_t r)
{
    return is_digit(r)            ? r - '0'
           : r >= 'a' && r <= 'f' ? r - 'a' + 10
           : r >= 'A' && r <= 'F' ? r - 'A' + 10
                                  : 16;
}

/* After the backslash. False where *ret holds the error. */
static bool lex_escape(struct lexer *l, int32_t quote, struct token *ret)
{
    int32_t r = next(l);
    int digits = 0, base = 16;
    uint32_t max = 0x10ffff, value = 0;
    if (r == quote || (r > 0 && r < 128 && strchr("abfnrtv\\", (int)r) != NULL))
        return true;
    if (r >= '0' && r <= '7') {
        digits = 3;
        base = 8;
        max = 255;
    } else if (r == 'x' || r == 'u' || r == 'U') {
        digits = r == 'x' ? 2 : r == 'u' ? 4 : 8;
        max = r == 'x' ? 255 : max;
        r = next(l);
    } else {
        *ret = r == RUNE_END ? FAIL(l, "escape sequence not terminated")
                             : FAIL(l, "unknown escape sequence %s", rune_text(l, r, true));
        return false;
    }
    for (; digits > 0; digits--) {
        int d = digit_value(r);
        if (d >= base) {
            *ret = r == RUNE_END ? FAIL(l, "escape sequence not terminated")
                                 : FAIL(l, "illegal character %s in escape sequence", rune_text(l, r, true));
            return false;
        }
        value = value * (uint32_t)base + (uint32_t)d;
        if (digits > 1)
            r = next(l);
    }
    if (value <= max && !(value >= 0xd800 && value < 0xe000))
        return true;
    *ret = FAIL(l, "escape sequence is an invalid Unicode code point");
    return false;
}

static struct token lex_string(struct lexer *l, int32_t quote)
{
    struct token failed;
    for (;;) {
        int32_t r = next(l);
        if (r == quote)
            return emit(l, TOKEN_STRING);
        if (r == RUNE_BAD)
            return FAIL(l, "invalid UTF-8 rune");
        if (quote == '`') {
            if (r == RUNE_END)
                return FAIL(l, "unterminated raw string");
        } else if (r == RUNE_END || r == '\n') {
            return FAIL(l, "unterminated quoted string");
        } else if (r == '\\' && !lex_escape(l, quote, &failed)) {
            return failed;
        }
    }
}

/* --- words --- */

static bool word_is(struct sv word, const char *text)
{
    return sv_eq_nocase(word, sv_of(text));
}

static enum token_kind word_kind(struct sv word)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (word_is(word, words[i].text))
            return words[i].kind;
    return word_is(word, "inf") || word_is(word, "nan") ? TOKEN_NUMBER : TOKEN_ERROR;
}

static bool left_paren_follows(const struct lexer *l)
{
    size_t at = l->pos;
    while (at < l->input.n && is_space(l->input.p[at]))
        at++;
    return at < l->input.n && l->input.p[at] == '(';
}

static struct token lex_word(struct lexer *l)
{
    while (is_alnum(peek(l)) || peek(l) == ':')
        l->pos++;
    struct sv word = current(l);
    enum token_kind kind = word_kind(word);
    if (kind == TOKEN_ERROR)
        kind = sv_find_char(word, ':') < word.n ? TOKEN_METRIC_IDENTIFIER : TOKEN_IDENTIFIER;
    else if ((kind == TOKEN_FILL || kind == TOKEN_FILL_LEFT || kind == TOKEN_FILL_RIGHT) &&
             !left_paren_follows(l))
        kind = TOKEN_IDENTIFIER;
    l->state = l->series && peek(l) != '{' ? LEX_VALUES : LEX_STATEMENTS;
    return emit(l, kind);
}

/* step, range, max_of, min_of within brackets; false leaves `pos` after the word. */
static bool lex_duration_word(struct lexer *l, struct token *ret)
{
    static const enum token_kind kinds[] = {TOKEN_STEP, TOKEN_RANGE, TOKEN_MAX_OF, TOKEN_MIN_OF};
    while (is_alpha(peek(l)))
        l->pos++;
    for (size_t i = 0; i < TC_ARRAY_LEN(kinds); i++)
        if (word_is(current(l), token_text(kinds[i]))) {
            *ret = emit(l, kinds[i]);
            return true;
        }
    return false;
}

static bool starts_duration_word(int32_t r)
{
    return r > 0 && r < 128 && strchr("srmSRM", (int)r) != NULL;
}

/* --- the states --- */

static void skip_line(struct lexer *l)
{
    while (l->pos < l->input.n && l->input.p[l->pos] != '\n' && l->input.p[l->pos] != '\r')
        l->pos++;
    l->start = l->pos;
}

static struct token lex_in_braces(struct lexer *l)
{
    int32_t r = next(l);
    if (r == RUNE_END)
        return FAIL(l, "unexpected end of input inside braces");
    if (is_alpha(r)) {
        while (is_alnum(peek(l)))
            l->pos++;
        return emit(l, TOKEN_IDENTIFIER);
    }
    switch (r) {
    case ',':
        return emit(l, TOKEN_COMMA);
    case '"':
    case '\'':
    case '`':
        return lex_string(l, r);
    case '=':
        return emit(l, accept(l, "~") ? TOKEN_EQL_REGEX : TOKEN_EQL);
    case '!': {
        int32_t n = next(l);
        return n == '~' ? emit(l, TOKEN_NEQ_REGEX)
               : n == '='
                   ? emit(l, TOKEN_NEQ)
                   : FAIL(l, "unexpected character after '!' inside braces: %s", rune_text(l, n, false));
    }
    case '{':
        return FAIL(l, "unexpected left brace %s", rune_text(l, r, false));
    case '}':
        l->brace_open = false;
        if (l->series)
            l->state = LEX_VALUES;
        return emit(l, TOKEN_RIGHT_BRACE);
    default:
        return FAIL(l, "unexpected character inside braces: %s", rune_text(l, r, false));
    }
}

static struct token lex_alpha(struct lexer *l, int32_t r)
{
    struct token t;
    if (!l->bracket_open) {
        l->pos = l->start;
        return lex_word(l);
    }
    if (r == ':') {
        if (l->got_colon)
            return FAIL(l, "unexpected colon %s", rune_text(l, r, false));
        l->got_colon = true;
        return emit(l, TOKEN_COLON);
    }
    if (starts_duration_word(r) && lex_duration_word(l, &t))
        return t;
    return FAIL(l, "unexpected character: %s, expected ':'", rune_text(l, r, false));
}

static struct token lex_comparison(struct lexer *l, int32_t r)
{
    switch (r) {
    case '=':
        if (peek(l) == '~')
            return FAIL(l, "unexpected character after '=': '~'");
        return emit(l, accept(l, "=") ? TOKEN_EQLC : TOKEN_EQL);
    case '!': {
        int32_t n = next(l);
        return n == '=' ? emit(l, TOKEN_NEQ)
                        : FAIL(l, "unexpected character after '!': %s", rune_text(l, n, false));
    }
    case '<':
        return emit(l, accept(l, "=") ? TOKEN_LTE : accept(l, "/") ? TOKEN_TRIM_UPPER : TOKEN_LSS);
    default:
        return emit(l, accept(l, "=") ? TOKEN_GTE : accept(l, "/") ? TOKEN_TRIM_LOWER : TOKEN_GTR);
    }
}

static struct token lex_bracket(struct lexer *l, int32_t r)
{
    if (r == ']') {
        if (!l->bracket_open)
            return FAIL(l, "unexpected right bracket %s", rune_text(l, r, false));
        l->bracket_open = false;
        return emit(l, TOKEN_RIGHT_BRACKET);
    }
    if (l->bracket_open)
        return FAIL(l, "unexpected left bracket %s", rune_text(l, r, false));
    l->got_colon = false;
    l->bracket_open = true;
    l->state = LEX_DURATION;
    return emit(l, TOKEN_LEFT_BRACKET);
}

static struct token lex_right_paren(struct lexer *l)
{
    struct token t = emit(l, TOKEN_RIGHT_PAREN);
    return --l->paren_depth < 0 ? FAIL(l, "unexpected right parenthesis ')'") : t;
}

static struct token lex_statements(struct lexer *l)
{
    static const struct {
        char text;
        enum token_kind kind;
    } single[] = {{',', TOKEN_COMMA}, {'*', TOKEN_MUL}, {'/', TOKEN_DIV}, {'%', TOKEN_MOD},
                  {'+', TOKEN_ADD},   {'-', TOKEN_SUB}, {'^', TOKEN_POW}, {'@', TOKEN_AT}};
    int32_t r = next(l);
    if (r == RUNE_END) {
        if (l->paren_depth != 0)
            return FAIL(l, "unclosed left parenthesis");
        if (l->bracket_open)
            return FAIL(l, "unclosed left bracket");
        return emit(l, TOKEN_EOF);
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(single); i++)
        if (r == single[i].text)
            return emit(l, single[i].kind);
    if (is_digit(r) || (r == '.' && is_digit(peek(l)))) {
        l->pos = l->start;
        return lex_number_or_duration(l);
    }
    if (is_alpha(r) || r == ':')
        return lex_alpha(l, r);
    switch (r) {
    case '=':
    case '!':
    case '<':
    case '>':
        return lex_comparison(l, r);
    case '"':
    case '\'':
    case '`':
        return lex_string(l, r);
    case '(':
        l->paren_depth++;
        return emit(l, TOKEN_LEFT_PAREN);
    case ')':
        return lex_right_paren(l);
    case '{':
        l->brace_open = true;
        return emit(l, TOKEN_LEFT_BRACE);
    case '[':
    case ']':
        return lex_bracket(l, r);
    default:
        return FAIL(l, "unexpected character: %s", rune_text(l, r, false));
    }
}

static struct token lex_duration_colon(struct lexer *l)
{
    struct token t = emit(l, TOKEN_COLON);
    if (!l->got_duration)
        return FAIL(l, "unexpected colon before duration in duration expression");
    if (l->got_colon)
        return FAIL(l, "unexpected repeated colon in duration expression");
    l->got_colon = true;
    return t;
}

static struct token lex_duration(struct lexer *l)
{
    static const struct {
        char text;
        enum token_kind kind;
    } single[] = {{'+', TOKEN_ADD}, {'-', TOKEN_SUB}, {'*', TOKEN_MUL},  {'/', TOKEN_DIV},
                  {'%', TOKEN_MOD}, {'^', TOKEN_POW}, {',', TOKEN_COMMA}};
    int32_t r = next(l);
    struct token t;
    if (r == RUNE_END)
        return FAIL(l, "unexpected end of input in duration expression");
    for (size_t i = 0; i < TC_ARRAY_LEN(single); i++)
        if (r == single[i].text)
            return emit(l, single[i].kind);
    if (is_digit(r) || (r == '.' && is_digit(peek(l)))) {
        l->pos = l->start;
        l->got_duration = true;
        return lex_number_or_duration(l);
    }
    switch (r) {
    case ']':
        l->bracket_open = false;
        l->got_colon = false;
        l->state = LEX_STATEMENTS;
        return emit(l, TOKEN_RIGHT_BRACKET);
    case ':':
        return lex_duration_colon(l);
    case '(':
        l->paren_depth++;
        return emit(l, TOKEN_LEFT_PAREN);
    case ')':
        return lex_right_paren(l);
    default:
        if (starts_duration_word(r) && lex_duration_word(l, &t))
            return t;
        return FAIL(l, "unexpected character in duration expression: %s", rune_text(l, r, false));
    }
}

/* --- series of the test language --- */

static struct token lex_spaces(struct lexer *l)
{
    struct token t = emit(l, TOKEN_SPACE);
    while (is_space(peek(l)))
        l->pos++;
    l->start = l->pos;
    return t;
}

static struct token lex_values(struct lexer *l)
{
    static const struct {
        char text;
        enum token_kind kind;
    } single[] = {{'+', TOKEN_ADD}, {'-', TOKEN_SUB}, {'x', TOKEN_TIMES}, {'_', TOKEN_BLANK}};
    int32_t r = next(l);
    if (r == RUNE_END) {
        l->state = LEX_STATEMENTS;
        return lex_statements(l);
    }
    if (r == '{' && peek(l) == '{') {
        l->pos++;
        l->histogram = LEX_HISTOGRAM_OPEN;
        l->state = LEX_HISTOGRAM;
        return emit(l, TOKEN_OPEN_HIST);
    }
    if (is_space(r))
        return lex_spaces(l);
    for (size_t i = 0; i < TC_ARRAY_LEN(single); i++)
        if (r == single[i].text)
            return emit(l, single[i].kind);
    if (is_digit(r) || (r == '.' && is_digit(peek(l)))) {
        l->pos = l->start;
        return lex_number(l);
    }
    if (is_alpha(r)) {
        l->pos = l->start;
        return lex_word(l);
    }
    return FAIL(l, "unexpected character in series sequence: %s", rune_text(l, r, false));
}

static struct token lex_histogram_word(struct lexer *l)
{
    static const char *const fields[] = {
        "sum",       "count",    "schema",     "offset",        "n_offset",          "buckets",
        "n_buckets", "z_bucket", "z_bucket_w", "custom_values", "counter_reset_hint"};
    static const char *const hints[] = {"unknown", "reset", "not_reset", "gauge"};
    while (is_alpha(peek(l)))
        l->pos++;
    struct sv word = current(l);
    for (size_t i = 0; i < TC_ARRAY_LEN(fields); i++)
        if (word_is(word, fields[i]))
            return peek(l) == ':' ? emit(l, TOKEN_HIST_FIELD)
                                  : FAIL(l, "missing `:` for histogram descriptor");
    if (word_is(word, "inf") || word_is(word, "nan"))
        return emit(l, TOKEN_NUMBER);
    for (size_t i = 0; i < TC_ARRAY_LEN(hints); i++)
        if (word_is(word, hints[i]))
            return emit(l, TOKEN_HIST_HINT);
    return FAIL(l, "bad histogram descriptor found: %.*s", SV_FMT(quoted(l, word)));
}

static struct token lex_histogram(struct lexer *l)
{
    if (l->histogram == LEX_HISTOGRAM_AFTER) {
        int32_t sign = next(l);
        l->histogram = LEX_HISTOGRAM_NONE;
        l->state = LEX_VALUES;
        return emit(l, sign == 'x' ? TOKEN_TIMES : sign == '+' ? TOKEN_ADD : TOKEN_SUB);
    }
    int32_t r = next(l);
    if (is_space(r))
        return lex_spaces(l);
    if (is_digit(r)) {
        l->pos = l->start;
        return lex_number(l);
    }
    if (is_alpha(r) && r != 'x') {
        l->pos = l->start;
        return lex_histogram_word(l);
    }
    switch (r) {
    case ':':
        return emit(l, TOKEN_COLON);
    case '-':
        return emit(l, TOKEN_SUB);
    case '[':
        l->bracket_open = true;
        l->state = LEX_BUCKETS;
        return emit(l, TOKEN_LEFT_BRACKET);
    case '}':
        if (peek(l) == '}') {
            l->pos++;
            bool more = l->pos < l->input.n && strchr("x+-", l->input.p[l->pos]) != NULL;
            l->histogram = more ? LEX_HISTOGRAM_AFTER : LEX_HISTOGRAM_NONE;
            l->state = more ? LEX_HISTOGRAM : LEX_VALUES;
            return emit(l, TOKEN_CLOSE_HIST);
        }
        TC_FALLTHROUGH;
    default:
        return FAIL(l, "histogram description incomplete unexpected: %s", rune_text(l, r, false));
    }
}

static struct token lex_buckets(struct lexer *l)
{
    int32_t r = next(l);
    if (is_space(r))
        return lex_spaces(l);
    if (r == '-')
        return emit(l, TOKEN_SUB);
    if (is_digit(r) || (r == '.' && is_digit(peek(l)))) {
        l->pos = l->start;
        return lex_number(l);
    }
    if (r == ']') {
        l->bracket_open = false;
        l->state = LEX_HISTOGRAM;
        return emit(l, TOKEN_RIGHT_BRACKET);
    }
    if (is_alpha(r)) {
        while (is_alpha(peek(l)))
            l->pos++;
        if (word_is(current(l), "inf") || word_is(current(l), "nan"))
            return emit(l, TOKEN_NUMBER);
    }
    return FAIL(l, "invalid character in buckets description: %s", rune_text(l, r, false));
}

/* --- the way in --- */

void lexer_init(struct lexer *lexer, struct arena *arena, struct sv input, bool series)
{
    *lexer = (struct lexer){.input = input, .arena = arena, .series = series};
}

struct token lexer_next(struct lexer *l)
{
    bool values = l->state == LEX_VALUES || l->state == LEX_HISTOGRAM || l->state == LEX_BUCKETS;
    for (; !values && l->state != LEX_DONE;) {
        while (is_space(peek(l)))
            l->pos++;
        l->start = l->pos;
        if (peek(l) != '#' || l->state == LEX_DURATION)
            break;
        skip_line(l);
    }
    switch (l->state) {
    case LEX_DONE:
        return (struct token){TOKEN_EOF, (int32_t)l->pos, SV("")};
    case LEX_DURATION:
        return lex_duration(l);
    case LEX_VALUES:
        return lex_values(l);
    case LEX_HISTOGRAM:
        return lex_histogram(l);
    case LEX_BUCKETS:
        return lex_buckets(l);
    default:
        return l->brace_open ? lex_in_braces(l) : lex_statements(l);
    }
}

int32_t lexer_previous_right_paren(const struct lexer *l, int32_t fallback)
{
    if (fallback <= 0 || (size_t)fallback > l->input.n || l->last == 0 || l->last >= l->input.n ||
        l->input.p[l->last] != ')')
        return fallback;
    for (size_t i = l->last - 1; i > 0; i--) {
        if (l->input.p[i] == ')')
            return (int32_t)i + 1;
        if (!is_space(l->input.p[i]))
            break;
    }
    return fallback;
}
