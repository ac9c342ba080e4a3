/*
 * Timelines of correlations: those of the research notes (C1 to C6, C15, C16), and the stated outcome of
 * every case that the specification leaves open. Span 60 s unless said.
 */
#include "detect/corr_testkit.h"

#include "detect/corr.h"

static const uint32_t first_rule[] = {0}, two_rules[] = {0, 1};

/* A kit with detection `a` (ordinal 0) and one correlation over it (ordinal 1). */
static struct kit with(struct kit_correlation wish)
{
    struct kit kit = {0};
    kit_detection(&kit, 'a');
    wish.id = "corr";
    if (wish.rules == NULL) {
        wish.rules = first_rule;
        wish.rule_count = 1;
    }
    if (wish.timespan_s == 0)
        wish.timespan_s = 60;
    wish.test_count = 0;
    while (wish.test_count < 3 &&
           (wish.tests[wish.test_count].value != 0 || wish.tests[wish.test_count].op != 0))
        wish.test_count++;
    kit_correlation(&kit, &wish);
    return kit;
}

static struct kit counting(enum corr_op op, int64_t value)
{
    return with((struct kit_correlation){.group_by = KIT_NAMES("user"), .tests = {{op, value}}});
}

static struct kit distinct(int64_t gte)
{
    return with((struct kit_correlation){
        .group_by = KIT_NAMES("user"), .fields = KIT_NAMES("field"), .tests = {{CORR_GTE, gte}}});
}

/* One event per second of the list, all of user u. Ends with -1. */
static struct detector_stats at_seconds(struct kit *kit, const int *seconds)
{
    kit_clear_events(kit);
    for (; *seconds >= 0; seconds++)
        KIT_EVENT(kit, *seconds, "kind", "a", "user", "u");
    return kit_judge(kit);
}
#define AT(kit, ...) at_seconds((kit), (const int[]){__VA_ARGS__, -1})

static void test_C1_window_is_inclusive(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    AT(&kit, 0, 30, 60);
    assert_string_equal(kit_fired(&kit, 1), "60");
    assert_int_equal(kit.found.count, 1); /* the counted rule is silent */
    AT(&kit, 0, 30, 61);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
}

static void test_C2_groups_are_apart(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    KIT_EVENT(&kit, 0, "kind", "a", "user", "a");
    KIT_EVENT(&kit, 10, "kind", "a", "user", "a");
    KIT_EVENT(&kit, 20, "kind", "a", "user", "b");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
}

static void test_C4_old_event_in_between(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    struct detector_stats stats = AT(&kit, 200, 10, 201);
    assert_string_equal(kit_fired(&kit, 1), "");
    assert_int_equal(stats.late_events, 1);
    kit.options.lateness_ns = 1000 * KIT_SECOND; /* not late, yet in no window with the others */
    stats = AT(&kit, 200, 10, 201);
    assert_string_equal(kit_fired(&kit, 1), "");
    assert_int_equal(stats.late_events, 0);
    kit_free(&kit);
}

static void test_C5_out_of_order(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    kit.options.lateness_ns = 25 * KIT_SECOND;
    AT(&kit, 0, 50, 25);
    assert_string_equal(kit_fired(&kit, 1), "50");
    assert_int_equal(kit.found.count, 1);
    assert_int_equal(kit.found.items[0].position, 3);
    kit.options.lateness_ns = 24 * KIT_SECOND;
    struct detector_stats stats = AT(&kit, 0, 50, 25);
    assert_string_equal(kit_fired(&kit, 1), "");
    assert_int_equal(stats.late_events, 1);
    kit_free(&kit);
}

static void values_at(struct kit *kit, const char *const *fields)
{
    for (int second = 0; *fields != NULL; fields++, second++)
        KIT_EVENT(kit, second, "kind", "a", "user", "u", "field", *fields);
}

