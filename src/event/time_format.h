/*
 * Times in a form that somebody declares: strptime's letters, without a locale and without the C library's
 * clock, so that the same bytes give the same moment everywhere.
 *
 *   %Y %y  year (y: 69-99 are 19xx)      %m %b %B  month's number, name      %d %e  day (one or two digits)
 *   %H %I %p  hour, of 12 with AM/PM     %M %S %f  minute, second, fraction (any number of digits)
 *   %a %A  weekday, passed over          %z %Z     +02:00, +0200, Z; UTC or GMT
 *   %s     seconds since 1970            %T %F %D  %H:%M:%S  %Y-%m-%d  %m/%d/%y       %%  a percent sign
 *
 * A blank stands for any number of them. A fraction behind %S ("." or "," and digits) is read where the form
 * has none. Besides forms there are these words: rfc3339; epoch (seconds to nanoseconds, by size); auto
 * (whatever text_event_time reads).
 *
 * Without %Y, %y or %s the year comes from syslog_time.h's rules, which move `state` on.
 */
#ifndef EVENT_TIME_FORMAT_H
#define EVENT_TIME_FORMAT_H

#include "base/err.h"
#include "event/parse.h"

/* TC_EINPUT with a sentence where the form has an unknown letter, or names no day or no hour. */
int time_format_check(struct sv form, struct err *err);
/* True where reading this form moves the state on. */
bool time_format_lacks_year(struct sv form);
/* Reads the whole of `text` (white space around it does not count). A form that was checked. */
bool time_format_read(struct sv form, struct sv text, struct parse_state *state, int64_t *ret_ns);

#endif
