/*
 * Talking to a running server over its HTTP API, for verbs that ask it to do something.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/buf.h"
#include "cli/cli.h"

enum { CLIENT_BODY_MAX = 64 << 20 };

/* One request; *ret_status is the HTTP status. `post` NULL: GET. Waits up to 30 s. */
int client_request(const char *url, const char *post, struct buf *body, long *ret_status, struct err *err);
/* CLI_DONE for 2xx; else the server's "error" is printed. */
enum cli_exit client_answer(const struct cli_args *args, long status, struct sv body);

#endif
