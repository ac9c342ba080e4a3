/*
 * new_value: what is new for whom, what is learned in silence, what is forgotten, and that none of it depends
 * on batches, threads or restarts. Rules from YAML, events from JSON; the last test asks a slow model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "detect/memory.h"
#include "detect/run_testkit.h"

static const char rule[] = "title: new\nid: n\nlogsource: {category: authentication}\n"
                           "detection:\n  s:\n    event_type: login_success\n  condition: s\n"
                           "tocsin:\n  owner: o\n  runbook: r\n  new_value:\n    field: country\n"
                           "    group-by: [user]\n    timespan: 30d\n";
enum { DAY = 86400 };

static void begin(struct run *run)
{
    run_begin(run, rule, &(struct detector_options){0});
}

static struct event *made(struct run *run, int64_t second, const char *user, const char *country)
{
    struct sv json =
        arena_printf(&run->kit.arena, "{\"event_type\":\"login_success\",\"user\":\"%s\",\"country\":\"%s\"}",
                     user, country);
    return run_event(run, second, json.p);
}

/* Findings that a login of this user from there makes. */
static size_t login(struct run *run, int64_t second, const char *user, const char *country)
{
    return run_judge(run, made(run, second, user, country));
}

static void test_C_81_the_first_login_ever_learns_a_new_country_fires(void **state)
{
    struct run run;
    (void)state;
    begin(&run);
    assert_int_equal(0, login(&run, 0, "alice", "DE"));
    assert_int_equal(0, login(&run, 10, "alice", "DE"));
    assert_int_equal(1, login(&run, 20, "alice", "BR"));
    const struct finding *f = &run.found.items[0];
    assert_int_equal(FINDING_CORRELATION, f->kind);
    assert_int_equal(1, f->group_count);
    assert_true(sv_is(f->group[0].name, "user") && sv_is(f->group[0].value, "alice"));
    assert_true(sv_is(f->fields[0].name, "user"));
    assert_true(sv_is(f->fields[1].name, "country") && sv_is(f->fields[1].value, "BR"));
    assert_int_equal(2, f->count);
    assert_int_equal(20 * TC_SECOND_NS, f->time.ns);
    assert_int_equal(0, login(&run, 30, "alice", "BR"));
    assert_int_equal(0, login(&run, 40, "alice", "DE"));
    assert_int_equal(0, login(&run, 50, "bob", "BR")); /* his first */
    assert_int_equal(1, login(&run, 60, "bob", "DE"));
    run_end(&run);
}

static void test_C_81_a_country_is_new_again_after_the_timespan(void **state)
{
    struct run run;
    (void)state;
    begin(&run);
    assert_int_equal(0, login(&run, 0, "alice", "DE"));
    assert_int_equal(1, login(&run, DAY, "alice", "BR"));
    assert_int_equal(0, login(&run, 29 * DAY, "alice", "DE"));
    assert_int_equal(0, login(&run, 31 * DAY, "alice", "BR")); /* 30 days after its last */
    assert_int_equal(0, login(&run, 59 * DAY, "alice", "DE"));
    assert_int_equal(1, login(&run, 61 * DAY + 1, "alice", "BR"));
    run_end(&run);
}

static void test_C_81_who_was_away_for_the_timespan_learns_anew(void **state)
{
    struct run run;
    (void)state;
    begin(&run);
    login(&run, 0, "alice", "DE");
    assert_int_equal(0, login(&run, 31 * DAY, "alice", "BR"));
    assert_int_equal(1, login(&run, 31 * DAY + 1, "alice", "DE"));
    run_end(&run);
}

static void test_events_without_a_field_take_no_part(void **state)
{
    struct run run;
    (void)state;
    begin(&run);
    login(&run, 0, "alice", "DE");
    struct event event = kit_event(&run.kit, "{\"event_type\":\"login_success\",\"user\":\"alice\"}");
    const struct event *one = &event;
    event.source = SV("test");
    event.time.ns = TC_SECOND_NS;
    detector_judge(run.detector, &one, 1, &run.found);
    event = kit_event(&run.kit, "{\"event_type\":\"login_success\",\"country\":\"US\"}");
    detector_judge(run.detector, &one, 1, &run.found);
    event = kit_event(&run.kit, "{\"event_type\":\"login_failed\",\"country\":\"US\",\"user\":\"alice\"}");
    detector_judge(run.detector, &one, 1, &run.found);
    assert_int_equal(0, run.found.count);
    run_end(&run);
}

