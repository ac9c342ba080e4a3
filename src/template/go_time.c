/*
 * Time layouts; see go_time.h.
 *
 * A layout is cut into elements by a table of the reference time's parts, longest first; formatting and
 * parsing walk the same elements.
 */
#include "template/go_time.h"

#include "base/zone.h"

#include <stdio.h>

enum element {
    TEXT, /* as it stands */
    MONTH_LONG,
    MONTH_SHORT,
    MONTH,
    MONTH_2,
    WEEKDAY_LONG,
    WEEKDAY_SHORT,
    DAY,
    DAY_SPACE,
    DAY_2,
    YEAR_DAY_3,
    YEAR_DAY_SPACE,
    HOUR_2,
    HOUR12,
    HOUR12_2,
    MINUTE,
    MINUTE_2,
    SECOND,
    SECOND_2,
    YEAR,
    YEAR_2,
    PM,
    PM_LOWER,
    ZONE_NAME,
    ZONE_Z_COLON_SECONDS,
    ZONE_Z_SECONDS,
    ZONE_Z_COLON,
    ZONE_Z,
    ZONE_Z_HOUR,
    ZONE_COLON_SECONDS,
    ZONE_SECONDS,
    ZONE_COLON,
    ZONE_PLAIN,
    ZONE_HOUR,
    FRACTION,
    FRACTION_TRIMMED,
};

/* In the order in which they are tried: a longer one before its own beginning. */
static const struct {
    const char *text;
    enum element element;
} elements[] = {
    {"January", MONTH_LONG},
    {"Jan", MONTH_SHORT},
    {"Monday", WEEKDAY_LONG},
    {"Mon", WEEKDAY_SHORT},
    {"MST", ZONE_NAME},
    {"002", YEAR_DAY_3},
    {"01", MONTH_2},
    {"02", DAY_2},
    {"03", HOUR12_2},
    {"04", MINUTE_2},
    {"05", SECOND_2},
    {"06", YEAR_2},
    {"15", HOUR_2},
    {"1", MONTH},
    {"2006", YEAR},
    {"2", DAY},
    {"__2", YEAR_DAY_SPACE},
    {"_2", DAY_SPACE},
    {"3", HOUR12},
    {"4", MINUTE},
    {"5", SECOND},
    {"PM", PM},
    {"pm", PM_LOWER},
    {"-07:00:00", ZONE_COLON_SECONDS},
    {"-070000", ZONE_SECONDS},
    {"-07:00", ZONE_COLON},
    {"-0700", ZONE_PLAIN},
    {"-07", ZONE_HOUR},
    {"Z07:00:00", ZONE_Z_COLON_SECONDS},
    {"Z070000", ZONE_Z_SECONDS},
    {"Z07:00", ZONE_Z_COLON},
    {"Z0700", ZONE_Z},
    {"Z07", ZONE_Z_HOUR},
};

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The element at the front of `layout` and its length; *ret_length 0 at plain text. */
static enum element next_element(struct sv layout, size_t *ret_length)
{
    *ret_length = 0;
    if (layout.n == 0)
        return TEXT;
    for (size_t i = 0; i < TC_ARRAY_LEN(elements); i++) {
        struct sv text = sv_of(elements[i].text);
        if (!sv_starts(layout, text))
            continue;
        /* "Jan" and "Mon" are no elements inside a longer word. */
        bool word = elements[i].element == MONTH_SHORT || elements[i].element == WEEKDAY_SHORT;
        if (word && layout.n > 3 && layout.p[3] >= 'a' && layout.p[3] <= 'z')
            continue;
        /* "_2006" is an underscore and a year. */
        if (elements[i].element == DAY_SPACE && sv_starts(layout, SV("_2006")))
            continue;
        *ret_length = text.n;
        return elements[i].element;
    }
    if ((layout.p[0] == '.' || layout.p[0] == ',') && layout.n > 1 &&
        (layout.p[1] == '0' || layout.p[1] == '9')) {
        size_t n = 2;
        while (n < layout.n && layout.p[n] == layout.p[1])
            n++;
        if (n == layout.n || !is_digit(layout.p[n])) {
            *ret_length = n;
            return layout.p[1] == '0' ? FRACTION : FRACTION_TRIMMED;
        }
    }
    return TEXT;
}

/* --- calendar over the years that Go's times span --- */

