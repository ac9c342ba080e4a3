/*
 * The evaluator by small scripts of the test language, and its bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metrics/memory_store.h"
#include "metrics/promql/query.h"
#include "metrics/promql/result_json.h"
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

/* A source that lends nothing longer than until the next series is read, as the store on disk does: what was
 * read before is overwritten. */
struct forgetful {
    struct series_source inner;
    struct histogram *lent[64];
    size_t n;
};

static int forgetful_select(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                            int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                            struct err *err)
{
    struct forgetful *f = context;
    return f->inner.select(f->inner.context, matchers, count, min_t, max_t, arena, ret, ret_count, err);
}

static int forgetful_read(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                          struct series_samples *ret, struct err *err)
{
    struct forgetful *f = context;
    for (; f->n > 0; f->n--)
        f->lent[f->n - 1]->count = f->lent[f->n - 1]->sum = -1;
    int rc = f->inner.read(f->inner.context, ref, min_t, max_t, scratch, ret, err);
    struct histogram **copies = ARENA_ARRAY(scratch, struct histogram *, ret->n + 1);
    for (size_t i = 0; i < ret->n && ret->h != NULL; i++)
        if (ret->h[i] != NULL) {
            static struct arena kept; /* until the end of the program */
            assert_true(f->n < TC_ARRAY_LEN(f->lent));
            copies[i] = f->lent[f->n++] = histogram_copy(&kept, ret->h[i]);
        }
    ret->h = ret->h == NULL ? NULL : copies;
    return rc;
}

/* A sample a minute. */
static void load_series(struct memory_store *store, const char *text)
{
    struct promql_parse parse = {0};
    struct series_description described;
    struct memory_sample samples[16];
    assert_int_equal(promql_parse_series(&parse, sv_of(text), &described, NULL), 0);
    assert_true(described.value_count <= TC_ARRAY_LEN(samples));
    for (size_t i = 0; i < described.value_count; i++)
        samples[i] = (struct memory_sample){
            .t = (int64_t)i * 60000, .f = described.values[i].value, .h = described.values[i].histogram};
    assert_int_equal(memory_store_append(store, described.labels, described.label_count, samples,
                                         described.value_count, NULL),
                     0);
    promql_parse_free(&parse);
}

static void same_as_of_a_source_that_keeps(struct memory_store *store, const char *expression,
                                           int64_t step_ms)
{
    struct forgetful forgetful = {.inner = memory_store_source(store)};
    struct series_source sources[2] = {
        memory_store_source(store),
        {.context = &forgetful, .select = forgetful_select, .read = forgetful_read}};
    struct promql_options options = {
        .start_ms = 60000, .end_ms = step_ms == 0 ? 60000 : 180000, .step_ms = step_ms};
    struct buf texts[2];
    for (size_t i = 0; i < 2; i++) {
        struct promql_result result = {0};
        struct err err = {0};
        buf_init(&texts[i], 1 << 20);
        if (promql_query(&sources[i], sv_of(expression), &options, &result, &err) != 0)
            fail_msg("%s: %s", expression, err.text);
        struct json_out json = json_out_to(&texts[i]);
        json_object(&json);
        promql_result_json(&json, &result, 60000, 0);
        json_object_end(&json);
        promql_result_free(&result);
    }
    if (!sv_eq(buf_view(&texts[0]), buf_view(&texts[1])))
        fail_msg("%s: %.*s\nand not %.*s", expression, SV_FMT(buf_view(&texts[1])),
                 SV_FMT(buf_view(&texts[0])));
    buf_free(&texts[0]);
    buf_free(&texts[1]);
}

static void histograms_that_are_lent_are_kept_by_who_needs_them(void **state)
{
    (void)state;
    static const char *const expressions[] = {"h",
                                              "h + h",
                                              "h * 2",
                                              "-h",
                                              "2 * h",
                                              "h and h",
                                              "h or x",
                                              "h unless x",
                                              "sort(h)",
                                              "h == h",
                                              "sum(h)",
                                              "sum by (a) (h)",
                                              "avg(h)",
                                              "count(h)",
                                              "limitk(2, h)",
                                              "topk(1, h)",
                                              "count_values(\"v\", h)",
                                              "max(h)",
                                              "histogram_quantile(0.5, h)",
                                              "histogram_quantile(0.5, h + h)",
                                              "histogram_sum(h)",
                                              "h offset 1m",
                                              "h @ 60",
                                              "label_replace(h, \"b\", \"$1\", \"a\", \"(.*)\")",
                                              "last_over_time(h[2m])",
                                              "rate(h[2m])",
                                              "sum_over_time(h[2m:30s])",
                                              "h[2m:30s] @ 120",
                                              "increase(h[3m] anchored)",
                                              "h smoothed",
                                              "h </ 2",
                                              "group(h)",
                                              "absent(h)",
                                              "timestamp(h)",
                                              "h * on (a) group_left () x",
                                              "h != on (a) h",
                                              "first_over_time(h[5m])",
                                              "info(h)"};
    struct memory_store *store = memory_store_new();
    const char *series[] = {
        "h{a=\"1\"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}+{{schema:0 sum:5 count:4 buckets:[1 2 1]}}x5",
        "h{a=\"2\"} {{schema:1 sum:9 count:6 buckets:[4 1 1]}}+{{schema:1 sum:1 count:1 buckets:[1]}}x5",
        "h{a=\"3\"} {{schema:0 sum:2 count:2 z_bucket:1 z_bucket_w:0.1 buckets:[1]}}x5", "x{a=\"2\"} 1x5"};
    for (size_t i = 0; i < TC_ARRAY_LEN(series); i++)
        load_series(store, series[i]);
    for (size_t i = 0; i < TC_ARRAY_LEN(expressions); i++)
        for (int64_t step_ms = 0; step_ms <= 60000; step_ms += 60000)
            if (step_ms == 0 || strchr(expressions[i], ':') == NULL || expressions[i][0] != 'h')
                same_as_of_a_source_that_keeps(store, expressions[i], step_ms);
    memory_store_free(&store);
}

