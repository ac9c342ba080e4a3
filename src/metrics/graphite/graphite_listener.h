/*
 * The Graphite door: plaintext lines over TCP. The protocol has no answer, so nobody can be told what was
 * kept; while the store cannot take more, connections are not read, and TCP holds the senders back.
 *
 * Bounds: GRAPHITE_CONNECTIONS_MAX connections (another one is closed and counted), lines of
 * GRAPHITE_LINE_MAX bytes (a longer one is passed over and counted).
 */
#ifndef METRICS_GRAPHITE_GRAPHITE_LISTENER_H
#define METRICS_GRAPHITE_GRAPHITE_LISTENER_H

#include "base/clk.h"
#include "metrics/tsdb/tsdb.h"

enum { GRAPHITE_CONNECTIONS_MAX = 256 };

struct graphite_options {
    const struct clk *clk;
    struct tsdb *tsdb;
    const char *tcp;      /* ADDRESS:PORT */
    bool allow_plaintext; /* also where it is not loopback */
};

struct graphite_listener;
int graphite_listener_start(const struct graphite_options *options, struct graphite_listener **ret,
                            struct err *err);
void graphite_listener_stop(struct graphite_listener **listener);
/* In Prometheus' text format, names tocsin_graphite_*. Any thread. */
void graphite_listener_metrics(const struct graphite_listener *listener, struct buf *out);

#endif
