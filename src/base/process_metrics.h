/*
 * What a process tells of itself at /metrics, under the names that all of Prometheus' clients use
 * (process_cpu_seconds_total, process_resident_memory_bytes, …), so that ready dashboards find them.
 */
#ifndef BASE_PROCESS_METRICS_H
#define BASE_PROCESS_METRICS_H

#include "base/buf.h"

#include <stdint.h>

/* Appends them; `started_ns` is wall-clock time. What the system does not tell is 0. Any thread. */
void process_metrics(int64_t started_ns, struct buf *out);

#endif
