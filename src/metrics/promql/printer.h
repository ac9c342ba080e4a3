/*
 * Parts of an expression's canonical text, for those that lay it out themselves.
 */
#ifndef METRICS_PROMQL_PRINTER_H
#define METRICS_PROMQL_PRINTER_H

#include "metrics/promql/parser.h"

void promql_print_aggregation(struct buf *out, const struct expr *e); /* "sum by (job) " */
void promql_print_operator(struct buf *out, const struct expr *e);    /* "== bool on (a) group_left ()" */
void promql_print_subquery(struct buf *out, const struct expr *e);    /* "[5m:1m] offset 1h" */

#endif
