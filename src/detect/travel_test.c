/*
 * Impossible travel: what is too fast and what is not, circles and minimal distances, the order of event
 * time, bounds, and that none of it depends on batches or restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/memory.h"
#include "detect/run_testkit.h"

#include <string.h>

static const char rule[] =
    "title: travel\nid: t\nlogsource: {category: authentication}\n"
    "detection:\n  s:\n    event_type: login_success\n  vpn: {source.as.number: 64500}\n"
    "  condition: s and not vpn\n"
    "tocsin:\n  owner: o\n  runbook: r\n  travel:\n"
    "    group-by: [user]\n    max-speed: 900\n    min-distance: 500\n    timespan: 1d\n";
enum { HOUR = 3600 };

struct place {
    const char *name, *latitude, *longitude;
};
static const struct place cologne = {"Cologne", "50.9375", "6.9603"},
                          tokyo = {"Tokyo", "35.6762", "139.6503"}, bonn = {"Bonn", "50.7374", "7.0982"},
                          auckland = {"Auckland", "-36.8509", "174.7645"},
                          tahiti = {"Tahiti", "-17.5334", "-149.5667"};

static struct event *made(struct run *run, int64_t second, const char *user, const struct place *place,
                          const char *more)
{
    struct sv json =
        arena_printf(&run->kit.arena,
                     "{\"event_type\":\"login_success\",\"user\":\"%s\",\"source.geo.location.lat\":%s,"
                     "\"source.geo.location.lon\":%s%s}",
                     user, place->latitude, place->longitude, more);
    return run_event(run, second, json.p);
}

static size_t login_more(struct run *run, int64_t second, const struct place *place, const char *more)
{
    return run_judge(run, made(run, second, "alice", place, more));
}

static size_t login(struct run *run, int64_t second, const struct place *place)
{
    return login_more(run, second, place, "");
}

static void test_two_places_that_nobody_gets_between(void **state)
{
    struct run run;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){0});
    assert_int_equal(0, login(&run, 0, &cologne));
    assert_int_equal(1, login(&run, 42 * 60, &tokyo));
    const struct finding *f = &run.found.items[0];
    assert_true(sv_is(f->group[0].value, "alice"));
    assert_int_equal(9332, f->count); /* kilometres */
    assert_true(
        sv_is(f->why, "from 50.94,6.96 to 35.68,139.65: 9332 km in 42m, 13332 km/h; at most 900 km/h"));
    assert_int_equal(42 * 60 * TC_SECOND_NS, f->time.ns);
    assert_int_equal(0, login(&run, 42 * 60 + 1, &tokyo));
    run_end(&run);
}

static void test_a_flight_is_possible_and_a_day_later_nothing_is_remembered(void **state)
{
    struct run run;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){0});
    login(&run, 0, &cologne);
    assert_int_equal(0, login(&run, 11 * HOUR, &tokyo));   /* 848 km/h */
    assert_int_equal(1, login(&run, 21 * HOUR, &cologne)); /* 933 km/h */
    run_end(&run);
    run_begin(&run, rule, &(struct detector_options){0});
    login(&run, 0, &auckland);
    assert_int_equal(0, login(&run, 86400 + 1, &cologne)); /* 18,000 km: 757 km/h anyway */
    run_end(&run);
}

static void test_short_ways_circles_and_known_networks(void **state)
{
    struct run run;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){0});
    login(&run, 0, &cologne);
    assert_int_equal(0, login(&run, 1, &bonn)); /* 25 km in a second: such is GeoIP */
    assert_int_equal(0, login_more(&run, 2, &tokyo, ",\"source.as.number\":64500")); /* a VPN that is known */
    assert_int_equal(0, login_more(&run, 3, &tokyo, ",\"source.geo.accuracy_radius\":9000"));
    run_end(&run);
    run_begin(&run, rule, &(struct detector_options){0});
    login_more(&run, 0, &cologne, ",\"source.geo.accuracy_radius\":100");
    assert_int_equal(1, login_more(&run, 1, &tokyo, ",\"source.geo.accuracy_radius\":200"));
    assert_int_equal(9032, run.found.items[0].count);
    run_end(&run);
}

