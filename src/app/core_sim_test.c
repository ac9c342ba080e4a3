/*
 * The whole pipeline on a simulated disk: the power is cut at every file call of a short run, unsynced writes
 * are kept, dropped or shredded, and after the restart the same must hold as without a cut: what was
 * acknowledged is there once, the chain verifies, the alerts are those of an uninterrupted run, each was
 * told, and nothing was made twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/core_priv.h"
#include "base/log.h"
#include "base/sim_fs.h"
#include "event/json.h"
#include "event/parse.h"
#include "journal/cold_make.h"
#include "store/statement.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 14, EVENTS_A_STEP = 3, TOLD_MAX = 64, RESTARTS_MAX = 8 };
#define START_NS (INT64_C(1790000000) * TC_SECOND_NS)

/* What outlives a crash: the disk, the sender's memory of what was acknowledged, the receiver's of what it
 * was told. */
struct world {
    struct sim_fs *disk;
    struct sim_clk clk;
    struct sim_rng rng;
    int acknowledged;        /* batches, in order */
    char told[TOLD_MAX][96]; /* keys of notifications, each time one arrived */
    size_t told_count;
    size_t decision_bytes; /* of the core's options */
    int reload_at;         /* batches before other rules are put in force; 0: never */
    bool files_changed;    /* what a start reads */
    bool packs;            /* closed segments become cold as soon as they are closed */
    bool digests;          /* rules of P4, and a digest at 08:00, two hours east */
    struct core *core;
};

static const char rule_text[] =
    "title: failed\nname: failed\nid: 00000000-0000-0000-0000-000000000001\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: login_failed\n  condition: s\nlevel: low\n"
    "---\n"
    "title: brute force\nid: 00000000-0000-0000-0000-000000000002\nlevel: high\n"
    "correlation:\n  type: event_count\n  rules: [failed]\n  group-by: [source.ip]\n  timespan: 5m\n"
    "  condition:\n    gt: 5\n"
    "---\n"
    "title: locked\nid: 00000000-0000-0000-0000-000000000003\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: account_locked\n  condition: s\nlevel: critical\n";

/* The same brute force, told of in other words; another rule for lockouts; one rule more. */
static const char changed_text[] =
    "title: failed\nname: failed\nid: 00000000-0000-0000-0000-000000000001\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: login_failed\n  condition: s\nlevel: low\n"
    "---\n"
    "title: brute force\nid: 00000000-0000-0000-0000-000000000002\nlevel: high\ndescription: more words\n"
    "correlation:\n  type: event_count\n  rules: [failed]\n  group-by: [source.ip]\n  timespan: 5m\n"
    "  condition:\n    gt: 5\n"
    "---\n"
    "title: locked\nid: 00000000-0000-0000-0000-000000000003\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: account_locked\n    user.name|startswith: u\n  condition: s\n"
    "level: medium\n"
    "---\n"
    "title: many locked\nid: 00000000-0000-0000-0000-000000000004\nlevel: high\n"
    "correlation:\n  type: event_count\n  rules: [00000000-0000-0000-0000-000000000003]\n  timespan: 5m\n"
    "  generate: true\n  condition:\n    gte: 2\n";

static const char low_rule_text[] =
    "title: locked\nid: 00000000-0000-0000-0000-000000000004\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: account_locked\n  condition: s\nlevel: low\n";

static size_t route(void *context, enum severity severity, enum notify_reason reason, const struct sv **ret)
{
    static const struct sv names[] = {{"test", 4}};
    (void)context;
    (void)severity;
    *ret = names;
    return reason == NOTIFY_NEW || reason == NOTIFY_COUNT_STEP;
}

static struct rule_source rules_of(const struct world *w)
{
    return (struct rule_source){.path = SV("rules.yml"),
                                .bytes = w->files_changed ? sv_make(changed_text, sizeof changed_text - 1)
                                                          : sv_make(rule_text, sizeof rule_text - 1)};
}

