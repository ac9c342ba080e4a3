/*
 * Flapping (Y-03): when it begins, what is told meanwhile, how it ends, for rules on metrics and on events; a
 * book that is saved at every step decides the same.
 */
#include "alert/alert_testkit.h"

#include <stdio.h>

static const struct alert_options options = {.resolve_after_ns = 10 * KIT_MINUTE,
                                             .flap_count = 3,
                                             .flap_within_ns = KIT_HOUR,
                                             .flap_stable_ns = 20 * KIT_MINUTE};
static const struct finding_field labels[] = {{{"alertname", 9}, {"Age", 3}, FIELD_STRING},
                                              {{"queue", 5}, {"orders", 6}, FIELD_STRING}};

/* What a rule on metrics says, a minute of the test's clock. */
static void say(struct kit *kit, bool firing, enum severity severity, int minute)
{
    struct rule_info rule = kit_rule("prometheus:g/Age", "Age", severity);
    struct finding finding = {.kind = FINDING_METRIC,
                              .rule = &rule,
                              .position = ++kit->position,
                              .time = {KIT_T0 + minute * KIT_MINUTE},
                              .received = {KIT_T0 + minute * KIT_MINUTE},
                              .weight = 1,
                              .count = 1,
                              .group = labels,
                              .group_count = TC_ARRAY_LEN(labels)};
    struct alert_change change = {.firing = firing, .identity = {7}, .finding = &finding};
    kit_clear(kit);
    book_change(kit->book, &change, &kit->out);
}

static const struct alert *newest(const struct kit *kit)
{
    return book_at(kit->book, book_count(kit->book) - 1);
}

static void assert_told(const struct kit *kit, enum notify_reason reason, const char *key_end)
{
    char key[80];
    const struct decision *intent = kit_intent(kit);
    assert_non_null(intent);
    snprintf(key, sizeof key, "%s-%s", intent->alert->id, key_end);
    assert_int_equal(reason, intent->reason);
    assert_string_equal(key, intent->key);
}

/* Begins and ends twice, and begins a third time at minute 4. */
static void flap(struct kit *kit)
{
    kit_init(kit, &options);
    for (int minute = 0; minute < 4; minute++) {
        say(kit, minute % 2 == 0, SEVERITY_P3, minute);
        assert_int_equal(minute % 2 == 0, kit_intents(kit));
    }
    say(kit, true, SEVERITY_P3, 4);
}

static void test_Y_03_it_is_told_once_and_stays_one_alert(void **state)
{
    struct kit kit;
    (void)state;
    flap(&kit);
    assert_told(&kit, NOTIFY_FLAPPING, "flapping-3");
    assert_int_equal(3, book_count(kit.book));
    for (int minute = 5; minute < 90; minute++) { /* for as long as it likes */
        kit_tick(&kit, KIT_T0 + minute * KIT_MINUTE);
        assert_int_equal(0, kit.out.count);
        say(&kit, minute % 2 == 0, SEVERITY_P3, minute);
        assert_int_equal(0, kit_intents(&kit));
        assert_int_equal(ALERT_FIRING, newest(&kit)->state);
    }
    assert_int_equal(3, book_count(kit.book));
    assert_int_equal(3 + 42, newest(&kit)->flapping->times);
    assert_int_equal(1 + 42, newest(&kit)->count);
    assert_int_equal(2, newest(&kit)->history_count);
    kit_free(&kit);
}

static void test_Y_03_what_stays_over_ends_and_its_end_is_told(void **state)
{
    struct kit kit;
    (void)state;
    flap(&kit);
    say(&kit, false, SEVERITY_P3, 5);
    assert_int_equal(0, kit.out.count);
    assert_int_equal(KIT_T0 + 5 * KIT_MINUTE, newest(&kit)->flapping->over_ns);
    assert_int_equal(KIT_T0 + 25 * KIT_MINUTE, book_due_ns(kit.book));
    say(&kit, false, SEVERITY_P3, 9); /* said again, it puts nothing off */
    kit_tick(&kit, KIT_T0 + 25 * KIT_MINUTE - 1);
    assert_int_equal(0, kit.out.count);
    kit_tick(&kit, KIT_T0 + 25 * KIT_MINUTE);
    assert_int_equal(1, kit.out.count);
    assert_true(sv_is(kit.out.items[0].what, "resolved") && !kit.out.items[0].quiet);
    assert_null(newest(&kit)->flapping);
    say(&kit, true, SEVERITY_P3, 70); /* news again */
    assert_told(&kit, NOTIFY_NEW, "new");
    kit_free(&kit);
}

