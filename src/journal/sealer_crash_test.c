/*
 * Sealing on a disk that fails: the power cut, and a failure, at every single call of a short life. After
 * each: every checkpoint that a witness was shown stands in the file, all agree with the journal, and sealing
 * goes on. And a changed byte, anywhere in the file of checkpoints, is told.
 */
#include "journal/evidence.h"
#include "journal/journal_kit.h"
#include "journal/sealer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

enum { ROUNDS = 5, SEEDS = 4, SHOWN_MAX = 64, SEGMENT_BYTES = 3000, ALL = 1 << 30 };

static const char dir[] = "/data/here", file[] = "/data/here/seal/checkpoints",
                  state_file[] = "/data/here/seal/tree";

struct life {
    struct sim_fs *sim;
    const struct fs *fs;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal *journal;
    struct sealer *sealer;
    struct note_keys keys;
    struct buf note;
    struct buf shown[SHOWN_MAX];
    size_t shown_count;
    unsigned number;
};

static void life_init(struct life *l, uint64_t seed)
{
    *l = (struct life){.sim = sim_fs_new(0), .keys.n = 1};
    l->fs = sim_fs_seam(l->sim);
    sim_clk_init(&l->clk, KIT_NOW);
    sim_rng_init(&l->rng, seed);
    assert_int_equal(note_key_make("test", &l->rng.rng, &l->keys.key[0], NULL), 0);
    buf_init(&l->note, 2 * NOTE_MAX_BYTES);
}

static int life_open(struct life *l, struct err *err)
{
    struct journal_options o = {.fs = l->fs,
                                .clk = &l->clk.clk,
                                .rng = &l->rng.rng,
                                .dir = dir,
                                .segment_bytes = SEGMENT_BYTES,
                                .inline_commit = true};
    int rc = journal_open(&o, &l->journal, NULL, err);
    if (rc != 0)
        return rc;
    struct sealer_options s = {.fs = l->fs, .dir = dir, .journal = l->journal, .keys = &l->keys};
    return sealer_open(&s, &l->sealer, err);
}

static void life_close(struct life *l)
{
    sealer_close(&l->sealer);
    journal_close(&l->journal);
}

static void life_free(struct life *l)
{
    for (size_t i = 0; i < l->shown_count; i++)
        buf_free(&l->shown[i]);
    buf_free(&l->note);
    sim_fs_free(&l->sim);
}

static int append(struct life *l, struct err *err)
{
    struct kit_batch k;
    unsigned number = ++l->number;
    kit_make(&k, number, 1 + number % 3, 40);
    int rc = journal_append_wait(l->journal, &k.batch, NULL, err);
    buf_free(&k.blocks);
    return rc;
}

static int seal(struct life *l, struct err *err)
{
    l->clk.now_ns += TC_SECOND_NS;
    int rc = sealer_step(l->sealer, ALL, err);
    if (rc == 0)
        rc = sealer_checkpoint(l->sealer, clk_now(&l->clk.clk), &l->note, err);
    if (rc == 0) {
        assert_true(l->shown_count < SHOWN_MAX);
        buf_init(&l->shown[l->shown_count], 2 * NOTE_MAX_BYTES);
        buf_sv(&l->shown[l->shown_count++], buf_view(&l->note));
    }
    return rc;
}

/* Sealing with and without records in between; the first error ends it. */
static int live(struct life *l, struct err *err)
{
    int rc = life_open(l, err);
    for (int i = 0; rc == 0 && i < ROUNDS; i++) {
        rc = i == 0 ? 0 : append(l, err);
        if (rc == 0 && i % 2 == 0)
            rc = append(l, err);
        if (rc == 0)
            rc = seal(l, err);
    }
    return rc;
}

static void judge(struct life *l, const char *when)
{
    struct journal_verify_report journal;
    struct evidence_report report;
    struct err err = {0};
    struct buf bytes;
    int rc = evidence_verify(l->fs, dir, file, &l->keys, NULL, 1, &journal, &report, &err);
    if (rc == TC_ENOTFOUND && l->shown_count == 0)
        rc = 0; /* there is no journal yet */
    if (rc != 0 || report.state == EVIDENCE_FAILS)
        fail_msg("%s: %s%s", when, err.text, report.why);
    assert_true(report.agreed >= l->shown_count || report.checkpoints == report.agreed);
    buf_init(&bytes, 1 << 20);
    rc = fs_read_file(l->fs, file, &bytes, NULL);
    assert_true(rc == 0 || l->shown_count == 0);
    for (size_t i = 0; i < l->shown_count; i++)
        if (sv_find(buf_view(&bytes), buf_view(&l->shown[i])) == bytes.n)
            fail_msg("%s: checkpoint %zu was shown and is gone", when, i);
    buf_free(&bytes);
    evidence_free(&report);
}

static void go_on(struct life *l, const char *when)
{
    struct err err = {0};
    judge(l, when);
    size_t before = l->shown_count;
    if (life_open(l, &err) != 0 || append(l, &err) != 0 || seal(l, &err) != 0)
        fail_msg("%s: it does not go on: %s", when, err.text);
    assert_int_equal(l->shown_count, before + 1);
    life_close(l);
    judge(l, when);
}

static uint64_t calls_of_a_life(void)
{
    struct life l;
    life_init(&l, 1);
    assert_int_equal(live(&l, NULL), 0);
    uint64_t n = sim_fs_calls(l.sim);
    life_close(&l);
    judge(&l, "a whole life");
    assert_int_equal(l.shown_count, ROUNDS);
    life_free(&l);
    return n;
}

