/*
 * Silences of the book (ledger Y-02): alerts that match are not told, and their escalation pauses, for a
 * time, until they are resolved, or week by week at certain hours. A part of the fold: commands make and end
 * them, ticks see to their times.
 *
 * A silence needs a comment and matchers that say something: one that would match every alert is refused, as
 * is one that would hide more open alerts at once than the limit. What fires still when its silence ends is
 * told then. An end is told to whoever was told of the alert, silence or not. Bounds: 1,000 silences of 30
 * days (a year, where they recur); those that ended a week ago are forgotten.
 */
#ifndef ALERT_SILENCE_H
#define ALERT_SILENCE_H

#include "alert/alert.h"
#include "alert/alertmanager/matcher.h"
#include "alert/oncall/oncall.h"

enum { SILENCES_MAX = 1000, SILENCE_HIDES_MAX = 100 };

struct silence {
    uint32_t number; /* 1, 2, … over the life of the data directory */
    struct sv matchers_text, every_text, comment, by;
    struct am_pool pool;
    struct am_matchers matchers;
    bool recurs;
    struct oncall_hours hours; /* where it recurs */
    const struct zone *zone;
    int64_t from_ns, to_ns; /* ended early: to_ns is when */
    bool until_resolved;    /* it ends with the last alert that it hides, at to_ns at the latest */
    bool has_hidden;
};
struct silences { /* all zero is empty */
    struct silence **items;
    size_t count;
    uint32_t next_number; /* minus one */
};
void silences_free(struct silences *silences);
/* Makes one of a command (what: matchers; until; every; disposition: "until_resolved"; note). *ret is not in
 * the list yet. */
int silence_make(const struct alert_command *command, int64_t now_ns, struct silence **ret, struct err *err);
void silence_free(struct silence **silence);
void silences_add(struct silences *silences, struct silence *silence);
struct silence *silences_find(const struct silences *silences, uint64_t number);
/* Forgets those that ended before. */
void silences_forget(struct silences *silences, int64_t ended_before_ns);

bool silence_active(const struct silence *silence, int64_t now_ns);
bool silence_matches(const struct silence *silence, const struct alert *alert);
/* The number of the oldest active one that matches; 0: none. */
uint32_t silences_hide(const struct silences *silences, const struct alert *alert, int64_t now_ns);
/* When the next of them begins or ends, after `now_ns`; INT64_MAX: never. */
int64_t silences_edge_ns(const struct silences *silences, int64_t now_ns);

/* {"number", "matchers", "from", "to", "every", "until_resolved", "comment", "by", "state"} */
void silence_to_json(const struct silence *silence, int64_t now_ns, struct buf *out);
void silences_save(const struct silences *silences, struct buf *out);
bool silences_load(struct silences *silences, struct reader *reader);

#endif