static void test_correlations_count_what_is_new(void **state)
{
    struct run run;
    struct sv yaml;
    struct arena arena = {0};
    (void)state;
    yaml = arena_printf(&arena,
                        "%s---\ntitle: many new\nid: m\ncorrelation:\n  type: event_count\n  rules: [n]\n"
                        "  timespan: 1h\n  generate: true\n  condition:\n    gte: 2\n",
                        rule);
    run_begin(&run, yaml.p, &(struct detector_options){0});
    assert_int_equal(2, ruleset_count(run.kit.set));
    assert_int_equal(0, login(&run, 0, "alice", "DE"));
    assert_int_equal(0, login(&run, 1, "alice", "DE"));
    assert_int_equal(0, login(&run, 2, "bob", "DE"));
    assert_int_equal(1, login(&run, 3, "alice", "BR"));
    assert_int_equal(0, login(&run, 4, "alice", "BR"));
    assert_int_equal(2, login(&run, 5, "bob", "FR")); /* itself, and the second of the hour */
    run_end(&run);
    arena_free(&arena);
}

static void test_values_of_a_group_are_bounded_the_one_unseen_longest_goes(void **state)
{
    struct run run;
    struct detector_stats stats;
    char text[16];
    (void)state;
    begin(&run);
    for (int i = 0; i < MEMORY_VALUES_MAX; i++) {
        snprintf(text, sizeof text, "c%d", i);
        assert_int_equal(i > 0, login(&run, i, "alice", text));
    }
    assert_int_equal(0, login(&run, 1000, "alice", "c0"));
    assert_int_equal(1, login(&run, 1001, "alice", "one more")); /* c1 goes */
    assert_int_equal(0, login(&run, 1002, "alice", "c0"));
    assert_int_equal(1, login(&run, 1003, "alice", "c1"));
    detector_stats(run.detector, &stats);
    assert_int_equal(2, stats.lost_entries);
    run_end(&run);
}

static void test_a_flood_of_groups_that_come_once_does_not_push_out_the_others(void **state)
{
    struct run run;
    struct detector_stats stats;
    char text[16];
    (void)state;
    run_begin(&run, rule, &(struct detector_options){.max_groups = 6400}); /* 100 a shard */
    login(&run, 0, "alice", "DE");
    login(&run, 1, "alice", "DE");
    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "u%d", i);
        login(&run, 2, text, "DE");
    }
    assert_int_equal(1, login(&run, 3, "alice", "BR"));
    detector_stats(run.detector, &stats);
    assert_true(stats.groups <= 6400 && stats.evicted_groups >= 13000);
    run_end(&run);
}

static void refuses(const char *map, const char *construct)
{
    struct kit kit = {0};
    struct sv yaml = arena_printf(&kit.arena,
                                  "title: t\nid: i\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n"
                                  "  condition: s\ntocsin:\n  owner: o\n  runbook: r\n  new_value: %s\n",
                                  map);
    kit_load(&kit, yaml.p);
    assert_string_equal(construct, kit_refusal(&kit));
    kit_free(&kit);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    refuses("{field: a, timespan: 1d}", "");
    refuses("{field: [a, b], group-by: c, timespan: 1w}", "");
    refuses("{timespan: 1d}", "new_value");
    refuses("{field: a}", "timespan");
    refuses("{field: a, timespan: 0d}", "timespan");
    refuses("{field: a, timespan: 1d, after: 2}", "new_value");
    refuses("{field: {a: b}, timespan: 1d}", "wrong type");
    refuses("yes", "new_value");
    struct kit kit = {0};
    kit_load(&kit,
             "title: a\nid: a\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n  condition: s\n---\n"
             "title: c\nid: c\ncorrelation:\n  type: event_count\n  rules: [a]\n  timespan: 1h\n"
             "  condition:\n    gte: 2\ntocsin:\n  owner: o\n  runbook: r\n"
             "  new_value: {field: a, timespan: 1d}\n");
    assert_string_equal("new_value", kit_refusal(&kit));
    kit_free(&kit);
}

/* --- random timelines against a slow model */

enum { LOGINS = 600, USERS = 5, COUNTRIES = 6 };

struct timeline {
    int64_t second[LOGINS];
    int user[LOGINS], country[LOGINS];
};

