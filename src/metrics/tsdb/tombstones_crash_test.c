/*
 * Deletion on a disk that fails: it is there whole or not at all, and for good once it was acknowledged.
 */
#include "metrics/tsdb/thin.h"
#include "metrics/tsdb/tsdb_kit.h"

#include <errno.h>

enum { LIFE = 40, LIFE_STEP_MS = 2 * THIN_WINDOW_MS, LIFE_BLOCK_MS = 5 * LIFE_STEP_MS };

struct life {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb *tsdb;
    unsigned sent;
    bool acknowledged[LIFE];
    /* of deletions, each of two series: from, to (numbers of samples), acknowledged */
    unsigned from[4], to[4], deletions;
    bool deleted[4];
};

static int life_open(struct life *life, struct err *err)
{
    struct tsdb_options options = {.fs = sim_fs_seam(life->sim),
                                   .rng = &life->rng.rng,
                                   .dir = "/data/metrics",
                                   .block_ms = LIFE_BLOCK_MS,
                                   .retention_ms = 3 * LIFE_BLOCK_MS,
                                   .trend_retention_ms = INT64_C(1000) * LIFE_BLOCK_MS,
                                   .segment_bytes = 700};
    return tsdb_open(&options, &life->tsdb, NULL, err);
}

static void life_append(struct life *life)
{
    struct tsdb_appender a;
    int rc = -1;
    unsigned i = life->sent++;
    if (tsdb_begin(life->tsdb, 0, INT64_MAX, &a, NULL) != 0)
        return;
    (void)kit_add(&a, "a", "i", (int64_t)i * LIFE_STEP_MS, i);
    (void)kit_add(&a, "b", "i", (int64_t)i * LIFE_STEP_MS, i);
    tsdb_commit(&a, kit_acknowledge, &rc);
    life->acknowledged[i] = rc == 0;
}

static void life_delete(struct life *life, unsigned from, unsigned to)
{
    uint64_t series;
    unsigned d = life->deletions++;
    life->from[d] = from;
    life->to[d] = to;
    life->deleted[d] = kit_delete(life->tsdb, "a|b", (int64_t)from * LIFE_STEP_MS, (int64_t)to * LIFE_STEP_MS,
                                  &series, NULL) == 0;
}

static void live(struct life *life)
{
    for (unsigned i = 0; i < LIFE; i++) {
        bool more;
        life_append(life);
        if (i % 4 == 3)
            (void)tsdb_maintain(life->tsdb, NULL);
        if (i == 8)
            life_delete(life, 1, 4); /* of the head and of a block that is about to be cut */
        if (i == 22)
            life_delete(life, 6, 20); /* through blocks and the head; one is left with nothing */
        if (i == 26)
            (void)tsdb_clean(life->tsdb, &more, NULL);
        if (i == 30)
            life_delete(life, 28, 29);
        if (i == 24 || i == 32) {
            tsdb_close(&life->tsdb);
            if (life_open(life, NULL) != 0)
                return;
        }
    }
}

static void note(struct life *life, const char *name, bool found[LIFE], const char *what, uint64_t at)
{
    struct kit_samples s;
    struct err err = {0};
    if (kit_read(life->tsdb, MATCH_EQUAL, name, INT64_MIN / 2, INT64_MAX / 2, &s, &err) != 0)
        fail_msg("%s at call %llu: cannot read: %s", what, (unsigned long long)at, err.text);
    for (size_t i = 0; i < s.n; i++) {
        unsigned number = (unsigned)(s.t[i] / LIFE_STEP_MS);
        if (s.t[i] % LIFE_STEP_MS != 0 || number >= life->sent || s.f[i] != number)
            fail_msg("%s at call %llu: a sample that nobody sent", what, (unsigned long long)at);
        found[number] = true;
    }
    kit_samples_free(&s);
}

static void judge(struct life *life, const char *what, uint64_t at)
{
    struct err err = {0};
    bool a[LIFE] = {false}, b[LIFE] = {false}, asked[LIFE] = {false};
    int rc = life->tsdb != NULL ? 0 : life_open(life, &err);
    if (rc != 0)
        fail_msg("%s at call %llu: cannot open: %s", what, (unsigned long long)at, err.text);
    note(life, "a", a, what, at);
    note(life, "b", b, what, at);
    for (unsigned d = 0; d < life->deletions; d++) {
        unsigned there = 0, gone = 0;
        for (unsigned i = life->from[d]; i <= life->to[d]; i++) {
            asked[i] = true;
            there += a[i] + b[i];
            gone += life->acknowledged[i] ? (unsigned)!a[i] + (unsigned)!b[i] : 0U;
        }
        if (life->deleted[d] && there > 0)
            fail_msg("%s at call %llu: %u samples are back that were deleted", what, (unsigned long long)at,
                     there);
        if (there > 0 && gone > 0)
            fail_msg("%s at call %llu: of deletion %u a part is there", what, (unsigned long long)at, d);
    }
    for (unsigned i = 0; i < life->sent; i++)
        if (life->acknowledged[i] && !asked[i] && (!a[i] || !b[i]))
            fail_msg("%s at call %llu: sample %u was acknowledged, not deleted, and is gone", what,
                     (unsigned long long)at, i);
}

static uint64_t calls_of_a_life(void)
{
    struct life life = {.sim = sim_fs_new(0)};
    sim_rng_init(&life.rng, 1);
    assert_int_equal(life_open(&life, NULL), 0);
    live(&life);
    uint64_t calls = sim_fs_calls(life.sim);
    judge(&life, "without a failure", 0);
    assert_int_equal(life.deletions, 3);
    for (unsigned d = 0; d < life.deletions; d++)
        assert_true(life.deleted[d]);
    tsdb_close(&life.tsdb);
    sim_fs_free(&life.sim);
    return calls;
}

static void test_power_cuts(void **state)
{
    (void)state;
    static const enum sim_fs_mode modes[] = {SIM_FS_KEEP, SIM_FS_DROP, SIM_FS_SOME, SIM_FS_SHRED};
    uint64_t calls = calls_of_a_life();
    for (uint64_t at = 1; at <= calls; at++) {
        for (size_t m = 0; m < TC_ARRAY_LEN(modes); m++) {
            struct life life = {.sim = sim_fs_new(0)};
            sim_rng_init(&life.rng, at);
            sim_fs_cut_at(life.sim, at);
            if (life_open(&life, NULL) == 0)
                live(&life);
            tsdb_close(&life.tsdb);
            sim_fs_crash(life.sim, at * 31 + m, modes[m]);
            judge(&life, "power cut", at);
            (void)tsdb_maintain(life.tsdb, NULL);
            tsdb_close(&life.tsdb);
            sim_fs_crash(life.sim, at, SIM_FS_DROP);
            judge(&life, "second power cut", at);
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
            struct life life = {.sim = sim_fs_new(0)};
            sim_rng_init(&life.rng, at);
            sim_fs_fail_at(life.sim, at, errors[e]);
            if (life_open(&life, NULL) == 0)
                live(&life);
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
        {"a deletion is whole and for good, whatever call the power is cut at", test_power_cuts, NULL, NULL,
         NULL},
        {"a deletion is whole and for good, whatever call fails", test_failing_calls, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
