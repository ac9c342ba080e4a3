/*
 * Finding the handler of a request: a table of routes, matched by method and path pattern.
 *
 * A pattern is a path whose parts may be a parameter: "/v1/alerts/{id}/ack" takes one part, a last "{path*}"
 * takes all that is left. Paths come percent-encoded, as they stood in the request; parameters are decoded
 * into the match's own memory. HEAD finds the route of GET. Pure: no server, no clock, no memory of its own.
 */
#ifndef API_ROUTER_H
#define API_ROUTER_H

#include "base/err.h"
#include "base/sv.h"

enum {
    TC_ROUTE_PARAMS_MAX = 2,
    TC_ROUTE_PARAM_BYTES = 256, /* decoded; a longer one is 404: nothing of ours has such a name */
    TC_ROUTE_ALLOW_MAX = 64,
};

/* Who may come in by a route; auth.h says what each needs. */
enum route_role {
    ROLE_PUBLIC,   /* anybody: health */
    ROLE_SOURCE,   /* senders of events: a token where tokens are configured */
    ROLE_SIGNED,   /* vendors: the handler checks the signature over the body, in place of tokens and Host */
    ROLE_READER,   /* people who look */
    ROLE_OPERATOR, /* people who change something: from a browser with the page's secret */
};

struct api;
struct request;
struct reply;
typedef void (*route_fn)(struct api *api, struct request *request, struct reply *reply);

struct route {
    const char *method; /* GET or POST */
    const char *pattern;
    enum route_role role;
    route_fn begin;  /* judges the head, before a body is read: fills reply to refuse; may be NULL */
    route_fn handle; /* with the whole body */
    size_t body_max; /* bytes as sent; SIZE_MAX: the server's max_body_bytes */
};

struct route_match {
    const struct route *route;
    struct sv params[TC_ROUTE_PARAMS_MAX]; /* point into `text` */
    size_t param_count;
    char allow[TC_ROUTE_ALLOW_MAX]; /* for 405: "GET, HEAD, POST" */
    char text[TC_ROUTE_PARAMS_MAX][TC_ROUTE_PARAM_BYTES];
};

/* `table` ends with a row of method NULL. Returns 200 with *ret, 404, 405 (allow is filled), or 400 for a
 * path that is not properly percent-encoded. */
unsigned router_find(const struct route *table, struct sv method, struct sv path, struct route_match *ret);
/* Percent-decodes into out[size]. False for a broken escape, a NUL, or too little room. */
bool router_decode(struct sv encoded, char *out, size_t size, size_t *ret_n);

#endif