static void test_across_the_date_line_and_at_one_instant(void **state)
{
    struct run run;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){0});
    login(&run, 0, &auckland);
    assert_int_equal(0, login(&run, 5 * HOUR, &tahiti)); /* 4,090 km: eastward, not around the world */
    assert_int_equal(1, login(&run, 5 * HOUR, &auckland));
    assert_non_null(strstr(arena_str(&run.kit.arena, run.found.items[0].why), "km in 0s; at most"));
    run_end(&run);
}

static void test_what_is_no_place_takes_no_part(void **state)
{
    static const struct place nowhere[] = {
        {"", "91", "0"}, {"", "0", "-180.1"}, {"", "\"north\"", "0"}, {"", "null", "0"}};
    struct run run;
    (void)state;
    run_begin(&run, rule, &(struct detector_options){0});
    login(&run, 0, &cologne);
    for (size_t i = 0; i < TC_ARRAY_LEN(nowhere); i++)
        assert_int_equal(0, login(&run, 1, &nowhere[i]));
    const struct place pole = {"", "-90", "-180"};
    assert_int_equal(1, login(&run, 2, &pole));
    run_end(&run);
}

static void test_order_is_that_of_event_time(void **state)
{
    struct run run;
    struct detector_options options = {.lateness_ns = 86400 * TC_SECOND_NS};
    (void)state;
    run_begin(&run, rule, &options);
    assert_int_equal(0, login(&run, 0, &cologne));
    assert_int_equal(0, login(&run, 12 * HOUR, &tokyo));
    assert_int_equal(1,
                     login(&run, 11 * HOUR, &cologne)); /* an hour before, and late: Tokyo comes too soon */
    const struct finding *f = &run.found.items[0];
    assert_int_equal(12 * HOUR * TC_SECOND_NS, f->time.ns);
    assert_int_equal(0, login(&run, 1 * HOUR, &cologne));
    assert_int_equal(2, login(&run, 6 * HOUR, &auckland)); /* neither there nor back */
    run_end(&run);
}

static void test_a_flood_of_groups_that_come_once_does_not_push_out_the_others(void **state)
{
    struct run run;
    struct detector_stats stats;
    char name[16];
    (void)state;
    run_begin(&run, rule, &(struct detector_options){.max_groups = 6400});
    login(&run, 0, &cologne);
    login(&run, 1, &cologne);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "u%d", i);
        const struct event *event = made(&run, 2, name, &tokyo, "");
        detector_judge(run.detector, &event, 1, &run.found);
    }
    assert_int_equal(1, login(&run, 3, &tokyo));
    detector_stats(run.detector, &stats);
    assert_true(stats.groups <= 6400 && stats.evicted_groups >= 13000);
    run_end(&run);
}

static void test_places_of_a_group_are_bounded_and_a_stay_is_two(void **state)
{
    struct run run;
    struct buf small, large;
    struct detector_stats stats;
    struct detector_options options = {.lateness_ns = 30 * 86400 * TC_SECOND_NS};
    (void)state;
    run_begin(&run, rule, &options);
    buf_init(&small, 1 << 20);
    buf_init(&large, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        login(&run, i, &cologne);
        if (i == 1)
            detector_save(run.detector, &small);
    }
    detector_save(run.detector, &large);
    assert_int_equal(small.n, large.n);
    for (int i = 0; i < 2 * MEMORY_PLACES_MAX; i++) {
        char latitude[16];
        snprintf(latitude, sizeof latitude, "50.%04d", i);
        login(&run, 1000 + i, &(struct place){"", latitude, "7"});
    }
    detector_stats(run.detector, &stats);
    assert_int_equal(MEMORY_PLACES_MAX + 2, stats.lost_entries);
    buf_free(&small);
    buf_free(&large);
    run_end(&run);
}

static uint64_t below(const struct sim_rng *rng, uint64_t bound)
{
    return rng_u64(&rng->rng) % bound;
}

static void print(struct buf *out, const struct finding_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        buf_printf(out, "%llu %lld %u %.*s %.*s\n", (unsigned long long)list->items[i].position,
                   (long long)list->items[i].time.ns, list->items[i].count,
                   SV_FMT(list->items[i].group[0].value), SV_FMT(list->items[i].why));
}

