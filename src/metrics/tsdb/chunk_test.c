/*
 * Chunks: what goes in comes out, bit for bit, and sizes stay where they are promised.
 */
#include "metrics/tsdb/chunk.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 20000 };

struct shape {
    const char *name;
    double (*value)(struct sim_rng *rng, unsigned i, double before);
    unsigned jitter_ms;
    double bytes_max; /* a sample */
};

static uint64_t below(struct sim_rng *rng, uint64_t n)
{
    return rng_u64(&rng->rng) % n;
}

static double constant(struct sim_rng *rng, unsigned i, double before)
{
    (void)rng, (void)i, (void)before;
    return 17;
}
static double straight(struct sim_rng *rng, unsigned i, double before)
{
    (void)rng, (void)before;
    return 1000 + 15.0 * i;
}
static double counter(struct sim_rng *rng, unsigned i, double before)
{
    (void)i;
    return before + (double)below(rng, 100);
}
static double cents(struct sim_rng *rng, unsigned i, double before)
{
    (void)i, (void)before;
    return round((40 + (double)below(rng, 1000) / 100) * 100) / 100;
}
static double noise(struct sim_rng *rng, unsigned i, double before)
{
    (void)i, (void)before;
    return (double)rng_u64(&rng->rng) / 1e19;
}
static double anything(struct sim_rng *rng, unsigned i, double before)
{
    (void)before;
    static const double odd[] = {0.0, -0.0, 1, -1, 0.1, 1e300, 5e-324, 9007199254740993.0, 123456.789};
    uint64_t bits = rng_u64(&rng->rng);
    double v;
    memcpy(&v, &bits, sizeof v);
    return i % 3 == 0    ? odd[bits % TC_ARRAY_LEN(odd)]
           : i % 7 == 1  ? NAN
           : i % 11 == 1 ? INFINITY
           : i % 5 == 1  ? stale_nan()
                         : v;
}

static const struct shape shapes[] = {
    {"constant, regular", constant, 0, 0.42},
    {"straight counter, regular", straight, 0, 0.5},
    {"constant, 10 ms jitter", constant, 10, 1.0},
    {"counter, 10 ms jitter", counter, 10, 2.0},
    {"two decimals, 10 ms jitter", cents, 10, 2.4},
    {"random bits, 10 ms jitter", noise, 10, 9},
    {"hostile values, 20 s jitter", anything, 20000, 16},
};

static void roundtrip(const struct shape *shape)
{
    struct sim_rng rng;
    sim_rng_init(&rng, 7);
    struct chunk_writer w = {0};
    struct arena arena = {0};
    static int64_t t[SAMPLES];
    static double v[SAMPLES];
    size_t checked = 0, bytes = 0, chunks = 0;
    unsigned mode = CHUNK_XOR + 1;
    double before = 0;
    for (unsigned i = 0; i <= SAMPLES; i++) {
        if (i < SAMPLES) {
            t[i] = INT64_C(1800000000000) + 15000LL * i +
                   (int64_t)(shape->jitter_ms ? below(&rng, shape->jitter_ms) : 0);
            if (i > 0 && t[i] <= t[i - 1])
                t[i] = t[i - 1] + 1;
            v[i] = before = shape->value(&rng, i, before);
            if (w.p != NULL && chunk_float_add(&w, t[i], v[i], 0, &mode))
                continue;
        }
        if (w.p != NULL) {
            struct chunk_columns c;
            unsigned count = w.count;
            struct sv taken = chunk_take(&w);
            arena_reset(&arena);
            chunk_columns_init(&c, &arena, count);
            assert_int_equal(chunk_decode(taken, &arena, &c, NULL), 0);
            assert_int_equal(c.n, count);
            for (size_t k = 0; k < c.n; k++, checked++) {
                assert_int_equal(c.t[k], t[checked]);
                assert_memory_equal(&c.f[k], &v[checked], sizeof(double));
            }
            bytes += taken.n;
            chunks++;
            free((char *)(uintptr_t)taken.p);
        }
        if (i < SAMPLES)
            chunk_float_begin(&w, mode > CHUNK_XOR ? chunk_mode_of(v[i]) : mode, t[i], v[i], 0);
    }
    assert_int_equal(checked, SAMPLES);
    printf("  %-30s %.3f bytes a sample, %.1f samples a chunk\n", shape->name, (double)bytes / SAMPLES,
           (double)SAMPLES / (double)chunks);
    assert_true((double)bytes / SAMPLES <= shape->bytes_max);
    arena_free(&arena);
}

