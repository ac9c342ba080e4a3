/*
 * What the parts of the rule engine share.
 *
 * Label sets that live longer than an evaluation are texts (label_key): a map needs no other key, and the set
 * can be had back from it. Within an evaluation they are interned in its own table.
 */
#ifndef METRICS_RULES_ENGINE_PRIV_H
#define METRICS_RULES_ENGINE_PRIV_H

#include "base/clk.h"
#include "base/map.h"
#include "metrics/promql/query.h"
#include "metrics/rules/engine.h"

enum { LABEL_KEY_MAX = 16 << 20, NS_PER_MS = 1000000 };

struct active_alert {
    enum rule_alert_state state, before; /* before: at the last evaluation */
    double value;
    int64_t active_at_ns, fired_at_ns, resolved_at_ns, keep_firing_since_ns; /* TC_NO_TIME: not set */
    uint64_t given;   /* number of the evaluation whose result had it last */
    uint64_t history; /* of datapoints: the newest in bit 0 */
    bool stands_for_no_data;
    const struct rule_severity *severity; /* of the side file; NULL: none applies */
    char *annotations;                    /* a label_key */
    size_t annotation_bytes;
};

struct rule_state {
    const struct rule *rule;
    struct rule_info info;
    struct map active;   /* label_key -> struct active_alert * */
    struct map previous; /* label_keys of the series that the last evaluation wrote */
    bool restored;
    struct rule_timing timing;
    char *error; /* NULL: none */
};

struct group_state {
    const struct rule_group *group;
    struct sv file;
    struct rule_state *rules;
    int64_t interval_ns, offset_ns; /* slots are at n * interval + offset */
    int64_t next_ns;                /* TC_NO_TIME before the first call of rule_engine_advance */
    struct rule_timing timing;
    uint64_t missed;
    struct promql_plan *plan; /* of the expressions of its rules */
    struct map planned;       /* expression -> struct promql_planned * */
    struct map gone;          /* label_keys of series that no rule writes any more: to be marked stale */
};

struct rule_engine {
    struct rule_engine_options options;
    struct arena arena;
    struct group_state *groups;
    size_t group_count;
    uint32_t rule_count;
    struct sv path_prefix; /* of the external URL */
    uint64_t missed;       /* of groups that are gone, too */
};

/* One evaluation of one rule. */
struct evaluation {
    struct rule_engine *engine;
    struct group_state *group;
    struct rule_state *state;
    int64_t time_ns, query_ns; /* query_ns: less the query offset */
    struct promql_result result;
    struct arena arena;
    struct labels_table labels;
    struct rule_sample *samples; /* to be written */
    size_t sample_count, sample_capacity;
};

struct rule_sample {
    const struct labels *labels;
    double value;
    const struct histogram *histogram;
};

int64_t ns_to_ms(int64_t ns); /* rounds down */

void label_key(struct buf *out, const struct label *items, size_t count);
/* Back into labels that point into `key`; `items` in the arena. */
void label_key_read(struct sv key, struct arena *arena, struct label **ret_items, size_t *ret_count);

/* Runs a query; scalars become a vector of one. *ret in result->arena. */
int rule_query(struct rule_engine *engine, struct sv text, int64_t time_ns, struct promql_result *result,
               struct promql_series **ret, size_t *ret_count, struct err *err);
/* One of the rule's own expressions at the time of its evaluation, by the group's plan. *ret is good until
 * the group's next evaluation. */
int evaluation_query(struct evaluation *e, struct sv text, struct promql_result *result,
                     struct promql_series **ret, size_t *ret_count, struct err *err);
void evaluation_add(struct evaluation *e, const struct labels *labels, double value,
                    const struct histogram *histogram);
/* One more evaluation begins; its slot stands for the time where there is no clock. */
int64_t timing_begin(const struct rule_engine *engine, struct rule_timing *timing, int64_t slot_ns);
void timing_end(const struct rule_engine *engine, struct rule_timing *timing, int64_t began_ns);
void rule_evaluate(struct rule_engine *engine, struct group_state *group, struct rule_state *state,
                   int64_t time_ns);
/* Marks the group's `gone` series stale. */
void group_mark_gone(struct rule_engine *engine, struct group_state *group, int64_t time_ns);
int64_t group_query_offset_ns(const struct rule_engine *engine, const struct group_state *group);

/* The answers to a side file's questions, for one evaluation. */
struct extra_answers {
    struct promql_result data, recover, *severities; /* severities: one a case */
};
/* Asks what the rule's side file wants to know; extra_free in any case. */
int extra_ask(struct evaluation *e, struct extra_answers *ret, struct err *err);
void extra_free(struct evaluation *e, struct extra_answers *answers);
/* Is the condition true of the instance, all considered? *ret_hold: it stays exactly as it is. */
bool extra_judge(struct evaluation *e, const struct extra_answers *answers, struct sv key,
                 struct active_alert *alert, bool *ret_hold);
/* There is no data at all, and that is to be told of. */
bool extra_wants_no_data_alert(struct evaluation *e, const struct extra_answers *answers);

int alerting_evaluate(struct evaluation *e, struct err *err);
/* Tells of every instance what the evaluation made of it. */
void alerting_tell(struct evaluation *e);
void alert_view(const struct group_state *group, const struct rule_state *state, struct sv key,
                const struct active_alert *alert, struct arena *arena, struct rule_alert_view *ret);
void alerts_free(struct map *active);

/* `before`: how many rules of the group have had its name already. */
void rule_info_fill(struct arena *arena, const struct group_state *group, size_t rule, uint64_t before,
                    uint32_t ordinal, struct rule_info *ret);

void group_restore(struct rule_engine *engine, struct group_state *group, int64_t time_ns);

#endif
