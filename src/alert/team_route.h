/*
 * Which alerts are a team's (ledger E-09, X-18, D-18): by tags of their rules, by labels, by owner. Immutable
 * once made; any thread.
 */
#ifndef ALERT_TEAM_ROUTE_H
#define ALERT_TEAM_ROUTE_H

#include "alert/alert.h"
#include "alert/alertmanager/matcher.h"

struct team_route {
    struct am_matchers matchers; /* over labels and `owner`; none: any */
    const struct sv *tags;       /* one of the rule's must be among them; "attack.*" is all that begin so */
    size_t tag_count;            /* 0: any */
};

/* The rule's owner counts as a label where the alert has no label of that name. */
bool team_route_fits(const struct team_route *route, const struct alert *alert);

#endif
