/*
 * Prometheus rule files: reading and checking them as promtool does
 * (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/).
 *
 * Current Prometheus decides (3.x): names may be any UTF-8, groups have labels and query_offset. Beyond it, a
 * PrometheusRule object of Kubernetes (monitoring.coreos.com) is read, too. Bounds: those of base/yaml.h;
 * 100,000 rules a file.
 */
#ifndef METRICS_RULES_RULE_FILE_H
#define METRICS_RULES_RULE_FILE_H

#include "base/arena.h"
#include "metrics/labels.h"
#include "metrics/rules/problem.h"

enum { RULE_FILE_RULES_MAX = 100000, RULE_FILE_BYTES_MAX = 8 << 20 };

/* What a side file says of an alerting rule (side_file.h). */
enum rule_no_data { RULE_NO_DATA_OK, RULE_NO_DATA_KEEP, RULE_NO_DATA_ALERT };
enum { RULE_DATAPOINTS_MAX = 64 };

struct rule_severity {
    struct sv level, when;
};

struct rule_extra {
    enum rule_no_data no_data;
    struct sv data;        /* an expression that has a sample where there is data */
    unsigned at_least, of; /* datapoints: true when `at_least` of the last `of` were; of 0: not used */
    struct sv recover;     /* what fires ends only when this expression is true; empty: not used */
    const struct rule_severity *severities; /* the first whose expression is true */
    size_t severity_count;
};

struct rule {
    bool alerting; /* else recording */
    struct sv name;
    struct sv expr;
    int64_t for_ns, keep_firing_for_ns;
    const struct label *labels; /* the group's and its own, which win; sorted by name; values may be empty */
    size_t label_count;
    const struct label *annotations; /* sorted by name; values may be empty */
    size_t annotation_count;
    const struct rule_extra *extra; /* NULL: none */
    unsigned line, column;
};

struct rule_group {
    struct sv name;
    int64_t interval_ns; /* 0: the default */
    bool has_query_offset;
    int64_t query_offset_ns;
    int64_t limit; /* 0: none */
    struct rule *rules;
    size_t rule_count;
    unsigned line, column;
};

struct rule_file {
    unsigned refused; /* extensions of PromQL that it may not use, as promql_parse.refused */
    struct arena arena;
    struct sv path;
    struct rule_group *groups;
    size_t group_count, rule_count;
    struct rule_problems problems;
};

/*
 * Reads and checks. Everything lies in ret->arena, nothing points into `bytes`. 0, or TC_EINPUT where
 * ret->problems has errors (it may have warnings in any case); rule_file_free in any case.
 */
int rule_file_read(struct sv path, struct sv bytes, struct rule_file *ret);
/* The same with extensions of PromQL (as promql_parse.refused) that are errors; they are in ret->refused. */
int rule_file_read_refusing(struct sv path, struct sv bytes, unsigned refused, struct rule_file *ret);
void rule_file_free(struct rule_file *file);

/*
 * promtool's lint: rules of equal name and labels, each named once, sorted. In `arena`; 0 where there is
 * none.
 */
struct rule_duplicate {
    struct sv name;
    const struct label *labels;
    size_t label_count;
};
size_t rule_file_duplicates(const struct rule_file *file, struct arena *arena, struct rule_duplicate **ret);

#endif
