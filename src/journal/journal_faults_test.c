/*
 * The journal against bit rot in every byte, a read-only medium, short writes and a clock that jumps. The
 * README of this room says which test answers for which failure.
 */
#include "journal/evidence.h"
#include "journal/journal_kit.h"
#include "journal/sealer.h"
#include "journal/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

enum { BATCHES = 12, SEGMENT_BYTES = 1500 };

static const char dir[] = "/d";

struct place {
    struct sim_fs *sim;
    const struct fs *fs;
    struct sim_clk clk;
    struct sim_rng rng;
};

static void place_init(struct place *p)
{
    p->sim = sim_fs_new(0);
    p->fs = sim_fs_seam(p->sim);
    sim_clk_init(&p->clk, KIT_NOW);
    sim_rng_init(&p->rng, 3);
}

static int open_at(struct place *p, const struct fs *fs, struct journal **ret, struct err *err)
{
    struct journal_options o = {.fs = fs,
                                .clk = &p->clk.clk,
                                .rng = &p->rng.rng,
                                .dir = dir,
                                .segment_bytes = SEGMENT_BYTES,
                                .inline_commit = true};
    return journal_open(&o, ret, NULL, err);
}

static int append(struct journal *j, unsigned number, struct err *err)
{
    struct kit_batch k;
    kit_make(&k, number, 1 + number % 3, 60);
    int rc = journal_append_wait(j, &k.batch, NULL, err);
    buf_free(&k.blocks);
    return rc;
}

static void fill(struct place *p)
{
    struct journal *j;
    struct err err;
    assert_int_equal(open_at(p, p->fs, &j, &err), 0);
    for (unsigned i = 1; i <= BATCHES; i++)
        assert_int_equal(append(j, i, &err), 0);
    journal_close(&j);
}

/* Of each frame: where it ends in its segment, and the batches that are whole before it. */
static void every_byte(void **state)
{
    (void)state;
    struct place p;
    struct segment_list list;
    struct err err;
    size_t flips = 0;
    place_init(&p);
    fill(&p);
    assert_int_equal(segment_list_read(p.fs, dir, &list, &err), 0);
    assert_true(list.n >= 3);
    for (size_t s = 0; s < list.n; s++) {
        char path[SEGMENT_PATH_MAX];
        struct fs_stat st;
        size_t least = 0;
        assert_true(segment_path(dir, list.first[s], path));
        assert_int_equal(p.fs->stat(p.fs, path, &st), 0);
        for (uint64_t at = 0; at < st.size_bytes; at++, flips++) {
            struct journal_verify_report report;
            struct kit_found found;
            assert_true(sim_fs_flip(p.sim, path, at, 0x20));
            int rc = journal_verify(p.fs, dir, &report, &err);
            /* the mark at the very end: nothing follows it that says that it was durable */
            bool is_end = s + 1 == list.n && at + 128 >= st.size_bytes;
            if (rc == 0 ? !is_end || report.torn_bytes == 0 : strcmp(err.file, path) != 0)
                fail_msg("%s byte %llu: %d", path, (unsigned long long)at, rc);
            /* what stands before the damaged frame is read, in order; the further the damage, the more */
            kit_read(p.fs, dir, &found, &err);
            assert_true(kit_is_ordered(&found) && (found.n == 0 || found.order[0] == 1));
            assert_true(at < SEGMENT_HEADER_BYTES || found.n >= least);
            least = at < SEGMENT_HEADER_BYTES ? 0 : found.n;
            assert_true(sim_fs_flip(p.sim, path, at, 0x20));
        }
    }
    assert_true(flips > 3000);
    segment_list_free(&list);
    sim_fs_free(&p.sim);
}

static const struct fs *under;
static int no_open(const struct fs *fs, const char *path, int flags)
{
    (void)fs;
    return flags & (FS_WRITE | FS_CREATE | FS_TRUNCATE) ? -EROFS : under->open(under, path, flags);
}
static int no_path(const struct fs *fs, const char *path)
{
    (void)fs;
    (void)path;
    return -EROFS;
}

