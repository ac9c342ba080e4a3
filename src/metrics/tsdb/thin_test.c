/*
 * What stays of old samples, and that PromQL's questions about long ranges get the answers they got before.
 */
#include "metrics/tsdb/thin.h"
#include "metrics/tsdb/tsdb_kit.h"

#include <math.h>

enum { MINUTE_MS = 60 * 1000, STEP_MS = 15 * 1000, DAY_MS = 24 * 3600 * 1000 };

static struct chunk_columns columns_of(struct arena *arena, const double *values, size_t n)
{
    struct chunk_columns c;
    chunk_columns_init(&c, arena, n);
    for (size_t i = 0; i < n; i++) {
        c.t[i] = (int64_t)i * MINUTE_MS;
        c.st[i] = 0;
        c.f[i] = values[i];
        c.h[i] = NULL;
    }
    c.n = n;
    return c;
}

/* One sample a minute, in windows of four minutes. */
static void expect(const double *values, size_t n, bool counter, const size_t *kept, size_t kept_count)
{
    struct arena arena = {0};
    struct chunk_columns c = columns_of(&arena, values, n);
    thin_columns(&c, THIN_WINDOW_MS, counter);
    assert_int_equal(c.n, kept_count);
    for (size_t i = 0; i < kept_count; i++) {
        assert_int_equal(c.t[i], (int64_t)kept[i] * MINUTE_MS);
        assert_memory_equal(&c.f[i], &values[kept[i]], sizeof(double));
    }
    arena_free(&arena);
}

