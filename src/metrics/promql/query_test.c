/*
 * The evaluator by small scripts of the test language, and its bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metrics/promql/query.h"
#include "metrics/promql/test_language.h"

static void show(void *context, unsigned line, const char *text)
{
    (void)context;
    print_message("line %u: %s\n", line, text);
}

static void passes(const char *script, size_t evals)
{
    struct promql_test_report report = {.on_failure = show};
    struct err err = {0};
    if (promql_test_run(sv_of(script), "script", &report, &err) != 0)
        fail_msg("%u: %s", err.line, err.text);
    assert_int_equal(report.failed, 0);
    assert_int_equal(report.passed, evals);
}

static void windows_are_open_on_the_left(void **state)
{
    (void)state;
    passes("load 1m\n"
           "  m 1 2 3 4 5 6 7\n"
           "\n"
           "eval instant at 5m count_over_time(m[5m])\n"
           "  {} 5\n"
           "\n"
           "eval range from 0 to 6m step 3m sum_over_time(m[2m])\n"
           "  {} 1 7 13\n",
           2);
}

static void staleness_ends_a_series(void **state)
{
    (void)state;
    passes("load 1m\n"
           "  m 1 stale _ 4\n"
           "\n"
           "eval range from 0 to 4m step 1m m\n"
           "  m 1 _ _ 4 4\n"
           "\n"
           "eval instant at 3m count_over_time(m[4m])\n"
           "  {} 2\n",
           2);
}

static void counters_are_corrected_for_resets(void **state)
{
    (void)state;
    passes("load 1m\n"
           "  c_total 0 10 20 5 15\n"
           "\n"
           "eval range from 0 to 4m step 2m increase(c_total[2m])\n"
           "  {} _ 20 15\n"
           "\n"
           "eval instant at 4m resets(c_total[5m])\n"
           "  {} 1\n",
           2);
}

static void failures_are_counted(void **state)
{
    (void)state;
    struct promql_test_report report = {0};
    const char *script = "load 1m\n  m 1\n\neval instant at 0 m\n  m 2\n\neval instant at 0 m\n  m 1\n";
    assert_int_equal(promql_test_run(sv_of(script), "script", &report, NULL), 0);
    assert_int_equal(report.passed, 1);
    assert_int_equal(report.failed, 1);
    assert_int_not_equal(promql_test_run(SV("evil instant at 0 m\n"), "script", &report, NULL), 0);
}

static struct memory_store *many_series(void)
{
    struct memory_store *store = memory_store_new();
    assert_int_equal(
        promql_test_load(SV("load 1s\n  m{a=\"1\"} 0+1x1000\n  m{a=\"2\"} 0+1x1000\n"), "data", store, NULL),
        0);
    return store;
}

static void samples_are_bounded(void **state)
{
    (void)state;
    struct memory_store *store = many_series();
    struct series_source source = memory_store_source(store);
    struct promql_options options = {.end_ms = 1000000, .step_ms = 1000, .max_samples = 1500};
    struct promql_result result = {0};
    struct err err = {0};
    assert_int_not_equal(promql_query(&source, SV("m + 1"), &options, &result, &err), 0);
    assert_string_equal(err.text,
                        "query processing would load too many samples into memory in query execution");
    promql_result_free(&result);
    options.max_samples = 0;
    assert_int_equal(promql_query(&source, SV("m + 1"), &options, &result, &err), 0);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.series[0].n, 1001);
    promql_result_free(&result);
    memory_store_free(&store);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void queries_can_be_cancelled(void **state)
{
    (void)state;
    struct memory_store *store = many_series();
    struct series_source source = memory_store_source(store);
    struct promql_options options = {.end_ms = 1000000, .step_ms = 100, .cancelled = always};
    struct promql_result result = {0};
    struct err err = {0};
    assert_int_not_equal(promql_query(&source, SV("m and on (a) m"), &options, &result, &err), 0);
    assert_string_equal(err.text, "query timed out in expression evaluation");
    promql_result_free(&result);
    /* one series, and more to look at than there is time for */
    options.step_ms = 1000;
    assert_int_not_equal(
        promql_query(&source, SV("stddev_over_time(vector(time())[900s:5ms])"), &options, &result, &err), 0);
    assert_string_equal(err.text, "query timed out in expression evaluation");
    promql_result_free(&result);
    memory_store_free(&store);
}

static size_t evaluated(struct promql_prepared *prepared, struct memory_store *store, int64_t at_ms,
                        struct promql_result *result)
{
    struct series_source source = memory_store_source(store);
    struct promql_options options = {.start_ms = at_ms, .end_ms = at_ms};
    struct err err = {0};
    if (promql_evaluate(prepared, &source, &options, result, &err) != 0)
        fail_msg("%s", err.text);
    return result->count;
}

