/*
 * The matchers by themselves: patterns against a plain recursive one on random inputs, networks, dates,
 * limits of regular expressions, and the scratch's memory of folded values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "detect/detect_testkit.h"
#include "detect/sigma.h"

/* --- patterns
 * ------------------------------------------------------------------------------------------------------------------
 */

static size_t rune_at(struct sv value)
{
    uint32_t rune;
    size_t n = utf8_decode(value, &rune);
    return n == 0 ? 1 : n;
}

static size_t dash_at(struct sv value)
{
    static const char *const dashes[] = {"-", "/", "\xE2\x80\x93", "\xE2\x80\x94", "\xE2\x80\x95"};
    for (size_t i = 0; i < TC_ARRAY_LEN(dashes); i++)
        if (sv_starts(value, sv_of(dashes[i])))
            return strlen(dashes[i]);
    return 0;
}

/* The definition, without any cleverness: whole value, all ways tried. */
static bool plainly_matches(const struct token *t, size_t count, struct sv value)
{
    if (count == 0)
        return value.n == 0;
    switch (t->kind) {
    case TOKEN_TEXT:
        return sv_starts(value, t->text) && plainly_matches(t + 1, count - 1, sv_from(value, t->text.n));
    case TOKEN_DASH:
        return dash_at(value) > 0 && plainly_matches(t + 1, count - 1, sv_from(value, dash_at(value)));
    case TOKEN_ONE:
        return value.n > 0 && plainly_matches(t + 1, count - 1, sv_from(value, rune_at(value)));
    case TOKEN_STAR:
        for (size_t at = 0;; at += rune_at(sv_from(value, at))) {
            if (plainly_matches(t + 1, count - 1, sv_from(value, at)))
                return true;
            if (at == value.n)
                return false;
        }
    }
    return false;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void test_C_110_patterns_against_a_plain_matcher(void **state)
{
    (void)state;
    static const char *const parts[] = {"a", "b", "ab",           "\xC3\xA9", "\xE2\x82\xAC",
                                        "-", "/", "\xE2\x80\x94", "\n"};
    struct arena arena = {0};
    uint32_t seed = 7;
    size_t hits = 0;
    for (size_t round = 0; round < 200000; round++) {
        struct token tokens[6];
        size_t count = next_random(&seed) % 7;
        char text[64];
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
            enum token_kind kind = (enum token_kind)(next_random(&seed) % 4);
            tokens[i] = (struct token){kind, SV("")};
            if (kind == TOKEN_TEXT)
                tokens[i].text = sv_of(parts[next_random(&seed) % TC_ARRAY_LEN(parts)]);
        }
        for (size_t left = next_random(&seed) % 8; left > 0; left--) {
            const char *part = parts[next_random(&seed) % TC_ARRAY_LEN(parts)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        struct pattern pattern;
        pattern_compile(&arena, tokens, count, true, &pattern);
        bool expected = plainly_matches(tokens, count, sv_make(text, n));
        if (pattern_matches(&pattern, sv_make(text, n)) != expected)
            fail_msg("round %zu: expected %d for \"%.*s\"", round, expected, (int)n, text);
        hits += expected;
        arena_reset(&arena);
    }
    assert_true(hits > 10000);
    arena_free(&arena);
}

static void test_C_110_shapes_of_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pattern_shape shape;
    } cases[] = {
        {"", SHAPE_EXACT},        {"ab", SHAPE_EXACT},        {"ab*", SHAPE_PREFIX}, {"*ab", SHAPE_SUFFIX},
        {"*ab*", SHAPE_CONTAINS}, {"**ab**", SHAPE_CONTAINS}, {"*", SHAPE_ANY},      {"a*b", SHAPE_GENERAL},
        {"a?", SHAPE_GENERAL},    {"a\\*", SHAPE_EXACT},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct token_list list = sigma_string(&arena, sv_of(cases[i].text));
        struct pattern pattern;
        pattern_compile(&arena, list.tokens, list.count, false, &pattern);
        assert_int_equal(pattern.shape, cases[i].shape);
    }
    arena_free(&arena);
}

