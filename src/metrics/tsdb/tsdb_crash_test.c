/*
 * The store on a disk that fails: the power cut at every call of a short life that writes, restarts, cuts
 * blocks, joins and thins them, in every mode; and every call failing once. After each: what was
 * acknowledged is there, with its value; a batch is there whole or not at all; nothing is there that nobody
 * sent; and the store goes on.
 */
#include "metrics/tsdb/thin.h"
#include "metrics/tsdb/tsdb_kit.h"

#include <errno.h>

/* Samples are so far apart that thinning keeps each of them. */
enum { SAMPLES = 60, STEP_MS = 2 * THIN_WINDOW_MS, BLOCK_MS = 5 * STEP_MS, SERIES = 2 };

struct life {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb *tsdb;
    unsigned sent; /* samples appended, acknowledged or not */
    uint64_t thinned;
    bool acknowledged[SAMPLES + 8];
};

static void life_init(struct life *life, uint64_t seed)
{
    *life = (struct life){.sim = sim_fs_new(0)};
    sim_rng_init(&life->rng, seed);
}

static int life_open(struct life *life, struct err *err)
{
    struct tsdb_options options = {.fs = sim_fs_seam(life->sim),
                                   .rng = &life->rng.rng,
                                   .dir = "/data/metrics",
                                   .block_ms = BLOCK_MS,
                                   .retention_ms = 3 * BLOCK_MS,
                                   .trend_retention_ms = INT64_C(1000) * BLOCK_MS,
                                   .segment_bytes = 700};
    return tsdb_open(&options, &life->tsdb, NULL, err);
}

static double value_of(unsigned i)
{
    return (double)(i * 7 % 13) + 0.5;
}

static void add_histogram(struct tsdb_appender *a, unsigned i)
{
    int32_t index[] = {1};
    double count[] = {i + 1};
    const struct histogram h = {.count = i + 1, .sum = i, .positive = {index, count, 1}};
    struct label labels[] = {{METRIC_NAME, SV("sizes")}};
    uint32_t series;
    if (tsdb_series(a, labels, 1, &series) == TSDB_OK)
        (void)tsdb_histogram(a, series, (int64_t)i * STEP_MS, &h, 0);
}

static void append(struct life *life)
{
    int rc = -1;
    unsigned i = life->sent++;
    struct tsdb_appender a;
    if (tsdb_begin(life->tsdb, 0, INT64_MAX, &a, NULL) != 0)
        return;
    char name[16];
    sprintf(name, "new%u", i / 10); /* series come and go */
    (void)kit_add(&a, "always", "i", (int64_t)i * STEP_MS, value_of(i));
    (void)kit_add(&a, name, "i", (int64_t)i * STEP_MS, value_of(i));
    add_histogram(&a, i);
    tsdb_commit(&a, kit_acknowledge, &rc);
    life->acknowledged[i] = rc == 0;
}

static void live(struct life *life)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        append(life);
        if (i % 4 == 3)
            (void)tsdb_maintain(life->tsdb, NULL);
        if (i % 25 == 24) {
            life->thinned += tsdb_stats(life->tsdb).blocks_thinned;
            tsdb_close(&life->tsdb);
            if (life_open(life, NULL) != 0)
                return;
        }
    }
}

static void note_times(struct life *life, const char *name, bool *ret, const char *what, uint64_t at)
{
    struct kit_samples s;
    struct err err = {0};
    if (kit_read(life->tsdb, MATCH_REGEXP, name, INT64_MIN / 2, INT64_MAX / 2, &s, &err) != 0)
        fail_msg("%s at call %llu: cannot read: %s", what, (unsigned long long)at, err.text);
    for (size_t i = 0; i < s.n; i++)
        ret[(unsigned)(s.t[i] / STEP_MS)] = true;
    kit_samples_free(&s);
}