struct date {
    int64_t year;
    int month, day, year_day, weekday, hour, minute, second;
};

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* Days since 1970-01-01, counting years from 1 March so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of(int64_t local_seconds)
{
    int64_t days = floor_div(local_seconds, 86400), rest = local_seconds - days * 86400,
            shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097), of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    struct date date = {.day = (int)(of_year - (153 * month + 2) / 5 + 1),
                        .month = (int)(month < 10 ? month + 3 : month - 9)};
    date.year = year + era * 400 + (date.month <= 2);
    date.year_day = (int)(days - days_of(date.year, 1, 1)) + 1;
    date.weekday = (int)(((days + 4) % 7 + 7) % 7);
    date.hour = (int)(rest / 3600);
    date.minute = (int)(rest / 60 % 60);
    date.second = (int)(rest % 60);
    return date;
}

/* --- formatting --- */

static void put_zone(struct buf *out, enum element element, int32_t east_s)
{
    bool z = element >= ZONE_Z_COLON_SECONDS && element <= ZONE_Z_HOUR;
    if (z && east_s == 0) {
        buf_char(out, 'Z');
        return;
    }
    bool colon = element == ZONE_Z_COLON_SECONDS || element == ZONE_Z_COLON ||
                 element == ZONE_COLON_SECONDS || element == ZONE_COLON;
    int size = east_s < 0 ? -east_s : east_s;
    buf_printf(out, "%c%02d", east_s < 0 ? '-' : '+', size / 3600);
    if (element == ZONE_HOUR || element == ZONE_Z_HOUR)
        return;
    buf_printf(out, "%s%02d", colon ? ":" : "", size / 60 % 60);
    if (element == ZONE_Z_COLON_SECONDS || element == ZONE_Z_SECONDS || element == ZONE_COLON_SECONDS ||
        element == ZONE_SECONDS)
        buf_printf(out, "%s%02d", colon ? ":" : "", size % 60);
}

static void put_fraction(struct buf *out, struct sv text, int32_t nanoseconds, bool trimmed)
{
    char digits[16];
    size_t n = TC_MIN(text.n - 1, 9);
    snprintf(digits, sizeof digits, "%09d", nanoseconds);
    while (trimmed && n > 0 && digits[n - 1] == '0')
        n--;
    if (n == 0)
        return;
    buf_char(out, text.p[0]);
    buf_add(out, digits, n);
}

static void put_element(struct buf *out, enum element element, const struct date *date,
                        struct zone_offset offset)
{
    int hour12 = date->hour % 12 == 0 ? 12 : date->hour % 12;
    switch (element) {
    case MONTH_LONG:
        buf_str(out, months[date->month - 1]);
        return;
    case MONTH_SHORT:
        buf_add(out, months[date->month - 1], 3);
        return;
    case MONTH:
        buf_printf(out, "%d", date->month);
        return;
    case MONTH_2:
        buf_printf(out, "%02d", date->month);
        return;
    case WEEKDAY_LONG:
        buf_str(out, weekdays[date->weekday]);
        return;
    case WEEKDAY_SHORT:
        buf_add(out, weekdays[date->weekday], 3);
        return;
    case DAY:
        buf_printf(out, "%d", date->day);
        return;
    case DAY_SPACE:
        buf_printf(out, "%2d", date->day);
        return;
    case DAY_2:
        buf_printf(out, "%02d", date->day);
        return;
    case YEAR_DAY_3:
        buf_printf(out, "%03d", date->year_day);
        return;
    case YEAR_DAY_SPACE:
        buf_printf(out, "%3d", date->year_day);
        return;
    case HOUR_2:
        buf_printf(out, "%02d", date->hour);
        return;
    case HOUR12:
        buf_printf(out, "%d", hour12);
        return;
    case HOUR12_2:
        buf_printf(out, "%02d", hour12);
        return;
    case MINUTE:
        buf_printf(out, "%d", date->minute);
        return;
    case MINUTE_2:
        buf_printf(out, "%02d", date->minute);
        return;
    case SECOND:
        buf_printf(out, "%d", date->second);
        return;
    case SECOND_2:
        buf_printf(out, "%02d", date->second);
        return;
    case YEAR:
        buf_printf(out, date->year < 0 ? "-%04lld" : "%04lld",
                   (long long)(date->year < 0 ? -date->year : date->year));
        return;
    case YEAR_2:
        buf_printf(out, "%02d", (int)(((date->year % 100) + 100) % 100));
        return;
    case PM:
        buf_str(out, date->hour >= 12 ? "PM" : "AM");
        return;
    case PM_LOWER:
        buf_str(out, date->hour >= 12 ? "pm" : "am");
        return;
    case ZONE_NAME: /* a zone whose abbreviation is a number shows that */
        buf_str(out, offset.abbreviation);
        return;
    case TEXT:
    case FRACTION:
    case FRACTION_TRIMMED:
        return; /* the caller has their text */
    default:
        put_zone(out, element, offset.east_s);
    }
}

