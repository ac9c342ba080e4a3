/*
 * baseline: what is learned, in silence; what is too much at that time of the week; what a burst cannot
 * teach; both changes of the clock; bounds; and that batches and restarts show nowhere. Weeks go by in
 * milliseconds: event time is the only clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/memory.h"
#include "detect/run_testkit.h"

#include <string.h>
#include <unistd.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 7 * DAY };
#define MONDAY INT64_C(1767571200) /* 2026-01-05T00:00:00Z */

#define RULE(map)                                                                                            \
    "title: much\nid: b\nlogsource: {category: x}\ndetection:\n  s:\n    k: v\n  condition: s\n"             \
    "tocsin:\n  owner: o\n  runbook: r\n  baseline: {group-by: [u]" map "}\n"

static void begin(struct run *run, const char *yaml)
{
    run_begin(run, yaml, &(struct detector_options){0});
    assert_int_equal(1, ruleset_count(run->kit.set));
}

static struct event *made(struct run *run, int64_t second, const char *user, uint32_t times, int64_t number)
{
    struct sv json =
        arena_printf(&run->kit.arena, "{\"k\":\"v\",\"u\":\"%s\",\"bytes\":%lld}", user, (long long)number);
    struct event *event = run_event(run, second, json.p);
    event->repeat = times;
    return event;
}

/* So many events at once; how often the rule fired anew. */
static size_t send_of(struct run *run, int64_t second, const char *user, uint32_t times)
{
    size_t before = run->fired;
    run_judge(run, made(run, second, user, times, 0));
    return run->fired - before;
}

static size_t sent(struct run *run, int64_t second, uint32_t times)
{
    return send_of(run, second, "ann", times);
}

static const struct finding *last(const struct run *run)
{
    return &run->found.items[run->found.count - 1];
}

static void skip_without_database(void)
{
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0)
        return;
    print_message("skipped: no time zone database (package tzdata)\n");
    skip();
}

/* Office hours: 40 events an hour from nine to five on weekdays, 2 an hour else; a little more or less. */
static uint32_t usual(int64_t second)
{
    int64_t hour = second % DAY / HOUR, weekday = (second - MONDAY) / DAY % 7;
    uint32_t wobble = (uint32_t)(second / HOUR * 7919 % 5);
    return weekday < 5 && hour >= 9 && hour < 17 ? 38 + wobble : 1 + wobble / 2;
}

static void live(struct run *run, int64_t from, int64_t to)
{
    for (int64_t at = from; at < to; at += HOUR)
        sent(run, at + 10 * MINUTE, usual(at));
}

static void test_C_113_fourteen_days_and_an_outlier_make_one_alert_with_its_reason(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(""));
    live(&run, MONDAY, MONDAY + 2 * WEEK + 3 * HOUR);
    assert_int_equal(0, run.fired);
    sent(&run, MONDAY + 2 * WEEK + 3 * HOUR, 30); /* Monday, three in the morning */
    live(&run, MONDAY + 2 * WEEK + 3 * HOUR, MONDAY + 5 * WEEK);
    assert_int_equal(1, run.fired);
    const struct finding *f = &run.found.items[0];
    assert_int_equal(30, f->count);
    assert_true(sv_is(f->group[0].value, "ann"));
    assert_non_null(strstr(arena_str(&run.kit.arena, f->why), "30 in 1h on Mondays at 03:00, expected "));
    assert_non_null(strstr(arena_str(&run.kit.arena, f->why), "; more than 10"));
    run_end(&run);
}

static void test_C_90_the_same_rate_is_usual_by_day_and_not_by_night(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(""));
    live(&run, MONDAY, MONDAY + 3 * WEEK);
    assert_int_equal(0, sent(&run, MONDAY + 3 * WEEK + 10 * HOUR, 45));
    assert_int_equal(1, sent(&run, MONDAY + 3 * WEEK + 22 * HOUR, 45));
    assert_int_equal(0, run.found.count > 1 ? 1 : 0);
    run_end(&run);
}

