/*
 * The file door with the real core on simulated disks: a writer with a will of its own writes, rotates by
 * rename and deletes the oldest, while the door reads, and both the program and its disk die at any moment.
 * In the end the journal holds each line exactly once, in order.
 *
 * Two disks: the logs' (which the writer keeps in order) and the journal's, where the power is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/core.h"
#include "base/log.h"
#include "base/sim_fs.h"
#include "ingest/tail.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEEP = 4, LINES_MAX = 20000 };
#define START_NS (INT64_C(1790000000) * TC_SECOND_NS)

struct world {
    struct sim_fs *logs, *disk;
    struct sim_clk clk;
    struct sim_rng rng;
    struct core *core;
    struct intake *intake;
    struct tail *tail;
    uint64_t random;
    int written; /* lines, numbered */
    bool refuse; /* the journal is full */
    bool from_end;
    struct tail_stats stats;
};

static uint64_t roll(struct world *w, uint64_t sides)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (w->random >> 33) % sides;
}

/* --- the writer */

static void append_text(struct world *w, const char *path, struct sv text)
{
    const struct fs *fs = sim_fs_seam(w->logs);
    uint64_t size;
    int file = fs->open(fs, path, FS_WRITE | FS_CREATE | FS_READ);
    assert_true(file >= 0);
    assert_int_equal(0, fs->size(fs, file, &size));
    assert_int_equal(0, fs_write_all(fs, file, text.p, text.n, size));
    fs->close(fs, file);
}

static void write_lines(struct world *w, const char *path, int count)
{
    char text[128];
    for (int i = 0; i < count; i++) {
        int n = snprintf(text, sizeof text, "{\"line\":%d}%s\n", w->written++, roll(w, 9) == 0 ? "\r" : "");
        append_text(w, path, sv_make(text, (size_t)n));
    }
}

static void rotate(struct world *w)
{
    const struct fs *fs = sim_fs_seam(w->logs);
    char from[64], to[64];
    for (int i = KEEP; i >= 0; i--) {
        snprintf(from, sizeof from, i == 0 ? "/log/app.log" : "/log/app.log.%d", i);
        snprintf(to, sizeof to, "/log/app.log.%d", i + 1);
        if (i == KEEP)
            fs->unlink(fs, from);
        else
            fs->rename(fs, from, to);
    }
}

/* --- the program */

static size_t route(void *context, const struct alert *alert, enum severity severity,
                    enum notify_reason reason, const struct sv **ret)
{
    static const struct sv names[] = {{"test", 4}};
    (void)context, (void)alert;
    (void)severity, (void)reason;
    *ret = names;
    return 1;
}

static int append(void *context, const struct intake_batch *batch, outlet_done_fn done, void *done_context,
                  struct err *err)
{
    struct world *w = context;
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = batch->received,
                                  .blocks = buf_view(&batch->blocks),
                                  .count = batch->count};
    if (w->refuse)
        return err_set(err, TC_EAGAIN, "the test says no");
    return journal_append(core_journal(w->core), &input, done, done_context, NULL, err);
}

static void restore(void *context, struct sv key, struct sv value)
{
    tail_restore(context, key, value);
}

static bool begin(struct world *w)
{
    static const char *const paths[] = {"/log/app.log"};
    static struct tail_source sources[1];
    struct err err;
    struct core_options o = {.fs = sim_fs_seam(w->disk),
                             .clk = &w->clk.clk,
                             .rng = &w->rng.rng,
                             .dir = "data",
                             .store_path = ":memory:",
                             .lateness_ns = 3600 * TC_SECOND_NS,
                             .dedup_window_ns = 3600 * TC_SECOND_NS,
                             .threads = 1,
                             .inline_commit = true,
                             .segment_bytes = 65536,
                             .checkpoint_every_ns = 4 * TC_SECOND_NS,
                             .context = w,
                             .route = route};
    if (core_open(&o, &w->core, &err) != 0)
        return false;
    sources[0] =
        (struct tail_source){.name = SV("app"), .paths = paths, .path_count = 1, .from_end = w->from_end};
    struct tail_options options = {.fs = sim_fs_seam(w->logs),
                                   .clk = &w->clk.clk,
                                   .intake = w->intake,
                                   .sources = sources,
                                   .source_count = 1,
                                   .append = append,
                                   .context = w};
    assert_int_equal(0, tail_new(&options, &w->tail, &err));
    core_each_position(w->core, restore, w->tail);
    return true;
}

static void end(struct world *w)
{
    if (w->tail != NULL)
        tail_stats(w->tail, &w->stats);
    tail_free(&w->tail);
    core_abandon(&w->core);
}

static void pass_time(struct world *w, int64_t ms)
{
    w->clk.now_ns += ms * (TC_SECOND_NS / 1000);
}

