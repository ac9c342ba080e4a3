/*
 * The traps of correlations and filters, 33 to 50; those of detections are in sigma_trap_test. Each is a rule
 * set and a timeline: what fires, and what does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

struct moment {
    int second;
    const char *json;
};

/* "rule@second" of each finding that is no repeat, in order; after `;` what the end of the input says. */
static const char *fired(struct kit *kit, const char *yaml, const struct moment *timeline, size_t count)
{
    struct finding_list found = {.arena = &kit->arena};
    struct sv text = SV("");
    kit_load(kit, yaml);
    kit_show_notes(kit);
    assert_string_equal("", kit_refusal(kit));
    struct detector *d = detector_new(kit->set, &(struct detector_options){0});
    for (size_t i = 0; i <= count; i++) {
        size_t before = found.count;
        if (i == count) {
            detector_finish(d, &found);
        } else {
            struct event event = kit_event(kit, timeline[i].json);
            const struct event *one = &event;
            event.time.ns = timeline[i].second * TC_SECOND_NS;
            event.source = SV("test");
            detector_judge(d, &one, 1, &found);
        }
        for (size_t k = before; k < found.count; k++)
            if (!found.items[k].repeat)
                text = arena_printf(&kit->arena, "%.*s%s%.*s@%lld", SV_FMT(text),
                                    i == count && k == before ? "; "
                                    : text.n > 0              ? " "
                                                              : "",
                                    SV_FMT(found.items[k].rule->id),
                                    (long long)(found.items[k].time.ns / TC_SECOND_NS));
    }
    detector_free(&d);
    return arena_str(&kit->arena, text);
}

#define FIRES(expected, yaml, ...)                                                                           \
    do {                                                                                                     \
        const struct moment timeline[] = {__VA_ARGS__};                                                      \
        struct kit one = {0};                                                                                \
        assert_string_equal(expected, fired(&one, yaml, timeline, TC_ARRAY_LEN(timeline)));                  \
        kit_free(&one);                                                                                      \
    } while (0)

static void refuses(const char *yaml, const char *construct)
{
    struct kit kit = {0};
    kit_load(&kit, yaml);
    assert_string_equal(construct, kit_refusal(&kit));
    kit_free(&kit);
}

#define DETECTION(id, name, value)                                                                           \
    "title: " id "\nid: " id "\nname: " name "\nlogsource: {product: p}\ndetection:\n  s:\n    k: " value    \
    "\n  condition: s\n---\n"
#define AB DETECTION("a", "an", "a") DETECTION("b", "bn", "b")
#define CORR(id, body)                                                                                       \
    "title: " id "\nid: " id "\nname: " id "n\ncorrelation:\n  timespan: 60s\n" body "---\n"
#define A "{\"k\":\"a\",\"u\":\"x\"}"
#define B "{\"k\":\"b\",\"u\":\"x\"}"

static void test_trap_33_references_by_id_or_name(void **state)
{
    (void)state;
    FIRES("c@1", AB CORR("c", "  type: temporal\n  rules: [an, b]\n"), {0, A}, {1, B});
    FIRES("c@1", AB CORR("c", "  type: temporal\n  rules: [a, bn]\n"), {0, A}, {1, B});
    refuses(AB CORR("c", "  type: temporal\n  rules: [a, nobody]\n"), "unknown rule");
}

static void test_trap_34_without_generate_the_parts_say_nothing(void **state)
{
    (void)state;
    FIRES("", AB CORR("c", "  type: temporal\n  rules: [a, b]\n"), {0, A}, {1, A});
    FIRES("a@0 b@1 c@1", AB CORR("c", "  type: temporal\n  generate: true\n  rules: [a, b]\n"), {0, A},
          {1, B});
}

static void test_trap_35_each_correlation_groups_by_its_own_fields(void **state)
{
    static const char rules[] = DETECTION("a", "an", "a")
        CORR("i", "  type: event_count\n  rules: [a]\n  group-by: [u]\n  condition: {gte: 2}\n")
            CORR("o", "  type: event_count\n  rules: [i]\n  group-by: [h]\n  condition: {gte: 2}\n");
    (void)state;
    FIRES("o@3", rules, {0, "{\"k\":\"a\",\"u\":\"x\",\"h\":1}"}, {1, "{\"k\":\"a\",\"u\":\"x\",\"h\":1}"},
          {2, "{\"k\":\"a\",\"u\":\"y\",\"h\":1}"}, {3, "{\"k\":\"a\",\"u\":\"y\",\"h\":1}"});
    FIRES("", rules, {0, "{\"k\":\"a\",\"u\":\"x\",\"h\":1}"}, {1, "{\"k\":\"a\",\"u\":\"x\",\"h\":1}"},
          {2, "{\"k\":\"a\",\"u\":\"y\",\"h\":2}"}, {3, "{\"k\":\"a\",\"u\":\"y\",\"h\":2}"});
}

