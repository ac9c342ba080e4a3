/*
 * What the events at hand have: their log sources and the names of their fields; and the lint that asks of
 * each rule whether it reads what was never there.
 *
 * A rule whose field nobody sends is silent for ever and looks well. Where no event was seen that the rule's
 * log source lets through, that alone is said.
 */
#ifndef DETECT_SEEN_H
#define DETECT_SEEN_H

#include "detect/detect.h"

enum {
    SEEN_NAMES_MAX = 1000000, /* distinct names; past it nothing is said of fields */
    SEEN_SOURCES_MAX = 10000, /* distinct log sources; likewise */
};

struct seen;
struct seen *seen_new(void);
void seen_free(struct seen **seen);
void seen_take(struct seen *seen, const struct event *event);
uint64_t seen_events(const struct seen *seen);
/* Adds a warning to the notes of the set for each rule of an unseen log source ("log source never seen") and
 * for each field of the others that no event had ("field never seen"), in order of file and line. */
void seen_lint(const struct seen *seen, struct ruleset *ruleset);

#endif
