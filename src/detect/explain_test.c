/*
 * Explanations: what is said of each part, and that the verdict is the detector's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "detect/detect_testkit.h"
#include "detect/explain.h"

static struct buf text;

static void note(void *context, const struct explain_step *s)
{
    (void)context;
    buf_printf(&text, "%*s%c %.*s", (int)s->depth, "", s->holds ? '+' : '-', SV_FMT(s->text));
    if (s->why != NULL)
        buf_printf(&text, ": %s", s->why);
    if (s->value_count > 0)
        buf_printf(&text, " [%.*s]", SV_FMT(s->value));
    if (s->line > 0)
        buf_printf(&text, " @%u", s->line);
    buf_char(&text, '\n');
}

/* The explanation of the rule named R. */
static void check(const char *yaml, const char *json, bool matches, const char *expected)
{
    struct kit kit = {0};
    kit_load(&kit, yaml);
    assert_string_equal(kit_refusal(&kit), "");
    struct event event = kit_event(&kit, json);
    event.product = event_value(&event, "product");
    size_t rule = explain_find(kit.set, SV("R"));
    assert_int_not_equal(rule, SIZE_MAX);
    buf_init(&text, 1 << 20);
    assert_int_equal(explain_rule(kit.set, rule, &event, note, NULL), matches);
    buf_char(&text, '\0');
    assert_string_equal(text.p, expected);
    buf_free(&text);
    kit_free(&kit);
}

#define RULE(lines, condition)                                                                               \
    "title: R\nid: r\nlogsource: {product: windows}\ndetection:\n  s:\n" lines "  condition: " condition "\n"

static void test_a_line_says_why(void **state)
{
    (void)state;
    check(RULE("    a|contains: [x, y]\n", "s"), "{\"a\":\"axb\"}", true,
          "+ R: the condition holds @1\n + product: windows: the event does not say\n + s @7\n + s @5\n"
          "  + a|contains: a value matches [axb] @6\n   + x\n   - y\n");
    check(
        RULE("    a|contains|all: [x, y]\n", "s"), "{\"a\":\"axb\"}", false,
        "- R: the condition does not hold @1\n + product: windows: the event does not say\n - s @7\n - s @5\n"
        "  - a|contains|all: not all values match [axb] @6\n   + x\n   - y\n");
    check(
        RULE("    a: 1\n    b: null\n    c|exists: true\n", "s"), "{\"a\":{\"q\":1}}", false,
        "- R: the condition does not hold @1\n + product: windows: the event does not say\n - s @9\n - s @5\n"
        "  - a: the field is null or holds other fields @6\n   - 1\n"
        "  + b: the event has no such field, which is what it asks @7\n   + null\n"
        "  - c|exists: the event has no such field @8\n   - true\n");
    check(RULE("    a|neq: 1\n", "s"), "{\"b\":1}", true,
          "+ R: the condition holds @1\n + product: windows: the event does not say\n + s @7\n + s @5\n"
          "  + a|neq: negated, and the event has no such field @6\n   - 1\n");
    check(RULE("    - word\n    - a: 2\n", "not s"), "{\"a\":\"2\",\"product\":\"linux\"}", false,
          "- R: the event is of another log source @1\n - product: windows: the event is of another [linux]\n"
          " - not s @8\n + s @5\n  + any of\n   - (keywords): not found in the event @6\n    - word\n"
          "   + a: a value matches [2] @7\n    + 2\n");
}

static void test_filters_and_unused_selections(void **state)
{
    (void)state;
    check(RULE("    a: 1\n  t: {b: 1}\n", "s") "---\ntitle: F\nlogsource: {product: windows}\nfilter:\n"
                                               "  rules: [r]\n  f: {u: bob}\n  condition: not f\n",
          "{\"a\":1,\"u\":\"bob\"}", false,
          "- R: the condition does not hold @1\n + product: windows: the event does not say\n"
          " - (s) and filter \"F\" (not f) @8\n + s @5\n  + a: a value matches [1] @6\n   + 1\n"
          " - t: the condition does not ask it @7\n  - b: the event has no such field @7\n   - 1\n"
          " + F: f @14\n  + u: a value matches [bob] @14\n   + bob\n");
}