static void test_C6_distinct_values(void **state)
{
    (void)state;
    struct kit kit = distinct(3);
    values_at(&kit, KIT_NAMES("x", "x", "y", "y"));
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    KIT_EVENT(&kit, 4, "kind", "a", "user", "u", "field", "z");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "4");
    assert_int_equal(kit.found.items[0].count, 3);
    kit_clear_events(&kit); /* x is gone at 61 */
    values_at(&kit, KIT_NAMES("x", "y"));
    KIT_EVENT(&kit, 61, "kind", "a", "user", "u", "field", "z");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_clear_events(&kit); /* to the byte: X is not x */
    values_at(&kit, KIT_NAMES("x", "X", "x "));
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "2");
    kit_free(&kit);
}

/* So many events that a million kept would not reach it; each of its own time and value. */
static void reaches(struct kit *kit, uint64_t threshold)
{
    struct detector *detector = detector_new(&kit->set, &kit->options);
    struct event *event = KIT_EVENT(kit, 0, "kind", "a", "user", "u", "field", "x");
    const struct event *one = event;
    char text[24];
    kit->found = (struct finding_list){.arena = &kit->found_arena};
    for (uint64_t i = 1; i <= threshold + 2; i++) {
        event->position = i;
        event->time.ns = event->received.ns = KIT_START + (int64_t)i * 1000;
        snprintf(text, sizeof text, "%llu", (unsigned long long)i);
        event->fields[2].value = sv_of(text);
        detector_judge(detector, &one, 1, &kit->found);
        assert_int_equal(i >= threshold, kit->found.count > 0);
    }
    struct detector_stats stats;
    detector_stats(detector, &stats);
    assert_int_equal(1, stats.findings);
    assert_int_equal(0, stats.lost_entries);
    assert_int_equal(threshold, kit->found.items[0].position);
    assert_int_equal(threshold, kit->found.items[0].count);
    detector_free(&detector);
}

static void test_thresholds_above_a_million_are_reached(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, (1 << 20) + 5);
    reaches(&kit, (1 << 20) + 5);
    kit_free(&kit);
    kit = distinct((1 << 20) + 5);
    reaches(&kit, (1 << 20) + 5);
    kit_free(&kit);
}

static void test_an_address_is_one_group_and_value_however_it_is_written(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    KIT_EVENT(&kit, 0, "kind", "a", "user", "192.0.2.7");
    KIT_EVENT(&kit, 1, "kind", "a", "user", "::ffff:192.0.2.7");
    KIT_EVENT(&kit, 2, "kind", "a", "user", "::FFFF:c000:0207");
    KIT_EVENT(&kit, 3, "kind", "a", "user", "2001:db8::1");
    KIT_EVENT(&kit, 4, "kind", "a", "user", "2001:DB8:0:0::0001");
    KIT_EVENT(&kit, 5, "kind", "a", "user", "2001:0db8:0000:0000:0000:0000:0000:0001");
    KIT_EVENT(&kit, 6, "kind", "a", "user", "::ffff:192.0.2.8"); /* others, and what is no address */
    KIT_EVENT(&kit, 7, "kind", "a", "user", "::ffff:192.0.2.7x");
    KIT_EVENT(&kit, 8, "kind", "a", "user", "12:30:45");
    KIT_EVENT(&kit, 9, "kind", "a", "user", "");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "2 5");
    assert_true(sv_is(kit.found.items[0].group[0].value, "192.0.2.7"));
    assert_true(sv_is(kit.found.items[1].group[0].value, "2001:db8::1"));
    kit_free(&kit);
    kit = distinct(3);
    values_at(&kit, KIT_NAMES("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "2001:DB8::1"));
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    KIT_EVENT(&kit, 4, "kind", "a", "user", "u", "field", "192.0.2.8");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "4");
    kit_free(&kit);
}

static void test_C6_tuples(void **state)
{
    (void)state;
    struct kit kit = with((struct kit_correlation){
        .group_by = KIT_NAMES("user"), .fields = KIT_NAMES("f", "g"), .tests = {{CORR_GTE, 3}}});
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u", "f", "ab", "g", "c");
    KIT_EVENT(&kit, 1, "kind", "a", "user", "u", "f", "a", "g", "bc");
    KIT_EVENT(&kit, 2, "kind", "a", "user", "u", "f", "a"); /* half a tuple does not count */
    KIT_EVENT(&kit, 3, "kind", "a", "user", "u", "f", "ab", "g", "c");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    KIT_EVENT(&kit, 4, "kind", "a", "user", "u", "f", "ab", "g", "d");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "4");
    kit_free(&kit);
}