static void test_what_stays(void **state)
{
    (void)state;
    static const double rising[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    expect(rising, 9, true, (const size_t[]){0, 3, 4, 7, 8}, 5);
    static const double reset[] = {10, 20, 30, 2, 3, 4, 5, 6};
    expect(reset, 8, false, (const size_t[]){2, 3, 4, 7}, 4);
    static const double edge[] = {1, 2, 3, 40, 1, 2, 3, 4};
    expect(edge, 8, true, (const size_t[]){0, 3, 4, 7}, 4);
    static const double past[] = {0, 100, 1, 200}; /* higher than before the reset: 1 tells of it */
    expect(past, 4, true, (const size_t[]){0, 1, 2, 3}, 4);
    static const double across[] = {1, 2, 3, 40, 1, 150, 0, 200};
    expect(across, 8, true, (const size_t[]){0, 3, 4, 5, 6, 7}, 6);
    static const double resets[] = {5, 1, 6, 2};
    expect(resets, 4, true, (const size_t[]){0, 1, 2, 3}, 4);
    expect(resets, 4, false, (const size_t[]){1, 2, 3}, 3); /* a gauge: least, greatest, last */
    static const double flat[] = {7, 7, 7, 7};
    expect(flat, 4, false, (const size_t[]){0, 3}, 2);
    double marker[] = {1, 2, stale_nan(), 3, 4, 5, 6, 7};
    expect(marker, 8, true, (const size_t[]){0, 1, 2, 3, 4, 7}, 6);
    double not_numbers[] = {NAN, 1, NAN, 2};
    expect(not_numbers, 4, false, (const size_t[]){1, 3}, 2);
    expect(rising, 0, true, NULL, 0);
}

static void test_names_of_counters(void **state)
{
    (void)state;
    assert_true(thin_is_counter(SV("http_requests_total")) && thin_is_counter(SV("x_bucket")));
    assert_false(thin_is_counter(SV("memory_bytes")) || thin_is_counter(SV("")));
}

/* What increase() adds up: rises, and after a reset the whole value. */
static double increase(const struct kit_samples *s, int64_t from, int64_t to)
{
    double sum = 0, last = NAN;
    for (size_t i = 0; i < s->n; i++) {
        if (s->t[i] <= from || s->t[i] > to)
            continue;
        if (!isnan(last))
            sum += s->f[i] < last ? s->f[i] : s->f[i] - last;
        last = s->f[i];
    }
    return sum;
}

static double greatest(const struct kit_samples *s, int64_t from, int64_t to)
{
    double v = -INFINITY;
    for (size_t i = 0; i < s->n; i++)
        if (s->t[i] > from && s->t[i] <= to)
            v = fmax(v, s->f[i]);
    return v;
}

struct store {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb_options options;
    struct tsdb *tsdb;
};

static void store_open(struct store *s, int64_t retention_ms, int64_t trend_retention_ms)
{
    if (s->sim == NULL) {
        s->sim = sim_fs_new(0);
        sim_rng_init(&s->rng, 1);
    }
    s->options = (struct tsdb_options){.fs = sim_fs_seam(s->sim),
                                       .rng = &s->rng.rng,
                                       .dir = "/data/metrics",
                                       .retention_ms = retention_ms,
                                       .trend_retention_ms = trend_retention_ms};
    assert_int_equal(tsdb_open(&s->options, &s->tsdb, NULL, NULL), 0);
}

static double counter_at(int64_t t)
{
    return (double)(t % (7 * 3600 * 1000 + 11000)) / 1000; /* restarts now and then */
}

static double gauge_at(int64_t t)
{
    return 50 + 40 * sin((double)t / 9e5) + (double)(t / STEP_MS * 7919 % 101);
}

static void fill(struct store *s, int64_t to)
{
    for (int64_t t = 0; t < to;) {
        struct tsdb_appender a;
        assert_int_equal(tsdb_begin(s->tsdb, 0, INT64_MAX, &a, NULL), 0);
        for (unsigned i = 0; i < 40; i++, t += STEP_MS) {
            assert_int_equal(kit_add(&a, "requests_total", "i", t, counter_at(t)), TSDB_OK);
            assert_int_equal(kit_add(&a, "load", "i", t, gauge_at(t)), TSDB_OK);
        }
        tsdb_commit(&a, NULL, NULL);
        if (t % (30 * MINUTE_MS) == 0)
            assert_int_equal(tsdb_maintain(s->tsdb, NULL), 0);
    }
}

static struct kit_samples all_of(struct store *s, const char *name)
{
    struct kit_samples got;
    assert_int_equal(kit_read(s->tsdb, MATCH_EQUAL, name, 0, INT64_MAX / 2, &got, NULL), 0);
    assert_int_equal(got.series, 1);
    return got;
}

static void test_trends_stay(void **state)
{
    (void)state;
    struct store s = {0}, whole = {0};
    store_open(&s, DAY_MS, 30 * (int64_t)DAY_MS);
    store_open(&whole, -1, 0);
    fill(&s, 4 * (int64_t)DAY_MS);
    fill(&whole, 4 * (int64_t)DAY_MS);
    assert_true(tsdb_stats(s.tsdb).blocks_thinned > 5);
    tsdb_close(&s.tsdb); /* a thinned block is known for one after a restart */
    store_open(&s, DAY_MS, 30 * (int64_t)DAY_MS);
    assert_int_equal(tsdb_maintain(s.tsdb, NULL), 0);
    assert_int_equal(tsdb_stats(s.tsdb).blocks_thinned, 0);
    struct kit_samples thin = all_of(&s, "requests_total"), full = all_of(&whole, "requests_total");
    struct kit_samples thin_load = all_of(&s, "load"), full_load = all_of(&whole, "load");
    assert_true(thin.n * 2 < full.n);
    for (size_t i = 1; i < thin.n; i++) /* no hole that a query would fall into */
        assert_true(thin.t[i] - thin.t[i - 1] <= 5 * MINUTE_MS);
    for (int64_t from = 0; from < 3 * (int64_t)DAY_MS; from += 3 * 3600 * 1000) {
        int64_t to = from + 3600 * 1000;
        double exact = increase(&full, from, to), edge = 2.0 * THIN_WINDOW_MS / 1000;
        if (fabs(increase(&thin, from, to) - exact) > edge)
            fail_msg("increase from %lld: %f, not %f", (long long)from, increase(&thin, from, to), exact);
        assert_true(greatest(&thin_load, from, to) <= greatest(&full_load, from, to));
        assert_true(greatest(&thin_load, from, to) >=
                    greatest(&full_load, from + THIN_WINDOW_MS, to - THIN_WINDOW_MS));
    }
    kit_samples_free(&thin);
    kit_samples_free(&full);
    kit_samples_free(&thin_load);
    kit_samples_free(&full_load);
    tsdb_close(&whole.tsdb);
    sim_fs_free(&whole.sim);
    tsdb_close(&s.tsdb);
    store_open(&s, DAY_MS, 2 * (int64_t)DAY_MS); /* trends end, too */
    assert_int_equal(tsdb_maintain(s.tsdb, NULL), 0);
    thin = all_of(&s, "requests_total");
    assert_true(thin.t[0] > DAY_MS);
    kit_samples_free(&thin);
    tsdb_close(&s.tsdb);
    sim_fs_free(&s.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"least, greatest, last, resets and markers stay", test_what_stays, NULL, NULL, NULL},
        {"counters are known by their names", test_names_of_counters, NULL, NULL, NULL},
        {"B-37: after the retention trends stay, and answer as before", test_trends_stay, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
