/*
 * absence: who stays away is told of once, when that is known; none of it depends on batches, threads, the
 * order within the lateness, or restarts. The last test asks a slow model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/memory.h"
#include "detect/run_testkit.h"

static const char rule[] = "title: away\nid: a\nlogsource: {category: heartbeat}\n"
                           "detection:\n  s:\n    event_type: beat\n  condition: s\n"
                           "tocsin:\n  owner: o\n  runbook: r\n  absence:\n    group-by: [host]\n"
                           "    timespan: 10s\n";

static void begin(struct run *run)
{
    run_begin(run, rule, &(struct detector_options){0});
}

static struct event *made(struct run *run, int64_t second, const char *host, const char *type)
{
    struct sv json = arena_printf(&run->kit.arena, "{\"event_type\":\"%s\",\"host\":\"%s\"}", type, host);
    return run_event(run, second, json.p);
}

/* How many findings this event brings about. */
static size_t beat(struct run *run, int64_t second, const char *host)
{
    return run_judge(run, made(run, second, host, "beat"));
}

/* Time goes on by an event that the rule does not ask for. */
static size_t other(struct run *run, int64_t second)
{
    return run_judge(run, made(run, second, "x", "other"));
}

static void test_who_stays_away_is_told_of_once_and_learned_anew(void **state)
{
    struct run run;
    (void)state;
    begin(&run);
    assert_int_equal(0, beat(&run, 100, "a"));
    assert_int_equal(0, beat(&run, 105, "b"));
    assert_int_equal(0, beat(&run, 110, "a")); /* at the timespan's very end */
    assert_int_equal(0, other(&run, 115));     /* b may come until then */
    assert_int_equal(1, other(&run, 116));
    const struct finding *f = &run.found.items[0];
    assert_int_equal(FINDING_CORRELATION, f->kind);
    assert_int_equal(115 * TC_SECOND_NS, f->time.ns);
    assert_int_equal(1, f->group_count);
    assert_true(sv_is(f->group[0].name, "host") && sv_is(f->group[0].value, "b"));
    assert_int_equal(0, f->count);
    assert_null(f->event);
    assert_int_equal(1, other(&run, 1000)); /* a; b was told of already */
    assert_true(sv_is(run.found.items[1].group[0].value, "a"));
    assert_int_equal(0, other(&run, 2000));
    assert_int_equal(0, beat(&run, 2001, "b"));
    assert_int_equal(1, beat(&run, 2012, "b")); /* it comes, but too late */
    assert_int_equal(2011 * TC_SECOND_NS, run.found.items[2].time.ns);
    run_end(&run);
}

static void test_a_tick_tells_and_the_end_of_the_input_does_not(void **state)
{
    struct run run;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){.receive_time_stands_in = true});
    struct event *event = made(&run, 0, "a", "beat");
    event->time.ns = TC_NO_TIME;
    event->received.ns = 100 * TC_SECOND_NS;
    assert_false(detector_waits(run.detector));
    detector_judge(run.detector, (const struct event *const *)&event, 1, &run.found);
    assert_true(detector_waits(run.detector));
    detector_tick(run.detector, 5, (struct receive_time){.ns = 110 * TC_SECOND_NS}, &run.found);
    assert_int_equal(0, run.found.count);
    for (int64_t second = 111; second < 10000 && run.found.count == 0; second += 10)
        detector_tick(run.detector, 6, (struct receive_time){.ns = second * TC_SECOND_NS}, &run.found);
    assert_int_equal(1, run.found.count);
    assert_int_equal(6, run.found.items[0].position);
    assert_int_equal(110 * TC_SECOND_NS, run.found.items[0].time.ns);
    assert_false(detector_waits(run.detector));
    run_end(&run);
    begin(&run);
    assert_int_equal(0, beat(&run, 100, "a"));
    detector_finish(run.detector, &run.found);
    assert_int_equal(0, run.found.count);
    run_end(&run);
    run_begin(&run, rule, &(struct detector_options){.lateness_ns = 3600 * TC_SECOND_NS});
    assert_int_equal(0, beat(&run, 150, "a"));
    assert_int_equal(0, beat(&run, 100, "a")); /* the gap between the two is one, whatever comes */
    detector_finish(run.detector, &run.found);
    assert_int_equal(1, run.found.count);
    assert_int_equal(110 * TC_SECOND_NS, run.found.items[0].time.ns);
    run_end(&run);
}

