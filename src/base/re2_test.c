/*
 * RE2's syntax: what matches, what is refused, replacements as Go's regexp makes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/re2.h"

#include <string.h>

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text;
        bool anchored, expected;
    } cases[] = {
        {"a+", "baac", false, true},      {"a+", "baac", true, false},
        {"a|b.*", "bcd", true, true},     {"", "", true, true},
        {"", "x", true, false},           {"^foo$", "foo\n", false, false},
        {"(?i)FOO", "foo", true, true},   {"\\d{2,3}", "1234", true, false},
        {"x{,2}", "x{,2}", true, true},   {"[[:alpha:]]+", "abc", true, true},
        {"[^]]", "a", true, true},        {"\\pL+", "\xC3\xA9", true, true},
        {".", "\xC3\xA9", true, true},    {".", "\xFF", true, true},
        {"\\Qa.b\\E", "a.b", true, true}, {"(?P<name>a)b", "ab", true, true},
        {"(?s).", "\n", true, true},      {".", "\n", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct re2 *re2;
        struct err err = {0};
        if (re2_compile(sv_of(cases[i].expression), cases[i].anchored, &re2, &err) != 0)
            fail_msg("%s: %s", cases[i].expression, err.text);
        if (re2_matches(re2, sv_of(cases[i].text)) != cases[i].expected)
            fail_msg("%s on %s", cases[i].expression, cases[i].text);
        re2_free(re2);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const char *const cases[] = {"(",       "a**",    "a++",   "a{2}*",  "(?=a)",   "(?!a)",
                                        "(?<=a)b", "(a)\\1", "(?>a)", "[a",     "a{1001}", "\\",
                                        "*a",      "(?#x)",  "\xFF",  "(?P=n)", "\\h"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct re2 *re2;
        struct err err = {0};
        if (re2_compile(sv_of(cases[i]), false, &re2, &err) == 0)
            fail_msg("%s is accepted", cases[i]);
        assert_non_null(strstr(err.text, "error parsing regexp: "));
    }
}

static void replacements(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text, *replacement, *expected;
    } cases[] = {
        {"(a)b", "ab", "x$1", "xa"},
        {"a", "banana", "o", "bonono"},
        {"a*", "baac", "x", "xbxcx"},
        {"", "ab", "-", "-a-b-"},
        {"(\\w+)@(\\w+)", "u@h", "$2 ${1}x $$ $3 $1x", "h ux $  "},
        {"(?P<n>a)", "a", "<${n}$n>", "<aa>"},
        {"x", "abc", "y", "abc"},
        {"b", "abc", "$", "a$c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct re2 *re2;
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(re2_compile(sv_of(cases[i].expression), false, &re2, NULL), 0);
        re2_replace_all(re2, sv_of(cases[i].text), sv_of(cases[i].replacement), &out);
        buf_char(&out, '\0');
        assert_string_equal(out.p, cases[i].expected);
        buf_free(&out);
        re2_free(re2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(refusals),
        cmocka_unit_test(replacements),
    };
    return cmocka_run_group_tests_name("regular expressions of Go's kind", tests, NULL, NULL);
}
