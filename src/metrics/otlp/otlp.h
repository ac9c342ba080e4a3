/*
 * OpenTelemetry's metrics (opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest, 1.x), as
 * protobuf or JSON, into samples: names, labels and types as Prometheus' own receiver translates them
 * (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/).
 *
 * Gauges, sums and summaries become floats, histograms classic buckets, exponential histograms native ones;
 * deltas are marked as such. Exemplars are read over.
 */
#ifndef METRICS_OTLP_OTLP_H
#define METRICS_OTLP_OTLP_H

#include "metrics/intake/samples.h"

/* TC_EINPUT where the bytes are no such message; `list` then holds nothing of use. Data points that cannot be
 * kept are refused in the list, by themselves. `metadata` may be NULL. The samples point into `message`. */
int otlp_read(struct sv message, struct metadata *metadata, struct sample_list *list, struct err *err);
/* From JSON to the bytes that otlp_read takes, appended to `out`. What JSON has beyond the message is passed
 * over. TC_EINPUT, TC_EBOUND (out is full). */
int otlp_from_json(struct sv json, struct buf *out, struct err *err);

enum otlp_kind { OTLP_GAUGE, OTLP_COUNTER, OTLP_OTHER };
/* The name of a metric with Prometheus' suffixes: "http.server.duration", "s" ->
 * http_server_duration_seconds. Empty where nothing of the name is left. */
struct sv otlp_metric_name(struct arena *arena, struct sv name, struct sv unit, enum otlp_kind kind);
/* The name of an attribute as a label. */
struct sv otlp_label_name(struct arena *arena, struct sv name);
/* An AnyValue as a text: texts as they are (lent), numbers in decimal, bytes in base64, lists and maps as
 * JSON, in `arena`. *bad is set for what is no such message. */
struct sv otlp_value_text(struct arena *arena, struct sv bytes, bool *bad);
/* "By" -> "bytes"; what is not known stays. */
struct sv otlp_unit(struct sv unit);

#endif
