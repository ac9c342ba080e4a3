/*
 * Datadog's series, versions 1 and 2 of its API, as JSON
 * (https://docs.datadoghq.com/api/latest/metrics/#submit-metrics), and version 2 as its Agents send it, in
 * protobuf (MetricPayload of github.com/DataDog/agent-payload).
 *
 * Counts, and rates with an interval, are added up; what else there is, is a gauge. Tags k:v are labels, a
 * tag alone has "true"; the host is the label `host`.
 */
#ifndef METRICS_INTAKE_DATADOG_H
#define METRICS_INTAKE_DATADOG_H

#include "metrics/intake/samples.h"

/* TC_EINPUT where the body is no such JSON; bad series are refused in the list. */
int datadog_read(struct sv body, struct metadata *metadata, struct sample_list *list, struct err *err);
/* The same for protobuf; samples point into `body`. */
int datadog_read_protobuf(struct sv body, struct metadata *metadata, struct sample_list *list,
                          struct err *err);

#endif
