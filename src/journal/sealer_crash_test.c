/*
 * Sealing on a disk that fails: the power cut, and a failure, at every single call of a short life. After
 * each: every checkpoint that a witness was shown stands in the file, all agree with the journal, and sealing
 * goes on. And a changed byte, anywhere in the file of checkpoints, is told. All of it with a key that stays
 * and with one that evolves: then, too, there is a key to go on with after each, and no key of a period that
 * is over once a checkpoint of a later one stands.
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
                  state_file[] = "/data/here/seal/tree", key_dir[] = "/keys", key_file[] = "/keys/period.key",
                  tree_file[] = "/keys/period.key.tree";

/* A series, made once: its files, and the text of the key file in each period. */
enum { LEVELS = 3, PERIODS = 1 << LEVELS };
static struct {
    struct note_series series;
    struct buf key[PERIODS], tree;
} made;

struct life {
    struct sim_fs *sim;
    const struct fs *fs;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal *journal;
    struct sealer *sealer;
    struct note_keys keys;    /* that sign */
    struct note_keys trusted; /* by whoever verifies */
    struct period_key *period;
    bool evolves;
    struct buf note;
    struct buf shown[SHOWN_MAX];
    size_t shown_count;
    unsigned number;
};

static void make_series(void)
{
    struct sim_fs *sim = sim_fs_new(0);
    const struct fs *fs = sim_fs_seam(sim);
    struct sim_rng rng;
    struct period_key *period;
    const struct receive_time now = {KIT_NOW};
    sim_rng_init(&rng, 7);
    assert_int_equal(fs->mkdir(fs, key_dir), 0);
    assert_int_equal(period_make(fs, key_file, "test", LEVELS, &rng.rng, now, &made.series, NULL), 0);
    buf_init(&made.tree, 1 << 16);
    assert_int_equal(fs_read_file(fs, tree_file, &made.tree, NULL), 0);
    assert_int_equal(period_open(fs, key_file, &period, NULL), 0);
    for (uint32_t i = 0; i < PERIODS; i++) {
        buf_init(&made.key[i], 1 << 10);
        assert_int_equal(fs_read_file(fs, key_file, &made.key[i], NULL), 0);
        if (i + 1 < PERIODS) {
            assert_int_equal(period_prepare(period, i + 1, now, NULL), 0);
            assert_int_equal(period_advance(period, NULL), 0);
        }
    }
    period_close(&period);
    sim_fs_free(&sim);
}

static struct sv secret_of(uint32_t period)
{
    struct sv text = sv_trim(buf_view(&made.key[period]));
    return sv_from(text, text.n - 44); /* the last 32 of 65 bytes, in base64 */
}

static void life_init(struct life *l, uint64_t seed, bool evolves)
{
    *l = (struct life){.sim = sim_fs_new(0), .evolves = evolves};
    l->fs = sim_fs_seam(l->sim);
    sim_clk_init(&l->clk, KIT_NOW);
    sim_rng_init(&l->rng, seed);
    if (evolves) {
        l->trusted.series[l->trusted.series_count++] = made.series;
        assert_int_equal(fs_make_dirs(l->fs, key_dir, NULL), 0);
        sim_fs_put(l->sim, key_file, buf_view(&made.key[0]));
        sim_fs_put(l->sim, tree_file, buf_view(&made.tree));
    } else {
        assert_int_equal(note_key_make("test", &l->rng.rng, &l->keys.key[0], NULL), 0);
        l->keys.n = 1;
        l->trusted = l->keys;
    }
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
    if (l->evolves && (rc = period_open(l->fs, key_file, &l->period, err)) != 0)
        return rc;
    struct sealer_options s = {.fs = l->fs,
                               .dir = dir,
                               .journal = l->journal,
                               .keys = &l->keys,
                               .period = l->period,
                               .now = clk_now(&l->clk.clk)};
    return sealer_open(&s, &l->sealer, err);
}

static void life_close(struct life *l)
{
    sealer_close(&l->sealer);
    period_close(&l->period);
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

static int seal(struct life *l, bool ends, struct err *err)
{
    l->clk.now_ns += TC_SECOND_NS;
    struct receive_time now = clk_now(&l->clk.clk);
    int rc = sealer_step(l->sealer, ALL, err);
    if (rc == 0)
        rc = ends ? sealer_end_period(l->sealer, now, &l->note, err)
                  : sealer_checkpoint(l->sealer, now, &l->note, err);
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
            rc = seal(l, i % 2 == 1, err);
    }
    return rc;
}

struct search {
    const struct life *l;
    const char *when;
    uint32_t newest; /* period of the newest checkpoint that was published */
    bool found;      /* a key to go on with */
};

