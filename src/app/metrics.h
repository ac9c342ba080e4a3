/*
 * What /metrics says of everything but the HTTP server itself: tables of name, type, help and value. Every
 * bound that a row has a level for stands beside it as NAME_limit. docs/metrics.md is made from what this
 * prints (tools/metrics_doc.py).
 */
#ifndef APP_METRICS_H
#define APP_METRICS_H

#include "app/core.h"
#include "app/sentinel.h"
#include "ingest/syslog_listener.h"

struct metrics_view { /* gathered by who wires the rooms */
    struct core_stats core;
    struct journal_stats journal;
    bool journal_failed, delivery_held, has_syslog, has_sentinel;
    struct syslog_stats syslog;
    struct sentinel_stats sentinel;
    uint64_t sent, retries, failed;           /* of the courier */
    uint64_t outbox_pending, outbox_rows;     /* of the store */
    uint64_t journal_disk_bytes, store_bytes; /* files */
    const struct latencies *latencies;
    int64_t started_ns; /* wall clock */
};

void metrics_print(const struct metrics_view *view, struct buf *out);
/* Sums of the sizes of the segments and of the store's files. */
void metrics_measure(const struct fs *fs, const char *data, struct metrics_view *view);

#endif
