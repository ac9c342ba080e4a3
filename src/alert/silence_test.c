/*
 * Silences (Y-02): what they hide, how they end, what is told then, what is refused; and that a saved book
 * goes on the same.
 */
#include "alert/alert_testkit.h"

#include <stdio.h>
#include <string.h>

#define COMMAND(...) ((struct alert_command){__VA_ARGS__})

static const struct alert_options options = {
    .resolve_after_ns = 30 * 24 * KIT_HOUR,
    .ladders = {[SEVERITY_P1] = {.after_ns = {15 * KIT_MINUTE}, .count = 1}},
};

static struct buf answer;
static struct err refused;

static int give(struct kit *kit, const char *verb, struct alert_command command, int64_t now_ns)
{
    kit_clear(kit);
    command.verb = sv_of(verb);
    command.by = SV("alice");
    buf_free(&answer);
    buf_init(&answer, 1 << 20);
    refused = (struct err){0};
    return silence_command(kit->book, ++kit->position, (struct receive_time){now_ns}, &command, &answer,
                           &kit->out, &refused);
}

static void find(struct kit *kit, const char *title, const char *address, int64_t now_ns)
{
    struct rule_info rule = kit_rule(title, title, SEVERITY_P1);
    struct finding_field ip = kit_ip(address);
    kit_give(kit, kit_finding(&rule, &ip, now_ns));
}

static void begin(struct kit *kit)
{
    kit_init(kit, &options);
    find(kit, "SCAN", "10.0.0.1", KIT_T0);
}

static void end(struct kit *kit)
{
    kit_free(kit);
    buf_free(&answer);
}

static void test_Y_02_nothing_is_told_and_the_rest_when_it_ends(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit);
    assert_int_equal(give(&kit, "silence",
                          COMMAND(.what = SV("alertname=\"SCAN\""), .until = SV("1h"), .note = SV("a test")),
                          KIT_T0 + 5 * KIT_MINUTE),
                     0);
    assert_int_equal(kit.out.count, 1); /* the alert that is hidden says so */
    assert_true(sv_is(kit.out.items[0].what, "silenced"));
    find(&kit, "SCAN", "10.0.0.2", KIT_T0 + 6 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 0);
    assert_int_equal(kit.out.count, 1); /* it is made, and shown */
    find(&kit, "OTHER", "10.0.0.2", KIT_T0 + 6 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 1);
    kit_command(&kit, "ack", kit.out.items[0].alert->id, "", "", KIT_T0 + 7 * KIT_MINUTE);
    kit_save_and_load(&kit, &options);
    kit_tick(&kit, KIT_T0 + 64 * KIT_MINUTE); /* the ladder pauses */
    assert_int_equal(kit.out.count, 0);
    kit_tick(&kit, KIT_T0 + 65 * KIT_MINUTE);
    assert_int_equal(kit_intents(&kit), 2);
    for (size_t i = 0; i < kit.out.count; i++)
        assert_true(kit.out.items[i].kind != DECIDE_INTENT || kit.out.items[i].reason == NOTIFY_REMINDER);
    kit_tick(&kit, KIT_T0 + 75 * KIT_MINUTE); /* five minutes had passed before, ten after */
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_ESCALATED);
    assert_true(sv_is(kit_intent(&kit)->alert->labels[3].value, "10.0.0.1"));
    end(&kit);
}

static void test_Y_02_an_end_is_told_to_who_was_told(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit);
    const struct alert *told = book_at(kit.book, 0);
    assert_int_equal(give(&kit, "silence",
                          COMMAND(.what = SV("alertname=\"SCAN\""), .until = SV("1h"), .note = SV("n")),
                          KIT_T0),
                     0);
    find(&kit, "SCAN", "10.0.0.2", KIT_T0 + KIT_MINUTE);
    const struct alert *hidden = kit.out.items[0].alert;
    kit_command(&kit, "resolve", told->id, "", "", KIT_T0 + 2 * KIT_MINUTE);
    assert_false(kit.out.items[0].quiet);
    kit_command(&kit, "resolve", hidden->id, "", "", KIT_T0 + 2 * KIT_MINUTE);
    assert_true(kit.out.items[0].quiet);
    end(&kit);
}

static void test_Y_02_until_resolved(void **state)
{
    (void)state;
    struct kit kit;
    struct buf list;
    begin(&kit);
    const struct alert *alert = book_at(kit.book, 0);
    assert_int_equal(
        give(&kit, "silence",
             COMMAND(.what = SV("alertname=\"SCAN\""), .disposition = SV("until_resolved"), .note = SV("n")),
             KIT_T0),
        0);
    kit_tick(&kit, KIT_T0 + KIT_HOUR);
    kit_command(&kit, "resolve", alert->id, "", "", KIT_T0 + 2 * KIT_HOUR);
    kit_save_and_load(&kit, &options);
    kit_tick(&kit, KIT_T0 + 2 * KIT_HOUR + 1);
    buf_init(&list, 1 << 20);
    silence_list_json(kit.book, KIT_T0 + 2 * KIT_HOUR + 1, &list);
    assert_true(sv_find(buf_view(&list), SV("\"state\":\"ended\"")) < list.n);
    find(&kit, "SCAN", "10.0.0.2", KIT_T0 + 3 * KIT_HOUR);
    assert_int_equal(kit_intents(&kit), 1);
    buf_free(&list);
    end(&kit);
}

