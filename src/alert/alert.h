/*
 * An alert's life: findings become alerts, are counted, told, acknowledged, resolved, closed. The book of
 * alerts is a fold: it changes only by what it is given in journal order (findings, commands, ticks), reads
 * no clock, and answers with decisions that app/ writes to the journal before anything is sent.
 *
 * Identity: id = 128-bit hash of (rule id, the rule's severity, entity labels) and the episode's start (32
 * hex digits). What a finding raises above the rule's severity (D-13) is an attribute of the alert: it never
 * falls. While an alert is open, a finding of the same rule, entity and severity within `dedup_ns` of its
 * first occurrence (D-05, X-27) raises its count; the first notification is at once, then when the count
 * reaches 10, 50, 100 (D-06). States: lifecycle.c has the table; illegal moves are refused with the reason.
 * What happens to findings after the end of their alert: see book.c.
 *
 * One thread at a time. All texts that an alert bears are valid UTF-8 and bounded (labels, titles, actions
 * 1 KiB, message 2 KiB, description and notes 4 KiB, 16 entity labels, 1,000 lines of history).
 */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "event/finding.h"

enum {
    TC_ALERTS_MAX = 100 * 1000,             /* in memory, open and lately ended */
    ALERT_FLAPS_MAX = 32,                   /* begins that are remembered, of each */
    ALERT_WAIT_MAX = RULE_NOTIFY_COUNT_MAX, /* occurrences that may be waited for */
};

enum alert_state { /* saved as numbers: append, never reorder */
                   ALERT_FIRING,
                   ALERT_ACKNOWLEDGED,
                   ALERT_RESOLVED,
                   ALERT_CLOSED,
                   ALERT_PENDING, /* the user that it is about was asked, and the answer is awaited (D-16) */
                   ALERT_SNOOZED, /* put off by a person until a time; then back to where it was */
                   ALERT_STATES,
};
const char *alert_state_name(enum alert_state state);
bool alert_state_of(struct sv word, enum alert_state *ret);

struct alert_label {
    struct sv name, value;
};

struct alert_event { /* one line of history */
    int64_t time_ns; /* receive time of the record */
    struct sv
        what; /* created, count (a step was passed), acknowledged, snoozed, …: see book_save.c's words */
    struct sv by; /* person, or "tocsin" */
    struct sv note;
};

/* A follow-up (D-17): reminded of once when it is due, also after the alert's end. */
struct alert_task {
    uint32_t number;                      /* 1, 2, … of its alert */
    struct sv what;                       /* "monitor_24h", or a person's own words */
    struct sv owner, by;                  /* who is to do it (may be empty), who asked for it */
    int64_t due_ns, reminded_ns, done_ns; /* TC_NO_TIME: not yet */
    struct sv done_by;
};

/* What people did about an alert beside its state; made when the first of it happens. The five steps of a
 * response (D-15) are acknowledged_ns, assessed_ns, responded_ns, ended_ns and documented_ns. */
struct alert_life {
    struct sv assigned;                               /* to whom */
    int64_t assessed_ns, responded_ns, documented_ns; /* when it was first done; TC_NO_TIME: not yet */
    struct sv assessed_by, responded_by, documented_by;
    struct sv impact, urgency; /* of the latest assessment: low, medium, high, critical */
    struct sv document;        /* what was written down, or where */
    int64_t breached_ns;       /* not acknowledged in time: since then */
    int64_t overdue_ns;        /* open for longer than it should be: since then */
    int64_t snoozed_until_ns;  /* while snoozed */
    enum alert_state snoozed_from;
    struct sv asked; /* whom the newest question went to (D-16) */
    uint32_t asks;   /* how many questions there were: the number of the newest */
    int64_t answer_due_ns;
    struct alert_task *tasks;
    size_t task_count;
};

/* It began and ended again and again (book_flap.c). */
struct alert_flap {
    int64_t since_ns;  /* when that was told */
    int64_t over_ns;   /* it has ended since then, and may begin again; TC_NO_TIME: it fires */
    int64_t stable_ns; /* when it is stable, if it stays as it is */
    uint64_t times;    /* how often it began: those that made it flap, and all since */
};

