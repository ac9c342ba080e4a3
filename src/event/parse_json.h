/*
 * The parser of JSON records: fields by json.h, event time and log source from the names of names.c.
 *
 * Times: RFC 3339 and its usual relatives (base/clk.h), or a number since 1970 whose unit follows from its
 * size: seconds from 10^8, milliseconds from 10^11, microseconds from 10^14, nanoseconds from 10^17 (each
 * begins in March 1973). Smaller numbers are durations and the like, not times.
 */
#ifndef EVENT_PARSE_JSON_H
#define EVENT_PARSE_JSON_H

#include "event/parse.h"

/* The `parse` of struct parser. */
enum parse_outcome parse_json(const struct parser *parser, struct parse_state *state, struct sv raw,
                              struct arena *arena, struct event *ret);

/* A time as JSON events bear it; exact, never through a double. */
bool parse_json_time(struct sv text, int default_offset_s, int64_t *ret_ns);

/* The time from the first well-known name (names.h) of `event` that holds one. */
void parse_json_named_time(struct event *event, int zone_offset_s);

#endif
