/*
 * The literal that an expression requires: a table of readings, and the promise itself on random expressions
 * and values: where PCRE2 finds a match, the folded value contains the literal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "detect/match.h"

static void test_regex_literal_readings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *literal;
    } cases[] = {
        {"", ""},
        {"Foo", "foo"},
        {"fo+bar", "bar"},
        {"abcd+x", "abcd"},
        {"fo*bar", "bar"},
        {"abcd?x", "abc"},
        {"abcd{2}x", "abc"},
        {"abcd{,2}x", "abc"},
        {"abc{d", "abc"},
        {"a{x}bc", "x}bc"},
        {"ab.cde", "cde"},
        {"^foo$", "foo"},
        {"foo|bar", ""},
        {"x(foo|bar)yz", "yz"},
        {"x(foo)yz", "foo"},
        {"x(foo)?yz", "yz"},
        {"x(foo)*yz", "yz"},
        {"x(foo)+yz", "foo"},
        {"x(?:foo){0,3}yz", "yz"},
        {"(?i)FOO", "foo"},
        {"(?i:FOO)", "foo"},
        {"(?x)f o o", ""},
        {"(?=foo)bar", ""},
        {"(?!foo)bar", ""},
        {"(?<n>foo)bar", ""},
        {"(?>foo)bar", ""},
        {"(*UTF)foo", ""},
        {"\\Qa.b\\Efoo", ""},
        {"foo\\x41bar", ""},
        {"(f)oo\\1bar", ""},
        {"\\p{L}foo", ""},
        {"foo\\.bar\\\\baz", "foo.bar\\baz"},
        {"foo\\sbars", "bars"},
        {"[Cc]:\\\\[Ww]indows", "c:\\windows"},
        {"[^c]foo", "foo"},
        {"[]ab]foo", "foo"},
        {"[^]ab]foo", "foo"},
        {"[[:alpha:]]foo", "foo"},
        {"[a\\]b]foo", "foo"},
        {"[Cc]?foo", "foo"},
        {"f\xC3\xA4oo", "oo"},
        {"f\xC3\xA4?oo", "oo"},
        {"foo+?bar", "foo"},
        {"foo++bar", "foo"},
        {"fooo*+bar", "foo"},
        {"((((deep))))", "deep"},
        {"a|(b)", ""},
        {"(a|b|cc)", ""},
        {"foo(?i)Bar", "foo"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct sv literal = regex_literal(&arena, sv_of(cases[i].text));
        if (!sv_is(literal, cases[i].literal))
            fail_msg("%s: \"%.*s\", not \"%s\"", cases[i].text, SV_FMT(literal), cases[i].literal);
    }
    arena_free(&arena);
}

static struct sv any_of(struct sim_rng *rng, struct arena *arena, const char *const *pieces, size_t n,
                        size_t most)
{
    struct sv text = SV("");
    for (size_t k = (size_t)(rng_u64(&rng->rng) % most) + 1; k > 0; k--)
        text = arena_printf(arena, "%.*s%s", SV_FMT(text), pieces[rng_u64(&rng->rng) % n]);
    return text;
}

static void test_regex_literal_is_required(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "a",     "b",    "K",    "s",    "ab",  "(",        "(?:",          ")",
        ")",     "|",    "?",    "*",    "+",   "{2}",      "{0,1}",        ".",
        "[ab]",  "[Kk]", "[^a]", "[]a]", "\\.", "\\s",      "\\b",          "(?i)",
        "(?-i)", "^",    "\\\\", "{",    "}",   "\xC3\xA4", "\xE2\x84\xAA", "(?=",
        "\\x61", "\\Q",  "\\E",  "(a)",  "\\1"};
    static const char *const letters[] = {
        "a",        "A",        "b",        "B",    "k",       "K", "s",  "S",
        "ab",       ".",        " ",        "\\",   "{",       "}", "ba", "\xE2\x84\xAA",
        "\xC5\xBF", "\xC3\xA4", "\xC3\x84", "\xFF", "\xE2\x84"};
    struct arena arena = {0};
    struct regex_scratch *scratch = regex_scratch_new();
    struct sim_rng rng;
    size_t compiled = 0, matches = 0;
    uint64_t limits = 0;
    sim_rng_init(&rng, 7);
    for (size_t i = 0; i < 60000; i++) {
        struct regex *list = NULL;
        const struct regex *regex;
        struct err err;
        arena_reset(&arena);
        struct sv text = any_of(&rng, &arena, parts, TC_ARRAY_LEN(parts), 7);
        if (regex_compile(&arena, text, i % 2 ? REGEX_NOCASE : 0, &list, &regex, &err) != 0)
            continue;
        compiled++;
        for (size_t k = 0; k < 12; k++) {
            struct sv value = any_of(&rng, &arena, letters, TC_ARRAY_LEN(letters), 8);
            struct buf folded;
            if (!regex_matches(regex, value, scratch, &limits))
                continue;
            buf_init(&folded, 4096);
            utf8_fold(&folded, value);
            struct sv required = regex_required(regex);
            matches += required.n > 0;
            if (required.n > 0 && sv_find(buf_view(&folded), required) == folded.n)
                fail_msg("%.*s matches %.*s without \"%.*s\"", SV_FMT(text), SV_FMT(value), SV_FMT(required));
            buf_free(&folded);
        }
        regex_free_list(&list);
    }
    print_message("%zu expressions, %zu matches with a literal\n", compiled, matches);
    assert_true(compiled > 5000 && matches > 5000);
    regex_scratch_free(&scratch);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regex_literal_readings),
        cmocka_unit_test(test_regex_literal_is_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
