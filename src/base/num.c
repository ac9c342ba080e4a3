/*
 * Exact numbers in text; see num.h. A decimal is reduced to sign, significant digits and the place of its
 * point, which can be compared digit by digit whatever its length.
 */
#include "base/num.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool num_u64(struct sv text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v))
            return false;
    }
    if (v < min || v > max)
        return false;
    *ret = v;
    return true;
}

bool num_i64(struct sv text, int64_t *ret)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    uint64_t v;
    if (!num_u64(sv_from(text, negative), 0, (uint64_t)INT64_MAX + negative, &v))
        return false;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

struct decimal {
    struct sv integer, fraction; /* digits without the leading zeros of the whole */
    int64_t point;               /* value = 0.DIGITS * 10^point */
    bool negative, zero;
};

static struct sv take_digits(struct sv *text)
{
    size_t n = 0;
    while (n < text->n && text->p[n] >= '0' && text->p[n] <= '9')
        n++;
    struct sv digits = sv_head(*text, n);
    *text = sv_from(*text, n);
    return digits;
}

static bool decimal_read(struct sv text, struct decimal *ret)
{
    struct decimal d = {0};
    if (text.n > 0 && (text.p[0] == '-' || text.p[0] == '+')) {
        d.negative = text.p[0] == '-';
        text = sv_from(text, 1);
    }
    d.integer = take_digits(&text);
    if (text.n > 0 && text.p[0] == '.') {
        text = sv_from(text, 1);
        d.fraction = take_digits(&text);
    }
    if (d.integer.n + d.fraction.n == 0)
        return false;
    int64_t exponent = 0;
    if (text.n > 0 && (text.p[0] == 'e' || text.p[0] == 'E')) {
        text = sv_from(text, 1);
        bool negative = text.n > 0 && text.p[0] == '-';
        if (text.n > 0 && (text.p[0] == '-' || text.p[0] == '+'))
            text = sv_from(text, 1);
        struct sv digits = take_digits(&text);
        uint64_t v;
        if (!num_u64(digits, 0, 100000, &v))
            return false;
        exponent = negative ? -(int64_t)v : (int64_t)v;
    }
    if (text.n > 0)
        return false;
    while (d.integer.n > 0 && d.integer.p[0] == '0')
        d.integer = sv_from(d.integer, 1);
    d.point = (int64_t)d.integer.n + exponent;
    if (d.integer.n == 0)
        while (d.fraction.n > 0 && d.fraction.p[0] == '0') {
            d.fraction = sv_from(d.fraction, 1);
            d.point--;
        }
    d.zero = d.integer.n + d.fraction.n == 0;
    if (d.zero)
        d.negative = false;
    *ret = d;
    return true;
}

bool num_is_number(struct sv text)
{
    struct decimal d;
    return decimal_read(text, &d);
}

static char decimal_digit(const struct decimal *d, size_t at)
{
    if (at < d->integer.n)
        return d->integer.p[at];
    at -= d->integer.n;
    return at < d->fraction.n ? d->fraction.p[at] : '0';
}

static int decimal_compare_magnitude(const struct decimal *a, const struct decimal *b)
{
    if (a->zero || b->zero)
        return (int)b->zero - (int)a->zero;
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    size_t n = TC_MAX(a->integer.n + a->fraction.n, b->integer.n + b->fraction.n);
    for (size_t i = 0; i < n; i++) {
        char x = decimal_digit(a, i), y = decimal_digit(b, i);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

bool num_compare(struct sv a, struct sv b, int *ret)
{
    struct decimal x, y;
    if (!decimal_read(a, &x) || !decimal_read(b, &y))
        return false;
    if (x.negative != y.negative)
        *ret = x.negative ? -1 : 1;
    else
        *ret = x.negative ? decimal_compare_magnitude(&y, &x) : decimal_compare_magnitude(&x, &y);
    return true;
}

__extension__ typedef unsigned __int128 num_unsigned;

bool num_millionths(struct sv text, num_amount *ret)
{
    enum { DIGITS_MAX = 19 }; /* of the whole part: 10^18 */
    struct decimal d;
    num_amount v = 0;
    if (!decimal_read(text, &d) || (!d.zero && d.point > DIGITS_MAX))
        return false;
    for (int64_t i = 0; !d.zero && i < d.point + 6; i++)
        v = v * 10 + (decimal_digit(&d, (size_t)i) - '0');
    if (v > NUM_AMOUNT_MAX)
        return false;
    *ret = d.negative ? -v : v;
    return true;
}

struct sv num_amount_text(num_amount amount, char text[static NUM_AMOUNT_TEXT_BYTES])
{
    bool negative = amount < 0;
    num_unsigned v = negative ? 0 - (num_unsigned)amount : (num_unsigned)amount;
    size_t at = NUM_AMOUNT_TEXT_BYTES - 1, end;
    text[at] = '\0';
    for (unsigned digit = 0; digit < 6 || v > 0 || digit == 6; digit++, v /= 10) {
        if (digit == 6)
            text[--at] = '.';
        text[--at] = (char)('0' + (int)(v % 10));
    }
    if (negative)
        text[--at] = '-';
    for (end = NUM_AMOUNT_TEXT_BYTES - 1; text[end - 1] == '0'; end--)
        ;
    end -= text[end - 1] == '.';
    memmove(text, text + at, end - at);
    text[end - at] = '\0';
    return sv_make(text, end - at);
}

bool num_double(struct sv text, double *ret)
{
    static locale_t c_locale;
    char copy[128];
    if (!num_is_number(text) || text.n >= sizeof copy)
        return false;
    locale_t locale = __atomic_load_n(&c_locale, __ATOMIC_ACQUIRE);
    if (locale == (locale_t)0) {
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        locale_t expected = (locale_t)0;
        if (!__atomic_compare_exchange_n(&c_locale, &expected, locale, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            freelocale(locale);
            locale = expected;
        }
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    double v = strtod_l(copy, NULL, locale);
    if (!isfinite(v))
        return false;
    *ret = v;
    return true;
}
