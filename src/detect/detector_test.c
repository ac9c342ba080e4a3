/*
 * What the detector promises about its results: the same for any number of threads, any cut into calls, and a
 * save and restore between any two of them; in order; and that saved bytes may be anything.
 */
#include "detect/corr_testkit.h"

enum { EVENTS = 4000 };

static uint32_t below(struct sim_rng *rng, uint32_t n)
{
    return (uint32_t)(rng_u64(&rng->rng) % n);
}

/* --- a busy case
 * ----------------------------------------------------------------------------------------------------- */

static void busy_rules(struct kit *kit)
{
    static const uint32_t a[] = {0}, ab[] = {0, 1}, cab[] = {2, 0, 1}, chained[] = {1, 3, 9},
                          steps[] = {11, 3};
    static const char *const by_user[] = {"user", NULL}, *const by_both[] = {"user", "host", NULL},
                             *const field[] = {"field", NULL}, *const who[] = {"who", NULL},
                             *const by_user_or_host[] = {"user", "host", NULL};
    kit_detection(kit, 'a');
    kit_detection(kit, 'b');
    kit_detection(kit, 'c');
    const struct kit_correlation wishes[] = {
        {"c0", a, 1, by_user, NULL, 20, {{CORR_GTE, 3}}, 1, true, CORR_EVENT_COUNT, NULL},
        {"c1", ab, 2, by_both, NULL, 60, {{CORR_GT, 4}}, 1, true, CORR_EVENT_COUNT, NULL},
        {"c2", ab, 2, by_user, field, 40, {{CORR_GTE, 3}}, 1, false, CORR_EVENT_COUNT, NULL},
        {"c3", a, 1, NULL, field, 30, {{CORR_GTE, 30}}, 1, true, CORR_EVENT_COUNT, NULL},
        {"c4", ab, 2, by_user, NULL, 15, {{CORR_LT, 2}}, 1, true, CORR_EVENT_COUNT, NULL},
        {"c5", ab, 2, by_both, field, 25, {{CORR_GT, 1}, {CORR_LTE, 3}}, 2, true, CORR_EVENT_COUNT, NULL},
        {"c6", cab, 3, by_user, NULL, 200, {{0, 0}}, 0, true, CORR_TEMPORAL_ORDERED, NULL},
        {"c7", ab, 2, who, NULL, 5, {{0, 0}}, 0, true, CORR_TEMPORAL, by_user_or_host},
        {"c8", chained, 3, by_user, NULL, 300, {{CORR_GTE, 2}}, 1, true, CORR_EVENT_COUNT, NULL},
        {"c9", steps, 2, NULL, NULL, 30, {{0, 0}}, 0, true, CORR_TEMPORAL_ORDERED, NULL},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(wishes); i++)
        kit_correlation(kit, &wishes[i]);
}

static const char *numbered(struct kit *kit, const char *what, uint32_t number)
{
    return arena_printf(&kit->arena, "%s%u", what, number).p;
}

static void busy_events(struct kit *kit, struct sim_rng *rng, size_t count)
{
    static const char *const kinds[] = {"a", "b", "ab", "c", "abc", "-"};
    static const char *const sources[] = {"one", "two", "three"};
    int64_t now = 0;
    for (size_t i = 0; i < count; i++) {
        now += below(rng, 2);
        kit->source = sources[below(rng, 3)];
        KIT_EVENT(kit, now - (below(rng, 4) == 0 ? below(rng, 30) : 0), "kind", kinds[below(rng, 6)], "user",
                  numbered(kit, "u", below(rng, 5) == 0 ? below(rng, 4) : below(rng, 300)), "host",
                  numbered(kit, "h", below(rng, 2)), "field", numbered(kit, "f", below(rng, 50)))
            ->received.ns = KIT_START + now * KIT_SECOND;
    }
}