static void make(struct timeline *t, struct sim_rng *rng)
{
    int64_t now = 1000 * DAY;
    for (int i = 0; i < LOGINS; i++) {
        now += (int64_t)(rng_u64(&rng->rng) % (2 * DAY));
        t->second[i] = now - (int64_t)(rng_u64(&rng->rng) % 3600); /* within the lateness: out of order */
        t->user[i] = (int)(rng_u64(&rng->rng) % USERS);
        t->country[i] = (int)(rng_u64(&rng->rng) % (1 + (unsigned)t->user[i]));
    }
}

/* What the definition says: nothing is forgotten, all is looked at. */
static bool is_new(const struct timeline *t, int at)
{
    bool others = false;
    for (int i = 0; i < at; i++) {
        if (t->user[i] != t->user[at] || t->second[i] < t->second[at] - 30 * DAY)
            continue;
        if (t->country[i] == t->country[at])
            return false;
        others = true;
    }
    return others;
}

static const struct event *timeline_event(struct run *run, const struct timeline *t, int at)
{
    char user[8], country[8];
    snprintf(user, sizeof user, "u%d", t->user[at]);
    snprintf(country, sizeof country, "c%d", t->country[at]);
    return made(run, t->second[at], user, country);
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

static void test_random_timelines_cut_and_restarted_anywhere(void **state)
{
    static struct timeline t;
    struct sim_rng rng;
    (void)state;
    sim_rng_init(&rng, 81);
    for (int round = 0; round < 40; round++) {
        struct detector_options options = {.lateness_ns = 3600 * TC_SECOND_NS,
                                           .pool = round % 2 == 0 ? NULL : pool_new(3)};
        struct run run;
        const struct event *batch[LOGINS];
        make(&t, &rng);
        run_begin(&run, rule, &options);
        for (int at = 0; at < LOGINS;) {
            int count = (int)(1 + rng_u64(&rng.rng) % 100);
            count = TC_MIN(count, LOGINS - at);
            for (int i = 0; i < count; i++)
                batch[i] = timeline_event(&run, &t, at + i);
            size_t before = run.found.count, expected = 0;
            detector_judge(run.detector, batch, (size_t)count, &run.found);
            for (int i = 0; i < count; i++)
                if (is_new(&t, at + i)) {
                    assert_true(before + expected < run.found.count);
                    assert_int_equal(batch[i]->position, run.found.items[before + expected].position);
                    expected++;
                }
            assert_int_equal(expected, run.found.count - before);
            at += count;
            if (rng_u64(&rng.rng) % 3 == 0)
                save_and_load(&run, &options);
        }
        assert_true(run.found.count > 10);
        run_end(&run);
        pool_free(&options.pool);
    }
}

static void test_damaged_state_is_refused(void **state)
{
    struct run run;
    struct buf saved;
    struct err err;
    (void)state;
    begin(&run);
    login(&run, 0, "alice", "DE");
    login(&run, 1, "alice", "BR");
    buf_init(&saved, 1 << 20);
    detector_save(run.detector, &saved);
    for (size_t n = 0; n < saved.n; n++)
        assert_int_not_equal(0, detector_load(run.detector, sv_head(buf_view(&saved), n), &err));
    for (size_t i = 0; i < saved.n; i++) { /* whatever it makes of it, it lives */
        saved.p[i] ^= 0x41;
        (void)detector_load(run.detector, buf_view(&saved), &err);
        saved.p[i] ^= 0x41;
    }
    assert_int_equal(0, detector_load(run.detector, buf_view(&saved), &err));
    assert_int_equal(0, login(&run, 2, "alice", "BR"));
    assert_int_equal(1, login(&run, 3, "alice", "FR"));
    buf_free(&saved);
    run_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_81_the_first_login_ever_learns_a_new_country_fires),
        cmocka_unit_test(test_C_81_a_country_is_new_again_after_the_timespan),
        cmocka_unit_test(test_C_81_who_was_away_for_the_timespan_learns_anew),
        cmocka_unit_test(test_events_without_a_field_take_no_part),
        cmocka_unit_test(test_correlations_count_what_is_new),
        cmocka_unit_test(test_values_of_a_group_are_bounded_the_one_unseen_longest_goes),
        cmocka_unit_test(test_a_flood_of_groups_that_come_once_does_not_push_out_the_others),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_random_timelines_cut_and_restarted_anywhere),
        cmocka_unit_test(test_damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
