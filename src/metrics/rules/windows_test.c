/*
 * That windows and plans save what they are for: nothing is read again while samples only come, nothing that
 * stands in several queries is worked out twice; and what happens at their bounds.
 */
#include "metrics/promql/plan.h"
#include "metrics/rules/windows_kit.h"

enum { SERIES = 20, TICK_MS = 15000 };
#define BEGIN_MS INT64_C(1800000000000)

static void open_store(struct test_store *store, uint64_t bytes_max)
{
    *store = (struct test_store){0};
    test_store_open(store, &(struct tsdb_options){.out_of_order_ms = 600000});
    test_store_keep_windows(store, bytes_max);
}

static void close_store(struct test_store *store)
{
    test_store_close(store);
    sim_fs_free(&store->sim);
}

static void tick(struct test_store *store, int64_t now_ms)
{
    struct tsdb_appender a;
    assert_int_equal(tsdb_begin(store->tsdb, 0, INT64_MAX, &a, NULL), 0);
    for (int i = 0; i < SERIES; i++) {
        char instance[16];
        snprintf(instance, sizeof instance, "i%d", i);
        assert_int_equal(kit_add(&a, "m", instance, now_ms, (double)(now_ms - BEGIN_MS) / 1000 * i), TSDB_OK);
    }
    tsdb_commit(&a, NULL, NULL);
    test_store_refresh(store);
    windows_refresh(store->windows, now_ms);
}

/* How many series an instant query gives, over the windows. */
static size_t ask(struct test_store *store, const char *text, int64_t now_ms)
{
    struct series_source source = windows_source(store->windows);
    struct promql_options o = {.start_ms = now_ms, .end_ms = now_ms, .ignore_start_timestamps = true};
    struct promql_result result = {0};
    struct err err = {0};
    if (promql_query(&source, sv_of(text), &o, &result, &err) != 0)
        fail_msg("%s", err.text);
    size_t count = result.count;
    promql_result_free(&result);
    return count;
}

static void test_what_comes_is_not_read(void **state)
{
    struct test_store store;
    int64_t now = BEGIN_MS;
    (void)state;
    open_store(&store, 0);
    for (int i = 0; i < 40; i++, now += TICK_MS) {
        tick(&store, now);
        assert_int_equal(ask(&store, "rate(m[5m])", now), i > 0 ? SERIES : 0);
        assert_int_equal(ask(&store, "max_over_time(m{instance=\"i3\"}[2m])", now), 1);
    }
    struct windows_stats stats = windows_stats(store.windows);
    assert_int_equal(stats.series, SERIES);
    assert_int_equal(stats.selections, 2);
    assert_int_equal(stats.series_read, SERIES); /* once each, for both selectors */
    assert_int_equal(stats.samples_taken, 39 * SERIES);
    assert_int_equal(stats.selections_apart, 0);
    /* a new series is read, no other */
    assert_int_equal(kit_append(store.tsdb, "m", now - 1000, 1, NULL), TSDB_OK);
    windows_refresh(store.windows, now);
    assert_int_equal(ask(&store, "m", now), SERIES + 1);
    assert_int_equal(windows_stats(store.windows).series_read, SERIES + 1);
    /* what nobody asks for is let go */
    now += 3 * KIT_HOUR;
    windows_refresh(store.windows, now);
    assert_int_equal(windows_stats(store.windows).series, 0);
    close_store(&store);
}

static void test_samples_that_are_old_are_let_go(void **state)
{
    struct test_store store;
    uint64_t bytes = 0;
    (void)state;
    open_store(&store, 0);
    for (int i = 0; i < 400; i++) {
        int64_t now = BEGIN_MS + i * TICK_MS;
        tick(&store, now);
        (void)ask(&store, "rate(m[5m])", now);
        if (i == 100)
            bytes = windows_stats(store.windows).bytes;
    }
    assert_true(windows_stats(store.windows).bytes <= bytes + bytes / 4);
    close_store(&store);
}

static void test_bound(void **state)
{
    struct test_store store;
    (void)state;
    open_store(&store, SERIES * 900);
    for (int i = 0; i < 100; i++) {
        int64_t now = BEGIN_MS + i * TICK_MS;
        tick(&store, now);
        assert_int_equal(ask(&store, "count_over_time(m[1h])", now), SERIES);
    }
    struct windows_stats stats = windows_stats(store.windows);
    assert_int_equal(stats.selections_apart, 1);
    assert_true(stats.bytes <= stats.bytes_max);
    close_store(&store);
}

static void test_histograms_are_apart(void **state)
{
    struct test_store store;
    struct tsdb_appender a;
    struct histogram h = {.count = 1, .sum = 7, .zero_count = 1};
    struct label labels[] = {{METRIC_NAME, SV("m")}, {SV("instance"), SV("h")}};
    uint32_t series;
    (void)state;
    open_store(&store, 0);
    tick(&store, BEGIN_MS);
    assert_int_equal(ask(&store, "m", BEGIN_MS), SERIES);
    assert_int_equal(windows_stats(store.windows).selections_apart, 0);
    assert_int_equal(tsdb_begin(store.tsdb, 0, INT64_MAX, &a, NULL), 0);
    assert_int_equal(tsdb_series(&a, labels, 2, &series), TSDB_OK);
    assert_int_equal(tsdb_histogram(&a, series, BEGIN_MS + 1000, &h, 0), TSDB_OK);
    tsdb_commit(&a, NULL, NULL);
    tick(&store, BEGIN_MS + TICK_MS);
    assert_int_equal(ask(&store, "m", BEGIN_MS + TICK_MS), SERIES + 1);
    assert_int_equal(windows_stats(store.windows).selections_apart, 1);
    close_store(&store);
}

