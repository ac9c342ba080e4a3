/*
 * Go's regular expressions: what matches, what is refused and in which words, replacements as Go's regexp
 * makes them, and expressions that would take a backtracking matcher for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/re2.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct re2 *compiled(const char *expression, enum re2_scope scope)
{
    struct re2 *re2;
    struct err err = {0};
    if (re2_compile(sv_of(expression), scope, &re2, &err) != 0)
        fail_msg("%s: %s", expression, err.text);
    return re2;
}

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text;
        enum re2_scope scope;
        bool expected;
    } cases[] = {
        {"a+", "baac", RE2_ANYWHERE, true},
        {"a+", "baac", RE2_WHOLE, false},
        {"a|b.*", "bcd", RE2_WHOLE, true},
        {"a|b", "ab", RE2_WHOLE, false},
        {"", "", RE2_WHOLE, true},
        {"", "x", RE2_WHOLE, false},
        {"one||two", "", RE2_MATCHER, true},
        {"^foo$", "foo\n", RE2_ANYWHERE, false},
        {"(?i)FOO", "foo", RE2_WHOLE, true},
        {"\\d{2,3}", "1234", RE2_WHOLE, false},
        {"x{,2}", "x{,2}", RE2_WHOLE, true},
        {"x{02}", "x{02}", RE2_WHOLE, true},
        {"[[:alpha:]]+", "abc", RE2_WHOLE, true},
        {"[^]]", "a", RE2_WHOLE, true},
        {"[]-]+", "-]", RE2_WHOLE, true},
        {"[\\d-z]+", "7-z", RE2_WHOLE, true},
        {"[^\\S ]", "\v", RE2_WHOLE, false},
        {"[\\S]", "\v", RE2_WHOLE, true},
        {"\\s", "\v", RE2_WHOLE, false},
        {"\\S", "\v", RE2_WHOLE, true},
        {"\\v", "\n", RE2_WHOLE, false},
        {"\\v\\x41\\x{42}\\103\\_", "\vABC_", RE2_WHOLE, true},
        {"\\x{D800}", "\xEF\xBF\xBD", RE2_WHOLE, false},
        {"[\\x{D000}-\\x{DFFF}]", "\xED\x80\x80", RE2_WHOLE, true},
        {"\\pL+", "\xC3\xA9", RE2_WHOLE, true},
        {"\\p{Greek}\\P{^Greek}[\\p{Lu}]", "\xCE\xB1\xCE\xB2Z", RE2_WHOLE, true},
        {".", "\xC3\xA9", RE2_WHOLE, true},
        {".", "\xFF", RE2_WHOLE, true},
        {"a.c",
         "a\xFFz a\xFE"
         "c",
         RE2_ANYWHERE, true},
        {"\\Qa.b\\E+", "a.bb", RE2_WHOLE, true},
        {"\\Q(", "(", RE2_ANYWHERE, true},
        {"(?P<name>a)b", "ab", RE2_WHOLE, true},
        {"(?<1>a)(?P<1>b)", "ab", RE2_WHOLE, true},
        {"(?s).", "\n", RE2_WHOLE, true},
        {".", "\n", RE2_WHOLE, false},
        {".", "\n", RE2_WHOLE_DOTALL, true},
        {"a.*", "a\nb", RE2_MATCHER, true},
        {"(?-s).", "\n", RE2_MATCHER, false},
        {"(?m)^b$", "a\nb\nc", RE2_ANYWHERE, true},
        {"(?m)a\n^", "a\n", RE2_WHOLE, true},
        {"^*a\\b+", "a", RE2_WHOLE, true},
        {"(?U)a+", "aa", RE2_WHOLE, true},
        {"a(?i)b|c", "C", RE2_WHOLE, true},
        {"a(?)b(?:c)", "abc", RE2_WHOLE, true},
        {"#(?:) x", "# x", RE2_WHOLE, true},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct re2 *re2 = compiled(cases[i].expression, cases[i].scope);
        if (re2_matches(re2, sv_of(cases[i].text)) != cases[i].expected)
            fail_msg("%s on %s", cases[i].expression, cases[i].text);
        re2_free(&re2);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        enum re2_scope scope;
        const char *words;
    } cases[] = {
        {"(", RE2_ANYWHERE, "missing closing ): `(`"},
        {"(.*", RE2_WHOLE_DOTALL, "missing closing ): `^(?s:(.*)$`"},
        {"(.*", RE2_WHOLE, "missing closing ): `^(?:(.*)$`"},
        {"(.*", RE2_MATCHER, "missing closing ): `(.*`"},
        {"a)", RE2_ANYWHERE, "unexpected ): `a)`"},
        {"a)(b", RE2_MATCHER, "unexpected ): `a)(b`"},
        {"a**", RE2_ANYWHERE, "invalid nested repetition operator: `**`"},
        {"a+?+", RE2_ANYWHERE, "invalid nested repetition operator: `+?+`"},
        {"a{2}*", RE2_ANYWHERE, "invalid nested repetition operator: `{2}*`"},
        {"*a", RE2_ANYWHERE, "missing argument to repetition operator: `*`"},
        {"a|+?", RE2_ANYWHERE, "missing argument to repetition operator: `+?`"},
        {"({1})", RE2_ANYWHERE, "missing argument to repetition operator: `{1}`"},
        {"a{1001}", RE2_ANYWHERE, "invalid repeat count: `{1001}`"},
        {"a{3,2}", RE2_ANYWHERE, "invalid repeat count: `{3,2}`"},
        {"((a{100})b){11}", RE2_ANYWHERE, "invalid repeat count: `{11}`"},
        {"(?=a)", RE2_ANYWHERE, "invalid or unsupported Perl syntax: `(?=`"},
        {"(?<=a)b", RE2_ANYWHERE, "invalid named capture: `(?<=a)b`"},
        {"(?>a)", RE2_ANYWHERE, "invalid or unsupported Perl syntax: `(?>`"},
        {"(?#x)", RE2_ANYWHERE, "invalid or unsupported Perl syntax: `(?#`"},
        {"(?i", RE2_ANYWHERE, "invalid or unsupported Perl syntax: `(?i`"},
        {"(?i-)", RE2_ANYWHERE, "invalid or unsupported Perl syntax: `(?i-)`"},
        {"(?P=n)", RE2_ANYWHERE, "invalid or unsupported Perl syntax: `(?P`"},
        {"(?P<n", RE2_ANYWHERE, "invalid named capture: `(?P<n`"},
        {"(?P<a-b>c)", RE2_ANYWHERE, "invalid named capture: `(?P<a-b>`"},
        {"(a)\\1", RE2_ANYWHERE, "invalid escape sequence: `\\1`"},
        {"\\h", RE2_ANYWHERE, "invalid escape sequence: `\\h`"},
        {"\\C", RE2_ANYWHERE, "invalid escape sequence: `\\C`"},
        {"[\\b]", RE2_ANYWHERE, "invalid escape sequence: `\\b`"},
        {"\\x{110000}", RE2_ANYWHERE, "invalid escape sequence: `\\x{110000`"},
        {"\\xg0", RE2_ANYWHERE, "invalid escape sequence: `\\xg0`"},
        {"\\", RE2_ANYWHERE, "trailing backslash at end of expression: ``"},
        {"a\\", RE2_WHOLE, "missing closing ): `^(?:a\\)$`"},
        {"x[a", RE2_ANYWHERE, "missing closing ]: `[a`"},
        {"x[a", RE2_WHOLE, "missing closing ]: `[a)$`"},
        {"[]", RE2_ANYWHERE, "missing closing ]: `[]`"},
        {"[z-a]", RE2_ANYWHERE, "invalid character class range: `z-a`"},
        {"[[:what:]]", RE2_ANYWHERE, "invalid character class range: `[:what:]`"},
        {"\\p{Nowhere}", RE2_ANYWHERE, "invalid character class range: `\\p{Nowhere}`"},
        {"\\p{", RE2_ANYWHERE, "invalid character class range: `\\p{`"},
        {"\\pX", RE2_ANYWHERE, "invalid character class range: `\\pX`"},
        {"a(?i)*", RE2_ANYWHERE, "quantifier does not follow a repeatable item: `a(?i)*`"}, /* Go repeats a */
        {"a\xFF", RE2_ANYWHERE, "invalid UTF-8: `\xFF`"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct re2 *re2;
        struct err err = {0};
        if (re2_compile(sv_of(cases[i].expression), cases[i].scope, &re2, &err) == 0)
            fail_msg("%s is accepted", cases[i].expression);
        assert_true(sv_starts(sv_of(err.text), SV("error parsing regexp: ")));
        assert_string_equal(err.text + strlen("error parsing regexp: "), cases[i].words);
    }
}

