/*
 * Waiting before anybody is told (notify_after): what is enough, what ends it before, what a save keeps.
 */
#include "alert/alert_testkit.h"

static const struct alert_options options = {
    .acknowledge_within_ns = 5 * KIT_MINUTE,
    .notify_count = 3,
    .notify_within_ns = 10 * KIT_MINUTE,
    .ladders = {[SEVERITY_P1] = {.after_ns = {15 * KIT_MINUTE}, .count = 1}}};

static const struct alert *only(const struct kit *kit)
{
    assert_int_equal(1, book_count(kit->book));
    return book_at(kit->book, 0);
}

/* An occurrence, so many at once, at a minute. */
static void come(struct kit *kit, const struct rule_info *rule, uint32_t weight, int minute)
{
    struct finding_field ip = kit_ip("10.0.0.7");
    struct finding finding = kit_finding(rule, &ip, KIT_T0 + minute * KIT_MINUTE);
    finding.weight = weight;
    kit_give(kit, finding);
}

static void test_enough_within_the_time_is_told_as_new(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
    (void)state;
    kit_init(&kit, &options);
    come(&kit, &rule, 1, 0);
    assert_int_equal(1, kit.out.count); /* it is shown */
    assert_true(kit.out.items[0].quiet);
    come(&kit, &rule, 1, 9);
    come(&kit, &rule, 1, 18); /* the first is too long ago */
    assert_int_equal(0, kit_intents(&kit));
    assert_int_equal(2, only(&kit)->waiting->come);
    kit_tick(&kit, KIT_T0 + 18 * KIT_MINUTE); /* no goal is missed, and no step comes, while nobody knows */
    assert_int_equal(0, kit.out.count);
    assert_int_equal(TC_NO_TIME, only(&kit)->escalation_next_ns);
    come(&kit, &rule, 1, 18);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    assert_null(only(&kit)->waiting);
    assert_int_equal(4, only(&kit)->count);
    assert_int_equal(KIT_T0 + 33 * KIT_MINUTE, only(&kit)->escalation_next_ns); /* from when it was told */
    kit_tick(&kit, KIT_T0 + 23 * KIT_MINUTE);
    assert_true(sv_is(kit.out.items[0].what, "breached"));
    come(&kit, &rule, 6, 24); /* and on as any other */
    assert_int_equal(NOTIFY_COUNT_STEP, kit_intent(&kit)->reason);
    kit_free(&kit);
}

static void test_occurrences_that_come_at_once_count_each(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
    (void)state;
    kit_init(&kit, &options);
    come(&kit, &rule, UINT32_MAX, 0);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    assert_null(only(&kit)->waiting);
    kit_free(&kit);
    kit_init(&kit, &options);
    come(&kit, &rule, 2, 0);
    assert_int_equal(0, kit_intents(&kit));
    come(&kit, &rule, 20, 1);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason); /* its count is told with it, not as a step */
    kit_free(&kit);
}

static void test_a_rules_own_comes_first(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
    (void)state;
    rule.notify_count = 1;
    kit_init(&kit, &options);
    come(&kit, &rule, 1, 0);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    kit_free(&kit);
    rule.notify_count = 2;
    rule.notify_within_ns = KIT_MINUTE;
    kit_init(&kit, &(struct alert_options){0});
    come(&kit, &rule, 1, 0);
    come(&kit, &rule, 1, 1); /* a minute after: not within one */
    assert_int_equal(0, kit_intents(&kit));
    come(&kit, &rule, 1, 1);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    kit_free(&kit);
}

static void test_a_raise_is_told_at_once(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P3);
    struct finding_field ip = kit_ip("10.0.0.7");
    (void)state;
    kit_init(&kit, &options);
    come(&kit, &rule, 1, 0);
    struct finding raised = kit_finding(&rule, &ip, KIT_T0 + KIT_MINUTE);
    raised.severity = SEVERITY_P1;
    kit_give(&kit, raised);
    assert_int_equal(NOTIFY_SEVERITY_RAISED, kit_intent(&kit)->reason);
    assert_null(only(&kit)->waiting);
    assert_int_equal(KIT_T0 + 16 * KIT_MINUTE, only(&kit)->escalation_next_ns);
    come(&kit, &rule, 1, 2);
    assert_int_equal(0, kit_intents(&kit)); /* it is no news any more */
    kit_free(&kit);
}

