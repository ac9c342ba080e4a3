/*
 * Retention: after 13 months security is there, debug went after 30 days, audit stays for 7 years; what
 * caused a finding and what is held stays; each drop was told before; a clock that jumps drops nothing.
 */
#include "journal/cold_make.h"
#include "journal/journal_kit.h"
#include "journal/retention.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY_NS (86400 * TC_SECOND_NS)

struct world {
    struct sim_fs *sim;
    const struct fs *fs;
    struct clk clk; /* its wall and its monotonic time go apart where a test wants it */
    int64_t wall_ns, mono_ns;
    struct sim_rng rng;
    struct journal *journal;
    unsigned told;
    int refuse;          /* what `announce` gives */
    const char *archive; /* a directory */
};

static struct receive_time wall_now(const struct clk *clk)
{
    return (struct receive_time){((const struct world *)clk->context)->wall_ns};
}

static int64_t mono_now(const struct clk *clk)
{
    return ((const struct world *)clk->context)->mono_ns;
}

static struct journal *open_journal(struct world *w, const char *dir)
{
    struct journal *journal;
    struct err err;
    struct journal_options o = {.fs = w->fs,
                                .clk = &w->clk,
                                .rng = &w->rng.rng,
                                .dir = dir,
                                .segment_age_ns = DAY_NS,
                                .inline_commit = true};
    if (journal_open(&o, &journal, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return journal;
}

static void begin(struct world *w)
{
    *w = (struct world){.sim = sim_fs_new(0), .archive = "/archive"};
    w->fs = sim_fs_seam(w->sim);
    w->wall_ns = w->mono_ns = KIT_NOW;
    w->clk = (struct clk){.now = wall_now, .monotonic_ns = mono_now, .context = w};
    sim_rng_init(&w->rng, 7);
    w->journal = open_journal(w, "/d");
}

static void end(struct world *w)
{
    journal_close(&w->journal);
    sim_fs_free(&w->sim);
}

static uint64_t put(struct world *w, enum record_type type, enum record_class class, const char *source,
                    const char *text, uint64_t cause)
{
    struct buf block;
    struct err err;
    uint64_t first;
    struct event e = {.type = (uint8_t)type,
                      .class = (uint8_t) class,
                      .source = sv_of(source),
                      .source_position = cause,
                      .received = clk_now(&w->clk),
                      .time = {TC_NO_TIME},
                      .raw = sv_of(text),
                      .repeat = 1};
    buf_init(&block, 1 << 16);
    record_encode(&e, &block);
    struct journal_batch b = {.kind = type == REC_FINDING ? BATCH_DECISION : BATCH_INPUT,
                              .received = e.received,
                              .consumed = cause,
                              .blocks = buf_view(&block),
                              .count = 1};
    if (journal_append_wait(w->journal, &b, &first, &err) != 0)
        fail_msg("%s", err.text);
    buf_free(&block);
    return first;
}

static int announce(void *context, const struct retention_drop *drop, struct err *err)
{
    struct world *w = context;
    struct cold cold;
    /* it is still there */
    assert_int_equal(cold_open(&cold, w->fs, "/d", drop->first, err), 0);
    for (int i = 0; i < CLASS_COUNT; i++)
        assert_true(!drop->classes[i] || cold.header.classes[i].kept > 0);
    cold_close(&cold);
    w->told++;
    return w->refuse != 0 ? err_set(err, w->refuse, "not now") : 0;
}

static struct retention *start_after(struct world *w, const struct retention_hold *holds, size_t count,
                                     struct receive_time newest)
{
    return retention_new(&(struct retention_options){.fs = w->fs,
                                                     .clk = &w->clk,
                                                     .dir = "/d",
                                                     .keep_ns = {395 * DAY_NS, 2557 * DAY_NS, 30 * DAY_NS},
                                                     .cold_after_ns = DAY_NS,
                                                     .holds = holds,
                                                     .hold_count = count,
                                                     .newest = newest,
                                                     .archive = w->archive,
                                                     .announce = announce,
                                                     .context = w});
}

static struct retention *start(struct world *w, const struct retention_hold *holds, size_t count)
{
    return start_after(w, holds, count, (struct receive_time){0});
}

/* All that is due, as if the clock had gone there at its pace. */
static void work(struct world *w, struct retention *r)
{
    struct err err;
    int rc;
    (void)w;
    while ((rc = retention_step(r, &err)) == 1)
        ;
    if (rc != 0)
        fail_msg("%s", err.text);
}

static void pass_days(struct world *w, unsigned days)
{
    w->wall_ns += days * DAY_NS;
    w->mono_ns += days * DAY_NS;
    put(w, REC_TICK, CLASS_DEBUG, "self", "", 0); /* begins a segment */
}

/* Whether a record with this text is read. */
static bool is_there(struct world *w, const char *dir, const char *text)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err;
    bool found = false;
    int rc;
    assert_int_equal(journal_reader_open(w->fs, dir, 0, NULL, &reader, &err), 0);
    while ((rc = journal_reader_next(reader, &frame, &err)) > 0)
        found = found || sv_find(frame.blocks, sv_of(text)) < frame.blocks.n;
    if (rc != 0)
        fail_msg("%s", err.text);
    journal_reader_close(&reader);
    return found;
}

static void verify(struct world *w, const char *dir)
{
    struct journal_verify_report report;
    struct err err;
    if (journal_verify(w->fs, dir, &report, &err) != 0)
        fail_msg("%s", err.text);
}

static void fill(struct world *w)
{
    put(w, REC_EVENT, CLASS_SECURITY, "http:a", "a security event", 0);
    put(w, REC_EVENT, CLASS_AUDIT, "self", "an audit event", 0);
    put(w, REC_EVENT, CLASS_DEBUG, "file:x", "a plain debug event", 0);
    uint64_t cause = put(w, REC_EVENT, CLASS_DEBUG, "file:x", "a debug event behind a finding", 0);
    put(w, REC_POSITION, CLASS_DEBUG, "tail:x", "an old position", 0);
    put(w, REC_POSITION, CLASS_DEBUG, "tail:x", "the newest position", 0);
    put(w, REC_FINDING, CLASS_SECURITY, "self", "a finding", cause);
}

static void test_classes(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    fill(&w);
    struct retention *r = start(&w, NULL, 0);
    pass_days(&w, 1);
    pass_days(&w, 2);
    work(&w, r);
    struct retention_stats stats;
    retention_stats(r, &stats);
    assert_int_equal(stats.cold_segments, 1);
    assert_int_equal(w.told, 0);
    pass_days(&w, 29); /* at its 32nd day */
    work(&w, r);
    assert_true(w.told > 0);
    assert_false(is_there(&w, "/d", "a plain debug event") || is_there(&w, "/d", "an old position"));
    assert_true(is_there(&w, "/d", "a debug event behind a finding"));
    assert_true(is_there(&w, "/d", "the newest position"));
    assert_true(is_there(&w, "/d", "a security event"));
    verify(&w, "/d");
    assert_true(is_there(&w, "/archive", "an old position")); /* and is read like a data directory */
    verify(&w, "/archive");
    unsigned told = w.told;
    work(&w, r);
    assert_int_equal(w.told, told); /* once */
    pass_days(&w, 358);             /* day 390: 13 months are 395 days */
    work(&w, r);
    assert_true(is_there(&w, "/d", "a security event"));
    pass_days(&w, 10);
    work(&w, r);
    assert_false(is_there(&w, "/d", "a security event") || is_there(&w, "/d", "behind a finding"));
    assert_true(is_there(&w, "/d", "an audit event"));
    verify(&w, "/d");
    pass_days(&w, 2150);
    work(&w, r);
    assert_true(is_there(&w, "/d", "an audit event"));
    pass_days(&w, 20);
    work(&w, r);
    assert_false(is_there(&w, "/d", "an audit event"));
    verify(&w, "/d");
    retention_free(&r);
    end(&w);
}

static void test_hold(void **state)
{
    (void)state;
    struct world w;
    struct retention_hold hold = {.name = "case 7",
                                  .from_ns = KIT_NOW,
                                  .to_ns = KIT_NOW + DAY_NS,
                                  .classes = 1 << CLASS_DEBUG,
                                  .source = SV("file:*")};
    begin(&w);
    fill(&w);
    pass_days(&w, 1);
    pass_days(&w, 40);
    pass_days(&w, 2);
    struct retention *r = start(&w, &hold, 1);
    work(&w, r);
    assert_true(is_there(&w, "/d", "a plain debug event"));
    assert_false(is_there(&w, "/d", "an old position"));
    retention_free(&r);
    r = start(&w, NULL, 0); /* lifted */
    work(&w, r);
    assert_false(is_there(&w, "/d", "a plain debug event"));
    assert_true(is_there(&w, "/d", "a debug event behind"));
    verify(&w, "/d");
    retention_free(&r);
    pass_days(&w, 400);
    pass_days(&w, 2);
    r = start(&w, NULL, 0);
    work(&w, r);
    assert_false(is_there(&w, "/d", "a debug event"));
    retention_free(&r);
    end(&w);
}

static void test_refused(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    begin(&w);
    fill(&w);
    pass_days(&w, 1);
    pass_days(&w, 40);
    pass_days(&w, 2);
    struct retention *r = start(&w, NULL, 0);
    w.refuse = TC_EIO;
    assert_int_equal(retention_step(r, &err), 1); /* cold */
    assert_int_equal(retention_step(r, &err), TC_EIO);
    assert_true(is_there(&w, "/d", "an old position")); /* what cannot be told is not done */
    retention_free(&r);
    end(&w);
}

static void test_clock(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    fill(&w);
    pass_days(&w, 1);
    struct retention *r = start(&w, NULL, 0);
    work(&w, r);
    w.wall_ns = KIT_NOW + 4000 * DAY_NS; /* the wall alone */
    put(&w, REC_TICK, CLASS_DEBUG, "self", "", 0);
    work(&w, r);
    struct retention_stats stats;
    retention_stats(r, &stats);
    assert_true(stats.distrusts);
    assert_int_equal(w.told, 0);
    w.wall_ns = KIT_NOW + 3 * DAY_NS; /* put right */
    work(&w, r);
    w.wall_ns += 2 * DAY_NS;
    w.mono_ns += 2 * DAY_NS;
    work(&w, r);
    retention_stats(r, &stats);
    assert_false(stats.distrusts);
    assert_int_equal(w.told, 0);
    assert_true(is_there(&w, "/d", "an old position"));
    retention_free(&r);
    end(&w);
}

/* Somebody restarts it while the clock is still ahead: the newest records bear the wrong time, too. */
static void test_clock_over_a_restart(void **state)
{
    (void)state;
    struct world w;
    struct retention_stats stats;
    begin(&w);
    fill(&w);
    pass_days(&w, 1);
    pass_days(&w, 1);
    w.wall_ns += 4000 * DAY_NS;
    put(&w, REC_TICK, CLASS_DEBUG, "self", "", 0);
    struct retention *r = start_after(&w, NULL, 0, (struct receive_time){w.wall_ns - TC_SECOND_NS});
    work(&w, r);
    retention_stats(r, &stats);
    assert_true(stats.distrusts);
    assert_int_equal(w.told, 0);
    pass_days(&w, 2); /* nobody put it right */
    work(&w, r);
    assert_true(w.told > 0);
    retention_free(&r);
    w.told = 0;
    r = start_after(&w, NULL, 0, (struct receive_time){w.wall_ns - TC_SECOND_NS});
    work(&w, r);
    retention_stats(r, &stats);
    assert_false(stats.distrusts); /* it stands since so long that it is believed */
    retention_free(&r);
    end(&w);
}

/* Where the archive cannot be written nothing is dropped, and segments still become cold. */
static void test_archive_fails(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    struct retention_stats stats;
    char path[2 * SEGMENT_PATH_MAX];
    begin(&w);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    w.archive = path;
    fill(&w);
    pass_days(&w, 1);
    pass_days(&w, 2);
    struct retention *r = start(&w, NULL, 0);
    work(&w, r);
    pass_days(&w, 31);
    pass_days(&w, 2);
    for (int i = 0; i < 5; i++)
        assert_true(retention_step(r, &err) < 0);
    retention_stats(r, &stats);
    assert_int_equal(stats.cold_segments, stats.segments - 2); /* the last two are open, and too young */
    assert_int_equal(w.told, 0);
    retention_free(&r);
    end(&w);
}

/* The archive has a segment of the same name, of another journal: no copy of ours. */
static void test_archive_of_another(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    begin(&w);
    fill(&w);
    struct journal *ours = w.journal;
    w.journal = open_journal(&w, "/archive");
    fill(&w);
    pass_days(&w, 1);
    assert_int_equal(cold_make(w.fs, "/archive", 1, wall_now(&w.clk), &err), 0);
    journal_close(&w.journal);
    w.journal = ours;
    pass_days(&w, 40);
    pass_days(&w, 2);
    struct retention *r = start(&w, NULL, 0);
    int rc;
    while ((rc = retention_step(r, &err)) == 1)
        ;
    assert_int_equal(rc, TC_ESTATE);
    assert_non_null(strstr(err.text, "another journal"));
    assert_int_equal(w.told, 0);
    assert_true(is_there(&w, "/d", "an old position"));
    retention_free(&r);
    end(&w);
}

/* A drop that fails is tried again and again, and told once. */
static void test_told_once(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    begin(&w);
    w.archive = NULL;
    fill(&w);
    pass_days(&w, 1);
    pass_days(&w, 40);
    pass_days(&w, 2);
    struct retention *r = start(&w, NULL, 0);
    assert_int_equal(retention_step(r, &err), 1); /* cold */
    sim_fs_set_capacity(w.sim, 1);
    for (int i = 0; i < 5; i++)
        assert_true(retention_step(r, &err) < 0);
    assert_int_equal(w.told, 1);
    assert_true(is_there(&w, "/d", "an old position"));
    sim_fs_set_capacity(w.sim, 0);
    assert_int_equal(retention_step(r, &err), 1);
    assert_int_equal(w.told, 1);
    assert_false(is_there(&w, "/d", "an old position"));
    retention_free(&r);
    end(&w);
}

/* What the open segment names cannot be known: so nothing is dropped. */
static void test_open_segment_damaged(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    char path[SEGMENT_PATH_MAX];
    struct fs_stat st;
    begin(&w);
    fill(&w);
    pass_days(&w, 1);
    pass_days(&w, 40);
    pass_days(&w, 2);
    uint64_t finding = put(&w, REC_FINDING, CLASS_SECURITY, "self", "a finding", 3);
    put(&w, REC_FINDING, CLASS_SECURITY, "self", "another", 3);
    assert_true(segment_path("/d", finding - 1, path));
    assert_int_equal(w.fs->stat(w.fs, path, &st), 0);
    put(&w, REC_FINDING, CLASS_SECURITY, "self", "one more", 3);
    assert_true(sim_fs_flip(w.sim, path, st.size_bytes - 30, 1));
    struct retention *r = start(&w, NULL, 0);
    int rc;
    while ((rc = retention_step(r, &err)) == 1)
        ;
    assert_int_equal(rc, TC_ECORRUPT);
    assert_int_equal(w.told, 0);
    retention_free(&r);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-06 X-13 each class for its time, findings' events for that of security", test_classes, NULL, NULL,
         NULL},
        {"J-06 what is held stays until it is lifted", test_hold, NULL, NULL, NULL},
        {"J-06 what cannot be told is not dropped", test_refused, NULL, NULL, NULL},
        {"J-06 a clock that jumps drops nothing", test_clock, NULL, NULL, NULL},
        {"J-06 a clock that jumped drops nothing after a restart", test_clock_over_a_restart, NULL, NULL,
         NULL},
        {"J-06 an archive of another journal is no archive of this one", test_archive_of_another, NULL, NULL,
         NULL},
        {"J-06 a drop that fails is told once", test_told_once, NULL, NULL, NULL},
        {"J-06 nothing is dropped where the open segment cannot be read", test_open_segment_damaged, NULL,
         NULL, NULL},
        {"J-06 an archive that cannot be written keeps no segment from being packed", test_archive_fails,
         NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
