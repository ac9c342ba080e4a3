/*
 * A plan: queries that are evaluated together, one after another, at the same times. What they have in common
 * is worked out once.
 *
 * Sub-expressions that stand in several queries (after their matchers are brought in order) are evaluated by
 * the first that needs them; their series stay until the next round. Label sets are one table's, so what was
 * worked out of labels (names taken off, groups, matches) holds from round to round. Results are those of
 * promql_query to the bit, but for annotations: a plan makes none. One thread a plan.
 */
#ifndef METRICS_PROMQL_PLAN_H
#define METRICS_PROMQL_PLAN_H

#include "metrics/promql/query.h"

struct promql_plan;
struct promql_planned; /* a query of a plan */

struct promql_plan *promql_plan_new(void);
void promql_plan_free(struct promql_plan **plan);
/* All are added before the first is evaluated. The text of an error is Prometheus'. */
int promql_plan_add(struct promql_plan *plan, struct sv text, struct promql_planned **ret, struct err *err);
/* What was worked out before does not hold any more: time has passed, or samples have come. */
void promql_plan_begin(struct promql_plan *plan);
/* As promql_evaluate; an instant query. The labels in `result` are good until the next promql_plan_begin. All
 * evaluations of a round have the same options. */
int promql_plan_evaluate(struct promql_plan *plan, struct promql_planned *planned,
                         const struct series_source *source, const struct promql_options *options,
                         struct promql_result *result, struct err *err);
/* Within a round, samples of a metric of this name were written (empty: of any): what reads it is worked out
 * again. */
void promql_plan_wrote(struct promql_plan *plan, struct sv name);
/* Does the query look at a fixed time, or at series that only its own evaluation finds? Keeping windows for
 * it would be of no use. */
bool promql_planned_is_apart(const struct promql_planned *planned);

struct promql_plan_stats {
    size_t queries, shared;          /* shared: expressions that are worked out once */
    uint64_t worked_out, used_again; /* in all */
};
struct promql_plan_stats promql_plan_stats(const struct promql_plan *plan);

#endif
