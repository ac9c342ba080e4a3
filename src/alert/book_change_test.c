/*
 * Alerts whose rule says itself when they end (D-13): levels, what people do meanwhile, what a save keeps.
 */
#include "alert/alert_testkit.h"

#include <stdio.h>

static const struct finding_field labels[] = {{{"alertname", 9}, {"Age", 3}, FIELD_STRING},
                                              {{"queue", 5}, {"orders", 6}, FIELD_STRING},
                                              {{"severity", 8}, {"warning", 7}, FIELD_STRING}};

static void give(struct kit *kit, bool firing, enum severity severity, const char *summary, int64_t now_ns)
{
    struct rule_info rule = kit_rule("prometheus:g/Age", "Age", severity);
    struct finding_field annotations[] = {{SV("summary"), sv_of(summary), FIELD_STRING}};
    struct finding finding = {.kind = FINDING_METRIC,
                              .rule = &rule,
                              .position = ++kit->position,
                              .time = {now_ns},
                              .received = {now_ns},
                              .episode_start = {now_ns},
                              .weight = 1,
                              .count = 1,
                              .group = labels,
                              .group_count = TC_ARRAY_LEN(labels),
                              .fields = annotations,
                              .field_count = 1};
    struct alert_change change = {.firing = firing, .identity = {7}, .finding = &finding};
    kit_clear(kit);
    book_change(kit->book, &change, &kit->out);
}

static const struct alert *only(const struct kit *kit)
{
    assert_int_equal(1, book_count(kit->book));
    return book_at(kit->book, 0);
}

static void test_its_own_labels_and_words(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit, &(struct alert_options){0});
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    const struct alert *alert = only(&kit);
    assert_int_equal(TC_ARRAY_LEN(labels), alert->label_count);
    for (size_t i = 0; i < alert->label_count; i++)
        assert_true(sv_eq(alert->labels[i].name, labels[i].name) &&
                    sv_eq(alert->labels[i].value, labels[i].value));
    assert_true(sv_is(alert->message, "at 40"));
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    kit_free(&kit);
}

static void test_each_height_is_told_once(void **state)
{
    static const struct {
        enum severity severity;
        bool told;
    } steps[] = {{SEVERITY_P2, true},  {SEVERITY_P4, false}, {SEVERITY_P2, false},
                 {SEVERITY_P2, false}, {SEVERITY_P1, true},  {SEVERITY_P3, false}};
    struct kit kit;
    (void)state;
    kit_init(&kit, &(struct alert_options){0});
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    kit_command(&kit, "ack", only(&kit)->id, "", "", KIT_T0);
    for (size_t i = 0; i < TC_ARRAY_LEN(steps); i++) {
        give(&kit, true, steps[i].severity, "higher", KIT_T0 + (int64_t)i * KIT_MINUTE);
        kit_save_and_load(&kit, &(struct alert_options){0});
        assert_int_equal(steps[i].severity, only(&kit)->severity);
    }
    assert_int_equal(1, only(&kit)->count);
    assert_true(sv_is(only(&kit)->message, "higher"));
    assert_true(sv_is(only(&kit)->labels[2].value, "warning")); /* the rule's own, whatever the level */
    kit_free(&kit);
    kit_init(&kit, &(struct alert_options){0});
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    for (size_t i = 0; i < TC_ARRAY_LEN(steps); i++) {
        give(&kit, true, steps[i].severity, "higher", KIT_T0 + (int64_t)i * KIT_MINUTE);
        const struct decision *intent = kit_intent(&kit);
        assert_int_equal(steps[i].told, intent != NULL);
        assert_true(intent == NULL || intent->reason == NOTIFY_SEVERITY_RAISED);
    }
    kit_free(&kit);
}

static void test_only_its_rule_ends_it(void **state)
{
    struct alert_options options = {.resolve_after_ns = KIT_HOUR, .dedup_ns = KIT_MINUTE};
    struct kit kit;
    (void)state;
    kit_init(&kit, &options);
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    kit_save_and_load(&kit, &options);
    kit_tick(&kit, KIT_T0 + 100 * KIT_HOUR);
    assert_int_equal(ALERT_FIRING, only(&kit)->state);
    give(&kit, false, SEVERITY_P3, "", KIT_T0 + 101 * KIT_HOUR);
    assert_int_equal(ALERT_RESOLVED, only(&kit)->state);
    assert_int_equal(KIT_T0 + 101 * KIT_HOUR, only(&kit)->ended_ns);
    give(&kit, false, SEVERITY_P3, "", KIT_T0 + 102 * KIT_HOUR); /* again: nothing */
    assert_int_equal(0, kit.out.count);
    give(&kit, true, SEVERITY_P3, "at 41", KIT_T0 + 102 * KIT_HOUR);
    assert_int_equal(2, book_count(kit.book));
    assert_int_equal(NOTIFY_NEW, kit_intent(&kit)->reason);
    kit_free(&kit);
}

