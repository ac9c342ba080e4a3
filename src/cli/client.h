/*
 * One request to the HTTP API of a running server, for the verbs that speak to one.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

#define TC_SERVER_URL "http://127.0.0.1:9797" /* where `run` listens by default */

/*
 * GET, or where `post` is not NULL a POST of it as JSON. The answer's body is appended to `body`, whose
 * maximum is the bound; *ret_status is the HTTP status. TC_EIO where no answer came within timeout_s.
 */
int client_request(const char *url, const char *post, long timeout_s, struct buf *body, long *ret_status,
                   struct err *err);

#endif