/* C-91: error rate above five times its baseline. */
static void test_C_91_76_a_minute_against_15_fire_75_do_not(void **state)
{
    static const char rule[] =
        RULE(", bucket: 1m, season: none, learn: 1h, history: 2d, deviations: 0, factor: 5");
    struct run run;
    (void)state;
    begin(&run, rule);
    for (int64_t i = 0; i < 120; i++)
        assert_int_equal(0, sent(&run, MONDAY + i * MINUTE, 15));
    assert_int_equal(0, sent(&run, MONDAY + 120 * MINUTE, 75));
    assert_int_equal(1, sent(&run, MONDAY + 120 * MINUTE + 1, 1));
    assert_int_equal(76, last(&run)->count);
    assert_true(sv_is(last(&run)->why, "76 in 1m, expected 15, spread 3.9; more than 75"));
    assert_int_equal(0, sent(&run, MONDAY + 120 * MINUTE + 2, 51)); /* 127 in it: the same episode */
    assert_true(last(&run)->repeat);
    run_end(&run);
}

static void test_nothing_is_said_while_it_learns(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", learn: 14d"));
    live(&run, MONDAY, MONDAY + 10 * DAY);
    assert_int_equal(0, sent(&run, MONDAY + 10 * DAY, 100000));
    assert_int_equal(0, run.found.count);
    assert_int_equal(0, send_of(&run, MONDAY + 3 * WEEK, "bob", 100000)); /* his first */
    run_end(&run);
}

static void test_a_history_without_variation_does_not_make_the_next_event_an_alarm(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", season: none, learn: 2d, least: 0"));
    for (int64_t i = 0; i < 100; i++)
        sent(&run, MONDAY + i * HOUR, 1);
    assert_int_equal(0, sent(&run, MONDAY + 100 * HOUR, 5)); /* 1 + 4 x 1 */
    assert_int_equal(1, sent(&run, MONDAY + 100 * HOUR + 1, 1));
    assert_true(sv_is(last(&run)->why, "6 in 1h, expected 1, spread 1; more than 5"));
    run_end(&run);
}

static void test_where_nothing_ever_came_least_decides(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", season: day, learn: 2d, history: 30d"));
    for (int64_t i = 0; i < 20; i++)
        sent(&run, MONDAY + i * DAY + 12 * HOUR, 50); /* noon and no other hour */
    assert_int_equal(0, sent(&run, MONDAY + 20 * DAY + 3 * HOUR, 10));
    assert_int_equal(1, sent(&run, MONDAY + 20 * DAY + 3 * HOUR + 1, 1));
    assert_true(sv_is(last(&run)->why, "11 in 1h at 03:00, expected 0, spread 1; more than 10"));
    run_end(&run);
}

static void test_hours_that_stay_empty_are_part_of_what_is_expected(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", season: day, learn: 2d, history: 10d"));
    for (int64_t i = 0; i < 10; i++)
        sent(&run, MONDAY + i * DAY + 12 * HOUR, 40);
    for (int64_t i = 10; i < 40; i++) /* and then nobody at noon for a month, but at one */
        sent(&run, MONDAY + i * DAY + 13 * HOUR, 1);
    assert_int_equal(1, sent(&run, MONDAY + 40 * DAY + 12 * HOUR, 40));
    assert_non_null(strstr(arena_str(&run.kit.arena, last(&run)->why), ", expected 0, "));
    run_end(&run);
}

static void test_a_burst_does_not_teach_that_bursts_are_usual(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", season: none, learn: 2d, history: 14d"));
    for (int64_t i = 0; i < 200; i++)
        sent(&run, MONDAY + i * HOUR, 20);
    for (int64_t i = 200; i < 220; i += 2) { /* every other hour a thousandfold */
        assert_int_equal(1, sent(&run, MONDAY + i * HOUR, 20000));
        assert_int_equal(0, sent(&run, MONDAY + (i + 1) * HOUR, 20));
    }
    assert_int_equal(10, run.fired);
    assert_int_equal(1, sent(&run, MONDAY + 220 * HOUR, 60)); /* three times the usual is news still */
    run_end(&run);
}