static void power_cut(void **state)
{
    (void)state;
    uint64_t calls = calls_of_a_life();
    for (uint64_t n = 1; n <= calls; n++)
        for (unsigned mode = SIM_FS_KEEP; mode <= SIM_FS_SHRED; mode++)
            for (uint64_t seed = 1; seed <= (mode >= SIM_FS_SOME ? SEEDS : 1); seed++) {
                struct life l;
                char when[96];
                life_init(&l, 1);
                snprintf(when, sizeof when, "cut at %llu of %llu, mode %u, seed %llu", (unsigned long long)n,
                         (unsigned long long)calls, mode, (unsigned long long)seed);
                sim_fs_cut_at(l.sim, n);
                live(&l, NULL);
                life_close(&l);
                sim_fs_crash(l.sim, seed, (enum sim_fs_mode)mode);
                go_on(&l, when);
                life_free(&l);
            }
}

static void each_call_fails(void **state)
{
    (void)state;
    static const int codes[] = {-EIO, -ENOSPC};
    uint64_t calls = calls_of_a_life();
    for (uint64_t n = 1; n <= calls; n++)
        for (size_t c = 0; c < TC_ARRAY_LEN(codes); c++)
            for (int crash = 0; crash < 2; crash++) {
                struct life l;
                char when[96];
                life_init(&l, 1);
                snprintf(when, sizeof when, "call %llu fails with %d, crash %d", (unsigned long long)n,
                         codes[c], crash);
                sim_fs_fail_at(l.sim, n, codes[c]);
                live(&l, NULL);
                life_close(&l);
                if (crash)
                    sim_fs_crash(l.sim, n, SIM_FS_DROP);
                else
                    sim_fs_kill(l.sim);
                go_on(&l, when);
                life_free(&l);
            }
}

static void short_writes(void **state)
{
    (void)state;
    uint64_t calls = calls_of_a_life();
    for (uint64_t n = 1; n <= calls; n++) {
        struct life l;
        life_init(&l, 1);
        sim_fs_short_at(l.sim, n);
        assert_int_equal(live(&l, NULL), 0);
        life_close(&l);
        judge(&l, "a short write");
        life_free(&l);
    }
}

static void changed_byte(void **state)
{
    (void)state;
    struct life l;
    struct fs_stat st;
    life_init(&l, 1);
    assert_int_equal(live(&l, NULL), 0);
    life_close(&l);
    assert_int_equal(l.fs->stat(l.fs, file, &st), 0);
    for (uint64_t at = 0; at < st.size_bytes; at++) {
        struct journal_verify_report journal;
        struct evidence_report report;
        assert_true(sim_fs_flip(l.sim, file, at, 0x04));
        assert_int_equal(evidence_verify(l.fs, dir, file, &l.keys, NULL, 1, &journal, &report, NULL), 0);
        if (report.state != EVIDENCE_FAILS && report.torn_bytes == 0)
            fail_msg("the byte at %llu was changed and nobody tells", (unsigned long long)at);
        evidence_free(&report);
        assert_true(sim_fs_flip(l.sim, file, at, 0x04));
    }
    judge(&l, "mended");
    life_free(&l);
}

/* The state is a cache: lost or changed, the next checkpoints are the same. */
static void lost_state(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct life l;
        life_init(&l, 1);
        assert_int_equal(live(&l, NULL), 0);
        life_close(&l);
        if (way == 0)
            l.fs->unlink(l.fs, state_file);
        else
            assert_true(sim_fs_flip(l.sim, state_file, way == 1 ? 30 : 100, 1));
        go_on(&l, "without its state");
        life_free(&l);
    }
}

/* Somebody cuts the journal, or puts an older one in its place. */
static void shorter_journal(void **state)
{
    (void)state;
    struct life l;
    struct err err = {0};
    struct buf old;
    char segment[] = "/data/here/journal/00000000000000000001.seg";
    life_init(&l, 1);
    buf_init(&old, 1 << 20);
    assert_int_equal(life_open(&l, &err), 0);
    assert_int_equal(append(&l, &err), 0);
    assert_int_equal(fs_read_file(l.fs, segment, &old, &err), 0);
    assert_int_equal(append(&l, &err), 0);
    assert_int_equal(seal(&l, &err), 0);
    life_close(&l);
    sim_fs_put(l.sim, segment, buf_view(&old));
    assert_int_equal(life_open(&l, &err), TC_ECORRUPT);
    assert_non_null(strstr(err.text, "records are missing"));
    life_close(&l);
    struct journal_verify_report journal;
    struct evidence_report report;
    assert_int_equal(evidence_verify(l.fs, dir, file, &l.keys, NULL, 1, &journal, &report, &err), 0);
    assert_int_equal(report.state, EVIDENCE_FAILS);
    assert_non_null(strstr(report.why, "are missing"));
    evidence_free(&report);
    buf_free(&old);
    life_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-07: the power is cut at every call of sealing: what was shown stands, and it goes on", power_cut,
         NULL, NULL, NULL},
        {"J-07: every call of sealing fails once: what was shown stands, and it goes on", each_call_fails,
         NULL, NULL, NULL},
        {"J-07: every write of sealing is short once: nothing is noticed", short_writes, NULL, NULL, NULL},
        {"J-07: every changed byte of the checkpoints is told", changed_byte, NULL, NULL, NULL},
        {"J-07: a lost or damaged state is made anew from the journal", lost_state, NULL, NULL, NULL},
        {"J-07: a journal that is shorter than what was sealed is told", shorter_journal, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
