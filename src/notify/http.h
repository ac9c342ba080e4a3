/*
 * One POST, and what its answer means. A thin layer over libcurl's easy handle; the pump owns the multi.
 *
 * Only http and https, no redirects, certificates checked, the answer read to 4 KiB, then hung up on. The
 * URL is a secret: no text that leaves here holds any of it, not even where the server echoes it.
 */
#ifndef NOTIFY_HTTP_H
#define NOTIFY_HTTP_H

#include "notify/transfer.h"

/* How a service's JSON answers are read. Members by their path: "parameters.retry_after". All may be NULL. */
struct http_reading {
    const char *id_members[2];      /* the service's name for what it took: one, or both with a ':' between */
    const char *id_otherwise;       /* the member to look at where there is none of these */
    const char *xml_id;             /* answers are XML, with an element of that name for the id */
    const char *ok_member;          /* 2xx, and yet not done unless this is true */
    const char *error_member;       /* a word or a number that says what it minds */
    const char *const *later;       /* such words that mean: again; ends with NULL */
    const char *item_status_member; /* of each part of a bulk; 409: there already, as it should be */
    const char *retry_after_member; /* seconds; where there is no such header */
};

/* What a request needs beside its body. */
struct http_post {
    struct sv url;
    struct sv method; /* empty: POST */
    const char *content_type;
    struct sv key;            /* Idempotency-Key; empty: none */
    struct sv body;           /* must outlive the transfer; all else is copied */
    const struct sv *headers; /* whole lines "Name: value", checked by http_check_header */
    size_t header_count;
    struct sv bearer_token, username, password; /* empty: not sent */
    struct sv aws_sigv4;                        /* "aws:amz:REGION:SERVICE": signs with username, password */
    struct sv ca_file; /* certificates to trust in place of the system's; empty: the system's */
    int64_t timeout_ns;
    const struct http_reading *reading; /* outlives the transfer; NULL: the status says it all */
};

/* Once per process, before threads where possible. */
int http_setup(struct err *err);
int http_check_url(struct sv url, struct err *err);
/* A header that may be configured: a token, a value without control characters, none of those that are ours.
 */
int http_check_header(struct sv name, struct sv value, struct err *err);
/* NULL where libcurl gives no handle. */
struct transfer *http_transfer_new(const struct http_post *post);

#endif
