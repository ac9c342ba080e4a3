/*
 * The index, one kind of witness at a time: what must wake a rule, and what must not, as it cannot match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/num.h"
#include "detect/index_testkit.h"

/* --- one rule, one event
 * ----------------------------------------------------------------------------------------------------- */

static bool wakes(struct kit *kit, const char *json)
{
    struct event event = kit_event(kit, json);
    bool candidate = is_candidate(kit, 0, &event);
    if (!candidate && rule_matches(&kit->set->rules[0], &event, kit->scratch))
        fail_msg("matches, but is no candidate: %s", json);
    return candidate;
}

struct wake_case {
    const char *line; /* of the rule's only selection */
    const char *json;
    bool candidate; /* false: the index must see that it cannot match */
};

static void check_cases(const struct wake_case *cases, size_t count)
{
    struct kit kit = {0};
    for (size_t i = 0; i < count; i++) {
        struct sv detection =
            arena_printf(&kit.arena, "    s:\n        %s\n    condition: s\n", cases[i].line);
        kit_detection(&kit, detection.p);
        if (kit.set->count != 1)
            fail_msg("%s: refused (%s)", cases[i].line, kit_refusal(&kit));
        if (wakes(&kit, cases[i].json) != cases[i].candidate)
            fail_msg("%s: %s is %s candidate", cases[i].line, cases[i].json, cases[i].candidate ? "no" : "a");
    }
    kit_free(&kit);
}

static void test_index_texts(void **state)
{
    (void)state;
    static const struct wake_case cases[] = {
        {"a: Foo", "{\"a\":\"fOO\"}", true},
        {"a: Foo", "{\"a\":\"fo\"}", false},
        {"a: Foo", "{\"b\":\"foo\"}", false},
        {"a: Foo", "{\"a\":[\"x\",\"foo\"]}", true},
        {"a: Foo", "{\"a\":{\"b\":\"foo\"}}", false},
        {"'a b': Foo", "{\"ab\":\"foo\"}", true},
        {"ab: Foo", "{\"a b\":\"foo\"}", true},
        {"a: ''", "{\"a\":\"\"}", true},
        {"a: ''", "{\"a\":\" \"}", false},
        {"a: ''", "{\"a\":null}", false},
        {"a: \"\\u00C4\"", "{\"a\":\"\\u00e4\"}", true},
        {"a: \"\\u00C4\"", "{\"a\":\"a\"}", false},
        {"a|startswith: C:\\\\Win", "{\"a\":\"c:\\\\windows\"}", true},
        {"a|startswith: C:\\\\Win", "{\"a\":\"d:\\\\windows\"}", false},
        {"a|endswith: \\\\powershell.exe", "{\"a\":\"C:\\\\PowerShell.exe\"}", true},
        {"a|endswith: \\\\powershell.exe", "{\"a\":\"C:\\\\xowershell.exe\"}", false},
        {"a|endswith: \\\\powershell.exe", "{\"a\":\"powershell.exe\"}", false},
        {"a|endswith: s", "{\"a\":\"S\"}", true},
        {"a|endswith: s", "{\"a\":\"\"}", false},
        {"a|contains: needle", "{\"a\":\"a NEEDLE in\"}", true},
        {"a|contains: needle", "{\"a\":\"a needl\"}", false},
        {"a|contains: needle", "{\"a\":\"eedle\"}", false},
        {"a|contains: nee", "{\"a\":\"nee\"}", true},
        {"a|contains: ee", "{\"a\":\"nee\"}", true},
        {"a|contains: e", "{\"a\":\"xe\"}", true},
        {"a|contains: ee", "{\"a\":\"e\"}", false},
        {"a: '*'", "{\"a\":\"\"}", true},
        {"a: '*'", "{\"b\":\"\"}", false},
        {"a: '?'", "{\"a\":\"x\"}", true},
        {"a: ab*cdef*g", "{\"a\":\"abcdefg\"}", true},
        {"a: ab*cdef*g", "{\"a\":\"abcdeg\"}", false},
        {"a: abcd*ef", "{\"a\":\"abcdef\"}", true},
        {"a: abcd*ef", "{\"a\":\"xabcdef\"}", false},
        {"a: ab*cdef", "{\"a\":\"abcdefg\"}", false},
        {"a|cased: FOO", "{\"a\":\"FOO\"}", true},
        {"a|cased: FOO", "{\"a\":\"bar\"}", false},
        {"a|contains|cased: \"x\\u00C4Y\"", "{\"a\":\"ax\\u00C4Yb\"}", true},
        {"a|cased: \"x\\u00C4Yy\"", "{\"a\":\"x\\u00C4Yy\"}", true},
        {"a|startswith|cased: \"xyz\\u00C4y\"", "{\"a\":\"xyz\\u00C4y.\"}", true},
        {"a|endswith|cased: \"x\\u00C4Yyz\"", "{\"a\":\".x\\u00C4Yyz\"}", true},
        {"a|endswith|cased: \"xyz\\u00C4y\"", "{\"a\":\".xyz\\u00C4y\"}", true},
        {"a|contains|cased: \"\\u00C4\"", "{\"a\":\"\\u00C4\"}", true},
        {"a|contains|windash: ' -enc '", "{\"a\":\"x /enc y\"}", true},
        {"a|contains|windash: ' -enc '", "{\"a\":\"x /env y\"}", false},
        {"a|base64offset|contains: powershell", "{\"a\":\"xxcG93ZXJzaGVsbA==\"}", true},
        {"a|base64offset|contains: powershell", "{\"a\":\"powershell\"}", false},
        {"a: true", "{\"a\":true}", true},
        {"a: true", "{\"a\":false}", false},
    };
    check_cases(cases, TC_ARRAY_LEN(cases));
}

