/*
 * Numbers and parts of dates.
 *
 * Numbers are compared as decimal text (base/num.h), never through a double, so that 64-bit identifiers stay
 * apart. A value that is not a number is no match, in either direction of a comparison.
 */
#include "base/num.h"
#include "detect/match.h"

bool number_compare(enum compare_op op, struct sv value, struct sv number)
{
    int order;
    if (!num_compare(value, number, &order))
        return false;
    switch (op) {
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LTE:
        return order <= 0;
    case COMPARE_GT:
        return order > 0;
    case COMPARE_GTE:
        return order >= 0;
    }
    return false;
}

enum { KEY_DIGITS = 18 }; /* the significant digits that tell numbers apart */

static uint64_t mixed(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

/* The sign, the first significant digits, and the place of the point before them: 0.DIGITS * 10^point. */
struct key_digits {
    uint64_t digits;
    int taken;
    int64_t point;
};

static void key_take(struct key_digits *k, struct sv digits, bool fraction)
{
    for (size_t i = 0; i < digits.n; i++) {
        bool leading = k->taken == 0 && digits.p[i] == '0';
        k->point += fraction ? -(int64_t)leading : !leading;
        if (leading || k->taken == KEY_DIGITS)
            continue;
        k->digits = k->digits * 10 + (uint64_t)(digits.p[i] - '0');
        k->taken++;
    }
}

static struct sv key_digits_of(struct sv *text)
{
    size_t n = 0;
    while (n < text->n && text->p[n] >= '0' && text->p[n] <= '9')
        n++;
    struct sv digits = sv_head(*text, n);
    *text = sv_from(*text, n);
    return digits;
}

bool number_key(struct sv value, uint64_t *ret)
{
    struct key_digits k = {0};
    struct sv rest = value;
    int64_t exponent = 0;
    if (value.n == 0 || (value.p[0] > '9' || value.p[0] < '+') || !num_is_number(value))
        return false;
    bool negative = value.p[0] == '-';
    if (negative || value.p[0] == '+')
        rest = sv_from(rest, 1);
    key_take(&k, key_digits_of(&rest), false);
    if (rest.n > 0 && rest.p[0] == '.') {
        rest = sv_from(rest, 1);
        key_take(&k, key_digits_of(&rest), true);
    }
    if (rest.n > 0) { /* num_is_number has seen that an exponent stands here, of six digits at most */
        bool minus = rest.n > 1 && rest.p[1] == '-';
        struct sv digits = sv_from(rest, 1 + (rest.n > 1 && (minus || rest.p[1] == '+')));
        for (size_t i = 0; i < digits.n; i++)
            exponent = exponent * 10 + (digits.p[i] - '0');
        k.point += minus ? -exponent : exponent;
    }
    if (k.taken == 0) {
        *ret = 0;
        return true;
    }
    for (; k.taken < KEY_DIGITS; k.taken++)
        k.digits *= 10;
    *ret = mixed(mixed(k.digits, (uint64_t)k.point), negative);
    return true;
}

/* --- dates
 * -------------------------------------------------------------------------------------------------------------------
 */

struct date_text {
    int64_t year, month, day, hour, minute;
    bool has_date, has_time;
};

/* `min` to `max` digits off the front of *text. */
static bool take_number(struct sv *text, size_t min, size_t max, int64_t low, int64_t high, int64_t *ret)
{
    size_t n = 0;
    while (n < text->n && n < max && text->p[n] >= '0' && text->p[n] <= '9')
        n++;
    if (n < min || !num_i64(sv_head(*text, n), ret) || *ret < low || *ret > high)
        return false;
    *text = sv_from(*text, n);
    return true;
}

static bool take_char(struct sv *text, const char *any_of)
{
    if (text->n == 0 || text->p[0] == '\0' || strchr(any_of, text->p[0]) == NULL)
        return false;
    *text = sv_from(*text, 1);
    return true;
}

static bool take_time(struct sv *text, struct date_text *d)
{
    d->has_time = take_number(text, 1, 2, 0, 23, &d->hour) && take_char(text, ":") &&
                  take_number(text, 2, 2, 0, 59, &d->minute);
    return d->has_time;
}

static int days_in_month(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static bool date_read(struct sv text, struct date_text *ret)
{
    struct date_text d = {0};
    struct sv rest = text;
    if (take_number(&rest, 4, 4, 0, 9999, &d.year) && take_char(&rest, "-/.") &&
        take_number(&rest, 1, 2, 1, 12, &d.month) && take_char(&rest, "-/.") &&
        take_number(&rest, 1, 2, 1, 31, &d.day)) {
        d.has_date = d.day <= days_in_month(d.year, d.month);
        if (take_char(&rest, "Tt "))
            take_time(&rest, &d);
    } else {
        rest = text;
        take_time(&rest, &d);
    }
    *ret = d;
    return d.has_date || d.has_time;
}

/* Days since 0000-03-01 (proleptic Gregorian), so that leap days come last in a year. */
static int64_t day_number(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    int64_t leap = y >= 0 ? y / 4 - y / 100 + y / 400 : -1;
    return y * 365 + leap + (m * 153 + 2) / 5 + day - 1;
}

/* ISO 8601: weeks begin on Monday, and the week of the year's first Thursday is week 1. */
static int64_t iso_week(const struct date_text *d)
{
    int64_t day = day_number(d->year, d->month, d->day);
    int64_t weekday = ((day + 2) % 7 + 7) % 7; /* Monday = 0: 0000-03-01 was a Wednesday */
    int64_t thursday = day - weekday + 3;
    int64_t year = d->year;
    if (thursday < day_number(year, 1, 1))
        year--;
    else if (thursday >= day_number(year + 1, 1, 1))
        year++;
    return (thursday - day_number(year, 1, 1)) / 7 + 1;
}

bool date_part_of(enum date_part part, struct sv value, int64_t *ret)
{
    struct date_text d;
    if (!date_read(value, &d) || !(part <= DATE_HOUR ? d.has_time : d.has_date))
        return false;
    switch (part) {
    case DATE_MINUTE:
        *ret = d.minute;
        break;
    case DATE_HOUR:
        *ret = d.hour;
        break;
    case DATE_DAY:
        *ret = d.day;
        break;
    case DATE_WEEK:
        *ret = iso_week(&d);
        break;
    case DATE_MONTH:
        *ret = d.month;
        break;
    case DATE_YEAR:
        *ret = d.year;
        break;
    }
    return true;
}
