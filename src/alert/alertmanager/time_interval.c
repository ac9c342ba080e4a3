/*
 * Time intervals: reading their parts, and whether one contains an instant. See time_interval.h.
 */
#include "alert/alertmanager/time_interval.h"

#include "base/clk.h"
#include "template/go_format.h"

static const char *const weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};
static const char *const months[] = {"january", "february", "march",     "april",   "may",      "june",
                                     "july",    "august",   "september", "october", "november", "december"};

static bool find_word(struct sv text, const char *const words[], size_t count, int first, int *ret)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq_nocase(text, sv_of(words[i]))) {
            *ret = (int)i + first;
            return true;
        }
    return false;
}

/* strconv.Atoi, its error being of one of two kinds. */
static int parse_integer(struct sv text, int *ret, struct err *err)
{
    size_t at = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+');
    bool digits = at < text.n, range = true;
    int64_t v = 0;
    for (size_t i = at; i < text.n && digits; i++) {
        digits = text.p[i] >= '0' && text.p[i] <= '9';
        v = v > 10000000 ? v : v * 10 + (text.p[i] - '0');
        range = v <= 10000000; /* no part of a date comes near */
    }
    if (digits && range) {
        *ret = (int)(text.p[0] == '-' ? -v : v);
        return 0;
    }
    struct buf quoted;
    buf_init(&quoted, 4096);
    go_quote(&quoted, text);
    int rc = err_set(err, TC_EINPUT, "strconv.Atoi: parsing %.*s: %s", SV_FMT(buf_view(&quoted)),
                     digits ? "value out of range" : "invalid syntax");
    buf_free(&quoted);
    return rc;
}

static int parse_member(enum am_time_part part, struct sv text, int *ret, struct err *err)
{
    if (part == AM_WEEKDAYS)
        return find_word(text, weekdays, TC_ARRAY_LEN(weekdays), 0, ret)
                   ? 0
                   : err_set(err, TC_EINPUT, "%.*s is not a valid weekday", SV_FMT(text));
    if (part == AM_MONTHS && find_word(text, months, TC_ARRAY_LEN(months), 1, ret))
        return 0;
    if (parse_integer(text, ret, err) == 0)
        return 0;
    return part == AM_MONTHS ? err_set(err, TC_EINPUT, "%.*s is not a valid month", SV_FMT(text)) : TC_EINPUT;
}

static const char *month_name(int month)
{
    return month >= 1 && month <= 12 ? months[month - 1] : "";
}

static int check_days(struct am_range range, struct err *err)
{
    for (int i = 0; i < 2; i++) {
        int day = i == 0 ? range.begin : range.end;
        if (day == 0 || day < -31 || day > 31)
            return err_set(err, TC_EINPUT, "%d is not a valid day of the month: out of range", day);
    }
    if (range.begin < 0 && range.end > 0)
        return err_set(err, TC_EINPUT, "end day must be negative if start day is negative");
    /* In the shortest month; what is wrong only in some is cut to the month when it is asked. */
    int begin = range.begin < 0 ? 28 + range.begin : range.begin;
    int end = range.end < 0 ? 28 + range.end : range.end;
    if (begin > end)
        return err_set(err, TC_EINPUT, "end day %d is always before start day %d", range.end, range.begin);
    return 0;
}

static int check_range(enum am_time_part part, struct am_range range, struct err *err)
{
    if (part == AM_DAYS_OF_MONTH)
        return check_days(range, err);
    if (range.begin <= range.end)
        return 0;
    if (part == AM_WEEKDAYS)
        return err_set(err, TC_EINPUT, "start day cannot be before end day");
    if (part == AM_MONTHS)
        return err_set(err, TC_EINPUT, "end month %s is before start month %s", month_name(range.end),
                       month_name(range.begin));
    return err_set(err, TC_EINPUT, "end year %d is before start year %d", range.end, range.begin);
}

