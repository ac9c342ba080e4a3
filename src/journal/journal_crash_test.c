/*
 * The journal on a disk that fails: the power cut at every single call of a short life, in every mode and
 * with several seeds, and every call failing once. After each: what was acknowledged is there, once, whole
 * and in order; what was not is whole or absent; the chain verifies without recovery; appending goes on.
 */
#include "journal/journal_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

enum { BATCHES = 14, SEEDS = 6, SEGMENT_BYTES = 6000 };

static const char dir[] = "/data/here";

struct life {
    struct sim_fs *sim;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal *journal;
    bool acknowledged[KIT_BATCHES_MAX];
    unsigned next; /* batch number */
};

static void life_init(struct life *life, uint64_t seed)
{
    *life = (struct life){.sim = sim_fs_new(0), .next = 1};
    sim_clk_init(&life->clk, KIT_NOW);
    sim_rng_init(&life->rng, seed);
}

static int life_open(struct life *life, struct journal_recovery *ret, struct err *err)
{
    struct journal_options options = {.fs = sim_fs_seam(life->sim),
                                      .clk = &life->clk.clk,
                                      .rng = &life->rng.rng,
                                      .dir = dir,
                                      .segment_bytes = SEGMENT_BYTES,
                                      .inline_commit = true};
    return journal_open(&options, &life->journal, ret, err);
}

struct ack {
    struct life *life;
    unsigned number;
    bool more; /* appends three more batches: they make one group commit */
};

static void append_number(struct life *life, unsigned number, bool more);

static void acknowledged(void *context, int rc, uint64_t first)
{
    struct ack *ack = context;
    (void)first;
    if (rc == 0)
        ack->life->acknowledged[ack->number] = true;
    for (int i = 0; ack->more && rc == 0 && i < 3; i++)
        append_number(ack->life, ack->life->next++, false);
    free(ack);
}

static void append_number(struct life *life, unsigned number, bool more)
{
    struct kit_batch k;
    struct ack *ack = tc_alloc(sizeof *ack);
    *ack = (struct ack){life, number, more};
    kit_make(&k, number, 1 + number % 3, number % 5 * 300);
    int rc = journal_append(life->journal, &k.batch, acknowledged, ack, NULL, NULL);
    if (rc != 0 && rc != TC_EEXIST)
        free(ack);
    buf_free(&k.blocks);
}

/* Two starts, single batches and groups of several, over a few segments. */
static void live(struct life *life)
{
    for (int start = 0; start < 2; start++) {
        if (life_open(life, NULL, NULL) != 0)
            return;
        while (life->next < BATCHES * (unsigned)(start + 1)) {
            unsigned number = life->next++;
            append_number(life, number, number % 4 == 1);
            if (journal_failed(life->journal) != 0)
                break;
        }
        journal_close(&life->journal);
    }
}

static const char *context_of(uint64_t at, uint64_t seed, enum sim_fs_mode mode)
{
    static char text[100];
    snprintf(text, sizeof text, "call %llu, seed %llu, mode %d", (unsigned long long)at,
             (unsigned long long)seed, (int)mode);
    return text;
}

