/*
 * Keys that evolve, and who believes them: series there and back, every call that fails while a key evolves
 * and is tried again, what is left of an old key, copies that come back; and what an intruder can do who has
 * the key of the present period.
 */
#include "journal/period.h"

#include "base/sim_fs.h"
#include "journal/seal_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

enum { LEVELS = 3, PERIODS = 1 << LEVELS, NOW_S = 1800000000, NOTES_MAX = 64 };
static const char key_file[] = "/keys/k", next_file[] = "/keys/k.next", tree_file[] = "/keys/k.tree";
static const struct receive_time now = {NOW_S * TC_SECOND_NS};

struct world {
    struct sim_fs *sim;
    const struct fs *fs;
    struct note_series series;
    struct period_key *key;
};

static void world_init(struct world *w)
{
    struct sim_rng rng;
    struct err err;
    w->sim = sim_fs_new(0);
    w->fs = sim_fs_seam(w->sim);
    sim_rng_init(&rng, 3);
    assert_int_equal(fs_make_dirs(w->fs, "/keys", NULL), 0);
    assert_int_equal(period_make(w->fs, key_file, "test", LEVELS, &rng.rng, now, &w->series, &err), 0);
    assert_int_equal(period_open(w->fs, key_file, &w->key, &err), 0);
}

static void world_free(struct world *w)
{
    period_close(&w->key);
    sim_fs_free(&w->sim);
}

static int evolve(struct period_key *key, struct err *err)
{
    int rc = period_prepare(key, period_number(key) + 1, now, err);
    return rc == 0 ? period_advance(key, err) : rc;
}

static bool is_there(const struct world *w, const char *path)
{
    struct fs_stat st;
    return w->fs->stat(w->fs, path, &st) == 0;
}

static void series_text(void **state)
{
    (void)state;
    struct world w;
    struct note_series again;
    char text[NOTE_KEY_TEXT_MAX];
    world_init(&w);
    note_series_text(&w.series, text);
    assert_int_equal(note_series_parse(sv_of(text), &again, NULL), 0);
    assert_memory_equal(&again, &w.series, sizeof again);
    assert_int_equal(note_key_parse(sv_of(text), &(struct note_key){0}, NULL), TC_EINPUT);
    for (size_t i = 0; text[i] != '\0'; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        if (note_series_parse(sv_of(text), &again, NULL) == 0)
            fail_msg("byte %zu was changed and it is taken", i);
        text[i] = was;
    }
    world_free(&w);
}

/* Each period has another key, each is the series', and none is any other period's. */
static void every_period(void **state)
{
    (void)state;
    struct world w;
    struct note_period p[PERIODS];
    world_init(&w);
    for (uint32_t i = 0; i < PERIODS; i++) {
        assert_int_equal(period_number(w.key), i);
        assert_int_equal(period_left(w.key), PERIODS - 1 - i);
        period_describe(w.key, true, false, &p[i]);
        assert_true(note_series_holds(&w.series, &p[i]));
        for (uint32_t other = 0; other < PERIODS; other++) {
            struct note_period wrong = p[i];
            wrong.number = other;
            assert_int_equal(note_series_holds(&w.series, &wrong), other == i);
        }
        period_close(&w.key);
        assert_int_equal(period_open(w.fs, key_file, &w.key, NULL), 0);
        assert_int_equal(period_number(w.key), i);
        if (i + 1 < PERIODS)
            assert_int_equal(evolve(w.key, NULL), 0);
    }
    assert_memory_not_equal(p[0].key.public_key, p[1].key.public_key, NOTE_PUBLIC_BYTES);
    world_free(&w);
}

/* Skipping many at once gives the same key as walking there. */
static void skipping(void **state)
{
    (void)state;
    struct world walked, skipped;
    world_init(&walked);
    world_init(&skipped);
    for (int i = 0; i < 5; i++)
        assert_int_equal(evolve(walked.key, NULL), 0);
    assert_int_equal(period_prepare(skipped.key, 5, now, NULL), 0);
    assert_int_equal(period_advance(skipped.key, NULL), 0);
    assert_memory_equal(period_signer(walked.key), period_signer(skipped.key), sizeof(struct note_key));
    world_free(&walked);
    world_free(&skipped);
}