static void test_events_without_the_field_take_no_part_and_one_group_for_all(void **state)
{
    struct run run;
    (void)state;
    begin(&run);
    struct event *event = made(&run, 1, "a", "beat");
    *event = kit_event(&run.kit, "{\"event_type\":\"beat\"}");
    event->time.ns = TC_SECOND_NS;
    detector_judge(run.detector, (const struct event *const *)&event, 1, &run.found);
    assert_int_equal(0, other(&run, 100));
    run_end(&run);
    run_begin(
        &run,
        "title: t\nid: i\nlogsource: {product: any}\ndetection:\n  s:\n    event_type: beat\n  condition: s\n"
        "tocsin: {owner: o, runbook: r, absence: {timespan: 10s}}\n",
        &(struct detector_options){0});
    assert_int_equal(0, beat(&run, 1, "a"));
    assert_int_equal(0, beat(&run, 10, "b"));
    assert_int_equal(0, other(&run, 20));
    assert_int_equal(1, other(&run, 21));
    run_end(&run);
}

static void test_a_flood_of_groups_that_come_once_does_not_push_out_the_others(void **state)
{
    struct run run;
    struct detector_stats stats;
    char name[16];
    (void)state;
    run_begin(&run, rule, &(struct detector_options){.max_groups = 64 * 4});
    beat(&run, 1, "kept");
    beat(&run, 2, "kept");
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "h%d", i);
        beat(&run, 3, name);
    }
    detector_stats(run.detector, &stats);
    assert_true(stats.evicted_groups > 4000 && stats.groups <= 256);
    other(&run, 100);
    bool told = false;
    for (size_t i = 0; i < run.found.count; i++)
        told |= sv_is(run.found.items[i].group[0].value, "kept");
    assert_true(told);
    run_end(&run);
}

static void refuses(const char *map, const char *construct)
{
    struct kit kit = {0};
    struct sv yaml = arena_printf(&kit.arena,
                                  "title: t\nid: i\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n"
                                  "  condition: s\ntocsin:\n  owner: o\n  runbook: r\n  absence: %s\n",
                                  map);
    kit_load(&kit, yaml.p);
    assert_string_equal(construct, kit_refusal(&kit));
    kit_free(&kit);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    refuses("{timespan: 1d}", "");
    refuses("{group-by: [a, b], timespan: 1h}", "");
    refuses("{group-by: a}", "timespan");
    refuses("{timespan: 0s}", "timespan");
    refuses("{timespan: 1d, field: a}", "absence");
    refuses("yes", "absence");
    refuses("{timespan: 1d}\n  new_value: {field: a, timespan: 1d}", "absence");
    struct kit kit = {0};
    kit_load(&kit, arena_printf(&kit.arena,
                                "%s---\ntitle: c\nid: c\ncorrelation:\n  type: event_count\n  rules: [a]\n"
                                "  timespan: 1h\n  condition:\n    gte: 2\n",
                                rule)
                       .p);
    assert_string_equal("correlation of ended windows", kit_refusal(&kit));
    kit_free(&kit);
}

/* --- random timelines against a slow model */

enum { BEATS = 600, HOSTS = 5, LATENESS = 40 };

struct timeline {
    int64_t second[BEATS];
    int host[BEATS];
};

static void make(struct timeline *t, struct sim_rng *rng)
{
    int64_t now = 1000;
    for (int i = 0; i < BEATS; i++) {
        now += (int64_t)(rng_u64(&rng->rng) % 4);
        t->second[i] = now - (int64_t)(rng_u64(&rng->rng) % LATENESS); /* out of order */
        t->host[i] = (int)(rng_u64(&rng->rng) % HOSTS);
    }
}

/* Was the host of `at` away after it, as is known at `floor`? Equal times are one event. */
static bool is_away_after(const struct timeline *t, int at, int64_t floor)
{
    for (int i = 0; i < BEATS; i++)
        if (t->host[i] == t->host[at] &&
            ((t->second[i] > t->second[at] && t->second[i] <= t->second[at] + 10) ||
             (i < at && t->second[i] == t->second[at])))
            return false;
    return t->second[at] + 10 < floor;
}

static const struct event *timeline_event(struct run *run, const struct timeline *t, int at)
{
    char host[8];
    snprintf(host, sizeof host, "h%d", t->host[at]);
    return made(run, t->second[at], host, "beat");
}