static void test_correlations(void **state)
{
    (void)state;
    check("title: A\nid: a\nlogsource: {product: windows}\ndetection: {s: {a: 1}, condition: s}\n---\n"
          "title: R\nid: r\ncorrelation: {type: value_count, rules: [a], group-by: [u], timespan: 1m,\n"
          "  condition: {gte: 2, field: n}}\n",
          "{\"a\":1,\"u\":\"bob\"}", true,
          "+ R: a correlation: it counts this event where all its fields are there @6\n"
          " + A: the condition holds @1\n  + product: windows: the event does not say\n  + s @4\n  + s @4\n"
          "   + a: a value matches [1] @4\n    + 1\n"
          "  + u [bob]\n  - n: without it the event has no part\n");
}

#define KIND(map)                                                                                            \
    "title: R\nid: r\nlogsource: {}\ndetection: {s: {a: 1}, t: {b: 1}, condition: s}\nlevel: low\n"          \
    "tocsin: {owner: o, runbook: r, " map "}\n"
#define MATCHED  "+ R: the condition holds @1\n + s @4\n + s @4\n  + a: a value matches [1] @4\n   + 1\n"
#define T_UNUSED " - t: the condition does not ask it @4\n  - b: the event has no such field @4\n   - 1\n"

static void test_memories_say_what_they_take(void **state)
{
    (void)state;
    check(KIND("new_value: {field: c, group-by: [u], timespan: 1d}"), "{\"a\":1,\"u\":\"ann\",\"c\":\"DE\"}",
          true,
          MATCHED T_UNUSED " + new_value: it speaks where its memory does not hold this value for the group\n"
                           "  + u [ann]\n  + c [DE]\n");
    check(KIND("absence: {group-by: [u], timespan: 1d}"), "{\"a\":1,\"u\":\"ann\"}", true,
          MATCHED T_UNUSED
          " + absence: it speaks where the next event of the group stays away\n  + u [ann]\n");
    check(KIND("travel: {group-by: [u], timespan: 1d, place: g}"),
          "{\"a\":1,\"u\":\"ann\",\"g\":{\"location\":{\"lat\":1,\"lon\":2}}}", true,
          MATCHED T_UNUSED " + travel: it speaks where its memory holds a place of the group too far away\n"
                           "  + u [ann]\n  + g.location.lat [1]\n  + g.location.lon [2]\n"
                           "  - g.accuracy_radius: without it the place is taken as exact\n");
    check(KIND("travel: {group-by: [u], timespan: 1d, place: g}"),
          "{\"a\":1,\"u\":\"ann\",\"g.location.lat\":1}", true,
          MATCHED T_UNUSED " - travel: a field is missing: nothing is remembered\n"
                           "  + u [ann]\n  + g.location.lat [1]\n"
                           "  - g.location.lon: without it the event has no part\n"
                           "  - g.accuracy_radius: without it the place is taken as exact\n");
    check(KIND("baseline: {group-by: [u], field: n}"), "{\"a\":1,\"u\":\"ann\"}", true,
          MATCHED T_UNUSED " - baseline: a field is missing: nothing is remembered\n"
                           "  + u [ann]\n  - n: without it the event has no part\n");
    check(KIND("baseline: {group-by: [u]}"), "{\"u\":\"ann\"}", false,
          "- R: the condition does not hold @1\n - s @4\n - s @4\n  - a: the event has no such field @4\n"
          "   - 1\n" T_UNUSED);
}

static void test_raises_say_what_they_make_of_it(void **state)
{
    (void)state;
    check(KIND("raise: [{severity: P2, condition: s and not t}, {severity: P1, condition: t}]"), "{\"a\":1}",
          true,
          MATCHED " - t: the condition does not ask it @4\n  - b: the event has no such field @4\n   - 1\n"
                  " - t: it would be P1\n + s and not t: it is P2\n");
}

