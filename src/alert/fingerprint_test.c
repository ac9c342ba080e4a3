/*
 * The fingerprint against the figures that Prometheus' own tests give (common, model/metric_test.go), and the
 * order of labels that an alert brings.
 */
#include "alert/alert_testkit.h"

#include <stdio.h>

static void check(const struct alert_label *labels, size_t count, uint64_t expected)
{
    char made[17], text[17];
    fingerprint_of(labels, count, made);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)expected);
    assert_string_equal(made, text);
}

static void test_known_values(void **state)
{
    (void)state;
    const struct alert_label robot[] = {{SV("first_name"), SV("electro")},
                                        {SV("manufacturer"), SV("westinghouse")},
                                        {SV("occupation"), SV("robot")}};
    const struct alert_label xy[] = {{SV("x"), SV("y")}};
    const struct alert_label split_late[] = {{SV("a"), SV("bb")}, {SV("b"), SV("c")}};
    const struct alert_label split_early[] = {{SV("a"), SV("b")}, {SV("bb"), SV("c")}};
    check(NULL, 0, UINT64_C(14695981039346656037));
    check(robot, 3, UINT64_C(5911716720268894962));
    check(xy, 1, UINT64_C(8241431561484471700));
    check(split_late, 2, UINT64_C(3016285359649981711));
    check(split_early, 2, UINT64_C(7122421792099404749));
}

static void test_of_an_alert(void **state)
{
    (void)state;
    struct kit kit;
    kit_init(&kit, NULL);
    struct rule_info rule = kit_rule("r-1", "BRUTE_FORCE_ATTACK", SEVERITY_P2);
    struct finding_field ip = kit_ip("203.0.113.7");
    kit_give(&kit, kit_finding(&rule, &ip, KIT_T0));
    const struct alert *alert = book_at(kit.book, 0);
    static const char *const names[] = {"alertname", "rule_id", "severity", "source_ip"};
    static const char *const values[] = {"BRUTE_FORCE_ATTACK", "r-1", "high", "203.0.113.7"};
    assert_int_equal(alert->label_count, 4);
    char expected[17];
    fingerprint_of(alert->labels, alert->label_count, expected);
    assert_string_equal(alert->fingerprint, expected);
    for (size_t i = 0; i < 4; i++) {
        assert_true(sv_is(alert->labels[i].name, names[i]));
        assert_true(sv_is(alert->labels[i].value, values[i]));
    }
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_of_an_alert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