static void busy(struct kit *kit, uint64_t seed, size_t events)
{
    struct sim_rng rng;
    sim_rng_init(&rng, seed);
    busy_rules(kit);
    busy_events(kit, &rng, events);
    kit->options.lateness_ns = 20 * KIT_SECOND;
    kit->options.max_groups = 64 * 3; /* small, so that evictions are part of it */
    kit->options.max_group_entries = 12;
}

/* --- one way to run it
 * ---------------------------------------------------------------------------------------------- */

struct way {
    unsigned threads;  /* 0: no pool */
    size_t call;       /* events a call; 0: random */
    unsigned restarts; /* one in so many calls, 0: never */
    size_t tick_every;
};

static struct detector *restarted(struct kit *kit, struct detector *old)
{
    struct buf saved, again;
    struct err err;
    buf_init(&saved, 1 << 26);
    buf_init(&again, 1 << 26);
    detector_save(old, &saved);
    detector_free(&old);
    struct detector *detector = detector_new(&kit->set, &kit->options);
    assert_int_equal(detector_load(detector, buf_view(&saved), &err), 0);
    detector_save(detector, &again);
    assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
    buf_free(&saved);
    buf_free(&again);
    return detector;
}

/* Findings as text, and the state before the end as bytes. */
static void run(struct kit *kit, const struct way *way, struct buf *findings, struct buf *state)
{
    struct sim_rng rng;
    sim_rng_init(&rng, way->call + way->threads);
    kit->options.pool = way->threads == 0 ? NULL : pool_new(way->threads);
    struct detector *detector = detector_new(&kit->set, &kit->options);
    arena_reset(&kit->found_arena);
    kit->found = (struct finding_list){.arena = &kit->found_arena};
    for (size_t i = 0, calls = 1; i < kit->event_count; calls++) {
        size_t n = way->call != 0 ? way->call : 1 + below(&rng, 700);
        n = TC_MIN(n, way->tick_every - i % way->tick_every);
        n = TC_MIN(n, kit->event_count - i);
        detector_judge(detector, kit->events + i, n, &kit->found);
        i += n;
        if (i % way->tick_every == 0)
            detector_tick(detector, kit->events[i - 1]->position, kit->events[i - 1]->received, &kit->found);
        if (way->restarts != 0 && calls % way->restarts == 0)
            detector = restarted(kit, detector);
    }
    buf_init(state, 1 << 26);
    detector_save(detector, state);
    detector_finish(detector, &kit->found);
    detector_free(&detector);
    buf_init(findings, 1 << 28);
    kit_print(findings, &kit->found);
    pool_free(&kit->options.pool);
}

static void same_every_way(struct kit *kit, size_t tick_every)
{
    const struct way ways[] = {{1, 0, 0, tick_every},    {2, 0, 0, tick_every},   {4, 0, 0, tick_every},
                               {0, 1, 0, tick_every},    {2, 33, 0, tick_every},  {4, 5000, 0, tick_every},
                               {0, 1, 97, tick_every},   {4, 100, 1, tick_every}, {2, 0, 2, tick_every},
                               {3, 1024, 1, tick_every}, {2, 1025, 3, tick_every}};
    struct buf expected, state;
    run(kit, &(struct way){0, 64, 0, tick_every}, &expected, &state);
    assert_true(kit->found.count > kit->event_count / 4);
    for (size_t i = 0; i < TC_ARRAY_LEN(ways); i++) {
        struct buf findings, other;
        run(kit, &ways[i], &findings, &other);
        assert_true(sv_eq(buf_view(&findings), buf_view(&expected)));
        assert_true(sv_eq(buf_view(&other), buf_view(&state)));
        buf_free(&findings);
        buf_free(&other);
    }
    buf_free(&expected);
    buf_free(&state);
}

static void test_C_111_same_whatever_threads_cuts_restarts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct kit kit = {0};
        busy(&kit, seed, EVENTS);
        kit.options.receive_time_stands_in = seed % 2 == 0;
        same_every_way(&kit, seed == 1 ? EVENTS * 2 : 250);
        kit_free(&kit);
    }
}

