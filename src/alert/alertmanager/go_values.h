/*
 * Values as Go's libraries read them, refused in the same words: URLs (https://pkg.go.dev/net/url, as far as
 * verdicts on a configuration need: is it one, and what are scheme and host), addresses, durations.
 */
#ifndef ALERT_ALERTMANAGER_GO_VALUES_H
#define ALERT_ALERTMANAGER_GO_VALUES_H

#include "base/err.h"
#include "base/sv.h"

struct go_url {
    struct sv scheme, host; /* views into the text, as written; host with its port */
};

/*
 * url.Parse. TC_EINPUT with Go's words: `parse "text": problem`. `secret`: neither the text nor a part of it
 * is in the error.
 */
int go_url_parse(struct sv text, bool secret, struct go_url *ret, struct err *err);
/* Also http or https, and with a host, as Alertmanager wants its URLs. */
int go_http_url_parse(struct sv text, bool secret, struct err *err);
/* "host:port", "[::1]:port"; the port must not be empty. */
int go_host_port_parse(struct sv text, struct err *err);
/* "1h15m30.918s", "-5ms", "0"; TC_EINPUT with Go's words. */
int go_duration_parse(struct sv text, int64_t *ret_ns, struct err *err);
/* Prometheus' model.ParseDuration: "1h30m", "0"; not negative. TC_EINPUT with its words. */
int prometheus_duration_parse(struct sv text, int64_t *ret_ns, struct err *err);

#endif
