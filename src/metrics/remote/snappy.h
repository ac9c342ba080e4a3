/*
 * Snappy's raw block format, decoding only: what remote write bodies are packed with.
 */
#ifndef METRICS_REMOTE_SNAPPY_H
#define METRICS_REMOTE_SNAPPY_H

#include "base/buf.h"
#include "base/err.h"

/* Unpacks into `out` (emptied first; its maximum is the bound: TC_EBOUND past it, TC_EINPUT for damaged
 * bytes). The length that a body claims is believed only as far as its packed bytes can reach. */
int snappy_unpack(struct sv packed, struct buf *out, struct err *err);

#endif
