/*
 * What the tocsin: map of a rule says beside kinds with a memory: who answers for it, which findings are one
 * alert, when it is more severe (D-13), and what resets what. Read strictly, and carried into findings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/run_testkit.h"

/* The number of findings that the event makes; the last of them in *ret. */
static size_t sent(struct run *run, int64_t second, const char *json, struct finding *ret)
{
    size_t made = run_judge(run, run_event(run, second, json));
    if (ret != NULL && made > 0)
        *ret = run->found.items[run->found.count - 1];
    return made;
}

#define HEAD                                                                                                 \
    "title: t\nid: i\nlevel: medium\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n  admin:\n"      \
    "    user: root\n  condition: s\ntocsin:\n  owner: o\n  runbook: r\n"

static void test_D_21_owner_secondary_owner_runbook_actions_and_times_are_read(void **state)
{
    struct kit kit = {0};
    (void)state;
    kit_load(&kit, HEAD "  secondary_owner: leadership\n  actions: [look, call, write]\n  quiet: 2h\n"
                        "  notify_after: {count: 5, within: 10m}\n"
                        "  entity: [host]\n  dedup: {by: [host, a], within: 15m}\n  raise:\n"
                        "    - {severity: critical, condition: admin}\n");
    kit_show_notes(&kit);
    assert_int_equal(1, ruleset_count(kit.set));
    const struct rule_info *info = ruleset_rule(kit.set, 0);
    assert_true(sv_is(info->secondary_owner, "leadership"));
    assert_int_equal(3, info->action_count);
    assert_true(sv_is(info->actions[0], "look") && sv_is(info->actions[1], "call") &&
                sv_is(info->actions[2], "write"));
    assert_int_equal(2 * 3600 * TC_SECOND_NS, info->quiet_ns);
    assert_int_equal(900 * TC_SECOND_NS, info->dedup_ns);
    assert_int_equal(5, info->notify_count);
    assert_int_equal(600 * TC_SECOND_NS, info->notify_within_ns);
    assert_int_equal(2, info->dedup_field_count);
    kit_free(&kit);
}

static void test_D_13_a_second_condition_raises_a_detection(void **state)
{
    struct run run;
    struct finding f;
    (void)state;
    run_begin(&run,
              HEAD "  raise:\n    - {severity: high, condition: s and admin}\n"
                   "    - {severity: critical, condition: s and admin and not admin or late}\n",
              &(struct detector_options){0});
    assert_int_equal(0, ruleset_count(run.kit.set)); /* there is no selection `late` */
    run_end(&run);
    run_begin(&run, HEAD "  raise:\n    - {severity: high, condition: s and admin}\n",
              &(struct detector_options){0});
    assert_int_equal(1, sent(&run, 0, "{\"a\":\"b\",\"user\":\"ann\"}", &f));
    assert_int_equal(SEVERITY_P3, finding_severity(&f));
    assert_int_equal(1, sent(&run, 1, "{\"a\":\"b\",\"user\":\"root\"}", &f));
    assert_int_equal(SEVERITY_P2, finding_severity(&f));
    assert_int_equal(SEVERITY_P3, f.rule->severity);
    run_end(&run);
}

static void test_D_13_a_selection_that_only_raise_asks_is_used(void **state)
{
    struct kit kit = {0};
    (void)state;
    kit_load(&kit, HEAD "  raise:\n    - {severity: high, condition: admin}\n");
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++)
        assert_string_not_equal("unused selection", ruleset_note(kit.set, i)->construct);
    kit_free(&kit);
}

static void test_D_13_levels_of_a_correlation_follow_its_value(void **state)
{
    static const char rules[] =
        "title: a\nid: a\nname: a\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n  condition: s\n"
        "---\ntitle: many\nid: m\nlevel: medium\ncorrelation:\n  type: event_count\n  rules: [a]\n"
        "  timespan: 1h\n  condition: {gte: 2}\ntocsin:\n  owner: o\n  runbook: r\n  raise:\n"
        "    - {severity: high, condition: {gte: 3}}\n    - {severity: critical, condition: {gt: 3}}\n";
    static const enum severity expected[] = {0, SEVERITY_P3, SEVERITY_P2, SEVERITY_P1, SEVERITY_P1};
    struct run run;
    struct finding f;
    (void)state;
    run_begin(&run, rules, &(struct detector_options){0});
    for (size_t i = 0; i < TC_ARRAY_LEN(expected); i++) {
        assert_int_equal(expected[i] != 0, sent(&run, (int64_t)i, "{\"a\":\"b\"}", &f));
        if (expected[i] != 0)
            assert_int_equal(expected[i], finding_severity(&f));
        assert_true(i < 2 || f.repeat);
    }
    run_end(&run);
}

