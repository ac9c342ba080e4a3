/*
 * What no event has: fields and log sources that rules ask in vain, and what is no mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"
#include "detect/seen.h"

/* The warnings as "line:column construct", one after another. */
static void check(const char *yaml, const char *const *events, size_t count, const char *expected)
{
    struct kit kit = {0};
    struct seen *seen = seen_new();
    struct sv text = SV("");
    kit_load(&kit, yaml);
    assert_string_equal("", kit_refusal(&kit));
    for (size_t i = 0; i < count; i++) {
        struct event event = kit_event(&kit, events[i]);
        event.product = event_value(&event, "product");
        seen_take(seen, &event);
    }
    assert_int_equal(count, seen_events(seen));
    seen_lint(seen, kit.set);
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++) {
        const struct rule_note *note = ruleset_note(kit.set, i);
        text = arena_printf(&kit.arena, "%.*s%s%u:%u %s", SV_FMT(text), i > 0 ? ", " : "", note->err.line,
                            note->err.column, note->construct);
    }
    assert_string_equal(expected, arena_str(&kit.arena, text));
    seen_free(&seen);
    kit_free(&kit);
}

#define RULE(lines, condition)                                                                               \
    "title: t\nid: i\ntocsin: {owner: o, runbook: r}\nlogsource: {product: p}\ndetection:\n" lines           \
    "  condition: " condition "\n"

static void test_a_field_that_nobody_sends(void **state)
{
    static const char *const events[] = {"{\"product\":\"p\",\"a\":{\"b\":1},\"Threat Name\":2}"};
    (void)state;
    check(RULE("  s:\n    a.b: 1\n    a.c: 1\n    ThreatName: 2\n", "s"), events, 1, "8:5 field never seen");
    check(RULE("  s:\n    - x: 1\n    - a.b: 1\n", "s"), events, 1, "7:7 field never seen");
}

static void test_what_is_asked_to_be_missing_may_be_missing(void **state)
{
    static const char *const events[] = {"{\"product\":\"p\",\"a\":1}"};
    (void)state;
    check(
        RULE("  s:\n    a: 1\n    b: null\n    c|exists: false\n    d|neq: 1\n  f: {e: 1}\n", "s and not f"),
        events, 1, "");
    check(RULE("  s:\n    - word\n", "s"), events, 1, "");
}

static void test_of_a_log_source_that_nobody_sends_that_alone_is_said(void **state)
{
    static const char *const events[] = {"{\"product\":\"q\",\"a\":1}", "{\"b\":1}"};
    (void)state;
    check(RULE("  s: {x: 1, y: 2}\n", "s"), events, 1, "1:1 log source never seen");
    check(RULE("  s: {x: 1, y: 2}\n", "s"), events, 2, "6:7 field never seen, 6:13 field never seen");
}

static void test_groups_and_counted_fields(void **state)
{
    static const char *const events[] = {"{\"product\":\"p\",\"a\":1}"};
    (void)state;
    check(RULE("  s: {a: 1}\n", "s") "---\ntitle: c\nid: c\ntocsin: {owner: o, runbook: r}\ncorrelation:\n"
                                     "  type: value_count\n  rules: [i]\n  group-by: [u]\n  timespan: 1h\n"
                                     "  condition: {gte: 2, field: a}\n",
          events, 1, "9:1 field never seen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_field_that_nobody_sends),
        cmocka_unit_test(test_what_is_asked_to_be_missing_may_be_missing),
        cmocka_unit_test(test_of_a_log_source_that_nobody_sends_that_alone_is_said),
        cmocka_unit_test(test_groups_and_counted_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
