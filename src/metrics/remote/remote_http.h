/*
 * Requests to a remote store, one after another on a connection that is kept; of one thread, which waits.
 */
#ifndef METRICS_REMOTE_REMOTE_HTTP_H
#define METRICS_REMOTE_REMOTE_HTTP_H

#include "metrics/scrape/http_client.h"

struct remote_http_options {
    const struct fs *fs;              /* for secrets in files */
    const struct http_client *client; /* lent */
    int64_t timeout_ms;
    size_t answer_max;
    bool (*cancelled)(void *context); /* asked while it waits; true ends the request. May be NULL */
    void *context;
};

struct remote_answer {
    long status;
    int64_t retry_after_ms; /* -1: it does not say */
    struct buf body;
    char content_type[128];
};

struct remote_http;
struct remote_http *remote_http_new(const struct remote_http_options *options);
void remote_http_free(struct remote_http **http);
void remote_http_cancel_by(struct remote_http *http, bool (*cancelled)(void *context), void *context);
/*
 * POST (`body`.p != NULL) or GET. `headers` ends with NULL. 0: *answer is filled, good until the next
 * request, whatever its status. TC_EIO: none came, err names the remote store and what to look at; TC_EBOUND:
 * it is too long; TC_EAGAIN: cancelled.
 */
int remote_http_ask(struct remote_http *http, const char *url, struct sv body, const char *const *headers,
                    struct remote_answer **answer, struct err *err);

#endif