void go_time_format(struct buf *out, struct template_time time, struct sv layout)
{
    struct zone_offset offset = zone_at(time.zone, time.seconds);
    struct date date = date_of(time.seconds + offset.east_s);
    while (layout.n > 0) {
        size_t length;
        enum element element = next_element(layout, &length);
        if (length == 0) {
            buf_char(out, layout.p[0]);
            length = 1;
        } else if (element == FRACTION || element == FRACTION_TRIMMED) {
            put_fraction(out, sv_head(layout, length), time.nanoseconds, element == FRACTION_TRIMMED);
        } else {
            put_element(out, element, &date, offset);
        }
        layout = sv_from(layout, length);
    }
}

/* --- parsing --- */

struct parsing {
    struct sv rest;
    struct date date;
    int32_t nanoseconds, east_s;
    bool pm, has_pm;
};

static bool take_number(struct parsing *p, size_t min, size_t max, int *ret)
{
    size_t n = 0;
    int v = 0;
    for (; n < max && n < p->rest.n && is_digit(p->rest.p[n]); n++)
        v = v * 10 + (p->rest.p[n] - '0');
    if (n < min)
        return false;
    p->rest = sv_from(p->rest, n);
    *ret = v;
    return true;
}

static bool take_word(struct parsing *p, const char *const words[], size_t n, size_t head, int *ret)
{
    for (size_t i = 0; i < n; i++) {
        struct sv word = sv_head(sv_of(words[i]), head);
        if (sv_eq_nocase(sv_head(p->rest, word.n), word)) {
            p->rest = sv_from(p->rest, word.n);
            *ret = (int)i;
            return true;
        }
    }
    return false;
}

static bool take_zone(struct parsing *p, enum element element)
{
    bool z = element >= ZONE_Z_COLON_SECONDS && element <= ZONE_Z_HOUR;
    if (z && p->rest.n > 0 && p->rest.p[0] == 'Z') {
        p->rest = sv_from(p->rest, 1);
        p->east_s = 0;
        return true;
    }
    if (p->rest.n == 0 || (p->rest.p[0] != '+' && p->rest.p[0] != '-'))
        return false;
    int sign = p->rest.p[0] == '-' ? -1 : 1, hours, minutes = 0;
    p->rest = sv_from(p->rest, 1);
    if (!take_number(p, 2, 2, &hours))
        return false;
    if (element != ZONE_HOUR && element != ZONE_Z_HOUR) {
        bool colon = element == ZONE_Z_COLON || element == ZONE_COLON || element == ZONE_Z_COLON_SECONDS ||
                     element == ZONE_COLON_SECONDS;
        if (colon) {
            if (p->rest.n == 0 || p->rest.p[0] != ':')
                return false;
            p->rest = sv_from(p->rest, 1);
        }
        if (!take_number(p, 2, 2, &minutes))
            return false;
    }
    p->east_s = sign * (hours * 3600 + minutes * 60);
    return hours <= 24 && minutes < 60;
}

static bool take_fraction(struct parsing *p, size_t exact)
{
    if (p->rest.n == 0 || (p->rest.p[0] != '.' && p->rest.p[0] != ','))
        return exact == 0;
    int32_t value = 0, scale = 100000000;
    size_t n = 1;
    for (; n < p->rest.n && is_digit(p->rest.p[n]); n++, scale /= 10)
        value += (p->rest.p[n] - '0') * scale;
    if (n == 1 || (exact != 0 && n - 1 != exact))
        return false;
    p->nanoseconds = value;
    p->rest = sv_from(p->rest, n);
    return true;
}