static void test_C15_lt_is_judged_when_the_window_is_over(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_LT, 3);
    AT(&kit, 0, 10); /* the end of the input ends the window */
    assert_string_equal(kit_fired(&kit, 1), "60");
    assert_int_equal(kit.found.items[0].count, 2);
    assert_null(kit.found.items[0].event);
    AT(&kit, 0, 10, 60); /* an event at its very end counts */
    assert_string_equal(kit_fired(&kit, 1), "");
    AT(&kit, 0, 10, 61, 62, 63);
    assert_string_equal(kit_fired(&kit, 1), "60");
    assert_int_equal(kit.found.items[0].position, 3); /* said as soon as it can be known */
    AT(&kit, 0, 100, 101, 102, 300);
    assert_string_equal(kit_fired(&kit, 1), "60 360");
    kit_free(&kit);
}

static void test_C15_waits_for_late_events(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_EQ, 2);
    kit.options.lateness_ns = 30 * KIT_SECOND;
    AT(&kit, 10, 80, 70, 85, 0, 100); /* [10, 70] holds 10 and 70, which came in time; 0 is late (85 - 30) */
    assert_string_equal(kit_fired(&kit, 1), "70");
    AT(&kit, 10, 30, 5, 200); /* 5 opens the window, not 10: [5, 65] holds three */
    assert_string_equal(kit_fired(&kit, 1), "");
    AT(&kit, 10, 5, 200);
    assert_string_equal(kit_fired(&kit, 1), "65");
    kit_free(&kit);
}

static void test_C15_counts_distinct_values(void **state)
{
    (void)state;
    struct kit kit = with((struct kit_correlation){
        .group_by = KIT_NAMES("user"), .fields = KIT_NAMES("field"), .tests = {{CORR_LTE, 2}}});
    values_at(&kit, KIT_NAMES("x", "y", "x", "y"));
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "60");
    kit_clear_events(&kit);
    values_at(&kit, KIT_NAMES("x", "y", "x", "z"));
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
}

static void test_C16_ranges(void **state)
{
    (void)state;
    struct kit kit =
        with((struct kit_correlation){.group_by = KIT_NAMES("user"), .tests = {{CORR_GT, 2}, {CORR_LTE, 4}}});
    AT(&kit, 0, 1);
    assert_string_equal(kit_fired(&kit, 1), "");
    AT(&kit, 0, 1, 2);
    assert_string_equal(kit_fired(&kit, 1), "60");
    AT(&kit, 0, 1, 2, 3);
    assert_string_equal(kit_fired(&kit, 1), "60");
    AT(&kit, 0, 1, 2, 3, 4);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
    kit = with((struct kit_correlation){.group_by = KIT_NAMES("user"),
                                        .tests = {{CORR_GT, 2}, {CORR_GTE, 4}}}); /* both rise: at arrival */
    AT(&kit, 0, 1, 2, 3, 4);
    assert_string_equal(kit_fired(&kit, 1), "3");
    kit_free(&kit);
    kit = counting(CORR_NEQ, 2);
    AT(&kit, 0, 1, 100);
    assert_string_equal(kit_fired(&kit, 1), "160");
    kit_free(&kit);
}

static void test_C_111_over_a_bucket_edge(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GT, 5);
    for (int shift = 0; shift < 60; shift++) { /* wherever buckets of a minute might begin */
        AT(&kit, shift, shift + 12, shift + 24, shift + 36, shift + 48, shift + 60);
        assert_int_equal(kit.found.count, 1);
    }
    kit_free(&kit);
}

