/*
 * Severity as an attribute of an alert (D-13), what a rule's own dedup and quiet time do, and resets.
 */
#include "alert/alert_testkit.h"

#include <stdio.h>
#include <string.h>

struct scene { /* one rule, one address, and a book */
    struct kit kit;
    struct rule_info rule;
    struct finding_field ip;
};

static void scene_init(struct scene *s)
{
    kit_init(&s->kit, NULL);
    s->rule = kit_rule("r-1", "MEMORY", SEVERITY_P3);
    s->ip = kit_ip("203.0.113.7");
}

static void give(struct scene *s, int64_t time_ns, enum severity severity, bool repeat)
{
    struct finding f = kit_finding(&s->rule, &s->ip, time_ns);
    f.severity = severity;
    f.repeat = repeat;
    kit_give(&s->kit, f);
}

static struct sv label(const struct alert *alert, const char *name)
{
    for (size_t i = 0; i < alert->label_count; i++)
        if (sv_is(alert->labels[i].name, name))
            return alert->labels[i].value;
    return SV("");
}

static void test_D_13_a_raise_is_told_once_and_is_the_same_alert(void **state)
{
    struct scene s;
    char key[80];
    (void)state;
    scene_init(&s);
    give(&s, KIT_T0, SEVERITY_NONE, false);
    assert_int_equal(1, kit_intents(&s.kit));
    give(&s, KIT_T0 + 1, SEVERITY_P1, true);
    const struct alert *alert = book_at(s.kit.book, 0);
    assert_int_equal(1, book_count(s.kit.book));
    assert_int_equal(2, s.kit.out.count);
    assert_int_equal(NOTIFY_SEVERITY_RAISED, s.kit.out.items[1].reason);
    snprintf(key, sizeof key, "%s-P1", alert->id);
    assert_string_equal(key, s.kit.out.items[1].key);
    assert_int_equal(SEVERITY_P1, alert->severity);
    assert_true(sv_is(label(alert, "severity"), "critical")); /* what routes are matched by */
    assert_true(sv_is(alert->history[alert->history_count - 1].note, "raised from P3 to P1"));
    give(&s, KIT_T0 + 2, SEVERITY_P1, true);
    assert_int_equal(0, s.kit.out.count);
    kit_free(&s.kit);
}

static void test_D_13_a_fall_is_not_told(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    give(&s, KIT_T0, SEVERITY_P1, false);
    give(&s, KIT_T0 + 1, SEVERITY_NONE, false);
    give(&s, KIT_T0 + 2, SEVERITY_P2, false);
    assert_int_equal(0, s.kit.out.count);
    assert_int_equal(1, book_count(s.kit.book));
    assert_int_equal(SEVERITY_P1, book_at(s.kit.book, 0)->severity);
    assert_int_equal(3, book_at(s.kit.book, 0)->count);
    kit_free(&s.kit);
}

static void test_D_13_a_raise_of_an_acknowledged_alert_is_told(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    give(&s, KIT_T0, SEVERITY_NONE, false);
    kit_command(&s.kit, "ack", book_at(s.kit.book, 0)->id, "", "", KIT_T0 + 1);
    give(&s, KIT_T0 + 2, SEVERITY_P2, true);
    assert_int_equal(1, kit_intents(&s.kit));
    assert_int_equal(ALERT_ACKNOWLEDGED, book_at(s.kit.book, 0)->state);
    kit_free(&s.kit);
}

static void test_D_13_what_is_worse_than_what_a_person_resolved_is_news(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s);
    give(&s, KIT_T0, SEVERITY_NONE, false);
    kit_command(&s.kit, "resolve", book_at(s.kit.book, 0)->id, "", "", KIT_T0 + 1);
    give(&s, KIT_T0 + 2, SEVERITY_NONE, true);
    assert_int_equal(0, kit_intents(&s.kit));
    give(&s, KIT_T0 + 3, SEVERITY_P1, true);
    assert_int_equal(1, kit_intents(&s.kit));
    assert_int_equal(2, book_count(s.kit.book));
    kit_free(&s.kit);
}

static void test_a_raise_is_kept_in_a_checkpoint(void **state)
{
    struct scene s;
    struct kit other;
    struct buf saved, again;
    struct err err;
    (void)state;
    scene_init(&s);
    s.rule.secondary_owner = SV("leadership");
    s.rule.quiet_ns = KIT_MINUTE;
    give(&s, KIT_T0, SEVERITY_NONE, false);
    give(&s, KIT_T0 + 1, SEVERITY_P2, true);
    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    book_save(s.kit.book, &saved);
    kit_init(&other, NULL);
    assert_int_equal(0, book_load(other.book, buf_view(&saved), &err));
    const struct alert *a = book_at(s.kit.book, 0), *b = book_at(other.book, 0);
    assert_int_equal(SEVERITY_P2, b->severity);
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_true(sv_is(b->secondary_owner, "leadership"));
    book_save(other.book, &again);
    assert_true(sv_eq(buf_view(&saved), buf_view(&again)));
    kit_tick(&other, KIT_T0 + 2 * KIT_MINUTE); /* its rule's quiet time, not a day */
    assert_int_equal(ALERT_RESOLVED, book_at(other.book, 0)->state);
    buf_free(&saved);
    buf_free(&again);
    kit_free(&other);
    kit_free(&s.kit);
}

