/*
 * A store that is a queue to another one: all that is taken comes out, in order, across restarts, cuts of the
 * head and failures of the disk; what was sent leaves the disk; at the bound nothing more is taken.
 */
#include "metrics/tsdb/tsdb_kit.h"

#include <errno.h>

enum { STEP_MS = 60000, SAMPLES = 400, SERIES = 3 };

struct world {
    struct sim_fs *sim;
    struct sim_rng rng;
    uint64_t bytes_max;
    struct tsdb *tsdb;
    struct outgoing *outgoing;
    unsigned sent; /* given to the store */
    bool acknowledged[SAMPLES], arrived[SAMPLES];
};

static int world_open(struct world *w, struct err *err)
{
    struct tsdb_options o = {.fs = sim_fs_seam(w->sim),
                             .rng = &w->rng.rng,
                             .dir = "/data/metrics",
                             .segment_bytes = 2000,
                             .outgoing_bytes_max = w->bytes_max == 0 ? 1 << 30 : w->bytes_max};
    int rc = tsdb_open(&o, &w->tsdb, NULL, err);
    return rc != 0 ? rc : outgoing_open(w->tsdb, &w->outgoing, err);
}

static void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.sim = sim_fs_new(0)};
    sim_rng_init(&w->rng, seed);
}

static void world_close(struct world *w)
{
    outgoing_close(&w->outgoing);
    tsdb_close(&w->tsdb);
}

static void world_free(struct world *w)
{
    world_close(w);
    sim_fs_free(&w->sim);
}

/* One batch: two series that stay and one that comes and goes. */
static void give(struct world *w)
{
    struct tsdb_appender a;
    int rc = -1;
    unsigned i = w->sent++;
    char name[16];
    sprintf(name, "new%u", i / 25);
    if (tsdb_begin(w->tsdb, 0, INT64_MAX, &a, NULL) != 0)
        return;
    (void)kit_add(&a, "a", "i", (int64_t)i * STEP_MS, i);
    (void)kit_add(&a, "b", "i", (int64_t)i * STEP_MS, i);
    (void)kit_add(&a, name, "i", (int64_t)i * STEP_MS, i);
    tsdb_commit(&a, kit_acknowledge, &rc);
    w->acknowledged[i] = rc == 0;
}

static void note(struct world *w, const struct outgoing_series *s, unsigned seen[SAMPLES])
{
    for (size_t i = 0; i < s->sample_count; i++) {
        unsigned number = (unsigned)(s->samples[i].t / STEP_MS);
        assert_true(number < w->sent && s->samples[i].v == number && s->samples[i].histogram == NULL);
        assert_true(i == 0 || s->samples[i].t > s->samples[i - 1].t); /* in a message */
        seen[number]++;
    }
    assert_int_equal(s->label_count, 2);
}

/* Takes up to so many messages out, as a sender does. */
static int take(struct world *w, unsigned messages, size_t samples_max)
{
    struct err err = {0};
    while (messages-- > 0) {
        const struct outgoing_series *series;
        size_t count;
        unsigned seen[SAMPLES] = {0};
        int rc = outgoing_next(w->outgoing, samples_max, &series, &count, &err);
        if (rc != 0 || count == 0)
            return rc;
        for (size_t i = 0; i < count; i++)
            note(w, &series[i], seen);
        /* all series of a batch are in one frame, so with room for them a batch is whole in its message */
        for (unsigned i = 0; i < w->sent; i++)
            w->arrived[i] = w->arrived[i] || seen[i] == SERIES || (samples_max < SERIES && seen[i] > 0);
        outgoing_sent(w->outgoing);
    }
    return 0;
}

static void expect_all(struct world *w, const char *what, uint64_t at)
{
    struct err err = {0};
    if (w->tsdb == NULL && world_open(w, &err) != 0)
        fail_msg("%s at call %llu: cannot open: %s", what, (unsigned long long)at, err.text);
    if (take(w, 10000, SERIES * 5) != 0)
        fail_msg("%s at call %llu: cannot read", what, (unsigned long long)at);
    for (unsigned i = 0; i < w->sent; i++)
        if (w->acknowledged[i] && !w->arrived[i])
            fail_msg("%s at call %llu: sample %u was acknowledged and never sent", what,
                     (unsigned long long)at, i);
}

static void live(struct world *w)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        give(w);
        if (i % 7 == 6 && (i < 100 || i > 200)) /* between them the receiver is down */
            (void)take(w, 3, SERIES * 4);
        if (i % 50 == 49) {
            (void)outgoing_keep(w->outgoing, NULL);
            (void)tsdb_maintain(w->tsdb, NULL);
        }
        if (i % 130 == 129) {
            world_close(w);
            if (world_open(w, NULL) != 0)
                return;
        }
    }
}

