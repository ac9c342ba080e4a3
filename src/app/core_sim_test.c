/*
 * The power is cut at every file call of a short run, and in other runs at random (core_sim_testkit.h); other
 * rules come into force in the middle; backlogs, digests and a store that fails.
 */
#include "app/core_sim_testkit.h"

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

/* Failed logins from two addresses, and now and then a lockout. */
static size_t brute_force_event(int number, int i, int64_t *time_ns, uint32_t *repeat, char *out, size_t n)
{
    bool locked = number % 5 == 4 && i == 0;
    (void)time_ns;
    (void)repeat;
    return (size_t)snprintf(
        out, n, "{\"n\":%d,\"event_type\":\"%s\",\"source.ip\":\"10.0.0.%d\",\"user.name\":\"u%d\"}",
        number * 3 + i, locked ? "account_locked" : "login_failed", number % 2, number);
}

static const struct play brute_force = {.rules = rule_text,
                                        .changed = changed_text,
                                        .steps = 14,
                                        .events_a_step = 3,
                                        .step_ns = TC_SECOND_NS,
                                        .least_alerts = 4,
                                        .event = brute_force_event};

/* --- cold segments */

static void test_J_06_cut_at_every_call_while_segments_become_cold(void **state)
{
    (void)state;
    cut_everywhere(&brute_force, SIM_FS_SHRED, 31, 0, 0, true);
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
    world_begin(&w, &brute_force, seed);
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
        uint64_t some =
            calm_run(&calm[i / 2][i % 2], &brute_force, i % 2, 0, i / 2 == 1, &expected[i / 2][i % 2]);
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
    cut_everywhere(&brute_force, SIM_FS_DROP, 11, 0, 0, false);
}

static void test_D_08_cut_at_every_call_keeping(void **state)
{
    (void)state;
    cut_everywhere(&brute_force, SIM_FS_KEEP, 12, 0, 0, false);
}

static void test_D_08_cut_at_every_call_some(void **state)
{
    (void)state;
    cut_everywhere(&brute_force, SIM_FS_SOME, 14, 0, 0, false);
}

static void test_D_08_cut_at_every_call_shredding(void **state)
{
    (void)state;
    cut_everywhere(&brute_force, SIM_FS_SHRED, 13, 0, 0, false);
}

/* Every record of a decision in a frame of its own: what one position causes can be said in part. */
static void test_D_08_cut_between_decisions_of_one_record(void **state)
{
    (void)state;
    cut_everywhere(&brute_force, SIM_FS_SOME, 15, 1, 0, false);
    cut_everywhere(&brute_force, SIM_FS_DROP, 16, 1, 0, false);
}

/* --- other rules while it runs */