static int core_begin(struct world *w)
{
    struct rule_source rules[1];
    struct err err;
    rules[0] = rules_of(w);
    if (w->digests)
        rules[0].bytes = sv_of(low_rule_text);
    static const struct sv digest_channels[] = {{"mail", 4}};
    struct core_options o = {.fs = sim_fs_seam(w->disk),
                             .clk = &w->clk.clk,
                             .rng = &w->rng.rng,
                             .dir = "data",
                             .store_path = ":memory:",
                             .rules = rules,
                             .rule_count = 1,
                             .lateness_ns = 3600 * TC_SECOND_NS,
                             .dedup_window_ns = 3600 * TC_SECOND_NS,
                             .threads = 1,
                             .inline_commit = true,
                             .segment_bytes = 4096,
                             .decision_bytes = w->decision_bytes,
                             .checkpoint_every_ns = 4 * TC_SECOND_NS,
                             .digest_channels = digest_channels,
                             .digest_channel_count = w->digests ? 1 : 0,
                             .digest_at_s = 8 * 3600,
                             .zone_offset_s = 2 * 3600,
                             .context = w,
                             .route = route};
    return core_open(&o, &w->core, &err);
}

/* Events of one batch; their times follow from the number alone, so a repeat after a crash is the same. */
static void batch_blocks(int number, struct buf *out)
{
    struct arena arena = {0};
    for (int i = 0; i < EVENTS_A_STEP; i++) {
        char text[256], time[TC_RFC3339_MAX];
        clk_rfc3339(START_NS + number * TC_SECOND_NS + i, time);
        bool locked = number % 5 == 4 && i == 0;
        int n = snprintf(text, sizeof text,
                         "{\"n\":%d,\"@timestamp\":\"%s\",\"event_type\":\"%s\",\"source.ip\":\"10.0.0.%d\","
                         "\"user.name\":\"u%d\"}",
                         number * EVENTS_A_STEP + i, time, locked ? "account_locked" : "login_failed",
                         number % 2, number);
        struct parse_state state;
        struct event event;
        parse_state_init(&state, 0, 0, 0);
        parse_record(parser_find(SV("json")), &state, sv_make(text, (size_t)n), &arena, &event);
        event.source = SV("http:test");
        event.received.ns = START_NS + number * TC_SECOND_NS;
        record_encode(&event, out);
    }
    arena_free(&arena);
}

/* The sender: posts a batch with its key; a repeat of one that was stored counts as acknowledged. */
static int send_batch(struct world *w, int number)
{
    struct buf blocks;
    struct err err;
    buf_init(&blocks, 1 << 20);
    batch_blocks(number, &blocks);
    struct journal_batch batch = {.kind = BATCH_INPUT,
                                  .received = {START_NS + number * TC_SECOND_NS},
                                  .has_key = true,
                                  .blocks = buf_view(&blocks),
                                  .count = EVENTS_A_STEP};
    memcpy(batch.key, &number, sizeof number);
    int rc = journal_append_wait(core_journal(w->core), &batch, &(uint64_t){0}, &err);
    buf_free(&blocks);
    return rc == TC_EEXIST ? 0 : rc;
}

static int tell(void *context, const struct outbox_row *row)
{
    struct world *w = context;
    assert_true(w->told_count < TOLD_MAX);
    snprintf(w->told[w->told_count++], sizeof w->told[0], "%.*s", SV_FMT(row->key));
    return 0;
}

/* The courier: delivers what is due (the receiver has it from then on), then makes the receipts durable. */
static int deliver(struct world *w)
{
    int64_t next;
    struct err err;
    size_t before = w->told_count;
    int rc = store_outbox_due(w->core->store, w->clk.now_ns, 16, tell, w, &next, &err);
    for (size_t i = before; rc == 0 && i < w->told_count; i++)
        rc = core_receipt(w->core, &(struct receipt){.key = sv_of(w->told[i]), .status = SV("sent")});
    return rc;
}

static int step(struct world *w)
{
    struct err err;
    int rc = core_step(w->core, &err);
    if (rc == 0)
        rc = deliver(w);
    return rc == 0 ? core_step(w->core, &err) : rc;
}

