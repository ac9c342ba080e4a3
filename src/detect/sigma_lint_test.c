/*
 * Warnings: what earns one, where, and what does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#define HEAD            "title: t\nid: i\ntocsin: {owner: o, runbook: r}\n"
#define RULE(detection) HEAD "logsource: {product: p}\ndetection:\n" detection

/* The warnings as "line:column construct", one after another. */
static void check(const char *yaml, const char *expected)
{
    struct kit kit = {0};
    struct sv text = SV("");
    kit_load(&kit, yaml);
    assert_string_equal(kit_refusal(&kit), "");
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++) {
        const struct rule_note *note = ruleset_note(kit.set, i);
        text = arena_printf(&kit.arena, "%.*s%s%u:%u %s", SV_FMT(text), text.n > 0 ? ", " : "",
                            note->err.line, note->err.column, note->construct);
        assert_string_equal(note->err.file, "test.yml");
    }
    assert_string_equal(arena_str(&kit.arena, text), expected);
    kit_free(&kit);
}

static void test_unused_selections(void **state)
{
    (void)state;
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  condition: s\n"), "7:3 unused selection");
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  condition: 1 of them\n"), "");
    check(RULE("  s: {a: 1}\n  _t: {b: 1}\n  condition: all of them\n"), "7:3 unused selection");
}

static void test_conditions_that_never_hold_and_selections_without_a_difference(void **state)
{
    (void)state;
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  condition: s and t and not s\n"), "8:14 condition never holds");
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  condition: s or (s and t)\n"), "7:3 unreachable selection");
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  u: {c: 1}\n  condition: (s or t or not t) and u\n"),
          "6:3 unreachable selection, 7:3 unreachable selection");
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  condition: s and not (s and t)\n"), "");
    check(RULE("  s: {a: 1}\n  t: {b: 1}\n  condition: 1 of them and not all of them\n"), "");
}

static void test_H_05_generic_e_mail_patterns(void **state)
{
    (void)state;
    check(RULE("  s:\n    m|re: '[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}'\n  condition: s\n"),
          "7:11 generic e-mail pattern");
    check(RULE("  s:\n    m|re: '\\S+@\\S+'\n  condition: s\n"), "7:11 generic e-mail pattern");
    check(RULE("  s:\n    m|re: ['x', '\\w{1,64}@(?:\\w+\\.)+com']\n  condition: s\n"),
          "7:17 generic e-mail pattern");
    check(RULE("  s:\n    m|re: '[a-z]+@example\\.com$'\n  condition: s\n"), ""); /* somebody's */
    check(RULE("  s:\n    m|re: 'root@[0-9.]+'\n  condition: s\n"), "");
    check(RULE("  s:\n    m|re: '@[a-z]+'\n  condition: s\n"), "");
}

static void test_filters_without_not(void **state)
{
    (void)state;
    check(RULE("  s: {a: 1}\n  filter: {b: 1}\n  condition: s and filter\n"), "8:14 filter without not");
    check(RULE("  s: {a: 1}\n  filter_main: {b: 1}\n  condition: s and not 1 of filter_*\n"), "");
    check(RULE("  s: {a: 1}\n  filter: {b: 1}\n  condition: not (not s or filter)\n"), "");
    check(RULE("  s: {a: 1}\n  filter: {b: 1}\n  condition: not (s and not filter)\n"),
          "8:14 filter without not");
    check(
        RULE(
            "  s: {a: 1}\n  condition: s\n") "---\ntitle: f\nlogsource: {product: p}\nfilter:\n  rules: any\n"
                                             "  x: {u: 1}\n  condition: x\n",
        "14:14 filter without not");
    check(
        RULE(
            "  s: {a: 1}\n  condition: s\n") "---\ntitle: f\nlogsource: {product: p}\nfilter:\n  rules: any\n"
                                             "  x: {u: 1}\n  condition: not x\n",
        "");
}

static void test_keywords_without_logsource(void **state)
{
    (void)state;
    check(HEAD "logsource: {definition: any}\ndetection: {s: [word], condition: s}\n",
          "1:1 keywords without logsource");
    check(RULE("  s: [word]\n  condition: s\n"), "");
}

static void test_slow_regular_expressions(void **state)
{
    static const char *const slow[] = {"(a+)+b",     "(?:.*x*)*", "((a|b+))*", "(\\w+){2,}",
                                       "([a-z]+)+$", "(x|a*)+",   ".*word",    "((a+))+"},
                             *const good[] = {"(a+b)+",        "(?>a+)+", "(a++)+", "a+b+",     "[(a+)+]",
                                              "\\(a+\\)+",     "(ab)+",   "a.*b",   "(a+){3}",  "((a+)b)+",
                                              "(\\w+\\.)+com", "(",       "[",      "(a{2,3})+"};
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(slow); i++)
        check(arena_printf(&arena, RULE("  s: {a|re: '%s'}\n  condition: s\n"), slow[i]).p,
              "6:13 slow regular expression");
    for (size_t i = 0; i < TC_ARRAY_LEN(good); i++) {
        struct kit kit = {0};
        kit_load(&kit, arena_printf(&arena, RULE("  s: {a|re: '%s'}\n  condition: s\n"), good[i]).p);
        for (size_t k = 0; k < ruleset_note_count(kit.set); k++)
            assert_string_not_equal(ruleset_note(kit.set, k)->construct, "slow regular expression");
        kit_free(&kit);
    }
    arena_free(&arena);
}

static void test_others(void **state)
{
    (void)state;
    check(RULE("  s:\n    a|all: [x, y]\n  condition: s\n"), "7:5 all of whole values");
    check(RULE("  s:\n    a|all: [x*, '*y']\n  condition: s\n"), "");
    check(RULE("  s:\n    a|contains|all: [x, y]\n  condition: s\n"), "");
    check(RULE("  s:\n    '|all': [x, y]\n  condition: s\n"), "");
    check(RULE("  s: {a: 1}\n  timeframe: 5m\n  condition: s\n"), "7:3 timeframe");
    check(HEAD "status: deprecated\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n",
          "4:9 status");
    check("title: t\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n",
          "1:1 no owner or runbook");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unused_selections),
        cmocka_unit_test(test_conditions_that_never_hold_and_selections_without_a_difference),
        cmocka_unit_test(test_H_05_generic_e_mail_patterns),
        cmocka_unit_test(test_filters_without_not),
        cmocka_unit_test(test_keywords_without_logsource),
        cmocka_unit_test(test_slow_regular_expressions),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
