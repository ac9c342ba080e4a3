/*
 * CloudWatch's metrics into samples: PutMetricData, and the records of metric streams
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html,
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-json.html).
 *
 * A metric's name is a metric's name here (what is no letter or digit becomes '_'), its namespace is the
 * label `namespace`, each dimension a label. One value is a gauge, or is added to a counter where the name
 * ends in _total or _count. A set of statistics, or values with counts, are NAME_sum and NAME_count, which
 * are added up so that rate() holds, and the gauges NAME_min and NAME_max.
 */
#ifndef METRICS_AWS_CLOUDWATCH_H
#define METRICS_AWS_CLOUDWATCH_H

#include "metrics/intake/samples.h"
#include "template/value.h"

/* The input of PutMetricData as a map, however it was written. TC_EINPUT where it is none; bad members of it
 * are refused in the list. Texts are lent. */
int cloudwatch_put_metric_data(struct template_value input, int64_t now_ms, struct metadata *metadata,
                               struct sample_list *list, struct err *err);
/* The query protocol's form (Action=PutMetricData&MetricData.member.1.MetricName=…) as such a map. */
int cloudwatch_from_form(struct sv form, struct arena *arena, struct template_value *ret, struct err *err);
/* Records of a metric stream in JSON, one an object after another. Bad ones are refused in the list. */
void cloudwatch_stream_json(struct sv text, struct metadata *metadata, struct sample_list *list);
/* The same in the OpenTelemetry 1.0 format: messages with their lengths before them. */
void cloudwatch_stream_otlp(struct sv bytes, struct metadata *metadata, struct sample_list *list);

#endif