static void test_index_numbers_and_presence(void **state)
{
    (void)state;
    static const struct wake_case cases[] = {
        {"a: 10", "{\"a\":10}", true},
        {"a: 10", "{\"a\":\"10\"}", true},
        {"a: 10", "{\"a\":1e1}", true},
        {"a: 10", "{\"a\":\"+0010.000\"}", true},
        {"a: 10", "{\"a\":100E-1}", true},
        {"a: 10", "{\"a\":1}", false},
        {"a: 10", "{\"a\":-10}", false},
        {"a: 10", "{\"a\":100}", false},
        {"a: 0", "{\"a\":\"-0.0e7\"}", true},
        {"a: 0.05", "{\"a\":\"5e-2\"}", true},
        {"a: 0.05", "{\"a\":0.5}", false},
        {"a: 9007199254740993", "{\"a\":9007199254740993.0}", true},
        {"a: 9007199254740993", "{\"a\":9007199254740992}", false},
        {"a: '10'", "{\"a\":10}", true},
        {"a: '10'", "{\"a\":\"1e1\"}", false},
        {"a|gt: 10", "{\"a\":11}", true},
        {"a|gt: 10", "{\"b\":11}", false},
        {"a|cidr: 10.0.0.0/8", "{\"a\":\"10.1.1.1\"}", true},
        {"a|cidr: 10.0.0.0/8", "{\"b\":\"10.1.1.1\"}", false},
        {"a|fieldref: b", "{\"a\":1,\"b\":1}", true},
        {"a|fieldref: b", "{\"b\":1}", false},
        {"a|hour: 10", "{\"a\":\"2024-01-01T10:00:00Z\"}", true},
        {"a|hour: 10", "{\"b\":\"2024-01-01T10:00:00Z\"}", false},
        {"a|exists: true", "{\"a\":{}}", true},
        {"a|exists: true", "{\"a\":null}", true},
        {"a|exists: true", "{\"b\":1}", false},
        {"a|exists: false", "{\"b\":1}", true},
        {"a: null", "{\"b\":1}", true},
        {"a|neq: 1", "{\"b\":1}", true},
        {"a|neq: null", "{\"a\":1}", true},
        {"a|neq: null", "{\"b\":1}", false},
        {"a|re: 'fo+'", "{\"a\":\"foo\"}", true},
        {"a|re: 'fo+'", "{\"b\":\"foo\"}", false},
    };
    check_cases(cases, TC_ARRAY_LEN(cases));
}

