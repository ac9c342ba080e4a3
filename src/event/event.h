/*
 * One event: time, source, and a flat array of fields. This is what every room right of ingest/ looks at.
 *
 * An event is made by a parser (parse.h) or by decoding a record block (record.h). It is a view: fields point
 * into the raw bytes, into the arena it was made in, or into the block. It lives as long as these do.
 *
 * Fields. `name` is the dotted path without array indexes ("Records.user" for Records[0].user): a rule that
 * says a.b finds both {"a.b":1} and {"a":{"b":1}}, and any element of an array. `exact` is the path with
 * indexes ("a[0].b") where an array is on it, else equal to `name`. Containers are fields too (type
 * FIELD_OBJECT/FIELD_ARRAY, value = their raw JSON), before their members, so that `exists` sees {"a":{}}.
 * Duplicate keys: all values are kept, FIELD_DUPLICATE is set on the later ones and EVENT_DUPLICATE_KEYS on
 * the event. Numbers keep their text. Names match exactly, save that spaces in the event's own names do not
 * count ("Threat Name" is found as ThreatName; Sigma specification, field usage 2). Derived fields (ECS names
 * filled beside the sender's, logsource.*) bear FIELD_DERIVED and never replace a sent one.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "base/arena.h"
#include "base/clk.h"
#include "base/sv.h"

enum {
    TC_EVENT_FIELDS_MAX = 2048, /* that a parser may take from a record */
    TC_EVENT_EXTRA_MAX = 128,   /* derived fields and the like beyond them */
    TC_EVENT_RAW_MAX =
        1 << 20, /* longer records keep TC_EVENT_CUT_BYTES, their length and hash; EVENT_CUT is set */
    TC_EVENT_CUT_BYTES = 64 << 10,
    TC_EVENT_FIELD_DEPTH_MAX = 64, /* deeper containers stay one field with their raw JSON */
    TC_JSON_DEPTH_MAX = 512,
};

enum field_type { FIELD_STRING, FIELD_NUMBER, FIELD_BOOL, FIELD_NULL, FIELD_OBJECT, FIELD_ARRAY };
enum field_flags { FIELD_DERIVED = 1, FIELD_DUPLICATE = 2 };

struct field {
    struct sv name;  /* dotted, without indexes */
    struct sv exact; /* dotted, with indexes */
    struct sv
        value; /* unescaped string; number's text; "true"/"false"; "" for null; raw JSON of a container */
    uint32_t name_hash; /* event_name_hash(name) */
    int32_t
        next_same; /* next field of the same name (spaces not counted), -1 at the end; set by event_index */
    uint8_t type;  /* enum field_type */
    uint8_t flags; /* enum field_flags */
};

enum event_flags {
    EVENT_SUSPECT_TIME =
        1, /* event time outside [receive - lateness, receive + 5 min]; set by app/ before the journal */
    EVENT_TEXT = 2,        /* no parser understood it: kept as text */
    EVENT_QUARANTINED = 4, /* redaction failed: raw is empty */
    EVENT_DUPLICATE_KEYS = 8,
    EVENT_CUT = 16, /* longer than the limit: fields tocsin.cut.length, tocsin.cut.sha256 tell of the rest */
    EVENT_BAD_UTF8 = 32, /* raw bytes that are not UTF-8 stand as U+FFFD in the fields; raw keeps them */
    EVENT_REDACTED = 64,
    EVENT_FIELDS_CUT = 128, /* more than TC_EVENT_FIELDS_MAX fields */
};

enum record_type {
    REC_EVENT = 1,
    REC_TICK,      /* raw empty; receive time = the tick */
    REC_ACTIVATED, /* JSON: hashes of rules, policies … now in force */
    REC_COMMAND,   /* JSON: what a person asked (acknowledge, resolve, close …) */
    REC_FINDING,   /* JSON: what a rule said */
    REC_DECISION,  /* JSON: a transition of an alert */
    REC_INTENT,    /* JSON: a notification that is to be sent */
    REC_RECEIPT,   /* JSON: a notification was delivered, or given up */
    REC_POSITION,  /* how far a positioned source was read: the record's source names what was read, raw is
                      the door's own; empty: forget it. In one frame with the events read up to there */
    REC_METRIC,    /* JSON: an alert of a rule on metrics fires, or ended */
};
enum record_class { CLASS_SECURITY, CLASS_AUDIT, CLASS_DEBUG, CLASS_COUNT }; /* retention class = log */

struct names_found;
struct event {
    uint64_t position;        /* in the journal (opaque, rises); in scan: running number of the event */
    uint64_t epoch, sequence; /* id of a stored record: epoch, class, sequence; 0 before it is stored */
    uint8_t type;             /* enum record_type */
    uint8_t class;            /* enum record_class */
    uint16_t parser_version;
    uint32_t flags;         /* enum event_flags */
    struct event_time time; /* TC_NO_TIME where it bears none */
    struct receive_time received;
    uint64_t source_position; /* line or offset in its source, 0 where unknown */
    struct sv source;         /* "http:default", "file:/var/log/auth.log", "stdin", "self" */
    struct sv raw;
    /* Its logsource; n == 0 is unknown. Several words of one dimension are separated by commas, without
     * blanks ("registry_set,registry_event"): see event_logsource_is. */
    struct sv product, category, service;
    struct field *fields;
    uint32_t field_count;
    uint32_t bucket_mask;
    uint16_t *buckets; /* bucket_mask + 1 of them: index + 1 into fields, 0 = empty; open addressing */
    struct names_found *names; /* lent by parse_record while it runs: what a parser found of the well-known */
    uint32_t names_upto;       /* names in the first so many fields */
    uint32_t repeat;           /* "message repeated N times": this event counts N times; 1 otherwise */
};

/* Is `word` (any case) one of the words that a dimension of an event's logsource has? */
static inline bool event_logsource_is(struct sv dimension, struct sv word)
{
    while (dimension.n > 0)
        if (sv_eq_nocase(sv_cut(&dimension, ','), word))
            return true;
    return false;
}
/* The time that it is judged by where the answer depends on one: its own, or that of receipt where it has
 * none to be believed; TC_NO_TIME where it has neither. */
static inline int64_t event_judged_ns(const struct event *event)
{
    if (event->time.ns != TC_NO_TIME && (event->flags & EVENT_SUSPECT_TIME) == 0)
        return event->time.ns;
    return event->received.ns > 0 ? event->received.ns : TC_NO_TIME;
}
/* Hash of a field name; spaces do not count. */
uint32_t event_name_hash(struct sv name);
/* Equality of a rule's field name and an event's, spaces in either not counted. */
bool event_name_eq(struct sv a, struct sv b);
/* Builds buckets and next_same chains in `arena`; call once after the last field is added. */
void event_index(struct event *event, struct arena *arena);
/* Adds `count` fields behind those that the event has. The array is made anew in `arena`, so pointers to
 * fields end here. At most TC_EVENT_EXTRA_MAX in all beyond TC_EVENT_FIELDS_MAX. */
void event_append(struct event *event, struct arena *arena, const struct field *fields, uint32_t count);
/* First field of that name or NULL; `hash` = event_name_hash(name). Follow event_next for the others. */
const struct field *event_find(const struct event *event, struct sv name, uint32_t hash);
static inline const struct field *event_next(const struct event *event, const struct field *field)
{
    return field->next_same < 0 ? NULL : &event->fields[field->next_same];
}
/* The first value of a name (hash computed here; for code off the hot path), n == 0 and p == NULL where
 * absent. */
struct sv event_value(const struct event *event, const char *name);

#endif
