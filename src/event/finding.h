/*
 * A finding: what a rule says happened. Sigma rules, correlations, later PromQL and baselines, all make
 * findings; only alert/ reads them (and `scan` prints them).
 *
 * A finding contains no wall clock, random number or thread number: the same records give the same findings,
 * byte for byte.
 */
#ifndef EVENT_FINDING_H
#define EVENT_FINDING_H

#include "event/event.h"
#include "event/severity.h"

enum { RULE_NOTIFY_COUNT_MAX = 100 }; /* of rule_info.notify_count */

/* What is known of a rule beside its logic. Lives as long as its rule set. */
struct rule_info {
    struct sv id;   /* the rule's UUID; where a file gives none, "name:" + name, or "sha256:" + first 16 hex
                       digits of the document */
    struct sv name; /* Sigma's name attribute, may be empty */
    struct sv title;
    struct sv level; /* as written; empty where missing */
    enum severity severity;
    struct sv description;
    struct sv owner, secondary_owner, runbook; /* of the tocsin: map, may be empty */
    const struct sv *actions;                  /* ordered */
    size_t action_count;
    const struct sv *tags;
    size_t tag_count;
    const struct sv *entity_fields; /* tocsin: dedup key of a detection; NULL: the defaults of alert/ */
    size_t entity_field_count;
    const struct sv *dedup_fields; /* tocsin: what makes two findings one alert; NULL: the entity */
    size_t dedup_field_count;
    int64_t dedup_ns, quiet_ns; /* tocsin: how long an alert of it takes further findings, and without any
                                   resolves itself; 0: as the configuration has it */
    uint32_t notify_count; /* tocsin: so many occurrences within notify_within_ns before anybody is told; 1:
                              at once; 0: as the configuration has it */
    int64_t notify_within_ns;
    struct sv file; /* as given, with the line its document starts on */
    unsigned line;
    uint32_t ordinal; /* 0.. in the rule set, by (id) order: stable whatever the order of files */
};

enum finding_kind {
    FINDING_DETECTION,
    FINDING_CORRELATION,
    FINDING_METRIC, /* an alerting rule on metrics: group holds the alert's labels, fields its annotations and
                       value */
};

struct finding_field {
    struct sv name; /* as the rule writes it */
    struct sv value;
    uint8_t type; /* enum field_type */
};

struct finding {
    enum finding_kind kind;
    bool repeat; /* a later hit of an episode that was reported: raises the alert's count, is not printed by
                    scan */
    const struct rule_info *rule;
    const struct rule_info *resets; /* not NULL: it says no more than that this rule's alert of the same
                                       entity is over; kind and group are that rule's. Nothing is printed. */
    enum severity severity;         /* raised above the rule's (tocsin: raise); SEVERITY_NONE: the rule's */
    uint64_t position;              /* of the record that completed it */
    uint32_t ordinal;               /* order among findings of the same position and rule */
    struct event_time
        time; /* of that event, or of the receive time that stood in; TC_NO_TIME in scan where it has none */
    struct receive_time received;    /* of that record */
    struct event_time episode_start; /* equals time for the first finding of an episode and for detections */
    uint32_t weight; /* occurrences that this finding stands for ("message repeated N times"), usually 1 */
    uint32_t count;  /* correlation: value that met the condition (events or distinct values); one that looks
                        at  numbers: how many; detection: 1 */
    struct sv value; /* of such a correlation: what came of them, a decimal number of six places at most; else
                        empty */
    struct sv why;   /* of a kind that measures: what it expected and what it saw, for people; else empty */
    const struct finding_field *group; /* correlation: group-by names and values, in the rule's order */
    size_t group_count;
    const struct finding_field
        *fields; /* the fields that the rule read and the event has, in the rule's order */
    size_t field_count;
    const struct event *event; /* the event that completed it; NULL for a tick. Lent for the call. */
};

static inline enum severity finding_severity(const struct finding *finding)
{
    return finding->severity != SEVERITY_NONE ? finding->severity : finding->rule->severity;
}

/* A growing list whose findings live in `arena`. */
struct finding_list {
    struct arena *arena;
    struct finding *items;
    size_t count, capacity;
};
struct finding *finding_add(struct finding_list *list); /* zeroed; valid until the next add */

#endif