#define REQUIRE(condition, what)                                                                             \
    do                                                                                                       \
        if (!(condition))                                                                                    \
            fail_msg("%s: %s (%s)", what, #condition, err.text);                                             \
    while (0)

static void require_promises(const struct life *life, const struct kit_found *found, const char *what)
{
    struct err err = {0};
    REQUIRE(kit_is_ordered(found), what);
    for (unsigned b = 1; b < life->next; b++)
        if (life->acknowledged[b] && !kit_has(found, b))
            fail_msg("%s: batch %u was acknowledged and is gone", what, b);
}

/* A fresh start on what is left: the same batches, keys known, appending goes on, all verifies. */
static void require_going_on(struct life *life, const struct kit_found *before, const char *what)
{
    struct err err = {0};
    struct journal_verify_report report;
    struct kit_found after;
    struct kit_batch k;
    const struct fs *fs = sim_fs_seam(life->sim);
    REQUIRE(life_open(life, NULL, &err) == 0, what);
    REQUIRE(journal_end(life->journal) == before->end, what);
    for (size_t i = 0; i < before->n; i++) {
        uint64_t first = 0;
        kit_make(&k, before->order[i], 1, 0);
        REQUIRE(journal_append_wait(life->journal, &k.batch, &first, &err) == TC_EEXIST, what);
        REQUIRE(first == before->first[i], what);
        buf_free(&k.blocks);
    }
    unsigned number = life->next++;
    kit_make(&k, number, 2, 100);
    REQUIRE(journal_append_wait(life->journal, &k.batch, NULL, &err) == 0, what);
    buf_free(&k.blocks);
    journal_close(&life->journal);
    REQUIRE(journal_verify(fs, dir, &report, &err) == 0, what);
    REQUIRE(report.torn_bytes == 0, what);
    REQUIRE(kit_read(fs, dir, &after, &err) == 0, what);
    REQUIRE(after.n == before->n + 1 && after.order[before->n] == number, what);
}

static void require_readable(struct life *life, struct kit_found *found, const char *what)
{
    struct err err = {0};
    struct journal_verify_report report;
    const struct fs *fs = sim_fs_seam(life->sim);
    int rc = journal_verify(fs, dir, &report, &err);
    if (rc == TC_ENOTFOUND) { /* the power went before there was a journal */
        *found = (struct kit_found){.end = 1};
        return;
    }
    REQUIRE(rc == 0, what);
    REQUIRE(kit_read(fs, dir, found, &err) == 0, what);
    REQUIRE(found->end == 1 + report.records, what);
}

static uint64_t calls_of_a_life(uint64_t seed)
{
    struct life life;
    life_init(&life, seed);
    live(&life);
    uint64_t n = sim_fs_calls(life.sim);
    for (unsigned b = 1; b < life.next; b++)
        assert_true(life.acknowledged[b]);
    struct kit_found found;
    require_readable(&life, &found, "no fault");
    assert_int_equal(found.n, life.next - 1);
    sim_fs_free(&life.sim);
    return n;
}

/* After the crash, the first start is cut as well, at call `again` (0 = not). */
static void one_cut(uint64_t at, uint64_t seed, enum sim_fs_mode mode, uint64_t again)
{
    struct life life;
    struct kit_found found;
    const char *what = context_of(at, seed, mode);
    life_init(&life, seed);
    sim_fs_cut_at(life.sim, at);
    live(&life);
    sim_fs_crash(life.sim, seed * 7919 + at, mode);
    require_readable(&life, &found, what);
    require_promises(&life, &found, what);
    if (again > 0) {
        sim_fs_cut_at(life.sim, again);
        if (life_open(&life, NULL, NULL) == 0)
            journal_close(&life.journal);
        sim_fs_crash(life.sim, seed * 104729 + again, mode);
        require_readable(&life, &found, what);
        require_promises(&life, &found, what);
    }
    require_going_on(&life, &found, what);
    sim_fs_free(&life.sim);
}

static void test_power_cut_at_every_call(void **state)
{
    (void)state;
    uint64_t calls = calls_of_a_life(1);
    printf("a life of %llu calls\n", (unsigned long long)calls);
    for (uint64_t at = 1; at <= calls; at++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
            for (int mode = SIM_FS_KEEP; mode <= SIM_FS_SHRED; mode++)
                one_cut(at, seed, (enum sim_fs_mode)mode, 0);
}

static void test_power_cut_during_recovery(void **state)
{
    (void)state;
    uint64_t calls = calls_of_a_life(1);
    for (uint64_t at = 5; at <= calls; at += 3)
        for (uint64_t again = 1; again <= 40; again++)
            one_cut(at, at + again, SIM_FS_SHRED, again);
}

/* The process is killed at a call; a new one starts over the same page cache and shows what it finds. From
 * then on that is durable, although the dead one never synced it: a power cut takes nothing of it. */
static void one_kill(uint64_t at, bool append)
{
    struct life life;
    struct kit_found found, after;
    struct err err = {0};
    const char *what = context_of(at, 0, SIM_FS_DROP);
    life_init(&life, 1);
    sim_fs_cut_at(life.sim, at);
    live(&life);
    sim_fs_kill(life.sim);
    require_readable(&life, &found, what);
    require_promises(&life, &found, what);
    REQUIRE(life_open(&life, NULL, &err) == 0, what);
    REQUIRE(journal_end(life.journal) == found.end, what);
    if (append) { /* what is appended stands behind it, in a segment that the dead one may have begun */
        append_number(&life, life.next++, false);
        require_readable(&life, &found, what);
    }
    sim_fs_cut_at(life.sim, 1);
    journal_close(&life.journal);
    sim_fs_crash(life.sim, at, SIM_FS_DROP);
    require_readable(&life, &after, what);
    require_promises(&life, &after, what);
    REQUIRE(after.n == found.n && after.end == found.end, what);
    require_going_on(&life, &after, what);
    sim_fs_free(&life.sim);
}

static void test_kill_at_every_call(void **state)
{
    (void)state;
    uint64_t calls = calls_of_a_life(1);
    for (uint64_t at = 1; at <= calls; at++) {
        one_kill(at, false);
        one_kill(at, true);
    }
}

/* A failing call, then (with `crash`) a power cut; without it, a plain restart over the same page cache. */
static void one_fault(uint64_t at, int code, bool crash)
{
    struct life life;
    struct kit_found found;
    const char *what = context_of(at, (uint64_t)-code, crash ? SIM_FS_SHRED : SIM_FS_KEEP);
    life_init(&life, 1);
    if (code == 0)
        sim_fs_short_at(life.sim, at);
    else
        sim_fs_fail_at(life.sim, at, code);
    live(&life);
    if (code == 0)
        for (unsigned b = 1; b < life.next; b++)
            assert_true(life.acknowledged[b]); /* a short write is no failure */
    if (crash)
        sim_fs_crash(life.sim, at, SIM_FS_SHRED);
    require_readable(&life, &found, what);
    require_promises(&life, &found, what);
    require_going_on(&life, &found, what);
    /* what the restart took over is durable now, whatever the page cache showed */
    sim_fs_crash(life.sim, at, SIM_FS_DROP);
    require_readable(&life, &found, what);
    require_promises(&life, &found, what);
    sim_fs_free(&life.sim);
}

static void test_every_call_failing_once(void **state)
{
    (void)state;
    uint64_t calls = calls_of_a_life(1);
    static const int codes[] = {-EIO, -ENOSPC, 0};
    for (uint64_t at = 1; at <= calls; at++)
        for (size_t i = 0; i < TC_ARRAY_LEN(codes); i++) {
            one_fault(at, codes[i], false);
            one_fault(at, codes[i], true);
        }
}

static void test_full_disk(void **state)
{
    (void)state;
    for (uint64_t capacity = 500; capacity < 30000; capacity += 700) {
        struct life life;
        struct kit_found found;
        life_init(&life, 3);
        sim_fs_set_capacity(life.sim, capacity);
        live(&life);
        sim_fs_set_capacity(life.sim, 0);
        sim_fs_crash(life.sim, capacity, SIM_FS_SHRED);
        require_readable(&life, &found, "full disk");
        require_promises(&life, &found, "full disk");
        require_going_on(&life, &found, "full disk");
        sim_fs_free(&life.sim);
    }
}

static void test_reserve_refuses_input_only(void **state)
{
    (void)state;
    struct life life;
    struct kit_batch k;
    struct err err = {0};
    life_init(&life, 3);
    sim_fs_set_capacity(life.sim, 6144); /* a quarter of it is kept back */
    assert_int_equal(life_open(&life, NULL, &err), 0);
    kit_make(&k, 1, 1, 5000);
    assert_int_equal(journal_append_wait(life.journal, &k.batch, NULL, &err), TC_EBOUND);
    k.batch.kind = BATCH_DECISION;
    k.batch.has_key = false;
    memset(k.batch.key, 0, sizeof k.batch.key);
    assert_int_equal(journal_append_wait(life.journal, &k.batch, NULL, &err), 0);
    buf_free(&k.blocks);
    /* space is freed: input comes in again within a second */
    kit_make(&k, 2, 1, 5000);
    sim_fs_set_capacity(life.sim, 0);
    assert_int_equal(journal_append_wait(life.journal, &k.batch, NULL, &err), TC_EBOUND);
    life.clk.now_ns += TC_SECOND_NS;
    assert_int_equal(journal_append_wait(life.journal, &k.batch, NULL, &err), 0);
    buf_free(&k.blocks);
    journal_close(&life.journal);
    sim_fs_free(&life.sim);
}

/* --- a disk that somebody else filled, with the writer's thread --- */

static void note_done(void *context, int rc, uint64_t first)
{
    (void)first;
    atomic_store((atomic_int *)context, rc == 0 ? 1 : rc);
}

static void until_full(struct journal *journal)
{
    struct journal_stats stats = {0};
    int64_t end_ns = clk_monotonic_ns(&clk_system) + 10 * TC_SECOND_NS;
    while (!stats.full && clk_monotonic_ns(&clk_system) < end_ns) {
        journal_stats(journal, &stats);
        sched_yield();
    }
    assert_true(stats.full);
}

static void append_decision(struct life *life, unsigned number, size_t pad, atomic_int *done)
{
    struct kit_batch k;
    kit_make(&k, number, 1, pad);
    k.batch.kind = BATCH_DECISION;
    k.batch.has_key = false;
    memset(k.batch.key, 0, sizeof k.batch.key);
    atomic_init(done, 0);
    assert_int_equal(journal_append(life->journal, &k.batch, note_done, done, NULL, NULL), 0);
    buf_free(&k.blocks);
}

static int append_input(struct life *life, unsigned number)
{
    struct kit_batch k;
    kit_make(&k, number, 1, 10);
    int rc = journal_append(life->journal, &k.batch, NULL, NULL, NULL, NULL);
    buf_free(&k.blocks);
    return rc;
}

static void open_with_thread(struct life *life, uint64_t segment_bytes)
{
    struct err err = {0};
    struct journal_options options = {.fs = sim_fs_seam(life->sim),
                                      .clk = &life->clk.clk,
                                      .rng = &life->rng.rng,
                                      .dir = dir,
                                      .segment_bytes = segment_bytes,
                                      .reserve_bytes = 1};
    assert_int_equal(journal_open(&options, &life->journal, NULL, &err), 0);
}

/* A short `segment_bytes`: the second batch wants a new segment, which finds no room either. */
static void one_full_disk(uint64_t segment_bytes, uint64_t capacity)
{
    struct life life;
    struct kit_found found;
    atomic_int done[2];
    struct kit_batch k;
    life_init(&life, 5);
    open_with_thread(&life, segment_bytes);
    append_decision(&life, 1, 100, &done[0]);
    assert_true(journal_wait(life.journal, 1, 10 * TC_SECOND_NS) > 1);
    sim_fs_set_capacity(life.sim, capacity);
    append_decision(&life, 2, 3000, &done[1]);
    until_full(life.journal);
    assert_int_equal(atomic_load(&done[1]), 0);
    assert_int_equal(append_input(&life, 3), TC_EBOUND);
    kit_make(&k, 4, 1, 10);
    k.batch.kind = BATCH_CONTROL;
    k.batch.has_key = false;
    memset(k.batch.key, 0, sizeof k.batch.key);
    assert_int_equal(journal_append(life.journal, &k.batch, NULL, NULL, NULL, NULL), TC_EAGAIN);
    buf_free(&k.blocks);
    sim_fs_set_capacity(life.sim, 0);
    assert_true(journal_wait(life.journal, 2, 10 * TC_SECOND_NS) > 2); /* by itself */
    assert_int_equal(journal_failed(life.journal), 0);
    life.clk.now_ns += TC_SECOND_NS;
    assert_int_equal(append_input(&life, 3), 0);
    journal_close(&life.journal);
    assert_int_equal(atomic_load(&done[1]), 1);
    sim_fs_crash(life.sim, 5, SIM_FS_DROP);
    require_readable(&life, &found, "full, then room");
    assert_int_equal(found.n, 3);
    sim_fs_free(&life.sim);
}

static void test_a_full_disk_is_waited_for(void **state)
{
    (void)state;
    for (uint64_t capacity = 600; capacity < 3200; capacity += 1200)
        one_full_disk(0, capacity);
    one_full_disk(200, 650);
}

static void test_nobody_waits_at_a_stop(void **state)
{
    (void)state;
    struct life life;
    struct kit_found found;
    atomic_int done[2];
    life_init(&life, 6);
    open_with_thread(&life, 0);
    append_decision(&life, 1, 100, &done[0]);
    assert_true(journal_wait(life.journal, 1, 10 * TC_SECOND_NS) > 1);
    sim_fs_set_capacity(life.sim, 1000);
    append_decision(&life, 2, 3000, &done[1]);
    until_full(life.journal);
    journal_wait_no_more(life.journal);
    journal_close(&life.journal);
    assert_int_equal(atomic_load(&done[1]), TC_EIO);
    sim_fs_set_capacity(life.sim, 0);
    require_readable(&life, &found, "stopped while full");
    assert_int_equal(found.n, 1);
    sim_fs_free(&life.sim);
}

/* --- what was queued before the disk was seen to be full --- */

struct gated { /* holds the writer's thread before its next commit */
    atomic_bool closed;
};

static int pass_gate(void *context, struct err *err)
{
    (void)err;
    while (atomic_load(&((struct gated *)context)->closed))
        sched_yield();
    return 0;
}

struct outcome {
    atomic_int rc; /* 1: not told yet */
    atomic_uint_fast64_t first;
};

static void note_outcome(void *context, int rc, uint64_t first)
{
    struct outcome *o = context;
    atomic_store(&o->first, first);
    atomic_store(&o->rc, rc);
}

static int append_as(struct life *life, unsigned number, enum batch_kind kind, bool refuse, size_t pad,
                     struct outcome *outcome)
{
    struct kit_batch k;
    kit_make(&k, number, 1, pad);
    k.batch.kind = kind;
    k.batch.has_key = kind == BATCH_INPUT && refuse;
    k.batch.refuse_when_full = refuse;
    if (!k.batch.has_key)
        memset(k.batch.key, 0, sizeof k.batch.key);
    atomic_store(&outcome->rc, 1);
    int rc = journal_append(life->journal, &k.batch, note_outcome, outcome, NULL, NULL);
    buf_free(&k.blocks);
    return rc;
}

static int told(struct outcome *outcome)
{
    int64_t end_ns = clk_monotonic_ns(&clk_system) + 10 * TC_SECOND_NS;
    while (atomic_load(&outcome->rc) == 1 && clk_monotonic_ns(&clk_system) < end_ns)
        sched_yield();
    return atomic_load(&outcome->rc);
}

static void test_who_can_send_again_is_refused(void **state)
{
    (void)state;
    struct life life;
    struct kit_found found;
    struct gated gate;
    struct outcome o[6];
    struct err err = {0};
    life_init(&life, 8);
    atomic_init(&gate.closed, true);
    struct journal_options options = {.fs = sim_fs_seam(life.sim),
                                      .clk = &life.clk.clk,
                                      .rng = &life.rng.rng,
                                      .dir = dir,
                                      .before_commit = pass_gate,
                                      .before_context = &gate,
                                      .reserve_bytes = 1};
    assert_int_equal(journal_open(&options, &life.journal, NULL, &err), 0);
    assert_int_equal(append_as(&life, 1, BATCH_DECISION, false, 3000, &o[0]), 0);
    assert_int_equal(append_as(&life, 2, BATCH_INPUT, true, 10, &o[1]), 0);
    assert_int_equal(append_as(&life, 2, BATCH_INPUT, true, 10, &o[2]),
                     TC_EEXIST); /* a repeat waits behind it */
    assert_int_equal(append_as(&life, 3, BATCH_DECISION, false, 10, &o[3]), 0);
    assert_int_equal(append_as(&life, 4, BATCH_INPUT, false, 10, &o[4]), 0); /* a door that cannot go back */
    assert_int_equal(append_as(&life, 5, BATCH_CONTROL, true, 10, &o[5]), 0);
    sim_fs_set_capacity(life.sim, 1000);
    atomic_store(&gate.closed, false);
    assert_int_equal(told(&o[1]), TC_EBOUND);
    assert_int_equal(told(&o[2]), TC_EBOUND);
    assert_int_equal(told(&o[5]), TC_EBOUND);
    until_full(life.journal);
    assert_int_equal(atomic_load(&o[0].rc) + atomic_load(&o[3].rc) + atomic_load(&o[4].rc), 3);
    sim_fs_set_capacity(life.sim, 0);
    assert_int_equal(told(&o[4]), 0);
    assert_int_equal(atomic_load(&o[0].first), 1);
    assert_int_equal(atomic_load(&o[3].first), 2);
    assert_int_equal(atomic_load(&o[4].first), 3);
    life.clk.now_ns += TC_SECOND_NS;
    assert_int_equal(append_as(&life, 2, BATCH_INPUT, true, 10, &o[1]), 0); /* its key was not kept */
    assert_int_equal(told(&o[1]), 0);
    assert_int_equal(atomic_load(&o[1].first), 4);
    journal_close(&life.journal);
    require_readable(&life, &found, "refused, then room");
    assert_int_equal(found.n, 4);
    sim_fs_free(&life.sim);
}

/* Nothing else waits: the next one is tried again, and the disk is asked. */
static void test_a_lone_batch_on_a_full_disk(void **state)
{
    (void)state;
    struct life life;
    struct outcome o;
    life_init(&life, 9);
    open_with_thread(&life, 0);
    sim_fs_set_capacity(life.sim, 700);
    assert_int_equal(append_as(&life, 1, BATCH_INPUT, true, 3000, &o), 0);
    assert_int_equal(told(&o), TC_EBOUND);
    sim_fs_set_capacity(life.sim, 0);
    life.clk.now_ns += TC_SECOND_NS;
    assert_int_equal(append_as(&life, 1, BATCH_INPUT, true, 3000, &o), 0);
    assert_int_equal(told(&o), 0);
    assert_int_equal(atomic_load(&o.first), 1);
    journal_close(&life.journal);
    sim_fs_free(&life.sim);
}

/* The same seed and the same calls give the same bytes. */
static void test_is_deterministic(void **state)
{
    (void)state;
    struct buf bytes[2];
    for (int i = 0; i < 2; i++) {
        struct life life;
        life_init(&life, 42);
        live(&life);
        buf_init(&bytes[i], 1 << 20);
        assert_int_equal(fs_read_file(sim_fs_seam(life.sim), "/data/here/journal/00000000000000000001.seg",
                                      &bytes[i], NULL),
                         0);
        sim_fs_free(&life.sim);
    }
    assert_true(sv_eq(buf_view(&bytes[0]), buf_view(&bytes[1])));
    buf_free(&bytes[0]);
    buf_free(&bytes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut_at_every_call),
        cmocka_unit_test(test_power_cut_during_recovery),
        cmocka_unit_test(test_kill_at_every_call),
        cmocka_unit_test(test_every_call_failing_once),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_reserve_refuses_input_only),
        cmocka_unit_test(test_a_full_disk_is_waited_for),
        cmocka_unit_test(test_nobody_waits_at_a_stop),
        cmocka_unit_test(test_who_can_send_again_is_refused),
        cmocka_unit_test(test_a_lone_batch_on_a_full_disk),
        cmocka_unit_test(test_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