static void test_trap_36_without_a_group_field_an_event_has_no_part(void **state)
{
    static const char rules[] = DETECTION("a", "an", "a")
        CORR("c", "  type: event_count\n  rules: [a]\n  group-by: [u]\n  condition: {gte: 2}\n");
    static const char global[] =
        DETECTION("a", "an", "a") CORR("c", "  type: event_count\n  rules: [a]\n  condition: {gte: 2}\n");
    (void)state;
    FIRES("", rules, {0, "{\"k\":\"a\"}"}, {1, "{\"k\":\"a\",\"u\":null}"}, {2, A});
    FIRES("c@1", global, {0, "{\"k\":\"a\"}"}, {1, "{\"k\":\"a\"}"});
}

static void test_trap_37_windows_slide_and_count_both_ends(void **state)
{
    static const char rules[] =
        DETECTION("a", "an", "a") CORR("c", "  type: event_count\n  rules: [a]\n  condition: {gte: 3}\n");
    (void)state;
    FIRES("c@60", rules, {0, A}, {30, A}, {60, A});
    FIRES("", rules, {0, A}, {30, A}, {61, A});
    FIRES("c@70", rules, {50, A}, {59, A}, {70, A}); /* over what would be a boundary */
}

static void test_trap_38_timespans(void **state)
{
    static const char *const good[] = {"1s", "1m", "1h", "1d", "1w", "1M", "1y"};
    static const char *const bad[] = {"1", "m", "1x", "1.5h", "-1h", "0s", "11y", "1h30m"};
    struct kit kit = {0};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(good) + TC_ARRAY_LEN(bad); i++) {
        bool is_good = i < TC_ARRAY_LEN(good);
        struct sv yaml =
            arena_printf(&kit.arena,
                         DETECTION("a", "an", "a") "title: c\nid: c\ncorrelation: {type: event_count, rules: "
                                                   "[a], timespan: %s, condition: {gte: 2}}\n",
                         is_good ? good[i] : bad[i - TC_ARRAY_LEN(good)]);
        refuses(yaml.p, is_good ? "" : "timespan");
    }
    kit_free(&kit);
    /* a minute and a month */
    FIRES("c@61",
          DETECTION("a", "an", "a") "title: c\nid: c\ncorrelation: {type: event_count, rules: [a], timespan: "
                                    "1M, condition: {gte: 2}}\n",
          {0, A}, {61, A});
    FIRES("",
          DETECTION("a", "an", "a") "title: c\nid: c\ncorrelation: {type: event_count, rules: [a], timespan: "
                                    "1m, condition: {gte: 2}}\n",
          {0, A}, {61, A});
}

static void test_trap_39_an_event_counts_once_for_each_rule_that_it_matches(void **state)
{
    static const char rules[] = DETECTION("a", "an", "a") DETECTION("b", "bn", "[a, b]")
        CORR("c", "  type: event_count\n  rules: [a, b]\n  condition: {gte: 3}\n");
    (void)state;
    FIRES("c@1", rules, {0, A}, {1, B});
    FIRES("", rules, {0, A});
}

static void test_trap_40_distinct_values_and_tuples(void **state)
{
    static const char single[] = DETECTION("a", "an", "a")
        CORR("c", "  type: value_count\n  rules: [a]\n  condition: {gte: 3, field: v}\n");
    static const char two[] = DETECTION("a", "an", "a")
        CORR("c", "  type: value_count\n  rules: [a]\n  condition: {gte: 3, field: [v, w]}\n");
    (void)state;
    FIRES("c@4", single, {0, "{\"k\":\"a\",\"v\":1}"}, {1, "{\"k\":\"a\",\"v\":1}"},
          {2, "{\"k\":\"a\",\"v\":2}"}, {3, "{\"k\":\"a\"}"}, {4, "{\"k\":\"a\",\"v\":3}"});
    FIRES("c@3", two, {0, "{\"k\":\"a\",\"v\":1,\"w\":1}"}, {1, "{\"k\":\"a\",\"v\":1,\"w\":2}"},
          {2, "{\"k\":\"a\",\"v\":2}"}, {3, "{\"k\":\"a\",\"v\":2,\"w\":1}"});
}