static void test_C19_C_114_restart_between_any_two_events(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct buf expected, saved;
    busy(&kit, 7, 300);
    run(&kit, &(struct way){0, 300, 0, 1000}, &expected, &saved);
    struct buf findings, other;
    run(&kit, &(struct way){0, 1, 1, 1000}, &findings, &other);
    assert_true(sv_eq(buf_view(&findings), buf_view(&expected)));
    assert_true(sv_eq(buf_view(&saved), buf_view(&other)));
    buf_free(&expected);
    buf_free(&saved);
    buf_free(&findings);
    buf_free(&other);
    kit_free(&kit);
}

static void test_findings_leave_in_order(void **state)
{
    (void)state;
    struct kit kit = {0};
    busy(&kit, 9, EVENTS);
    kit.options.pool = pool_new(4);
    kit_judge(&kit);
    for (size_t i = 1; i < kit.found.count; i++) {
        const struct finding *x = &kit.found.items[i - 1], *y = &kit.found.items[i];
        assert_true(x->position <= y->position);
        if (x->position == y->position)
            assert_true(x->rule->ordinal <= y->rule->ordinal);
        if (x->position == y->position && x->rule == y->rule && y->event != NULL)
            assert_int_equal(y->ordinal, x->ordinal + 1);
        else if (y->event != NULL)
            assert_int_equal(y->ordinal, 0);
    }
    pool_free(&kit.options.pool);
    kit_free(&kit);
}

static void test_texts_outlive_the_events(void **state)
{
    (void)state;
    struct kit kit = {0};
    kit_detection(&kit, 'a');
    char kind[2] = "a";
    KIT_EVENT(&kit, 0, "kind", kind);
    kit_judge(&kit);
    kind[0] = 'x';
    assert_int_equal(kit.found.count, 1);
    const struct finding *f = &kit.found.items[0];
    assert_true(sv_is(f->fields[0].value, "a"));
    assert_int_equal(f->kind, FINDING_DETECTION);
    assert_int_equal(f->episode_start.ns, f->time.ns);
    kit_free(&kit);
}

static void test_detections_judge_late_events_too(void **state)
{
    (void)state;
    struct kit kit = {0};
    kit_detection(&kit, 'a');
    KIT_EVENT(&kit, 100, "kind", "a");
    KIT_EVENT(&kit, 0, "kind", "a")->repeat = 7;
    kit_event_at(&kit, TC_NO_TIME, KIT_NAMES("kind", "a"));
    struct detector_stats stats = kit_judge(&kit);
    assert_int_equal(kit.found.count, 3);
    assert_int_equal(kit.found.items[1].weight, 7);
    assert_int_equal(kit.found.items[2].time.ns, TC_NO_TIME);
    assert_int_equal(stats.late_events, 1);
    assert_int_equal(stats.findings, 3);
    kit_free(&kit);
}

/* --- saved state
 * ------------------------------------------------------------------------------------------------------ */

static void test_C20_edited_rule_loses_its_own_windows_only(void **state)
{
    static const uint32_t a[] = {0};
    static const char *const by_user[] = {"user", NULL};
    struct kit kit = {0};
    struct err err;
    struct buf saved;
    (void)state;
    kit_detection(&kit, 'a');
    uint32_t kept = kit_correlation(
        &kit, &(struct kit_correlation){
                  "kept", a, 1, by_user, NULL, 60, {{CORR_GTE, 3}}, 1, false, CORR_EVENT_COUNT, NULL});
    uint32_t edited = kit_correlation(
        &kit, &(struct kit_correlation){
                  "edited", a, 1, by_user, NULL, 60, {{CORR_GTE, 3}}, 1, false, CORR_EVENT_COUNT, NULL});
    for (int i = 0; i < 3; i++)
        KIT_EVENT(&kit, i, "kind", "a", "user", "u");
    struct detector *detector = detector_new(&kit.set, &kit.options);
    kit.found = (struct finding_list){.arena = &kit.found_arena};
    detector_judge(detector, kit.events, 2, &kit.found);
    buf_init(&saved, 1 << 20);
    detector_save(detector, &saved);
    detector_free(&detector);
    kit.set.rules[edited].content[0] ^= 1;
    detector = detector_new(&kit.set, &kit.options);
    assert_int_equal(detector_load(detector, buf_view(&saved), &err), 0);
    detector_judge(detector, kit.events + 2, 1, &kit.found);
    assert_string_equal(kit_fired(&kit, kept), "2");
    assert_string_equal(kit_fired(&kit, edited), "");
    detector_free(&detector);
    buf_free(&saved);
    kit_free(&kit);
}