static void judge(struct life *life, const char *what, uint64_t at)
{
    struct err err = {0};
    int rc = life->tsdb != NULL ? 0 : life_open(life, &err);
    if (rc != 0)
        fail_msg("%s at call %llu: cannot open: %s", what, (unsigned long long)at, err.text);
    struct kit_samples s;
    if (kit_read(life->tsdb, MATCH_EQUAL, "always", INT64_MIN / 2, INT64_MAX / 2, &s, &err) != 0)
        fail_msg("%s at call %llu: cannot read: %s", what, (unsigned long long)at, err.text);
    bool found[SAMPLES + 8] = {false};
    for (size_t i = 0; i < s.n; i++) {
        unsigned number = (unsigned)(s.t[i] / STEP_MS);
        if (s.t[i] % STEP_MS != 0 || number >= life->sent || s.f[i] != value_of(number))
            fail_msg("%s at call %llu: a sample that nobody sent", what, (unsigned long long)at);
        found[number] = true;
    }
    kit_samples_free(&s);
    bool other[SAMPLES + 8] = {false}, histogram[SAMPLES + 8] = {false};
    note_times(life, "new.*", other, what, at);
    note_times(life, "sizes", histogram, what, at);
    for (unsigned i = 0; i < life->sent; i++) {
        if (life->acknowledged[i] && (!found[i] || !other[i] || !histogram[i]))
            fail_msg("%s at call %llu: sample %u was acknowledged and is gone", what, (unsigned long long)at,
                     i);
        if (found[i] != other[i] || found[i] != histogram[i])
            fail_msg("%s at call %llu: of batch %u a part is there", what, (unsigned long long)at, i);
    }
}

static uint64_t calls_of_a_life(void)
{
    struct life life;
    life_init(&life, 1);
    assert_int_equal(life_open(&life, NULL), 0);
    live(&life);
    uint64_t calls = sim_fs_calls(life.sim);
    judge(&life, "without a failure", 0);
    for (unsigned i = 0; i < life.sent; i++)
        assert_true(life.acknowledged[i]);
    assert_true(life.thinned > 0 && tsdb_stats(life.tsdb).blocks > 3);
    tsdb_close(&life.tsdb);
    sim_fs_free(&life.sim);
    return calls;
}

static void test_power_cuts(void **state)
{
    (void)state;
    static const enum sim_fs_mode modes[] = {SIM_FS_KEEP, SIM_FS_DROP, SIM_FS_SOME, SIM_FS_SHRED,
                                             SIM_FS_SHRED};
    uint64_t calls = calls_of_a_life();
    printf("  %llu file calls in a life, cut at each in %zu ways\n", (unsigned long long)calls,
           TC_ARRAY_LEN(modes));
    for (uint64_t at = 1; at <= calls; at++) {
        for (size_t m = 0; m < TC_ARRAY_LEN(modes); m++) {
            struct life life;
            life_init(&life, at);
            sim_fs_cut_at(life.sim, at);
            if (life_open(&life, NULL) == 0)
                live(&life);
            if (life.tsdb != NULL)
                tsdb_close(&life.tsdb);
            sim_fs_crash(life.sim, at * 31 + m, modes[m]);
            judge(&life, "power cut", at);
            if (life.sent > 0 && life.sent < SAMPLES) { /* and it goes on, and survives another */
                append(&life);
                assert_int_equal(tsdb_maintain(life.tsdb, NULL), 0);
                tsdb_close(&life.tsdb);
                sim_fs_crash(life.sim, at, SIM_FS_DROP);
                judge(&life, "second power cut", at);
            }
            tsdb_close(&life.tsdb);
            sim_fs_free(&life.sim);
        }
    }
}

static void test_failing_calls(void **state)
{
    (void)state;
    static const int errors[] = {-EIO, -ENOSPC};
    uint64_t calls = calls_of_a_life();
    for (uint64_t at = 1; at <= calls; at++) {
        for (size_t e = 0; e < TC_ARRAY_LEN(errors); e++) {
            struct life life;
            life_init(&life, at);
            sim_fs_fail_at(life.sim, at, errors[e]);
            if (life_open(&life, NULL) == 0)
                live(&life);
            if (life.tsdb != NULL)
                tsdb_close(&life.tsdb);
            sim_fs_crash(life.sim, at, e == 0 ? SIM_FS_DROP : SIM_FS_SOME);
            judge(&life, "failed call", at);
            tsdb_close(&life.tsdb);
            sim_fs_free(&life.sim);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"no acknowledged sample is lost, whatever call the power is cut at", test_power_cuts, NULL, NULL,
         NULL},
        {"no acknowledged sample is lost, whatever call fails", test_failing_calls, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