static void test_C_80_fires_at_six_holds_at_five(void **state)
{
    (void)state;
    struct kit kit = with(
        (struct kit_correlation){.group_by = KIT_NAMES("user"), .timespan_s = 300, .tests = {{CORR_GT, 5}}});
    AT(&kit, 0, 60, 120, 180, 300);
    assert_string_equal(kit_fired(&kit, 1), "");
    AT(&kit, 0, 60, 120, 180, 240, 300);
    assert_string_equal(kit_fired(&kit, 1), "300");
    const struct finding *f = &kit.found.items[0];
    assert_int_equal(f->kind, FINDING_CORRELATION);
    assert_int_equal(f->count, 6);
    assert_int_equal(f->group_count, 1);
    assert_true(sv_is(f->group[0].name, "user") && sv_is(f->group[0].value, "u"));
    assert_int_equal(f->field_count, 2); /* the correlation's, then the counted rule's */
    assert_true(sv_is(f->fields[0].name, "user") && sv_is(f->fields[1].name, "kind"));
    kit_free(&kit);
}

static void test_X_02_C_83_values_not_events(void **state)
{
    (void)state;
    struct kit kit = with((struct kit_correlation){
        .fields = KIT_NAMES("user"), .timespan_s = 3600, .tests = {{CORR_GT, 10}}, .generate = true});
    char names[11][16];
    for (int i = 0; i < 11; i++) {
        snprintf(names[i], sizeof names[i], "u%d", i);
        KIT_EVENT(&kit, i, "kind", "a", "user", "same");
    }
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    assert_string_equal(kit_fired(&kit, 0), "0 1 2 3 4 5 6 7 8 9 10"); /* generate: it speaks for itself */
    kit_clear_events(&kit);
    for (int i = 0; i < 11; i++)
        KIT_EVENT(&kit, i, "kind", "a", "user", names[i]);
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "10");
    assert_int_equal(kit.found.items[kit.found.count - 1].group_count, 0);
    kit_free(&kit);
}

static void test_one_finding_per_episode(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    AT(&kit, 0, 10, 20, 30, 40, 200, 210, 220, 230);
    assert_string_equal(kit_fired(&kit, 1), "20 220");
    assert_int_equal(kit_repeats(&kit, 1), 3);
    assert_true(kit.found.items[2].repeat);
    assert_int_equal(kit.found.items[2].count, 5);
    assert_int_equal(kit.found.items[2].episode_start.ns, KIT_START + 20 * KIT_SECOND);
    assert_int_equal(kit.found.items[4].episode_start.ns, KIT_START + 220 * KIT_SECOND);
    AT(&kit, 0, 30, 60, 60, 65);
    assert_string_equal(kit_fired(&kit, 1), "60");
    /* After 60 the window holds two until 61: the episode is over, though each arrival sees three. */
    AT(&kit, 0, 30, 60, 91);
    assert_string_equal(kit_fired(&kit, 1), "60");
    AT(&kit, 0, 30, 60, 61);
    assert_string_equal(kit_fired(&kit, 1), "60 61");
    kit_free(&kit);
}

static void test_late_event_joins_episodes_that_were_said(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    kit.options.lateness_ns = 1000 * KIT_SECOND;
    AT(&kit, 100, 110, 120, 115); /* in the middle */
    assert_string_equal(kit_fired(&kit, 1), "120");
    assert_int_equal(kit_repeats(&kit, 1), 1);
    AT(&kit, 100, 110, 120, 90); /* the episode now begins at 110: it was said */
    assert_string_equal(kit_fired(&kit, 1), "120");
    assert_int_equal(kit_repeats(&kit, 1), 1);
    assert_int_equal(kit.found.items[1].time.ns, KIT_START + 110 * KIT_SECOND);
    assert_int_equal(kit.found.items[1].episode_start.ns, KIT_START + 120 * KIT_SECOND);
    AT(&kit, 0, 59, 100, 40); /* one arrival, two episodes: 59 and 100 */
    assert_string_equal(kit_fired(&kit, 1), "59 100");
    assert_int_equal(kit.found.items[0].position, 4);
    assert_int_equal(kit.found.items[1].ordinal, 1);
    kit_free(&kit);
}

