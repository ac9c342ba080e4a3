/*
 * One request to a running server, for the verbs that talk to it.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

enum { TC_CLIENT_RESPONSE_MAX = 64 << 20 };

/* `post` NULL: GET, else a JSON body. `bearer` NULL: no token. *ret_status is the HTTP status. TC_EIO where
 * the server cannot be reached. */
int client_request(const char *url, const char *post, const char *bearer, struct buf *body, long *ret_status,
                   struct err *err);
struct cli_args;
/* What the server's refusal means for the exit code; prints its sentence. */
int client_code(const struct cli_args *args, long status, struct sv body);

#endif