/* Nobody was told of it yet: it waits for further occurrences (book_wait.c). */
struct alert_wait {
    uint32_t needed, come; /* 2 to ALERT_WAIT_MAX; fewer than that */
    int64_t within_ns;
};

struct alert {
    char id[33];
    char fingerprint[17];     /* Alertmanager's: FNV-1a 64 over sorted labels */
    struct sv rule_id, title; /* title = alertname */
    enum severity severity;
    enum alert_state state;
    struct sv disposition; /* true_positive, false_positive, benign; empty while open */
    struct sv message;     /* title, group and what was seen, for people */
    struct sv description, owner, secondary_owner, runbook;
    const struct sv *actions;
    size_t action_count;
    const struct sv *tags; /* the rule's */
    size_t tag_count;
    const struct alert_label *labels; /* sorted: alertname, severity, rule_id, and the entity's */
    size_t label_count;
    uint64_t count;            /* occurrences, the first is 1 */
    int64_t first_ns, last_ns; /* event time of first and last occurrence */
    int64_t acknowledged_ns;   /* TC_NO_TIME */
    struct sv acknowledged_by;
    int64_t ended_ns; /* resolved, or closed while open (closing later does not move it); TC_NO_TIME: open */
    struct sv ended_by;                /* as ended_ns; who closed it later stands in history */
    struct sv note;                    /* the latest that a command brought */
    uint64_t last_position;            /* of the record that changed it last */
    uint32_t silenced;                 /* the number of the silence that hides it; 0: none */
    uint32_t escalation_step;          /* steps that were told */
    int64_t escalation_next_ns;        /* when the next is due; TC_NO_TIME: none, or it pauses */
    const struct alert_flap *flapping; /* NULL: it does not */
    const struct alert_wait *waiting;  /* NULL: it does not */
    const struct alert_life *life;     /* NULL: nobody did any of it yet */
    const struct alert_event *history;
    size_t history_count;
};

enum decision_kind {
    DECIDE_ALERT,  /* the alert is new, changed state, or passed a count step that is told: a snapshot for the
                      projection. Counts between steps are no decision: see book_each_changed */
    DECIDE_INTENT, /* a notification is to be sent */
    DECIDE_REFUSED, /* a command that could not be done; goes back to who asked, is kept in history of
                       commands only */
};
enum notify_reason { /* resolved: also closed while open; test, digest, incident: about no alert of the book
                      */
                     NOTIFY_NEW,
                     NOTIFY_COUNT_STEP,
                     NOTIFY_SEVERITY_RAISED,
                     NOTIFY_RESOLVED,
                     NOTIFY_ACKNOWLEDGED,
                     NOTIFY_TEST,
                     NOTIFY_DIGEST,
                     NOTIFY_ESCALATED,
                     NOTIFY_QUESTION, /* to the user that it is about: was that you? */
                     NOTIFY_TASK_DUE,
                     NOTIFY_REMINDER, /* it fires still, and what kept it quiet (snooze, silence) has ended */
                     NOTIFY_FLAPPING, /* in place of new: it began and ended again and again */
                     NOTIFY_OVERDUE,  /* it is open for longer than it should be: to its owners, too */
                     NOTIFY_INCIDENT, /* about an incident, in place of an alert */
};
const char *notify_reason_name(enum notify_reason reason);

struct decision {
    enum decision_kind kind;
    uint64_t position;         /* of the record that caused it */
    const struct alert *alert; /* state after it; lent until the next call of the book */
    struct sv what, by;        /* created, acknowledged, resolved, closed, count, severity */
    enum notify_reason reason; /* DECIDE_INTENT */
    uint64_t step;  /* DECIDE_INTENT: the count step, the step of the escalation, the task's number, … */
    int64_t now_ns; /* DECIDE_INTENT: receive time of the record that caused it */
    char key[65];   /* DECIDE_INTENT: idempotency key "<id>-new", "<id>-50", "<id>-escalated-2": id and step;
                       the same on every repeat, another for each notification */
    bool quiet;     /* nobody was told of this alert: its end is no news */
    enum severity
        severity;       /* by which it is routed: the alert's, or a higher one that was told before it fell */
    struct err refused; /* DECIDE_REFUSED */
};
struct decision_list {
    struct arena *arena;
    struct decision *items;
    size_t count, capacity;
};

