/*
 * Asking a calendar; see calendar.h. An event's time becomes local seconds by the zone's offset at that very
 * instant; the rest is arithmetic on local days and minutes.
 */
#include "detect/calendar.h"

#include "base/arena.h"

#include <stdio.h>

enum { DAY_S = 86400, DAY_MINUTES = 1440, WORKING_DAYS_MAX = 410 };
#define EDGE_NS (3 * DAY_S * TC_SECOND_NS)

void calendar_add_hours(struct calendar *c, unsigned from, unsigned to)
{
    for (unsigned at = from; at < to; at++) {
        unsigned minute = at % CALENDAR_WEEK_MINUTES;
        c->open[minute / 64] |= UINT64_C(1) << (minute % 64);
    }
}

static const struct zone *zone_of(const struct calendar *c, const struct event *event)
{
    const struct field *field =
        c->zone_field.n == 0 ? NULL : event_find(event, c->zone_field, c->zone_field_hash);
    for (; field != NULL; field = event_next(event, field))
        for (size_t i = 0; i < c->zone_count; i++)
            if (sv_eq(zone_name(c->zones[i]), field->value))
                return c->zones[i];
    return c->zone;
}

/* Seconds since 1970 and the offset there; false where the event has no time that is believed. */
static bool local_of(const struct calendar *c, const struct event *event, int64_t *ret_local_s,
                     struct zone_offset *ret)
{
    int64_t ns = event_judged_ns(event);
    if (ns == TC_NO_TIME)
        return false;
    ns = TC_MAX(TC_MIN(ns, INT64_MAX - EDGE_NS), INT64_MIN + EDGE_NS); /* days and offsets fit in */
    int64_t seconds = ns / TC_SECOND_NS - (ns % TC_SECOND_NS < 0);
    *ret = zone_at(zone_of(c, event), seconds);
    *ret_local_s = seconds + ret->east_s;
    return true;
}

static int64_t day_of(int64_t local_s)
{
    return local_s / DAY_S - (local_s % DAY_S < 0);
}

static bool is_holiday(const struct calendar *c, int64_t day)
{
    struct civil civil = clk_to_civil(day * DAY_S * TC_SECOND_NS);
    if (c->yearly[civil.month - 1][civil.day - 1])
        return true;
    for (size_t i = 0; i < c->holiday_count && c->holidays[i].first <= day; i++)
        if (day <= c->holidays[i].last)
            return true;
    return false;
}

/* 1970 began on a Thursday; Monday is 0. */
static unsigned weekday_of(int64_t day)
{
    return (unsigned)(((day + 3) % 7 + 7) % 7);
}

static bool is_open(const struct calendar *c, unsigned minute_of_week)
{
    return (c->open[minute_of_week / 64] >> (minute_of_week % 64) & 1) != 0;
}

enum calendar_answer calendar_ask(const struct calendar *c, const struct event *event)
{
    int64_t local_s;
    struct zone_offset offset;
    if (!local_of(c, event, &local_s, &offset))
        return CALENDAR_NO_TIME;
    int64_t day = day_of(local_s);
    if (is_holiday(c, day))
        return CALENDAR_HOLIDAY;
    unsigned minute = weekday_of(day) * DAY_MINUTES + (unsigned)(local_s - day * DAY_S) / 60;
    return is_open(c, minute) ? CALENDAR_OPEN : CALENDAR_CLOSED;
}

/* The minute of the day at which it opens; DAY_MINUTES: it does not. */
static unsigned opening_of(const struct calendar *c, int64_t day)
{
    unsigned first = weekday_of(day) * DAY_MINUTES;
    bool all_day = true;
    for (unsigned i = 0; i < DAY_MINUTES; i++) {
        unsigned before = (first + i + CALENDAR_WEEK_MINUTES - 1) % CALENDAR_WEEK_MINUTES;
        all_day = all_day && is_open(c, first + i);
        if (is_open(c, first + i) && !is_open(c, before))
            return i;
    }
    return all_day ? 0 : DAY_MINUTES;
}

bool calendar_next_working_day(const struct calendar *c, int64_t now_ns, int64_t *ret_ns)
{
    now_ns = TC_MAX(TC_MIN(now_ns, INT64_MAX - WORKING_DAYS_MAX * DAY_S * TC_SECOND_NS), INT64_MIN + EDGE_NS);
    int64_t now_s = now_ns / TC_SECOND_NS - (now_ns % TC_SECOND_NS < 0);
    int64_t today = day_of(now_s + zone_at(c->zone, now_s).east_s);
    for (int64_t day = today + 1; day < today + WORKING_DAYS_MAX - 10; day++) {
        unsigned minute = is_holiday(c, day) ? DAY_MINUTES : opening_of(c, day);
        if (minute == DAY_MINUTES)
            continue;
        *ret_ns = zone_from_local(c->zone, day * DAY_S + (int64_t)minute * 60) * TC_SECOND_NS;
        return true;
    }
    return false;
}

void calendar_text(const struct calendar *c, const struct event *event, char text[static CALENDAR_TEXT_BYTES])
{
    static const char *const weekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    int64_t local_s;
    struct zone_offset offset;
    if (!local_of(c, event, &local_s, &offset)) {
        snprintf(text, CALENDAR_TEXT_BYTES, "-");
        return;
    }
    int64_t day = day_of(local_s);
    struct civil civil = clk_to_civil(local_s * TC_SECOND_NS);
    snprintf(text, CALENDAR_TEXT_BYTES, "%s %04d-%02d-%02d %02d:%02d %.16s",
             weekdays[((day + 3) % 7 + 7) % 7], (int)civil.year, (int)civil.month, (int)civil.day,
             (int)civil.hour, (int)civil.minute, offset.abbreviation);
}