static void test_a_book_of_the_version_before_is_read(void **state)
{
    struct scene s;
    struct buf saved, old;
    struct err err;
    (void)state;
    scene_init(&s);
    give(&s, KIT_T0, SEVERITY_NONE, false);
    buf_init(&saved, 1 << 20);
    buf_init(&old, 1 << 20);
    book_save(s.kit.book, &saved);
    kit_as_version_1(buf_view(&saved), &old);
    assert_int_equal(0, book_load(s.kit.book, buf_view(&old), &err));
    assert_int_equal(1, book_count(s.kit.book));
    assert_int_equal(0, book_at(s.kit.book, 0)->secondary_owner.n);
    buf_free(&saved);
    buf_free(&old);
    kit_free(&s.kit);
}

static void test_D_05_a_rules_own_window_and_fields(void **state)
{
    const struct sv by[] = {SV("team")};
    struct scene s;
    (void)state;
    scene_init(&s);
    s.rule.dedup_ns = 10 * KIT_MINUTE;
    give(&s, KIT_T0, SEVERITY_NONE, false);
    give(&s, KIT_T0 + 9 * KIT_MINUTE, SEVERITY_NONE, false);
    assert_int_equal(1, book_count(s.kit.book));
    give(&s, KIT_T0 + 10 * KIT_MINUTE, SEVERITY_NONE, false);
    assert_int_equal(2, book_count(s.kit.book));
    s.rule = kit_rule("r-2", "BY TEAM", SEVERITY_P3);
    s.rule.dedup_fields = by;
    s.rule.dedup_field_count = 1;
    const struct finding_field red = {SV("team"), SV("red"), FIELD_STRING};
    const struct finding_field blue = {SV("team"), SV("blue"), FIELD_STRING};
    struct finding f = kit_finding(&s.rule, &s.ip, KIT_T0);
    f.field_count = 1;
    f.fields = &red;
    kit_give(&s.kit, f);
    const struct finding_field other = kit_ip("198.51.100.1");
    f.group = &other;
    kit_give(&s.kit, f);
    assert_int_equal(3, book_count(s.kit.book)); /* one team, whatever the address */
    f.fields = &blue;
    kit_give(&s.kit, f);
    assert_int_equal(4, book_count(s.kit.book));
    f.field_count = 0; /* none of them: the entity */
    kit_give(&s.kit, f);
    assert_int_equal(5, book_count(s.kit.book));
    kit_free(&s.kit);
}

static void test_a_reset_resolves_the_alert_of_its_entity_alone(void **state)
{
    struct scene s;
    struct rule_info resetting = kit_rule("r-9", "came in", SEVERITY_P4);
    const struct finding_field other = kit_ip("198.51.100.1");
    (void)state;
    scene_init(&s);
    give(&s, KIT_T0, SEVERITY_NONE, false);
    kit_give(&s.kit, kit_finding(&s.rule, &other, KIT_T0));
    struct finding f = kit_finding(&resetting, &s.ip, KIT_T0 + 5);
    f.resets = &s.rule;
    kit_give(&s.kit, f);
    assert_int_equal(1, s.kit.out.count);
    assert_int_equal(DECIDE_ALERT, s.kit.out.items[0].kind);
    assert_true(sv_is(s.kit.out.items[0].what, "resolved"));
    const struct alert *ended = s.kit.out.items[0].alert;
    assert_true(sv_is(label(ended, "source_ip"), "203.0.113.7"));
    assert_true(sv_is(ended->history[ended->history_count - 1].note, "reset by came in"));
    kit_give(&s.kit, f); /* nothing is open any more */
    assert_int_equal(0, s.kit.out.count);
    give(&s, KIT_T0 + 6, SEVERITY_NONE, true); /* and what comes then is news */
    assert_int_equal(1, kit_intents(&s.kit));
    kit_free(&s.kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_13_a_raise_is_told_once_and_is_the_same_alert),
        cmocka_unit_test(test_D_13_a_fall_is_not_told),
        cmocka_unit_test(test_D_13_a_raise_of_an_acknowledged_alert_is_told),
        cmocka_unit_test(test_D_13_what_is_worse_than_what_a_person_resolved_is_news),
        cmocka_unit_test(test_a_raise_is_kept_in_a_checkpoint),
        cmocka_unit_test(test_a_book_of_the_version_before_is_read),
        cmocka_unit_test(test_D_05_a_rules_own_window_and_fields),
        cmocka_unit_test(test_a_reset_resolves_the_alert_of_its_entity_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
