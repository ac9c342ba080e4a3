/*
 * Rates of whole series: the same bits however many threads read, and however many steps are asked for at
 * once.
 */
#include "metrics/memory_store.h"
#include "metrics/promql/query.h"

#include "base/rng.h"
#include "metrics/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SERIES = 1300, SAMPLES = 60, STEP_MS = 15000 };

/* Of every kind: regular and jittered times, gaps, resets, staleness, start times, histograms. */
static void add_series(struct memory_store *store, unsigned i)
{
    char instance[16], job[16];
    snprintf(instance, sizeof instance, "i%u", i);
    snprintf(job, sizeof job, "j%u", i % 7);
    struct label labels[] = {{METRIC_NAME, SV("m_total")},
                             {SV("instance"), sv_of(instance)},
                             {SV("job"), sv_of(job)},
                             {SV("kind"), i % 101 == 6 ? SV("histogram") : SV("float")}};
    struct memory_sample samples[SAMPLES] = {0};
    struct sim_rng rng;
    size_t n = 0;
    double v = i;
    int32_t index[] = {1};
    double count[] = {3};
    struct histogram h = {.schema = 1, .count = 3, .sum = 5, .positive = {index, count, 1}};
    sim_rng_init(&rng, i);
    for (unsigned k = 0; k < SAMPLES; k++) {
        uint64_t r = rng_u64(&rng.rng);
        if (i % 5 == 2 && r % 9 < 3)
            continue;
        v = i % 11 == 3 && r % 13 == 0 ? 0 : v + (double)(r % 100) / 3;
        samples[n] =
            (struct memory_sample){.t = (int64_t)k * STEP_MS + (i % 3 == 1 ? (int64_t)(r >> 8) % 900 : 0),
                                   .f = i % 17 == 4 && k == 30 ? stale_nan() : v};
        if (i % 19 == 5)
            samples[n].start_t = 1 + k / 20 * 20 * STEP_MS;
        if (i % 101 == 6)
            samples[n].h = &h;
        n++;
    }
    assert_int_equal(memory_store_append(store, labels, TC_ARRAY_LEN(labels), samples, n, NULL), 0);
}

static int set_up(void **state)
{
    struct memory_store *store = memory_store_new();
    for (unsigned i = 0; i < SERIES; i++)
        add_series(store, i);
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    struct memory_store *store = *state;
    memory_store_free(&store);
    return 0;
}

static void ask(struct memory_store *store, const char *text, const struct promql_options *options,
                struct promql_result *ret)
{
    struct series_source source = memory_store_source(store);
    struct err err = {0};
    *ret = (struct promql_result){0};
    if (promql_query(&source, sv_of(text), options, ret, &err) != 0)
        fail_msg("%s: %s", text, err.text);
}

static void same_series(const struct promql_series *a, const struct promql_series *b)
{
    assert_int_equal(labels_compare(a->labels, b->labels), 0);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->t, b->t, a->n * sizeof *a->t);
    for (size_t i = 0; i < a->n; i++) {
        bool histogram = a->h != NULL && a->h[i] != NULL;
        assert_int_equal(histogram, b->h != NULL && b->h[i] != NULL);
        if (histogram)
            assert_true(histogram_equal(a->h[i], b->h[i]));
        else
            assert_memory_equal(&a->f[i], &b->f[i], sizeof a->f[i]);
    }
}

static const char *const queries[] = {"rate(m_total[5m])",
                                      "increase(m_total[40s])",
                                      "delta(m_total[2m] offset 1m)",
                                      "sum by (job, kind) (rate(m_total[5m]))",
                                      "sum by (kind) (rate(m_total[1m]))",
                                      "topk(3, rate(m_total[90s]))",
                                      "sum without (instance) (increase(m_total[3m])) / 2"};

static void test_threads_change_nothing(void **state)
{
    struct pool *pool = pool_new(3);
    for (size_t i = 0; i < TC_ARRAY_LEN(queries); i++) {
        struct promql_options options = {.start_ms = 100000, .end_ms = 850000, .step_ms = 13000};
        struct promql_result alone, together;
        options.delayed_name_removal = i % 2 == 1;
        options.ignore_start_timestamps = i % 3 == 1;
        ask(*state, queries[i], &options, &alone);
        options.pool = pool;
        ask(*state, queries[i], &options, &together);
        assert_true(alone.count > 0);
        assert_int_equal(alone.count, together.count);
        assert_int_equal(alone.warning_count, together.warning_count);
        for (size_t k = 0; k < alone.count; k++)
            same_series(&alone.series[k], &together.series[k]);
        promql_result_free(&alone);
        promql_result_free(&together);
    }
    pool_free(&pool);
}

static const struct promql_series *series_like(const struct promql_result *r, const struct labels *labels)
{
    for (size_t i = 0; i < r->count; i++)
        if (labels_compare(r->series[i].labels, labels) == 0)
            return &r->series[i];
    return NULL;
}

/* A range that moves by the samples' own rhythm takes the fast way; one step at a time does not. */
static void test_steps_are_what_they_are_alone(void **state)
{
    struct promql_options options = {.start_ms = 120000, .end_ms = 840000, .step_ms = STEP_MS};
    static const char *const text = "rate(m_total{instance=~\"i.*[0-4]\"}[2m])";
    struct promql_result range, one;
    size_t compared = 0;
    ask(*state, text, &options, &range);
    for (int64_t t = options.start_ms; t <= options.end_ms; t += 5 * STEP_MS) {
        struct promql_options instant = {.start_ms = t, .end_ms = t};
        ask(*state, text, &instant, &one);
        for (size_t k = 0; k < one.count; k++) {
            const struct promql_series *s = series_like(&range, one.series[k].labels);
            assert_non_null(s);
            size_t i = 0;
            while (i < s->n && s->t[i] != t)
                i++;
            assert_true(i < s->n);
            if (s->h == NULL || s->h[i] == NULL) {
                assert_memory_equal(&s->f[i], &one.series[k].f[0], sizeof(double));
                compared++;
            }
        }
        promql_result_free(&one);
    }
    assert_true(compared > SERIES);
    promql_result_free(&range);
}

/* Past a bound of steps series go window by window: with the same bits. */
static void test_many_steps(void **state)
{
    static const char *const text = "rate(m_total{instance=~\"i1?[0-9]\",kind=\"float\"}[2m])";
    struct promql_options options = {.start_ms = 400000, .end_ms = 460000, .step_ms = 1};
    struct promql_result few, many;
    ask(*state, text, &options, &few);
    options.end_ms = 470000;
    ask(*state, text, &options, &many);
    assert_int_equal(few.count, many.count);
    assert_true(few.count > 10);
    for (size_t k = 0; k < few.count; k++) {
        const struct promql_series *a = &few.series[k], *b = &many.series[k];
        assert_int_equal(labels_compare(a->labels, b->labels), 0);
        assert_true(a->n > 0 && a->n < b->n);
        assert_memory_equal(a->t, b->t, a->n * sizeof *a->t);
        assert_memory_equal(a->f, b->f, a->n * sizeof *a->f);
    }
    promql_result_free(&few);
    promql_result_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threads_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps_are_what_they_are_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_steps, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
