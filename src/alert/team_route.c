/*
 * Does an alert belong to a team? See team_route.h.
 */
#include "alert/team_route.h"

#include "alert/alert_priv.h"

static bool tag_fits(struct sv wanted, struct sv tag)
{
    bool begins = wanted.n > 0 && wanted.p[wanted.n - 1] == '*';
    return begins ? sv_starts(tag, sv_head(wanted, wanted.n - 1)) : sv_eq(tag, wanted);
}

static bool tags_fit(const struct team_route *route, const struct alert *alert)
{
    for (size_t i = 0; i < route->tag_count; i++)
        for (size_t k = 0; k < alert->tag_count; k++)
            if (tag_fits(route->tags[i], alert->tags[k]))
                return true;
    return route->tag_count == 0;
}

static bool labels_fit(const struct team_route *route, const struct alert *alert)
{
    struct am_label labels[ALERT_LABELS_MAX + 1];
    size_t count = TC_MIN(alert->label_count, (size_t)ALERT_LABELS_MAX);
    labels[0] = (struct am_label){SV("owner"), alert->owner};
    for (size_t i = 0; i < count; i++)
        labels[i + 1] = (struct am_label){alert->labels[i].name, alert->labels[i].value};
    count = am_labels_sort(labels, count + 1); /* of two of a name the last stays: the alert's own */
    return am_matchers_match(route->matchers, (struct am_labels){labels, count});
}

bool team_route_fits(const struct team_route *route, const struct alert *alert)
{
    return tags_fit(route, alert) && labels_fit(route, alert);
}