static void test_a_slow_ramp_is_believed_as_the_papers_say(void **state)
{
    struct run run;
    uint32_t rate = 100;
    (void)state;
    begin(&run, RULE(", season: none, learn: 2d, history: 7d"));
    for (int64_t i = 0; i < 60 * 24; i++) {
        if (i % 24 == 0 && i > 7 * 24)
            rate += rate / 50; /* two percent a day */
        sent(&run, MONDAY + i * HOUR, rate);
    }
    assert_int_equal(0, run.fired);
    assert_true(rate > 200);
    run_end(&run);
}

static void test_an_episode_is_said_once(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", season: none, learn: 2d, history: 14d"));
    for (int64_t i = 0; i < 100; i++)
        sent(&run, MONDAY + i * HOUR, 10);
    assert_int_equal(1, sent(&run, MONDAY + 100 * HOUR, 500));
    assert_int_equal(0, sent(&run, MONDAY + 101 * HOUR, 500)); /* goes on */
    assert_true(last(&run)->repeat);
    assert_int_equal(100 * HOUR, last(&run)->episode_start.ns / TC_SECOND_NS - MONDAY);
    sent(&run, MONDAY + 102 * HOUR, 10);
    assert_int_equal(1, sent(&run, MONDAY + 103 * HOUR, 500)); /* another */
    run_end(&run);
}

static void test_the_clock_is_changed_and_office_hours_stay_where_they_are(void **state)
{
    static const char *const rules[] = {RULE(", season: day, learn: 4d, time_zone: Europe/Berlin"),
                                        RULE(", season: day, learn: 4d")};
    static const size_t fired[] = {0, 1}; /* by UTC the hour before is busy from the change on */
    (void)state;
    skip_without_database();
    for (size_t k = 0; k < TC_ARRAY_LEN(rules); k++) {
        struct run run;
        begin(&run, rules[k]);
        for (int64_t at = MONDAY + 8 * WEEK; at < MONDAY + 14 * WEEK; at += HOUR) {
            bool summer = at >= INT64_C(1774746000); /* 2026-03-29T01:00:00Z */
            int64_t hour = (at + (summer ? 2 : 1) * HOUR) % DAY / HOUR;
            sent(&run, at, hour >= 9 && hour < 17 ? 200 : 1);
        }
        assert_int_equal(fired[k], run.fired > 0);
        run_end(&run);
    }
}

static void test_buckets_of_a_day_and_numbers_of_a_field(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", bucket: 1d, season: none, learn: 7d, field: bytes, least: 1000"));
    for (int64_t i = 0; i < 20; i++) {
        const struct event *event = made(&run, MONDAY + i * DAY + 5 * HOUR, "ann", 1, 40000);
        detector_judge(run.detector, &event, 1, &run.found);
    }
    const struct event *event = made(&run, MONDAY + 20 * DAY, "ann", 1, 41000);
    detector_judge(run.detector, &event, 1, &run.found);
    assert_int_equal(1, run.found.count); /* 40000 + 4 x its root */
    assert_int_equal(41000, last(&run)->count);
    assert_true(sv_is(last(&run)->why, "41000 in 1d, expected 40000, spread 200; more than 40800"));
    run_end(&run);
}

static void test_events_out_of_order_are_of_their_own_bucket(void **state)
{
    struct run run;
    (void)state;
    run_begin(&run, RULE(", season: none, learn: 2d, history: 14d"),
              &(struct detector_options){.lateness_ns = 3 * HOUR * TC_SECOND_NS});
    for (int64_t i = 0; i < 100; i++)
        sent(&run, MONDAY + i * HOUR, 30);
    assert_int_equal(0, sent(&run, MONDAY + 99 * HOUR + 30 * MINUTE, 15));
    assert_int_equal(0, sent(&run, MONDAY + 100 * HOUR, 30));
    assert_int_equal(1, sent(&run, MONDAY + 99 * HOUR + 40 * MINUTE, 15)); /* 60 in the hour before */
    assert_int_equal(60, last(&run)->count);
    assert_int_equal(0, sent(&run, MONDAY + 90 * HOUR, 1000)); /* too late for windows, and for this */
    run_end(&run);
}

