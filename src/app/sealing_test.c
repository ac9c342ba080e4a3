/*
 * The thread that seals: a key that a start, or a second try, lets evolve begins a period of full length.
 */
#include "app/sealing.h"

#include "base/sim_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#define START     (INT64_C(1800000000) * TC_SECOND_NS)
#define PERIOD_NS (INT64_C(3600) * TC_SECOND_NS)
static const char dir[] = "/data", key_file[] = "/keys/k";

struct world {
    struct sim_fs *sim;
    const struct fs *fs;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal *journal;
};

static void begin(struct world *w)
{
    struct journal_recovery recovery;
    struct note_series series;
    struct err err = {0};
    w->sim = sim_fs_new(0);
    w->fs = sim_fs_seam(w->sim);
    sim_clk_init(&w->clk, START);
    sim_rng_init(&w->rng, 5);
    assert_int_equal(w->fs->mkdir(w->fs, dir), 0);
    const struct journal_options options = {
        .fs = w->fs, .clk = &w->clk.clk, .rng = &w->rng.rng, .dir = dir, .inline_commit = true};
    if (journal_open(&options, &w->journal, &recovery, &err) != 0)
        fail_msg("%s", err.text);
    const struct receive_time long_ago = {START - 2 * PERIOD_NS};
    assert_int_equal(period_make(w->fs, key_file, "test", 3, &w->rng.rng, long_ago, &series, &err), 0);
}

static void end(struct world *w)
{
    journal_close(&w->journal);
    sim_fs_free(&w->sim);
}

/* The last checkpoint of period 0 is there, and its key still is, as after a crash between the two. */
static void crash_at_the_end_of_a_period(struct world *w)
{
    const struct note_keys none = {0};
    struct period_key *period;
    struct sealer *sealer;
    struct buf key, note;
    struct err err = {0};
    buf_init(&key, 1 << 10);
    buf_init(&note, 2 * NOTE_MAX_BYTES);
    assert_int_equal(fs_read_file(w->fs, key_file, &key, &err), 0);
    assert_int_equal(period_open(w->fs, key_file, &period, &err), 0);
    const struct sealer_options options = {
        .fs = w->fs, .dir = dir, .journal = w->journal, .keys = &none, .period = period, .now = {START}};
    assert_int_equal(sealer_open(&options, &sealer, &err), 0);
    assert_int_equal(sealer_end_period(sealer, (struct receive_time){START}, &note, &err), 0);
    assert_int_equal(period_number(period), 1);
    sealer_close(&sealer);
    period_close(&period);
    sim_fs_put(w->sim, key_file, buf_view(&key));
    buf_free(&key);
    buf_free(&note);
}

static bool says(struct sealing *sealing, const char *line)
{
    struct buf metrics;
    buf_init(&metrics, 1 << 16);
    sealing_metrics(sealing, &metrics);
    bool is = sv_find(buf_view(&metrics), sv_of(line)) < metrics.n;
    buf_free(&metrics);
    return is;
}

static void a_period_begun_late_is_a_whole_one(void **state)
{
    (void)state;
    struct world w = {0};
    struct sealing *sealing;
    struct err err = {0};
    begin(&w);
    crash_at_the_end_of_a_period(&w);
    const struct sealing_options options = {.fs = w.fs,
                                            .clk = &w.clk.clk,
                                            .dir = dir,
                                            .period_key_path = key_file,
                                            .period_ns = PERIOD_NS,
                                            .journal = w.journal,
                                            .interval_ns = PERIOD_NS};
    if (sealing_start(&options, &sealing, &err) != 0)
        fail_msg("%s", err.text);
    const struct timespec nap = {.tv_nsec = 1000000};
    while (!says(sealing, "\ntocsin_seal_checkpoints_total 1\n"))
        nanosleep(&nap, NULL);
    assert_true(says(sealing, "\ntocsin_seal_period 1\n"));
    assert_true(says(sealing, "\ntocsin_seal_periods_left 6\n"));
    sealing_stop(&sealing);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_period_begun_late_is_a_whole_one)};
    return cmocka_run_group_tests_name("app: the thread that seals", tests, NULL, NULL);
}
