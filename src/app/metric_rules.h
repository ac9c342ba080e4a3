/*
 * Prometheus' rules in a running server: a thread of their own evaluates what is due, writes what rules
 * record into the store of metrics, and makes records of what changes about alerts (metric_alerts.h).
 *
 * Evaluations and those who look at the rules take turns, one group at a time.
 */
#ifndef APP_METRIC_RULES_H
#define APP_METRIC_RULES_H

#include "alert/alert.h"
#include "app/metric_alerts.h"
#include "app/metric_rule_files.h"
#include "metrics/promql/features.h"
#include "metrics/remote/remote_sender.h"
#include "metrics/remote/remote_store.h"
#include "metrics/tsdb/tsdb.h"

/* What the configuration says of rules; texts are lent. */
struct metric_rule_settings {
    const char *const *files; /* patterns */
    size_t file_count;
    int64_t evaluation_interval_ns, query_offset_ns, lookback_ns;
    uint64_t windows_bytes;                       /* 0: rules read the store at each evaluation */
    int64_t outage_tolerance_ns, grace_period_ns; /* of the restoration of `for` */
    const struct label *external_labels;          /* sorted by name */
    size_t external_label_count;
    struct promql_features features;
    const char *external_url;
};

struct metric_rules_options {
    const struct clk *clk;
    struct tsdb *tsdb;            /* lent */
    struct remote_store *remote;  /* lent; answers in place of `tsdb`, which takes samples; NULL: none */
    struct remote_sender *sender; /* lent; with it */
    bool renames;                 /* the store keeps some metrics under other names (tsdb_options.aliases) */
    /* metric_alerts_options.append */
    int (*append)(void *context, struct sv blocks, uint32_t count, struct err *err);
    void *context;
};

struct metric_rules;
/* Takes the files over. The settings' texts are copied. */
struct metric_rules *metric_rules_new(const struct metric_rules_options *options,
                                      const struct metric_rule_settings *settings,
                                      struct metric_rule_files **files);
/* core_each_firing's callback; before metric_rules_start. */
void metric_rules_know(void *rules, const uint8_t identity[TC_SHA256_BYTES], const struct alert *alert);
int metric_rules_start(struct metric_rules *rules, struct err *err);
/* Ends an evaluation that is under way. NULL is allowed. */
void metric_rules_stop(struct metric_rules **rules);
/* Evaluates all that is due now; what the thread does, for tests without it. */
void metric_rules_step(struct metric_rules *rules);
/* When the next group is due, on the wall clock; INT64_MAX: none. */
int64_t metric_rules_next_ns(struct metric_rules *rules);
/* Puts other rules in force; what is the same keeps its state. Takes the files over. */
void metric_rules_replace(struct metric_rules *rules, const struct metric_rule_settings *settings,
                          struct metric_rule_files **files);
/* Those in force: external labels in `arena`; all as the part of a prometheus.yml that says it. */
void metric_rules_external_labels(struct metric_rules *rules, struct arena *arena, const struct label **ret,
                                  size_t *ret_count);
void metric_rules_yaml(struct metric_rules *rules, struct buf *out);
/* Calls `look` while nothing is evaluated. */
void metric_rules_look(struct metric_rules *rules,
                       void (*look)(void *context, const struct rule_engine *engine), void *context);
/* Appends metrics in Prometheus' text format. */
void metric_rules_metrics(struct metric_rules *rules, struct buf *out);

#endif