static void a_prepared_query_is_evaluated_at_any_time_and_over_any_source(void **state)
{
    (void)state;
    struct memory_store *store = many_series(), *other = memory_store_new();
    struct promql_prepared *prepared;
    struct promql_result result = {0};
    assert_int_equal(
        promql_test_load(SV("load 1s\n  m{a=\"9\"} 0+5x1000\n  m{a=\"8\"} 0+5x1000\n"), "other", other, NULL),
        0);
    assert_int_equal(
        promql_prepare(SV("label_replace(m @ end() * on (a) group_left () (sum without (b) (m)), "
                          "\"c\", \"x$1\", \"a\", \"(.*)\") > start()"),
                       &prepared, NULL),
        0);
    for (int64_t at_ms = 500000; at_ms <= 700000; at_ms += 100000) {
        double v = (double)at_ms / 1000;
        assert_int_equal(evaluated(prepared, store, at_ms, &result), 2);
        assert_true(result.series[0].f[0] == v * v);
        assert_true(sv_is(labels_get(result.series[0].labels, SV("c")), "x1"));
        assert_int_equal(labels_name(result.series[0].labels).n, 0);
        assert_int_equal(evaluated(prepared, other, at_ms, &result), 2);
        assert_true(result.series[0].f[0] == 25 * v * v);
        assert_true(sv_is(labels_get(result.series[0].labels, SV("c")), "x9"));
    }
    assert_int_equal(evaluated(prepared, store, 5000000, &result), 0);
    promql_result_free(&result);
    promql_prepared_free(&prepared);
    assert_null(prepared);
    memory_store_free(&store);
    memory_store_free(&other);
}

static void what_a_prepared_query_remembers_is_bounded(void **state)
{
    (void)state;
    struct memory_store *store = many_series();
    struct promql_prepared *prepared;
    struct promql_result result = {0};
    /* every second has label values of its own */
    assert_int_equal(promql_prepare(SV("count_values(\"v\", m)"), &prepared, NULL), 0);
    for (int64_t round = 0; round < 20; round++)
        for (int64_t second = 0; second < 1000; second++) {
            assert_int_equal(evaluated(prepared, store, second * 1000, &result), 1);
            assert_true(result.series[0].f[0] == 2);
            assert_int_equal(result.series[0].labels->count, 1);
            assert_true(result.series[0].labels->id < 5000);
        }
    promql_result_free(&result);
    promql_prepared_free(&prepared);
    memory_store_free(&store);
}

/* {count or error} of an expression, with names removed at once or at the end. */
static void both_ways(const char *expr, const char *at_once, const char *at_the_end)
{
    struct memory_store *store = memory_store_new();
    assert_int_equal(promql_test_load(SV("load 1m\n  x_total{a=\"1\"} 1+1x9\n  y_total{a=\"1\"} 2+2x9\n"),
                                      "data", store, NULL),
                     0);
    struct series_source source = memory_store_source(store);
    for (int delayed = 0; delayed < 2; delayed++) {
        struct promql_options options = {
            .start_ms = 540000, .end_ms = 540000, .delayed_name_removal = delayed == 1};
        struct promql_result result = {0};
        struct err err = {0};
        struct buf text;
        buf_init(&text, 1024);
        if (promql_query(&source, sv_of(expr), &options, &result, &err) != 0)
            buf_str(&text, err.text);
        for (size_t i = 0; i < result.count; i++)
            labels_format_series(&text, result.series[i].labels);
        if (!sv_is(buf_view(&text), delayed ? at_the_end : at_once))
            fail_msg("%s, delayed %d: %.*s", expr, delayed, SV_FMT(buf_view(&text)));
        buf_free(&text);
        promql_result_free(&result);
    }
    memory_store_free(&store);
}

static void names_go_at_once_or_at_the_end(void **state)
{
    (void)state;
    static const char two[] = "vector cannot contain metrics with the same labelset";
    both_ways("rate({__name__=~\".+_total\"}[5m])", two, two);
    both_ways("-{a=\"1\"}", two, two);
    both_ways("sum by (__name__) (abs(x_total))", "{}", "{}");
    both_ways("label_replace(rate({__name__=~\".+_total\"}[5m]), \"__name__\", \"${1}_rate\", \"__name__\", "
              "\"(.).*\")",
              two, "x_rate{a=\"1\"}y_rate{a=\"1\"}");
    both_ways("label_replace(abs(x_total), \"was\", \"$1\", \"__name__\", \"(.*)\")", "{a=\"1\"}",
              "{a=\"1\", was=\"x_total\"}");
    both_ways("count by (a) ({a=\"1\"} * 2)", two, "{a=\"1\"}");
    both_ways("x_total == bool on (a) group_left (__name__) x_total", "x_total{a=\"1\"}", "{a=\"1\"}");
    both_ways("x_total > y_total or on (__name__) x_total * 0", "{a=\"1\"}", "{a=\"1\"}");
    both_ways("last_over_time(x_total[5m])", "x_total{a=\"1\"}", "x_total{a=\"1\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prepared_query_is_evaluated_at_any_time_and_over_any_source),
        cmocka_unit_test(what_a_prepared_query_remembers_is_bounded),
        cmocka_unit_test(names_go_at_once_or_at_the_end),
        cmocka_unit_test(windows_are_open_on_the_left),
        cmocka_unit_test(staleness_ends_a_series),
        cmocka_unit_test(counters_are_corrected_for_resets),
        cmocka_unit_test(failures_are_counted),
        cmocka_unit_test(samples_are_bounded),
        cmocka_unit_test(queries_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
