/*
 * Parts of the configuration's reading, for this folder.
 */
#ifndef ALERT_ALERTMANAGER_CONFIG_PRIV_H
#define ALERT_ALERTMANAGER_CONFIG_PRIV_H

#include "alert/alertmanager/config.h"
#include "alert/alertmanager/decode.h"

/* What can be said only of the whole: defaults from global, names that must be there. */
int am_config_check(const struct am_decoder *decoder, struct am_object *config, struct err *err);
/* `before` "name" `after`, the name in quotes as Go writes it. */
int am_refuse_name(struct err *err, const char *before, struct sv name, const char *after);
/* The tree of routes with what each inherits; *ret_count counts them. */
int am_route_build(struct am_pool *pool, const struct am_object *object, struct am_route **ret,
                   size_t *ret_count, struct err *err);
int am_inhibit_build(struct am_pool *pool, const struct am_object *object, struct am_inhibit_rule *ret,
                     struct err *err);
/* The older `match` and `match_re`, and `matchers`, one after the other, not sorted. */
int am_collect_matchers(struct am_pool *pool, const struct am_object *object, const char *match,
                        const char *match_re, const char *matchers, struct am_matchers *ret, struct err *err);

#endif