static int reload(struct world *w)
{
    struct core_reloaded reloaded;
    struct err err;
    w->files_changed = true;
    struct rule_source rules[1] = {rules_of(w)};
    struct core_options wanted = {.rules = rules, .rule_count = 1, .dedup_window_ns = 3600 * TC_SECOND_NS};
    int rc = core_reload(w->core, &wanted, &reloaded, &err);
    return rc == 0 ? step(w) : rc;
}

/* All closed segments become cold; a second life begins with what the first one left lying. */
static int make_cold(struct world *w)
{
    struct segment_list list;
    struct err err;
    const struct fs *fs = sim_fs_seam(w->disk);
    int rc = cold_clean(fs, "data", &err);
    if (rc == 0)
        rc = segment_list_read(fs, "data", &list, &err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i + 1 < list.n; i++) {
        rc = cold_make(fs, "data", list.first[i], clk_now(&w->clk.clk), &err);
        rc = rc == TC_ENOTFOUND ? 0 : rc; /* it is already */
    }
    segment_list_free(&list);
    return rc;
}

/* Goes on from where the sender stands until everything is acknowledged and judged, or the power is cut. */
static int run(struct world *w)
{
    int rc = core_begin(w);
    while (rc == 0 && w->acknowledged < STEPS) {
        w->clk.now_ns = START_NS + w->acknowledged * TC_SECOND_NS;
        if (w->reload_at > 0 && w->acknowledged == w->reload_at && !w->files_changed)
            rc = reload(w);
        if (rc == 0)
            rc = send_batch(w, w->acknowledged);
        if (rc == 0) {
            w->acknowledged++;
            rc = step(w);
        }
        if (rc == 0 && w->packs)
            rc = make_cold(w);
    }
    if (rc == 0)
        rc = step(w);
    return rc;
}

/* All alerts of the book, without what depends on receive times. */
static void alerts_text(struct world *w, struct buf *out)
{
    for (size_t i = 0; i < book_count(w->core->book); i++) {
        const struct alert *a = book_at(w->core->book, i);
        buf_printf(out, "%s %.*s %s count %llu %lld..%lld\n", a->id, SV_FMT(a->title),
                   alert_state_name(a->state), (unsigned long long)a->count, (long long)a->first_ns,
                   (long long)a->last_ns);
    }
}

static bool says_created(struct sv decision)
{
    struct arena arena = {0};
    struct event json = {.time = {TC_NO_TIME}};
    struct err err;
    assert_int_equal(0, json_parse_event(decision, &arena, &json, &err));
    event_index(&json, &arena);
    bool created = sv_is(event_value(&json, "what"), "created");
    arena_free(&arena);
    return created;
}

static void check_journal(struct world *w)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct err err;
    bool seen[STEPS] = {false};
    uint64_t created = 0;
    if (journal_reader_open(sim_fs_seam(w->disk), "data", 0, NULL, &reader, &err) != 0)
        fail_msg("%s", err.text);
    int rc;
    while ((rc = journal_reader_next(reader, &frame, &err)) > 0) {
        if (frame.kind == BATCH_INPUT) {
            int number;
            memcpy(&number, frame.key, sizeof number);
            assert_true(number >= 0 && number < STEPS);
            assert_false(seen[number]); /* once */
            assert_int_equal(EVENTS_A_STEP, frame.count);
            seen[number] = true;
        }
        struct sv rest = frame.blocks;
        for (uint64_t i = 0; i < frame.count; i++) {
            struct event e;
            size_t n = record_length(rest);
            assert_int_equal(0, record_decode_envelope(sv_head(rest, n), &e, &err));
            created += e.type == REC_DECISION && says_created(e.raw);
            rest = sv_from(rest, n);
        }
    }
    assert_int_equal(0, rc);
    journal_reader_close(&reader);
    for (int i = 0; i < w->acknowledged; i++)
        assert_true(seen[i]);
    assert_int_equal(book_count(w->core->book), created); /* no alert was decided twice */
    struct journal_verify_report report;
    assert_int_equal(0, journal_verify(sim_fs_seam(w->disk), "data", &report, &err));
}

