/*
 * The rule engine: evaluates groups of recording and alerting rules over time, as Prometheus' rule manager
 * does.
 *
 * It reads no clock and keeps no files: time is what it is told, samples come from and go to a storage that
 * it is given. The same calls over the same samples give the same samples and the same changes, in the same
 * order. Not thread-safe: one engine, one thread. Bounds: 1,000,000 instances a rule; results by the group's
 * `limit`.
 */
#ifndef METRICS_RULES_ENGINE_H
#define METRICS_RULES_ENGINE_H

#include "base/clk.h"
#include "event/finding.h"
#include "metrics/promql/plan.h"
#include "metrics/rules/rule_file.h"
#include "metrics/rules/windows.h"
#include "metrics/series_source.h"

enum { RULE_INSTANCES_MAX = 1000000 };
#define RULE_RESOLVED_KEPT_NS (15LL * 60 * 1000000000) /* a resolved alert stays known */

/* Where samples are. */
struct rule_storage {
    struct series_source source;
    /*
     * Appends one sample (`histogram` NULL: a float). The sample must be seen by later reads. TC_EEXIST: the
     * series has another value at this time; TC_ESTATE: it has newer samples; the same sample again is
     * nothing.
     */
    int (*append)(void *context, const struct labels *labels, int64_t time_ms, double value,
                  const struct histogram *histogram, struct err *err);
    void *context;
    /* Each may be NULL. A rule is about to be evaluated: what was appended before must be seen by `source`
     * from now on, and nothing that `source` lent is in use. */
    void (*refresh)(void *context);
    /* Stand around the samples of one rule, with no query between them. Where `begin` fails nothing is
     * appended, `commit` is not called, and the rule has the error. */
    int (*begin)(void *context, struct err *err);
    void (*commit)(void *context);
    /* Over the same samples: what the rules' own expressions read is kept there. NULL: it is read each time.
     */
    struct windows *windows;
    bool renames; /* some of what is appended is kept under another name */
};

enum rule_alert_state { RULE_ALERT_INACTIVE, RULE_ALERT_PENDING, RULE_ALERT_FIRING };

/* What an alerting rule says of one label set; everything is lent for the call. */
struct rule_alert_view {
    const struct rule_group *group;
    const struct rule *rule;
    const struct rule_info *info; /* what a finding says of the rule */
    enum rule_alert_state state;
    const struct label *labels; /* with alertname, without the metric's name; sorted by name */
    size_t label_count;
    const struct label *annotations; /* sorted by name; values may be empty */
    size_t annotation_count;
    struct sv level; /* severity that the side file gives the instance; empty: its label `severity` counts */
    double value;
    int64_t active_at_ns, fired_at_ns, resolved_at_ns; /* TC_NO_TIME where it has not been so */
    int64_t keep_firing_since_ns; /* likewise: since when only keep_firing_for keeps it */
};

enum rule_change_kind {
    RULE_CHANGE_PENDING,  /* its condition became true, and it waits for `for` */
    RULE_CHANGE_FIRING,   /* it fires from now on */
    RULE_CHANGE_GOES_ON,  /* it fired at the evaluation before, too */
    RULE_CHANGE_RESOLVED, /* it does not fire any more */
    RULE_CHANGE_CLEARED,  /* it ended before it fired */
};

struct rule_change {
    enum rule_change_kind kind;
    int64_t time_ns; /* of the evaluation */
    struct rule_alert_view alert;
};

struct rule_engine_options {
    struct rule_storage storage;
    int64_t interval_ns;      /* of groups that name none; 0: 1 minute */
    int64_t query_offset_ns;  /* likewise */
    int64_t subquery_step_ms; /* of subqueries without a step; 0: interval_ns */
    int64_t lookback_ms;      /* 0: 5 minutes */
    unsigned refused;         /* as in promql_options, as the next two */
    bool ignore_start_timestamps, delayed_name_removal;
    bool (*cancelled)(void *context); /* asked during a query; true ends it. May be NULL */
    void *cancel_context;
    const struct clk *clk; /* only to show when evaluations were and how long they took; NULL: their slots */
    const struct label *external_labels; /* for templates; copied */
    size_t external_label_count;
    struct sv external_url; /* for templates; copied */
    /* After a restart: take up `for` where ALERTS_FOR_STATE in the storage says that it was. */
    bool restore;
    int64_t outage_tolerance_ns; /* older state is not taken up; 0: 1 hour */
    int64_t grace_period_ns;     /* what is taken up fires no sooner than this; 0: 10 minutes */
    /* Called for every instance whose state an evaluation sets. May be NULL. */
    void (*on_change)(void *context, const struct rule_change *change);
    void *change_context;
};