/* Any call fails once; the same process, or the next one, tries again. */
static void each_call_fails(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++)
        for (uint64_t n = 1;; n++) {
            struct world w;
            struct err err = {0};
            world_init(&w);
            sim_fs_fail_at(w.sim, n, -EIO);
            bool failed = evolve(w.key, &err) != 0;
            sim_fs_fail_at(w.sim, 0, 0);
            if (again == 1) {
                period_close(&w.key);
                sim_fs_crash(w.sim, n, SIM_FS_SOME);
                if (period_open(w.fs, key_file, &w.key, &err) != 0)
                    fail_msg("call %llu failed, and the key is lost: %s", (unsigned long long)n, err.text);
            }
            while (period_number(w.key) < 1)
                if (evolve(w.key, &err) != 0)
                    fail_msg("call %llu failed once, it does not go on: %s", (unsigned long long)n, err.text);
            assert_int_equal(period_number(w.key), 1);
            assert_int_equal(evolve(w.key, &err), 0);
            period_close(&w.key);
            assert_int_equal(period_open(w.fs, key_file, &w.key, &err), 0);
            assert_int_equal(period_number(w.key), 2);
            assert_false(is_there(&w, next_file));
            world_free(&w);
            if (!failed)
                break;
        }
}

/* A key that was prepared takes no place because the one in use could not be read once. */
static void unreadable_once(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        struct world w;
        struct err err;
        world_init(&w);
        assert_int_equal(period_prepare(w.key, 1, now, &err), 0);
        period_close(&w.key);
        sim_fs_fail_at(w.sim, n, -EIO);
        failed = period_open(w.fs, key_file, &w.key, &err) != 0;
        sim_fs_fail_at(w.sim, 0, 0);
        period_close(&w.key);
        assert_int_equal(period_open(w.fs, key_file, &w.key, &err), 0);
        assert_int_equal(period_number(w.key), 0);
        world_free(&w);
    }
}

/* The old key's bytes are overwritten in place before its file goes. */
static void old_key_is_overwritten(void **state)
{
    (void)state;
    struct world w;
    struct buf old, left;
    bool seen = false;
    buf_init(&old, 4096);
    world_init(&w);
    assert_int_equal(fs_read_file(w.fs, key_file, &old, NULL), 0);
    world_free(&w);
    for (uint64_t n = 1; !seen; n++) {
        world_init(&w);
        sim_fs_cut_at(w.sim, n);
        assert_int_not_equal(evolve(w.key, NULL), 0); /* a rename that never came: it was erased before */
        sim_fs_crash(w.sim, n, SIM_FS_DROP);
        buf_init(&left, 4096);
        assert_int_equal(fs_read_file(w.fs, key_file, &left, NULL), 0);
        if (!sv_eq(buf_view(&left), buf_view(&old))) {
            seen = true;
            assert_int_equal(left.n, old.n);
            for (size_t i = 0; i < left.n; i++)
                assert_int_equal(left.p[i], 0);
            assert_true(is_there(&w, next_file));
        }
        buf_free(&left);
        world_free(&w);
    }
    buf_free(&old);
}

/* Without the tree no key can be told as the series': the one that is told already is not given up for it,
 * and one that took its place all the same does not sign before the tree is back. */