static void check_told(const struct world *w, const struct world *calm)
{
    for (size_t i = 0; i < calm->told_count; i++) {
        bool found = false;
        for (size_t j = 0; j < w->told_count; j++)
            found |= strcmp(calm->told[i], w->told[j]) == 0;
        assert_true(found);
    }
    for (size_t j = 0; j < w->told_count; j++) { /* and nothing else was said: a repeat bears the same key */
        bool known = false;
        for (size_t i = 0; i < calm->told_count; i++)
            known |= strcmp(calm->told[i], w->told[j]) == 0;
        assert_true(known);
    }
}

static void world_begin(struct world *w, uint64_t seed)
{
    *w = (struct world){0};
    w->disk = sim_fs_new(0);
    sim_clk_init(&w->clk, START_NS);
    sim_rng_init(&w->rng, seed);
}

static void world_end(struct world *w)
{
    core_abandon(&w->core);
    sim_fs_free(&w->disk);
}

static uint64_t calm_run(struct world *calm, size_t decision_bytes, int reload_at, bool packs,
                         struct buf *alerts)
{
    world_begin(calm, 1);
    calm->packs = packs;
    calm->decision_bytes = decision_bytes;
    calm->reload_at = reload_at;
    assert_int_equal(0, run(calm));
    uint64_t calls = sim_fs_calls(calm->disk);
    alerts_text(calm, alerts);
    assert_true(book_count(calm->core->book) >= 4);
    check_journal(calm);
    return calls;
}

static void cut_everywhere_of(enum sim_fs_mode mode, uint64_t seed, size_t decision_bytes, int reload_at,
                              bool packs)
{
    struct world calm;
    struct buf expected, got;
    buf_init(&expected, 1 << 20);
    buf_init(&got, 1 << 20);
    uint64_t calls = calm_run(&calm, decision_bytes, reload_at, packs, &expected);
    uint64_t cuts = 0;
    assert_true(calls > 100);
    for (uint64_t at = 1; at <= calls; at++, cuts++) {
        struct world w;
        world_begin(&w, seed + at);
        w.decision_bytes = decision_bytes;
        w.reload_at = reload_at;
        w.packs = packs;
        sim_fs_cut_at(w.disk, at);
        int rc = run(&w), restarts = 0;
        /* a failure of the last calls may not matter to the run, but the disk is dead */
        while (rc != 0 || sim_fs_is_cut(w.disk)) {
            assert_true(restarts++ < RESTARTS_MAX);
            core_abandon(&w.core);
            sim_fs_crash(w.disk, seed * 31 + at, mode);
            rc = run(&w);
        }
        sim_fs_cut_at(w.disk, 0); /* a run after a crash may be shorter than the calm one */
        buf_clear(&got);
        alerts_text(&w, &got);
        if (!sv_eq(buf_view(&expected), buf_view(&got))) {
            print_message("cut at call %llu, mode %d: expected\n%.*sgot\n%.*s", (unsigned long long)at,
                          (int)mode, SV_FMT(buf_view(&expected)), SV_FMT(buf_view(&got)));
            fail();
        }
        check_journal(&w);
        check_told(&w, &calm);
        world_end(&w);
    }
    print_message("%llu cut points\n", (unsigned long long)cuts);
    world_end(&calm);
    buf_free(&expected);
    buf_free(&got);
}

static void cut_everywhere_reloading(enum sim_fs_mode mode, uint64_t seed, size_t decision_bytes,
                                     int reload_at)
{
    cut_everywhere_of(mode, seed, decision_bytes, reload_at, false);
}

static void cut_everywhere(enum sim_fs_mode mode, uint64_t seed, size_t decision_bytes)
{
    cut_everywhere_reloading(mode, seed, decision_bytes, 0);
}

/* --- cold segments */

static void test_J_06_cut_at_every_call_while_segments_become_cold(void **state)
{
    (void)state;
    cut_everywhere_of(SIM_FS_SHRED, 31, 0, 0, true);
}