static void test_repeat_counts_as_many(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GT, 5);
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u");
    KIT_EVENT(&kit, 9, "kind", "a", "user", "u")->repeat = 5;
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "9");
    assert_int_equal(kit.found.items[0].weight, 5);
    assert_int_equal(kit.found.items[0].count, 6);
    kit_clear_events(&kit); /* alone it is an attack, and a thousand seconds later another one */
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u")->repeat = 6;
    KIT_EVENT(&kit, 1000, "kind", "a", "user", "u")->repeat = 6;
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "0 1000");
    kit_free(&kit);
    kit = distinct(2); /* values are counted once however often they are repeated */
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u", "field", "x")->repeat = 5;
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
}

static void test_trap_39_once_per_rule_reference(void **state)
{
    (void)state;
    struct kit kit = {0};
    kit_detection(&kit, 'a');
    kit_detection(&kit, 'b');
    uint32_t corr = kit_correlation(&kit, &(struct kit_correlation){.id = "corr",
                                                                    .rules = two_rules,
                                                                    .rule_count = 2,
                                                                    .timespan_s = 60,
                                                                    .tests = {{CORR_GTE, 4}},
                                                                    .test_count = 1});
    KIT_EVENT(&kit, 0, "kind", "ab");
    KIT_EVENT(&kit, 1, "kind", "a");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, corr), "");
    KIT_EVENT(&kit, 2, "kind", "ab");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, corr), "2");
    assert_int_equal(kit_repeats(&kit, corr), 1);
    assert_int_equal(kit.found.items[1].ordinal, 1);
    kit_free(&kit);
}

static void test_trap_36_missing_group_field(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 2);
    KIT_EVENT(&kit, 0, "kind", "a");
    KIT_EVENT(&kit, 1, "kind", "a");
    KIT_EVENT(&kit, 2, "kind", "a", "user", NULL);
    KIT_EVENT(&kit, 3, "kind", "a", "user", NULL);
    assert_int_equal(kit_judge(&kit).groups, 0);
    assert_int_equal(kit.found.count, 0);
    KIT_EVENT(&kit, 4, "kind", "a", "user", ""); /* an empty value is a value */
    KIT_EVENT(&kit, 5, "kind", "a", "user", "");
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "5");
    kit_free(&kit);
    kit = distinct(2);
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u", "field", "x");
    KIT_EVENT(&kit, 1, "kind", "a", "user", "u");
    KIT_EVENT(&kit, 2, "kind", "a", "user", "u", "field", NULL);
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
}

static void test_group_by_array_takes_its_first_value(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 2);
    for (int i = 0; i < 2; i++) { /* the container, an element that is null, the first value, another */
        struct event *event = KIT_EVENT(&kit, i, "kind", "a", "user", "[..]", "user", NULL, "user", "p",
                                        "user", i == 0 ? "q" : "r");
        event->fields[1].type = FIELD_ARRAY;
    }
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "1");
    assert_true(sv_is(kit.found.items[0].group[0].value, "p"));
    assert_int_equal(kit.found.items[0].field_count, 4); /* null, p, r, kind: not the container */
    kit_free(&kit);
}

static void test_long_group_values_differ_at_their_end(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 2);
    char a[5001], b[5001];
    memset(a, 'x', 5000);
    a[5000] = 0;
    memcpy(b, a, sizeof a);
    b[4999] = 'y';
    KIT_EVENT(&kit, 0, "kind", "a", "user", a);
    KIT_EVENT(&kit, 1, "kind", "a", "user", b);
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "");
    KIT_EVENT(&kit, 2, "kind", "a", "user", a);
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "2");
    assert_int_equal(kit.found.items[0].group[0].value.n, CORR_VALUE_BYTES);
    kit_free(&kit);
}

