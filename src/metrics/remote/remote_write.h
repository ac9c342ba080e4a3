/*
 * Prometheus remote write, receiving: messages 1.0 (prometheus.WriteRequest) and 2.0
 * (io.prometheus.write.v2.Request), unpacked, into the store.
 *
 * A message is checked whole before its first sample is taken, so what is no such message changes nothing.
 * Of a good one every sample that the store takes is kept; `first` says why the first other one was not.
 * Metadata goes to the descriptions of metrics (metadata.h).
 */
#ifndef METRICS_REMOTE_REMOTE_WRITE_H
#define METRICS_REMOTE_REMOTE_WRITE_H

#include "metrics/metadata.h"
#include "metrics/tsdb/tsdb.h"

enum remote_write_version { REMOTE_WRITE_1, REMOTE_WRITE_2 };

enum { REMOTE_WRITE_TEXT = 600, REMOTE_WRITE_SERIES_MAX = 1 << 20 };

struct remote_write {
    uint64_t samples, histograms, exemplars; /* taken */
    uint64_t refused;
    enum tsdb_outcome first;      /* of the first refused */
    char text[REMOTE_WRITE_TEXT]; /* about it, for the sender */
};

/* By Content-Type: "application/x-protobuf", with proto= or not. False for another. */
bool remote_write_version_of(struct sv content_type, enum remote_write_version *ret);
/* TC_EINPUT where `message` is not one. Needs no lock. */
int remote_write_check(enum remote_write_version version, struct sv message, struct err *err);
/* Appends a message that was checked. */
void remote_write_append(enum remote_write_version version, struct sv message, struct tsdb_appender *appender,
                         struct remote_write *ret);

/* What a message that was checked says of metrics (types, helps, units). */
void remote_write_metadata(enum remote_write_version version, struct sv message, struct metadata *metadata);

#endif
