/*
 * Every modifier of sigma_modifier.c's table says yes, no, and no to an event without the field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

static const struct {
    const char *line, *yes, *no, *nearly; /* nearly: another no, or NULL */
} cases[] = {
    {"a|contains: b", "{\"a\":\"abc\"}", "{\"a\":\"ac\"}", "{\"b\":\"abc\"}"},
    {"a|startswith: ab", "{\"a\":\"abc\"}", "{\"a\":\"cab\"}", "{\"a\":\"a\"}"},
    {"a|endswith: bc", "{\"a\":\"abc\"}", "{\"a\":\"bca\"}", "{\"a\":\"c\"}"},
    {"a|contains|all: [b, c]", "{\"a\":\"abc\"}", "{\"a\":\"ab\"}", "{\"a\":\"ac\"}"},
    {"a|cased: aB", "{\"a\":\"aB\"}", "{\"a\":\"ab\"}", "{\"a\":\"aBc\"}"},
    {"a|exists: true", "{\"a\":null}", "{\"b\":1}", NULL},
    {"a|re: '^a.c$'", "{\"a\":\"abc\"}", "{\"a\":\"abcd\"}", "{\"a\":\"ABC\"}"},
    {"a|re|i: '^a.c$'", "{\"a\":\"ABC\"}", "{\"a\":\"abcd\"}", NULL},
    {"a|re|ignorecase: '^a.c$'", "{\"a\":\"ABC\"}", "{\"a\":\"abcd\"}", NULL},
    {"a|re|m: '^b$'", "{\"a\":\"a\\nb\"}", "{\"a\":\"ab\"}", NULL},
    {"a|re|multiline: '^b$'", "{\"a\":\"a\\nb\"}", "{\"a\":\"ab\"}", NULL},
    {"a|re|s: 'a.b'", "{\"a\":\"a\\nb\"}", "{\"a\":\"ab\"}", NULL},
    {"a|re|dotall: 'a.b'", "{\"a\":\"a\\nb\"}", "{\"a\":\"ab\"}", NULL},
    {"a|base64: foobar", "{\"a\":\"Zm9vYmFy\"}", "{\"a\":\"foobar\"}", "{\"a\":\"Zm9vYmFz\"}"},
    {"a|base64offset|contains: foobar", "{\"a\":\"xZvb2JhcA\"}", "{\"a\":\"Zm9vYmEx\"}",
     "{\"a\":\"foobar\"}"},
    {"a|wide|base64: ab", "{\"a\":\"YQBiAA==\"}", "{\"a\":\"YWI=\"}", "{\"a\":\"AGEAYg==\"}"},
    {"a|utf16le|base64: ab", "{\"a\":\"YQBiAA==\"}", "{\"a\":\"AGEAYg==\"}", NULL},
    {"a|utf16be|base64: ab", "{\"a\":\"AGEAYg==\"}", "{\"a\":\"YQBiAA==\"}", NULL},
    {"a|utf16|base64: ab", "{\"a\":\"//5hAGIA\"}", "{\"a\":\"YQBiAA==\"}", NULL},
    {"a|windash|contains: ' -x'", "{\"a\":\"c /x\"}", "{\"a\":\"c x\"}", "{\"a\":\"c +x\"}"},
    {"a|cidr: 192.0.2.0/24", "{\"a\":\"192.0.2.7\"}", "{\"a\":\"192.0.3.7\"}", "{\"a\":\"192.0.2\"}"},
    {"a|fieldref: b", "{\"a\":\"x\",\"b\":\"X\"}", "{\"a\":\"x\",\"b\":\"y\"}", "{\"a\":\"x\"}"},
    {"a|lt: 5", "{\"a\":4}", "{\"a\":5}", "{\"a\":\"four\"}"},
    {"a|lte: 5", "{\"a\":5}", "{\"a\":5.1}", "{\"a\":\"five\"}"},
    {"a|gt: 5", "{\"a\":6}", "{\"a\":5}", "{\"a\":\"six\"}"},
    {"a|gte: 5", "{\"a\":5}", "{\"a\":4.9}", "{\"a\":\"five\"}"},
    {"a|minute: 20", "{\"a\":\"2024-03-01T10:20:30Z\"}", "{\"a\":\"2024-03-01T20:10:20Z\"}",
     "{\"a\":\"20\"}"},
    {"a|hour: 10", "{\"a\":\"2024-03-01T10:20:30Z\"}", "{\"a\":\"2024-10-10T11:10:10Z\"}", "{\"a\":\"10\"}"},
    {"a|day: 1", "{\"a\":\"2024-03-01T10:20:30Z\"}", "{\"a\":\"2024-01-02T01:01:01Z\"}", "{\"a\":\"1\"}"},
    {"a|week: 9", "{\"a\":\"2024-03-01T10:20:30Z\"}", "{\"a\":\"2024-03-09T09:09:09Z\"}", "{\"a\":\"9\"}"},
    {"a|month: 3", "{\"a\":\"2024-03-01T10:20:30Z\"}", "{\"a\":\"2024-04-03T03:03:03Z\"}", "{\"a\":\"3\"}"},
    {"a|year: 2024", "{\"a\":\"2024-03-01T10:20:30Z\"}", "{\"a\":\"2023-03-01T20:24:00Z\"}",
     "{\"a\":\"next\"}"},
};

