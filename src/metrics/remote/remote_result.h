/*
 * Answers of Prometheus' query API, read back: what a remote store says to a query.
 */
#ifndef METRICS_REMOTE_REMOTE_RESULT_H
#define METRICS_REMOTE_REMOTE_RESULT_H

#include "metrics/promql/query.h"

/*
 * Fills *result (its arena takes all but the label sets, which are of `labels`). TC_EINPUT: the store refused
 * the query (a status of 400 to 499), TC_EIO: it failed, or the body is no such answer; both with its words.
 * TC_EUNSUPPORTED: native histograms, which stand there as text that does not give them back. On failure
 * result->count is 0.
 */
int remote_result_read(long status, struct sv body, struct labels_table *labels, struct promql_result *result,
                       struct err *err);

#endif