/* --- regular expressions
 * -------------------------------------------------------------------------------------------------------- */

static void test_C_110_a_regex_limit_is_counted(void **state)
{
    (void)state;
    struct kit kit = {0};
    char json[600] = "{\"a\":\"";
    memset(json + 6, 'a', 500);
    strcpy(json + 506, "!\"}");
    assert_false(kit_line(&kit, "a|re: '^(a|aa|a?a)+$'", json));
    assert_true(match_scratch_limit_hits(kit.scratch) > 0);
    uint64_t before = match_scratch_limit_hits(kit.scratch);
    assert_true(kit_line(&kit, "a|re: 'a!$'", json));
    assert_int_equal(match_scratch_limit_hits(kit.scratch), before);
    kit_free(&kit);
}

static void test_C_110_regex_around_bad_utf8(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct regex *list = NULL;
    const struct regex *regex;
    struct regex_scratch *scratch = regex_scratch_new();
    uint64_t limits = 0;
    assert_int_equal(regex_compile(&arena, SV("b.d"), 0, &list, &regex, NULL), 0);
    assert_true(regex_matches(regex,
                              SV("a\xFF\xFE b\xC3\xA9"
                                 "d"),
                              scratch, &limits));
    assert_false(regex_matches(regex,
                               SV("b\xFF"
                                  "d"),
                               scratch, &limits));
    assert_false(regex_matches(regex, (struct sv){0}, scratch, &limits));
    assert_int_equal(limits, 0);
    regex_scratch_free(&scratch);
    regex_free_list(&list);
    assert_null(list);
    arena_free(&arena);
}

/* --- networks
 * ------------------------------------------------------------------------------------------------------------------
 */

static void test_C_110_networks(void **state)
{
    (void)state;
    static const struct {
        const char *network, *inside, *outside;
    } cases[] = {
        {"10.1.2.3", "10.1.2.3", "10.1.2.4"},
        {"10.1.2.0/23", "10.1.3.255", "10.1.4.0"},
        {"0.0.0.0/0", "255.255.255.255", "::2"},
        {"128.0.0.0/1", "128.0.0.1", "127.255.255.255"},
        {"fe80::/10", "fe80::1%eth0", "fec0::1"},
        {"::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"},
        {"2001:db8::/127", "2001:db8::1", "2001:db8::2"},
        {"::1", "0:0:0:0:0:0:0:1", "::2"},
    };
    static const char *const bad[] = {"",
                                      "/",
                                      "10.0.0.0/",
                                      "10.0.0.0/-1",
                                      "10.0.0/8",
                                      "10.0.0.0/8x",
                                      "010.0.0.0/8",
                                      "::/129",
                                      "10.0.0.0/8/8",
                                      "a::b::c/8",
                                      "10.0.0.0/ 8",
                                      "10.1.0.0/8"};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct network network;
        assert_int_equal(network_parse(sv_of(cases[i].network), &network, NULL), 0);
        assert_true(network_holds(&network, sv_of(cases[i].inside)));
        assert_false(network_holds(&network, sv_of(cases[i].outside)));
        assert_false(network_holds(&network, SV("")));
        assert_false(network_holds(&network, SV("10.0.0.1\0")));
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        struct network network;
        struct err err = {0};
        assert_int_equal(network_parse(sv_of(bad[i]), &network, &err), TC_EINPUT);
        assert_true(err.text[0] != '\0');
    }
}

