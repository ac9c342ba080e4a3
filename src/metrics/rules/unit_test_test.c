/*
 * Unit tests of rules: reading them, and the text of what failed.
 */
#include "metrics/rules/unit_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char rules[] =
    "groups:\n"
    "- name: late\n"
    "  rules: [{record: twice, expr: once * 2}]\n"
    "- name: early\n"
    "  rules:\n"
    "  - {record: once, expr: x}\n"
    "  - alert: High\n"
    "    expr: x > 1\n"
    "    for: 1m\n"
    "    annotations: {summary: 'is {{ $value }} in {{ $externalLabels.dc }}', none: ''}\n";

/* Runs all tests of `text` over the rules above (or `own`); their words together. */
static void assert_run(const char *own, const char *text, const char *expected)
{
    struct unit_test_file file;
    struct rule_file rule_file;
    const struct rule_file *files[] = {&rule_file};
    struct buf why;
    buf_init(&why, 1 << 20);
    rule_file_read(SV("rules.yml"), sv_of(own != NULL ? own : rules), &rule_file);
    if (unit_test_file_read(sv_of(text), &file) != 0)
        fail_msg("%u: %.*s", file.problems.first->line, SV_FMT(file.problems.first->text));
    for (size_t i = 0; i < file.test_count; i++)
        unit_test_run(&file, &file.tests[i], files, 1, &why);
    buf_char(&why, '\0');
    assert_string_equal(why.p, expected);
    buf_free(&why);
    rule_file_free(&rule_file);
    unit_test_file_free(&file);
}

static void test_pass(void **state)
{
    (void)state;
    assert_run(NULL,
               "group_eval_order: [early, late]\n"
               "tests:\n"
               "- input_series: [{series: 'x{a=\"b\"}', values: '1 2 2 0'}]\n"
               "  external_labels: {dc: here}\n"
               "  start_timestamp: 2024-01-01T00:00:00Z\n"
               "  alert_rule_test:\n"
               "  - {eval_time: 1m, alertname: High}\n"
               "  - eval_time: 2m\n"
               "    alertname: High\n"
               "    exp_alerts: [{exp_labels: {a: b}, exp_annotations: {summary: is 2 in here, none: ''}}]\n"
               "  - {eval_time: 3m, alertname: High}\n"
               "  promql_expr_test:\n"
               "  - {expr: twice, eval_time: 1m, exp_samples: [{labels: 'twice{a=\"b\"}', value: 4}]}\n"
               "  - {expr: time(), eval_time: 3m, exp_samples: [{value: 1704067380}]}\n",
               "");
}

static void test_differences(void **state)
{
    (void)state;
    assert_run(
        NULL,
        "tests:\n"
        "- name: n\n"
        "  input_series: [{series: x, values: '2 2'}]\n"
        "  alert_rule_test:\n"
        "  - {eval_time: 90s, alertname: High, exp_alerts: [{exp_labels: {b: c}}, {}]}\n"
        "  - {eval_time: 0m, alertname: High, exp_alerts: [{}]}\n"
        "  promql_expr_test:\n"
        "  - {expr: x, eval_time: 1m, exp_samples: [{labels: x, value: 0.25}, {labels: 'y{a=\"1\"}'}]}\n"
        "  - {expr: nope, exp_samples: [{value: 1e30}]}\n"
        "  - {expr: x, exp_samples: []}\n",
        "    name: n,\n"
        "    alertname: High, time: 0s, \n"
        "        exp:[\n"
        "            0:\n"
        "              Labels:{alertname=\"High\"}\n"
        "              Annotations:{}\n"
        "            ], \n"
        "        got:[]\n"
        "    name: n,\n"
        "    alertname: High, time: 1m30s, \n"
        "        exp:[\n"
        "            0:\n"
        "              Labels:{alertname=\"High\"}\n"
        "              Annotations:{},\n"
        "            1:\n"
        "              Labels:{alertname=\"High\", b=\"c\"}\n"
        "              Annotations:{}\n"
        "            ], \n"
        "        got:[\n"
        "            0:\n"
        "              Labels:{alertname=\"High\"}\n"
        "              Annotations:{none=\"\", summary=\"is 2 in \"}\n"
        "            ]\n"
        "    expr: \"x\", time: 1m,\n"
        "        exp: {__name__=\"x\"} 2.5E-01, {__name__=\"y\", a=\"1\"} 0E+00\n"
        "        got: {__name__=\"x\"} 2E+00\n"
        "    expr: \"nope\", time: 0s,\n"
        "        exp: {} 1E+30\n"
        "        got: nil\n"
        "    expr: \"x\", time: 0s,\n"
        "        exp: nil\n"
        "        got: {__name__=\"x\"} 2E+00\n");
}