static void test_a_correlations_raise_is_told_by_its_value(void **state)
{
    (void)state;
    check("title: A\nid: a\nlogsource: {}\ndetection: {s: {a: 1}, condition: s}\n---\n"
          "title: R\nid: r\nlevel: low\ncorrelation: {type: event_count, rules: [a], timespan: 1m, "
          "condition: {gte: 2}}\n"
          "tocsin: {owner: o, runbook: r, raise: [{severity: P1, condition: {gte: 50, lt: 90}}]}\n",
          "{\"a\":1}", true,
          "+ R: a correlation: it counts this event where all its fields are there @6\n"
          " - gte 50 and lt 90: it would be P1\n"
          " + A: the condition holds @1\n  + s @4\n  + s @4\n   + a: a value matches [1] @4\n    + 1\n");
}

static void test_lists_say_whether_they_have_it(void **state)
{
    static const struct {
        const char *ip, *why;
    } cases[] = {{"203.0.113.9", "+ %bad%: the list has it\n"},
                 {"198.51.100.7", "- %bad%: the list had it, and it has expired\n"},
                 {"192.0.2.1", "- %bad%: the list does not have it\n"}};
    struct rule_source sources[] = {
        {SV("r.yml"),
         SV("title: R\nid: r\nlogsource: {}\ndetection: {s: {ip|cidr|expand: '%bad%'}, condition: s}\n"),
         false},
        {SV("bad.list"), SV("203.0.113.0/24\n198.51.100.7;2026-01-01\n"), false}};
    struct kit kit = {0};
    (void)state;
    assert_int_equal(0, ruleset_new(sources, 2, &kit.set, NULL));
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = kit_event(&kit, arena_printf(&kit.arena, "{\"ip\":\"%s\"}", cases[i].ip).p);
        event.time.ns = INT64_C(1790000000) * TC_SECOND_NS;
        buf_init(&text, 1 << 20);
        assert_int_equal(i == 0, explain_rule(kit.set, 0, &event, note, NULL));
        assert_true(sv_ends(buf_view(&text), sv_of(cases[i].why)));
        buf_free(&text);
    }
    kit_free(&kit);
}

/* Every public rule, an event that few of them match. */
static void test_verdicts_are_the_detectors(void **state)
{
    struct arena arena = {0};
    struct rule_source *sources = NULL;
    size_t count = 0;
    struct kit kit = {0};
    struct match_scratch *scratch = match_scratch_new();
    (void)state;
    if (rule_files_collect(&fs_system, "../shared/data/sigma/rules", &arena, &sources, &count, NULL) != 0)
        skip();
    assert_int_equal(ruleset_new(sources, count, &kit.set, NULL), 0);
    struct event event = kit_event(
        &kit,
        "{\"EventID\":1,\"Image\":\"C:\\\\Windows\\\\System32\\\\cmd.exe\",\"CommandLine\":\"cmd /c whoami "
        "/all\",\"User\":\"SYSTEM\",\"ParentImage\":\"C:\\\\x\\\\winword.exe\"}");
    buf_init(&text, 16 << 20);
    for (size_t i = 0; i < kit.set->count; i++) {
        const struct rule *rule = &kit.set->rules[i];
        buf_clear(&text);
        assert_int_equal(explain_rule(kit.set, i, &event, note, NULL),
                         rule_applies(rule, &event) && rule_matches(rule, &event, scratch));
    }
    buf_free(&text);
    match_scratch_free(&scratch);
    kit_free(&kit);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_says_why),
        cmocka_unit_test(test_filters_and_unused_selections),
        cmocka_unit_test(test_correlations),
        cmocka_unit_test(test_memories_say_what_they_take),
        cmocka_unit_test(test_a_correlations_raise_is_told_by_its_value),
        cmocka_unit_test(test_lists_say_whether_they_have_it),
        cmocka_unit_test(test_raises_say_what_they_make_of_it),
        cmocka_unit_test(test_verdicts_are_the_detectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