static void test_what_a_person_has_is_not_told(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
    (void)state;
    kit_init(&kit, &options);
    come(&kit, &rule, 1, 0);
    kit_command(&kit, "ack", only(&kit)->id, "", "", KIT_T0);
    come(&kit, &rule, 5, 1);
    assert_int_equal(0, kit_intents(&kit));
    assert_null(only(&kit)->waiting);
    kit_free(&kit);
    kit_init(&kit, &options);
    come(&kit, &rule, 1, 0);
    kit_do(&kit, "snooze", only(&kit)->id, (struct alert_command){.until = SV("30m")}, KIT_T0);
    kit_tick(&kit, KIT_T0 + 30 * KIT_MINUTE);
    assert_int_equal(NOTIFY_REMINDER, kit_intent(&kit)->reason);
    assert_null(only(&kit)->waiting);
    kit_free(&kit);
}

static void test_an_end_that_nobody_heard_of_is_quiet(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
    (void)state;
    rule.quiet_ns = KIT_MINUTE;
    kit_init(&kit, &options);
    come(&kit, &rule, 1, 0);
    kit_tick(&kit, KIT_T0 + KIT_MINUTE);
    assert_int_equal(1, kit.out.count);
    assert_true(sv_is(kit.out.items[0].what, "resolved") && kit.out.items[0].quiet);
    assert_null(only(&kit)->waiting);
    kit_free(&kit);
}

static void test_a_silence_over_it(void **state)
{
    struct alert_command silence = {
        .verb = SV("silence"), .what = SV("alertname=\"SCAN\""), .until = SV("5m"), .note = SV("x")};
    for (int enough = 0; enough < 2; enough++) {
        struct kit kit;
        struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
        struct buf json;
        struct err err;
        (void)state;
        buf_init(&json, 1 << 16);
        kit_init(&kit, &options);
        come(&kit, &rule, 1, 0);
        assert_int_equal(0, silence_command(kit.book, ++kit.position, (struct receive_time){KIT_T0}, &silence,
                                            &json, &kit.out, &err));
        come(&kit, &rule, enough ? 2 : 1, 1);
        assert_int_equal(0, kit_intents(&kit));
        kit_tick(&kit, KIT_T0 + 5 * KIT_MINUTE);
        assert_int_equal(enough, kit_intents(&kit));
        assert_int_equal(!enough, only(&kit)->waiting != NULL);
        kit_free(&kit);
        buf_free(&json);
    }
}

static void test_rules_on_metrics_do_not_wait(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("prometheus:g/Age", "Age", SEVERITY_P3);
    struct finding_field ip = kit_ip("10.0.0.7");
    struct finding finding = kit_finding(&rule, &ip, KIT_T0);
    (void)state;
    finding.kind = FINDING_METRIC;
    kit_init(&kit, &options);
    kit_clear(&kit);
    book_change(kit.book, &(struct alert_change){.firing = true, .identity = {7}, .finding = &finding},
                &kit.out);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    kit_free(&kit);
}

static void test_a_saved_book_and_json_keep_what_came(void **state)
{
    struct kit kit;
    struct rule_info rule = kit_rule("r", "SCAN", SEVERITY_P1);
    struct alert back;
    struct arena arena = {0};
    struct err err;
    struct buf json, again;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_init(&again, 1 << 20);
    kit_init(&kit, &options);
    for (int i = 0; i < 3; i++) {
        come(&kit, &rule, 1, 6 * i); /* 0 is too long ago at 12 */
        assert_int_equal(0, kit_intents(&kit));
        kit_save_and_load(&kit, &options);
    }
    alert_to_json(only(&kit), &json);
    assert_int_equal(0, alert_from_json(buf_view(&json), &arena, &back, &err));
    assert_int_equal(3, back.waiting->needed);
    assert_int_equal(2, back.waiting->come);
    alert_to_json(&back, &again);
    assert_true(sv_eq(buf_view(&json), buf_view(&again)));
    come(&kit, &rule, 1, 13);
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    kit_free(&kit);
    arena_free(&arena);
    buf_free(&json);
    buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enough_within_the_time_is_told_as_new),
        cmocka_unit_test(test_occurrences_that_come_at_once_count_each),
        cmocka_unit_test(test_a_rules_own_comes_first),
        cmocka_unit_test(test_a_raise_is_told_at_once),
        cmocka_unit_test(test_what_a_person_has_is_not_told),
        cmocka_unit_test(test_an_end_that_nobody_heard_of_is_quiet),
        cmocka_unit_test(test_a_silence_over_it),
        cmocka_unit_test(test_rules_on_metrics_do_not_wait),
        cmocka_unit_test(test_a_saved_book_and_json_keep_what_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
