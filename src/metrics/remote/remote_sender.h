/*
 * Sends on what an outgoing store takes, by Prometheus remote write 1.0, on a thread of its own.
 *
 * What the receiver answers decides, as its specification says: 2xx, it is there. 429, 5xx and no answer: the
 * same again, after 30 ms, then twice as long up to 5 s, or after what Retry-After says. 400: the message is
 * cut in two, and what is refused alone is given up and counted (Prometheus refuses a message for one sample
 * that is too late). Any other: the message is given up and counted.
 */
#ifndef METRICS_REMOTE_REMOTE_SENDER_H
#define METRICS_REMOTE_REMOTE_SENDER_H

#include "base/clk.h"
#include "metrics/remote/remote_http.h"
#include "metrics/tsdb/tsdb.h"

struct remote_sender_options {
    const struct fs *fs;
    const struct clk *clk;
    struct tsdb *tsdb; /* an outgoing one; ends after the sender */
    const char *url;   /* lent, as the client */
    const struct http_client *client;
    int64_t timeout_ms;
    size_t samples_max; /* in a message; 0: 5,000 */
};

struct remote_sender;
int remote_sender_start(const struct remote_sender_options *options, struct remote_sender **ret,
                        struct err *err);
/* What is not sent stays in the store, for the next start. */
void remote_sender_stop(struct remote_sender **sender);
/* Waits until all that the store has taken so far was sent, or given up; false: not within `timeout_ms`, or
 * the receiver takes nothing now. Any thread. */
bool remote_sender_settle(struct remote_sender *sender, int64_t timeout_ms);
/* In Prometheus' text format, names tocsin_remote_write_*. */
void remote_sender_metrics(struct remote_sender *sender, struct buf *out);

#endif
