/*
 * Clocks, calendar and the texts of times; see clk.h. The calendar arithmetic counts days from 1 March of
 * year 0 so that the leap day is a year's last day (the usual "days from civil" construction); no locale, no
 * time zone database.
 */
#include "base/clk.h"

#include <stdio.h>
#include <time.h>

static struct receive_time system_now(const struct clk *clk)
{
    (void)clk;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct receive_time){(int64_t)ts.tv_sec * TC_SECOND_NS + ts.tv_nsec};
}

static int64_t system_monotonic(const struct clk *clk)
{
    (void)clk;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * TC_SECOND_NS + ts.tv_nsec;
}

const struct clk clk_system = {.now = system_now, .monotonic_ns = system_monotonic};

static struct receive_time sim_now(const struct clk *clk)
{
    return (struct receive_time){((const struct sim_clk *)clk->context)->now_ns};
}

static int64_t sim_monotonic(const struct clk *clk)
{
    return ((const struct sim_clk *)clk->context)->now_ns;
}

void sim_clk_init(struct sim_clk *sim, int64_t now_ns)
{
    sim->now_ns = now_ns;
    sim->clk = (struct clk){.now = sim_now, .monotonic_ns = sim_monotonic, .context = sim};
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

bool clk_from_civil(struct civil c, int64_t *ret_ns)
{
    if (c.year < 1 || c.year > 9999 || c.month < 1 || c.month > 12 || c.day < 1 ||
        c.day > days_in_month(c.year, c.month) || c.hour < 0 || c.hour > 23 || c.minute < 0 ||
        c.minute > 59 || c.second < 0 || c.second > 60 || c.nanosecond < 0 || c.nanosecond >= TC_SECOND_NS)
        return false;
    int64_t seconds =
        days_from_civil(c.year, c.month, c.day) * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
    int64_t ns, fraction = c.nanosecond;
    if (seconds < 0) { /* towards zero first: the earliest second fits only in part */
        seconds++;
        fraction -= TC_SECOND_NS;
    }
    if (__builtin_mul_overflow(seconds, TC_SECOND_NS, &ns) || __builtin_add_overflow(ns, fraction, &ns))
        return false;
    *ret_ns = ns;
    return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct civil clk_to_civil(int64_t ns)
{
    int64_t seconds = floor_div(ns, TC_SECOND_NS);
    int64_t days = floor_div(seconds, 86400);
    int64_t rest = seconds - days * 86400;
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct civil){.year = (int)(yoe + era * 400 + (month <= 2)),
                          .month = month,
                          .day = (int)(doy - (153 * mp + 2) / 5 + 1),
                          .hour = (int)(rest / 3600),
                          .minute = (int)(rest / 60 % 60),
                          .second = (int)(rest % 60),
                          .nanosecond = (int32_t)((ns % TC_SECOND_NS + TC_SECOND_NS) % TC_SECOND_NS)};
}

int clk_weekday(int64_t ns)
{
    int64_t days = floor_div(floor_div(ns, TC_SECOND_NS), 86400);
    return (int)((days % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
}

int clk_iso_week(int64_t ns)
{
    /* the ISO week of a day is the week of its Thursday, counted from that Thursday's 1 January */
    int64_t days = floor_div(floor_div(ns, TC_SECOND_NS), 86400);
    int monday_based = (clk_weekday(ns) + 6) % 7;
    int64_t thursday = days - monday_based + 3;
    struct civil c = clk_to_civil(thursday * 86400 * TC_SECOND_NS);
    return (int)((thursday - days_from_civil(c.year, 1, 1)) / 7 + 1);
}

size_t clk_rfc3339(int64_t ns, char out[TC_RFC3339_MAX])
{
    struct civil c = clk_to_civil(ns);
    int n = snprintf(out, TC_RFC3339_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour,
                     c.minute, c.second);
    if (c.nanosecond != 0) {
        n += snprintf(out + n, TC_RFC3339_MAX - (size_t)n, ".%09d", (int)c.nanosecond);
        while (out[n - 1] == '0')
            n--;
    }
    out[n++] = 'Z';
    out[n] = '\0';
    return (size_t)n;
}

/* Exactly `digits` decimal digits off the front of *text. */
static bool take_digits(struct sv *text, int digits, int *ret)
{
    int v = 0;
    if (text->n < (size_t)digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = text->p[i];
        if (c < '0' || c > '9')
            return false;
        v = v * 10 + (c - '0');
    }
    *text = sv_from(*text, (size_t)digits);
    *ret = v;
    return true;
}

static bool take_one_of(struct sv *text, const char *set)
{
    if (text->n == 0 || text->p[0] == '\0' || strchr(set, text->p[0]) == NULL)
        return false;
    *text = sv_from(*text, 1);
    return true;
}

static void take_fraction(struct sv *text, int32_t *ret_ns)
{
    int32_t scale = 100000000, ns = 0;
    while (text->n > 0 && text->p[0] >= '0' && text->p[0] <= '9') {
        ns += (text->p[0] - '0') * scale; /* digits past the ninth add nothing */
        scale /= 10;
        *text = sv_from(*text, 1);
    }
    *ret_ns = ns;
}

static bool take_zone(struct sv *text, int *ret_offset_s)
{
    if (take_one_of(text, "Zz")) {
        *ret_offset_s = 0;
        return true;
    }
    if (text->n == 0 || (text->p[0] != '+' && text->p[0] != '-'))
        return false;
    int sign = text->p[0] == '-' ? -1 : 1, hours, minutes = 0;
    *text = sv_from(*text, 1);
    if (!take_digits(text, 2, &hours))
        return false;
    take_one_of(text, ":");
    if (text->n > 0 && !take_digits(text, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool clk_parse_rfc3339(struct sv text, int default_offset_s, int64_t *ret_ns)
{
    struct civil c = {0};
    int offset_s = default_offset_s;
    if (!take_digits(&text, 4, &c.year) || !take_one_of(&text, "-/") || !take_digits(&text, 2, &c.month) ||
        !take_one_of(&text, "-/") || !take_digits(&text, 2, &c.day))
        return false;
    if (text.n > 0) {
        if (!take_one_of(&text, "Tt ") || !take_digits(&text, 2, &c.hour) || !take_one_of(&text, ":") ||
            !take_digits(&text, 2, &c.minute))
            return false;
        if (take_one_of(&text, ":") && !take_digits(&text, 2, &c.second))
            return false;
        if (text.n > 1 && (text.p[0] == '.' || text.p[0] == ',')) {
            text = sv_from(text, 1);
            take_fraction(&text, &c.nanosecond);
        }
        if (text.n > 1 && text.p[0] == ' ')
            text = sv_from(text, 1); /* "2026-11-21 09:17:26 +0000" */
        if (text.n > 0 && !sv_is(text, "UTC") && (!take_zone(&text, &offset_s) || text.n > 0))
            return false;
        if (sv_is(text, "UTC"))
            offset_s = 0;
    }
    int64_t ns;
    if (!clk_from_civil(c, &ns) || __builtin_sub_overflow(ns, offset_s * TC_SECOND_NS, &ns))
        return false;
    *ret_ns = ns;
    return true;
}

static const struct {
    const char *unit;
    int64_t ns;
} duration_units[] = {
    {"w", 604800 * TC_SECOND_NS}, {"d", 86400 * TC_SECOND_NS}, {"h", 3600 * TC_SECOND_NS},
    {"m", 60 * TC_SECOND_NS},     {"s", TC_SECOND_NS},         {"ms", TC_SECOND_NS / 1000},
};

int clk_parse_duration(struct sv text, int64_t *ret_ns, struct err *err)
{
    int64_t total = 0;
    struct sv rest = text;
    if (sv_is(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    if (text.n == 0)
        goto bad;
    while (rest.n > 0) {
        int64_t count = 0;
        size_t digits = 0;
        while (digits < rest.n && rest.p[digits] >= '0' && rest.p[digits] <= '9')
            if (__builtin_mul_overflow(count, 10, &count) ||
                __builtin_add_overflow(count, rest.p[digits++] - '0', &count))
                goto bad;
        if (digits == 0)
            goto bad;
        rest = sv_from(rest, digits);
        size_t letters = 0;
        while (letters < rest.n && rest.p[letters] >= 'a' && rest.p[letters] <= 'z')
            letters++;
        struct sv unit = sv_head(rest, letters);
        size_t i = 0;
        while (i < TC_ARRAY_LEN(duration_units) && !sv_is(unit, duration_units[i].unit))
            i++;
        if (i == TC_ARRAY_LEN(duration_units) ||
            __builtin_mul_overflow(count, duration_units[i].ns, &count) ||
            __builtin_add_overflow(total, count, &total))
            goto bad;
        rest = sv_from(rest, letters);
    }
    *ret_ns = total;
    return 0;
bad:
    return err_set(
        err, TC_EINPUT,
        "\"%.*s\" is not a duration: write a number and a unit (ms, s, m, h, d, w), as in 5m or 1h30m",
        SV_FMT(sv_head(text, 100)));
}

size_t clk_format_duration(int64_t ns, char out[TC_RFC3339_MAX])
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TC_ARRAY_LEN(duration_units); i++) {
        int64_t count = ns / duration_units[i].ns;
        if (count > 0)
            n += (size_t)snprintf(out + n, TC_RFC3339_MAX - n, "%lld%s", (long long)count,
                                  duration_units[i].unit);
        ns -= count * duration_units[i].ns;
    }
    if (n == 0)
        n = (size_t)snprintf(out, TC_RFC3339_MAX, "0s");
    return n;
}