static void test_C_112_areas_under_values(void **state)
{
    (void)state;
    passes("load 10s\n"
           "  m 1 3 NaN 5 _ 7\n"
           "  one 4\n"
           "  big 1.7e308 1.7e308\n"
           "  h {{schema:0 count:1 sum:1}} {{schema:0 count:2 sum:2}}\n"
           "\n"
           "eval instant at 50s integral(m[1m])\n"
           "  {} 180\n" /* 20 + 15 + 25 + 120 */
           "\n"
           "eval instant at 50s integral(m[1m], 0)\n"
           "  {} 140\n" /* 10 + 30 + 0 + 100 */
           "\n"
           "eval instant at 50s integral(m[1m], 1)\n"
           "  {} 220\n" /* 30 + 0 + 50 + 140 */
           "\n"
           "eval instant at 50s integral(m[1m], 7)\n"
           "  expect warn regex: strategy should be 0, 1, or 2 .default., using 2, got 7\n"
           "  {} 180\n"
           "\n"
           "eval instant at 10s integral(one[1m])\n"
           "  {} 0\n"
           "\n"
           "eval instant at 10s integral(big[1m]) / 1e10\n"
           "  {} +Inf\n" /* ten times as much is past all numbers, their mean is not */
           "\n"
           "eval instant at 10s integral(h[1m])\n",
           7);
}

static void test_C_112_numbers_at_the_edge(void **state)
{
    (void)state;
    passes("load 1m\n"
           "  a{le=\"NaN\"} 3\n"
           "  a{le=\"2\"} 1\n"
           "  a{le=\"+Inf\"} 2\n"
           "\n"
           "eval instant at 0 rad(vector(1.2e308)) > 2e306\n"
           "  {} 2.0943951023931953e+306\n"
           "\n"
           "eval instant at 0 deg(vector(2e306)) < Inf\n"
           "  {} 1.1459155902616465e+308\n"
           "\n"
           "eval instant at 0 histogram_quantile(0.25, a)\n"
           "  expect warn msg: PromQL warning: bucket label \"le\" is missing or has a malformed value of "
           "\"NaN\" for "
           "metric name \"a\" (1:26)\n"
           "  {} 1\n"
           "\n"
           "load_with_nhcb 1m\n"
           "  b_bucket{le=\"-1\"} 1\n"
           "  b_bucket{le=\"0\"} 3\n"
           "  b_bucket{le=\"2\"} 7\n"
           "  b_bucket{le=\"+Inf\"} 8\n"
           "\n"
           "eval instant at 0 histogram_fraction(-Inf, 0, b)\n"
           "  {} 0.375\n"
           "\n"
           "eval instant at 0 histogram_fraction(0, 1, b)\n"
           "  {} 0.25\n",
           5);
}

static void test_C_112_histograms_are_compared_whole(void **state)
{
    (void)state;
    passes(
        "load 1m\n"
        "  a {{schema:0 count:3 sum:3 buckets:[1 2]}} {{schema:0 count:3 sum:3 buckets:[2 1]}}\n"
        "  b {{schema:0 count:3 sum:3 buckets:[2 1]}} {{schema:0 count:3 sum:3 buckets:[2 1]}}\n"
        "\n"
        "eval range from 0 to 1m step 1m histogram_sum(a == b)\n"
        "  {} _ 3\n"
        "\n"
        "eval range from 0 to 1m step 1m histogram_count(a != b)\n"
        "  {} 3 _\n"
        "\n"
        "eval instant at 1m histogram_count(a and changes(a[2m]) > 0)\n"
        "  {} 3\n"
        "\n"
        "eval instant at 0 histogram_count(a and on () count(count_values(\"v\", {__name__=~\"a|b\"})) > 1)\n"
        "  {} 3\n",
        4);
}

static void test_C_112_info_needs_the_same_identity(void **state)
{
    (void)state;
    passes("load 1m\n"
           "  m{job=\"a\"} 1\n"
           "  m{instance=\"i\"} 2\n"
           "  m{job=\"a\", instance=\"j\"} 3\n"
           "  m 4\n"
           "  target_info{job=\"a\", of=\"job\"} 1\n"
           "  target_info{instance=\"i\", of=\"instance\"} 1\n"
           "  target_info{job=\"a\", instance=\"j\", of=\"both\"} 1\n"
           "  target_info{job=\"a\", instance=\"i\", of=\"nobody\"} 1\n"
           "  target_info{of=\"nothing\"} 1\n"
           "\n"
           "eval instant at 0 info(m)\n"
           "  m{job=\"a\", of=\"job\"} 1\n"
           "  m{instance=\"i\", of=\"instance\"} 2\n"
           "  m{job=\"a\", instance=\"j\", of=\"both\"} 3\n"
           "  m 4\n",
           1);
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
        cmocka_unit_test(test_C_112_areas_under_values),
        cmocka_unit_test(histograms_that_are_lent_are_kept_by_who_needs_them),
        cmocka_unit_test(test_C_112_numbers_at_the_edge),
        cmocka_unit_test(test_C_112_histograms_are_compared_whole),
        cmocka_unit_test(test_C_112_info_needs_the_same_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