static void test_roundtrip(void **state)
{
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(shapes); i++)
        roundtrip(&shapes[i]);
}

static void test_start_times(void **state)
{
    (void)state;
    struct chunk_writer w = {0};
    struct arena arena = {0};
    unsigned mode;
    chunk_float_begin(&w, 0, 1000, 1, 0);
    assert_false(chunk_float_add(&w, 2000, 2, 500, &mode)); /* a chunk without room for start times */
    chunk_free(&w);
    chunk_float_begin(&w, 0, 1000, 1, 500);
    assert_true(chunk_float_add(&w, 2000, 2, 500, &mode));
    assert_true(chunk_float_add(&w, 3000, 1, 2500, &mode));
    assert_true(chunk_float_add(&w, 4000, 1, 0, &mode));
    struct chunk_columns c;
    chunk_columns_init(&c, &arena, 4);
    assert_int_equal(chunk_decode(chunk_view(&w), &arena, &c, NULL), 0);
    static const int64_t want[] = {500, 500, 2500, 0};
    assert_memory_equal(c.st, want, sizeof want);
    assert_true(c.has_start);
    chunk_free(&w);
    arena_free(&arena);
}

static void test_histograms(void **state)
{
    (void)state;
    struct chunk_writer w = {0};
    struct arena arena = {0};
    int32_t positive[] = {-3, 0, 1, 9}, negative[] = {2};
    double p[] = {1, 2, 3, 4}, n[] = {5};
    struct histogram h = {.schema = 3,
                          .zero_threshold = 1e-128,
                          .zero_count = 1,
                          .count = 16,
                          .sum = 12.5,
                          .positive = {positive, p, 4},
                          .negative = {negative, n, 1}};
    chunk_histogram_begin(&w, 1000, &h, 0);
    for (int i = 1; i < 100; i++) {
        h.count += 2;
        p[i % 4] += 1.5;
        n[0] += 0.5;
        h.sum += 0.1;
        assert_true(chunk_histogram_add(&w, 1000 + i * 15000, &h, 0));
    }
    struct histogram stale = {.sum = stale_nan()};
    assert_true(chunk_histogram_add(&w, 1000 + 100 * 15000, &stale, 0));
    assert_false(chunk_histogram_add(&w, 1000 + 101 * 15000, &h, 0));
    struct chunk_columns c;
    chunk_columns_init(&c, &arena, 101);
    assert_int_equal(chunk_decode(chunk_view(&w), &arena, &c, NULL), 0);
    assert_int_equal(c.n, 101);
    assert_int_equal(c.h[0]->hint, HINT_UNKNOWN);
    assert_int_equal(c.h[99]->hint, HINT_NOT_RESET);
    assert_true(histogram_equal(c.h[99], &h));
    assert_true(is_stale(c.h[100]->sum));
    chunk_free(&w);

    chunk_histogram_begin(&w, 1000, &h, 0);
    p[2] -= 1; /* a bucket that fell is a reset */
    assert_false(chunk_histogram_add(&w, 2000, &h, 0));
    p[2] += 1;
    positive[3] = 10; /* another layout */
    assert_false(chunk_histogram_add(&w, 2000, &h, 0));
    chunk_free(&w);
    arena_free(&arena);
}

static void test_damage(void **state)
{
    (void)state;
    struct sim_rng rng;
    sim_rng_init(&rng, 3);
    struct chunk_writer w = {0};
    struct arena arena = {0};
    unsigned mode;
    chunk_float_begin(&w, 2, 1000, 0.25, 0);
    for (int i = 1; i < 100; i++)
        assert_true(chunk_float_add(&w, 1000 + i * 1000, i * 0.25, 0, &mode));
    struct sv view = chunk_view(&w);
    char *copy = tc_alloc(view.n + BITS_SLACK);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, view.p, view.n);
        for (int k = 0; k < 3; k++)
            copy[below(&rng, view.n)] = (char)below(&rng, 256);
        struct chunk_columns c;
        arena_reset(&arena);
        chunk_columns_init(&c, &arena, CHUNK_SAMPLES);
        (void)chunk_decode(sv_make(copy, below(&rng, view.n + 1)), &arena, &c, NULL); /* no crash */
    }
    free(copy);
    chunk_free(&w);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roundtrip),
        cmocka_unit_test(test_start_times),
        cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
