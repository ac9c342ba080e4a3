/*
 * The condition's language: every form against its truth table, every mistake with its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#define SELECTIONS                                                                                           \
    "    a: {a: 1}\n    b: {b: 1}\n    c: {c: 1}\n    sel-x.1: {x: 1}\n    not_me: {n: 1}\n    all: {l: "    \
    "1}\n"

static struct kit kit;

static void load(const char *condition)
{
    struct sv text = arena_printf(&kit.arena, SELECTIONS "    condition: %s\n", condition);
    kit_detection(&kit, text.p);
}

/* The condition's answer for the eight events of a, b, c as one bit each: bit 0 is none, bit 7 all. */
static unsigned table(const char *condition)
{
    unsigned bits = 0;
    load(condition);
    for (unsigned event = 0; event < 8; event++) {
        struct sv json = arena_printf(&kit.arena, "{\"a\":%u,\"b\":%u,\"c\":%u}", event & 1, event >> 1 & 1,
                                      event >> 2 & 1);
        bits |= (unsigned)kit_matches(&kit, json.p) << event;
    }
    return bits;
}

enum { A = 0xAA, B = 0xCC, C = 0xF0 };

static void test_C_110_truth_tables(void **state)
{
    (void)state;
    assert_int_equal(table("a"), A);
    assert_int_equal(table("a and b"), A & B);
    assert_int_equal(table("a or b and c"), A | (B & C));
    assert_int_equal(table("(a or b) and c"), (A | B) & C);
    assert_int_equal(table("not a and b"), ~A & B);
    assert_int_equal(table("not (a and b)"), 0xFF & ~(A & B));
    assert_int_equal(table("not not a"), A);
    assert_int_equal(table("a AND NOT b Or c"), (A & 0xFF & ~B) | C);
    assert_int_equal(table("a and b and c"), A & B & C);
    assert_int_equal(table("1 of a or b"), A | B);
    assert_int_equal(table("not 1 of a*"), 0xFF & ~A);
    assert_int_equal(table("1 of them"), A | B | C);
    assert_int_equal(table("any of Them"), A | B | C);
    assert_int_equal(table("ALL OF a and b"), A & B);
    assert_int_equal(table("(((a)))and(b)"), A & B);
    assert_int_equal(table("\"a or\\n  b\""), A | B);
    assert_int_equal(table("not sel-x.1 and a"), A);
    assert_int_equal(table("not not_me and a"), A);
    assert_int_equal(table("a and not all"), A); /* a selection of that name */
    assert_int_equal(table("a and not all of all"), A);
    assert_int_equal(table("[a, b and c]"), A | (B & C));
}

static void mistake(const char *condition, const char *construct, unsigned column)
{
    load(condition);
    if (ruleset_count(kit.set) != 0)
        fail_msg("%s: loads", condition);
    assert_string_equal(kit_refusal(&kit), construct);
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++) {
        const struct err *err = &ruleset_note(kit.set, i)->err;
        assert_string_equal(err->file, "test.yml");
        assert_int_equal(err->line, 11);
        if (column > 0)
            assert_int_equal(err->column, column);
    }
}

static void test_C_110_mistakes_have_places(void **state)
{
    (void)state;
    mistake("d", "unknown selection", 16);
    mistake("a and d", "unknown selection", 22);
    mistake("'a and d'", "unknown selection", 23);
    mistake("a and", "condition", 0);
    mistake("and a", "condition", 16);
    mistake("a b", "condition", 18);
    mistake("(a", "condition", 0);
    mistake("a)", "condition", 17);
    mistake("()", "condition", 17);
    mistake("a not b", "condition", 18);
    mistake("1 of", "condition", 0);
    mistake("1 of (a)", "condition", 21);
    mistake("1 of d*", "unknown selection", 21);
    mistake("2 of them", "x of", 16);
    mistake("1", "unknown selection", 16);
    mistake("a | count() > 5", "aggregation (|)", 18);
    mistake("a |near b", "aggregation (|)", 18);
    mistake("''", "condition", 0);
    mistake("~", "condition", 16);
    mistake("{a: b}", "condition", 16);
    mistake("[]", "condition", 16);
    mistake("[a, [b]]", "condition", 20);
}

static void test_C_110_depth_is_bounded(void **state)
{
    (void)state;
    char text[3000] = "";
    for (size_t i = 0; i < 1000; i++)
        strcat(text, "(");
    strcat(text, "a");
    mistake(text, "too large", 0);
    text[0] = '\0';
    for (size_t i = 0; i < 500; i++)
        strcat(text, "not ");
    strcat(text, "a");
    mistake(text, "too large", 0);
}

static void test_C_110_no_condition(void **state)
{
    (void)state;
    kit_detection(&kit, "    a: {a: 1}\n");
    assert_string_equal(kit_refusal(&kit), "no condition");
}

static int end(void **state)
{
    (void)state;
    kit_free(&kit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_truth_tables),
        cmocka_unit_test(test_C_110_mistakes_have_places),
        cmocka_unit_test(test_C_110_depth_is_bounded),
        cmocka_unit_test(test_C_110_no_condition),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