static void read_only(void **state)
{
    (void)state;
    struct place p;
    struct journal *j;
    struct err err = {0};
    struct kit_found found;
    struct journal_verify_report report;
    place_init(&p);
    fill(&p);
    under = p.fs;
    struct fs fs = *p.fs;
    fs.open = no_open;
    fs.lock = fs.mkdir = fs.unlink = no_path;
    assert_int_equal(open_at(&p, &fs, &j, &err), TC_EIO);
    assert_non_null(strstr(err.text, dir));
    assert_int_equal(kit_read(&fs, dir, &found, &err), 0);
    assert_int_equal(found.n, BATCHES);
    assert_int_equal(journal_verify(&fs, dir, &report, &err), 0);
    /* and when it can be written again, it goes on */
    assert_int_equal(open_at(&p, p.fs, &j, &err), 0);
    assert_int_equal(append(j, BATCHES + 1, &err), 0);
    journal_close(&j);
    sim_fs_free(&p.sim);
}

static void short_writes(void **state)
{
    (void)state;
    struct place whole;
    place_init(&whole);
    fill(&whole);
    uint64_t calls = sim_fs_calls(whole.sim);
    sim_fs_free(&whole.sim);
    for (uint64_t n = 1; n <= calls; n++) {
        struct place p;
        struct kit_found found;
        struct journal_verify_report report;
        place_init(&p);
        sim_fs_short_at(p.sim, n);
        fill(&p);
        assert_int_equal(kit_read(p.fs, dir, &found, NULL), 0);
        assert_int_equal(found.n, BATCHES);
        assert_int_equal(journal_verify(p.fs, dir, &report, NULL), 0);
        sim_fs_free(&p.sim);
    }
}

/* Positions and sequences do not come from the clock: whatever it says, order and proofs hold. */
static void clock_jumps(void **state)
{
    (void)state;
    static const int64_t jumps_s[] = {-3600, 365 * 86400, -10 * 365 * 86400, 900, -1, 20 * 365 * 86400};
    struct place p;
    struct note_keys keys = {.n = 1};
    struct buf note;
    struct err err;
    struct kit_found found;
    struct journal_verify_report journal;
    struct evidence_report report;
    place_init(&p);
    buf_init(&note, 2 * NOTE_MAX_BYTES);
    assert_int_equal(note_key_make("test", &p.rng.rng, &keys.key[0], &err), 0);
    for (unsigned i = 0; i < TC_ARRAY_LEN(jumps_s); i++) {
        struct journal *j;
        struct sealer *sealer;
        assert_int_equal(open_at(&p, p.fs, &j, &err), 0);
        assert_int_equal(append(j, 2 * i + 1, &err), 0);
        p.clk.now_ns += jumps_s[i] * TC_SECOND_NS;
        assert_int_equal(append(j, 2 * i + 2, &err), 0);
        struct sealer_options o = {.fs = p.fs, .dir = dir, .journal = j, .keys = &keys};
        assert_int_equal(sealer_open(&o, &sealer, &err), 0);
        assert_int_equal(sealer_step(sealer, 1000, &err), 0);
        assert_int_equal(sealer_checkpoint(sealer, clk_now(&p.clk.clk), &note, &err), 0);
        sealer_close(&sealer);
        journal_close(&j);
    }
    assert_int_equal(kit_read(p.fs, dir, &found, &err), 0);
    assert_int_equal(found.n, 2 * TC_ARRAY_LEN(jumps_s));
    assert_true(kit_is_ordered(&found));
    assert_int_equal(
        evidence_verify(p.fs, dir, "/d/seal/checkpoints", &keys, NULL, 1, &journal, &report, &err), 0);
    assert_int_equal(report.state, EVIDENCE_AGREES);
    assert_int_equal(report.agreed, TC_ARRAY_LEN(jumps_s));
    evidence_free(&report);
    buf_free(&note);
    sim_fs_free(&p.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-07: every changed byte of every segment is told, with its file; what stands before it is read",
         every_byte, NULL, NULL, NULL},
        {"a read-only medium: the server says so, readers and verify work", read_only, NULL, NULL, NULL},
        {"every write is short once: nothing is lost", short_writes, NULL, NULL, NULL},
        {"the clock jumps back and forth: order, keys and checkpoints hold", clock_jumps, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
