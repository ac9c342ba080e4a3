/*
 * Token lists: how strings are read, and what windash, UTF-16 and base64 make of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/sigma.h"

#include <string.h>

/* A token list as text: texts in quotes, * ? and - for the others. */
static const char *shown(struct arena *arena, struct token_list list)
{
    struct sv text = SV("");
    for (size_t i = 0; i < list.count; i++) {
        static const char *const marks[] = {"", "*", "?", "-"};
        struct sv t = list.tokens[i].text;
        text = list.tokens[i].kind == TOKEN_TEXT
                   ? arena_printf(arena, "%.*s\"%.*s\"", SV_FMT(text), SV_FMT(t))
                   : arena_printf(arena, "%.*s%s", SV_FMT(text), marks[list.tokens[i].kind]);
    }
    return text.p == NULL ? "" : text.p;
}

static void test_C_110_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tokens;
    } cases[] = {
        {"", ""},
        {"abc", "\"abc\""},
        {"a*b", "\"a\"*\"b\""},
        {"a?b", "\"a\"?\"b\""},
        {"**", "**"},
        {"\\*", "\"*\""},
        {"\\?", "\"?\""},
        {"\\\\", "\"\\\""},
        {"\\\\*", "\"\\\"*"},
        {"\\\\\\*", "\"\\*\""},
        {"\\\\\\\\*", "\"\\\\\"*"},
        {"a\\b", "\"a\\b\""},
        {"a\\", "\"a\\\""},
        {"\\\\\\", "\"\\\\\""},
        {"C:\\Windows\\*\\x.exe", "\"C:\\Windows*\\x.exe\""}, /* \* is a star, as the specification says */
        {"C:\\Windows\\\\*\\x.exe", "\"C:\\Windows\\\"*\"\\x.exe\""},
        {"%a%", "\"%a%\""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        assert_string_equal(shown(&arena, sigma_string(&arena, sv_of(cases[i].text))), cases[i].tokens);
    arena_free(&arena);
}

static void test_C_110_open_ends(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct token_list list = sigma_string(&arena, SV("a\\"));
    assert_string_equal(shown(&arena, sigma_open(&arena, list, true, true)), "*\"a\\\"*");
    assert_string_equal(shown(&arena, sigma_open(&arena, list, false, true)), "\"a\\\"*");
    arena_free(&arena);
}

static void test_C_110_windash_positions(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tokens;
    } cases[] = {
        {"-a", "-\"a\""},
        {"/a", "-\"a\""},
        {" -a -b", "\" \"-\"a \"-\"b\""},
        {"a-b", "\"a-b\""},
        {"foo -bar-baz", "\"foo \"-\"bar-baz\""},
        {"--a", "\"-\"-\"a\""},
        {"a - b", "\"a - b\""},
        {"-", "\"-\""},
        {"*-a", "*-\"a\""},
        {"a*/b", "\"a\"*-\"b\""},
        {"http://x", "\"http:/\"-\"x\""},
        {"\xC3\xA9-a", "\"\xC3\xA9-a\""}, /* a letter is before it */
        {"\xE2\x80\x93"
         "a",
         "-\"a\""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        assert_string_equal(shown(&arena, sigma_windash(&arena, sigma_string(&arena, sv_of(cases[i].text)))),
                            cases[i].tokens);
    struct token_list two = sigma_windash(&arena, sigma_string(&arena, SV("-a /b*")));
    assert_int_equal(sigma_dash_count(two), 2);
    assert_string_equal(shown(&arena, sigma_dashes_chosen(&arena, two, 0)), "\"-a -b\"*");
    assert_string_equal(shown(&arena, sigma_dashes_chosen(&arena, two, 1)), "\"/a -b\"*");
    assert_string_equal(shown(&arena, sigma_dashes_chosen(&arena, two, 5)), "\"-a /b\"*");
    arena_free(&arena);
}

static void test_C_110_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text, *base64, *offset[3];
    } cases[] = {
        {"foobar", "Zm9vYmFy", {"Zm9vYmFy", "Zvb2Jhc", "mb29iYX"}},
        {"/bin/sh", "L2Jpbi9zaA==", {"L2Jpbi9za", "9iaW4vc2", "vYmluL3No"}},
        {"", "", {"", "", ""}},
        {"a", "YQ==", {"Y", "", "h"}},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct sv text = sv_of(cases[i].text);
        assert_true(sv_is(sigma_base64(&arena, text), cases[i].base64));
        for (size_t offset = 0; offset < 3; offset++)
            assert_true(sv_is(sigma_base64_offset(&arena, text, offset), cases[i].offset[offset]));
    }
    arena_free(&arena);
}

/* Whatever stands before and after, one of the three forms is in the whole's base64. */
static void test_C_110_base64offset_finds_every_place(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct sv words[] = {SV("ab"), SV("abc"), SV("whoami"), SV("\xC3\xA9t\xC3\xA9"),
                               SV("\xFF\x00\x80")};
    for (size_t w = 0; w < TC_ARRAY_LEN(words); w++)
        for (size_t before = 0; before < 7; before++)
            for (size_t after = 0; after < 4; after++) {
                struct sv whole = arena_printf(&arena, "%.*s", (int)before, "qwertzu");
                char *text = arena_alloc(&arena, 64);
                memcpy(text, whole.p, before);
                memcpy(text + before, words[w].p, words[w].n);
                memset(text + before + words[w].n, 'y', after);
                struct sv encoded = sigma_base64(&arena, sv_make(text, before + words[w].n + after));
                struct sv form = sigma_base64_offset(&arena, words[w], before % 3);
                assert_true(form.n > 0 && sv_find(encoded, form) < encoded.n);
            }
    arena_free(&arena);
}

static void test_C_110_utf16(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct token_list list = sigma_utf16(&arena, sigma_text(&arena, SV("a\xF0\x9F\x98\x80")), UTF16_LE);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.tokens[0].text.n, 6);
    assert_memory_equal(list.tokens[0].text.p, "a\0\x3D\xD8\x00\xDE", 6);
    list = sigma_utf16(&arena, sigma_text(&arena, SV("a")), UTF16_BE);
    assert_memory_equal(list.tokens[0].text.p, "\0a", 2);
    list = sigma_utf16(&arena, sigma_text(&arena, SV("a")), UTF16_BOM);
    assert_memory_equal(list.tokens[0].text.p,
                        "\xFF\xFE"
                        "a\0",
                        4);
    list = sigma_utf16(&arena, sigma_string(&arena, SV("a*b")), UTF16_LE);
    assert_int_equal(list.count, 3); /* wildcards stay */
    assert_int_equal(list.tokens[1].kind, TOKEN_STAR);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_strings),
        cmocka_unit_test(test_C_110_open_ends),
        cmocka_unit_test(test_C_110_windash_positions),
        cmocka_unit_test(test_C_110_base64),
        cmocka_unit_test(test_C_110_base64offset_finds_every_place),
        cmocka_unit_test(test_C_110_utf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
