/*
 * Inhibition: an alert that fires keeps others from being told (alertmanager/inhibit).
 */
#ifndef ALERT_ALERTMANAGER_INHIBIT_H
#define ALERT_ALERTMANAGER_INHIBIT_H

#include "alert/alertmanager/matcher.h"

struct am_inhibit_rule {
    struct sv name; /* may be empty */
    struct am_matchers source, target;
    const struct sv *equal;
    size_t equal_count;
};

/*
 * Is an alert with the labels `target` kept quiet by one of `sources`, the labels of alerts that fire? A rule
 * applies where target and source match its two sides and all labels in `equal` have the same value in both
 * (absent is empty). A target that matches the source side, too, is not inhibited by sources that match the
 * target side: so an alert does not inhibit itself. *ret_rule and *ret_source (may be NULL) say which.
 */
bool am_inhibited(const struct am_inhibit_rule *rules, size_t rule_count, struct am_labels target,
                  const struct am_labels *sources, size_t source_count, size_t *ret_rule, size_t *ret_source);

#endif