static bool step(struct world *w)
{
    struct err err;
    pass_time(w, 100);
    tail_step(w->tail, true);
    return core_step(w->core, &err) == 0;
}

static void settle(struct world *w)
{
    for (int i = 0; i < 200; i++)
        assert_true(step(w));
}

static void world_begin(struct world *w, uint64_t seed)
{
    *w = (struct world){.random = seed};
    w->logs = sim_fs_new(0);
    w->disk = sim_fs_new(0);
    sim_clk_init(&w->clk, START_NS);
    sim_rng_init(&w->rng, seed);
    w->intake = intake_new(&(struct intake_options){.clk = &w->clk.clk, .lateness_ns = TC_SECOND_NS});
    const struct fs *fs = sim_fs_seam(w->logs);
    assert_int_equal(0, fs->mkdir(fs, "/log"));
}

static void world_end(struct world *w)
{
    end(w);
    intake_free(&w->intake);
    sim_fs_free(&w->logs);
    sim_fs_free(&w->disk);
}

/* --- the judge */

typedef void (*event_fn)(void *context, const struct event *event);

static void each_event(struct world *w, event_fn each, void *context)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err;
    assert_int_equal(0, journal_reader_open(sim_fs_seam(w->disk), "data", 0, NULL, &reader, &err));
    while (journal_reader_next(reader, &frame, &err) > 0) {
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; i < frame.count; i++) {
            struct event e;
            size_t n = record_length(rest);
            assert_int_equal(0, record_decode_envelope(sv_head(rest, n), &e, &err));
            if (e.type == REC_EVENT)
                each(context, &e);
            rest = sv_from(rest, n);
        }
    }
    journal_reader_close(&reader);
}

struct tally {
    int next, last;
    bool ordered;
    uint8_t *seen;
    size_t lines, self, cut;
};

static void count_line(void *context, const struct event *event)
{
    struct tally *t = context;
    int line;
    if (sv_is(event->source, "self")) {
        t->self++;
        return;
    }
    t->cut += (event->flags & EVENT_CUT) != 0;
    if (event->raw.n < 9 || event->raw.p[0] != '{')
        return;
    assert_true(sv_is(event->source, "file:app"));
    line = atoi(event->raw.p + 8);
    assert_true(line >= 0 && line < LINES_MAX);
    assert_true(event->raw.p[event->raw.n - 1] == '}');
    t->seen[line]++;
    t->ordered &= line >= t->last;
    t->last = line;
    t->lines++;
}

static struct tally tally(struct world *w)
{
    static uint8_t seen[LINES_MAX];
    struct tally t = {.ordered = true, .seen = seen};
    memset(seen, 0, sizeof seen);
    each_event(w, count_line, &t);
    return t;
}

static void once_each(struct world *w, int from, int to)
{
    struct tally t = tally(w);
    for (int i = from; i < to; i++)
        if (t.seen[i] != 1)
            fail_msg("line %d came %d times (of %d)", i, t.seen[i], w->written);
    assert_true(t.ordered);
}

/* --- tests */

/* Rotations come no faster than the door can see, or the oldest would be deleted unread. */
static void random_life(uint64_t seed, bool cut_power)
{
    struct world w;
    world_begin(&w, seed);
    write_lines(&w, "/log/app.log", 1);
    assert_true(begin(&w));
    settle(&w); /* files that were rotated before the first start are old */
    for (int i = 0, rotations = 0; i < 300; i++) {
        bool alive = true;
        switch (roll(&w, 8)) {
        case 0:
            if (rotations < KEEP - 1) {
                rotate(&w);
                rotations++;
            }
            break;
        case 1:
            if (cut_power)
                sim_fs_cut_at(w.disk, 1 + roll(&w, 12));
            break;
        case 2: /* kill -9 */
            end(&w);
            sim_fs_kill(w.disk);
            alive = begin(&w);
            break;
        case 3:
            w.refuse = !w.refuse;
            break;
        case 4:
        case 5:
            write_lines(&w, "/log/app.log", 1 + (int)roll(&w, 20));
            break;
        default:
            alive = step(&w) && step(&w);
            if (alive && !w.refuse && !sim_fs_is_cut(w.disk))
                rotations = 0;
        }
        while (!alive || sim_fs_is_cut(w.disk)) {
            end(&w);
            sim_fs_crash(w.disk, seed * 131 + (uint64_t)i, SIM_FS_SOME);
            alive = begin(&w);
        }
    }
    w.refuse = false;
    sim_fs_cut_at(w.disk, 0);
    settle(&w);
    once_each(&w, 0, w.written);
    assert_int_equal(0, tally(&w).self);
    world_end(&w);
}

