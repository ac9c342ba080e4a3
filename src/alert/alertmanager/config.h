/*
 * An alertmanager.yml as Alertmanager 0.34 reads it: the same files are accepted, and refused in the same
 * words. Files that the configuration names (secrets, certificates, templates) are not opened.
 *
 * What is read is immutable; any thread may use it. Bounds: 8 MiB, and those of decode.h.
 */
#ifndef ALERT_ALERTMANAGER_CONFIG_H
#define ALERT_ALERTMANAGER_CONFIG_H

#include "alert/alertmanager/inhibit.h"
#include "alert/alertmanager/route.h"
#include "alert/alertmanager/schema.h"

/* A remark that does not refuse the file. */
struct am_warning {
    struct am_warning *next;
    unsigned line;
    const char *text;
};

/* Its integrations are in `object`, by am_receiver_kinds: am_get(object, "webhook_configs")->items; their
 * fields have taken what they did not say from `global`. */
struct am_receiver {
    struct sv name;
    struct am_labels labels; /* "name" among them */
    const struct am_object *object;
};

struct am_named_interval {
    struct sv name;
    struct am_time_interval *items;
    size_t count;
};

struct am_config {
    struct am_pool pool;
    const struct am_object *root, *global;
    int64_t resolve_timeout_ns;
    struct am_receiver *receivers;
    size_t receiver_count;
    struct am_route *route; /* the root of the tree */
    size_t route_count;     /* of the whole tree */
    struct am_inhibit_rule *inhibit_rules;
    size_t inhibit_rule_count;
    struct am_named_interval *intervals;
    size_t interval_count;
    const struct sv *templates; /* globs as written, relative to the file's folder */
    size_t template_count;
    const struct am_warning *warnings;
};

/* TC_EINPUT with Alertmanager's words (they name lines where Alertmanager does). Free with am_config_free. */
int am_config_read(struct sv yaml, enum am_matcher_mode mode, struct am_config **ret, struct err *err);
void am_config_free(struct am_config *config);

const struct am_receiver *am_config_receiver(const struct am_config *config, struct sv name);
const struct am_named_interval *am_config_interval(const struct am_config *config, struct sv name);

/*
 * May a route tell at that instant? AM_ROUTE_MUTED: one of its mute_time_intervals contains it;
 * AM_ROUTE_INACTIVE: it has active_time_intervals and none does. *ret_interval (may be NULL) is the interval
 * that mutes.
 */
enum am_route_state { AM_ROUTE_ACTIVE, AM_ROUTE_MUTED, AM_ROUTE_INACTIVE };
enum am_route_state am_route_state_at(const struct am_config *config, const struct am_route *route,
                                      int64_t seconds, struct sv *ret_interval);

#endif