static void test_Y_03_what_stays_firing_is_told_to_fire_still(void **state)
{
    struct kit kit;
    (void)state;
    flap(&kit);
    kit_tick(&kit, KIT_T0 + 24 * KIT_MINUTE);
    assert_told(&kit, NOTIFY_REMINDER, "reminder-1");
    assert_null(newest(&kit)->flapping);
    assert_true(book_due_ns(kit.book) > KIT_T0 + 40 * KIT_HOUR); /* when those before it are forgotten */
    say(&kit, false, SEVERITY_P3, 30);                           /* as any other alert */
    assert_int_equal(ALERT_RESOLVED, newest(&kit)->state);
    kit_free(&kit);
}

static void test_Y_03_begins_too_far_apart_are_no_flapping(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit, &options);
    for (int i = 0; i < 10; i++) {
        say(&kit, true, SEVERITY_P3, 30 * i);
        assert_told(&kit, NOTIFY_NEW, "new"); /* the third begin before is an hour ago */
        say(&kit, false, SEVERITY_P3, 30 * i + 1);
    }
    kit_free(&kit);
    kit_init(&kit, &(struct alert_options){0}); /* off */
    for (int i = 0; i < 10; i++) {
        say(&kit, true, SEVERITY_P3, 2 * i);
        assert_told(&kit, NOTIFY_NEW, "new");
        say(&kit, false, SEVERITY_P3, 2 * i + 1);
    }
    kit_free(&kit);
}

static void test_Y_03_a_person_hears_of_the_next_begin(void **state)
{
    struct kit kit;
    (void)state;
    flap(&kit);
    kit_command(&kit, "resolve", newest(&kit)->id, "", "", KIT_T0 + 5 * KIT_MINUTE);
    assert_int_equal(ALERT_RESOLVED, newest(&kit)->state);
    say(&kit, false, SEVERITY_P3, 6);
    say(&kit, true, SEVERITY_P3, 7);
    assert_told(&kit, NOTIFY_NEW, "new");
    assert_null(newest(&kit)->flapping);
    kit_free(&kit);
}

static void test_Y_03_a_raise_is_told_and_acknowledging_goes_on(void **state)
{
    struct kit kit;
    (void)state;
    flap(&kit);
    kit_command(&kit, "ack", newest(&kit)->id, "", "", KIT_T0 + 5 * KIT_MINUTE);
    say(&kit, false, SEVERITY_P3, 6);
    assert_int_equal(ALERT_ACKNOWLEDGED, newest(&kit)->state);
    say(&kit, true, SEVERITY_P1, 7);
    assert_int_equal(NOTIFY_SEVERITY_RAISED, kit_intent(&kit)->reason);
    kit_tick(&kit, KIT_T0 + 27 * KIT_MINUTE); /* stable, but somebody has it */
    assert_int_equal(0, kit_intents(&kit));
    assert_int_equal(ALERT_ACKNOWLEDGED, newest(&kit)->state);
    assert_null(newest(&kit)->flapping);
    kit_free(&kit);
}

