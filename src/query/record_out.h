/*
 * A record of the journal as JSON: the one shape for `tocsin query` and for links between alerts and events.
 */
#ifndef QUERY_RECORD_OUT_H
#define QUERY_RECORD_OUT_H

#include "base/json_out.h"
#include "event/event.h"

/* "event", "tick", …; NULL: no type that is known. */
const char *record_out_type(uint8_t type);
/* Members of an object that the caller opens and ends: id, position, type, time, received, source, flags,
 * raw. Type and class must be known. */
void record_out_members(struct json_out *json, const struct event *record);

#endif
