/*
 * The store: what goes in comes out, from memory, after a restart, from blocks, across their joining; what
 * Prometheus refuses is refused; bounds hold.
 */
#include "metrics/tsdb/tsdb_kit.h"

struct fixture {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb_options options;
    struct tsdb *tsdb;
};

static void fixture_open(struct fixture *f)
{
    struct err err = {0};
    f->options.fs = sim_fs_seam(f->sim);
    f->options.rng = &f->rng.rng;
    f->options.dir = "/data/metrics";
    if (tsdb_open(&f->options, &f->tsdb, NULL, &err) != 0)
        fail_msg("%s", err.text);
}

static void fixture_init(struct fixture *f)
{
    f->sim = sim_fs_new(0);
    sim_rng_init(&f->rng, 1);
    fixture_open(f);
}

static void fixture_free(struct fixture *f)
{
    tsdb_close(&f->tsdb);
    sim_fs_free(&f->sim);
}

static void reopen(struct fixture *f)
{
    tsdb_close(&f->tsdb);
    fixture_open(f);
}

static void maintain(struct fixture *f)
{
    struct err err = {0};
    if (tsdb_maintain(f->tsdb, &err) != 0)
        fail_msg("%s", err.text);
}

static void expect(struct fixture *f, const char *name, int64_t from, int64_t step, size_t n,
                   double (*value)(size_t))
{
    struct kit_samples s;
    struct err err = {0};
    if (kit_read(f->tsdb, MATCH_EQUAL, name, INT64_MIN / 2, INT64_MAX / 2, &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(s.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s.t[i], from + (int64_t)i * step);
        assert_true(s.f[i] == value(i));
    }
    kit_samples_free(&s);
}

static double wave(size_t i)
{
    return (double)(i % 97) + (double)(i % 10) / 10;
}

static void test_append_and_restart(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_init(&f);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(kit_append(f.tsdb, "up", 1000000 + (int64_t)i * 1000, wave(i), NULL), TSDB_OK);
    expect(&f, "up", 1000000, 1000, 1000, wave);
    reopen(&f);
    expect(&f, "up", 1000000, 1000, 1000, wave);
    assert_int_equal(kit_append(f.tsdb, "up", 1000000 + 1000 * 1000, wave(1000), NULL), TSDB_OK);
    reopen(&f);
    expect(&f, "up", 1000000, 1000, 1001, wave);
    fixture_free(&f);
}

static void test_outcomes(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_init(&f);
    int64_t t = 100 * KIT_HOUR;
    assert_int_equal(kit_append(f.tsdb, "a", t, 1, NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "a", t, 1, NULL), TSDB_OK); /* the same again */
    assert_int_equal(kit_append(f.tsdb, "a", t, 2, NULL), TSDB_DUPLICATE);
    assert_int_equal(kit_append(f.tsdb, "a", t - 1, 2, NULL), TSDB_OUT_OF_ORDER);
    assert_int_equal(kit_append(f.tsdb, "a", t - 2 * KIT_HOUR, 2, NULL), TSDB_OUT_OF_BOUNDS);
    assert_int_equal(kit_append(f.tsdb, "new", t - KIT_HOUR, 2, NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "new2", t - KIT_HOUR - 1, 2, NULL), TSDB_OUT_OF_BOUNDS);
    struct tsdb_appender a;
    struct label labels[] = {{METRIC_NAME, SV("x")}, {SV("b"), SV("1")}, {SV("b"), SV("2")}};
    uint32_t series;
    assert_int_equal(tsdb_begin(f.tsdb, 0, t + 600000, &a, NULL), 0);
    assert_int_equal(tsdb_series(&a, labels, 3, &series), TSDB_BAD_LABELS);
    assert_int_equal(tsdb_series(&a, labels, 2, &series), TSDB_OK);
    assert_int_equal(tsdb_float(&a, series, t + 600001, 1, 0), TSDB_TOO_FAR);
    assert_int_equal(tsdb_float(&a, series, t + 600000, 1, 0), TSDB_OK);
    tsdb_commit(&a, NULL, NULL);
    struct tsdb_stats stats = tsdb_stats(f.tsdb);
    assert_int_equal(stats.outcomes[TSDB_DUPLICATE], 1);
    assert_int_equal(stats.outcomes[TSDB_OUT_OF_BOUNDS], 2);
    fixture_free(&f);
}

static void test_late_samples(void **state)
{
    (void)state;
    struct fixture f = {.options.out_of_order_ms = 1800000};
    fixture_init(&f);
    int64_t t = 100 * KIT_HOUR;
    /* every third comes late; and across a restart, and through a block */
    for (size_t i = 0; i < 600; i++)
        if (i % 3 != 1)
            assert_int_equal(kit_append(f.tsdb, "a", t + (int64_t)i * 1000, wave(i), NULL), TSDB_OK);
    for (size_t i = 0; i < 600; i++)
        if (i % 3 == 1)
            assert_int_equal(kit_append(f.tsdb, "a", t + (int64_t)i * 1000, wave(i), NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "a", t + 1000, 12345, NULL), TSDB_DUPLICATE);
    expect(&f, "a", t, 1000, 600, wave);
    reopen(&f);
    expect(&f, "a", t, 1000, 600, wave);
    assert_int_equal(kit_append(f.tsdb, "b", t + 4 * KIT_HOUR, 1, NULL), TSDB_OK);
    assert_int_equal(kit_append(f.tsdb, "a", t, 7, NULL), TSDB_TOO_OLD);
    maintain(&f);
    assert_int_equal(tsdb_stats(f.tsdb).blocks, 1);
    assert_int_equal(tsdb_stats(f.tsdb).out_of_order_held, 0);
    expect(&f, "a", t, 1000, 600, wave);
    fixture_free(&f);
}

static void test_series_limits(void **state)
{
    (void)state;
    struct fixture f = {.options = {.series_max = 10, .source_series_max = 4}};
    fixture_init(&f);
    unsigned one = tsdb_source(f.tsdb, SV("one")), two = tsdb_source(f.tsdb, SV("two"));
    struct tsdb_appender a;
    char name[16];
    assert_int_equal(tsdb_begin(f.tsdb, one, INT64_MAX, &a, NULL), 0);
    for (int i = 0; i < 6; i++) {
        sprintf(name, "m%d", i);
        assert_int_equal(kit_add(&a, name, "i", 1000, 1), i < 4 ? TSDB_OK : TSDB_SOURCE_LIMIT);
    }
    assert_int_equal(kit_add(&a, "m0", "i", 2000, 1), TSDB_OK); /* a known series goes on */
    tsdb_commit(&a, NULL, NULL);
    reopen(&f); /* the count survives */
    assert_int_equal(tsdb_source(f.tsdb, SV("two")), two);
    assert_int_equal(tsdb_begin(f.tsdb, one, INT64_MAX, &a, NULL), 0);
    assert_int_equal(kit_add(&a, "m9", "i", 1000, 1), TSDB_SOURCE_LIMIT);
    a.source = two;
    assert_int_equal(kit_add(&a, "m9", "i", 1000, 1), TSDB_OK);
    a.source = 0;
    for (int i = 20; i < 30; i++) {
        sprintf(name, "m%d", i);
        (void)kit_add(&a, name, "i", 1000, 1);
    }
    tsdb_commit(&a, NULL, NULL);
    assert_true(tsdb_stats(f.tsdb).series <= 10);
    assert_true(
        tsdb_stats(f.tsdb).outcomes[TSDB_SOURCE_LIMIT] + tsdb_stats(f.tsdb).outcomes[TSDB_SERIES_LIMIT] > 0);
    struct buf out;
    buf_init(&out, 1 << 20);
    tsdb_metrics(f.tsdb, &out);
    assert_true(sv_find(buf_view(&out), SV("tocsin_tsdb_source_series{source=\"one\"} 4\n")) < out.n);
    buf_free(&out);
    fixture_free(&f);
}

enum { DAYS_STEP = 60000 };

static void test_blocks(void **state)
{
    (void)state;
    struct fixture f = {.options.retention_ms = 1000 * KIT_HOUR};
    fixture_init(&f);
    size_t n = 60 * 60; /* 60 hours, a sample a minute */
    int64_t t = 1000 * KIT_HOUR;
    for (size_t i = 0; i < n; i++) {
        struct tsdb_appender a;
        assert_int_equal(tsdb_begin(f.tsdb, 0, INT64_MAX, &a, NULL), 0);
        assert_int_equal(kit_add(&a, "long", "i", t + (int64_t)i * DAYS_STEP, wave(i)), TSDB_OK);
        if (i < 100)
            assert_int_equal(kit_add(&a, "short", "i", t + (int64_t)i * DAYS_STEP, wave(i)), TSDB_OK);
        tsdb_commit(&a, NULL, NULL);
        if (i % 60 == 0)
            maintain(&f);
        if (i % 700 == 350)
            reopen(&f);
    }
    struct tsdb_stats stats = tsdb_stats(f.tsdb);
    assert_true(stats.blocks >= 2 && stats.blocks <= 8);
    assert_true(stats.compactions >= 1); /* since the last start */
    assert_true(stats.wal.segments <= 3);
    assert_int_equal(stats.series, 1); /* the short one is on disk only */
    expect(&f, "long", t, DAYS_STEP, n, wave);
    expect(&f, "short", t, DAYS_STEP, 100, wave);
    reopen(&f);
    expect(&f, "long", t, DAYS_STEP, n, wave);
    expect(&f, "short", t, DAYS_STEP, 100, wave);
    struct kit_samples s;
    assert_int_equal(
        kit_read(f.tsdb, MATCH_REGEXP, "lo.*|short", t + 10 * KIT_HOUR, t + 11 * KIT_HOUR, &s, NULL), 0);
    assert_int_equal(s.n, 61);
    kit_samples_free(&s);
    struct arena arena = {0};
    struct sv *texts;
    size_t count;
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    assert_int_equal(
        tsdb_label_values(q, METRIC_NAME, NULL, 0, INT64_MIN, INT64_MAX, &arena, &texts, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_true(sv_is(texts[0], "long") && sv_is(texts[1], "short"));
    assert_int_equal(tsdb_label_names(q, NULL, 0, INT64_MIN, INT64_MAX, &arena, &texts, &count, NULL), 0);
    assert_int_equal(count, 2);
    tsdb_querier_close(&q);
    arena_free(&arena);
    fixture_free(&f);
}

/* What is past its time goes, all the more where there is no room to write anything. */
static void test_retention_of_a_full_disk(void **state)
{
    (void)state;
    struct fixture f = {.options.retention_ms = 10 * KIT_HOUR};
    fixture_init(&f);
    for (int i = 0; i < 60 * 24; i++) {
        assert_int_equal(kit_append(f.tsdb, "a", (int64_t)i * 60000, 1, NULL), TSDB_OK);
        if (i == 60 * 8)
            maintain(&f);
    }
    uint64_t before = tsdb_stats(f.tsdb).blocks;
    struct err err = {0};
    assert_true(before > 0);
    sim_fs_set_capacity(f.sim, 1);
    assert_int_not_equal(tsdb_maintain(f.tsdb, &err), 0);
    assert_string_not_equal(err.text, "");
    assert_int_equal(tsdb_stats(f.tsdb).blocks_expired, before);
    sim_fs_set_capacity(f.sim, 0);
    maintain(&f);
    fixture_free(&f);
}

static void test_retention(void **state)
{
    (void)state;
    struct fixture f = {.options.retention_ms = 10 * KIT_HOUR};
    fixture_init(&f);
    for (int i = 0; i < 60 * 40; i++) {
        assert_int_equal(kit_append(f.tsdb, "a", (int64_t)i * 60000, 1, NULL), TSDB_OK);
        if (i % 60 == 0)
            maintain(&f);
    }
    assert_true(tsdb_stats(f.tsdb).blocks_expired > 5);
    assert_true(tsdb_stats(f.tsdb).blocks <= 6);
    struct kit_samples s;
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", 0, INT64_MAX / 2, &s, NULL), 0);
    assert_true(s.t[0] >= 25 * KIT_HOUR && s.t[0] <= 30 * KIT_HOUR);
    kit_samples_free(&s);
    tsdb_close(&f.tsdb);
    f.options.retention_ms = 0;
    f.options.retention_bytes = 1;
    fixture_open(&f);
    maintain(&f);
    assert_int_equal(tsdb_stats(f.tsdb).blocks, 0);
    fixture_free(&f);
}

static void test_query_across_hand_over(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_init(&f);
    for (int i = 0; i < 60 * 5; i++)
        assert_int_equal(kit_append(f.tsdb, "a", (int64_t)i * 60000, i, NULL), TSDB_OK);
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    struct series_source source = tsdb_querier_source(q);
    struct arena arena = {0};
    struct matcher m;
    struct source_series *series;
    size_t n;
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, SV("a"), NULL), 0);
    assert_int_equal(source.select(source.context, &m, 1, 0, INT64_MAX / 2, &arena, &series, &n, NULL), 0);
    assert_int_equal(n, 1);
    maintain(&f); /* writes a block, and keeps the samples in memory for q */
    assert_int_equal(tsdb_stats(f.tsdb).blocks, 1);
    struct series_samples got;
    assert_int_equal(source.read(source.context, series[0].ref, 0, INT64_MAX / 2, &arena, &got, NULL), 0);
    assert_int_equal(got.n, 300);
    struct kit_samples s; /* a newer one sees both, once */
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", 0, INT64_MAX / 2, &s, NULL), 0);
    assert_int_equal(s.n, 300);
    kit_samples_free(&s);
    tsdb_querier_close(&q);
    uint64_t before = tsdb_stats(f.tsdb).head_bytes;
    maintain(&f);
    assert_true(tsdb_stats(f.tsdb).head_bytes < before);
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", 0, INT64_MAX / 2, &s, NULL), 0);
    assert_int_equal(s.n, 300);
    kit_samples_free(&s);
    matcher_free(&m);
    arena_free(&arena);
    fixture_free(&f);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_init(&f);
    int rc, refused = 0;
    assert_int_equal(kit_append(f.tsdb, "a", 1000, 0, &rc), TSDB_OK);
    assert_int_equal(rc, 0);
    sim_fs_set_capacity(f.sim, 2000);
    size_t i = 1;
    for (; i < 1000 && refused == 0; i++) {
        (void)kit_append(f.tsdb, "a", 1000 + (int64_t)i * 1000, (double)i, &rc);
        refused += rc == TC_EBOUND;
    }
    assert_true(refused == 1);
    sim_fs_set_capacity(f.sim, 0);
    /* the sender tries the same sample again: acknowledged only with what had been held back */
    assert_int_equal(kit_append(f.tsdb, "a", 1000 + (int64_t)(i - 1) * 1000, (double)(i - 1), &rc), TSDB_OK);
    assert_int_equal(rc, 0);
    sim_fs_crash(f.sim, 5, SIM_FS_DROP);
    tsdb_close(&f.tsdb);
    fixture_open(&f);
    struct kit_samples s;
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "a", 0, INT64_MAX / 2, &s, NULL), 0);
    assert_int_equal(s.n, i);
    kit_samples_free(&s);
    fixture_free(&f);
}