static void test_thresholds_at_the_edges(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 0); /* holds always: the first event says so */
    AT(&kit, 5, 6);
    assert_string_equal(kit_fired(&kit, 1), "5");
    kit_free(&kit);
    kit = counting(CORR_GT, INT64_MAX);
    AT(&kit, 5, 6);
    assert_string_equal(kit_fired(&kit, 1), "");
    kit_free(&kit);
    kit = counting(CORR_GTE, 2); /* times at the ends of what there is */
    kit_event_at(&kit, INT64_MIN + 1, KIT_NAMES("kind", "a", "user", "u"));
    kit_event_at(&kit, INT64_MIN + 2, KIT_NAMES("kind", "a", "user", "u"));
    kit_event_at(&kit, INT64_MAX - 1, KIT_NAMES("kind", "a", "user", "u"));
    kit_event_at(&kit, INT64_MAX, KIT_NAMES("kind", "a", "user", "u"));
    kit_judge(&kit);
    assert_int_equal(kit.found.count, 2);
    kit_free(&kit);
}

/* --- bounds
 * ----------------------------------------------------------------------------------------------------------
 */

static void test_flood_does_not_push_out_a_slow_attack(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GT, 5);
    char name[32];
    kit.options.max_groups = 64 * 2;
    KIT_EVENT(&kit, 0, "kind", "a", "user", "slow");
    KIT_EVENT(&kit, 0, "kind", "a", "user", "slow");
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3000; k++) {
            snprintf(name, sizeof name, "%d-%d", i, k);
            KIT_EVENT(&kit, i * 10, "kind", "a", "user", arena_str(&kit.arena, sv_of(name)));
        }
        KIT_EVENT(&kit, i * 10, "kind", "a", "user", "slow");
    }
    struct detector_stats stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "30");
    assert_true(stats.evicted_groups > 10000);
    assert_in_range(stats.groups, 1, 128);
    kit_free(&kit);
}

static struct kit ordered(int64_t timespan_s, size_t rules)
{
    static const uint32_t abc[] = {0, 1, 2};
    struct kit kit = {0};
    for (char letter = 'a'; letter < 'd'; letter++)
        kit_detection(&kit, letter);
    kit_correlation(&kit, &(struct kit_correlation){.id = "o",
                                                    .rules = abc,
                                                    .rule_count = rules,
                                                    .group_by = KIT_NAMES("user"),
                                                    .timespan_s = timespan_s,
                                                    .type = CORR_TEMPORAL_ORDERED});
    return kit;
}

static void test_flood_of_first_steps_does_not_push_out_a_sequence(void **state)
{
    (void)state;
    struct kit kit = ordered(60, 3);
    kit.options.max_groups = 64 * 2;
    KIT_EVENT(&kit, 0, "kind", "a", "user", "slow");
    KIT_EVENT(&kit, 1, "kind", "b", "user", "slow");
    for (int k = 0; k < 5000; k++) {
        struct sv name = arena_printf(&kit.arena, "%d", k);
        KIT_EVENT(&kit, 2, "kind", "a", "user", name.p);
    }
    KIT_EVENT(&kit, 3, "kind", "c", "user", "slow");
    struct detector_stats stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 3), "3");
    assert_true(stats.evicted_groups > 4000);
    assert_in_range(stats.groups, 1, 128);
    kit_free(&kit);
}

/* Alternating steps with a wide lateness: the oldest are folded, what was found stays found. */
static void test_full_sequence_still_fires(void **state)
{
    (void)state;
    struct kit kit = ordered(100000, 3);
    kit.options.lateness_ns = 100000 * KIT_SECOND;
    kit.options.max_group_entries = 50;
    for (int i = 0; i < 1000; i++)
        KIT_EVENT(&kit, i, "kind", i % 2 == 0 ? "a" : "b", "user", "u");
    KIT_EVENT(&kit, 1000, "kind", "c", "user", "u");
    struct detector_stats stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 3), "1000");
    assert_int_equal(stats.lost_entries, 1001 - 50);
    kit_free(&kit);
}

static void test_sequences_that_are_over_are_forgotten(void **state)
{
    (void)state;
    struct kit kit = ordered(60, 2);
    for (int i = 0; i < 10000; i++) {
        struct sv name = arena_printf(&kit.arena, "%d", i);
        KIT_EVENT(&kit, i, "kind", "a", "user", name.p);
    }
    struct detector_stats stats = kit_judge(&kit);
    assert_int_equal(stats.evicted_groups, 0);
    assert_in_range(stats.groups, 1, 400); /* a shard forgets when it is next looked at */
    kit_free(&kit);
}

