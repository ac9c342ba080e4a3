/*
 * Durations in Prometheus' text form: "1h30m".
 */
#ifndef METRICS_PROM_DURATION_H
#define METRICS_PROM_DURATION_H

#include "base/buf.h"
#include "base/err.h"

/* "1h30m", "15s", "1d", "0". Nanoseconds; sets `err` to Prometheus' words. */
int prom_parse_duration(struct sv text, int64_t *ret_ns, struct err *err);
/* The canonical form in milliseconds and larger units ("1h30m", "0s"). `ns` is not negative. */
void prom_duration(struct buf *out, int64_t ns);

#endif