/*
 * A life by chance: when the power fails (up to four times), what it leaves, whether segments become cold,
 * how decisions are framed. TOCSIN_SIM_SEEDS says how many are tried, TOCSIN_SIM_SEED from which on: a seed
 * that fails is a report.
 */
static void live_by_chance(uint64_t seed, struct world calm[2][2], struct buf expected[2][2], uint64_t calls)
{
    struct sim_rng chance;
    struct world w;
    struct buf got;
    sim_rng_init(&chance, seed);
    bool packs = rng_u64(&chance.rng) % 2 == 1, split = rng_u64(&chance.rng) % 2 == 1;
    int restarts = 0;
    buf_init(&got, 1 << 20);
    world_begin(&w, seed);
    w.packs = packs;
    w.decision_bytes = split;
    sim_fs_cut_at(w.disk, 1 + rng_u64(&chance.rng) % calls);
    int rc = run(&w);
    while (rc != 0 || sim_fs_is_cut(w.disk)) {
        assert_true(restarts++ < RESTARTS_MAX);
        core_abandon(&w.core);
        sim_fs_crash(w.disk, rng_u64(&chance.rng),
                     (enum sim_fs_mode)(rng_u64(&chance.rng) % (SIM_FS_SHRED + 1)));
        if (restarts < 4)
            sim_fs_cut_at(w.disk, 1 + rng_u64(&chance.rng) % calls);
        rc = run(&w);
    }
    sim_fs_cut_at(w.disk, 0);
    alerts_text(&w, &got);
    if (!sv_eq(buf_view(&expected[packs][split]), buf_view(&got))) {
        print_message("TOCSIN_SIM_SEED=%llu: expected\n%.*sgot\n%.*s", (unsigned long long)seed,
                      SV_FMT(buf_view(&expected[packs][split])), SV_FMT(buf_view(&got)));
        fail();
    }
    check_journal(&w);
    check_told(&w, &calm[packs][split]);
    world_end(&w);
    buf_free(&got);
}

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text == NULL ? fallback : strtoull(text, NULL, 10);
}

static void test_D_08_lives_by_chance(void **state)
{
    (void)state;
    struct world calm[2][2];
    struct buf expected[2][2];
    uint64_t calls = 0, first = from_environment("TOCSIN_SIM_SEED", 1),
             n = from_environment("TOCSIN_SIM_SEEDS", 60);
    for (size_t i = 0; i < 4; i++) {
        buf_init(&expected[i / 2][i % 2], 1 << 20);
        uint64_t some = calm_run(&calm[i / 2][i % 2], i % 2, 0, i / 2 == 1, &expected[i / 2][i % 2]);
        calls = TC_MAX(calls, some);
    }
    for (uint64_t seed = first; seed < first + n; seed++)
        live_by_chance(seed, calm, expected, calls);
    for (size_t i = 0; i < 4; i++) {
        world_end(&calm[i / 2][i % 2]);
        buf_free(&expected[i / 2][i % 2]);
    }
}

static void test_D_08_cut_at_every_call_dropping(void **state)
{
    (void)state;
    cut_everywhere(SIM_FS_DROP, 11, 0);
}

static void test_D_08_cut_at_every_call_keeping(void **state)
{
    (void)state;
    cut_everywhere(SIM_FS_KEEP, 12, 0);
}

static void test_D_08_cut_at_every_call_some(void **state)
{
    (void)state;
    cut_everywhere(SIM_FS_SOME, 14, 0);
}

static void test_D_08_cut_at_every_call_shredding(void **state)
{
    (void)state;
    cut_everywhere(SIM_FS_SHRED, 13, 0);
}

/* Every record of a decision in a frame of its own: what one position causes can be said in part. */
static void test_D_08_cut_between_decisions_of_one_record(void **state)
{
    (void)state;
    cut_everywhere(SIM_FS_SOME, 15, 1);
    cut_everywhere(SIM_FS_DROP, 16, 1);
}

/* --- other rules while it runs */