static void test_A_05_each_line_once_whatever_is_killed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        random_life(seed, false);
}

static void test_A_05_each_line_once_whatever_power_is_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        random_life(seed, true);
}

static void test_A_05_rotations_while_stopped(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1);
    write_lines(&w, "/log/app.log.1", 5); /* old: not read */
    write_lines(&w, "/log/app.log", 5);
    assert_true(begin(&w));
    settle(&w);
    once_each(&w, 5, 10);
    end(&w);
    for (int i = 0; i < 3; i++) {
        write_lines(&w, "/log/app.log", 7);
        rotate(&w);
    }
    write_lines(&w, "/log/app.log", 3);
    assert_true(begin(&w));
    settle(&w);
    once_each(&w, 5, w.written);
    assert_int_equal(0, tally(&w).seen[0]);
    world_end(&w);
}

/* The journal takes nothing while the log is rotated out of existence: what was seen is held open. */
static void test_J_12_a_slow_reader_over_rotations(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1);
    write_lines(&w, "/log/app.log", 5);
    assert_true(begin(&w));
    settle(&w);
    w.refuse = true;
    for (int i = 0; i < 2 * KEEP; i++) {
        write_lines(&w, "/log/app.log", 10);
        assert_true(step(&w));
        rotate(&w);
        assert_true(step(&w));
    }
    for (int i = 0; i < 300; i++) /* longer than a file may be missing */
        assert_true(step(&w));
    w.refuse = false;
    settle(&w);
    once_each(&w, 0, w.written);
    tail_stats(w.tail, &w.stats);
    assert_int_equal(0, w.stats.lost_bytes);
    settle(&w);
    tail_stats(w.tail, &w.stats);
    assert_true(w.stats.files <= KEEP + 1); /* the others are forgotten */
    world_end(&w);
}

static void count_position(void *context, struct sv key, struct sv value)
{
    (void)value;
    *(size_t *)context += sv_starts(key, SV("tail:file:"));
}

/* The table of positions does not grow with the number of rotations. */
static void test_what_is_gone_is_forgotten(void **state)
{
    struct world w;
    size_t count = 0;
    (void)state;
    world_begin(&w, 1);
    write_lines(&w, "/log/app.log", 5);
    assert_true(begin(&w));
    for (int i = 0; i < 30; i++) {
        write_lines(&w, "/log/app.log", 3);
        for (int j = 0; j < 5; j++)
            assert_true(step(&w));
        rotate(&w);
    }
    settle(&w);
    once_each(&w, 0, w.written);
    core_each_position(w.core, count_position, &count);
    assert_int_equal(KEEP, count);
    world_end(&w);
}

static void test_from_the_end_once(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1);
    w.from_end = true;
    write_lines(&w, "/log/app.log", 5);
    assert_true(begin(&w));
    assert_true(step(&w));
    end(&w); /* killed before the first line */
    write_lines(&w, "/log/app.log", 5);
    assert_true(begin(&w));
    settle(&w);
    rotate(&w);
    write_lines(&w, "/log/app.log", 5);
    settle(&w);
    once_each(&w, 5, w.written);
    assert_int_equal(10, tally(&w).lines);
    world_end(&w);
}

static void copy_and_truncate(struct world *w, bool copy)
{
    const struct fs *fs = sim_fs_seam(w->logs);
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(0, fs_read_file(fs, "/log/app.log", &bytes, NULL));
    if (copy)
        append_text(w, "/log/app.log.1", buf_view(&bytes));
    int file = fs->open(fs, "/log/app.log", FS_WRITE);
    assert_int_equal(0, fs->truncate(fs, file, 0));
    fs->close(fs, file);
    buf_free(&bytes);
}

static void test_what_a_truncation_took_is_read_from_the_copy(void **state)
{
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++)
        for (int regrown = 0; regrown < 40; regrown += 13) {
            struct world w;
            world_begin(&w, 1);
            write_lines(&w, "/log/app.log", 20);
            assert_true(begin(&w));
            settle(&w);
            if (stopped)
                end(&w);
            write_lines(&w, "/log/app.log", 10);
            copy_and_truncate(&w, true);
            write_lines(&w, "/log/app.log", regrown);
            if (stopped)
                assert_true(begin(&w));
            settle(&w);
            struct tally t = tally(&w);
            for (int i = 0; i < w.written; i++)
                if (t.seen[i] != 1)
                    fail_msg("line %d came %d times (%d, %d)", i, t.seen[i], stopped, regrown);
            tail_stats(w.tail, &w.stats);
            assert_int_equal(1, w.stats.truncations);
            assert_int_equal(0, w.stats.lost_bytes);
            world_end(&w);
        }
}