static void test_saved_bytes_may_be_anything(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct buf findings, saved;
    struct sim_rng rng;
    struct err err;
    busy(&kit, 11, 200);
    run(&kit, &(struct way){0, 64, 0, 1000}, &findings, &saved);
    sim_rng_init(&rng, 5);
    char *bytes = tc_alloc(saved.n);
    for (size_t n = 0; n < saved.n; n += 1 + below(&rng, 40)) { /* cut short: always told */
        struct detector *detector = detector_new(&kit.set, &kit.options);
        assert_int_not_equal(detector_load(detector, sv_head(buf_view(&saved), n), &err), 0);
        detector_free(&detector);
    }
    for (int i = 0; i < 3000; i++) { /* damaged: told or taken, and then it goes on judging */
        memcpy(bytes, saved.p, saved.n);
        for (uint32_t k = 0; k < 1 + below(&rng, 4); k++)
            bytes[below(&rng, (uint32_t)saved.n)] = (char)below(&rng, 256);
        struct detector *detector = detector_new(&kit.set, &kit.options);
        arena_reset(&kit.found_arena);
        kit.found = (struct finding_list){.arena = &kit.found_arena};
        detector_load(detector, sv_make(bytes, saved.n), &err);
        detector_judge(detector, kit.events, 50, &kit.found);
        detector_finish(detector, &kit.found);
        detector_free(&detector);
    }
    free(bytes);
    buf_free(&findings);
    buf_free(&saved);
    kit_free(&kit);
}

static void test_failed_load_changes_nothing(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct buf findings, saved, before, after;
    struct err err;
    busy(&kit, 13, 100);
    run(&kit, &(struct way){0, 64, 0, 1000}, &findings, &saved);
    buf_init(&before, 1 << 24);
    buf_init(&after, 1 << 24);
    struct detector *detector = detector_new(&kit.set, &kit.options);
    detector_judge(detector, kit.events, 50, &kit.found);
    detector_save(detector, &before);
    assert_int_equal(detector_load(detector, sv_head(buf_view(&saved), saved.n - 1), &err), TC_ECORRUPT);
    assert_int_equal(detector_load(detector, SV("TMSK\2\0\0\0"), &err), TC_EUNSUPPORTED);
    assert_int_equal(detector_load(detector, SV("TMSK\4\0\0\0"), &err), TC_EUNSUPPORTED);
    assert_int_equal(detector_load(detector, SV(""), &err), TC_ECORRUPT);
    detector_save(detector, &after);
    assert_true(sv_eq(buf_view(&before), buf_view(&after)));
    detector_free(&detector);
    buf_free(&findings);
    buf_free(&saved);
    buf_free(&before);
    buf_free(&after);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_111_same_whatever_threads_cuts_restarts),
        cmocka_unit_test(test_C19_C_114_restart_between_any_two_events),
        cmocka_unit_test(test_findings_leave_in_order),
        cmocka_unit_test(test_texts_outlive_the_events),
        cmocka_unit_test(test_detections_judge_late_events_too),
        cmocka_unit_test(test_C20_edited_rule_loses_its_own_windows_only),
        cmocka_unit_test(test_saved_bytes_may_be_anything),
        cmocka_unit_test(test_failed_load_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
