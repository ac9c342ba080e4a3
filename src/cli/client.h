/*
 * How verbs talk to a running server: one HTTP request at a time, its answer whole in memory (64 MiB at
 * most).
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"

#define TC_SERVER_URL "http://127.0.0.1:9797" /* where `run` listens by default */
enum { TC_CLIENT_BODY_MAX = 64 << 20, TC_CLIENT_TIMEOUT_S = 30 };

struct client_call {
    const char *url;
    const char *post;   /* a JSON body; NULL: GET */
    const char *bearer; /* NULL: no token */
    long timeout_s;     /* 0: TC_CLIENT_TIMEOUT_S */
};

/* The answer's body is appended to `body`, whose maximum is the bound; *ret_status is the HTTP status. TC_EIO
 * where there is no answer in time. */
int client_request(const struct client_call *call, struct buf *body, long *ret_status, struct err *err);
/* Says what a status other than 2xx means; the exit code. */
enum cli_exit client_exit(const struct cli_args *args, long status, struct sv body);
/* One call to the server that --url names: `path` begins with a slash; GET where `post` is NULL. What went
 * wrong has been said. */
enum cli_exit client_talk(const struct cli_args *args, const char *path, const char *post, struct buf *body);
/* A command's body, terminated: "by" (--by, else the login name), and of each pair of option and member what
 * was given; the pairs end with an option of NULL. */
struct client_member_option {
    const char *option, *member;
};
void client_command_body(const struct cli_args *args, const struct client_member_option *options,
                         struct buf *out);
/* Appends `text` as a part of a path or a query (percent-encoded). */
void client_encode(struct buf *out, const char *text);
/* Members of a JSON array of objects, one after another; *rest starts as the whole. */
bool client_member(struct sv *rest, struct sv *ret);

#endif