static void test_errors(void **state)
{
    (void)state;
    assert_run(NULL, "tests: [{alert_rule_test: [{eval_time: 90s}]}]",
               "    an item under alert_rule_test misses required attribute alertname at eval_time 1m30s\n");
    assert_run(
        "groups: [{name: a, rules: [{record: b, expr: 'x('}]}]", "tests: [{}]",
        "    rules.yml:1:46: group \"a\", rule 1, \"b\": could not parse expression: 1:3: parse error: "
        "unclosed left parenthesis\n");
    assert_run(
        "groups: [{name: a, rules: [{record: b, expr: 'x + on() y'}]}]",
        "tests: [{input_series: [{series: 'x{a=\"1\"}', values: _ 1}, {series: 'x{a=\"2\"}', values: _ 1},\n"
        "  {series: y, values: 1x9}], promql_expr_test: [{expr: x, eval_time: 5m}]}]",
        "    rule: b, time: 1m0s, err: multiple matches for labels: many-to-one matching must be explicit "
        "(group_left/group_right)\n");
    assert_run("groups: [{name: a, rules: [{record: b, expr: 1}, {record: b, expr: 2}]}]", "tests: [{}]",
               "    rule: b, time: 0s, err: duplicate sample for timestamp 0; overrides not allowed: "
               "existing 1, new "
               "value 2\n");
    assert_run(
        NULL,
        "tests: [{promql_expr_test: [{expr: 'x[1m]', eval_time: 1m, exp_samples: []},\n"
        "  {expr: '1', exp_samples: [{labels: 'x 1', value: 1}]}]}]",
        "    expr: \"x[1m]\", time: 1m, err: rule result is not a vector or scalar\n"
        "    expr: \"1\", time: 0s, err: labels \"x 1\": labels only are expected here, without values\n");
}

static void test_histograms_and_fuzz(void **state)
{
    (void)state;
    assert_run(NULL,
               "fuzzy_compare: true\n"
               "tests:\n"
               "- input_series:\n"
               "  - {series: h, values: '{{sum:3 count:2 buckets:[2]}}+{{sum:1 count:1 buckets:[1]}}x2'}\n"
               "  - {series: f, values: '2.9999999999999996'}\n"
               "  promql_expr_test:\n"
               "  - {expr: f, exp_samples: [{labels: f, value: 3}]}\n"
               "  - expr: h\n"
               "    eval_time: 2m\n"
               "    exp_samples: [{labels: h, histogram: '{{count:4 sum:5 counter_reset_hint:not_reset "
               "buckets:[4]}}'}]\n"
               "  - {expr: h, eval_time: 2m, exp_samples: [{labels: h, value: 4}]}\n",
               "    expr: \"h\", time: 2m,\n"
               "        exp: {__name__=\"h\"} 4E+00\n"
               "        got: {__name__=\"h\"} {{count:4 sum:5 counter_reset_hint:not_reset buckets:[4]}}\n");
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *problem;
    } cases[] = {
        {"test: []", 1, "field test not found in a unit test file: did you mean \"tests\"?"},
        {"group_eval_order: [a, b, a]", 1, "group name repeated in evaluation order: a"},
        {"tests:\n- start_timestamp: noon", 2, "start_timestamp: cannot parse \"noon\" to a valid timestamp"},
        {"tests:\n- promql_expr_test:\n  - {exp_samples: [{value: 'x'}]}", 3,
         "value: a number is expected here, not \"x\""},
        {"tests:\n- alert_rule_test: {}", 2, "alert_rule_test: a list is expected here, not a map"},
        {"tests:\n- interval: 5", 2, "interval: not a valid duration string: \"5\""},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct unit_test_file file;
        assert_int_equal(unit_test_file_read(sv_of(cases[i].text), &file), TC_EINPUT);
        const struct rule_problem *p = file.problems.first;
        if (p->line != cases[i].line || !sv_is(p->text, cases[i].problem))
            fail_msg("%s: %u: %.*s", cases[i].text, p->line, SV_FMT(p->text));
        unit_test_file_free(&file);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    assert_run(NULL,
               "evaluation_interval: 1ms\n"
               "tests: [{promql_expr_test: [{expr: '1', eval_time: 10000s, exp_samples: [{value: 1}]}]}]",
               "    more than 10000000 evaluations: take a longer evaluation_interval\n");
    assert_run("",
               "evaluation_interval: 100d\n"
               "tests: [{promql_expr_test: [{expr: time(), eval_time: 106700d, exp_samples: [{value: "
               "9218880000}]}]}]",
               "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),     cmocka_unit_test(test_differences),
        cmocka_unit_test(test_errors),   cmocka_unit_test(test_histograms_and_fuzz),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