static void tree_is_lost_meanwhile(void **state)
{
    (void)state;
    struct world w;
    struct note_period newest;
    struct buf tree;
    struct err err;
    world_init(&w);
    buf_init(&tree, 4096);
    assert_int_equal(fs_read_file(w.fs, tree_file, &tree, NULL), 0);
    period_describe(w.key, true, true, &newest);
    sim_fs_put(w.sim, tree_file, sv_head(buf_view(&tree), 20));
    assert_int_equal(period_check_next(w.key, &err), TC_ECORRUPT);
    assert_int_equal(evolve(w.key, &err), TC_ECORRUPT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(period_settle(w.key, &newest, now, &err), TC_ECORRUPT);
    sim_fs_put(w.sim, tree_file, buf_view(&tree));
    assert_int_equal(period_settle(w.key, &newest, now, &err), 0);
    assert_int_equal(period_number(w.key), 1);
    period_describe(w.key, true, false, &newest);
    assert_true(note_series_holds(&w.series, &newest));
    assert_int_equal(period_check_next(w.key, &err), 0);
    assert_int_equal(period_number(w.key), 1);
    buf_free(&tree);
    world_free(&w);
}

static void files_that_do_not_fit(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct note_series other;
    struct sim_rng rng;
    world_init(&w);
    period_close(&w.key);
    sim_rng_init(&rng, 4);
    assert_int_equal(period_make(w.fs, key_file, "test", LEVELS, &rng.rng, now, &other, &err), TC_EEXIST);
    assert_int_equal(period_make(w.fs, "/keys/x", "a name", LEVELS, &rng.rng, now, &other, &err), TC_EINPUT);
    assert_int_equal(period_make(w.fs, "/keys/x", "name", 0, &rng.rng, now, &other, &err), TC_EINPUT);
    assert_int_equal(
        period_make(w.fs, "/keys/x", "name", NOTE_PERIOD_LEVELS_MAX + 1, &rng.rng, now, &other, &err),
        TC_EINPUT);
    assert_int_equal(period_open(w.fs, "/keys/none", &w.key, &err), TC_ENOTFOUND);
    assert_true(sim_fs_flip(w.sim, tree_file, 16 + 32, 1)); /* the sibling of period 0 */
    assert_int_equal(period_open(w.fs, key_file, &w.key, &err), TC_ECORRUPT);
    assert_non_null(strstr(err.text, "put the file back"));
    assert_true(sim_fs_flip(w.sim, tree_file, 16 + 32, 1));
    assert_true(sim_fs_flip(w.sim, key_file, 30, 0x40));
    assert_int_equal(period_open(w.fs, key_file, &w.key, &err), TC_EINPUT);
    world_free(&w);
}

/* --- who believes what
 * --------------------------------------------------------------------------------------------- */

struct log { /* checkpoints as they were signed */
    struct buf notes[NOTES_MAX];
    size_t n;
};

static void put_note(struct log *log, const struct period_key *key, bool opens, bool ends, int64_t second)
{
    struct checkpoint c = {.size = log->n + 1, .time = {(NOW_S + second) * TC_SECOND_NS}};
    struct note_keys signers = {.n = 1, .key = {*period_signer(key)}};
    snprintf(c.origin, sizeof c.origin, "test");
    period_describe(key, opens, ends, &c.period);
    buf_init(&log->notes[log->n], 2 * NOTE_MAX_BYTES);
    note_write(&c, &signers, &log->notes[log->n++]);
}

/* `periods` periods of three checkpoints each; the last goes on. */
static void live(struct world *w, struct log *log, uint32_t periods)
{
    for (uint32_t i = 0; i < periods; i++) {
        put_note(log, w->key, true, false, (int64_t)log->n);
        put_note(log, w->key, false, false, (int64_t)log->n);
        if (i + 1 == periods)
            return;
        put_note(log, w->key, false, true, (int64_t)log->n);
        assert_int_equal(evolve(w->key, NULL), 0);
    }
}

static void log_free(struct log *log)
{
    for (size_t i = 0; i < log->n; i++)
        buf_free(&log->notes[i]);
}

/* Why not all are believed; NULL: they are. `leave_out` is a bit for each note. */
static const char *believe(struct seal_judge *judge, const struct world *w, const struct log *log,
                           uint64_t leave_out)
{
    struct note_keys trusted = {.series_count = 1, .series = {w->series}};
    const char *why = NULL;
    seal_judge_init(judge, &trusted);
    for (size_t i = 0; why == NULL && i < log->n; i++) {
        struct sv rest = buf_view(&log->notes[i]);
        struct note note;
        assert_int_equal(note_next(&rest, &note, NULL), 1);
        if (!(leave_out >> i & 1))
            why = seal_judge_note(judge, &note);
    }
    return why != NULL ? why : seal_judge_end(judge);
}

static void honest(void **state)
{
    (void)state;
    struct world w;
    struct log log = {0};
    struct seal_judge judge;
    world_init(&w);
    live(&w, &log, 4);
    assert_null(believe(&judge, &w, &log, 0));
    assert_int_equal(judge.period.number, 3);
    assert_int_equal(judge.periods, 4);
    assert_int_equal(judge.sealed_size, 9); /* what the last checkpoint of period 2 has seen */
    assert_true(judge.sealed_until.ns == (NOW_S + 8) * TC_SECOND_NS);
    assert_true(judge.back_from.ns == judge.back_to.ns);
    /* a note within a period covers nothing that the next one does not: a witness may miss it */
    assert_null(believe(&judge, &w, &log, UINT64_C(1) << 4));
    /* a server that starts tells its key once more */
    put_note(&log, w.key, true, false, 20);
    put_note(&log, w.key, false, false, 15);
    assert_null(believe(&judge, &w, &log, 0));
    assert_true(judge.back_from.ns == (NOW_S + 20) * TC_SECOND_NS &&
                judge.back_to.ns == (NOW_S + 15) * TC_SECOND_NS);
    assert_true(judge.gap_from.ns == (NOW_S + 10) * TC_SECOND_NS);
    log_free(&log);
    world_free(&w);
}

/* Cut at any place and gone on with by the present key: CVE-2023-31438 of sd-journal's sealing. */
static void cut_and_gone_on(void **state)
{
    (void)state;
    struct world w;
    struct log log = {0};
    struct seal_judge judge;
    world_init(&w);
    live(&w, &log, 4);
    put_note(&log, w.key, true, false, 30);
    for (size_t from = 0; from < 9; from++)
        for (size_t until = from + 1; until <= 10; until++) {
            uint64_t gone = 0;
            bool boundary = false;
            for (size_t i = from; i < until; i++) {
                gone |= UINT64_C(1) << i;
                boundary = boundary || i % 3 != 1;
            }
            const char *why = believe(&judge, &w, &log, gone);
            if ((why != NULL) != (boundary && from < 9))
                fail_msg("checkpoints %zu to %zu are gone: %s", from, until - 1, why);
            if (why != NULL && strstr(why, "missing") == NULL)
                fail_msg("checkpoints %zu to %zu are gone: %s", from, until - 1, why);
        }
    assert_string_equal(believe(&judge, &w, &log, 0x1ff), "the seals of periods 0 to 2 are missing before "
                                                          "the checkpoint");
    assert_string_equal(believe(&judge, &w, &log, UINT64_C(1) << 5),
                        "the last seal of period 1 is missing before the checkpoint");
    log_free(&log);
    world_free(&w);
}

/* The present key under another period's number, an old number, a series of one's own, an old key's words. */
static void forged(void **state)
{
    (void)state;
    struct world w;
    struct log log = {0}, forgery = {0};
    struct seal_judge judge;
    world_init(&w);
    live(&w, &log, 3);
    for (int way = 0; way < 4; way++) {
        struct checkpoint c = {.size = 100, .time = now, .origin = "test"};
        struct note_keys signers = {.n = 1, .key = {*period_signer(w.key)}};
        struct note_key stranger;
        struct sim_rng rng;
        sim_rng_init(&rng, 99);
        period_describe(w.key, true, false, &c.period);
        if (way == 0)
            c.period.number = 1; /* over */
        else if (way == 1)
            c.period.number = 3; /* not yet: its path is another */
        else if (way == 2)
            c.period.is_set = false; /* as if no series were there */
        else {
            assert_int_equal(note_key_make("test", &rng.rng, &stranger, NULL), 0);
            signers.key[0] = stranger;
        }
        buf_init(&forgery.notes[0], 2 * NOTE_MAX_BYTES);
        note_write(&c, &signers, &forgery.notes[0]);
        struct buf kept = log.notes[log.n];
        log.notes[log.n++] = forgery.notes[0];
        if (believe(&judge, &w, &log, 0) == NULL)
            fail_msg("forgery %d is believed", way);
        log.notes[--log.n] = kept;
        buf_free(&forgery.notes[0]);
    }
    struct log none = {0};
    assert_non_null(strstr(believe(&judge, &w, &none, 0), "seals are missing"));
    log_free(&log);
    world_free(&w);
}

/* What a witness missed is told, and recognised where it stands elsewhere. */
static void missed_by_a_witness(void **state)
{
    (void)state;
    struct world w;
    struct log log = {0};
    struct seal_judge judge;
    world_init(&w);
    live(&w, &log, 3);
    assert_null(believe(&judge, &w, &log, ~UINT64_C(3))); /* the first two only */
    struct note_period of[9];
    for (size_t i = 0; i < log.n; i++) {
        struct sv rest = buf_view(&log.notes[i]);
        struct note note;
        assert_int_equal(note_next(&rest, &note, NULL), 1);
        of[i] = note.checkpoint.period;
    }
    assert_false(seal_judge_misses(&judge, &of[1]));
    assert_true(seal_judge_misses(&judge, &of[3]));
    assert_true(seal_judge_misses(&judge, &of[7]));
    assert_true(seal_judge_expects(&judge, &of[2]));
    assert_false(seal_judge_expects(&judge, &of[1]));
    assert_false(seal_judge_expects(&judge, &of[3]));
    assert_null(believe(&judge, &w, &log, ~UINT64_C(7)));
    assert_true(seal_judge_expects(&judge, &of[3]));
    assert_false(seal_judge_misses(&judge, &of[3]));
    assert_true(seal_judge_misses(&judge, &of[4])); /* without the one that tells the key */
    log_free(&log);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-07: a series' verification key there and back; every changed character is refused", series_text,
         NULL, NULL, NULL},
        {"J-07: each period has its key, proven by its path and by no other's number", every_period, NULL,
         NULL, NULL},
        {"J-07: periods can be skipped", skipping, NULL, NULL, NULL},
        {"J-07: every call fails once while a key evolves: it goes on, in this process and the next",
         each_call_fails, NULL, NULL, NULL},
        {"J-07: a key that cannot be read once gives its place to no other", unreadable_once, NULL, NULL,
         NULL},
        {"J-07: an old key is overwritten in place", old_key_is_overwritten, NULL, NULL, NULL},
        {"J-07: a tree that is lost meanwhile", tree_is_lost_meanwhile, NULL, NULL, NULL},
        {"J-07: keys and trees that do not fit are refused", files_that_do_not_fit, NULL, NULL, NULL},
        {"J-07: an honest series is believed, also over a start and a clock that goes back", honest, NULL,
         NULL, NULL},
        {"J-07: seals that are left out, at any place, are missed", cut_and_gone_on, NULL, NULL, NULL},
        {"J-07: the present key forges nothing of another period", forged, NULL, NULL, NULL},
        {"J-07: what a witness missed of a change of keys is known", missed_by_a_witness, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