static void test_everything_comes_out(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    assert_int_equal(world_open(&w, NULL), 0);
    live(&w);
    expect_all(&w, "without a failure", 0);
    for (unsigned i = 0; i < SAMPLES; i++)
        assert_true(w.acknowledged[i] && w.arrived[i]);
    /* all is sent: the log and the head get short */
    assert_int_equal(tsdb_stats(w.tsdb).outgoing_bytes, 0);
    uint64_t segments = tsdb_stats(w.tsdb).wal.segments, series = tsdb_stats(w.tsdb).series;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tsdb_maintain(w.tsdb, NULL), 0);
        assert_int_equal(take(&w, 10, 100), 0); /* goes on to the next segment */
    }
    struct tsdb_stats stats = tsdb_stats(w.tsdb);
    assert_true(stats.wal.segments < segments || segments <= 2);
    assert_true(stats.series <= series && stats.series < 8); /* of 18 */
    assert_int_equal(stats.blocks, 0);
    /* nothing comes twice after a good end */
    assert_int_equal(outgoing_keep(w.outgoing, NULL), 0);
    world_close(&w);
    assert_int_equal(world_open(&w, NULL), 0);
    memset(w.arrived, 0, sizeof w.arrived);
    assert_int_equal(take(&w, 1000, 100), 0);
    for (unsigned i = 0; i < SAMPLES; i++)
        assert_false(w.arrived[i]);
    world_free(&w);
}

static void test_small_messages(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    assert_int_equal(world_open(&w, NULL), 0);
    for (unsigned i = 0; i < 20; i++)
        give(&w);
    assert_int_equal(take(&w, 5, 1), 0); /* in the middle of a frame */
    assert_int_equal(outgoing_keep(w.outgoing, NULL), 0);
    world_close(&w);
    assert_int_equal(world_open(&w, NULL), 0); /* that frame comes again */
    expect_all(&w, "after one at a time", 0);
    world_free(&w);
}

static void test_bound(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    struct tsdb_appender a;
    world_init(&w, 1);
    w.bytes_max = 5000;
    assert_int_equal(world_open(&w, NULL), 0);
    unsigned taken = 0;
    for (; taken < SAMPLES && tsdb_begin(w.tsdb, 0, INT64_MAX, &a, &err) == 0; taken++) {
        tsdb_commit(&a, NULL, NULL);
        give(&w);
    }
    assert_true(taken > 10 && taken < SAMPLES);
    assert_true(sv_find(sv_of(err.text), SV("remote store")) < strlen(err.text));
    assert_true(tsdb_stats(w.tsdb).outgoing_bytes >= w.bytes_max);
    world_close(&w); /* and so it is after a restart */
    assert_int_equal(world_open(&w, NULL), 0);
    assert_int_equal(tsdb_begin(w.tsdb, 0, INT64_MAX, &a, &err), TC_EAGAIN);
    expect_all(&w, "at the bound", 0);
    assert_int_equal(tsdb_begin(w.tsdb, 0, INT64_MAX, &a, &err), 0);
    tsdb_commit(&a, NULL, NULL);
    world_free(&w);
}

static uint64_t calls_of_a_life(void)
{
    struct world w;
    world_init(&w, 1);
    assert_int_equal(world_open(&w, NULL), 0);
    live(&w);
    uint64_t calls = sim_fs_calls(w.sim);
    world_free(&w);
    return calls;
}

/* At every seventh call, in turn with each mode: a life has thousands. */
static void test_power_cuts(void **state)
{
    (void)state;
    static const enum sim_fs_mode modes[] = {SIM_FS_KEEP, SIM_FS_DROP, SIM_FS_SOME, SIM_FS_SHRED};
    uint64_t calls = calls_of_a_life();
    for (uint64_t at = 1; at <= calls; at += 7) {
        struct world w;
        world_init(&w, at);
        sim_fs_cut_at(w.sim, at);
        if (world_open(&w, NULL) == 0)
            live(&w);
        world_close(&w);
        sim_fs_crash(w.sim, at, modes[at % TC_ARRAY_LEN(modes)]);
        expect_all(&w, "power cut", at);
        world_free(&w);
    }
}

static void test_failing_calls(void **state)
{
    (void)state;
    static const int errors[] = {-EIO, -ENOSPC};
    uint64_t calls = calls_of_a_life();
    for (uint64_t at = 1; at <= calls; at += 7) {
        struct world w;
        world_init(&w, at);
        sim_fs_fail_at(w.sim, at, errors[at % 2]);
        if (world_open(&w, NULL) == 0)
            live(&w);
        world_close(&w);
        sim_fs_crash(w.sim, at, SIM_FS_SOME);
        expect_all(&w, "failed call", at);
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"all that is taken comes out, and leaves the disk", test_everything_comes_out, NULL, NULL, NULL},
        {"a frame that was sent in part comes again", test_small_messages, NULL, NULL, NULL},
        {"at the bound nothing is taken", test_bound, NULL, NULL, NULL},
        {"nothing acknowledged is lost, whatever call the power is cut at", test_power_cuts, NULL, NULL,
         NULL},
        {"nothing acknowledged is lost, whatever call fails", test_failing_calls, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
