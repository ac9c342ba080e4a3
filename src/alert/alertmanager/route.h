/*
 * Routes: where alerts go, and how they are grouped there (alertmanager/dispatch/route.go).
 */
#ifndef ALERT_ALERTMANAGER_ROUTE_H
#define ALERT_ALERTMANAGER_ROUTE_H

#include "alert/alertmanager/matcher.h"

/* A node of the tree with everything that it inherits already in it (all but time intervals are). */
struct am_route {
    const struct am_route *parent;
    struct am_matchers matchers; /* sorted; none: everything */
    bool continue_matching;
    struct am_route **routes; /* children */
    size_t route_count;
    size_t index;    /* among all routes; children before their parent */
    size_t position; /* among its parent's children */
    unsigned line;

    struct sv receiver;
    const struct sv *group_by; /* sorted */
    size_t group_by_count;
    bool group_by_all;
    int64_t group_wait_ns, group_interval_ns, repeat_interval_ns;
    struct am_labels labels; /* values may be templates */
    const struct sv *mute_intervals, *active_intervals;
    size_t mute_interval_count, active_interval_count;
};

/*
 * All routes that an alert of these labels goes to, depth first: of each level the first that matches, and
 * further ones while those before it say `continue`; a route none of whose children match is itself one.
 * Writes up to `max` of them and returns how many there are.
 */
size_t am_route_match(const struct am_route *root, struct am_labels labels, const struct am_route **routes,
                      size_t max);
/* {}/{team="x"}: not unique where siblings have the same matchers. */
void am_route_key(const struct am_route *route, struct buf *out);
/* The same with positions, unique: {}/{team="x"}/0. */
void am_route_id(const struct am_route *route, struct buf *out);
/* Those of the alert's labels that the route groups by; *ret has room for labels.count. */
size_t am_route_group_labels(const struct am_route *route, struct am_labels labels, struct am_label *ret);
/* {}/{team="x"}:{alertname="y"}, as in webhooks; its SHA-256 is PagerDuty's and Opsgenie's key. */
void am_group_key(const struct am_route *route, struct am_labels group_labels, struct buf *out);

#endif