/* In the middle of the window that makes the brute force, and while a lockout's alert is open. */
static void test_Y_08_cut_at_every_call_around_a_reload(void **state)
{
    (void)state;
    cut_everywhere_reloading(SIM_FS_DROP, 21, 0, 2);
    cut_everywhere_reloading(SIM_FS_KEEP, 22, 0, 6);
    cut_everywhere_reloading(SIM_FS_SOME, 23, 0, 6);
    cut_everywhere_reloading(SIM_FS_SHRED, 24, 1, 7);
}

/* The book's lines with this title. */
static void find_alerts(struct world *w, const char *title, struct buf *out)
{
    struct buf all;
    buf_init(&all, 1 << 20);
    alerts_text(w, &all);
    for (struct sv rest = buf_view(&all); rest.n > 0;) {
        struct sv line = sv_cut(&rest, '\n');
        if (sv_find(line, sv_of(title)) < line.n)
            buf_printf(out, "%.*s\n", SV_FMT(line));
    }
    buf_free(&all);
}

static void test_Y_08_a_rule_told_of_in_other_words_keeps_its_window(void **state)
{
    struct world without, with;
    struct buf a, b;
    (void)state;
    for (int at = 1; at < STEPS; at++) {
        buf_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        world_begin(&without, 1);
        world_begin(&with, 1);
        with.reload_at = at;
        assert_int_equal(0, run(&without));
        assert_int_equal(0, run(&with));
        find_alerts(&without, "brute force", &a);
        find_alerts(&with, "brute force", &b);
        assert_true(a.n > 0 && sv_eq(buf_view(&a), buf_view(&b)));
        world_end(&without);
        world_end(&with);
        buf_free(&a);
        buf_free(&b);
    }
}

/* The record tells the recovery, whatever the files say by then; no checkpoint is needed for it. */
static void test_Y_08_a_replay_judges_by_the_rules_of_their_time(void **state)
{
    struct world w;
    struct err err;
    struct buf before, after;
    (void)state;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    world_begin(&w, 1);
    w.reload_at = 6;
    assert_int_equal(0, run(&w));
    alerts_text(&w, &before);
    core_abandon(&w.core);
    sim_fs_seam(w.disk)->unlink(sim_fs_seam(w.disk), "data/checkpoint");
    assert_int_equal(0, core_begin(&w));
    assert_int_equal(0, core_step(w.core, &err));
    alerts_text(&w, &after);
    assert_true(sv_eq(buf_view(&before), buf_view(&after)));
    assert_int_equal(0, w.core->counts.decisions); /* all of it was said */
    world_end(&w);
    buf_free(&before);
    buf_free(&after);
}

static void test_Y_08_a_refused_file_changes_nothing(void **state)
{
    static const char broken[] = "title: x\ndetection:\n  s:\n    a: 1\n  condition: other\n";
    struct world w;
    struct err err;
    struct core_reloaded reloaded;
    (void)state;
    world_begin(&w, 1);
    assert_int_equal(0, run(&w));
    uint64_t end = journal_end(w.core->journal);
    const struct ruleset *old = core_ruleset(w.core);
    struct rule_source rules[2] = {rules_of(&w),
                                   {.path = SV("broken.yml"), .bytes = sv_make(broken, sizeof broken - 1)}};
    struct core_options wanted = {.rules = rules, .rule_count = 2, .dedup_window_ns = 3600 * TC_SECOND_NS};
    assert_int_equal(TC_EINPUT, core_reload(w.core, &wanted, &reloaded, &err));
    assert_string_equal("broken.yml", err.file);
    assert_int_equal(5, err.line);
    assert_int_equal(0, core_step(w.core, &err));
    assert_int_equal(end, journal_end(w.core->journal));
    assert_ptr_equal(old, core_ruleset(w.core));
    wanted.rule_count = 1; /* the same again is no news */
    assert_int_equal(0, core_reload(w.core, &wanted, &reloaded, &err));
    assert_int_equal(0, reloaded.position);
    assert_int_equal(3, reloaded.rules.unchanged);
    world_end(&w);
}

/* --- many at once */

