/*
 * Go's time layouts: a layout shows how the reference time "Mon Jan 2 15:04:05 MST 2006" would look.
 */
#ifndef TEMPLATE_GO_TIME_H
#define TEMPLATE_GO_TIME_H

#include "template/value.h"

/* What time.Time's String() uses. */
#define GO_TIME_STRING SV("2006-01-02 15:04:05.999999999 -0700 MST")

/* Appends the time in the layout, in its own zone. */
void go_time_format(struct buf *out, struct template_time time, struct sv layout);
/* time.Parse: text in the layout; a time without zone is UTC. TC_EINPUT with Go's words where it does not
 * fit. */
int go_time_parse(struct sv layout, struct sv text, struct template_time *ret, struct err *err);

#endif
