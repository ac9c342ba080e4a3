/*
 * How verbs talk to a running server: one HTTP request at a time, its body whole in memory (64 MiB at most).
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"

enum { CLIENT_BODY_MAX = 64 << 20 };

/* *ret_status is the HTTP status. `post` NULL: GET. TC_EIO where there is no answer. */
int client_request(const char *url, const char *post, struct buf *body, long *ret_status, struct err *err);
/* Says what a status other than 2xx means; the exit code. */
enum cli_exit client_exit(const struct cli_args *args, long status, struct sv body);
/* Members of a JSON array of objects, one after another; *rest starts as the whole. */
bool client_member(struct sv *rest, struct sv *ret);

/* An alert's deliveries (GET /v1/alerts/ID/deliveries) for people, a line each. */
void deliveries_out(struct sv json, struct buf *out);

#endif
