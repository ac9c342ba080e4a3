/*
 * Messages of remote write 1.0 (prometheus.WriteRequest), as a sender makes them.
 *
 * https://prometheus.io/docs/specs/prw/remote_write_spec/; native histograms are float histograms, with
 * Prometheus' field numbers. What 1.0 has no word for (start times) is left out.
 */
#ifndef METRICS_REMOTE_REMOTE_MESSAGE_H
#define METRICS_REMOTE_REMOTE_MESSAGE_H

#include "metrics/tsdb/tsdb.h"

/* Appends one series to the message. Check out->overflow. */
void remote_message_series(struct buf *out, const struct outgoing_series *series);
/* The message as a snappy block, in place of what `out` holds. TC_EBOUND: longer than its maximum. */
int remote_message_pack(struct sv message, struct buf *out, struct err *err);

#endif