static void test_D_13_levels_of_a_sum_are_numbers(void **state)
{
    static const char rules[] =
        "title: a\nid: a\nname: a\nlogsource: {product: any}\ndetection:\n  s:\n    a: b\n  condition: s\n"
        "---\ntitle: sum\nid: m\nlevel: low\ncorrelation:\n  type: value_sum\n  rules: [a]\n"
        "  timespan: 1h\n  condition: {field: n, gt: 80}\ntocsin:\n  owner: o\n  runbook: r\n  raise:\n"
        "    - {severity: critical, condition: {gt: 95.5}}\n";
    struct run run;
    struct finding f;
    (void)state;
    run_begin(&run, rules, &(struct detector_options){0});
    assert_int_equal(1, sent(&run, 0, "{\"a\":\"b\",\"n\":81}", &f));
    assert_int_equal(SEVERITY_P4, finding_severity(&f));
    assert_int_equal(1, sent(&run, 1, "{\"a\":\"b\",\"n\":14.5}", &f));
    assert_int_equal(SEVERITY_P4, finding_severity(&f));
    assert_int_equal(1, sent(&run, 2, "{\"a\":\"b\",\"n\":0.1}", &f));
    assert_int_equal(SEVERITY_P1, finding_severity(&f));
    run_end(&run);
}

#define COUNTED                                                                                              \
    "title: failed\nid: a\nname: failed\nlogsource: {product: any}\ndetection:\n  s:\n    a: failed\n"       \
    "  condition: s\n---\ntitle: many\nid: m\nname: many\ncorrelation:\n  type: event_count\n"               \
    "  rules: [failed]\n  group-by: [user]\n  timespan: 1h\n  condition: {gte: 3}\ntocsin:\n  owner: o\n"    \
    "  runbook: r\n---\n"
#define RESET                                                                                                \
    "title: came in\nid: r\nlogsource: {product: any}\ndetection:\n  s:\n    a: ok\n  condition: s\n"        \
    "tocsin:\n  owner: o\n  runbook: r\n  action: reset\n  resets: [many]\n"

static void test_a_reset_empties_the_window_of_its_group_alone(void **state)
{
    struct run run;
    struct finding f;
    (void)state;
    run_begin(&run, COUNTED RESET, &(struct detector_options){0});
    assert_int_equal(3, ruleset_count(run.kit.set));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(0, sent(&run, i, "{\"a\":\"failed\",\"user\":\"ann\"}", NULL));
        assert_int_equal(0, sent(&run, i, "{\"a\":\"failed\",\"user\":\"bob\"}", NULL));
    }
    assert_int_equal(1, sent(&run, 2, "{\"a\":\"ok\",\"user\":\"ann\"}", &f));
    assert_non_null(f.resets);
    assert_true(sv_is(f.resets->id, "m") && sv_is(f.rule->id, "r"));
    assert_int_equal(1, f.group_count);
    assert_true(sv_is(f.group[0].value, "ann"));
    assert_int_equal(0, sent(&run, 3, "{\"a\":\"failed\",\"user\":\"ann\"}", NULL));
    assert_int_equal(1, sent(&run, 3, "{\"a\":\"failed\",\"user\":\"bob\"}", NULL));
    assert_int_equal(0, sent(&run, 4, "{\"a\":\"failed\",\"user\":\"ann\"}", NULL));
    assert_int_equal(1, sent(&run, 5, "{\"a\":\"failed\",\"user\":\"ann\"}", NULL)); /* the third since */
    assert_int_equal(0, sent(&run, 6, "{\"a\":\"ok\"}", NULL));                      /* of no group */
    run_end(&run);
}