/* Random journeys, cut and restarted anywhere. */
static void test_C19_batches_and_restarts_show_nowhere(void **state)
{
    static const struct place *const places[] = {&cologne, &tokyo, &bonn, &auckland, &tahiti};
    enum { EVENTS = 400 };
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct run run;
        struct sim_rng rng;
        sim_rng_init(&rng, seed);
        struct detector_options options = {.lateness_ns = (int64_t)below(&rng, 4) * HOUR * TC_SECOND_NS};
        const struct event *events[EVENTS];
        struct buf whole, parts;
        run_begin(&run, rule, &options);
        buf_init(&whole, 1 << 22);
        buf_init(&parts, 1 << 22);
        for (int i = 0; i < EVENTS; i++) {
            const char *users[] = {"a", "b", "c"};
            events[i] = made(&run, i * 900 + (int64_t)below(&rng, 4 * HOUR), users[below(&rng, 3)],
                             places[below(&rng, TC_ARRAY_LEN(places))], "");
        }
        detector_judge(run.detector, events, EVENTS, &run.found);
        print(&whole, &run.found);
        assert_true(run.found.count > 20);
        run.found = (struct finding_list){.arena = &run.kit.arena};
        detector_free(&run.detector);
        run.detector = detector_new(run.kit.set, &options);
        for (size_t at = 0; at < EVENTS;) {
            size_t count = 1 + below(&rng, 60);
            count = TC_MIN(count, EVENTS - at);
            struct buf saved;
            struct err err;
            detector_judge(run.detector, events + at, count, &run.found);
            at += count;
            buf_init(&saved, 1 << 22);
            detector_save(run.detector, &saved);
            detector_free(&run.detector);
            run.detector = detector_new(run.kit.set, &options);
            assert_int_equal(0, detector_load(run.detector, buf_view(&saved), &err));
            buf_free(&saved);
        }
        print(&parts, &run.found);
        assert_true(sv_eq(buf_view(&whole), buf_view(&parts)));
        buf_free(&whole);
        buf_free(&parts);
        run_end(&run);
    }
}

static void refuses(const char *map, const char *construct)
{
    struct kit kit = {0};
    struct sv yaml = arena_printf(&kit.arena,
                                  "title: t\nid: i\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n"
                                  "  condition: s\ntocsin:\n  owner: o\n  runbook: r\n  travel: %s\n",
                                  map);
    kit_load(&kit, yaml.p);
    assert_string_equal(construct, kit_refusal(&kit));
    assert_int_equal(11, ruleset_note(kit.set, ruleset_note_count(kit.set) - 1)->err.line);
    kit_free(&kit);
}

static void test_what_is_wrong_is_refused_at_its_place(void **state)
{
    (void)state;
    refuses("yes", "travel");
    refuses("{timespan: 1d}", "travel");
    refuses("{group-by: [u]}", "timespan");
    refuses("{group-by: [u], timespan: 1d, max-sped: 3}", "travel");
    refuses("{group-by: [u], timespan: 1d, max-speed: 0}", "travel");
    refuses("{group-by: [u], timespan: 1d, min-distance: -1}", "travel");
    refuses("{group-by: [u], timespan: 1d, place: ''}", "travel");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_places_that_nobody_gets_between),
        cmocka_unit_test(test_a_flight_is_possible_and_a_day_later_nothing_is_remembered),
        cmocka_unit_test(test_short_ways_circles_and_known_networks),
        cmocka_unit_test(test_across_the_date_line_and_at_one_instant),
        cmocka_unit_test(test_what_is_no_place_takes_no_part),
        cmocka_unit_test(test_order_is_that_of_event_time),
        cmocka_unit_test(test_a_flood_of_groups_that_come_once_does_not_push_out_the_others),
        cmocka_unit_test(test_places_of_a_group_are_bounded_and_a_stay_is_two),
        cmocka_unit_test(test_C19_batches_and_restarts_show_nowhere),
        cmocka_unit_test(test_what_is_wrong_is_refused_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
