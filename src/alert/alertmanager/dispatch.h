/*
 * Alertmanager's notification pipeline as a state machine: alerts and the time go in, notifications come out.
 *
 * Alerts are grouped by their routes; a group tells after group_wait, looks again every group_interval, and
 * repeats itself after repeat_interval. What a receiver was last told is kept for each integration, so that
 * it is told again only when something changed. Inhibition, time intervals and silences hold alerts back;
 * what was held back and still fires is told when nothing holds it any more. One rule differs from
 * Alertmanager's: that an alert ended is told through silences, mutes and inhibition to whom was told that it
 * fires, so that no incident stays open.
 *
 * Time is an argument, nothing is read or sent here, and the same calls give the same notifications. One
 * thread. Bounds: 100,000 alerts, as many groups, 1,000,000 kept notifications. The state is in memory; who
 * wants to keep the notification log is told of its entries.
 */
#ifndef ALERT_ALERTMANAGER_DISPATCH_H
#define ALERT_ALERTMANAGER_DISPATCH_H

#include "alert/alertmanager/config.h"

struct am_alert {
    struct am_labels labels; /* sorted, none of them empty */
    struct am_labels annotations;
    struct sv generator_url;
    int64_t starts_at_ns; /* 0: now */
    int64_t ends_at_ns;   /* 0: now + resolve_timeout, unless it is heard of again */
};

struct am_silence {
    struct sv id;
    struct am_matchers matchers;
    int64_t starts_at_ns, ends_at_ns; /* the end is the first instant that is out */
};

/* Why a notification is due; am_reason_text has Alertmanager's words. */
enum am_reason {
    AM_REASON_NONE,
    AM_REASON_FIRST,
    AM_REASON_NEW_ALERTS,
    AM_REASON_SOME_RESOLVED,
    AM_REASON_ALL_RESOLVED,
    AM_REASON_REPEAT,
};
const char *am_reason_text(enum am_reason reason);

struct am_told_alert {
    const struct am_alert *alert;
    bool firing;
};

/* Lent for the time of the call. */
struct am_notification {
    const struct am_route *route;
    const struct am_receiver *receiver;
    const struct am_receiver_kind *kind; /* "webhook", ... */
    size_t index;                        /* among the receiver's integrations of that kind */
    const struct am_object *integration; /* its settings */
    struct sv group_key;
    struct am_labels group_labels;
    enum am_reason reason;
    int64_t at_ns;
    const struct am_told_alert *alerts; /* in Alertmanager's order: by job, instance, then all labels */
    size_t count;
    size_t firing_count;
    struct sv remembered;     /* what was given to am_dispatch_told since the group's first notification */
    struct sv name, group_id; /* for am_dispatch_told */
    /* 32 hexadecimal digits: the same for the same news after the same notification, so that who is told once
     * more because a receipt was lost with the power can see that it is the same. */
    struct sv key;
    bool *later; /* set: it is on its way, and am_dispatch_told says how it ended */
    bool *busy;  /* set, with false: nobody can be told now; all is offered again in 0.1 s */
};

/* True: it is taken care of (kept durably, say). False: it is offered again at the group's next look. */
typedef bool am_tell_fn(void *context, const struct am_notification *notification);

struct am_dispatch;
struct am_dispatch *am_dispatch_new(void);
void am_dispatch_free(struct am_dispatch *dispatch);

/*
 * Takes a configuration, lent until the next one or the end. Groups whose route is still there (by
 * am_route_id) with the same group labels keep their timers; what receivers were told is kept by receiver and
 * group key.
 */
int am_dispatch_configure(struct am_dispatch *dispatch, const struct am_config *config, int64_t now_ns,
                          struct err *err);

/*
 * Alertmanager's way with a reload: groups are made anew, so that what has waited long enough is looked at at
 * once, and every group_interval counts from the reload. What was told is kept all the same.
 */
void am_dispatch_restart_timers(struct am_dispatch *dispatch, bool restart);

/* At most so many alerts of one alertname at once (0: any number); an alert that has ended counts until its
 * end was told. What is beyond is refused by am_dispatch_alert (TC_EAGAIN). */
void am_dispatch_limit(struct am_dispatch *dispatch, size_t per_name);

/* No new group is looked at before that time. */
void am_dispatch_hold(struct am_dispatch *dispatch, int64_t until_ns);

/* An alert came in, for the first time or again; copied. TC_EBOUND past a bound, TC_EAGAIN past
 * am_dispatch_limit. Run what is due before. */
int am_dispatch_alert(struct am_dispatch *dispatch, const struct am_alert *alert, int64_t now_ns,
                      struct err *err);

/* When am_dispatch_run has something to do next; INT64_MAX: never, as things stand. */
int64_t am_dispatch_next_ns(const struct am_dispatch *dispatch);
/* Looks at every group that is due by now, in the order in which they are due. */
void am_dispatch_run(struct am_dispatch *dispatch, int64_t now_ns, const struct am_silence *silences,
                     size_t silence_count, am_tell_fn *tell, void *context);

/*
 * What had been on its way has ended; `name` and `group_id` are the notification's. Told: it counts as such,
 * as of the time at which it was due. Not told: it is offered again at the group's next look. Until then the
 * group is not looked at. `remember` (a copy is kept; empty: what was remembered stays) is lent to the
 * group's next notification to the same integration, until the group begins anew.
 */
void am_dispatch_told(struct am_dispatch *dispatch, struct sv name, struct sv group_id, bool told,
                      struct sv remember);

/* The notification log, for who keeps it: `kept` hears of each new entry (bytes are ours); load gives one
 * back (false: no such bytes), and it holds until expires_ns where its group is not seen before. */
typedef void am_told_fn(void *context, struct sv name, struct sv entry);
void am_dispatch_on_told(struct am_dispatch *dispatch, am_told_fn *kept, void *context);
void am_dispatch_each_told(const struct am_dispatch *dispatch, am_told_fn *each, void *context);
bool am_dispatch_load_told(struct am_dispatch *dispatch, struct sv name, struct sv entry, int64_t expires_ns);

/* Walks, *at starting with 0; what is returned lies in the arena and is good until the next call that changes
 * something. */
struct am_stored_alert {
    const struct am_alert *alert;
    int64_t updated_ns;
};
bool am_dispatch_next_alert(const struct am_dispatch *dispatch, size_t *at, struct arena *arena,
                            struct am_stored_alert *ret);
struct am_group_view {
    const struct am_route *route;
    struct am_labels labels;
    struct sv key;
    const void *members;
    size_t count;
};
bool am_dispatch_next_group(const struct am_dispatch *dispatch, size_t *at, struct am_group_view *ret);
struct am_stored_alert am_group_alert(const struct am_dispatch *dispatch, const struct am_group_view *group,
                                      size_t index, struct arena *arena);
/* Prometheus' fingerprint of a label set, 16 hexadecimal digits. */
void am_fingerprint(struct am_labels labels, char ret[17]);
/* The labels of all alerts that fire and are a source of some inhibition rule, in the arena. */
struct am_labels *am_dispatch_sources(const struct am_dispatch *dispatch, int64_t now_ns, struct arena *arena,
                                      size_t *ret_count);

size_t am_dispatch_alert_count(const struct am_dispatch *dispatch);
size_t am_dispatch_group_count(const struct am_dispatch *dispatch);

#endif