static void test_a_reset_does_not_depend_on_where_a_batch_is_cut(void **state)
{
    static const char *const lines[] = {
        "{\"a\":\"failed\",\"user\":\"x\"}", "{\"a\":\"failed\",\"user\":\"x\"}",
        "{\"a\":\"ok\",\"user\":\"x\"}",     "{\"a\":\"failed\",\"user\":\"x\"}",
        "{\"a\":\"failed\",\"user\":\"x\"}", "{\"a\":\"failed\",\"user\":\"x\"}"};
    struct run run;
    (void)state;
    run_begin(&run, COUNTED RESET, &(struct detector_options){0});
    struct event events[TC_ARRAY_LEN(lines)];
    const struct event *batch[TC_ARRAY_LEN(lines)];
    for (size_t i = 0; i < TC_ARRAY_LEN(lines); i++) {
        events[i] = kit_event(&run.kit, lines[i]);
        events[i].time.ns = (int64_t)i * TC_SECOND_NS;
        events[i].source = SV("test");
        batch[i] = &events[i];
    }
    for (size_t cut = 0; cut <= TC_ARRAY_LEN(lines); cut++) {
        struct detector *d = detector_new(run.kit.set, &(struct detector_options){0});
        struct finding_list found = {.arena = &run.kit.arena};
        struct buf saved;
        struct err err;
        detector_judge(d, batch, cut, &found);
        buf_init(&saved, 1 << 20);
        detector_save(d, &saved); /* and a restart there */
        detector_free(&d);
        d = detector_new(run.kit.set, &(struct detector_options){0});
        assert_int_equal(0, detector_load(d, buf_view(&saved), &err));
        detector_judge(d, batch + cut, TC_ARRAY_LEN(lines) - cut, &found);
        assert_int_equal(2, found.count); /* the reset, and the third failure since */
        assert_non_null(found.items[0].resets);
        assert_null(found.items[1].resets);
        assert_int_equal(5 * TC_SECOND_NS, found.items[1].time.ns);
        buf_free(&saved);
        detector_free(&d);
    }
    run_end(&run);
}

static void refuses(const char *lines, const char *construct, unsigned line)
{
    struct kit kit = {0};
    struct sv yaml = arena_printf(&kit.arena, "%s%s", HEAD, lines);
    kit_load(&kit, yaml.p);
    assert_string_equal(construct, kit_refusal(&kit));
    for (size_t i = 0; line > 0 && i < ruleset_note_count(kit.set); i++)
        if (ruleset_note(kit.set, i)->verdict == RULE_REFUSED) {
            assert_int_equal(line, ruleset_note(kit.set, i)->err.line);
            assert_true(ruleset_note(kit.set, i)->err.column > 0);
        }
    kit_free(&kit);
}

static void test_what_is_wrong_is_refused_at_its_place(void **state)
{
    (void)state;
    refuses("  secondary_ownr: x\n", "tocsin map", 14);
    refuses("  quiet: soon\n", "timespan", 14);
    refuses("  dedup: [a]\n", "tocsin map", 14);
    refuses("  dedup: {for: 1h}\n", "tocsin map", 14);
    refuses("  dedup: {}\n", "tocsin map", 14);
    refuses("  notify_after: 5\n", "tocsin map", 14);
    refuses("  notify_after: {count: 5}\n", "tocsin map", 14);
    refuses("  notify_after: {count: 5, within: 1h, of: x}\n", "tocsin map", 14);
    refuses("  notify_after: {count: 101, within: 1h}\n", "tocsin map", 14);
    refuses("  notify_after: {count: 5, within: soon}\n", "timespan", 14);
    refuses("  raise: high\n", "raise", 14);
    refuses("  raise: []\n", "raise", 14);
    refuses("  raise:\n    - {severity: high}\n", "raise", 15);
    refuses("  raise:\n    - {severity: medium, condition: s}\n", "raise", 15);
    refuses("  raise:\n    - {severity: dire, condition: s}\n", "unknown level", 15);
    refuses("  raise:\n    - {severity: high, condition: {gte: 3}}\n", "raise", 15);
    refuses("  raise:\n    - {severity: high, condition: nobody}\n", "unknown selection", 15);
    refuses("  action: page\n", "action", 14);
    refuses("  action: reset\n", "action", 14);
    refuses("  resets: [x]\n", "action", 14);
    refuses("  action: reset\n  resets: []\n", "action", 15);
    refuses("  action: reset\n  resets: [nobody]\n", "unknown rule", 1);
    refuses("  action: reset\n  resets: [i]\n", "action", 1);
    refuses("  action: reset\n  resets: [x]\n  absence: {timespan: 1h}\n", "action", 14);
    refuses("  absence: {timespan: 1h}\n  raise:\n    - {severity: high, condition: s}\n", "raise", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_21_owner_secondary_owner_runbook_actions_and_times_are_read),
        cmocka_unit_test(test_D_13_a_second_condition_raises_a_detection),
        cmocka_unit_test(test_D_13_a_selection_that_only_raise_asks_is_used),
        cmocka_unit_test(test_D_13_levels_of_a_correlation_follow_its_value),
        cmocka_unit_test(test_D_13_levels_of_a_sum_are_numbers),
        cmocka_unit_test(test_a_reset_empties_the_window_of_its_group_alone),
        cmocka_unit_test(test_a_reset_does_not_depend_on_where_a_batch_is_cut),
        cmocka_unit_test(test_what_is_wrong_is_refused_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
