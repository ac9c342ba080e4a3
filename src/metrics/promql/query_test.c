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
    memory_store_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_open_on_the_left),
        cmocka_unit_test(staleness_ends_a_series),
        cmocka_unit_test(counters_are_corrected_for_resets),
        cmocka_unit_test(failures_are_counted),
        cmocka_unit_test(samples_are_bounded),
        cmocka_unit_test(queries_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
