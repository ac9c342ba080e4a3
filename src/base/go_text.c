/*
 * Go's text forms; see go_text.h. The shortest decimal is found by trying 15, 16 and 17 digits: the first
 * that reads back is the shortest once its zeros are stripped.
 */
#include "base/go_text.h"

#include "base/utf8.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLOAT_TEXT_MAX = 512 };

/* Significant digits without zeros at the end, and the exponent of the first one. */
struct decimal {
    char digits[32];
    int count, exponent;
    bool negative;
};

static void decimal_at(double v, int digits, struct decimal *d)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", digits - 1, v);
    const char *p = text;
    d->negative = *p == '-';
    if (*p == '-')
        p++;
    d->count = 0;
    for (; *p != 'e'; p++)
        if (*p != '.')
            d->digits[d->count++] = *p;
    d->exponent = atoi(p + 1);
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
}

/*
 * Numbers with noise in their last places, as quotients have: 17 digits are right, and it is left to see
 * whether 16 do. Fewer can only do where the last two are so near to a whole hundred that half a step of a
 * double (11 at most, of the last place) leads there; and a last 5 may have been rounded up to it. False
 * there: nothing is known.
 */
static bool decimal_noisy(double v, struct decimal *d)
{
    char text[64];
    decimal_at(v, 17, d);
    if (d->count != 17)
        return false;
    int last = d->digits[16] - '0', low = (d->digits[15] - '0') * 10 + last;
    if (low <= 12 || low >= 88 || last == 5)
        return false;
    struct decimal shorter = *d;
    shorter.count = 16;
    for (int i = 15; last > 5; i--) { /* up: no further than to the place before, as `low` is below 88 */
        if (shorter.digits[i]++ != '9')
            break;
        shorter.digits[i] = '0';
    }
    snprintf(text, sizeof text, "%.1s.%.15se%d", shorter.digits, shorter.digits + 1, d->exponent);
    if (strtod(text, NULL) != fabs(v))
        return true;
    while (shorter.digits[shorter.count - 1] == '0')
        shorter.count--;
    *d = shorter;
    return true;
}

static void decimal_shortest(double v, struct decimal *d)
{
    char text[64];
    if (fabs(v) >= DBL_MIN && decimal_noisy(v, d))
        return;
    /* numbers below the normal range have fewer digits to begin with */
    int digits = fabs(v) < DBL_MIN ? 1 : 15;
    while (digits < 17) {
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v)
            break;
        digits++;
    }
    decimal_at(v, digits, d);
}

static void put_plain(struct buf *out, const struct decimal *d)
{
    if (d->negative)
        buf_char(out, '-');
    if (d->exponent < 0) {
        buf_str(out, "0.");
        for (int i = -1; i > d->exponent; i--)
            buf_char(out, '0');
        buf_add(out, d->digits, (size_t)d->count);
        return;
    }
    for (int i = 0; i <= d->exponent; i++)
        buf_char(out, i < d->count ? d->digits[i] : '0');
    if (d->count > d->exponent + 1) {
        buf_char(out, '.');
        buf_add(out, d->digits + d->exponent + 1, (size_t)(d->count - d->exponent - 1));
    }
}