/* When an alert of a severity escalates, after it began to fire and nobody acknowledged; escalation.h makes
 * them of policies. */
enum { ALERT_LADDER_MAX = 32 };
struct alert_ladder {
    int64_t after_ns[ALERT_LADDER_MAX]; /* rising */
    size_t count;                       /* 0: this severity does not escalate */
    uint32_t repeats;                   /* how often the whole ladder is gone through again */
    int64_t repeat_every_ns;            /* from one round's begin to the next's */
};

struct alert_options {
    int64_t dedup_ns;            /* 0 = 1 h, from the first occurrence */
    const uint64_t *count_steps; /* ascending, ends with 0; NULL = 10, 50, 100 */
    int64_t
        resolve_after_ns; /* an alert without occurrences for so long resolves itself on a tick; 0 = 24 h */
    int64_t acknowledge_within_ns; /* goal for P1 and P2; past it the breach is noted; 0: no goal */
    int64_t overdue_after_ns[SEVERITY_P4 + 1]; /* how long an alert of a severity may be open; 0: any time */
    int64_t answer_within_ns;                  /* of the user that was asked; 0 = 24 h */
    bool silence_is_no_objection; /* no answer in time: back to firing as it was; false: raised, as by "no" */
    enum severity raise_to;       /* by a "no"; SEVERITY_NONE = P1 */
    int zone_offset_s;            /* east of UTC: when a business day begins */
    uint32_t notify_count; /* occurrences within notify_within_ns before anybody is told, ALERT_WAIT_MAX at
                              most; 0, 1: told at once. A rule's own comes first. */
    int64_t notify_within_ns;
    uint32_t flap_count; /* begins of one merge key that make it flap (Y-03), ALERT_FLAPS_MAX at most; 0: off
                          */
    int64_t flap_within_ns, flap_stable_ns; /* begins within this; until nothing changed for that */
    struct alert_ladder ladders[SEVERITY_P4 + 1];
    int64_t forget_after_ns; /* ended alerts leave memory after; 0 = 48 h (they stay in the projection) */
    size_t max_open; /* alerts in memory; 0 = 100,000; beyond, those that ended first go first, then new ones
                        share an overflow alert per rule and severity */
};

/* What a person asks for; book_command.c lists the verbs, docs/alerts.md tells what each takes. */
struct alert_command {
    struct sv verb;
    struct sv alert_id; /* full id, or an unambiguous prefix of 6 or more digits */
    struct sv by, note, disposition;
    struct sv to;    /* a person or an address */
    struct sv until; /* a time (RFC 3339), or a duration from the record's receive time ("4h") */
    struct sv what;  /* a task, an answer, … */
    struct sv impact, urgency;
    struct sv every;                     /* of a silence: when it recurs */
    struct sv from, class, source, text; /* of a hold of retention: which records, beside `until` */
};
/* Its members by the names that they have in JSON, for whoever carries a command on; ends with name NULL. */
extern const struct alert_command_member {
    const char *name;
    size_t offset; /* of a struct sv */
} alert_command_members[];
static inline struct sv *alert_command_at(const struct alert_command *command,
                                          const struct alert_command_member *member)
{
    return (struct sv *)(uintptr_t)((const char *)command + member->offset);
}

/* A change of the state of an alert whose rule says itself when it ends: a rule on metrics. */
struct alert_change {
    bool firing;                       /* else it ended */
    uint8_t identity[TC_SHA256_BYTES]; /* of the alert's whole label set: what it is merged by */
    const struct finding *finding;     /* of an end only position and received are read */
};

struct book;
struct book *book_new(const struct alert_options *options);
void book_free(struct book **book);
/* The alert that it was counted in, lent until the next call of the book; NULL: it says that one is over. */
const struct alert *book_finding(struct book *book, const struct finding *finding, struct decision_list *out);
/*
 * Such an alert is open until its rule ends it: neither the window of repeats nor quiet does. While its rule
 * says that it fires, further changes are its severity only: a raise above all that was told is told, also
 * where it is acknowledged; a fall is not. What a person ended stays ended until the rule has ended it, too,
 * and begins anew.
 */
void book_change(struct book *book, const struct alert_change *change, struct decision_list *out);
/* Calls `each` for every alert of which its rule says that it fires, open or ended by a person. */
typedef void (*book_firing_fn)(void *context, const uint8_t identity[TC_SHA256_BYTES],
                               const struct alert *alert);