static void test_who_is_not_heard_of_for_the_history_is_learned_anew(void **state)
{
    struct run run;
    (void)state;
    begin(&run, RULE(", season: none, learn: 2d, history: 14d"));
    for (int64_t i = 0; i < 100; i++)
        sent(&run, MONDAY + i * HOUR, 10);
    send_of(&run, MONDAY + 3 * WEEK, "bob", 1);
    assert_int_equal(0, sent(&run, MONDAY + 3 * WEEK, 1000));
    run_end(&run);
}

static void test_a_flood_of_groups_does_not_push_out_what_was_learned(void **state)
{
    struct run run;
    struct detector_stats stats;
    char name[16];
    (void)state;
    run_begin(&run, RULE(", season: none, learn: 2d, history: 14d"),
              &(struct detector_options){.max_groups = 64000}); /* a tenth: 100 a shard */
    for (int64_t i = 0; i < 100; i++)
        sent(&run, MONDAY + i * HOUR, 10);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "u%d", i);
        send_of(&run, MONDAY + 100 * HOUR, name, 1);
    }
    assert_int_equal(1, sent(&run, MONDAY + 100 * HOUR + 1, 1000));
    detector_stats(run.detector, &stats);
    assert_true(stats.groups <= 6400 && stats.evicted_groups >= 13000);
    run_end(&run);
}

static void print(struct buf *out, const struct finding_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        buf_printf(out, "%llu %lld %d %u %.*s %.*s\n", (unsigned long long)list->items[i].position,
                   (long long)list->items[i].time.ns, list->items[i].repeat, list->items[i].count,
                   SV_FMT(list->items[i].group[0].value), SV_FMT(list->items[i].why));
}

static uint64_t below(const struct sim_rng *rng, uint64_t bound)
{
    return rng_u64(&rng->rng) % bound;
}

/* Random rates, out of order, cut and restarted anywhere. */
static void test_C19_batches_and_restarts_show_nowhere(void **state)
{
    static const char *const rules[] = {
        RULE(", bucket: 5m, season: day, learn: 2d, history: 10d, least: 3, deviations: 1"),
        RULE(", bucket: 1d, season: week, learn: 14d, history: 28d, least: 3, deviations: 1"),
        RULE(", season: week, learn: 14d, history: 28d, least: 3, deviations: 1, field: bytes")};
    enum { EVENTS = 1500 };
    (void)state;
    for (uint64_t seed = 1; seed <= 9; seed++) {
        struct run run;
        struct sim_rng rng;
        const struct event **events = tc_alloc(EVENTS * sizeof events[0]);
        struct buf whole, parts;
        sim_rng_init(&rng, seed);
        struct detector_options options = {.lateness_ns = (int64_t)below(&rng, 30) * HOUR * TC_SECOND_NS};
        run_begin(&run, rules[seed % 3], &options);
        buf_init(&whole, 1 << 22);
        buf_init(&parts, 1 << 22);
        for (int i = 0; i < EVENTS; i++) {
            static const char *const users[] = {"a", "b"};
            int64_t at = MONDAY + i * (40 * (int64_t)DAY / EVENTS) + (int64_t)below(&rng, 2 * HOUR);
            events[i] = made(&run, at, users[below(&rng, 2)], 1 + (below(&rng, 50) == 0) * 40,
                             (int64_t)below(&rng, 9));
        }
        detector_judge(run.detector, events, EVENTS, &run.found);
        print(&whole, &run.found);
        assert_true(run.found.count > 0);
        run.found = (struct finding_list){.arena = &run.kit.arena};
        detector_free(&run.detector);
        run.detector = detector_new(run.kit.set, &options);
        for (size_t at = 0; at < EVENTS;) {
            size_t count = 1 + below(&rng, 90);
            struct buf saved, again;
            struct err err;
            count = TC_MIN(count, EVENTS - at);
            detector_judge(run.detector, events + at, count, &run.found);
            at += count;
            buf_init(&saved, 1 << 22);
            buf_init(&again, 1 << 22);
            detector_save(run.detector, &saved);
            detector_free(&run.detector);
            run.detector = detector_new(run.kit.set, &options);
            assert_int_equal(0, detector_load(run.detector, buf_view(&saved), &err));
            detector_save(run.detector, &again);
            assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
            buf_free(&saved);
            buf_free(&again);
        }
        print(&parts, &run.found);
        assert_true(sv_eq(buf_view(&whole), buf_view(&parts)));
        buf_free(&whole);
        buf_free(&parts);
        free(events);
        run_end(&run);
    }
}