/* `count` events of users u<from>...; each user's is an alert of its own where `alerts`. */
static void append_events(struct world *w, int from, int count, bool alerts)
{
    struct arena arena = {0};
    struct buf blocks;
    struct err err;
    buf_init(&blocks, 32 << 20);
    for (int i = from; i < from + count; i++) {
        struct event event;
        struct parse_state state;
        struct sv text = arena_printf(&arena, "{\"event_type\":\"%s\",\"user.name\":\"u%d\"}",
                                      alerts || i == from ? "account_locked" : "seen", i);
        parse_state_init(&state, 0, 0, 0);
        parse_record(parser_find(SV("json")), &state, text, &arena, &event);
        event.source = SV("http:test");
        event.received.ns = w->clk.now_ns;
        record_encode(&event, &blocks);
    }
    struct journal_batch batch = {.kind = BATCH_INPUT,
                                  .received = {w->clk.now_ns},
                                  .blocks = buf_view(&blocks),
                                  .count = (uint32_t)count};
    assert_int_equal(0, journal_append_wait(core_journal(w->core), &batch, &(uint64_t){0}, &err));
    buf_free(&blocks);
    arena_free(&arena);
}

/* The core is far behind: more batches with decisions than any queue of frames would hold. */
static void test_a_long_backlog_with_an_alert_in_each_batch(void **state)
{
    struct world w;
    struct err err;
    (void)state;
    world_begin(&w, 3);
    assert_int_equal(0, core_begin(&w));
    for (int i = 0; i < 100; i++)
        append_events(&w, i * CORE_BATCH_RECORDS, CORE_BATCH_RECORDS, false);
    assert_int_equal(0, core_step(w.core, &err));
    assert_int_equal(100, book_count(w.core->book));
    world_end(&w);
}

static int count_row(void *context, const struct alert_row *row)
{
    (void)row;
    ++*(size_t *)context;
    return 0;
}

static size_t stored_alerts(struct world *w)
{
    struct err err;
    size_t count = 0;
    assert_int_equal(0, store_each_alert(w->core->store, &(struct alert_filter){.ended_since_ns = TC_NO_TIME},
                                         count_row, &count, &err));
    return count;
}

/* The store's disk is full for a while: judging goes on, and the store gets later what it missed. */
static void test_a_store_that_fails_for_a_while(void **state)
{
    struct world w;
    struct err err;
    (void)state;
    world_begin(&w, 5);
    assert_int_equal(0, core_begin(&w));
    assert_int_equal(SQLITE_OK,
                     sqlite3_exec(w.core->store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL));
    for (int i = 0; i < 20; i++) {
        w.clk.now_ns += TC_SECOND_NS;
        append_events(&w, i * 10, 10, true);
        assert_int_equal(0, core_step(w.core, &err));
    }
    assert_int_equal(200, book_count(w.core->book));
    assert_true(w.core->store_behind);
    assert_true(stored_alerts(&w) < 200);
    assert_int_equal(SQLITE_OK,
                     sqlite3_exec(w.core->store->db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL));
    w.clk.now_ns += 10 * TC_SECOND_NS;
    assert_int_equal(0, core_step(w.core, &err));
    assert_false(w.core->store_behind);
    assert_int_equal(200, stored_alerts(&w));
    uint64_t pending, sent, failed;
    assert_int_equal(0, store_outbox_counts(w.core->store, &pending, &sent, &failed, &err));
    assert_int_equal(200, pending);
    world_end(&w);
}

/* One tick resolves all of them: far more decisions than a frame holds. */
static void test_a_tick_that_resolves_very_many(void **state)
{
    enum { ALERTS = 30000 };
    struct world w;
    struct err err;
    (void)state;
    world_begin(&w, 4);
    assert_int_equal(0, core_begin(&w));
    append_events(&w, 0, ALERTS, true);
    assert_int_equal(0, core_step(w.core, &err));
    assert_int_equal(ALERTS, book_count(w.core->book));
    uint64_t before = w.core->counts.decisions;
    w.clk.now_ns += INT64_C(25) * 3600 * TC_SECOND_NS;
    assert_int_equal(0, core_step(w.core, &err));
    assert_int_equal(before + ALERTS, w.core->counts.decisions);
    world_end(&w);
}

