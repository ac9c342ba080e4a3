/*
 * Syslog stamps; see syslog_time.h for the rules of year and zone.
 *
 * Hand-written: every line of a text log passes here, and the shape is fixed.
 */
#include "event/syslog_time.h"

#define DAY_NS  (INT64_C(86400) * TC_SECOND_NS)
#define LATE_NS DAY_NS         /* how far after the file's modification time a line may lie */
#define BACK_NS (180 * DAY_NS) /* a step back of more than this is a new year */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Month 1-12 of "Jan" …, 0 where it is none. */
static int month_of(const char *p)
{
    static const char names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int i = 0; i < 12; i++)
        if (memcmp(names[i], p, 3) == 0)
            return i + 1;
    return 0;
}

/* Two digits, or -1. */
static int two(const char *p)
{
    return is_digit(p[0]) && is_digit(p[1]) ? (p[0] - '0') * 10 + (p[1] - '0') : -1;
}

/* "2015 " at `at`: the year, or 0. */
static int year_at(struct sv line, size_t at)
{
    if (line.n < at + 5 || line.p[at + 4] != ' ')
        return 0;
    int high = two(line.p + at), low = two(line.p + at + 2);
    return high < 0 || low < 0 || high < 15 ? 0 : high * 100 + low;
}

/* Fraction digits from `at` on, as nanoseconds; *ret_end behind them. */
static int32_t fraction(struct sv line, size_t at, size_t *ret_end)
{
    int32_t ns = 0, scale = 100000000;
    for (; at < line.n && is_digit(line.p[at]); at++, scale /= 10)
        ns += (line.p[at] - '0') * scale;
    *ret_end = at;
    return ns;
}

/* "06:55:46[.fraction]" at `at`; returns where it ends, 0 where there is none. */
static size_t clock_at(struct sv line, size_t at, struct civil *civil)
{
    if (line.n < at + 8 || line.p[at + 2] != ':' || line.p[at + 5] != ':')
        return 0;
    const char *p = line.p + at;
    civil->hour = two(p), civil->minute = two(p + 3), civil->second = two(p + 6);
    if (civil->hour < 0 || civil->hour > 23 || civil->minute < 0 || civil->minute > 59 || civil->second < 0 ||
        civil->second > 60)
        return 0;
    size_t end = at + 8;
    if (line.n > end + 1 && (line.p[end] == '.' || line.p[end] == ',') && is_digit(line.p[end + 1]))
        civil->nanosecond = fraction(line, end + 1, &end);
    return end;
}

/* "Dec 10 [2015 ]06:55:46" at `at`; civil->year 0 where none is written. Returns the end, or 0. */
static size_t month_stamp(struct sv line, size_t at, struct civil *civil)
{
    if (line.n < at + 14 || line.p[at + 3] != ' ' || (civil->month = month_of(line.p + at)) == 0)
        return 0;
    size_t day = at + 4;
    day += line.p[day] == ' ';
    size_t digits = is_digit(line.p[day]) ? 1 + is_digit(line.p[day + 1]) : 0;
    if (digits == 0 || line.p[day + digits] != ' ')
        return 0;
    civil->day = digits == 2 ? two(line.p + day) : line.p[day] - '0';
    size_t next = day + digits + 1;
    int year = year_at(line, next);
    if (year != 0) {
        civil->year = year;
        next += 5;
    }
    return civil->day < 1 || civil->day > 31 ? 0 : clock_at(line, next, civil);
}

static bool at_year(struct civil civil, int year, int zone_offset_s, int64_t *ret_ns)
{
    civil.year = year;
    if (!clk_from_civil(civil, ret_ns))
        return false;
    return !__builtin_sub_overflow(*ret_ns, zone_offset_s * TC_SECOND_NS, ret_ns) && *ret_ns != TC_NO_TIME;
}

static bool is_after(int64_t ns, int64_t reference, int64_t by_ns)
{
    int64_t step;
    return reference != TC_NO_TIME && !__builtin_sub_overflow(ns, reference, &step) && step > by_ns;
}

/* A day that its year does not have. 29 February takes the year before, else the one after (not where that
 * lies after the file). Does not move the state's year. */
static int64_t leap_day(struct parse_state *state, struct civil civil, int year)
{
    int64_t ns;
    if (civil.month != 2 || civil.day != 29)
        return TC_NO_TIME;
    if (at_year(civil, year - 1, state->zone_offset_s, &ns))
        return state->last_ns = ns;
    if (at_year(civil, year + 1, state->zone_offset_s, &ns) &&
        (state->year_given || !is_after(ns, state->modified_ns, LATE_NS)))
        return state->last_ns = ns;
    return TC_NO_TIME;
}

static int year_of(int64_t ns, int zone_offset_s)
{
    int64_t local;
    if (ns == TC_NO_TIME || __builtin_add_overflow(ns, zone_offset_s * TC_SECOND_NS, &local))
        local = 0;
    return clk_to_civil(local).year;
}

int64_t syslog_time_without_year(struct parse_state *state, struct civil civil)
{
    int64_t ns, other;
    if (state->last_ns == TC_NO_TIME && !state->year_given)
        state->year = year_of(state->modified_ns, state->zone_offset_s);
    int year = state->year;
    if (!at_year(civil, year, state->zone_offset_s, &ns))
        return leap_day(state, civil, year);
    if (is_after(state->last_ns, ns, BACK_NS) && at_year(civil, year + 1, state->zone_offset_s, &other)) {
        ns = other;
        year++;
    }
    if (!state->year_given && is_after(ns, state->modified_ns, LATE_NS) &&
        at_year(civil, year - 1, state->zone_offset_s, &other) && !is_after(state->last_ns, other, BACK_NS)) {
        ns = other;
        year--;
    }
    state->year = year;
    state->last_ns = ns;
    return ns;
}

/* "2015-12-10T06:55:46…" up to the first space after the time; also with a space between date and time. */
static size_t rfc3339_stamp(const struct parse_state *state, struct sv line, int64_t *ret_ns)
{
    if (line.n < 19 || line.p[4] != '-' || line.p[7] != '-' || line.p[13] != ':')
        return 0;
    size_t end = 19;
    while (end < line.n && end < TC_RFC3339_MAX && line.p[end] != ' ' && line.p[end] != '\t')
        end++;
    if (!clk_parse_rfc3339(sv_head(line, end), state->zone_offset_s, ret_ns))
        return 0;
    return end;
}

size_t syslog_time_scan(struct parse_state *state, struct sv line, int64_t *ret_ns)
{
    if (line.n < 14)
        return 0;
    struct civil civil = {0};
    size_t end;
    if (is_digit(line.p[0])) {
        int year = year_at(line, 0);
        if (year == 0)
            return rfc3339_stamp(state, line, ret_ns);
        end = month_stamp(line, 5, &civil);
        civil.year = year;
    } else {
        end = month_stamp(line, 0, &civil);
    }
    if (end == 0 || (end < line.n && line.p[end] != ' ' && line.p[end] != ':' && line.p[end] != '\t'))
        return 0;
    if (civil.year == 0)
        *ret_ns = syslog_time_without_year(state, civil);
    else if (!at_year(civil, civil.year, state->zone_offset_s, ret_ns))
        *ret_ns = TC_NO_TIME;
    return end;
}
