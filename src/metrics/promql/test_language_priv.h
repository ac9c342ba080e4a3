/*
 * What reading, running and comparing of test files share.
 */
#ifndef METRICS_PROMQL_TEST_LANGUAGE_PRIV_H
#define METRICS_PROMQL_TEST_LANGUAGE_PRIV_H

#include "metrics/promql/query.h"
#include "metrics/promql/test_language.h"

enum expect_kind {
    EXPECT_ORDERED,
    EXPECT_FAIL,
    EXPECT_WARN,
    EXPECT_NO_WARN,
    EXPECT_INFO,
    EXPECT_NO_INFO,
    EXPECT_KINDS
};

struct expectation {
    enum expect_kind kind;
    struct sv message; /* compared whole, where there is no expression */
    struct re2 *regex; /* NULL with `any`: anything will do */
    bool any;
    struct expectation *next;
};

struct expected_series {
    const struct labels *labels;
    struct series_value *values;
    size_t count, position; /* position: 1 for the first line */
    bool seen;
};

/* One eval command. */
struct eval_command {
    unsigned line;
    struct sv expr;
    bool is_range;
    int64_t start_ms, end_ms, step_ms, at_ms;
    bool legacy_warn, legacy_info, legacy_fail, legacy_ordered;
    struct expectation *expectations;
    unsigned counts[EXPECT_KINDS];
    bool expect_scalar, expect_string, expect_range_vector;
    double scalar;
    struct sv string;
    struct expected_series *series;
    size_t series_count, series_capacity;
};

/* A file under way. */
struct test_file {
    const char *name;
    struct sv *lines; /* trimmed; comments are empty */
    size_t line_count;
    size_t at;
    struct memory_store *store;
    struct promql_test_report *report;
    struct arena arena;           /* of one command */
    struct labels_table labels;   /* of one command */
    struct promql_parse **parses; /* of one command: what the series' texts live in */
    size_t parse_count, parse_capacity;
};

int test_error(const struct test_file *t, size_t line, struct err *err, const char *format, ...)
    TC_PRINTF(4, 5);
int test_series(struct test_file *t, struct sv line, size_t number, struct series_description *ret,
                struct err *err);
int test_load(struct test_file *t, struct err *err);
int test_read_eval(struct test_file *t, struct eval_command *command, struct err *err);
/* Runs the eval in all its forms; an empty buffer where it passed, else why not. */
void test_eval(struct test_file *t, struct eval_command *command, struct buf *why);
/* Compares; appends why the result is not the expected one. */
void test_compare(struct test_file *t, struct eval_command *command, const struct promql_result *result,
                  struct buf *why);
/* The next word, and the rest without leading white space. */
struct sv test_word(struct sv *rest);

#endif