static void test_lost_notes(void **state)
{
    struct test_store store;
    (void)state;
    open_store(&store, 0);
    tick(&store, BEGIN_MS);
    assert_int_equal(ask(&store, "m", BEGIN_MS), SERIES);
    store.overrun = true;
    tick(&store, BEGIN_MS + TICK_MS);
    assert_int_equal(ask(&store, "count_over_time(m[1m]) == 2", BEGIN_MS + TICK_MS), SERIES);
    struct windows_stats stats = windows_stats(store.windows);
    assert_int_equal(stats.overruns, 1);
    assert_int_equal(stats.series_read, 2 * SERIES);
    close_store(&store);
}

/* What came before a deletion, and is told of after it, is not taken for new. */
static void test_a_deletion_before_the_notes_are_taken(void **state)
{
    struct test_store store;
    struct tsdb_appender a;
    uint64_t deleted;
    int64_t now = BEGIN_MS + TICK_MS;
    (void)state;
    open_store(&store, 0);
    tick(&store, BEGIN_MS);
    assert_int_equal(ask(&store, "m", BEGIN_MS), SERIES);
    assert_int_equal(tsdb_begin(store.tsdb, 0, INT64_MAX, &a, NULL), 0);
    assert_int_equal(kit_add(&a, "m", "i3", now, 1), TSDB_OK);
    tsdb_commit(&a, NULL, NULL);
    assert_int_equal(kit_delete(store.tsdb, "m", BEGIN_MS + 1, now, &deleted, NULL), 0);
    assert_int_equal(deleted, 1);
    assert_int_equal(ask(&store, "count_over_time(m[1m]) == 1", now), SERIES);
    test_store_refresh(&store);
    windows_refresh(store.windows, now);
    assert_int_equal(ask(&store, "count_over_time(m[1m]) == 1", now), SERIES);
    close_store(&store);
}

static size_t evaluate(struct promql_plan *plan, struct promql_planned *query, struct test_store *store)
{
    struct series_source source = windows_source(store->windows);
    struct promql_options o = {.start_ms = BEGIN_MS + TICK_MS, .end_ms = BEGIN_MS + TICK_MS};
    struct promql_result result = {0};
    struct err err = {0};
    if (promql_plan_evaluate(plan, query, &source, &o, &result, &err) != 0)
        fail_msg("%s", err.text);
    size_t count = result.count;
    promql_result_free(&result);
    return count;
}

static void test_plan(void **state)
{
    static const char *const texts[] = {"rate(m{instance!=\"i1\",instance!=\"i2\"}[1m]) > 1",
                                        "rate(m{instance!=\"i2\",instance!=\"i1\"}[1m]) > 2",
                                        "sum(rate(m{instance!=\"i1\",instance!=\"i2\"}[1m]))",
                                        "sum(rate(m{instance!=\"i1\",instance!=\"i2\"}[1m])) > 0",
                                        "histogram_count(m) > 1",
                                        "m > 1",
                                        "m @ 5",
                                        "other"};
    static const size_t counts[] = {15, 11, 1, 1, 0, 19, 0, 0};
    struct promql_planned *queries[TC_ARRAY_LEN(texts)];
    struct test_store store;
    (void)state;
    open_store(&store, 0);
    tick(&store, BEGIN_MS);
    tick(&store, BEGIN_MS + TICK_MS);
    struct promql_plan *plan = promql_plan_new();
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        assert_int_equal(promql_plan_add(plan, sv_of(texts[i]), &queries[i], NULL), 0);
    for (uint64_t round = 1; round <= 2; round++) {
        promql_plan_begin(plan);
        for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
            assert_int_equal(evaluate(plan, queries[i], &store), counts[i]);
        struct promql_plan_stats stats = promql_plan_stats(plan);
        /* the rate, of which the sum is made, and the sum; `m` below histogram_count() is another thing */
        assert_int_equal(stats.shared, 2);
        assert_int_equal(stats.worked_out, 2 * round);
        assert_int_equal(stats.used_again, 3 * round);
    }
    assert_true(promql_planned_is_apart(queries[6]));
    assert_false(promql_planned_is_apart(queries[5]));
    promql_plan_wrote(plan, SV("other"));
    (void)evaluate(plan, queries[3], &store);
    assert_int_equal(promql_plan_stats(plan).worked_out, 4);
    promql_plan_wrote(plan, SV("m"));
    (void)evaluate(plan, queries[3], &store);
    assert_int_equal(promql_plan_stats(plan).worked_out, 6);
    promql_plan_wrote(plan, SV(""));
    (void)evaluate(plan, queries[3], &store);
    assert_int_equal(promql_plan_stats(plan).worked_out, 8);
    promql_plan_free(&plan);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_is_not_read),
        cmocka_unit_test(test_samples_that_are_old_are_let_go),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_histograms_are_apart),
        cmocka_unit_test(test_lost_notes),
        cmocka_unit_test(test_a_deletion_before_the_notes_are_taken),
        cmocka_unit_test(test_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
