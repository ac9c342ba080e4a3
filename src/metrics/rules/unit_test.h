/*
 * Unit tests of rules in promtool's format (`promtool test rules`,
 * https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/).
 *
 * Results are promtool's: the same tests pass, and what fails says what was expected and what was got in the
 * same layout. Bounds: those of base/yaml.h, 10,000,000 evaluations of all rules in one test.
 */
#ifndef METRICS_RULES_UNIT_TEST_H
#define METRICS_RULES_UNIT_TEST_H

#include "metrics/promql/features.h"
#include "metrics/rules/rule_file.h"

enum { UNIT_TEST_EVALUATIONS_MAX = 10000000 };

struct unit_test_series {
    struct sv series, values;
};

struct unit_test_alert {
    const struct label *labels; /* sorted, with alertname */
    size_t label_count;
    const struct label *annotations;
    size_t annotation_count;
};

struct unit_test_alerts { /* of alert_rule_test */
    int64_t eval_time_ns;
    struct sv alertname;
    struct unit_test_alert *expected;
    size_t expected_count;
};

struct unit_test_sample {
    struct sv labels;
    double value;
    struct sv histogram;
};

struct unit_test_query { /* of promql_expr_test */
    struct sv expr;
    int64_t eval_time_ns;
    struct unit_test_sample *expected;
    size_t expected_count;
};

struct unit_test {
    struct sv name; /* "unnamed#N" where the file gives none */
    bool named;
    unsigned line;
    int64_t interval_ns, start_ns;
    struct unit_test_series *series;
    size_t series_count;
    struct unit_test_alerts *alerts;
    size_t alert_count;
    struct unit_test_query *queries;
    size_t query_count;
    const struct label *external_labels;
    size_t external_label_count;
    struct sv external_url;
};

struct unit_test_file {
    struct promql_features features; /* with which its tests run: set after reading */
    struct arena arena;
    struct sv *rule_files; /* as written: paths and patterns, relative to the file's folder */
    size_t rule_file_count;
    struct sv *group_eval_order;
    size_t group_order_count;
    int64_t evaluation_interval_ns;
    bool fuzzy_compare;
    struct unit_test *tests;
    size_t test_count;
    struct rule_problems problems;
};

/* Reads. 0, or TC_EINPUT where ret->problems has errors; unit_test_file_free in any case. */
int unit_test_file_read(struct sv bytes, struct unit_test_file *ret);
void unit_test_file_free(struct unit_test_file *file);

/*
 * Runs one test over rule files that have been read. Appends what went wrong to `why`: nothing, where the
 * test passed. A rule file with errors fails every test.
 */
void unit_test_run(const struct unit_test_file *file, const struct unit_test *test,
                   const struct rule_file *const *rules, size_t rule_count, struct buf *why);

#endif