static void test_index_trees(void **state)
{
    (void)state;
    static const struct {
        const char *detection, *json;
        bool candidate;
    } cases[] = {
        /* of an AND all must be seen */
        {"    s: {a: foo, b: bar}\n    condition: s\n", "{\"a\":\"foo\",\"b\":\"bar\"}", true},
        {"    s: {a: foo, b: bar}\n    condition: s\n", "{\"a\":\"foo\",\"b\":\"baz\"}", false},
        {"    s: {a: foo, b: null}\n    condition: s\n", "{\"a\":\"foo\"}", true},
        {"    s: {a: foo, b: null}\n    condition: s\n", "{\"a\":\"fox\"}", false},
        /* of an OR one */
        {"    s: [{a: foo}, {b: bar}]\n    condition: s\n", "{\"b\":\"bar\"}", true},
        {"    s: [{a: foo}, {b: bar}]\n    condition: s\n", "{\"b\":\"baz\"}", false},
        {"    s: [{a: foo}, {b: null}]\n    condition: s\n", "{}", true},
        {"    s: [{a: foo, c: one}, {b: bar, c: two}]\n    condition: s\n", "{\"a\":\"foo\",\"c\":\"one\"}",
         true},
        {"    s: [{a: foo, c: one}, {b: bar, c: two}]\n    condition: s\n", "{\"a\":\"foo\",\"c\":\"xxx\"}",
         false},
        {"    s: {a|contains|all: [foox, barx]}\n    condition: s\n", "{\"a\":\"foox barx\"}", true},
        {"    s: {a|contains|all: [foox, barx]}\n    condition: s\n", "{\"a\":\"foox bar\"}", false},
        /* negation says nothing, but for null */
        {"    s: {a: foo}\n    condition: not s\n", "{}", true},
        {"    s: {a: foo}\n    t: {b: bar}\n    condition: s and not t\n", "{\"a\":\"foo\",\"b\":\"bar\"}",
         true},
        {"    s: {a: foo}\n    t: {b: bar}\n    condition: s and not t\n", "{\"b\":\"bar\"}", false},
        {"    s: {a: foo}\n    condition: not (not s)\n", "{\"a\":\"bar\"}", false},
        {"    s: {a: null}\n    condition: not s\n", "{\"b\":1}", false},
        {"    s: {a: null}\n    condition: not s\n", "{\"a\":1}", true},
        {"    s: {a|exists: false}\n    condition: not s\n", "{\"a\":null}", true},
        {"    s: {a: null}\n    t: {b: x}\n    condition: not (s and t)\n", "{\"b\":\"y\"}", true},
        {"    s: {a: null}\n    t: {b: x}\n    condition: not (s or t)\n", "{\"b\":\"y\"}", false},
        /* keywords: any value, not names, not derived */
        {"    s: [needle]\n    condition: s\n", "{\"x\":{\"y\":[\"a NEEDLE\"]}}", true},
        {"    s: [needle]\n    condition: s\n", "{\"needle\":1}", false},
        {"    s: ['ne*le']\n    condition: s\n", "{\"x\":\"needle\"}", true},
        {"    s: ['*']\n    condition: s\n", "{}", true},
        {"    s: [42]\n    condition: s\n", "{\"x\":1429}", true},
        {"    s: [42]\n    condition: s\n", "{\"x\":49}", false},
        {"    s: {'|re': 'fo+'}\n    condition: s\n", "{\"x\":\"foo\"}", true},
    };
    struct kit kit = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        kit_detection(&kit, cases[i].detection);
        if (kit.set->count != 1)
            fail_msg("%s: refused (%s)", cases[i].detection, kit_refusal(&kit));
        if (wakes(&kit, cases[i].json) != cases[i].candidate)
            fail_msg("%s: %s", cases[i].detection, cases[i].json);
    }
    kit_free(&kit);
}