/* --- dates
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void test_C_110_parts_of_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int minute, hour, day, week, month, year; /* -1: no such part */
    } cases[] = {
        {"2024-12-30 23:59:59", 59, 23, 30, 1, 12, 2024},
        {"2024/02/29T00:00", 0, 0, 29, 9, 2, 2024},
        {"2023-02-29", -1, -1, -1, -1, -1, -1},
        {"2023-1-1", -1, -1, 1, 52, 1, 2023},
        {"2016-01-03", -1, -1, 3, 53, 1, 2016},
        {"0000-01-01", -1, -1, 1, 52, 1, 0},
        {"9999-12-31", -1, -1, 31, 52, 12, 9999},
        {"7:05", 5, 7, -1, -1, -1, -1},
        {"24:00", -1, -1, -1, -1, -1, -1},
        {"2024-13-01", -1, -1, -1, -1, -1, -1},
        {"", -1, -1, -1, -1, -1, -1},
        {"1709288430", -1, -1, -1, -1, -1, -1},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        const int expected[] = {cases[i].minute, cases[i].hour,  cases[i].day,
                                cases[i].week,   cases[i].month, cases[i].year};
        for (size_t part = 0; part < TC_ARRAY_LEN(expected); part++) {
            int64_t v = -1;
            bool got = date_part_of((enum date_part)part, sv_of(cases[i].text), &v);
            if (got != (expected[part] >= 0) || (got && v != expected[part]))
                fail_msg("%s, part %zu: %lld", cases[i].text, part, (long long)v);
        }
    }
}

/* --- scratch
 * -------------------------------------------------------------------------------------------------------------------
 */

static void test_C_110_scratch_follows_the_event(void **state)
{
    (void)state;
    struct kit kit = {0};
    kit_detection(&kit, "    s:\n        a: foo\n    condition: s\n");
    char value[] = "FOO";
    struct field field = {.name = SV("a"), .exact = SV("a"), .name_hash = event_name_hash(SV("a"))};
    struct event event = {.fields = &field, .field_count = 1, .position = 1};
    field.value = sv_make(value, 3);
    event_index(&event, &kit.arena);
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    memcpy(value, "BAR", 3); /* the same memory, another event */
    event.position = 2;
    assert_false(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    memcpy(value, "Foo", 3);
    match_scratch_forget(kit.scratch);
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    kit_free(&kit);
}

/* Many long values: the store of folded texts starts anew, answers stay right. */
static void test_C_110_scratch_is_bounded(void **state)
{
    (void)state;
    enum { FIELDS = 24, BYTES = 1 << 20 };
    struct kit kit = {0};
    struct field fields[FIELDS] = {0};
    struct event event = {.fields = fields, .field_count = FIELDS, .position = 1};
    for (size_t i = 0; i < FIELDS; i++) {
        char *text = arena_alloc(&kit.arena, BYTES);
        memset(text, 'A', BYTES);
        text[BYTES - 1] = (char)('A' + i);
        fields[i] = (struct field){.name = SV("a"), .exact = SV("a"), .value = sv_make(text, BYTES)};
        fields[i].name_hash = event_name_hash(fields[i].name);
    }
    fields[FIELDS - 1].name = fields[FIELDS - 1].exact = SV("b");
    fields[FIELDS - 1].name_hash = event_name_hash(SV("b"));
    event_index(&event, &kit.arena);
    kit_detection(&kit,
                  "    s:\n        a|endswith: aw\n        b|endswith: ax\n    t:\n        a|fieldref: b\n"
                  "    condition: s and not t\n");
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    assert_true(rule_matches(&kit.set->rules[0], &event, kit.scratch));
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_patterns_against_a_plain_matcher),
        cmocka_unit_test(test_C_110_shapes_of_patterns),
        cmocka_unit_test(test_C_110_a_regex_limit_is_counted),
        cmocka_unit_test(test_C_110_regex_around_bad_utf8),
        cmocka_unit_test(test_C_110_networks),
        cmocka_unit_test(test_C_110_parts_of_dates),
        cmocka_unit_test(test_C_110_scratch_follows_the_event),
        cmocka_unit_test(test_C_110_scratch_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