static void test_full_group_still_fires(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GT, 100); /* more than the bound allows: the bound gives way */
    kit.options.max_group_entries = 10;
    for (int i = 0; i < 500; i++)
        KIT_EVENT(&kit, i / 20, "kind", "a", "user", "u");
    struct detector_stats stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "5");
    assert_int_equal(stats.lost_entries, 0); /* events of one time share an entry */
    kit_clear_events(&kit);
    for (int i = 0; i < 500; i++)
        kit_event_at(&kit, KIT_START + i * (KIT_SECOND / 10), KIT_NAMES("kind", "a", "user", "u"));
    stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "10");
    assert_int_equal(kit_repeats(&kit, 1), 399);
    assert_int_equal(stats.lost_entries, 500 - 204);
    kit_free(&kit);
}

static void test_one_value_cannot_push_out_others(void **state)
{
    (void)state;
    struct kit kit = distinct(3);
    kit.options.max_group_entries = 10;
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u", "field", "x");
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u", "field", "y");
    for (int i = 0; i < 1000; i++)
        kit_event_at(&kit, KIT_START + i * (KIT_SECOND / 20),
                     KIT_NAMES("kind", "a", "user", "u", "field", "x"));
    KIT_EVENT(&kit, 60, "kind", "a", "user", "u", "field", "z");
    struct detector_stats stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "60");
    assert_int_equal(stats.lost_entries, 0);
    kit_free(&kit);
}

static void test_groups_that_are_over_are_forgotten(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GT, 5);
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "%d", i);
        KIT_EVENT(&kit, i, "kind", "a", "user", arena_str(&kit.arena, sv_of(name)));
    }
    struct detector_stats stats = kit_judge(&kit);
    assert_int_equal(stats.evicted_groups, 0);
    assert_in_range(stats.groups, 1, 500);
    kit_free(&kit);
}

/* --- sources and their times
 * ------------------------------------------------------------------------------------------- */

static void test_watermark_is_per_source(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    kit.source = "slow";
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u");
    kit.source = "fast";
    KIT_EVENT(&kit, 1000, "kind", "a", "user", "v");
    kit.source = "slow";
    KIT_EVENT(&kit, 10, "kind", "a", "user", "u");
    KIT_EVENT(&kit, 20, "kind", "a", "user", "u");
    struct detector_stats stats = kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "20");
    assert_int_equal(stats.late_events, 0);
    kit_free(&kit);
}

static void test_source_that_ended_holds_nothing_back(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GT, 5);
    char name[32];
    kit.source = "short file";
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u");
    kit.source = "long file";
    for (int i = 0; i < 80000; i++) {
        snprintf(name, sizeof name, "%d", i);
        KIT_EVENT(&kit, i, "kind", i < 66000 ? "b" : "a", "user", arena_str(&kit.arena, sv_of(name)));
    }
    assert_in_range(kit_judge(&kit).groups, 1, 500);
    kit_free(&kit);
}

static void test_events_without_time(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 2);
    kit_event_at(&kit, TC_NO_TIME, KIT_NAMES("kind", "a", "user", "u"));
    kit_event_at(&kit, TC_NO_TIME, KIT_NAMES("kind", "a", "user", "u"));
    kit_judge(&kit);
    assert_int_equal(kit.found.count, 0);
    kit.options.receive_time_stands_in = true;
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "0");
    kit_clear_events(&kit); /* a forged time is not believed */
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u")->flags |= EVENT_SUSPECT_TIME;
    struct event *forged = KIT_EVENT(&kit, 1000000, "kind", "a", "user", "u");
    forged->flags |= EVENT_SUSPECT_TIME;
    forged->received.ns = KIT_START + KIT_SECOND;
    kit_judge(&kit);
    assert_string_equal(kit_fired(&kit, 1), "1");
    kit_free(&kit);
}

