/*
 * What a backup takes of a journal, and the epoch that a restore begins: over torn tails, empty segments, and
 * a disk that is full.
 */
#include "journal/journal_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct rig {
    struct sim_fs *sim;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal_options options;
};

static void rig_begin(struct rig *r, uint64_t capacity_bytes)
{
    r->sim = sim_fs_new(capacity_bytes);
    sim_clk_init(&r->clk, KIT_NOW);
    sim_rng_init(&r->rng, 7);
    r->options = (struct journal_options){.fs = sim_fs_seam(r->sim),
                                          .clk = &r->clk.clk,
                                          .rng = &r->rng.rng,
                                          .dir = "/d",
                                          .segment_bytes = 2048,
                                          .inline_commit = true};
}

static struct journal *fill(struct rig *r, unsigned from, unsigned to)
{
    struct journal *journal;
    assert_int_equal(journal_open(&r->options, &journal, NULL, NULL), 0);
    for (unsigned i = from; i < to; i++) {
        struct kit_batch k;
        kit_make(&k, i, 2, 40);
        assert_int_equal(journal_append_wait(journal, &k.batch, NULL, NULL), 0);
        buf_free(&k.blocks);
    }
    return journal;
}

static void test_L_04_the_parts_are_a_whole_journal(void **state)
{
    struct rig r;
    struct journal_snapshot s;
    struct err err;
    (void)state;
    rig_begin(&r, 0);
    struct journal *journal = fill(&r, 0, 20);
    assert_int_equal(journal_snapshot(r.options.fs, "/d", &s, &err), 0); /* while it is open */
    assert_true(s.count > 2);
    assert_int_equal(s.position, 40);
    assert_int_equal(s.epoch, journal_epoch(journal));
    /* more comes; what was taken is still a prefix that reads as a journal of its own */
    journal_close(&journal);
    journal = fill(&r, 20, 30);
    for (size_t i = 0; i < s.count; i++) {
        char from[64], to[64];
        struct buf bytes;
        buf_init(&bytes, 1 << 20);
        snprintf(from, sizeof from, "/d/journal/%020llu.seg", (unsigned long long)s.parts[i].first);
        snprintf(to, sizeof to, "/copy/journal/%020llu.seg", (unsigned long long)s.parts[i].first);
        assert_int_equal(fs_read_file(r.options.fs, from, &bytes, &err), 0);
        assert_int_equal(fs_make_dirs(r.options.fs, "/copy/journal", &err), 0);
        sim_fs_put(r.sim, to, sv_head(buf_view(&bytes), s.parts[i].bytes));
        buf_free(&bytes);
    }
    struct journal_verify_report report;
    assert_int_equal(journal_verify(r.options.fs, "/copy", &report, &err), 0);
    assert_int_equal(report.records, 40);
    assert_int_equal(report.torn_bytes, 0);
    assert_memory_equal(report.head, s.report.head, sizeof report.head);
    journal_snapshot_free(&s);
    journal_close(&journal);
    sim_fs_free(&r.sim);
}

static void test_L_04_a_new_epoch_goes_on_in_the_same_chain(void **state)
{
    struct rig r;
    struct journal_verify_report report;
    struct journal_snapshot s;
    struct err err;
    uint64_t epoch;
    (void)state;
    rig_begin(&r, 0);
    struct journal *journal = fill(&r, 0, 3);
    uint64_t before = journal_epoch(journal);
    assert_int_equal(journal_begin_epoch(&r.options, &epoch, &err), TC_ESTATE); /* it is open */
    journal_close(&journal);
    assert_int_equal(journal_begin_epoch(&r.options, &epoch, &err), 0);
    assert_true(epoch != before && epoch != 0);
    assert_int_equal(journal_begin_epoch(&r.options, &epoch, &err), TC_ESTATE); /* nothing is in it yet */
    assert_int_equal(journal_snapshot(r.options.fs, "/d", &s, &err), 0);
    assert_int_equal(s.epoch, before); /* an empty last segment is not taken */
    assert_int_equal(s.position, 6);
    journal_snapshot_free(&s);
    journal = fill(&r, 3, 6);
    assert_int_equal(journal_epoch(journal), epoch);
    journal_close(&journal);
    assert_int_equal(journal_verify(r.options.fs, "/d", &report, &err), 0);
    assert_int_equal(report.records, 12);
    sim_fs_free(&r.sim);
}

