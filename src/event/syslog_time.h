/*
 * The time stamp that a syslog line begins with.
 *
 *   Dec 10 06:55:46            RFC 3164: no year, no zone   Dec  1 06:55:46, Dec 10 06:55:46.123 too
 *   Dec 10 2015 06:55:46, 2015 Dec 10 06:55:46              with a year
 *   2015-12-10T06:55:46.5+01:00, 2015-12-10 06:55:46        RFC 3339; without zone as below
 *
 * Zone: state->zone_offset_s unless the stamp has one. Year, where the stamp has none: state->year, which is
 * --year or the year (in that zone) of state->modified_ns. Where that was not given by --year, a line that
 * would lie more than 24 h after modified_ns is of the year before. A backward step of more than 180 days
 * from the line before adds a year (logs that pass New Year). The two rules contradict each other where
 * taking a year off would itself make such a backward step: then the year stays, so that a live source whose
 * modified_ns stands still is not thrown back a year. 29 February takes the nearest of the years beside where
 * its own has none, else the line has no time.
 */
#ifndef EVENT_SYSLOG_TIME_H
#define EVENT_SYSLOG_TIME_H

#include "event/parse.h"

/* Length in bytes of the stamp at the start of `line`, without the space after it; 0 where there is none (and
 * then nothing is changed). *ret_ns is TC_NO_TIME where the stamp names no real time ("Feb 30 25:00:00" is no
 * stamp; 29 February without a leap year near is one). Stamps without year move `state` on. */
size_t syslog_time_scan(struct parse_state *state, struct sv line, int64_t *ret_ns);

/* The moment of a date without year, by the rules above; moves `state` on. TC_NO_TIME where no year near has
 * that day. */
int64_t syslog_time_without_year(struct parse_state *state, struct civil civil);

#endif