static void count_firing(void *context, const uint8_t identity[TC_SHA256_BYTES], const struct alert *alert)
{
    assert_int_equal(7, identity[0]);
    assert_true(sv_is(alert->rule_id, "prometheus:g/Age"));
    ++*(int *)context;
}

static void test_found_by_its_identity(void **state)
{
    struct kit kit;
    struct err err;
    char id[65];
    (void)state;
    snprintf(id, sizeof id, "07%062d", 0);
    kit_init(&kit, &(struct alert_options){0});
    assert_null(book_find(kit.book, sv_of(id), &err));
    assert_int_equal(TC_ENOTFOUND, err.code);
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    assert_ptr_equal(only(&kit), book_find(kit.book, sv_of(id), &err));
    kit_command(&kit, "ack", id, "", "", KIT_T0);
    assert_int_equal(ALERT_ACKNOWLEDGED, only(&kit)->state);
    kit_save_and_load(&kit, &(struct alert_options){0});
    assert_ptr_equal(only(&kit), book_find(kit.book, sv_of(id), &err));
    id[1] = '8';
    assert_null(book_find(kit.book, sv_of(id), &err));
    id[1] = 'x';
    assert_null(book_find(kit.book, sv_of(id), &err));
    assert_int_equal(TC_EINPUT, err.code);
    kit_free(&kit);
}

static void test_what_a_person_closed_stays_closed(void **state)
{
    struct kit kit;
    int firing = 0;
    (void)state;
    kit_init(&kit, &(struct alert_options){0});
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    kit_command(&kit, "close", only(&kit)->id, "benign", "known", KIT_T0);
    kit_save_and_load(&kit, &(struct alert_options){0});
    book_each_firing(kit.book, count_firing, &firing);
    assert_int_equal(1, firing);
    give(&kit, true, SEVERITY_P1, "at 400", KIT_T0 + KIT_MINUTE);
    assert_int_equal(0, kit.out.count);
    give(&kit, false, SEVERITY_P1, "", KIT_T0 + 2 * KIT_MINUTE);
    assert_int_equal(0, kit.out.count);
    assert_int_equal(ALERT_CLOSED, only(&kit)->state);
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0 + 3 * KIT_MINUTE);
    assert_int_equal(2, book_count(kit.book));
    kit_free(&kit);
}

/* A snoozed alert ends as well; and past the bound of alerts it is counted on the overflow. */
static void test_at_the_edges(void **state)
{
    struct alert_options options = {.max_open = 1};
    struct kit kit;
    (void)state;
    kit_init(&kit, &options);
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0);
    kit_do(&kit, "snooze", only(&kit)->id, (struct alert_command){.until = SV("1h")}, KIT_T0);
    give(&kit, false, SEVERITY_P3, "", KIT_T0 + KIT_MINUTE);
    assert_int_equal(ALERT_RESOLVED, only(&kit)->state);
    struct rule_info other = kit_rule("other", "Other", SEVERITY_P3);
    struct finding_field ip = kit_ip("192.0.2.1");
    kit_give(&kit, kit_finding(&other, &ip, KIT_T0 + 2 * KIT_MINUTE));
    give(&kit, true, SEVERITY_P3, "at 40", KIT_T0 + 3 * KIT_MINUTE);
    give(&kit, false, SEVERITY_P3, "", KIT_T0 + 4 * KIT_MINUTE);
    assert_int_equal(2, book_count(kit.book));
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"C-112 it has its own labels and words", test_its_own_labels_and_words, NULL, NULL, NULL},
        {"D-13 a raise is told once for each height, a fall is not", test_each_height_is_told_once, NULL,
         NULL, NULL},
        {"Y-03 only its rule ends it", test_only_its_rule_ends_it, NULL, NULL, NULL},
        {"what a person closed stays closed until it begins anew", test_what_a_person_closed_stays_closed,
         NULL, NULL, NULL},
        {"it is found by its identity", test_found_by_its_identity, NULL, NULL, NULL},
        {"it ends while it is snoozed; past the bound it is counted", test_at_the_edges, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
