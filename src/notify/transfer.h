/*
 * One attempt that libcurl makes, and what became of it. The pump owns the multi handle and knows transfers
 * only by this; http.c and smtp.c make them and judge their ends.
 */
#ifndef NOTIFY_TRANSFER_H
#define NOTIFY_TRANSFER_H

#include "notify/notify.h"

#include <curl/curl.h>

enum { TC_PROVIDER_ID_BYTES = 80 };

struct answer {
    enum send_result result;
    bool destination_down;  /* the failure is the destination's, not this message's */
    int64_t retry_after_ns; /* -1: the server did not say */
    unsigned code;          /* HTTP status or SMTP reply; 0: there was none */
    uint64_t served;        /* recipients (by number, bit 0 the first) who need no further attempt */
    char provider_id[TC_PROVIDER_ID_BYTES]; /* the destination's name for what it took; empty: it gave none */
    char detail[200];                       /* for receipts and logs: holds no part of a URL, no password */
};

struct transfer { /* the first member of what http.c and smtp.c allocate */
    CURL *easy;
    /* After libcurl has finished with `outcome`; `now_ns` is what a date in Retry-After is held against. */
    void (*judge)(const struct transfer *transfer, CURLcode outcome, int64_t now_ns, struct answer *ret);
    /* Not while the handle is in a multi. */
    void (*free)(struct transfer *transfer);
};

struct parcel { /* what an attempt sends; must outlive the transfer */
    struct sv key, body;
    int64_t now_ns;     /* wall clock: for Date and signatures */
    int64_t timeout_ns; /* of this attempt */
    uint64_t served;    /* recipients who have the message already, or requests that are done */
    size_t step;        /* of a body of several requests: the one that is meant */
};

static inline void transfer_free(struct transfer **transfer)
{
    if (*transfer != NULL)
        (*transfer)->free(*transfer);
    *transfer = NULL;
}

#endif
