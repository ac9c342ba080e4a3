/*
 * Packed columns: what goes in comes out, in about as many bits as it has to take; any bytes are read safely.
 */
#include "metrics/tsdb/packed.h"

#include "base/arena.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

static uint64_t below(struct sim_rng *rng, uint64_t n)
{
    return rng_u64(&rng->rng) % n;
}

struct shape {
    const char *name;
    int64_t (*value)(struct sim_rng *rng, int64_t i, int64_t before);
    double bits; /* an integer; what the noise takes */
};

static int64_t constant(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)rng, (void)i, (void)before;
    return -7;
}
static int64_t straight(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)rng, (void)before;
    return INT64_C(1800000000000) + 15000 * i;
}
static int64_t quotient(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)rng, (void)before;
    return (i + 5) * 7 / 4;
}
static int64_t jittered(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)before;
    return INT64_C(1800000000000) + 15000 * i + (int64_t)below(rng, 10);
}
static int64_t falling(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)before;
    return 400000 - 33 * i + (int64_t)below(rng, 1000);
}
static int64_t walk(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)i;
    return before + (int64_t)below(rng, 64);
}
static int64_t resets(struct sim_rng *rng, int64_t i, int64_t before)
{
    return i % 97 == 0 ? 0 : before + (int64_t)below(rng, 8);
}
static int64_t far(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)before;
    int64_t v = (int64_t)below(rng, INT64_C(1) << 53);
    return i % 2 == 0 ? v : -v;
}
static int64_t huge_steps(struct sim_rng *rng, int64_t i, int64_t before)
{
    (void)rng, (void)before;
    return i * 3000000000;
}

static const struct shape shapes[] = {
    {"constant", constant, 0},
    {"straight", straight, 0},
    {"truncated quotient", quotient, 0},
    {"jittered times", jittered, 3.32},
    {"falling with noise", falling, 9.97},
    {"walk", walk, 6},
    {"with resets", resets, 5},
    {"far apart", far, 56},
    {"steps beyond 32 bits", huge_steps, 0},
};

static void come_back(const struct shape *shape, size_t n)
{
    struct sim_rng rng;
    int64_t v[PACKED_MAX], got[PACKED_MAX], before = 0;
    struct buf out;
    sim_rng_init(&rng, n);
    for (size_t i = 0; i < n; i++)
        v[i] = before = shape->value(&rng, (int64_t)i, before);
    buf_init(&out, 1 << 20);
    packed_put(&out, v, n);
    size_t bytes = out.n;
    double most = (double)n * shape->bits / 8 * 1.05 + 24;
    if ((double)bytes > most)
        fail_msg("%s: %zu bytes for %zu, at most %.0f", shape->name, bytes, n, most);
    buf_str(&out, "next");
    for (size_t i = 0; i < PACKED_SLACK; i++)
        buf_u8(&out, 0);
    struct sv in = sv_make(out.p, bytes + 4);
    assert_true(packed_get(&in, got, n));
    assert_true(sv_is(in, "next"));
    for (size_t i = 0; i < n; i++)
        if (got[i] != v[i])
            fail_msg("%s: %lld for %lld at %zu of %zu", shape->name, (long long)got[i], (long long)v[i], i,
                     n);
    buf_free(&out);
}

static void test_columns_come_back(void **state)
{
    static const size_t lengths[] = {1, 2, 3, 11, 240, 480, 1999, PACKED_MAX};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(shapes); i++)
        for (size_t k = 0; k < TC_ARRAY_LEN(lengths); k++)
            come_back(&shapes[i], lengths[k]);
}

static void test_any_bytes_are_read_safely(void **state)
{
    (void)state;
    struct sim_rng rng;
    int64_t v[240], got[240];
    sim_rng_init(&rng, 3);
    for (size_t round = 0; round < 4000; round++) {
        const struct shape *shape = &shapes[round % TC_ARRAY_LEN(shapes)];
        struct buf out;
        int64_t before = 0;
        for (size_t i = 0; i < TC_ARRAY_LEN(v); i++)
            v[i] = before = shape->value(&rng, (int64_t)i, before);
        buf_init(&out, 1 << 20);
        packed_put(&out, v, TC_ARRAY_LEN(v));
        size_t n = (size_t)below(&rng, out.n + 1);
        for (unsigned k = 0; k < 3 && n > 0; k++)
            out.p[below(&rng, n)] ^= (char)(1 << below(&rng, 8));
        char *exact = tc_alloc(n + PACKED_SLACK); /* so that a sanitizer sees the end */
        memcpy(exact, out.p, n);
        struct sv in = sv_make(exact, n);
        if (packed_get(&in, got, TC_ARRAY_LEN(got)))
            assert_true(in.p >= exact && in.p + in.n == exact + n);
        free(exact);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_come_back),
        cmocka_unit_test(test_any_bytes_are_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
