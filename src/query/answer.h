/*
 * Answers as Loki's HTTP API writes them: {"status":"success","data":{"resultType":…,"result":…,"stats":…}}.
 */
#ifndef QUERY_ANSWER_H
#define QUERY_ANSWER_H

#include "query/metric.h"
#include "query/search.h"

/* resultType streams: [[ "<ns>", "<line>" ], …] a stream. */
void query_write_streams(const struct query_answer *answer, struct buf *out);
/* resultType vector (or scalar) where the query was instant, else matrix. */
void query_write_matrix(const struct query_matrix *matrix, int64_t start_ns, int64_t step_ns, bool instant,
                        const struct query_scan_stats *stats, struct buf *out);
/* {"a":"b"} */
void query_write_labels(const struct query_label *labels, size_t count, struct buf *out);
/* A sample's value as Prometheus' JSON has it: shortest text, NaN, +Inf. */
void query_write_number(double value, struct buf *out);

#endif
