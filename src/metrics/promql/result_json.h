/*
 * A query's answer as JSON, in the shape of Prometheus' HTTP API ("data", "warnings", "infos"), and the parts
 * that its other answers are made of.
 */
#ifndef METRICS_PROMQL_RESULT_JSON_H
#define METRICS_PROMQL_RESULT_JSON_H

#include "base/json_out.h"
#include "metrics/promql/query.h"

/* The members "resultType" and "result" of the object under way; `at_ms` is the time of an instant query.
 * `limit`: no more series than that; 0: all. */
void promql_result_json(struct json_out *out, const struct promql_result *result, int64_t at_ms,
                        size_t limit);
/* The members "warnings" and "infos" of the object under way, the first `most` of each and how many more
 * there are; each left out where it is empty. `warning`: one more, or empty. */
void promql_annotations_json(struct json_out *out, const struct promql_result *result, size_t most,
                             struct sv warning);

/* {"job":"a"} */
void prom_json_labels(struct json_out *json, const struct labels *labels);
void prom_json_items(struct json_out *json, const struct label *items, size_t count);
/* A member that is a list of texts; nothing where there is none. */
void prom_json_texts(struct json_out *json, const char *key, const struct sv *texts, size_t count);
/* The text of a float as a string, in Go's format 'f': numbers of the language. */
void prom_json_float(struct json_out *json, double v);
/* The same of a sample's value: in Go's format 'e' where it is very small or large. */
void prom_json_sample(struct json_out *json, double v);
/* Seconds since the epoch, with up to three places. */
void prom_json_seconds(struct json_out *json, int64_t ms);

#endif