static void test_damage_is_reported(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_init(&f);
    for (int i = 0; i < 100; i++)
        assert_int_equal(kit_append(f.tsdb, "a", i * 1000, i, NULL), TSDB_OK);
    tsdb_close(&f.tsdb);
    assert_true(sim_fs_flip(f.sim, "/data/metrics/wal/00000001.wal", 200, 4));
    struct err err = {0};
    assert_int_equal(tsdb_open(&f.options, &f.tsdb, NULL, &err), TC_ECORRUPT);
    assert_non_null(strstr(err.text, "00000001.wal is damaged at byte"));
    sim_fs_free(&f.sim);
}

static void test_histograms(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_init(&f);
    int32_t index[] = {0, 1, 5};
    double count[] = {1, 2, 3};
    struct histogram h = {.schema = 2, .count = 6, .sum = 4.5, .positive = {index, count, 3}};
    for (int i = 0; i < 400; i++) {
        struct tsdb_appender a;
        struct label labels[] = {{METRIC_NAME, SV("h")}};
        uint32_t series;
        assert_int_equal(tsdb_begin(f.tsdb, 0, INT64_MAX, &a, NULL), 0);
        assert_int_equal(tsdb_series(&a, labels, 1, &series), TSDB_OK);
        count[i % 3]++;
        h.count++;
        assert_int_equal(tsdb_histogram(&a, series, (int64_t)i * 60000, &h, 0), TSDB_OK);
        assert_int_equal(tsdb_histogram(&a, series, (int64_t)i * 60000, &h, 0), TSDB_OK);
        tsdb_commit(&a, NULL, NULL);
        if (i == 300) {
            maintain(&f);
            reopen(&f);
        }
    }
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    struct series_source source = tsdb_querier_source(q);
    struct arena arena = {0};
    struct source_series *series;
    size_t n;
    struct series_samples got;
    assert_int_equal(source.select(source.context, NULL, 0, 0, INT64_MAX / 2, &arena, &series, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(source.read(source.context, series[0].ref, 0, INT64_MAX / 2, &arena, &got, NULL), 0);
    assert_int_equal(got.n, 400);
    assert_true(histogram_equal(got.h[399], &h));
    tsdb_querier_close(&q);
    arena_free(&arena);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"samples come back, also after restarts", test_append_and_restart, NULL, NULL, NULL},
        {"samples are refused as Prometheus refuses them", test_outcomes, NULL, NULL, NULL},
        {"late samples are kept in order", test_late_samples, NULL, NULL, NULL},
        {"Y-10: series are limited per source and in all, and counted", test_series_limits, NULL, NULL, NULL},
        {"blocks are cut, joined and read", test_blocks, NULL, NULL, NULL},
        {"retention by time and by size", test_retention, NULL, NULL, NULL},
        {"a full disk does not stop retention", test_retention_of_a_full_disk, NULL, NULL, NULL},
        {"a query sees each sample once while a block is cut", test_query_across_hand_over, NULL, NULL, NULL},
        {"a full disk refuses, and loses nothing when it has room again", test_full_disk, NULL, NULL, NULL},
        {"damage in the log is an error that names the place", test_damage_is_reported, NULL, NULL, NULL},
        {"native histograms, through a block and restarts", test_histograms, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
