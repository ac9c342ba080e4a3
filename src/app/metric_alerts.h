/*
 * Between the rules on metrics and the journal: what the journal was told of alerts that fire, and records of
 * what has changed since.
 *
 * An alert is known by its label set (with the external labels). Where two rules give the same set, it is
 * one alert, as long as one of them fires; the rule that fired first says its severity. A record that could
 * not be written is tried again with the rule's next evaluation.
 *
 * After a restart or a reload it is not known whether what fired still does, until its rule was evaluated
 * twice without error (as with Prometheus, the first may lack samples that came with the start); a rule that
 * is gone has ended its alerts once all others have been.
 *
 * Not thread-safe. Bound: METRIC_ALERTS_MAX firing alerts; what is past it is counted, and told once there is
 * room.
 */
#ifndef APP_METRIC_ALERTS_H
#define APP_METRIC_ALERTS_H

#include "base/clk.h"
#include "base/hash.h"
#include "metrics/rules/engine.h"

enum { METRIC_ALERTS_MAX = 1000 * 1000 };

struct metric_alerts_options {
    const struct clk *clk;
    /* Makes whole record blocks durable (core_rule_states). */
    int (*append)(void *context, struct sv blocks, uint32_t count, struct err *err);
    void *context;
};

struct metric_alerts;
struct metric_alerts *metric_alerts_new(const struct metric_alerts_options *options);
void metric_alerts_free(struct metric_alerts **alerts);
/* Labels that every alert has beside its own, which win; lent until the next call. */
void metric_alerts_label(struct metric_alerts *alerts, const struct label *external, size_t count);
/* The journal has it as firing (core_each_firing). */
void metric_alerts_know(struct metric_alerts *alerts, const uint8_t identity[TC_SHA256_BYTES],
                        struct sv rule_id, enum severity severity);
/* Other rules are in force: whether what fires still does is to be found out. */
void metric_alerts_doubt(struct metric_alerts *alerts);
/* rule_engine_options.on_change. */
void metric_alerts_change(void *alerts, const struct rule_change *change);
/* After each evaluation of a group: makes durable what it changed. */
int metric_alerts_settle(struct metric_alerts *alerts, const struct rule_engine *engine, struct err *err);

struct metric_alerts_stats {
    uint64_t firing, refused, records, failures;
};
struct metric_alerts_stats metric_alerts_stats(const struct metric_alerts *alerts);

#endif
