/*
 * Who is on call, and who is told when nobody acknowledges (ledger D-10 to D-12, D-18): people, roles,
 * schedules and policies of escalation, read from one YAML file (docs/oncall.md, docs/escalation.md).
 *
 * A schedule has layers; each is a rotation of people that hands over at a wall-clock time of its zone, and
 * may be restricted to hours of the week. The last layer that has somebody wins; overrides win over all
 * layers, a calendar (iCal) stands below them. All here are pure functions of what was read, the overrides
 * and an instant; what is read is immutable, any thread may ask.
 *
 * Bounds: 1,000 people of 16 contacts, 200 roles, 200 schedules of 16 layers, 100 policies of 32 steps, 1,000
 * overrides, 10,000 events of a calendar.
 */
#ifndef ALERT_ONCALL_ONCALL_H
#define ALERT_ONCALL_ONCALL_H

#include "alert/alert.h"
#include "base/zone.h"

enum {
    ONCALL_PEOPLE_MAX = 1000,
    ONCALL_CONTACTS_MAX = 16,
    ONCALL_ROLES_MAX = 200,
    ONCALL_SCHEDULES_MAX = 200,
    ONCALL_LAYERS_MAX = 16,
    ONCALL_POLICIES_MAX = 100,
    ONCALL_REFS_MAX = 64,
    ONCALL_OVERRIDES_MAX = 1000,
    ONCALL_EVENTS_MAX = 10 * 1000,
    ONCALL_TARGETS_MAX = 256,   /* of one step */
    ONCALL_ICAL_BYTES = 4 << 20 /* of one calendar */
};

struct oncall_contact {
    struct sv channel, address; /* address empty: the channel's own recipients */
    unsigned line;              /* where it stands in the file */
};
struct oncall_person {
    struct sv id, name;
    struct oncall_contact *contacts;
    size_t contact_count;
};

enum oncall_kind { ONCALL_PERSON, ONCALL_SCHEDULE, ONCALL_CHANNEL, ONCALL_ROLE };
struct oncall_ref { /* whom a role means, or a step tells */
    enum oncall_kind kind;
    struct sv name;
    struct sv *by; /* only by channels of these names or types; none: by all contacts */
    size_t by_count;
    unsigned line;
};
struct oncall_role {
    struct sv name;
    struct oncall_ref *refs;
    size_t ref_count;
};

struct oncall_hours { /* of the week, by the schedule's wall clock */
    unsigned days;    /* bit 0: Sunday */
    int from_s, to_s; /* after midnight; to_s <= from_s: until the next day */
};
struct oncall_layer {
    struct sv name;
    struct sv *people; /* ids, in order of rotation */
    size_t person_count;
    int64_t start_s; /* wall clock of the first hand-over, as if it were UTC */
    int64_t every_s; /* of one turn, an hour at least */
    int64_t end_s;   /* wall clock; INT64_MAX: none */
    struct oncall_hours *hours;
    size_t hours_count; /* 0: always */
};
struct oncall_event { /* of a calendar */
    struct sv person; /* id */
    const struct zone *zone;
    int64_t from_s, to_s; /* wall clock of its zone */
    int64_t every_s;      /* it comes again after so long, by the wall clock; 0: once */
    uint64_t times;       /* how often it comes; 0: without end */
    int64_t until_s;      /* no occurrence begins after this instant; INT64_MAX: no end */
};
struct oncall_schedule {
    struct sv name;
    const struct zone *zone;
    struct oncall_layer *layers;
    size_t layer_count;
    struct sv ical; /* file or URL; empty: none */
    struct oncall_event *events;
    size_t event_count;
    unsigned line; /* where it stands in the file */
};

struct oncall_step {
    int64_t after_ns;
    unsigned severities; /* bit per enum severity */
    struct oncall_ref *refs;
    size_t ref_count;
};
struct oncall_policy {
    struct sv name, about;
    struct oncall_step *steps;
    size_t step_count;
    uint32_t repeats;
    int64_t repeat_every_ns;
    bool built_in;
};

struct oncall {
    struct arena arena;
    struct oncall_person *people;
    struct oncall_role *roles;
    struct oncall_schedule *schedules;
    struct oncall_policy
        *policies; /* those of the file first, then the built-in ones that it does not replace */
    size_t person_count, role_count, schedule_count, policy_count;
    const struct oncall_policy *escalate[SEVERITY_P4 + 1]; /* NULL: this priority does not escalate */
};

struct oncall_override {
    uint32_t number; /* 1, 2, … over the life of the data directory */
    struct sv schedule, person, by, note;
    int64_t from_ns, to_ns;
};
struct oncall_overrides {
    struct oncall_override *items; /* in order of number: a later one wins over an earlier one */
    size_t count;
    uint32_t next_number; /* minus one */
};

/* --- override.c: a part of the fold; what changes it are commands in the journal. All zero is empty. */
/*
 * "override" (alert_id: the schedule, to: the person, what: from when, empty for now, until: its end) and
 * "override_remove" (alert_id: the schedule, what: its number). Overrides that ended a year ago are
 * forgotten. Appends the override as JSON. Past ONCALL_OVERRIDES_MAX TC_EBOUND.
 */
