/*
 * One POST, and what its answer means. A thin layer over libcurl's easy handle; the pump owns the multi.
 *
 * Only http and https, no redirects, certificates checked, the answer read to 4 KiB, then hung up on. The
 * URL is a secret: no text that leaves here holds any of it, not even where the server echoes it.
 */
#ifndef NOTIFY_HTTP_H
#define NOTIFY_HTTP_H

#include "notify/notify.h"

#include <curl/curl.h>

struct http_answer {
    enum send_result result;
    bool destination_down;  /* the failure is the destination's, not this message's */
    int64_t retry_after_ns; /* -1: the server did not say */
    char detail[200];       /* for receipts and logs */
};

struct http_request;

/* Once per process, before threads where possible. */
int http_setup(struct err *err);
int http_check_url(struct sv url, struct err *err);
/* `body` must outlive the request; the others are copied. NULL where libcurl gives none. */
struct http_request *http_request_new(struct sv url, const char *content_type, struct sv key, struct sv body,
                                      int64_t timeout_ns);
/* Not while the handle is in a multi. */
void http_request_free(struct http_request **request);
CURL *http_request_handle(const struct http_request *request);
/* After libcurl has finished with `outcome`; `now_ns` is what an HTTP date in Retry-After is held against. */
void http_request_judge(const struct http_request *request, CURLcode outcome, int64_t now_ns,
                        struct http_answer *ret);

#endif
