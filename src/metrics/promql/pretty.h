/*
 * PromQL for people: long expressions on several lines.
 */
#ifndef METRICS_PROMQL_PRETTY_H
#define METRICS_PROMQL_PRETTY_H

#include "metrics/promql/parser.h"

/* Appends the expression; what fits into 100 characters stays on one line. Reading it again gives the same.
 */
void promql_pretty(struct buf *out, const struct expr *expr);

#endif