static void test_every_modifier_says_yes_and_no(void **state)
{
    struct kit kit = {0};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        if (!kit_line(&kit, cases[i].line, cases[i].yes))
            fail_msg("%s: no %s", cases[i].line, cases[i].yes);
        if (kit_line(&kit, cases[i].line, cases[i].no))
            fail_msg("%s: yes %s", cases[i].line, cases[i].no);
        if (cases[i].nearly != NULL && kit_line(&kit, cases[i].line, cases[i].nearly))
            fail_msg("%s: yes %s", cases[i].line, cases[i].nearly);
        if (kit_line(&kit, cases[i].line, "{\"c\":\"abc\"}"))
            fail_msg("%s: yes without the field", cases[i].line);
    }
    kit_free(&kit);
}

/* Negation and expand stand apart: one is true without the field, the other needs values. */
static void test_neq_and_expand_say_yes_and_no(void **state)
{
    struct kit kit = {0};
    (void)state;
    assert_true(kit_line(&kit, "a|neq: b", "{\"a\":\"c\"}"));
    assert_true(kit_line(&kit, "a|neq: b", "{\"c\":\"b\"}"));
    assert_false(kit_line(&kit, "a|neq: b", "{\"a\":\"b\"}"));
    assert_false(kit_line(&kit, "a|neq: [b, c]", "{\"a\":\"c\"}"));
    assert_string_equal("expand without values", kit_line_refusal(&kit, "a|expand: '%who%'"));
    kit_load(
        &kit,
        "placeholders: {who: [bob, 'al*']}\n---\ntitle: t\nid: i\nlogsource: {product: any}\ndetection:\n"
        "  s:\n    a|expand: '%who%'\n  condition: s\n");
    assert_true(kit_matches(&kit, "{\"a\":\"alice\"}"));
    assert_false(kit_matches(&kit, "{\"a\":\"%who%\"}"));
    assert_false(kit_matches(&kit, "{\"b\":\"bob\"}"));
    kit_free(&kit);
}

/* What was made a question of numbers, of another field or of a date is no text any more; nothing is dropped
 * in silence. */
static void test_C_110_modifiers_that_cannot_follow_each_other(void **state)
{
    static const struct {
        const char *line, *construct;
    } orders[] = {
        {"a|gt|contains: 5", "modifier on a wrong value"},
        {"a|lt|startswith: 5", "modifier on a wrong value"},
        {"a|gte|endswith: 5", "modifier on a wrong value"},
        {"a|lte|base64: 5", "modifier on a wrong value"},
        {"a|gt|base64offset: 55", "modifier on a wrong value"},
        {"a|gt|wide: 5", "modifier on a wrong value"},
        {"a|gt|windash: 5", "modifier on a wrong value"},
        {"a|gt|cased: 5", "modifier on a wrong value"},
        {"a|gt|hour: 5", "modifier order"},
        {"a|hour|cased: 5", "modifier on a wrong value"},
        {"a|contains|fieldref: b", "modifier order"},
        {"a|fieldref: b*", "modifier on a wrong value"},
        {"a|cidr|re: '%x%'", "modifier order"},
    };
    struct kit kit = {0};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(orders); i++) {
        char text[256];
        snprintf(text, sizeof text, "title: t\ndetection:\n    s:\n        %s\n    condition: s\n",
                 orders[i].line);
        kit_load(&kit, text);
        if (ruleset_count(kit.set) != 0)
            fail_msg("%s: loaded", orders[i].line);
        assert_string_equal(kit_refusal(&kit), orders[i].construct);
    }
    kit_free(&kit);
}

static void test_C_110_expand_behind_an_expression(void **state)
{
    static const char *const orders[] = {"re|expand", "expand|re", "re|i|expand"};
    struct kit kit = {0};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(orders); i++) {
        struct sv text =
            arena_printf(&kit.arena,
                         "placeholders: {n: ['a+', 'b']}\n---\ntitle: t\nid: i\nlogsource: {product: any}\n"
                         "detection:\n    s:\n        f|%s: '^%%n%%c$'\n    condition: s\n",
                         orders[i]);
        kit_load(&kit, text.p);
        kit_show_notes(&kit);
        assert_true(kit_matches(&kit, "{\"f\":\"aac\"}"));
        assert_true(kit_matches(&kit, "{\"f\":\"bc\"}"));
        assert_false(kit_matches(&kit, "{\"f\":\"bbc\"}"));
        assert_int_equal(kit_matches(&kit, "{\"f\":\"BC\"}"), i == 2);
    }
    kit_free(&kit);
}

static void test_C_110_numbers_written_to_other_bases(void **state)
{
    struct kit kit = {0};
    (void)state;
    assert_true(kit_line(&kit, "a: 0x1F", "{\"a\":31}"));
    assert_true(kit_line(&kit, "a: 0x1F", "{\"a\":\"0x1f\"}")); /* as logs of Windows write them */
    assert_false(kit_line(&kit, "a: 0x1F", "{\"a\":\"1F\"}"));
    assert_false(kit_line(&kit, "a: '0x1F'", "{\"a\":31}"));
    assert_true(kit_line(&kit, "a: 0o17", "{\"a\":15}"));
    assert_false(kit_line(&kit, "a: 0o18", "{\"a\":16}"));
    assert_true(kit_line(&kit, "a: 0xFFFFFFFFFFFFFFFF", "{\"a\":18446744073709551615}"));
    assert_true(kit_line(&kit, "a: [x, 0x10]", "{\"a\":16}"));
    assert_true(kit_line(&kit, "a|contains: 0x10", "{\"a\":\"is 0x10\"}"));
    assert_false(kit_line(&kit, "a|contains: 0x10", "{\"a\":\"is 16\"}"));
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_modifier_says_yes_and_no),
        cmocka_unit_test(test_neq_and_expand_say_yes_and_no),
        cmocka_unit_test(test_C_110_modifiers_that_cannot_follow_each_other),
        cmocka_unit_test(test_C_110_expand_behind_an_expression),
        cmocka_unit_test(test_C_110_numbers_written_to_other_bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
