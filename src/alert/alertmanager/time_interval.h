/*
 * Alertmanager's time intervals (alertmanager/timeinterval): when a route is muted or active. What is not
 * given does not restrict; what is given as an empty list is never fulfilled.
 */
#ifndef ALERT_ALERTMANAGER_TIME_INTERVAL_H
#define ALERT_ALERTMANAGER_TIME_INTERVAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/zone.h"

/* Both ends included, but for minutes of the day, where `end` is the first that is out. */
struct am_range {
    int begin, end;
};
struct am_ranges {
    bool given;
    struct am_range *items;
    size_t count;
};

enum am_time_part {
    AM_TIMES,         /* minutes of the day, 0-1440 */
    AM_WEEKDAYS,      /* 0 = Sunday */
    AM_DAYS_OF_MONTH, /* 1-31, or -1 (the last day) to -31 */
    AM_MONTHS,        /* 1-12 */
    AM_YEARS,
    AM_TIME_PARTS,
};

struct am_time_interval {
    struct am_ranges parts[AM_TIME_PARTS];
    const struct zone *zone; /* NULL: UTC */
};

/* "monday:friday", "-7:-1", "march", "2020:2025", without case. TC_EINPUT with Alertmanager's words. Not for
 * AM_TIMES. */
int am_range_parse(enum am_time_part part, struct sv text, struct am_range *ret, struct err *err);
/* start_time and end_time, "HH:MM" to "24:00". */
int am_time_range_parse(struct sv start, struct sv end, struct am_range *ret, struct err *err);
/* Any zone of the IANA database; "" and "UTC" are UTC. The zone lives as long as the process. */
int am_location_parse(struct sv name, const struct zone **ret, struct err *err);

/* Does the interval contain the instant (seconds since 1970)? */
bool am_time_interval_contains(const struct am_time_interval *interval, int64_t seconds);

#endif