static bool take_element(struct parsing *p, enum element element, size_t length)
{
    struct date *d = &p->date;
    int v = 0;
    switch (element) {
    case MONTH_LONG:
    case MONTH_SHORT:
        if (!take_word(p, months, 12, element == MONTH_LONG ? 16 : 3, &v))
            return false;
        d->month = v + 1;
        return true;
    case WEEKDAY_LONG:
    case WEEKDAY_SHORT:
        return take_word(p, weekdays, 7, element == WEEKDAY_LONG ? 16 : 3, &v);
    case MONTH:
    case MONTH_2:
        return take_number(p, element == MONTH ? 1 : 2, 2, &d->month);
    case DAY_SPACE:
    case DAY:
    case DAY_2:
        if (element != DAY_2 && p->rest.n > 0 && p->rest.p[0] == ' ')
            p->rest = sv_from(p->rest, 1);
        return take_number(p, element == DAY_2 ? 2 : 1, 2, &d->day);
    case YEAR_DAY_3:
    case YEAR_DAY_SPACE:
        while (element == YEAR_DAY_SPACE && p->rest.n > 0 && p->rest.p[0] == ' ')
            p->rest = sv_from(p->rest, 1);
        return take_number(p, element == YEAR_DAY_3 ? 3 : 1, 3, &d->year_day);
    case HOUR_2:
        return take_number(p, 2, 2, &d->hour) && d->hour < 24;
    case HOUR12:
    case HOUR12_2:
        return take_number(p, element == HOUR12 ? 1 : 2, 2, &d->hour) && d->hour <= 12;
    case MINUTE:
    case MINUTE_2:
        return take_number(p, element == MINUTE ? 1 : 2, 2, &d->minute) && d->minute < 60;
    case SECOND:
    case SECOND_2:
        if (!take_number(p, element == SECOND ? 1 : 2, 2, &d->second) || d->second >= 60)
            return false;
        /* A fraction may follow the seconds though the layout has none. */
        return p->rest.n < 2 || p->rest.p[0] != '.' || !is_digit(p->rest.p[1]) || take_fraction(p, 0);
    case YEAR:
        if (!take_number(p, 4, 4, &v))
            return false;
        d->year = v;
        return true;
    case YEAR_2:
        if (!take_number(p, 2, 2, &v))
            return false;
        d->year = v >= 69 ? 1900 + v : 2000 + v;
        return true;
    case PM:
    case PM_LOWER:
        p->has_pm = true;
        p->pm = sv_starts(p->rest, element == PM ? SV("PM") : SV("pm"));
        if (!p->pm && !sv_starts(p->rest, element == PM ? SV("AM") : SV("am")))
            return false;
        p->rest = sv_from(p->rest, 2);
        return true;
    case ZONE_NAME: { /* an abbreviation says no offset, save UTC */
        size_t n = 0;
        while (n < p->rest.n && p->rest.p[n] >= 'A' && p->rest.p[n] <= 'Z')
            n++;
        p->rest = sv_from(p->rest, n);
        return n >= 3 && n <= 5;
    }
    case FRACTION:
        return take_fraction(p, length - 1);
    case FRACTION_TRIMMED:
        return take_fraction(p, 0);
    case TEXT:
        return false;
    default:
        return take_zone(p, element);
    }
}

int go_time_parse(struct sv layout, struct sv text, struct template_time *ret, struct err *err)
{
    struct parsing p = {.rest = text, .date = {.year = 0, .month = 1, .day = 1}};
    struct sv whole = layout;
    while (layout.n > 0) {
        size_t length;
        enum element element = next_element(layout, &length);
        if (length == 0) {
            length = 1;
            if (p.rest.n == 0 || p.rest.p[0] != layout.p[0])
                return err_set(err, TC_EINPUT,
                               "parsing time \"%.*s\" as \"%.*s\": cannot parse \"%.*s\" as \"%.*s\"",
                               SV_FMT(text), SV_FMT(whole), SV_FMT(p.rest), SV_FMT(layout));
            p.rest = sv_from(p.rest, 1);
        } else if (!take_element(&p, element, length)) {
            return err_set(err, TC_EINPUT,
                           "parsing time \"%.*s\" as \"%.*s\": cannot parse \"%.*s\" as \"%.*s\"",
                           SV_FMT(text), SV_FMT(whole), SV_FMT(p.rest), SV_FMT(sv_head(layout, length)));
        }
        layout = sv_from(layout, length);
    }
    if (p.rest.n > 0)
        return err_set(err, TC_EINPUT, "parsing time \"%.*s\": extra text: \"%.*s\"", SV_FMT(text),
                       SV_FMT(p.rest));
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct date *d = &p.date;
    if (d->year_day > 0 && d->year_day <= 365 + is_leap(d->year)) {
        struct date found = date_of((days_of(d->year, 1, 1) + d->year_day - 1) * 86400);
        d->month = found.month;
        d->day = found.day;
    }
    if (d->month < 1 || d->month > 12)
        return err_set(err, TC_EINPUT, "parsing time \"%.*s\": month out of range", SV_FMT(text));
    if (d->day < 1 || d->day > days[d->month - 1] + (d->month == 2 && is_leap(d->year)))
        return err_set(err, TC_EINPUT, "parsing time \"%.*s\": day out of range", SV_FMT(text));
    if (p.has_pm)
        d->hour = d->hour % 12 + (p.pm ? 12 : 0);
    *ret = (struct template_time){.seconds = days_of(d->year, d->month, d->day) * 86400 + d->hour * 3600 +
                                             d->minute * 60 + d->second - p.east_s,
                                  .nanoseconds = p.nanoseconds};
    return 0;
}