bool oncall_is_command(struct sv verb);
int oncall_command(struct oncall_overrides *overrides, const struct oncall *oncall,
                   const struct alert_command *command, struct receive_time now, struct buf *ret_json,
                   struct err *err);
void oncall_overrides_free(struct oncall_overrides *overrides);
void oncall_overrides_save(const struct oncall_overrides *overrides, struct buf *out);
bool oncall_overrides_load(struct oncall_overrides *overrides, struct sv saved);
/* {"number", "schedule", "person", "from", "to", "by", "note"} */
void oncall_override_json(const struct oncall_override *override, struct buf *out);

/* --- oncall_read.c */
/* The text of a calendar; false where it is not to be had (the schedule is then without it). */
typedef bool (*oncall_ical_fn)(void *context, struct sv path_or_url, struct sv *ret);
/* Reads a file; `bytes` empty: the built-in policies only. `ical` NULL: calendars are left out. TC_EINPUT
 * with file, line and column. */
int oncall_read(const char *file, struct sv bytes, oncall_ical_fn ical, void *context, struct oncall **ret,
                struct err *err);
void oncall_free(struct oncall **oncall);
const struct oncall_person *oncall_person(const struct oncall *oncall, struct sv id);
const struct oncall_role *oncall_role(const struct oncall *oncall, struct sv name);
const struct oncall_schedule *oncall_schedule(const struct oncall *oncall, struct sv name);
const struct oncall_policy *oncall_policy(const struct oncall *oncall, struct sv name);
/* The text of the policies that the program has built in, as a file would have it. */
struct sv oncall_built_in(void);

/* --- oncall.c */
struct oncall_shift { /* who is on call from, to; the same person and reason throughout */
    int64_t from_ns, to_ns;
    struct sv person;                       /* id; empty: nobody, a gap */
    struct sv layer;                        /* whose turn it is; "override", "calendar" */
    const struct oncall_override *override; /* NULL: by the rotation */
};
/* `overrides` may be NULL. */
void oncall_who(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                int64_t at_ns, struct oncall_shift *ret);
/* The person alone, without a walk along the shifts around: what the core asks while alerts wait. */
struct sv oncall_now(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                     int64_t at_ns);
/* The shifts that touch [from, to), cut to it; neighbours that say the same are one. `each` returns false to
 * stop. */
typedef bool (*oncall_shift_fn)(void *context, const struct oncall_shift *shift);
void oncall_each_shift(const struct oncall_schedule *schedule, const struct oncall_overrides *overrides,
                       int64_t from_ns, int64_t to_ns, oncall_shift_fn each, void *context);

/* Hours of the week, for whoever else has them. "mon-fri" or "sat", and "09:00" to "24:00" as seconds. */
bool oncall_days_read(struct sv text, unsigned *ret);
bool oncall_time_read(struct sv text, int *ret_s);
bool oncall_hours_hold(const struct oncall_hours *hours, const struct zone *zone, int64_t at_ns);
/* When they begin or end next, after `at_ns`. */
int64_t oncall_hours_edge_ns(const struct oncall_hours *hours, const struct zone *zone, int64_t at_ns);

/* --- oncall_ical.c */
/* Reads VEVENTs: DTSTART and DTEND (UTC, TZID, or dates), SUMMARY (a person's id or name), RRULE of DAILY or
 * WEEKLY with INTERVAL, COUNT, UNTIL. What it cannot read is refused by line. */
int oncall_ical_read(struct oncall *oncall, struct oncall_schedule *schedule, const char *file,
                     struct sv text, struct err *err);
/* The shifts as a calendar (RFC 5545). */
void oncall_ical_write(const struct oncall *oncall, const struct oncall_schedule *schedule,
                       const struct oncall_overrides *overrides, int64_t from_ns, int64_t to_ns,
                       int64_t stamp_ns, struct buf *out);

/* --- escalation.c */
/* When alerts of each severity escalate (alert_options.ladders). */
void oncall_ladders(const struct oncall *oncall, struct alert_ladder ret[SEVERITY_P4 + 1]);
/* The step of that number (1, 2, …, rounds counted on) of a severity's policy; NULL: there is none. */
const struct oncall_step *oncall_step_at(const struct oncall *oncall, enum severity severity,
                                         uint64_t number);

struct oncall_target {
    struct sv channel, person; /* person empty: the channel's own recipients */
    struct sv address;
    struct sv why; /* "role executives", "schedule security" */
};
struct oncall_targets {
    struct oncall_target items[ONCALL_TARGETS_MAX];
    size_t count;
    size_t unmet; /* refs that led to nobody */
};
struct oncall_channel { /* what is known of a channel here */
    struct sv name, type;
};
/* Whom a step tells at an instant; each channel and person once. A role that the file does not have is told
 * by the channels that its `by` names: those have recipients of their own. */
void oncall_resolve(const struct oncall *oncall, const struct oncall_overrides *overrides,
                    const struct oncall_step *step, const struct oncall_channel *channels,
                    size_t channel_count, int64_t at_ns, struct oncall_targets *ret);
/* The person (by id), role or schedule of that name, as a step names it; false: there is none. */
bool oncall_ref_of(const struct oncall *oncall, struct sv name, struct oncall_ref *ret);
/* Where a person is reached by a channel; empty where the person has no such contact. */
struct sv oncall_address(const struct oncall *oncall, struct sv person, struct sv channel);

#endif
