/*
 * Forwarding events to SIEMs (ledger E-12): what a selector of LogQL lets through goes, in batches, to a
 * channel that takes events.
 *
 * The journal is the buffer: a forwarder is a position in it, kept in DIR/forward/CHANNEL.position and moved
 * when a batch was taken. So a SIEM that is down costs no memory and loses nothing; a restart goes on where
 * it was, and repeats at most the one batch that was under way, under the same ids. A new forwarder begins
 * with what comes from then on.
 *
 * A batch that is refused (4xx) is halved until what is refused is one event, which is left out, and counted.
 * 401, 403 and 407 are about the login, 404 and 405 about the address: they are waited out like a service
 * that is down.
 *
 * One thread each, which may wait for its SIEM; nothing else waits for it.
 */
#ifndef APP_FORWARD_H
#define APP_FORWARD_H

#include "journal/journal.h"
#include "notify/notify.h"

enum { TC_FORWARDS_MAX = 8, TC_FORWARD_BATCH_EVENTS = 500, TC_FORWARD_BATCH_BYTES = 512 << 10 };

struct forward_config {
    struct sv channel; /* of a type that takes events */
    struct sv select;  /* LogQL, without an aggregation */
    const struct channel_config *config;
};

struct forward_options {
    const struct clk *clk;
    const struct rng *rng;
    const struct fs *fs;
    const char *dir; /* the data directory */
    struct journal *journal;
    const struct forward_config *forwards; /* lent, with the channels that they name */
    size_t count;
    /* A SIEM has not taken anything for 30 s; once until it does again. On the forwarder's thread. */
    void (*trouble)(void *context, struct sv channel, struct sv detail);
    void *context;
};

struct forwarding;
/* What is wrong with it: no such type, a selector that is none, a channel that may not know persons. */
int forward_check(const struct forward_config *forward, struct err *err);
int forwarding_start(const struct forward_options *options, struct forwarding **ret, struct err *err);
/* What is under way is given up; its events come again after the next start. */
void forwarding_stop(struct forwarding **forwarding);
/* A row for each forwarder, in Prometheus' text format. Any thread. */
void forwarding_metrics(const struct forwarding *forwarding, struct buf *out);

#endif
