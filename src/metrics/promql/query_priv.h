/*
 * What a plan needs of the queries that it holds; see plan.c.
 */
#ifndef METRICS_PROMQL_QUERY_PRIV_H
#define METRICS_PROMQL_QUERY_PRIV_H

#include "metrics/promql/query.h"

struct sharing;

/* The tree that evaluations copy. */
struct expr *prepared_tree(struct promql_prepared *prepared);
/* Label sets from now on are those of `labels`, and it takes part in `sharing`; both outlive it. */
void prepared_share(struct promql_prepared *prepared, struct labels_table *labels, struct sharing *sharing);
/* What its nodes remember of sets of the table. */
void prepared_forget(struct promql_prepared *prepared);

#endif
