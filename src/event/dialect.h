/*
 * JSON events recognised by their content: which product and service wrote this one?
 *
 * Decided by names that occur together and by one value, so an event that has none of the names costs nothing
 * beyond the look-up that names.h does anyway. Only what cannot be mistaken is recognised: a log source that
 * is unknown is judged by every rule, a wrong one by the wrong rules.
 *
 * A recognised event without a category of Sigma's has the category "none", so that rules which name a
 * category (process_creation …) leave it alone.
 */
#ifndef EVENT_DIALECT_H
#define EVENT_DIALECT_H

#include "event/names.h"

/* Sets product, category and service of an event that is recognised and appends what its dialect derives.
 * `found` is the event's; the event is not indexed yet. */
void dialect_apply(struct event *event, const struct names_found *found, struct arena *arena);

#endif