static void depth_and_length_are_bounded(void **state)
{
    (void)state;
    enum { MANY = 70000 };
    char *text = malloc(2 * MANY);
    struct re2 *re2;
    struct err err = {0};
    assert_non_null(text);
    memset(text, '(', 1001);
    assert_int_equal(re2_compile(sv_make(text, 1001), RE2_ANYWHERE, &re2, &err), TC_EINPUT);
    assert_non_null(strstr(err.text, "nests too deeply"));
    memset(text + 900, ')', 900);
    assert_int_equal(re2_compile(sv_make(text, 1800), RE2_ANYWHERE, &re2, &err), 0);
    assert_true(re2_matches(re2, SV("")));
    re2_free(&re2);
    memset(text, 'a', MANY);
    assert_int_equal(re2_compile(sv_make(text, MANY), RE2_ANYWHERE, &re2, &err), TC_EBOUND);
    free(text);
}

static const struct replacing {
    const char *expression, *text, *replacement, *all, *first; /* first: NULL where nothing matches */
} replacings[] = {
    {"(a)b", "ab", "x$1", "xa", "xa"},
    {"a", "banana", "o", "bonono", "o"},
    {"a*", "baac", "x", "xbxcx", "x"},
    {"", "ab", "-", "-a-b-", "-"},
    {"(\\w+)@(\\w+)", "u@h", "$2 ${1}x $$ $3 $1x", "h ux $  ", "h ux $  "},
    {"(?P<n>a)", "a", "<${n}$n>", "<aa>", "<aa>"},
    {"(?P<n>x)|(?P<n>a)", "a", "<$n>", "<a>", "<a>"},
    {"(?P<01>a)", "a", "<$01$1>", "<aa>", "<aa>"},
    {"x", "abc", "y", "abc", NULL},
    {"b", "abc", "$", "a$c", "$"},
    {"b",
     "\xFF"
     "b\xFE",
     "<$0>", "\xFF<b>\xFE", "<b>"},
    {".", "\xFF\xC3\xA9", "<$0>", "<\xFF><\xC3\xA9>", "<\xFF>"},
};