static void test_index_raw_and_derived(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct field field = {.name = SV("m"), .exact = SV("m"), .value = SV("a needle"), .flags = FIELD_DERIVED};
    struct event event = {.raw = SV("no such"), .fields = &field, .field_count = 1, .position = 1};
    field.name_hash = event_name_hash(field.name);
    event_index(&event, &kit.arena);
    kit_detection(&kit, "    s: [needle]\n    condition: s\n");
    assert_false(is_candidate(&kit, 0, &event)); /* keywords do not see derived fields */
    event.position++;
    event.raw = SV("Needle in the raw text");
    assert_true(is_candidate(&kit, 0, &event));
    event.position++;
    event.raw = SV("{\"needle\": 1}");
    assert_false(is_candidate(&kit, 0, &event));
    kit_detection(&kit, "    s: {m|contains: needle}\n    condition: s\n");
    event.position++;
    assert_true(is_candidate(&kit, 0, &event)); /* fields do */
    kit_free(&kit);
}

static void test_index_log_sources(void **state)
{
    (void)state;
    static const char yaml[] = "title: t\nid: i\nlogsource: {product: Windows, service: sysmon}\n"
                               "detection:\n    s: {a: foo}\n    condition: s\n";
    struct kit kit = {0};
    kit_load(&kit, yaml);
    struct event event = kit_event(&kit, "{\"a\":\"foo\"}");
    assert_true(is_candidate(&kit, 0, &event));
    event.product = SV("windows");
    assert_true(is_candidate(&kit, 0, &event));
    event.service = SV("security");
    assert_false(is_candidate(&kit, 0, &event));
    event.service = SV("SYSMON");
    event.category = SV("process_creation"); /* the rule names none */
    assert_true(is_candidate(&kit, 0, &event));
    event.product = SV("linux");
    assert_false(is_candidate(&kit, 0, &event));
    kit_free(&kit);
}

/* An event leaves nothing behind, and one scratch serves several sets. */
static void test_index_scratch_is_clean(void **state)
{
    (void)state;
    struct kit kit = {0};
    kit_detection(&kit, "    s: {a|contains: foox, b: bar}\n    condition: s\n");
    assert_false(wakes(&kit, "{\"a\":\"foox\"}"));
    assert_false(wakes(&kit, "{\"b\":\"bar\"}")); /* half then, half now is not all */
    assert_true(wakes(&kit, "{\"a\":\"foox foox\",\"b\":[\"bar\",\"bar\"]}"));
    kit_detection(&kit, "    s: {c: 1}\n    condition: s\n");
    assert_false(wakes(&kit, "{\"b\":\"bar\"}"));
    assert_true(wakes(&kit, "{\"c\":1}"));
    kit_free(&kit);
}

/* --- keys of numbers
 * -----------------------------------------------------------------------------------------------------------
 */

static void test_index_equal_numbers_share_their_key(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "0",  "00",   "1",   "10", "5", ".", "e1", "E-2", "-", "+", "999999999999999999",
        "1e", "e+01", "0.0", "x"};
    struct kit kit = {0};
    struct sim_rng rng;
    size_t equal = 0, unlike = 0;
    sim_rng_init(&rng, 11);
    for (size_t i = 0; i < 200000; i++) {
        struct sv a = SV(""), b = SV("");
        uint64_t x, y;
        int order;
        arena_reset(&kit.arena);
        for (size_t n = 1 + below(&rng, 4); n > 0; n--)
            a = arena_printf(&kit.arena, "%.*s%s", SV_FMT(a), ANY_OF(&rng, parts));
        for (size_t n = 1 + below(&rng, 4); n > 0; n--)
            b = arena_printf(&kit.arena, "%.*s%s", SV_FMT(b), ANY_OF(&rng, parts));
        bool numbers = number_key(a, &x) & number_key(b, &y);
        if (!num_compare(a, b, &order)) {
            assert_false(numbers);
            continue;
        }
        if (!numbers || (order == 0 && x != y))
            fail_msg("%.*s and %.*s", SV_FMT(a), SV_FMT(b));
        equal += order == 0 && !sv_eq(a, b);
        unlike += order != 0 && x != y;
    }
    assert_true(equal > 500 && unlike > 5000);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_texts),
        cmocka_unit_test(test_index_numbers_and_presence),
        cmocka_unit_test(test_index_trees),
        cmocka_unit_test(test_index_raw_and_derived),
        cmocka_unit_test(test_index_log_sources),
        cmocka_unit_test(test_index_scratch_is_clean),
        cmocka_unit_test(test_index_equal_numbers_share_their_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
