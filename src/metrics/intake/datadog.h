/*
 * Datadog's series, versions 1 and 2 of its API, as JSON
 * (https://docs.datadoghq.com/api/latest/metrics/#submit-metrics).
 *
 * Counts, and rates with an interval, are added up; what else there is, is a gauge. Tags k:v are labels, a
 * tag alone has "true"; the host is the label `host`.
 */
#ifndef METRICS_INTAKE_DATADOG_H
#define METRICS_INTAKE_DATADOG_H

#include "metrics/intake/samples.h"

/* TC_EINPUT where the body is no such JSON; bad series are refused in the list. */
int datadog_read(struct sv body, struct metadata *metadata, struct sample_list *list, struct err *err);

#endif