static void search_file(void *context, const char *name)
{
    struct search *search = context;
    char path[64];
    struct buf bytes;
    snprintf(path, sizeof path, "%s/%s", key_dir, name);
    buf_init(&bytes, 1 << 16);
    assert_int_equal(fs_read_file(search->l->fs, path, &bytes, NULL), 0);
    for (uint32_t i = 0; i < PERIODS; i++) {
        bool is_there = sv_find(buf_view(&bytes), secret_of(i)) < bytes.n;
        if (is_there && i < search->newest)
            fail_msg("%s: %s holds the key of period %u, and period %u has sealed", search->when, name, i,
                     search->newest);
        search->found = search->found || is_there;
    }
    buf_free(&bytes);
}

static void judge_keys(const struct life *l, const char *when)
{
    struct search search = {.l = l, .when = when};
    struct buf bytes;
    struct note note;
    buf_init(&bytes, 4 << 20);
    fs_read_file(l->fs, file, &bytes, NULL);
    struct sv rest = buf_view(&bytes);
    while (note_next(&rest, &note, NULL) == 1)
        search.newest = note.checkpoint.period.number;
    buf_free(&bytes);
    l->fs->list(l->fs, key_dir, search_file, &search);
    if (!search.found)
        fail_msg("%s: there is no key to go on with", when);
}

static void judge(struct life *l, const char *when)
{
    if (l->evolves)
        judge_keys(l, when);
    struct journal_verify_report journal;
    struct evidence_report report;
    struct err err = {0};
    struct buf bytes;
    int rc = evidence_verify(l->fs, dir, file, &l->trusted, NULL, 1, &journal, &report, &err);
    if (rc == TC_ENOTFOUND && l->shown_count == 0)
        rc = 0; /* there is no journal yet */
    if (rc != 0 || report.state == EVIDENCE_FAILS)
        fail_msg("%s: %s%s", when, err.text, report.why);
    assert_true(report.agreed >= l->shown_count || report.checkpoints == report.agreed);
    buf_init(&bytes, 4 << 20);
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
    if (life_open(l, &err) != 0 || append(l, &err) != 0 || seal(l, false, &err) != 0)
        fail_msg("%s: it does not go on: %s", when, err.text);
    assert_int_equal(l->shown_count, before + 1);
    life_close(l);
    judge(l, when);
}