/* In the middle of the window that makes the brute force, and while a lockout's alert is open. */
static void test_Y_08_cut_at_every_call_around_a_reload(void **state)
{
    (void)state;
    cut_everywhere(&brute_force, SIM_FS_DROP, 21, 0, 2, false);
    cut_everywhere(&brute_force, SIM_FS_KEEP, 22, 0, 6, false);
    cut_everywhere(&brute_force, SIM_FS_SOME, 23, 0, 6, false);
    cut_everywhere(&brute_force, SIM_FS_SHRED, 24, 1, 7, false);
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
    for (int at = 1; at < brute_force.steps; at++) {
        buf_init(&a, 1 << 20);
        buf_init(&b, 1 << 20);
        world_begin(&without, &brute_force, 1);
        world_begin(&with, &brute_force, 1);
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
    world_begin(&w, &brute_force, 1);
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
    world_begin(&w, &brute_force, 1);
    assert_int_equal(0, run(&w));
    uint64_t end = journal_end(w.core->journal);
    const struct ruleset *old = core_ruleset(w.core);
    struct rule_source rules[2] = {rules_of(&w),
                                   {.path = SV("broken.yml"), .bytes = sv_make(broken, sizeof broken - 1)}};
    struct core_options wanted = {.rules = rules,
                                  .rule_count = 2,
                                  .dedup_window_ns = 3600 * TC_SECOND_NS,
                                  .digest_at_s = w.core->options.digest_at_s};
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
    world_begin(&w, &brute_force, 3);
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
    world_begin(&w, &brute_force, 5);
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
    world_begin(&w, &brute_force, 4);
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

static const char low_rule_text[] =
    "title: locked\nid: 00000000-0000-0000-0000-000000000004\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: account_locked\n  condition: s\nlevel: low\n";

static const char high_rule_text[] =
    "title: locked\nid: 00000000-0000-0000-0000-000000000005\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: account_locked\n  condition: s\nlevel: high\n";

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
    world_begin(&w, &brute_force, 6);
    w.digest_rules = low_rule_text;
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

/* Whether an intent in the journal has this text. */
static bool journal_says(const struct world *w, struct sv text)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct event e;
    bool says = false;
    assert_int_equal(journal_reader_open(sim_fs_seam(w->disk), "data", 0, NULL, &reader, NULL), 0);
    while (journal_reader_next(reader, &frame, NULL) > 0)
        for (struct sv rest = frame.blocks; rest.n > 0; rest = sv_from(rest, record_length(rest))) {
            assert_int_equal(record_decode_envelope(sv_head(rest, record_length(rest)), &e, NULL), 0);
            says = says || (e.type == REC_INTENT && sv_find(e.raw, text) < e.raw.n);
        }
    journal_reader_close(&reader);
    return says;
}

/* The hour and the channels of the digest, changed while the core runs. */
static void change_digest(struct world *w, int at_s, struct sv channel)
{
    struct rule_source rules[1] = {rules_of(w)};
    struct core_options wanted = {.rules = rules,
                                  .rule_count = 1,
                                  .dedup_window_ns = 3600 * TC_SECOND_NS,
                                  .digest_at_s = at_s,
                                  .digest_channels = &channel,
                                  .digest_channel_count = 1};
    struct core_reloaded reloaded;
    struct err err;
    assert_int_equal(0, core_reload(w->core, &wanted, &reloaded, &err));
    assert_true(reloaded.position > 0);
    w->digest_at_s = at_s; /* what a start would read */
}

/* An alert stands in one digest, whatever becomes of its hour; a replay passes old moments by the old hour.
 */
static void test_D_04_another_hour_repeats_and_loses_no_alert(void **state)
{
    const int64_t hour_ns = 3600 * TC_SECOND_NS;
    const int64_t due_ns = (START_NS / (24 * hour_ns) + 1) * 24 * hour_ns + 6 * hour_ns; /* 08:00 there */
    struct world w;
    (void)state;
    world_begin(&w, &brute_force, 6);
    w.digest_rules = low_rule_text;
    assert_int_equal(0, core_begin(&w));
    append_events(&w, 0, 3, true);
    assert_int_equal(0, digests_told(&w));
    w.clk.now_ns = due_ns + TC_SECOND_NS;
    assert_int_equal(1, digests_told(&w));
    /* later, at nine: what was told at eight does not come again at ten */
    w.clk.now_ns = due_ns + hour_ns;
    change_digest(&w, 10 * 3600, SV("mail"));
    w.clk.now_ns = due_ns + 2 * hour_ns + TC_SECOND_NS;
    assert_int_equal(1, digests_told(&w));
    append_events(&w, 10, 2, true);
    restart(&w);
    w.clk.now_ns = due_ns + 26 * hour_ns - TC_SECOND_NS;
    assert_int_equal(1, digests_told(&w));
    w.clk.now_ns = due_ns + 26 * hour_ns + TC_SECOND_NS;
    assert_int_equal(2, digests_told(&w));
    assert_true(journal_says(&w, SV("Daily digest: 2 P4 alerts from 2026-09-22T08:00:00Z to "
                                    "2026-09-23T08:00:00Z")));
    /* earlier, when that hour of the day is over: what came since is told at once, and by another channel */
    append_events(&w, 20, 1, true);
    w.clk.now_ns = due_ns + 49 * hour_ns;
    assert_int_equal(2, digests_told(&w));
    change_digest(&w, 8 * 3600, SV("pager"));
    assert_int_equal(0, step(&w)); /* changes over; the next tick sees it */
    w.clk.now_ns += TC_SECOND_NS;
    assert_int_equal(3, digests_told(&w));
    assert_string_equal(w.told[w.told_count - 1], "digest-2026-09-24T06:00:00Z:pager");
    restart(&w);
    assert_int_equal(3, digests_told(&w));
    w.clk.now_ns = due_ns + 72 * hour_ns + TC_SECOND_NS;
    assert_int_equal(3, digests_told(&w));
    world_end(&w);
}

/* On the day of the review all that is open is told, P4 or not; on others nothing, where there is no P4. */
static void test_D_20_a_review_lists_what_is_open(void **state)
{
    const int64_t day_ns = INT64_C(86400) * TC_SECOND_NS;
    const int64_t due_ns = (START_NS / day_ns + 1) * day_ns + 6 * 3600 * TC_SECOND_NS;
    struct world w;
    (void)state;
    world_begin(&w, &brute_force, 6);
    w.digest_rules = high_rule_text;
    w.review_days = 1u << clk_weekday(due_ns);
    assert_int_equal(0, core_begin(&w));
    append_events(&w, 0, 3, true);
    assert_int_equal(0, digests_told(&w));
    assert_int_equal(3, book_count(w.core->book));
    w.clk.now_ns = due_ns + TC_SECOND_NS;
    assert_int_equal(1, digests_told(&w));
    assert_true(journal_says(&w, SV("Daily digest: 0 P4 alerts")));
    assert_true(journal_says(&w, SV("; for review: 3 open, 0 of them overdue")));
    assert_true(journal_says(&w, SV("P2 firing, open for ")));
    restart(&w);
    append_events(&w, 3, 1, true);
    w.clk.now_ns = due_ns + day_ns + TC_SECOND_NS; /* another day */
    assert_int_equal(1, digests_told(&w));
    world_end(&w);
}

/* Down over the day of the review: it comes with the next start, once. */
static void test_D_20_a_review_that_was_missed_comes_with_the_start(void **state)
{
    const int64_t day_ns = INT64_C(86400) * TC_SECOND_NS;
    const int64_t due_ns = (START_NS / day_ns + 1) * day_ns + 6 * 3600 * TC_SECOND_NS;
    struct world w;
    (void)state;
    world_begin(&w, &brute_force, 6);
    w.digest_rules = high_rule_text;
    w.review_days = 1u << clk_weekday(due_ns);
    assert_int_equal(0, core_begin(&w));
    append_events(&w, 0, 3, true);
    assert_int_equal(0, digests_told(&w));
    w.clk.now_ns = due_ns + day_ns + TC_SECOND_NS; /* the day after */
    append_events(&w, 3, 1, true);                 /* what keeps one of them from its end */
    restart(&w);
    assert_int_equal(1, digests_told(&w));
    assert_true(journal_says(&w, SV("; for review: ")));
    restart(&w);
    w.clk.now_ns += day_ns;
    append_events(&w, 4, 1, true);
    assert_int_equal(1, digests_told(&w));
    world_end(&w);
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
        cmocka_unit_test(test_D_04_another_hour_repeats_and_loses_no_alert),
        cmocka_unit_test(test_D_20_a_review_lists_what_is_open),
        cmocka_unit_test(test_D_20_a_review_that_was_missed_comes_with_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
