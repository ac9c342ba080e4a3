/*
 * The StatsD door: UDP and a datagram socket in the file system, lines of StatsD and DogStatsD, several in a
 * datagram. What came is in memory until the next flush; nobody can be told that it is kept, so the door is
 * "fire and forget": what the kernel drops, and what is refused, is counted.
 */
#ifndef METRICS_STATSD_STATSD_LISTENER_H
#define METRICS_STATSD_STATSD_LISTENER_H

#include "base/clk.h"
#include "metrics/statsd/statsd_table.h"

struct statsd_options {
    const struct clk *clk;
    struct tsdb *tsdb;
    const char *udp;      /* ADDRESS:PORT; NULL: not listened on */
    const char *path;     /* of a socket; NULL: none */
    bool allow_plaintext; /* also where `udp` is not loopback */
    int64_t flush_ns;
    bool signed_gauges;
};

struct statsd_listener;
int statsd_listener_start(const struct statsd_options *options, struct statsd_listener **ret,
                          struct err *err);
/* Flushes what has come. */
void statsd_listener_stop(struct statsd_listener **listener);
/* In Prometheus' text format, names tocsin_statsd_*. Any thread. */
void statsd_listener_metrics(const struct statsd_listener *listener, struct buf *out);

#endif