/* --- digests */

static size_t digests_told(struct world *w)
{
    size_t count = 0;
    assert_int_equal(0, step(w));
    for (size_t i = 0; i < w->told_count; i++)
        count += strncmp(w->told[i], "digest-", 7) == 0;
    return count;
}

static void restart(struct world *w)
{
    core_abandon(&w->core);
    sim_fs_crash(w->disk, 1, SIM_FS_KEEP);
    assert_int_equal(0, core_begin(w));
}

/* At a moment, on the tick that passes it; before it none, and after a restart none again. */
static void test_D_04_three_alerts_make_one_digest_at_its_time(void **state)
{
    const int64_t due_ns =
        (START_NS / (86400 * TC_SECOND_NS) + 1) * 86400 * TC_SECOND_NS + 6 * 3600 * TC_SECOND_NS;
    struct world w;
    (void)state;
    world_begin(&w, 6);
    w.digests = true;
    assert_int_equal(0, core_begin(&w));
    assert_int_equal(0, digests_told(&w));
    append_events(&w, 0, 3, true);
    assert_int_equal(0, digests_told(&w));
    assert_int_equal(3, book_count(w.core->book));
    w.clk.now_ns = due_ns - 1;
    assert_int_equal(0, digests_told(&w));
    w.clk.now_ns = due_ns + TC_SECOND_NS;
    assert_int_equal(1, digests_told(&w));
    assert_string_equal(w.told[w.told_count - 1], "digest-2026-09-22T06:00:00Z:mail");
    restart(&w);
    assert_int_equal(1, digests_told(&w));
    w.clk.now_ns -= 3600 * TC_SECOND_NS; /* the clock is set back, and comes by again */
    assert_int_equal(1, digests_told(&w));
    w.clk.now_ns += 2 * 3600 * TC_SECOND_NS;
    assert_int_equal(1, digests_told(&w));
    w.clk.now_ns = due_ns + 86400 * TC_SECOND_NS + TC_SECOND_NS; /* nothing new: no digest */
    assert_int_equal(1, digests_told(&w));
    append_events(&w, 10, 1, true);
    assert_int_equal(1, digests_told(&w));
    restart(&w);
    w.clk.now_ns =
        due_ns + INT64_C(4) * 86400 * TC_SECOND_NS; /* three moments while it was down: one digest */
    assert_int_equal(2, digests_told(&w));
    restart(&w);
    assert_int_equal(2, digests_told(&w));
    world_end(&w);
}

/* Torn tails are what these tests make: their warnings would drown the rest. */
static void no_log(void *context, enum log_level level, const char *room, const char *text)
{
    (void)context;
    (void)level;
    (void)room;
    (void)text;
}

int main(void)
{
    log_set_sink(no_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_08_cut_at_every_call_dropping),
        cmocka_unit_test(test_D_08_cut_at_every_call_keeping),
        cmocka_unit_test(test_D_08_cut_at_every_call_some),
        cmocka_unit_test(test_D_08_cut_at_every_call_shredding),
        cmocka_unit_test(test_D_08_cut_between_decisions_of_one_record),
        cmocka_unit_test(test_J_06_cut_at_every_call_while_segments_become_cold),
        cmocka_unit_test(test_D_08_lives_by_chance),
        cmocka_unit_test(test_Y_08_cut_at_every_call_around_a_reload),
        cmocka_unit_test(test_Y_08_a_rule_told_of_in_other_words_keeps_its_window),
        cmocka_unit_test(test_Y_08_a_replay_judges_by_the_rules_of_their_time),
        cmocka_unit_test(test_Y_08_a_refused_file_changes_nothing),
        cmocka_unit_test(test_a_long_backlog_with_an_alert_in_each_batch),
        cmocka_unit_test(test_a_tick_that_resolves_very_many),
        cmocka_unit_test(test_a_store_that_fails_for_a_while),
        cmocka_unit_test(test_D_04_three_alerts_make_one_digest_at_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