/* KIT_T0 is a Saturday, 10:00 UTC, 11:00 in Berlin. */
static void test_Y_02_week_by_week(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit);
    assert_int_equal(
        give(&kit, "silence",
             COMMAND(.what = SV("alertname=\"SCAN\""), .every = SV("sat-sun 12:00-14:00 Europe/Berlin"),
                     .until = SV("60d"), .note = SV("backups")),
             KIT_T0),
        0);
    assert_int_equal(kit.out.count, 0);
    kit_tick(&kit, KIT_T0 + KIT_HOUR);
    assert_true(sv_is(kit.out.items[kit.out.count - 1].what, "silenced"));
    kit_tick(&kit, KIT_T0 + 3 * KIT_HOUR - TC_SECOND_NS);
    assert_int_equal(kit.out.count, 0);
    kit_tick(&kit, KIT_T0 + 3 * KIT_HOUR);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_REMINDER);
    kit_tick(&kit, KIT_T0 + 25 * KIT_HOUR);
    assert_true(sv_is(kit.out.items[kit.out.count - 1].what, "silenced"));
    kit_tick(&kit, KIT_T0 + 27 * KIT_HOUR);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_REMINDER);
    kit_tick(&kit, KIT_T0 + 49 * KIT_HOUR); /* Monday */
    assert_int_equal(kit_intents(&kit), 0);
    end(&kit);
}

static void test_Y_02_ended_by_hand(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit);
    assert_int_equal(give(&kit, "silence",
                          COMMAND(.what = SV("{alertname=~\"SC.*\"}"), .until = SV("1h"), .note = SV("n")),
                          KIT_T0),
                     0);
    assert_int_equal(give(&kit, "unsilence", COMMAND(.alert_id = SV("2")), KIT_T0 + 1), TC_ENOTFOUND);
    assert_int_equal(give(&kit, "unsilence", COMMAND(.alert_id = SV("1")), KIT_T0 + KIT_MINUTE), 0);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_REMINDER);
    assert_int_equal(give(&kit, "unsilence", COMMAND(.alert_id = SV("1")), KIT_T0 + KIT_HOUR), TC_ESTATE);
    end(&kit);
}

static void test_Y_02_what_is_refused(void **state)
{
    (void)state;
    struct kit kit;
    static const struct {
        struct alert_command command;
        const char *says;
    } bad[] = {
        {{.what = {"alertname=\"X\"", 13}, .until = {"1h", 2}}, "why it is silent"},
        {{.what = {"alertname=\"X\"", 13}, .note = {"n", 1}}, "until"},
        {{.what = {"alertname=\"X\"", 13}, .note = {"n", 1}, .until = {"31d", 3}}, "within 30 days"},
        {{.what = {"alertname=\"X\"", 13}, .note = {"n", 1}, .until = {"2020-01-01T00:00:00Z", 20}}, "ahead"},
        {{.what = {"alertname=~\".*\"", 15}, .note = {"n", 1}, .until = {"1h", 2}}, "every alert"},
        {{.what = {"x!=\"y\"", 6}, .note = {"n", 1}, .until = {"1h", 2}}, "every alert"},
        {{.note = {"n", 1}, .until = {"1h", 2}}, "every alert"},
        {{.what = {"alertname", 9}, .note = {"n", 1}, .until = {"1h", 2}}, "matchers"},
        {{.what = {"alertname=\"X\"", 13}, .note = {"n", 1}, .until = {"1h", 2}, .every = {"daily", 5}},
         "every"},
        {{.what = {"rule_id=~\"SCAN|MANY\"", 20}, .note = {"n", 1}, .until = {"1h", 2}},
         "would hide 101 open alerts"},
    };
    begin(&kit);
    for (int i = 0; i < 100; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.0.1.%d", i);
        find(&kit, "MANY", address, KIT_T0);
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        if (give(&kit, "silence", bad[i].command, KIT_T0) == 0)
            fail_msg("case %zu was taken: %.*s", i, SV_FMT(buf_view(&answer)));
        if (strstr(refused.text, bad[i].says) == NULL)
            fail_msg("case %zu: %s", i, refused.text);
        assert_int_equal(kit.out.count, 0);
    }
    end(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_Y_02_nothing_is_told_and_the_rest_when_it_ends),
        cmocka_unit_test(test_Y_02_an_end_is_told_to_who_was_told),
        cmocka_unit_test(test_Y_02_until_resolved),
        cmocka_unit_test(test_Y_02_week_by_week),
        cmocka_unit_test(test_Y_02_ended_by_hand),
        cmocka_unit_test(test_Y_02_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