/* Of a rule on events: what would end it by time is held back, too, and no count is told. */
static void test_Y_03_events(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P3);
    struct finding_field ip = kit_ip("10.0.0.7");
    (void)state;
    rule.quiet_ns = 5 * KIT_MINUTE;
    kit_init(&kit, &options);
    for (int i = 0; i < 3; i++) {
        kit_give(&kit, kit_finding(&rule, &ip, KIT_T0 + i * 6 * KIT_MINUTE));
        assert_int_equal(i < 2 ? NOTIFY_NEW : NOTIFY_FLAPPING, kit_intent(&kit)->reason);
        kit_tick(&kit, KIT_T0 + (i * 6 + 5) * KIT_MINUTE);
    }
    assert_int_equal(0, kit.out.count);
    assert_int_equal(KIT_T0 + 17 * KIT_MINUTE, newest(&kit)->flapping->over_ns);
    for (int i = 0; i < 20; i++) {
        struct finding finding = kit_finding(&rule, &ip, KIT_T0 + (18 + 6 * i) * KIT_MINUTE);
        kit_give(&kit, finding); /* also past the window of repeats */
        assert_int_equal(0, kit_intents(&kit));
        kit_tick(&kit, KIT_T0 + (18 + 6 * i + 5) * KIT_MINUTE);
    }
    assert_int_equal(3, book_count(kit.book));
    assert_int_equal(21, newest(&kit)->count);
    assert_int_equal(3 + 20, newest(&kit)->flapping->times);
    int64_t over_ns = newest(&kit)->flapping->over_ns;
    kit_tick(&kit, over_ns + options.flap_stable_ns);
    assert_int_equal(ALERT_RESOLVED, newest(&kit)->state);
    kit_free(&kit);
}

/* The same story told to a book that lives, and to one that is saved and loaded at every step. */
static void tell_story(bool saves, struct buf *to)
{
    struct kit kit;
    kit_init(&kit, &options);
    for (int minute = 0; minute < 60; minute++) {
        bool firing = minute < 30 ? minute % 2 == 0 : minute % 7 == 0;
        say(&kit, firing, minute == 20 ? SEVERITY_P2 : SEVERITY_P3, minute);
        kit_transcribe(&kit.out, to);
        if (saves)
            kit_save_and_load(&kit, &options);
        kit_tick(&kit, KIT_T0 + minute * KIT_MINUTE + 1);
        kit_transcribe(&kit.out, to);
    }
    kit_tick(&kit, KIT_T0 + 200 * KIT_MINUTE);
    kit_transcribe(&kit.out, to);
    kit_free(&kit);
}

static void test_Y_03_a_saved_book_decides_the_same(void **state)
{
    struct buf a, b;
    (void)state;
    buf_init(&a, 16 << 20);
    buf_init(&b, 16 << 20);
    tell_story(false, &a);
    tell_story(true, &b);
    assert_true(a.n > 0 && sv_eq(buf_view(&a), buf_view(&b)));
    buf_free(&a);
    buf_free(&b);
}

static void test_Y_03_its_json_there_and_back(void **state)
{
    struct kit kit;
    struct alert back;
    struct arena arena = {0};
    struct err err;
    struct buf json, again;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_init(&again, 1 << 20);
    flap(&kit);
    say(&kit, false, SEVERITY_P3, 5);
    alert_to_json(newest(&kit), &json);
    assert_int_equal(0, alert_from_json(buf_view(&json), &arena, &back, &err));
    assert_int_equal(3, back.flapping->times);
    assert_int_equal(KIT_T0 + 5 * KIT_MINUTE, back.flapping->over_ns);
    alert_to_json(&back, &again);
    assert_true(sv_eq(buf_view(&json), buf_view(&again)));
    kit_free(&kit);
    arena_free(&arena);
    buf_free(&json);
    buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_Y_03_it_is_told_once_and_stays_one_alert),
        cmocka_unit_test(test_Y_03_what_stays_over_ends_and_its_end_is_told),
        cmocka_unit_test(test_Y_03_what_stays_firing_is_told_to_fire_still),
        cmocka_unit_test(test_Y_03_begins_too_far_apart_are_no_flapping),
        cmocka_unit_test(test_Y_03_a_person_hears_of_the_next_begin),
        cmocka_unit_test(test_Y_03_a_raise_is_told_and_acknowledging_goes_on),
        cmocka_unit_test(test_Y_03_events),
        cmocka_unit_test(test_Y_03_a_saved_book_decides_the_same),
        cmocka_unit_test(test_Y_03_its_json_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