/* The power fails at every call of it: the journal is whole afterwards, in the one epoch or the other. */
static void test_L_04_a_new_epoch_survives_power_cuts(void **state)
{
    (void)state;
    for (uint64_t cut = 1, done = 0; done == 0; cut++) {
        struct rig r;
        struct journal_verify_report report;
        struct err err;
        uint64_t epoch;
        rig_begin(&r, 0);
        struct journal *journal = fill(&r, 0, 3);
        journal_close(&journal);
        sim_fs_cut_at(r.sim, cut);
        int rc = journal_begin_epoch(&r.options, &epoch, &err);
        done = !sim_fs_is_cut(r.sim);
        assert_true(done == 0 || rc == 0);
        sim_fs_crash(r.sim, cut, SIM_FS_SOME);
        journal = fill(&r, 3, 4);
        journal_close(&journal);
        assert_int_equal(journal_verify(r.options.fs, "/d", &report, &err), 0);
        assert_int_equal(report.records, 8);
        sim_fs_free(&r.sim);
    }
}

static void wait_until(struct journal *journal, bool full)
{
    struct journal_stats stats;
    for (int i = 0; i < 1000; i++) {
        journal_stats(journal, &stats);
        if (stats.full == full)
            return;
        journal_wait(journal, UINT64_MAX - 1, 10 * 1000000);
    }
    fail_msg("the journal did not become %s", full ? "full" : "free");
}

/* Others fill the disk: what alerts need is in the reserve file, and it is made again when there is room. */
static void test_D_08_the_reserve_file_lets_decisions_through(void **state)
{
    struct rig r;
    struct fs_stat st;
    struct kit_batch k;
    (void)state;
    rig_begin(&r, 1 << 20);
    r.options.inline_commit = false;
    r.options.reserve_bytes = 1024;
    r.options.reserve_file_bytes = 64 << 10;
    r.options.segment_bytes = 1 << 20;
    struct journal *journal = fill(&r, 0, 2);
    assert_int_equal(r.options.fs->stat(r.options.fs, "/d/reserve", &st), 0);
    assert_int_equal(st.size_bytes, 64 << 10);
    sim_fs_set_capacity(r.sim, 1); /* no room at all but what is there */
    uint64_t free_bytes, total;
    assert_int_equal(r.options.fs->free_bytes(r.options.fs, "/d", &free_bytes, &total), 0);
    sim_fs_set_capacity(r.sim, (64 << 10) + 2048); /* as if others had taken the rest */
    kit_make(&k, 2, 2, 16 << 10);
    k.batch.kind = BATCH_DECISION;
    k.batch.has_key = false;
    assert_int_equal(journal_append_wait(journal, &k.batch, NULL, NULL), 0);
    /* a sixteenth of what is a small disk now may be there again, no more */
    assert_true(r.options.fs->stat(r.options.fs, "/d/reserve", &st) != 0 || st.size_bytes < 64 << 10);
    sim_fs_set_capacity(r.sim, 1 << 20);
    r.clk.now_ns += 2 * TC_SECOND_NS;
    assert_int_equal(journal_append_wait(journal, &k.batch, NULL, NULL), 0);
    for (int i = 0; i < 1000 && r.options.fs->stat(r.options.fs, "/d/reserve", &st) != 0; i++)
        journal_wait(journal, UINT64_MAX - 1, 10 * 1000000);
    assert_int_equal(r.options.fs->stat(r.options.fs, "/d/reserve", &st), 0);
    wait_until(journal, false);
    buf_free(&k.blocks);
    journal_close(&journal);
    sim_fs_free(&r.sim);
}

static void test_A_32_a_key_with_another_body(void **state)
{
    struct rig r;
    struct kit_batch k;
    uint64_t first = 0;
    (void)state;
    rig_begin(&r, 0);
    struct journal *journal = fill(&r, 0, 2);
    kit_make(&k, 1, 2, 40);
    assert_int_equal(journal_append(journal, &k.batch, NULL, NULL, &first, NULL), TC_EEXIST);
    k.batch.key[15] ^= 1;
    assert_int_equal(journal_append(journal, &k.batch, NULL, NULL, &first, NULL), TC_EDENIED);
    journal_close(&journal);
    journal = fill(&r, 2, 2); /* the other body is remembered over a restart */
    assert_int_equal(journal_append(journal, &k.batch, NULL, NULL, &first, NULL), TC_EDENIED);
    buf_free(&k.blocks);
    journal_close(&journal);
    sim_fs_free(&r.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L_04_the_parts_are_a_whole_journal),
        cmocka_unit_test(test_L_04_a_new_epoch_goes_on_in_the_same_chain),
        cmocka_unit_test(test_L_04_a_new_epoch_survives_power_cuts),
        cmocka_unit_test(test_D_08_the_reserve_file_lets_decisions_through),
        cmocka_unit_test(test_A_32_a_key_with_another_body),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