static uint64_t calls_of_a_life(bool evolves)
{
    struct life l;
    life_init(&l, 1, evolves);
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
    const bool evolves = *state != NULL;
    uint64_t calls = calls_of_a_life(evolves);
    for (uint64_t n = 1; n <= calls; n++)
        for (unsigned mode = SIM_FS_KEEP; mode <= SIM_FS_SHRED; mode++)
            for (uint64_t seed = 1; seed <= (mode >= SIM_FS_SOME ? SEEDS : 1); seed++) {
                struct life l;
                char when[96];
                life_init(&l, 1, evolves);
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
    const bool evolves = *state != NULL;
    static const int codes[] = {-EIO, -ENOSPC};
    uint64_t calls = calls_of_a_life(evolves);
    for (uint64_t n = 1; n <= calls; n++)
        for (size_t c = 0; c < TC_ARRAY_LEN(codes); c++)
            for (int crash = 0; crash < 2; crash++) {
                struct life l;
                char when[96];
                life_init(&l, 1, evolves);
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
    const bool evolves = *state != NULL;
    uint64_t calls = calls_of_a_life(evolves);
    for (uint64_t n = 1; n <= calls; n++) {
        struct life l;
        life_init(&l, 1, evolves);
        sim_fs_short_at(l.sim, n);
        assert_int_equal(live(&l, NULL), 0);
        life_close(&l);
        judge(&l, "a short write");
        life_free(&l);
    }
}

static void changed_byte(void **state)
{
    const bool evolves = *state != NULL;
    struct life l;
    struct fs_stat st;
    life_init(&l, 1, evolves);
    assert_int_equal(live(&l, NULL), 0);
    life_close(&l);
    assert_int_equal(l.fs->stat(l.fs, file, &st), 0);
    for (uint64_t at = 0; at < st.size_bytes; at++) {
        struct journal_verify_report journal;
        struct evidence_report report;
        assert_true(sim_fs_flip(l.sim, file, at, 0x04));
        assert_int_equal(evidence_verify(l.fs, dir, file, &l.trusted, NULL, 1, &journal, &report, NULL), 0);
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
    const bool evolves = *state != NULL;
    for (int way = 0; way < 3; way++) {
        struct life l;
        life_init(&l, 1, evolves);
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

/* The state is lost after more checkpoints than are read again: the newest one is enough. */
static void lost_state_after_years(void **state)
{
    const bool evolves = *state != NULL;
    struct life l;
    struct err err = {0};
    struct fs_stat st;
    life_init(&l, 1, evolves);
    assert_int_equal(life_open(&l, &err), 0);
    assert_int_equal(append(&l, &err), 0);
    for (st.size_bytes = 0; st.size_bytes < 1200 << 10;) {
        assert_int_equal(sealer_step(l.sealer, ALL, &err), 0);
        assert_int_equal(sealer_checkpoint(l.sealer, clk_now(&l.clk.clk), &l.note, &err), 0);
        assert_int_equal(l.fs->stat(l.fs, file, &st), 0);
    }
    life_close(&l);
    l.fs->unlink(l.fs, state_file);
    go_on(&l, "after years, without its state");
    int torn = l.fs->open(l.fs, file, FS_WRITE);
    assert_true(torn >= 0);
    assert_int_equal(l.fs->stat(l.fs, file, &st), 0);
    assert_int_equal(fs_write_all(l.fs, torn, "test\n12", 7, st.size_bytes), 0);
    l.fs->close(l.fs, torn);
    l.fs->unlink(l.fs, state_file);
    go_on(&l, "and with a torn one");
    life_free(&l);
}

/* Somebody cuts the journal, or puts an older one in its place. */
static void shorter_journal(void **state)
{
    const bool evolves = *state != NULL;
    struct life l;
    struct err err = {0};
    struct buf old;
    char segment[] = "/data/here/journal/00000000000000000001.seg";
    life_init(&l, 1, evolves);
    buf_init(&old, 1 << 20);
    assert_int_equal(life_open(&l, &err), 0);
    assert_int_equal(append(&l, &err), 0);
    assert_int_equal(fs_read_file(l.fs, segment, &old, &err), 0);
    assert_int_equal(append(&l, &err), 0);
    assert_int_equal(seal(&l, false, &err), 0);
    life_close(&l);
    sim_fs_put(l.sim, segment, buf_view(&old));
    assert_int_equal(life_open(&l, &err), TC_ECORRUPT);
    assert_non_null(strstr(err.text, "records are missing"));
    life_close(&l);
    struct journal_verify_report journal;
    struct evidence_report report;
    assert_int_equal(evidence_verify(l.fs, dir, file, &l.trusted, NULL, 1, &journal, &report, &err), 0);
    assert_int_equal(report.state, EVIDENCE_FAILS);
    assert_non_null(strstr(report.why, "are missing"));
    evidence_free(&report);
    buf_free(&old);
    life_free(&l);
}

/* A copy of the key from before is put back: it evolves to where the checkpoints are before it signs. */
static void old_key_comes_back(void **state)
{
    const bool evolves = *state != NULL;
    struct life l;
    life_init(&l, 1, evolves);
    assert_int_equal(live(&l, NULL), 0);
    life_close(&l);
    sim_fs_put(l.sim, key_file, buf_view(&made.key[0]));
    assert_int_equal(life_open(&l, NULL), 0);
    assert_int_equal(period_number(l.period), 2); /* two periods have ended */
    life_close(&l);
    go_on(&l, "with an old key");
    life_free(&l);
}

/* The checkpoints are gone, the key is not: sealing goes on, and whoever verifies is told what is missing. */
static void checkpoints_are_gone(void **state)
{
    const bool evolves = *state != NULL;
    struct life l;
    struct err err = {0};
    struct journal_verify_report journal;
    struct evidence_report report;
    life_init(&l, 1, evolves);
    assert_int_equal(live(&l, NULL), 0);
    life_close(&l);
    assert_int_equal(l.fs->unlink(l.fs, file), 0);
    assert_int_equal(l.fs->unlink(l.fs, state_file), 0);
    assert_int_equal(life_open(&l, &err), 0);
    assert_int_equal(seal(&l, false, &err), 0);
    life_close(&l);
    assert_int_equal(evidence_verify(l.fs, dir, file, &l.trusted, NULL, 1, &journal, &report, &err), 0);
    assert_int_equal(report.state, EVIDENCE_FAILS);
    assert_non_null(strstr(report.why, "the seals of periods 0 to 1 are missing"));
    assert_int_equal(report.sealed_size, 0);
    evidence_free(&report);
    life_free(&l);
}

int main(void)
{
    static bool yes = true;
#define TWICE(text, test)                                                                                    \
    {"J-07: " text, test, NULL, NULL, NULL},                                                                 \
    {                                                                                                        \
        "J-07: a key that evolves: " text, test, NULL, NULL, &yes                                            \
    }
    const struct CMUnitTest tests[] = {
        TWICE("the power is cut at every call of sealing: what was shown stands, and it goes on", power_cut),
        TWICE("every call of sealing fails once: what was shown stands, and it goes on", each_call_fails),
        TWICE("every write of sealing is short once: nothing is noticed", short_writes),
        TWICE("every changed byte of the checkpoints is told", changed_byte),
        TWICE("a lost or damaged state is made anew from the journal", lost_state),
        TWICE("a lost state after years of checkpoints is made anew by the newest", lost_state_after_years),
        TWICE("a journal that is shorter than what was sealed is told", shorter_journal),
        {"J-07: an old copy of a key that evolves comes back: it evolves first", old_key_comes_back, NULL,
         NULL, &yes},
        {"J-07: a key that evolves outlives its checkpoints: that is told", checkpoints_are_gone, NULL, NULL,
         &yes},
    };
    make_series();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < PERIODS; i++)
        buf_free(&made.key[i]);
    buf_free(&made.tree);
    return failed;
}
