/*
 * One request, or one mail, that libcurl carries, and what came back. The courier owns the multi handle.
 *
 * Only http and https; certificates are checked unless the settings say otherwise. Handles are kept for the
 * next exchange, as are libcurl's connections.
 */
#ifndef API_RECEIVER_EXCHANGE_H
#define API_RECEIVER_EXCHANGE_H

#include "api/receiver/courier.h"
#include "base/buf.h"

#include <curl/curl.h>

enum { EXCHANGE_ANSWER_MAX_BYTES = 1 << 20 };

struct exchange {
    CURL *easy;
    struct buf answer;
    struct curl_slist *headers, *proxy_headers, *recipients, *connect_to;
    struct sv message; /* what is left of a mail */
    int memory_files[3];
    struct exchange *next; /* in the list of free ones */
};

struct exchange_pool {
    struct exchange *free;
};

/* NULL where libcurl gives no handle. What they are given must stay until exchange_end. */
struct exchange *exchange_http(struct exchange_pool *pool, const struct courier_client *client,
                               const struct courier_request *request, int64_t timeout_ns);
struct exchange *exchange_mail(struct exchange_pool *pool, const struct courier_mail *mail, unsigned attempt,
                               int64_t timeout_ns);
/* After libcurl has finished with `outcome`. For mails status is 250 where it was taken, else 0. */
struct courier_answer exchange_answer(const struct exchange *exchange, bool mail, CURLcode outcome);
/* Not while the handle is in a multi. */
void exchange_end(struct exchange_pool *pool, struct exchange *exchange);
void exchange_pool_free(struct exchange_pool *pool);

#endif
