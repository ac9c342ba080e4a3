/*
 * The small set of ECS names that is filled beside the sender's own, for rules of packs, entities and pages.
 *
 * A derived field bears FIELD_DERIVED, never replaces one that was sent under that name, and is not seen by
 * keyword search. The tables are in ecs.c; README.md lists them.
 */
#ifndef EVENT_ECS_H
#define EVENT_ECS_H

#include "event/event.h"

/* Adds what can be derived, and the logsource as fields, and indexes the event. Call once, after all own
 * fields are there. */
void ecs_derive(struct event *event, struct arena *arena);

/* The event time of a JSON event by the table of names; TC_NO_TIME where none of them holds a time. The event
 * is indexed. */
int64_t ecs_time(const struct event *event, int zone_offset_s);

/* An IPv4 or IPv6 address, perhaps in brackets. */
bool ecs_is_address(struct sv text);

#endif
