/*
 * What channels read from an intent (the outbox row's payload), and the small art of putting strangers' text
 * into a message.
 *
 *   {"key": …, "reason": "new"|"count_step"|…, "count": N, "alert": {"id", "title", "severity", "message",
 *    "labels": {…}, "first_seen", "last_seen", …}}
 */
#ifndef NOTIFY_PAYLOAD_H
#define NOTIFY_PAYLOAD_H

#include "event/event.h"
#include "event/severity.h"

#include "base/buf.h"

struct payload { /* texts point into the JSON it was read from, or into the arena */
    struct arena arena;
    struct event fields;
    struct sv reason, id, title, message;
    struct sv prefix; /* what the headline begins with; empty: the reason says it */
    struct sv answer; /* of a question to a user: the token of its link (question.h); else empty */
    struct sv state, description, owner, secondary_owner, runbook,
        fingerprint;        /* empty where the alert has none */
    struct sv by;           /* who acknowledged or ended it; else empty */
    struct sv first, ended; /* RFC 3339 or empty */
    struct sv time;         /* RFC 3339, of the occurrence that this is about: the same on every repeat */
    struct sv alert;        /* its JSON */
    enum severity severity;
    uint64_t count;
};

/* TC_EINPUT where `json` is not an intent with an alert that has an id. payload_free in any case. */
int payload_read(struct sv json, struct payload *ret, struct err *err);
void payload_free(struct payload *payload);
/* D-06: " (10 occurrences)" where the notification is a count step, else nothing. */
void payload_occurrences(const struct payload *payload, struct buf *out);
/* The alert's labels in their order: 1 with the next one, 0 at the end. *at starts with 0. */
int payload_label(const struct payload *payload, uint32_t *at, struct sv *ret_name, struct sv *ret_value);

/* The actions, in their order: 1 with the next one, 0 at the end. *at starts with 0. */
int payload_action(const struct payload *payload, uint32_t *at, struct sv *ret);
/* All of them, numbered, a line each; nothing where there is none. */
void payload_steps(const struct payload *payload, struct buf *out);
/* The alert has ended, and this is to tell so. */
bool payload_is_over(const struct payload *payload);
/* It is about an alert that people can still act on: buttons and digits make sense. */
bool payload_is_answered(const struct payload *payload);
/* One line for subjects and summaries: what it is about, after a word where it is no alarm ("Resolved: …"),
 * before the occurrences where they are what is told. Not cleaned of control characters. */
void payload_headline(const struct payload *payload, struct buf *out);
/* Where people look at it: CONSOLE/alerts/ID. */
void payload_url(const struct payload *payload, const char *console_url, struct buf *out);

/* At most max_bytes, cut between code points. */
struct sv payload_cut(struct sv text, size_t max_bytes);
/* Appends `text` for one line of a terminal: no control characters, no overrides of writing direction, valid
 * UTF-8. */
void payload_plain(struct sv text, struct buf *out);

#endif
