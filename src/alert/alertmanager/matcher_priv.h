/*
 * The two syntaxes of matchers, each by itself; see matcher.h. Both append to *ret, whose array has room for
 * AM_MATCHERS_MAX.
 */
#ifndef ALERT_ALERTMANAGER_MATCHER_PRIV_H
#define ALERT_ALERTMANAGER_MATCHER_PRIV_H

#include "alert/alertmanager/matcher.h"

enum { AM_MATCHERS_MAX = 1000, AM_MATCHERS_MAX_BYTES = 65536 };

int am_classic_matchers(struct am_pool *pool, struct sv input, struct am_matchers *ret, struct err *err);
int am_classic_matcher(struct am_pool *pool, struct sv input, struct am_matcher *ret, struct err *err);
int am_utf8_matchers(struct am_pool *pool, struct sv input, struct am_matchers *ret, struct err *err);
/* Makes room for one more in *matchers; TC_EBOUND past AM_MATCHERS_MAX. */
int am_matchers_add(struct am_pool *pool, struct am_matchers *matchers, struct am_matcher matcher,
                    struct err *err);
/* unicode.IsSpace. */
bool am_is_space(uint32_t rune);

#endif
