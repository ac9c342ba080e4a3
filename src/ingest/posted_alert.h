/*
 * Alerts that others post, in the shapes that they speak to the services that people leave for us:
 * PagerDuty's Events API v2, Opsgenie's alert API, Alertmanager's webhook (version 4). Each becomes a
 * posted_alert, and that one event, which goes through intake like any other before anything is made of it.
 */
#ifndef INGEST_POSTED_ALERT_H
#define INGEST_POSTED_ALERT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum { TC_POSTED_LABELS_MAX = 64, TC_POSTED_ALERTS_MAX = 1000, TC_POSTED_KEY_BYTES = 512 };
enum posted_action { POSTED_TRIGGER, POSTED_ACKNOWLEDGE, POSTED_RESOLVE };

struct posted_pair {
    struct sv name, value;
};

struct posted_alert { /* texts point into the body, or into the arena */
    enum posted_action action;
    struct sv key; /* by which its sender knows it: what comes again under it is the same alert */
    struct sv title, summary, description;
    struct sv level; /* critical, high, medium, low */
    struct sv time;  /* RFC 3339; empty: now */
    struct sv url, runbook, by;
    struct posted_pair labels[TC_POSTED_LABELS_MAX];
    size_t label_count;
};

/* *ret_token: its routing_key. TC_EINPUT where it is no such event; the text says what is wrong with it. */
int posted_pagerduty(struct sv body, struct arena *arena, struct posted_alert *ret, struct sv *ret_token,
                     struct err *err);
/* POST /v2/alerts; with an action ("close", "acknowledge") POST /v2/alerts/ALIAS/ACTION. TC_ENOTFOUND for
 * another one. */
int posted_opsgenie(struct sv body, struct sv alias, struct sv action, struct arena *arena,
                    struct posted_alert *ret, struct err *err);
/* Up to TC_POSTED_ALERTS_MAX, in `arena`. */
int posted_alertmanager(struct sv body, struct arena *arena, struct posted_alert **ret, size_t *ret_count,
                        struct err *err);

/* Appends it as one JSON object, for intake: event_type "posted_alert", posted.action, posted.title, … */
void posted_event(const struct posted_alert *alert, struct buf *out);

/* By which the alert is known: of its source and its sender's key. */
void posted_identity(struct sv source, struct sv key, uint8_t ret[TC_SHA256_BYTES]);

#endif