static void replacements(void **state)
{
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(replacings); i++) {
        const struct replacing *r = &replacings[i];
        struct re2 *re2 = compiled(r->expression, RE2_ANYWHERE);
        struct buf out;
        buf_init(&out, 1000);
        re2_replace_all(re2, sv_of(r->text), sv_of(r->replacement), &out);
        if (!sv_is(buf_view(&out), r->all))
            fail_msg("%s: %.*s", r->expression, SV_FMT(buf_view(&out)));
        buf_clear(&out);
        assert_int_equal(re2_expand(re2, sv_of(r->text), sv_of(r->replacement), &out), r->first != NULL);
        if (!sv_is(buf_view(&out), r->first == NULL ? "" : r->first))
            fail_msg("%s: %.*s", r->expression, SV_FMT(buf_view(&out)));
        buf_free(&out);
        re2_free(&re2);
    }
}

static void words_are_replaced_whole(void **state)
{
    (void)state;
    struct re2 *re2 = compiled("one|two", RE2_WHOLE);
    struct buf out;
    buf_init(&out, 100);
    re2_replace_all(re2, SV("two"), SV("<$0$1>"), &out);
    re2_replace_all(re2, SV("twos"), SV("never"), &out);
    assert_true(re2_expand(re2, SV("one"), SV("[$0]"), &out));
    assert_false(re2_expand(re2, SV("ones"), SV("never"), &out));
    assert_true(sv_is(buf_view(&out), "<two>twos[one]"));
    assert_false(re2_has_names(re2));
    buf_free(&out);
    re2_free(&re2);
}

static void put_capture(void *context, struct sv name, struct sv value)
{
    buf_printf(context, "%.*s=%.*s%s;", SV_FMT(name), SV_FMT(value), value.p == NULL ? "(none)" : "");
}

static void names_come_in_order(void **state)
{
    (void)state;
    struct re2 *re2 = compiled("(?P<b>x)(y)(?<a>z)?", RE2_ANYWHERE);
    struct buf out;
    buf_init(&out, 100);
    assert_true(re2_has_names(re2));
    assert_true(re2_match_names(re2, SV("-xy-"), put_capture, &out));
    assert_true(sv_is(buf_view(&out), "b=x;a=(none);"));
    assert_false(re2_match_names(re2, SV("-"), put_capture, &out));
    buf_free(&out);
    re2_free(&re2);
}

/* Each of these has more ways than there is time for. */
static void many_ways_have_an_answer(void **state)
{
    (void)state;
    struct buf text;
    struct re2 *re2 = compiled("(a|a|b)*c", RE2_WHOLE);
    buf_init(&text, 4000);
    for (size_t i = 0; i < 2000; i++)
        buf_char(&text, 'a');
    assert_false(re2_matches(re2, buf_view(&text)));
    buf_char(&text, 'c');
    assert_true(re2_matches(re2, buf_view(&text)));
    re2_free(&re2);
    re2 = compiled("(x+x+)+y", RE2_ANYWHERE);
    assert_false(
        re2_matches(re2, SV("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")));
    re2_free(&re2);
    buf_free(&text);
}

static void *match_often(void *context)
{
    const struct re2 *re2 = context;
    for (size_t i = 0; i < 2000; i++)
        if (!re2_matches(re2, SV("say 2026 now")) || re2_matches(re2, SV("say nothing")))
            return NULL;
    return context;
}

static void any_thread_may_match(void **state)
{
    (void)state;
    struct re2 *re2 = compiled("(\\d+) now$", RE2_ANYWHERE);
    pthread_t threads[4];
    for (size_t i = 0; i < TC_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_often, re2), 0);
    for (size_t i = 0; i < TC_ARRAY_LEN(threads); i++) {
        void *good;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_ptr_equal(good, re2);
    }
    re2_free(&re2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(refusals),
        cmocka_unit_test(depth_and_length_are_bounded),
        cmocka_unit_test(replacements),
        cmocka_unit_test(words_are_replaced_whole),
        cmocka_unit_test(names_come_in_order),
        cmocka_unit_test(many_ways_have_an_answer),
        cmocka_unit_test(any_thread_may_match),
    };
    return cmocka_run_group_tests_name("regular expressions of Go's kind", tests, NULL, NULL);
}
