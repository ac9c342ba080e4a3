/*
 * Calendars: named weekly hours of a time zone, with holidays, that rules ask of an event's time.
 *
 *     calendar: office_hours
 *     time_zone: Europe/Berlin
 *     hours: {monday-friday: ["08:00-12:00", "13:00-18:00"], saturday: "22:00-02:00"}
 *     holidays: [2026-12-25, "01-01", 2026-12-28..2026-12-31]
 *
 *     '@timestamp|expand': '%office_hours%'      holds while the calendar is open
 *
 * Hours are local wall-clock time, whatever the clock does in spring and autumn: an hour that comes twice is
 * open or closed twice. Hours that end before they begin go on into the next day. A holiday is closed from
 * local midnight to midnight. An event without a time that is believed is in no calendar's hours.
 */
#ifndef DETECT_CALENDAR_H
#define DETECT_CALENDAR_H

#include "base/zone.h"
#include "event/event.h"

enum {
    CALENDAR_WEEK_MINUTES = 7 * 24 * 60,
    CALENDAR_HOLIDAYS_MAX = 10000,
    CALENDAR_ZONES_MAX = 64,
    CALENDAR_TEXT_BYTES = 96,
};

struct calendar_days { /* a holiday, or several in a row; days since 1970 */
    int64_t first, last;
};

struct calendar {
    struct sv name;
    bool in_pack; /* one that is not takes its place */
    const struct zone *zone;
    /* Time zone of the person or site: a field of the event, and the zones that may be named there; another
     * value, or none, means `zone`. field.n == 0: not asked. */
    struct sv zone_field;
    uint32_t zone_field_hash;
    const struct zone *zones[CALENDAR_ZONES_MAX];
    size_t zone_count;
    uint64_t
        open[(CALENDAR_WEEK_MINUTES + 63) / 64]; /* a bit for each minute of the week, from Monday's first */
    const struct calendar_days *holidays;        /* ascending, by first; may overlap */
    size_t holiday_count;
    bool yearly[12][31]; /* that month and day of every year is a holiday */
};

enum calendar_answer { CALENDAR_OPEN, CALENDAR_CLOSED, CALENDAR_HOLIDAY, CALENDAR_NO_TIME };

/* Minutes of a week [from, to), to beyond its end goes on at its beginning. For readers. */
void calendar_add_hours(struct calendar *calendar, unsigned from, unsigned to);
/* Is the calendar open at the event's time? */
enum calendar_answer calendar_ask(const struct calendar *calendar, const struct event *event);
/*
 * When work begins on the next day on which it does: the first opening of a local day after that of `now_ns`
 * which is no holiday. A day that is open from the night before opens where it opens again; one that is open
 * around the clock, at midnight. By `zone` alone. False where the calendar does not open within 400 days.
 */
bool calendar_next_working_day(const struct calendar *calendar, int64_t now_ns, int64_t *ret_ns);
/* That time as it stands on the wall there, for people: "Fri 2026-01-02 23:00 CET"; "-" where there is none.
 */
void calendar_text(const struct calendar *calendar, const struct event *event,
                   char text[static CALENDAR_TEXT_BYTES]);

#endif