static void save_and_load(struct run *run, const struct detector_options *options)
{
    struct buf saved, again;
    struct err err;
    buf_init(&saved, 1 << 24);
    buf_init(&again, 1 << 24);
    detector_save(run->detector, &saved);
    detector_free(&run->detector);
    run->detector = detector_new(run->kit.set, options);
    assert_int_equal(0, detector_load(run->detector, buf_view(&saved), &err));
    detector_save(run->detector, &again);
    assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
    buf_free(&saved);
    buf_free(&again);
}

static void check(const struct run *run, const struct timeline *t)
{
    int64_t floor = 0;
    size_t expected = 0;
    for (int i = 0; i < BEATS; i++)
        floor = TC_MAX(floor, t->second[i] - LATENESS);
    for (int i = 0; i < BEATS; i++) {
        char host[8];
        size_t found = 0;
        if (!is_away_after(t, i, floor))
            continue;
        expected++;
        snprintf(host, sizeof host, "h%d", t->host[i]);
        for (size_t k = 0; k < run->found.count; k++)
            found += run->found.items[k].time.ns == (t->second[i] + 10) * TC_SECOND_NS &&
                     sv_is(run->found.items[k].group[0].value, host);
        assert_int_equal(1, found);
    }
    assert_int_equal(expected, run->found.count);
}

static void test_random_timelines_cut_and_restarted_anywhere(void **state)
{
    static struct timeline t;
    struct sim_rng rng;
    size_t total = 0;
    (void)state;
    sim_rng_init(&rng, 82);
    for (int round = 0; round < 60; round++) {
        struct detector_options options = {.lateness_ns = LATENESS * TC_SECOND_NS,
                                           .pool = round % 2 == 0 ? NULL : pool_new(3)};
        struct run run, plain;
        const struct event *batch[BEATS];
        make(&t, &rng);
        run_begin(&run, rule, &options);
        run_begin(&plain, rule, &(struct detector_options){.lateness_ns = options.lateness_ns});
        for (int at = 0; at < BEATS;) {
            int count = (int)(1 + rng_u64(&rng.rng) % 100);
            count = TC_MIN(count, BEATS - at);
            for (int i = 0; i < count; i++) {
                batch[i] = timeline_event(&run, &t, at + i);
                detector_judge(plain.detector, &batch[i], 1, &plain.found);
            }
            detector_judge(run.detector, batch, (size_t)count, &run.found);
            at += count;
            if (rng_u64(&rng.rng) % 3 == 0)
                save_and_load(&run, &options);
        }
        check(&run, &t);
        assert_int_equal(plain.found.count, run.found.count);
        for (size_t i = 0; i < run.found.count; i++) { /* also in the same places and the same order */
            assert_int_equal(plain.found.items[i].position, run.found.items[i].position);
            assert_int_equal(plain.found.items[i].time.ns, run.found.items[i].time.ns);
            assert_true(sv_eq(plain.found.items[i].group[0].value, run.found.items[i].group[0].value));
        }
        total += run.found.count;
        run_end(&plain);
        run_end(&run);
        pool_free(&options.pool);
    }
    assert_true(total > 100);
}

static void test_damaged_state_is_refused(void **state)
{
    struct run run;
    struct buf saved;
    struct err err;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){.lateness_ns = 100 * TC_SECOND_NS});
    beat(&run, 50, "a");
    beat(&run, 10, "a");
    buf_init(&saved, 1 << 20);
    detector_save(run.detector, &saved);
    for (size_t n = 0; n < saved.n; n++)
        assert_int_not_equal(0, detector_load(run.detector, sv_head(buf_view(&saved), n), &err));
    for (size_t i = 0; i < saved.n; i++) { /* whatever it makes of it, it lives */
        saved.p[i] ^= 0x41;
        (void)detector_load(run.detector, buf_view(&saved), &err);
        detector_tick(run.detector, 9, (struct receive_time){.ns = TC_SECOND_NS}, &run.found);
        saved.p[i] ^= 0x41;
    }
    run.found.count = 0;
    assert_int_equal(0, detector_load(run.detector, buf_view(&saved), &err));
    assert_int_equal(2, other(&run, 1000));
    buf_free(&saved);
    run_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_stays_away_is_told_of_once_and_learned_anew),
        cmocka_unit_test(test_a_tick_tells_and_the_end_of_the_input_does_not),
        cmocka_unit_test(test_events_without_the_field_take_no_part_and_one_group_for_all),
        cmocka_unit_test(test_a_flood_of_groups_that_come_once_does_not_push_out_the_others),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_random_timelines_cut_and_restarted_anywhere),
        cmocka_unit_test(test_damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