int am_range_parse(enum am_time_part part, struct sv text, struct am_range *ret, struct err *err)
{
    char lower[256];
    size_t n = TC_MIN(text.n, sizeof lower);
    for (size_t i = 0; i < n; i++)
        lower[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] + 32 : text.p[i]);
    struct sv begin = sv_make(lower, n), end = begin;
    size_t colon = sv_find_char(begin, ':');
    if (colon < n) {
        end = sv_from(begin, colon + 1);
        if (sv_find_char(end, ':') < end.n)
            return err_set(err, TC_EINPUT, "couldn't parse range %.*s, invalid format", (int)n, lower);
        begin = sv_head(begin, colon);
    }
    struct am_range range;
    int rc = parse_member(part, begin, &range.begin, err);
    if (rc == 0)
        rc = parse_member(part, end, &range.end, err);
    if (rc == 0)
        rc = check_range(part, range, err);
    if (rc == 0)
        *ret = range;
    return rc;
}

static bool parse_minute(struct sv text, int *ret)
{
    if (text.n != 5 || text.p[2] != ':')
        return false;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && (text.p[i] < '0' || text.p[i] > '9'))
            return false;
    int hour = (text.p[0] - '0') * 10 + text.p[1] - '0', minute = (text.p[3] - '0') * 10 + text.p[4] - '0';
    *ret = hour * 60 + minute;
    return (hour < 24 && minute < 60) || *ret == 1440;
}

int am_time_range_parse(struct sv start, struct sv end, struct am_range *ret, struct err *err)
{
    struct am_range range;
    if (start.n == 0 || end.n == 0)
        return err_set(err, TC_EINPUT, "both start and end times must be provided");
    struct sv texts[] = {start, end};
    int *into[] = {&range.begin, &range.end};
    for (size_t i = 0; i < 2; i++)
        if (!parse_minute(texts[i], into[i]))
            return err_set(err, TC_EINPUT, "couldn't parse timestamp %.*s, invalid format",
                           SV_FMT(sv_head(texts[i], 200)));
    if (range.begin >= range.end)
        return err_set(err, TC_EINPUT, "start time cannot be equal or greater than end time");
    *ret = range;
    return 0;
}

int am_location_parse(struct sv name, const struct zone **ret, struct err *err)
{
    if (name.n == 0 || sv_is(name, "UTC")) {
        *ret = NULL;
        return 0;
    }
    if (sv_find(name, SV("..")) < name.n || name.p[0] == '/' || name.p[0] == '\\')
        return err_set(err, TC_EINPUT, "time: invalid location name");
    return zone_get(name, ret, err);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int clamp(int n, int bound)
{
    return n < -bound ? -bound : n > bound ? bound : n;
}

/* Negative days count from the month's end; what sticks out of the month is cut. */
static bool day_in(struct am_range range, int day, int days)
{
    int begin = range.begin < 0 ? days + range.begin + 1 : range.begin;
    int end = range.end < 0 ? days + range.end + 1 : range.end;
    return begin <= days && day >= clamp(begin, days) && day <= clamp(end, days);
}

bool am_time_interval_contains(const struct am_time_interval *interval, int64_t seconds)
{
    int64_t most = INT64_MAX / TC_SECOND_NS - 86400;
    seconds = seconds > most ? most : seconds < -most ? -most : seconds;
    int64_t local_ns = (seconds + zone_at(interval->zone, seconds).east_s) * TC_SECOND_NS;
    struct civil at = clk_to_civil(local_ns);
    const int now[AM_TIME_PARTS] = {[AM_TIMES] = at.hour * 60 + at.minute,
                                    [AM_WEEKDAYS] = clk_weekday(local_ns),
                                    [AM_DAYS_OF_MONTH] = at.day,
                                    [AM_MONTHS] = at.month,
                                    [AM_YEARS] = at.year};
    int days = days_in_month(at.year, at.month);
    for (int part = 0; part < AM_TIME_PARTS; part++) {
        const struct am_ranges *ranges = &interval->parts[part];
        bool in = !ranges->given;
        for (size_t i = 0; i < ranges->count && !in; i++) {
            struct am_range range = ranges->items[i];
            in = part == AM_DAYS_OF_MONTH
                     ? day_in(range, now[part], days)
                     : now[part] >= range.begin && now[part] < range.end + (part != AM_TIMES);
        }
        if (!in)
            return false;
    }
    return true;
}