static void put_exponent(struct buf *out, const struct decimal *d, char e)
{
    if (d->negative)
        buf_char(out, '-');
    buf_char(out, d->digits[0]);
    if (d->count > 1) {
        buf_char(out, '.');
        buf_add(out, d->digits + 1, (size_t)(d->count - 1));
    }
    buf_printf(out, "%c%c%02d", e, d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

static void put_precise(struct buf *out, double v, char verb, int precision)
{
    char format[8] = {'%', '.', '*', verb, '\0'}, text[GO_FLOAT_MAX + GO_PRECISION_MAX];
    precision = TC_MIN(precision, (int)GO_PRECISION_MAX);
    if ((verb == 'g' || verb == 'G') && precision == 0)
        precision = 1;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the verb is one of five, put together just above */
    snprintf(text, sizeof text, format, precision, v);
#pragma GCC diagnostic pop
    buf_str(out, text);
}

void go_format_float(struct buf *out, double v, char verb, int precision)
{
    struct decimal d;
    if (isnan(v))
        buf_str(out, "NaN");
    else if (isinf(v))
        buf_str(out, v > 0 ? "+Inf" : "-Inf");
    if (!isfinite(v))
        return;
    if (precision >= 0) {
        put_precise(out, v, verb, precision);
        return;
    }
    decimal_shortest(v, &d);
    /* where the precision is "the shortest", g decides as if it were 6 */
    if (verb == 'e' || verb == 'E' || (verb != 'f' && (d.exponent < -4 || d.exponent >= 6)))
        put_exponent(out, &d, verb == 'E' || verb == 'G' ? 'E' : 'e');
    else
        put_plain(out, &d);
}

void go_float_f(struct buf *out, double v)
{
    go_format_float(out, v, 'f', -1);
}

void go_float_g(struct buf *out, double v)
{
    go_format_float(out, v, 'g', -1);
}

void go_float_openmetrics(struct buf *out, double v)
{
    size_t from = out->n;
    go_float_g(out, v);
    if (!isfinite(v) || out->overflow)
        return;
    for (size_t i = from; i < out->n; i++)
        if (out->p[i] == '.' || out->p[i] == 'e')
            return;
    buf_str(out, ".0");
}

bool go_parse_float(struct sv text, double *ret)
{
    static const struct {
        const char *name;
        double value;
    } words[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    char copy[FLOAT_TEXT_MAX];
    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    bool sign = text.p[0] == '+' || text.p[0] == '-';
    struct sv body = sv_from(text, sign);
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_eq_nocase(body, sv_of(words[i].name))) {
            if (sign && isnan(words[i].value))
                return false;
            *ret = text.p[0] == '-' ? -words[i].value : words[i].value;
            return true;
        }
    bool hex = body.n > 2 && body.p[0] == '0' && (body.p[1] | 32) == 'x';
    if (body.n == 0 || (!isdigit((unsigned char)body.p[0]) && body.p[0] != '.'))
        return false;
    for (size_t i = 0; i < body.n; i++)
        if (memchr(hex ? "0123456789abcdefABCDEF.pPxX+-" : "0123456789.eE+-", body.p[i], hex ? 29 : 15) ==
            NULL)
            return false;
    if (hex && memchr(body.p, 'p', body.n) == NULL && memchr(body.p, 'P', body.n) == NULL)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    char *end;
    *ret = strtod(copy, &end);
    return end == copy + text.n && !isinf(*ret);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

bool go_parse_int(struct sv text, int64_t *ret)
{
    bool negative = false;
    uint64_t v = 0;
    if (text.n > 0 && (text.p[0] == '-' || text.p[0] == '+')) {
        negative = text.p[0] == '-';
        text = sv_from(text, 1);
    }
    unsigned base = 10;
    bool prefixed = text.n > 1 && text.p[0] == '0';
    if (prefixed) {
        char kind = (char)(text.p[1] | 0x20);
        base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
        text = sv_from(text, kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
    }
    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_' && i + 1 < text.n && text.p[i + 1] != '_' && (i > 0 || prefixed))
            continue;
        unsigned digit = (unsigned)digit_of(text.p[i]);
        if (digit >= base || v > (UINT64_MAX - digit) / base)
            return false;
        v = v * base + digit;
    }
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* Underscores only between digits, or after a base prefix; they are left out of `copy`. */
static bool strip_underscores(struct sv text, char *copy, size_t size, size_t *ret_n)
{
    *ret_n = 0;
    if (text.n >= size)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '_') {
            copy[(*ret_n)++] = text.p[i];
            continue;
        }
        bool before = i > 0 && (isalnum((unsigned char)text.p[i - 1]) != 0);
        bool after = i + 1 < text.n && isxdigit((unsigned char)text.p[i + 1]) != 0;
        if (!before || !after)
            return false;
    }
    return true;
}

bool go_parse_number(struct sv text, double *ret)
{
    char copy[FLOAT_TEXT_MAX];
    size_t n;
    int64_t integer;
    if (go_parse_int(text, &integer)) {
        *ret = integer == 0 && text.p[0] == '-' ? -0.0 : (double)integer;
        return true;
    }
    return strip_underscores(text, copy, sizeof copy, &n) && go_parse_float(sv_make(copy, n), ret);
}

/* --- quoting --- */

static bool printable(uint32_t rune)
{
    if (rune < 0x20 || rune == 0x7f || (rune >= 0x80 && rune < 0xa1) || rune == 0xad)
        return false;
    if ((rune >= 0x2000 && rune <= 0x200f) || (rune >= 0x2028 && rune <= 0x202f) ||
        (rune >= 0x205f && rune <= 0x206f) || rune == 0x3000 || rune == 0x1680 || rune == 0xfeff)
        return false;
    return !(rune >= 0xe000 && rune <= 0xf8ff) && !(rune >= 0xfff0 && rune <= 0xfffb) &&
           (rune & 0xfffe) != 0xfffe && rune < 0xe0000;
}

void go_quote_rune(struct buf *out, uint32_t rune, char quote)
{
    static const char names[] = "a\ab\bf\fn\nr\rt\tv\v";
    char bytes[4];
    for (size_t i = 0; i + 1 < sizeof names; i += 2)
        if ((uint32_t)names[i + 1] == rune) {
            buf_char(out, '\\');
            buf_char(out, names[i]);
            return;
        }
    if (rune == (uint32_t)quote || rune == '\\') {
        buf_char(out, '\\');
        buf_char(out, (char)rune);
    } else if (printable(rune)) {
        buf_add(out, bytes, utf8_encode(rune, bytes));
    } else if (rune < 0x80) {
        buf_printf(out, "\\x%02x", rune);
    } else {
        buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
    }
}

void go_quote(struct buf *out, struct sv text)
{
    buf_char(out, '"');
    while (text.n > 0) {
        uint32_t rune;
        size_t n = utf8_decode(text, &rune);
        if (n == 0) {
            buf_printf(out, "\\x%02x", (unsigned)(unsigned char)text.p[0]);
            n = 1;
        } else {
            go_quote_rune(out, rune, '"');
        }
        text = sv_from(text, n);
    }
    buf_char(out, '"');
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
}

/* One escape after its backslash; *at stands on the letter and ends after it. */
static bool unescape(struct sv text, size_t *at, char quote, struct buf *out)
{
    static const char names[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    if (*at >= text.n)
        return false;
    char c = text.p[(*at)++];
    for (size_t i = 0; i + 1 < sizeof names; i += 2)
        if (names[i] == c) {
            buf_char(out, names[i + 1]);
            return true;
        }
    if (c == quote) {
        buf_char(out, c);
        return true;
    }
    bool octal = c >= '0' && c <= '7';
    int digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0, base = octal ? 8 : 16;
    uint32_t value = 0;
    if (octal)
        (*at)--;
    if (digits == 0 || *at + (size_t)digits > text.n)
        return false;
    for (int i = 0; i < digits; i++) {
        int d = hex_value(text.p[(*at)++]);
        if (d >= base)
            return false;
        value = value * (uint32_t)base + (uint32_t)d;
    }
    if (octal || c == 'x') {
        if (value > 255)
            return false;
        buf_char(out, (char)(unsigned char)value);
        return true;
    }
    char bytes[4];
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return false;
    buf_add(out, bytes, utf8_encode(value, bytes));
    return true;
}

bool go_unquote(struct sv text, struct buf *out)
{
    if (text.n < 2 || text.p[0] != text.p[text.n - 1])
        return false;
    char quote = text.p[0];
    struct sv body = sv_make(text.p + 1, text.n - 2);
    if (quote == '`') {
        if (sv_find_char(body, '`') < body.n)
            return false;
        buf_sv(out, body);
        return true;
    }
    if (quote != '"' && quote != '\'')
        return false;
    for (size_t i = 0; i < body.n;) {
        char c = body.p[i];
        if (c == quote || c == '\n')
            return false;
        i++;
        if (c != '\\')
            buf_char(out, c);
        else if (!unescape(body, &i, quote, out))
            return false;
    }
    return true;
}