static void test_clock_that_runs_ahead_makes_no_other_late(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_GTE, 3);
    kit.options.receive_time_stands_in = true;
    kit.source = "ahead";
    KIT_EVENT(&kit, 299, "kind", "b")->received.ns = KIT_START;
    kit.source = "right";
    for (int second = 0; second < 3; second++)
        KIT_EVENT(&kit, second, "kind", "a", "user", "u");
    assert_int_equal(kit_judge(&kit).late_events, 0);
    assert_string_equal(kit_fired(&kit, 1), "2");
    kit_free(&kit);
}

static void test_tick_ends_windows_of_idle_sources(void **state)
{
    (void)state;
    struct kit kit = counting(CORR_LT, 3);
    kit.options.receive_time_stands_in = true;
    kit.options.lateness_ns = 5 * KIT_SECOND;
    KIT_EVENT(&kit, 0, "kind", "a", "user", "u");
    struct detector *detector = detector_new(&kit.set, &kit.options);
    kit.found = (struct finding_list){.arena = &kit.found_arena};
    detector_judge(detector, kit.events, 1, &kit.found);
    for (int second = 1; second <= 65; second++)
        detector_tick(detector, 100 + (unsigned)second,
                      (struct receive_time){KIT_START + second * KIT_SECOND}, &kit.found);
    assert_int_equal(kit.found.count, 0); /* an event at 60 may still come */
    detector_tick(detector, 166, (struct receive_time){KIT_START + 66 * KIT_SECOND}, &kit.found);
    assert_string_equal(kit_fired(&kit, 1), "60");
    assert_int_equal(kit.found.items[0].position, 166);
    assert_int_equal(kit.found.items[0].received.ns, KIT_START + 66 * KIT_SECOND);
    detector_free(&detector);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C1_window_is_inclusive),
        cmocka_unit_test(test_C2_groups_are_apart),
        cmocka_unit_test(test_C4_old_event_in_between),
        cmocka_unit_test(test_C5_out_of_order),
        cmocka_unit_test(test_C6_distinct_values),
        cmocka_unit_test(test_thresholds_above_a_million_are_reached),
        cmocka_unit_test(test_an_address_is_one_group_and_value_however_it_is_written),
        cmocka_unit_test(test_C6_tuples),
        cmocka_unit_test(test_C15_lt_is_judged_when_the_window_is_over),
        cmocka_unit_test(test_C15_waits_for_late_events),
        cmocka_unit_test(test_C15_counts_distinct_values),
        cmocka_unit_test(test_C16_ranges),
        cmocka_unit_test(test_C_111_over_a_bucket_edge),
        cmocka_unit_test(test_C_80_fires_at_six_holds_at_five),
        cmocka_unit_test(test_X_02_C_83_values_not_events),
        cmocka_unit_test(test_one_finding_per_episode),
        cmocka_unit_test(test_late_event_joins_episodes_that_were_said),
        cmocka_unit_test(test_repeat_counts_as_many),
        cmocka_unit_test(test_trap_39_once_per_rule_reference),
        cmocka_unit_test(test_trap_36_missing_group_field),
        cmocka_unit_test(test_group_by_array_takes_its_first_value),
        cmocka_unit_test(test_long_group_values_differ_at_their_end),
        cmocka_unit_test(test_thresholds_at_the_edges),
        cmocka_unit_test(test_flood_does_not_push_out_a_slow_attack),
        cmocka_unit_test(test_flood_of_first_steps_does_not_push_out_a_sequence),
        cmocka_unit_test(test_full_sequence_still_fires),
        cmocka_unit_test(test_sequences_that_are_over_are_forgotten),
        cmocka_unit_test(test_full_group_still_fires),
        cmocka_unit_test(test_one_value_cannot_push_out_others),
        cmocka_unit_test(test_groups_that_are_over_are_forgotten),
        cmocka_unit_test(test_watermark_is_per_source),
        cmocka_unit_test(test_source_that_ended_holds_nothing_back),
        cmocka_unit_test(test_events_without_time),
        cmocka_unit_test(test_clock_that_runs_ahead_makes_no_other_late),
        cmocka_unit_test(test_tick_ends_windows_of_idle_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
