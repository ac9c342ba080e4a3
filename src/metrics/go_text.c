/*
 * Go's text forms; see go_text.h. The shortest decimal is found by trying 15, 16 and 17 digits: the first
 * that reads back is the shortest once its zeros are stripped.
 */
#include "metrics/go_text.h"

#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
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

static void decimal_shortest(double v, struct decimal *d)
{
    char text[64];
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

static bool special(struct buf *out, double v)
{
    if (isnan(v))
        buf_str(out, "NaN");
    else if (isinf(v))
        buf_str(out, v > 0 ? "+Inf" : "-Inf");
    return !isfinite(v);
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

static void put_exponent(struct buf *out, const struct decimal *d)
{
    if (d->negative)
        buf_char(out, '-');
    buf_char(out, d->digits[0]);
    if (d->count > 1) {
        buf_char(out, '.');
        buf_add(out, d->digits + 1, (size_t)(d->count - 1));
    }
    buf_printf(out, "e%c%02d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

void go_float_f(struct buf *out, double v)
{
    struct decimal d;
    if (special(out, v))
        return;
    decimal_shortest(v, &d);
    put_plain(out, &d);
}

static void put_g(struct buf *out, const struct decimal *d, int limit)
{
    if (d->exponent < -4 || d->exponent >= limit)
        put_exponent(out, d);
    else
        put_plain(out, d);
}

void go_float_g(struct buf *out, double v)
{
    struct decimal d;
    if (special(out, v))
        return;
    decimal_shortest(v, &d);
    put_g(out, &d, 6);
}

void go_float_digits(struct buf *out, double v, int digits)
{
    struct decimal d;
    if (special(out, v))
        return;
    decimal_at(v, digits, &d);
    put_g(out, &d, digits > d.count && d.count >= d.exponent + 1 ? d.count : digits);
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

/* Underscores only between digits, or after a base prefix; they are left out of `copy`. */
static bool strip_underscores(struct sv text, char *copy, size_t size)
{
    size_t n = 0;
    if (text.n >= size)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '_') {
            copy[n++] = text.p[i];
            continue;
        }
        bool before = i > 0 && (isalnum((unsigned char)text.p[i - 1]) != 0);
        bool after = i + 1 < text.n && isxdigit((unsigned char)text.p[i + 1]) != 0;
        if (!before || !after)
            return false;
    }
    copy[n] = '\0';
    return true;
}

bool go_parse_number(struct sv text, double *ret)
{
    char copy[FLOAT_TEXT_MAX];
    struct sv body = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+') ? sv_from(text, 1) : text;
    if (!strip_underscores(text, copy, sizeof copy))
        return false;
    struct sv plain = sv_of(copy);
    size_t sign = text.n - body.n;
    const char *digits = copy + sign;
    int base = 10;
    if (digits[0] == '0' && digits[1] != '\0') {
        char second = (char)(digits[1] | 32);
        base = second == 'x'                       ? 16
               : second == 'b'                     ? 2
               : second == 'o'                     ? 8
               : isdigit((unsigned char)digits[1]) ? 8
                                                   : 10;
        if (base != 10 && !isdigit((unsigned char)digits[1]))
            digits += 2;
    }
    if (*digits != '\0' && isxdigit((unsigned char)*digits)) {
        char *end;
        errno = 0;
        unsigned long long n = strtoull(digits, &end, base);
        if (*end == '\0' && errno == 0 && n <= (unsigned long long)INT64_MAX) {
            *ret = copy[0] == '-' ? -(double)n : (double)n;
            return true;
        }
    }
    return go_parse_float(plain, ret);
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

void go_quote(struct buf *out, struct sv text)
{
    static const char names[] = "a\ab\bf\fn\nr\rt\tv\v";
    buf_char(out, '"');
    while (text.n > 0) {
        uint32_t rune;
        size_t n = utf8_decode(text, &rune);
        const char *name = NULL;
        for (size_t i = 0; n == 1 && i + 1 < sizeof names; i += 2)
            if ((uint32_t)names[i + 1] == rune)
                name = &names[i];
        if (n == 0) {
            buf_printf(out, "\\x%02x", (unsigned)(unsigned char)text.p[0]);
            n = 1;
        } else if (rune == '"' || rune == '\\') {
            buf_char(out, '\\');
            buf_char(out, (char)rune);
        } else if (name != NULL) {
            buf_char(out, '\\');
            buf_char(out, *name);
        } else if (printable(rune)) {
            buf_add(out, text.p, n);
        } else if (rune < 0x80) {
            buf_printf(out, "\\x%02x", rune);
        } else {
            buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
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

/* --- durations --- */

static const struct duration_unit {
    const char *name;
    int64_t ms;
} duration_units[] = {
    {"y", 365LL * 86400000},
    {"w", 7LL * 86400000},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

static int bad_duration(struct sv text, struct sv unit, struct err *err)
{
    struct buf b;
    buf_init(&b, 1024);
    if (unit.n > 0) {
        buf_str(&b, "unknown unit ");
        go_quote(&b, sv_head(unit, 100));
        buf_str(&b, " in duration ");
    } else {
        buf_str(&b, "not a valid duration string: ");
    }
    go_quote(&b, sv_head(text, 100));
    int rc = err_set(err, TC_EINPUT, "%.*s", SV_FMT(buf_view(&b)));
    buf_free(&b);
    return rc;
}

/* From the largest unit to the smallest, each at most once. */
int prom_parse_duration(struct sv text, int64_t *ret_ns, struct err *err)
{
    size_t next_unit = 0, at = 0;
    uint64_t total_ms = 0;
    if (text.n == 0)
        return err_set(err, TC_EINPUT, "empty duration string");
    if (sv_is(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    while (at < text.n) {
        size_t start = at, letters, unit = 0;
        uint64_t n = 0, add;
        for (; at < text.n && isdigit((unsigned char)text.p[at]); at++)
            if (__builtin_mul_overflow(n, 10, &n) ||
                __builtin_add_overflow(n, (uint64_t)(text.p[at] - '0'), &n))
                return bad_duration(text, SV(""), err);
        letters = at;
        while (at < text.n && !isdigit((unsigned char)text.p[at]))
            at++;
        struct sv name = sv_make(text.p + letters, at - letters);
        if (start == letters || name.n == 0)
            return bad_duration(text, SV(""), err);
        while (unit < TC_ARRAY_LEN(duration_units) && !sv_is(name, duration_units[unit].name))
            unit++;
        if (unit == TC_ARRAY_LEN(duration_units))
            return bad_duration(text, name, err);
        if (unit < next_unit)
            return bad_duration(text, SV(""), err);
        if (__builtin_mul_overflow(n, (uint64_t)duration_units[unit].ms, &add) ||
            __builtin_add_overflow(total_ms, add, &total_ms) || total_ms > (uint64_t)(INT64_MAX / 1000000))
            return err_set(err, TC_EINPUT, "duration out of range");
        next_unit = unit + 1;
    }
    *ret_ns = (int64_t)total_ms * 1000000;
    return 0;
}

void prom_duration(struct buf *out, int64_t ns)
{
    int64_t ms = ns / 1000000;
    if (ms == 0) {
        buf_str(out, "0s");
        return;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(duration_units); i++) {
        int64_t unit = duration_units[i].ms, n = ms / unit;
        /* years and weeks only where they leave nothing over */
        if (n > 0 && (i > 1 || ms % unit == 0)) {
            buf_printf(out, "%lld%s", (long long)n, duration_units[i].name);
            ms -= n * unit;
        }
    }
}