/*
 * Makes a finding of a change where there is something to alert about: RULE_CHANGE_FIRING is one,
 * RULE_CHANGE_GOES_ON is its repeat; false for the others. Severity, description and runbook are the
 * instance's own, of its label `severity` and its annotations. Texts are copied into the list's arena.
 */
bool rule_change_finding(const struct rule_change *change, uint64_t position, struct finding_list *out);

struct rule_engine;

/* `files` must be good, outlive the engine, and be in the order in which they are to be evaluated. */
struct rule_engine *rule_engine_new(const struct rule_file *const *files, size_t count,
                                    const struct rule_engine_options *options);
void rule_engine_free(struct rule_engine **engine);
/*
 * Takes over what `old` knows of rules that are the same by group, name and labels, before the first
 * evaluation of `engine`; series of rules that are gone get their staleness marker at it. `old` is to be
 * freed afterwards.
 */
void rule_engine_adopt(struct rule_engine *engine, struct rule_engine *old);

/*
 * Evaluates the groups that are due at `now_ns`, each at its own slot: a multiple of its interval plus an
 * offset that its file and name give. The first call only finds the first slots. Slots that were missed are
 * left out and counted. Errors of rules stay with the rules (rule_engine_error).
 */
void rule_engine_advance(struct rule_engine *engine, int64_t now_ns);
/* As rule_engine_advance for the one group that is due first; false where none is. */
bool rule_engine_step(struct rule_engine *engine, int64_t now_ns);
/* Marks all that the engine's rules wrote last as stale: they end, and nobody adopts them. */
void rule_engine_retire(struct rule_engine *engine, int64_t time_ns);
/* When the next group is due; INT64_MAX where there is none. */
int64_t rule_engine_next_ns(const struct rule_engine *engine);
uint64_t rule_engine_missed(const struct rule_engine *engine);

/* --- by group, for tests and for showing --- */

size_t rule_engine_group_count(const struct rule_engine *engine);
const struct rule_group *rule_engine_group(const struct rule_engine *engine, size_t group);
struct sv rule_engine_group_file(const struct rule_engine *engine, size_t group);
/* Evaluates one group now, whatever its interval. */
void rule_engine_evaluate(struct rule_engine *engine, size_t group, int64_t time_ns);
/* The error of the rule's last evaluation; NULL where it went well or was not. */
const char *rule_engine_error(const struct rule_engine *engine, size_t group, size_t rule);
struct rule_timing {
    uint64_t evaluations, failures;
    int64_t last_ns; /* when the last evaluation began; TC_NO_TIME: there was none */
    int64_t took_ns; /* it */
};
struct rule_timing rule_engine_rule_timing(const struct rule_engine *engine, size_t group, size_t rule);
struct rule_group_timing {
    struct rule_timing timing;
    int64_t interval_ns, query_offset_ns;
    uint64_t missed;
};
/* What the groups' plans (metrics/promql/plan.h) share and saved, in all. */
struct promql_plan_stats rule_engine_plan_stats(const struct rule_engine *engine);
struct rule_group_timing rule_engine_group_timing(const struct rule_engine *engine, size_t group);
const struct rule_info *rule_engine_info(const struct rule_engine *engine, size_t group, size_t rule);
/* Calls `each` for every pending and firing instance, in order of appearance. */
void rule_engine_alerts(const struct rule_engine *engine, size_t group, size_t rule,
                        void (*each)(void *context, const struct rule_alert_view *alert), void *context);

#endif