void book_each_firing(const struct book *book, book_firing_fn each, void *context);
void book_command(struct book *book, uint64_t position, struct receive_time now,
                  const struct alert_command *command, struct decision_list *out);
void book_tick(struct book *book, uint64_t position, struct receive_time now, struct decision_list *out);
/* No tick before this time does anything; INT64_MAX: none ever. */
int64_t book_due_ns(const struct book *book);
/*
 * "silence" (what: matchers as Alertmanager has them, until, every, disposition "until_resolved", note: why)
 * and "unsilence" (alert_id: the silence's number); silence.h has the rules. Appends the silence as JSON.
 */
bool silence_is_command(struct sv verb);
int silence_command(struct book *book, uint64_t position, struct receive_time now,
                    const struct alert_command *command, struct buf *ret_json, struct decision_list *out,
                    struct err *err);
size_t book_silence_count(const struct book *book);
void silence_list_json(const struct book *book, int64_t now_ns, struct buf *out); /* a JSON array */

/* Another policy came into force: of alerts whose ladder is another than in `before`, the steps that would
 * have been due by now are passed over, so that a new policy does not page for what is old. */
void book_pass_steps(struct book *book, const struct book *before, int64_t now_ns);
/* How many steps of escalation stand past their time by a minute and more, and the worst of them: what an
 * auditor asks before a tick. They are told by that tick, late. */
size_t book_overdue(const struct book *book, int64_t now_ns, int64_t *ret_late_ns);
/* By its id or six digits of it and more; one that came as a state (C-112) also by the 64 digits of its
 * identity. */
const struct alert *book_find(const struct book *book, struct sv id_or_prefix, struct err *err);
size_t book_count(const struct book *book); /* all in memory, open and lately ended */
/* In order of (first_ns, id). Valid until the book changes. */
const struct alert *book_at(const struct book *book, size_t at);
/* Calls `each` for every alert that changed since the last call (all: for every alert in memory), in order of
 * (first_ns, id). After a load, every alert has changed. */
typedef void (*book_alert_fn)(void *context, const struct alert *alert);
void book_each_changed(struct book *book, bool all, book_alert_fn each, void *context);
/* Appends; equal books give equal bytes. Check out->overflow (an alert takes about 1 KiB). Options are not
 * saved: a book that loads keeps its own. */
void book_save(const struct book *book, struct buf *out);
/* Replaces the contents. TC_ECORRUPT, TC_EUNSUPPORTED (another version); the book is untouched then. */
int book_load(struct book *book, struct sv saved, struct err *err);

/*
 * The alert as JSON, the one shape for the API, for decision records and for `alerts show`; and back (texts
 * in `arena`). Flat, every key always there: id, fingerprint, rule_id, title, severity ("P1"), state,
 * disposition, message, count, first_seen, last_seen, acknowledged_at, acknowledged_by, ended_at, ended_by,
 * note, description, owner, secondary_owner, runbook, actions [], tags [], labels {}, position, silenced_by,
 * flapping {since, times, over_since, stable_at}, notify_after {count, within_seconds, come}, escalation
 * {told, next_at}, assigned, response {…}, snoozed_until, question {to, number, answer_by}, tasks
 * [{number, what, owner, by, due, reminded_at, done_at, done_by}], history [{time, what, by, note}]. Times
 * are RFC 3339 or null.
 */
void alert_to_json(const struct alert *alert, struct buf *out);
int alert_from_json(struct sv json, struct arena *arena, struct alert *ret, struct err *err);
/* A post-mortem to go on from; texts are escaped. */
void alert_to_markdown(const struct alert *alert, struct buf *out);
/* Its history as a Markdown list. */
void alert_timeline_markdown(const struct alert *alert, struct buf *out);
/* Text as one line that Markdown and HTML take for text. */
void markdown_text(struct sv text, struct buf *out);
/* One element of GET /api/v2/alerts (Alertmanager's openapi: gettableAlert). `receivers` are names of
 * channels. */
void alert_to_alertmanager_json(const struct alert *alert, const struct sv *receivers, size_t receiver_count,
                                const char *external_url, struct buf *out);

#endif
