/*
 * Why a rule matches an event, or does not: every selection, line and value with its verdict, nothing left
 * out because the answer was already known. For people and tests; detectors never come here.
 */
#ifndef DETECT_EXPLAIN_H
#define DETECT_EXPLAIN_H

#include "detect/detect.h"

enum explain_kind {
    EXPLAIN_RULE,      /* text: its title; why: what came of it */
    EXPLAIN_LOGSOURCE, /* text: the dimension and what the rule says; value: the event's */
    EXPLAIN_CONDITION, /* text: as written */
    EXPLAIN_SELECTION, /* text: its name */
    EXPLAIN_GROUP,     /* "all of" or "any of": lines of a selection, maps of a list */
    EXPLAIN_LINE,      /* text: field and modifiers; value: the event's first value */
    EXPLAIN_VALUE,     /* text: as written in the rule */
    EXPLAIN_FIELD,     /* of a correlation or memory: a field of group-by, or one that it looks at */
    EXPLAIN_RAISE,     /* text: its condition as written; why: how severe it makes what is found */
    EXPLAIN_MEMORY,    /* text: new_value, absence, travel or baseline; holds: the event has a part in it */
};

struct explain_step {
    enum explain_kind kind;
    unsigned depth; /* below the last step of depth - 1 */
    bool holds;
    struct sv text;
    const char *why;    /* a few fixed words, such as "the event has no such field"; may be NULL */
    struct sv value;    /* n == 0: none */
    size_t value_count; /* how many the event has of that field */
    const char *file;   /* of EXPLAIN_RULE; else NULL */
    unsigned line;      /* of the rule's file; 0: none */
};
typedef void (*explain_fn)(void *context, const struct explain_step *step);

/* The rule of that id, name or title; SIZE_MAX where there is none. */
size_t explain_find(const struct ruleset *ruleset, struct sv id_name_or_title);
/* A detection; or a correlation: the fields that it takes, then each rule that it counts. Returns whether it
 * matches (a correlation: whether the event is a part of it). What a window or memory holds is no part of an
 * event, so of rules that have one it is said what they take of this event, not whether they would speak. */
bool explain_rule(const struct ruleset *ruleset, size_t ordinal, const struct event *event, explain_fn each,
                  void *context);

#endif
