/*
 * CloudWatch's embedded metric format in events: {"_aws": {"CloudWatchMetrics": [...]}, NAME: VALUE, …}
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
 *
 * A metric is named as in metrics/aws/cloudwatch.h: its own name, the namespace and the dimensions as labels.
 * A value is a gauge, or added to a counter where the name ends in _total or _count; a list of values is a
 * histogram. Each set of dimensions is a series.
 */
#ifndef APP_EMF_H
#define APP_EMF_H

#include "event/event.h"
#include "metrics/statsd/statsd_line.h"

/* Calls `each` for every value of every metric. True also where the event has no such thing; false where it
 * has one that is not right (what is right of it was told). */
bool emf_read(const struct event *event, struct arena *arena,
              void (*each)(void *context, const struct statsd_line *line), void *context);

#endif