static void test_what_is_lost_is_said(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1);
    write_lines(&w, "/log/app.log", 20);
    assert_true(begin(&w));
    settle(&w);
    w.refuse = true;
    for (int i = 0; i < 30; i++) { /* what is in the outlet is no loss; what is behind it is */
        write_lines(&w, "/log/app.log", 1);
        step(&w);
    }
    copy_and_truncate(&w, false);
    w.refuse = false;
    write_lines(&w, "/log/app.log", 2);
    settle(&w);
    tail_stats(w.tail, &w.stats);
    assert_int_equal(1, w.stats.truncations);
    assert_true(w.stats.lost_bytes > 0);
    struct tally t = tally(&w);
    assert_int_equal(1, t.self);
    assert_int_equal(1, t.seen[w.written - 1]);
    world_end(&w);
}

static void test_a_line_past_the_limit_is_cut(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1);
    write_lines(&w, "/log/app.log", 1);
    assert_true(begin(&w));
    char *long_line = malloc(1 << 20);
    memset(long_line, 'x', 1 << 20);
    for (int i = 0; i < 3; i++) {
        append_text(&w, "/log/app.log", sv_make(long_line, 1 << 20));
        assert_true(step(&w));
    }
    append_text(&w, "/log/app.log", SV("\r\n"));
    write_lines(&w, "/log/app.log", 1);
    append_text(&w, "/log/app.log", sv_make(long_line, 1 << 20)); /* just fits */
    append_text(&w, "/log/app.log", SV("\r\n"));
    settle(&w);
    struct tally t = tally(&w);
    assert_int_equal(1, t.cut);
    assert_int_equal(2, t.lines);
    tail_stats(w.tail, &w.stats);
    assert_int_equal(4, w.stats.lines);
    free(long_line);
    world_end(&w);
}

static void test_an_unfinished_line_waits(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, 1);
    assert_true(begin(&w));
    append_text(&w, "/log/app.log", SV("{\"line\":0"));
    settle(&w);
    assert_int_equal(0, tally(&w).lines);
    append_text(&w, "/log/app.log", SV("}\n{\"line\":1}"));
    w.written = 2;
    settle(&w);
    assert_int_equal(1, tally(&w).lines);
    rotate(&w);
    settle(&w);
    once_each(&w, 0, 2);
    world_end(&w);
}

/* An inode that was used again is another file, also where the door was not there to see. */
static void test_an_inode_used_again(void **state)
{
    struct world w;
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++)
        for (int more = 1; more < 30; more += 7) {
            const struct fs *fs;
            world_begin(&w, 1);
            fs = sim_fs_seam(w.logs);
            write_lines(&w, "/log/app.log", 10);
            assert_true(begin(&w));
            settle(&w);
            if (stopped)
                end(&w);
            assert_int_equal(0, fs->unlink(fs, "/log/app.log"));
            write_lines(&w, "/log/app.log", more);
            if (stopped)
                assert_true(begin(&w));
            settle(&w);
            once_each(&w, 0, w.written);
            world_end(&w);
        }
}

static void test_zeros_that_a_truncation_left(void **state)
{
    struct world w;
    static char zeros[100000];
    (void)state;
    world_begin(&w, 1);
    append_text(&w, "/log/app.log", sv_make(zeros, sizeof zeros));
    write_lines(&w, "/log/app.log", 3);
    append_text(&w, "/log/app.log", SV("a\0b\n"));
    assert_true(begin(&w));
    settle(&w);
    tail_stats(w.tail, &w.stats);
    assert_int_equal(4, w.stats.lines);
    once_each(&w, 0, 3);
    world_end(&w);
}

static void no_log(void *context, enum log_level level, const char *room, const char *text)
{
    (void)context;
    if (getenv("TAIL_LOG") != NULL)
        fprintf(stderr, "%d %s %s\n", (int)level, room, text);
}

int main(void)
{
    log_set_sink(no_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_05_each_line_once_whatever_is_killed),
        cmocka_unit_test(test_A_05_each_line_once_whatever_power_is_cut),
        cmocka_unit_test(test_A_05_rotations_while_stopped),
        cmocka_unit_test(test_J_12_a_slow_reader_over_rotations),
        cmocka_unit_test(test_what_is_gone_is_forgotten),
        cmocka_unit_test(test_from_the_end_once),
        cmocka_unit_test(test_what_a_truncation_took_is_read_from_the_copy),
        cmocka_unit_test(test_what_is_lost_is_said),
        cmocka_unit_test(test_a_line_past_the_limit_is_cut),
        cmocka_unit_test(test_an_unfinished_line_waits),
        cmocka_unit_test(test_an_inode_used_again),
        cmocka_unit_test(test_zeros_that_a_truncation_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