static void test_trap_41_a_condition_may_be_a_range(void **state)
{
    static const char rules[] = DETECTION("a", "an", "a")
        CORR("c", "  type: event_count\n  rules: [a]\n  condition: {gt: 1, lte: 3}\n");
    (void)state;
    FIRES("; c@60", rules, {0, A}, {1, A});
    FIRES("", rules, {0, A});
    FIRES("", rules, {0, A}, {1, A}, {2, A}, {3, A});
}

static void test_trap_42_what_can_be_taken_back_is_judged_at_the_windows_end(void **state)
{
    static const char rules[] =
        DETECTION("a", "an", "a") CORR("c", "  type: event_count\n  rules: [a]\n  condition: {lt: 3}\n");
    (void)state;
    FIRES("c@60; c@121", rules, {0, A}, {61, A});
    FIRES("", rules, {0, A}, {1, A}, {2, A});
}

static void test_trap_43_temporal_needs_all_and_ordered_their_order(void **state)
{
    static const char any[] = AB CORR("c", "  type: temporal\n  rules: [a, b]\n  group-by: [u]\n");
    static const char ordered[] =
        AB CORR("c", "  type: temporal_ordered\n  rules: [a, b]\n  group-by: [u]\n");
    (void)state;
    FIRES("c@1", any, {0, B}, {1, A});
    FIRES("", any, {0, A}, {1, A});
    FIRES("", ordered, {0, B}, {1, A});
    FIRES("c@2", ordered, {0, B}, {1, A}, {2, B});
    FIRES("c@0", ordered, {0, A}, {0, B}); /* of one time: in order of arrival */
    FIRES("", any, {0, A}, {1, "{\"k\":\"b\",\"u\":\"y\"}"});
}

static void test_trap_44_conditions_in_words(void **state)
{
    static const char either[] = AB CORR("c", "  type: temporal\n  condition: an and (bn or an)\n");
    static const char without[] = AB CORR("c", "  type: temporal\n  condition: an and not bn\n");
    (void)state;
    FIRES("c@0", either, {0, A});
    FIRES("; c@60", without, {0, A});
    FIRES("", without, {0, A}, {30, B});
    refuses(AB CORR("c", "  type: event_count\n  rules: [a]\n  condition: an and bn\n"),
            "correlation condition");
}

static void test_trap_45_a_percentile_must_say_which(void **state)
{
    static const char rules[] = DETECTION("a", "an", "a") CORR(
        "c", "  type: value_percentile\n  rules: [a]\n  condition: {gt: 100, field: v, percentile: 50}\n");
    (void)state;
    FIRES("c@2", rules, {0, "{\"k\":\"a\",\"v\":1}"}, {1, "{\"k\":\"a\",\"v\":200}"},
          {2, "{\"k\":\"a\",\"v\":300}"});
    refuses(DETECTION("a", "an", "a")
                CORR("c", "  type: value_percentile\n  rules: [a]\n  condition: {lte: 1, field: v}\n"),
            "correlation condition");
}

static void test_trap_46_aliases_cross_over(void **state)
{
    static const char rules[] =
        AB CORR("c", "  type: temporal\n  rules: [a, b]\n  group-by: [inside, outside]\n"
                     "  aliases:\n    inside: {a: dst, b: src}\n    outside: {a: src, b: dst}\n");
    (void)state;
    FIRES("c@1", rules, {0, "{\"k\":\"a\",\"src\":1,\"dst\":2}"}, {1, "{\"k\":\"b\",\"src\":2,\"dst\":1}"});
    FIRES("", rules, {0, "{\"k\":\"a\",\"src\":1,\"dst\":2}"}, {1, "{\"k\":\"b\",\"src\":1,\"dst\":2}"});
}

#define COUNT_TWO "  type: event_count\n  rules: [a]\n  group-by: [u]\n  condition: {gte: 2}\n"
#define RESET_OF_C                                                                                           \
    "title: r\nid: r\nlogsource: {product: p}\ndetection:\n  s: {k: over}\n  condition: s\n"                 \
    "tocsin: {owner: o, runbook: r, action: reset, resets: [c]}\n"