static void refuses(const char *map, const char *construct)
{
    struct kit kit = {0};
    struct sv yaml = arena_printf(&kit.arena,
                                  "title: t\nid: i\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n"
                                  "  condition: s\ntocsin:\n  owner: o\n  runbook: r\n  baseline: %s\n",
                                  map);
    kit_load(&kit, yaml.p);
    if (strcmp(construct, kit_refusal(&kit)) != 0)
        fail_msg("%s: %s", map, kit_refusal(&kit));
    assert_int_equal(11, ruleset_note(kit.set, ruleset_note_count(kit.set) - 1)->err.line);
    kit_free(&kit);
}

static void test_what_is_wrong_is_refused_at_its_place(void **state)
{
    (void)state;
    refuses("yes", "baseline");
    refuses("{bukket: 1h}", "baseline");
    refuses("{bucket: 7m}", "baseline");
    refuses("{bucket: 30s}", "baseline");
    refuses("{bucket: 2h}", "baseline");
    refuses("{bucket: soon}", "timespan");
    refuses("{season: month}", "baseline");
    refuses("{season: day, bucket: 1d}", "baseline");
    refuses("{time_zone: Europe/Atlantis}", "baseline");
    refuses("{learn: 13d}", "baseline");
    refuses("{learn: 60d}", "baseline");
    refuses("{season: none, bucket: 1m}", "baseline");
    refuses("{deviations: -1}", "baseline");
    refuses("{factor: 0.5}", "baseline");
    refuses("{least: many}", "baseline");
    refuses("{field: [a, b]}", "baseline");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_113_fourteen_days_and_an_outlier_make_one_alert_with_its_reason),
        cmocka_unit_test(test_C_90_the_same_rate_is_usual_by_day_and_not_by_night),
        cmocka_unit_test(test_C_91_76_a_minute_against_15_fire_75_do_not),
        cmocka_unit_test(test_nothing_is_said_while_it_learns),
        cmocka_unit_test(test_a_history_without_variation_does_not_make_the_next_event_an_alarm),
        cmocka_unit_test(test_where_nothing_ever_came_least_decides),
        cmocka_unit_test(test_hours_that_stay_empty_are_part_of_what_is_expected),
        cmocka_unit_test(test_a_burst_does_not_teach_that_bursts_are_usual),
        cmocka_unit_test(test_a_slow_ramp_is_believed_as_the_papers_say),
        cmocka_unit_test(test_an_episode_is_said_once),
        cmocka_unit_test(test_the_clock_is_changed_and_office_hours_stay_where_they_are),
        cmocka_unit_test(test_buckets_of_a_day_and_numbers_of_a_field),
        cmocka_unit_test(test_events_out_of_order_are_of_their_own_bucket),
        cmocka_unit_test(test_who_is_not_heard_of_for_the_history_is_learned_anew),
        cmocka_unit_test(test_a_flood_of_groups_does_not_push_out_what_was_learned),
        cmocka_unit_test(test_C19_batches_and_restarts_show_nowhere),
        cmocka_unit_test(test_what_is_wrong_is_refused_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
