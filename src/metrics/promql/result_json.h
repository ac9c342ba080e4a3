/*
 * A query's answer as JSON, in the shape of Prometheus' HTTP API ("data", "warnings", "infos").
 */
#ifndef METRICS_PROMQL_RESULT_JSON_H
#define METRICS_PROMQL_RESULT_JSON_H

#include "base/json_out.h"
#include "metrics/promql/query.h"

/* The object {"resultType":…,"result":…}; `at_ms` is the time of an instant query. */
void promql_result_json(struct json_out *out, const struct promql_result *result, int64_t at_ms);
/* The members "warnings" and "infos" of the object under way; each left out where it is empty. */
void promql_annotations_json(struct json_out *out, const struct promql_result *result);

#endif