static void test_trap_47_once_an_episode_and_again_after_a_reset(void **state)
{
    static const char rules[] = AB CORR("c", COUNT_TWO) RESET_OF_C;
    (void)state;
    FIRES("c@1", rules, {0, A}, {1, A}, {2, A}, {30, A}, {60, A});
    FIRES("c@1 c@101", rules, {0, A}, {1, A}, {100, A}, {101, A}); /* it did not hold in between */
    FIRES("c@1 r@2 c@4", rules, {0, A}, {1, A}, {2, "{\"k\":\"over\",\"u\":\"x\"}"}, {3, A}, {4, A});
}

static void test_trap_48_a_correlation_of_correlations_emits_and_no_circles(void **state)
{
    static const char rules[] = DETECTION("a", "an", "a") DETECTION("b", "bn", "b")
        CORR("i", "  type: event_count\n  rules: [a]\n  group-by: [u]\n  condition: {gte: 2}\n")
            CORR("o", "  type: temporal_ordered\n  rules: [i, b]\n  group-by: [u]\n");
    (void)state;
    FIRES("o@2", rules, {0, A}, {1, A}, {2, B});
    refuses(DETECTION("a", "an", "a") CORR("x", "  type: temporal\n  rules: [a, y]\n")
                CORR("y", "  type: temporal\n  rules: [a, x]\n"),
            "reference cycle");
}

#define FILTER(rules, condition)                                                                             \
    "title: f\nlogsource: {product: p}\nfilter:\n  rules: " rules "\n  sel_x: {u: x}\n  sel_y: {u: y}\n"     \
    "  condition: " condition "\n---\n"

static void test_trap_49_a_filter_is_one_condition_more(void **state)
{
    (void)state;
    FIRES("b@2 a@3", AB FILTER("[a]", "not sel_x"), {0, A}, {2, B}, {3, "{\"k\":\"a\",\"u\":\"y\"}"});
    FIRES("a@0", AB FILTER("[a]", "sel_x"), {0, A}, {1, "{\"k\":\"a\",\"u\":\"y\"}"}); /* as it is written */
}

static void test_trap_50_a_filter_is_for_its_rules_and_sees_its_own_selections(void **state)
{
    static const char own[] = "title: a\nid: a\nlogsource: {product: p}\ndetection:\n  sel_a: {k: a}\n  "
                              "condition: 1 of sel_*\n---\n";
    static const char foreign[] =
        "title: a\nid: a\nlogsource: {product: q}\ndetection:\n  s: {k: a}\n  condition: s\n---\n";
    struct kit kit = {0};
    (void)state;
    struct sv all = arena_printf(&kit.arena, "%s%s", own, FILTER("any", "not 1 of sel_*"));
    FIRES("a@1", all.p, {0, A}, {1, "{\"k\":\"a\",\"u\":\"z\"}"});
    all = arena_printf(&kit.arena, "%s%s", foreign, FILTER("any", "not sel_x")); /* of another log source */
    FIRES("a@0", all.p, {0, A});
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trap_33_references_by_id_or_name),
        cmocka_unit_test(test_trap_34_without_generate_the_parts_say_nothing),
        cmocka_unit_test(test_trap_35_each_correlation_groups_by_its_own_fields),
        cmocka_unit_test(test_trap_36_without_a_group_field_an_event_has_no_part),
        cmocka_unit_test(test_trap_37_windows_slide_and_count_both_ends),
        cmocka_unit_test(test_trap_38_timespans),
        cmocka_unit_test(test_trap_39_an_event_counts_once_for_each_rule_that_it_matches),
        cmocka_unit_test(test_trap_40_distinct_values_and_tuples),
        cmocka_unit_test(test_trap_41_a_condition_may_be_a_range),
        cmocka_unit_test(test_trap_42_what_can_be_taken_back_is_judged_at_the_windows_end),
        cmocka_unit_test(test_trap_43_temporal_needs_all_and_ordered_their_order),
        cmocka_unit_test(test_trap_44_conditions_in_words),
        cmocka_unit_test(test_trap_45_a_percentile_must_say_which),
        cmocka_unit_test(test_trap_46_aliases_cross_over),
        cmocka_unit_test(test_trap_47_once_an_episode_and_again_after_a_reset),
        cmocka_unit_test(test_trap_48_a_correlation_of_correlations_emits_and_no_circles),
        cmocka_unit_test(test_trap_49_a_filter_is_one_condition_more),
        cmocka_unit_test(test_trap_50_a_filter_is_for_its_rules_and_sees_its_own_selections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
