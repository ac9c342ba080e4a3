/*
 * What running a unit test and comparing its results share.
 */
#ifndef METRICS_RULES_UNIT_TEST_PRIV_H
#define METRICS_RULES_UNIT_TEST_PRIV_H

#include "base/map.h"
#include "metrics/memory_store.h"
#include "metrics/promql/parser.h"
#include "metrics/rules/engine.h"
#include "metrics/rules/unit_test.h"

struct test_input {
    struct label *labels;
    size_t label_count;
    const struct series_value *values;
    size_t value_count, next; /* next: the first that has not been loaded */
};

struct test_run {
    const struct unit_test_file *file;
    const struct unit_test *test;
    struct buf *why;
    struct arena arena;
    struct promql_parse parse; /* of the input series */
    struct memory_store *store;
    struct series_source source;
    struct map newest; /* label_key -> 1 + index into `last`: for duplicates */
    struct last_sample *last;
    size_t last_count;
    struct test_input *inputs;
    size_t input_count;
    struct rule_engine *engine;
    size_t *order;  /* of groups */
    int64_t end_ns; /* the latest eval_time */
};

struct last_sample {
    int64_t t;
    double value;
    bool is_histogram;
};

/* The items of alert_rule_test that look at the evaluation at `from_ns` (both since the start): from_ns <=
 * eval_time < to_ns. */
void test_compare_alerts(struct test_run *run, int64_t from_ns, int64_t to_ns);
void test_compare_queries(struct test_run *run);

#endif
