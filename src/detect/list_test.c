/*
 * Lists of values: what is in one and until when, in which order modifiers may stand, what is refused, and a
 * million entries against a plain search.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clk.h"
#include "base/rng.h"
#include "detect/detect_testkit.h"
#include "detect/list.h"

/* A rule of one line and the list "l". */
static void load_line(struct kit *kit, const char *line, const char *list)
{
    struct err err;
    struct sv yaml = arena_printf(&kit->arena,
                                  "title: t\nid: i\nlogsource: {product: any}\ndetection:\n    s:\n        "
                                  "%s\n    condition: s\n",
                                  line);
    struct rule_source sources[] = {{.path = SV("rules/r.yml"), .bytes = yaml},
                                    {.path = SV("rules/l.list"), .bytes = sv_of(list)}};
    ruleset_free(&kit->set);
    assert_int_equal(ruleset_new(sources, TC_ARRAY_LEN(sources), &kit->set, &err), 0);
    if (kit->scratch == NULL)
        kit->scratch = match_scratch_new();
}

static bool asks(struct kit *kit, const char *line, const char *list, const char *json)
{
    load_line(kit, line, list);
    return kit_matches(kit, json);
}

static const char *refusal(struct kit *kit, const char *line, const char *list)
{
    load_line(kit, line, list);
    return kit_refusal(kit);
}

static void a_text_is_in_the_list_whatever_its_case(void **state)
{
    (void)state;
    struct kit kit = {0};
    const char *list = "# who may\r\nAnn\r\n\n  bob  \nM\xC3\x9CLLER\na*b\nx;y;\n", *line = "u|expand: '%l%'";
    assert_true(asks(&kit, line, list, "{\"u\":\"ann\"}"));
    assert_true(asks(&kit, line, list, "{\"u\":\"BOB\"}"));
    assert_true(asks(&kit, line, list, "{\"u\":\"m\xC3\xBCller\"}"));
    assert_true(asks(&kit, line, list, "{\"u\":[\"eve\",\"ann\"]}"));
    assert_true(asks(&kit, line, list, "{\"u\":\"a*b\"}"));
    assert_true(asks(&kit, line, list, "{\"u\":\"x;y\"}"));
    static const char *const not_in[] = {"{\"u\":\"annx\"}",      "{\"u\":\"an\"}",  "{\"u\":\"\"}",
                                         "{\"u\":null}",          "{\"v\":\"ann\"}", "{\"u\":\"azb\"}",
                                         "{\"u\":\"# who may\"}", "{\"u\":\"x\"}"};
    for (size_t i = 0; i < TC_ARRAY_LEN(not_in); i++)
        assert_false(asks(&kit, line, list, not_in[i]));
    assert_true(asks(&kit, "u|expand|cased: '%l%'", list, "{\"u\":\"Ann\"}"));
    assert_false(asks(&kit, "u|cased|expand: '%l%'", list, "{\"u\":\"ann\"}"));
    assert_false(asks(&kit, "u|neq|expand: '%l%'", list, "{\"u\":\"ann\"}"));
    assert_true(asks(&kit, "u|expand|neq: '%l%'", list, "{\"u\":\"eve\"}"));
    assert_true(asks(&kit, "u|neq|expand: '%l%'", list, "{}"));
    assert_true(asks(&kit, "u|expand: ['%l%', eve]", list, "{\"u\":\"eve\"}"));
    assert_false(asks(&kit, line, "", "{\"u\":\"\"}")); /* an empty list is one */
    assert_true(asks(&kit, line,
                     "\xEF\xBB\xBF"
                     "ann",
                     "{\"u\":\"ann\"}"));
    kit_free(&kit);
}

static void beginnings_and_ends_are_asked_of_every_length(void **state)
{
    (void)state;
    struct kit kit = {0};
    const char *list = "/tmp/\nC:\\Users\n.evil.example\nab\n";
    assert_true(asks(&kit, "p|startswith|expand: '%l%'", list, "{\"p\":\"/TMP/x\"}"));
    assert_true(asks(&kit, "p|expand|startswith: '%l%'", list, "{\"p\":\"c:\\\\users\\\\ann\"}"));
    assert_true(asks(&kit, "p|startswith|expand: '%l%'", list, "{\"p\":\"ab\"}"));
    assert_false(asks(&kit, "p|startswith|expand: '%l%'", list, "{\"p\":\"/var/tmp/\"}"));
    assert_true(asks(&kit, "p|endswith|expand: '%l%'", list, "{\"p\":\"www.evil.example\"}"));
    assert_true(asks(&kit, "p|expand|endswith: '%l%'", list, "{\"p\":\"cab\"}"));
    assert_false(asks(&kit, "p|endswith|expand: '%l%'", list, "{\"p\":\"evil.example\"}"));
    assert_false(asks(&kit, "p|endswith|cased|expand: '%l%'", list, "{\"p\":\"CAB\"}"));
    kit_free(&kit);
}

static void a_domain_holds_all_names_below_it(void **state)
{
    (void)state;
    struct kit kit = {0};
    const char *list = ".evil.example\n*.bad.test\nonly.this\n", *line = "q|expand: '%l%'";
    static const char *const in[] = {"evil.example", "a.b.EVIL.example", "evil.example.",
                                     "x.bad.test",   "bad.test",         "only.this"};
    static const char *const out[] = {
        "notevil.example", "example", "evil.example.com", "www.only.this", "", ".", "test"};
    for (size_t i = 0; i < TC_ARRAY_LEN(in); i++)
        assert_true(asks(&kit, line, list, arena_printf(&kit.arena, "{\"q\":\"%s\"}", in[i]).p));
    for (size_t i = 0; i < TC_ARRAY_LEN(out); i++)
        assert_false(asks(&kit, line, list, arena_printf(&kit.arena, "{\"q\":\"%s\"}", out[i]).p));
    kit_free(&kit);
}

static void an_address_lies_in_one_of_the_networks(void **state)
{
    (void)state;
    struct kit kit = {0};
    const char *list =
        "10.0.0.0/8\n192.0.2.7\n2001:db8::/33\n2001:db8:ffff::1\n203.0.113.128/25;2030-01-01\n";
    static const char *const in[] = {"10.255.0.1",       "192.0.2.7",          "::ffff:192.0.2.7",
                                     "2001:DB8:7fff::1", "2001:db8:ffff:0::1", "203.0.113.200"};
    static const char *const out[] = {"11.0.0.1", "192.0.2.8",     "2001:db8:8000::1", "-",          "",
                                      "10.0.0",   "203.0.113.127", "::ffff:11.0.0.1",  "10.0.0.1:80"};
    static const char *const lines[] = {"a|cidr|expand: '%l%'", "a|expand|cidr: '%l%'"};
    for (size_t l = 0; l < TC_ARRAY_LEN(lines); l++) {
        for (size_t i = 0; i < TC_ARRAY_LEN(in); i++)
            assert_true(asks(&kit, lines[l], list, arena_printf(&kit.arena, "{\"a\":\"%s\"}", in[i]).p));
        for (size_t i = 0; i < TC_ARRAY_LEN(out); i++)
            assert_false(asks(&kit, lines[l], list, arena_printf(&kit.arena, "{\"a\":\"%s\"}", out[i]).p));
    }
    assert_true(asks(&kit, lines[0], "0.0.0.0/0\n", "{\"a\":\"1.2.3.4\"}"));
    assert_false(asks(&kit, lines[0], "0.0.0.0/0\n", "{\"a\":\"::1\"}"));
    assert_true(asks(&kit, lines[0], "::/0\n", "{\"a\":\"::1\"}"));
    kit_free(&kit);
}

static bool at(struct kit *kit, const char *time, const char *received, bool suspect)
{
    struct event event = kit_event(kit, "{\"u\":\"ann\"}");
    event.time.ns = TC_NO_TIME;
    if (time != NULL)
        assert_true(clk_parse_rfc3339(sv_of(time), 0, &event.time.ns));
    if (received != NULL)
        assert_true(clk_parse_rfc3339(sv_of(received), 0, &event.received.ns));
    if (suspect)
        event.flags |= EVENT_SUSPECT_TIME;
    return rule_matches(&kit->set->rules[0], &event, kit->scratch);
}

static void an_entry_holds_until_it_expires(void **state)
{
    (void)state;
    struct kit kit = {0};
    load_line(&kit, "u|expand: '%l%'", "ann;2026-03-01T12:00:00+02:00\n");
    assert_true(at(&kit, "2026-03-01T09:59:59.999Z", NULL, false));
    assert_false(at(&kit, "2026-03-01T10:00:00Z", NULL, false));
    assert_true(at(&kit, NULL, "2026-03-01T09:00:00Z", false));
    assert_false(at(&kit, NULL, "2026-03-01T11:00:00Z", false));
    assert_false(at(&kit, "2020-01-01", "2026-03-01T11:00:00Z", true)); /* a time that nobody believes */
    assert_true(at(&kit, NULL, NULL, false));                           /* nobody knows when */
    load_line(&kit, "u|expand: '%l%'",
              "ann;2026-03-01\nANN;2026-04-01\nann;2026-02-01\n"); /* the latest of them */
    assert_true(at(&kit, "2026-03-31T23:59:59Z", NULL, false));
    assert_false(at(&kit, "2026-04-01", NULL, false));
    load_line(&kit, "u|expand: '%l%'", "ann;2026-03-01\nann\n");
    assert_true(at(&kit, "2099-01-01", NULL, false));
    kit_free(&kit);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct kit kit = {0};
    static const char *const lines[][2] = {
        {"a|contains|expand: '%l%'", "list"},
        {"'|expand': '%l%'", "list"},
        {"a|expand: 'x%l%'", "list"},
        {"a|cidr|cased|expand: '%l%'", "list"},
        {"a|expand|base64: '%l%'", "modifier on a wrong value"},
        {"a|expand|re: '%l%'", "modifier order"},
        {"a|expand|windash: '%l%'", "modifier on a wrong value"},
        {"a|cidr: '%l%'", "cidr"},
        {"a|startswith|cidr|expand: '%l%'", "modifier order"},
        {"a|expand|cidr|endswith: '%l%'", "list"},
        {"a|expand|gt: '%l%'", "modifier order"},
        {"a|expand|exists: '%l%'", "modifier order"},
        {"a|base64|expand: '%l%'", "modifier order"},
        {"a|expand: '%m%'", "expand without values"},
        {"a|cidr|expand: '%m%'", "expand without values"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(lines); i++)
        assert_string_equal(refusal(&kit, lines[i][0], "1\n2\n"), lines[i][1]);
    kit_free(&kit);
}

static const struct rule_note *warning(const struct kit *kit)
{
    for (size_t i = 0; i < ruleset_note_count(kit->set); i++)
        if (strcmp(ruleset_note(kit->set, i)->construct, "list entry") == 0)
            return ruleset_note(kit->set, i);
    return NULL;
}

static void lines_that_cannot_be_read_are_told(void **state)
{
    (void)state;
    struct kit kit = {0};
    const char *list = "10.0.0.0/8\n# c\nbad\n10.0.0.1/8\n192.0.2.1;soon\n;2026-01-01\n192.0.2.2\n";
    assert_true(asks(&kit, "a|cidr|expand: '%l%'", list, "{\"a\":\"192.0.2.2\"}"));
    assert_non_null(warning(&kit));
    assert_int_equal(warning(&kit)->err.line, 3);
    assert_string_equal(warning(&kit)->err.file, "rules/l.list");
    assert_non_null(strstr(warning(&kit)->err.text, "4 lines"));
    assert_false(asks(&kit, "a|expand: '%l%'", list, "{\"a\":\"192.0.2.1\"}"));
    assert_int_equal(warning(&kit)->err.line, 5);
    load_line(&kit, "a: b", list); /* nobody asks it */
    assert_null(warning(&kit));
    kit_free(&kit);
}

static void cidr_of_values_in_a_document(void **state)
{
    (void)state;
    struct kit kit = {0};
    static const char *const orders[] = {"cidr|expand", "expand|cidr"};
    for (size_t i = 0; i < TC_ARRAY_LEN(orders); i++) {
        kit_load(
            &kit,
            arena_printf(&kit.arena,
                         "placeholders: {ours: [10.0.0.0/8, 192.0.2.0/24], no: [x]}\n---\ntitle: t\nid: i\n"
                         "logsource: {product: a}\ndetection:\n  s:\n    a|%s: '%%ours%%'\n  condition: s\n",
                         orders[i])
                .p);
        assert_true(kit_matches(&kit, "{\"a\":\"10.1.1.1\"}"));
        assert_true(kit_matches(&kit, "{\"a\":\"192.0.2.200\"}"));
        assert_false(kit_matches(&kit, "{\"a\":\"192.0.3.1\"}"));
        kit_load(&kit, arena_printf(
                           &kit.arena,
                           "placeholders: {no: [10.0.0.0/8, x]}\n---\ntitle: t\nid: i\n"
                           "logsource: {product: a}\ndetection:\n  s:\n    a|%s: '%%no%%'\n  condition: s\n",
                           orders[i])
                           .p);
        assert_string_equal(kit_refusal(&kit), "cidr");
    }
    kit_load(&kit, "placeholders: {x: [abc]}\n---\ntitle: t\nid: i\nlogsource: {product: a}\ndetection:\n"
                   "  s:\n    a|expand|base64|cidr: '%x%'\n  condition: s\n");
    assert_string_equal(kit_refusal(&kit), "modifier order");
    kit_free(&kit);
}

static const char one_rule[] =
    "title: t\nid: i\nlogsource: {product: a}\ndetection:\n  s:\n    a|expand: '%l%'\n  condition: s\n";

static void a_list_of_ones_own_takes_the_place_of_a_packs(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct err err;
    struct rule_source sources[] = {{.path = SV("r.yml"), .bytes = sv_of(one_rule)},
                                    {.path = SV("a/l.list"), .bytes = SV("theirs"), .in_pack = true},
                                    {.path = SV("b/l.list"), .bytes = SV("ours")}};
    kit.scratch = match_scratch_new();
    for (int order = 0; order < 2; order++) {
        sources[1].path = order == 0 ? SV("a/l.list") : SV("c/l.list");
        assert_int_equal(ruleset_new(sources, 3, &kit.set, &err), 0);
        assert_true(kit_matches(&kit, "{\"a\":\"ours\"}"));
        assert_false(kit_matches(&kit, "{\"a\":\"theirs\"}"));
        assert_string_equal(kit_refusal(&kit), "");
        ruleset_free(&kit.set);
    }
    sources[1].in_pack = false;
    assert_int_equal(ruleset_new(sources, 3, &kit.set, &err), 0);
    assert_string_equal(kit_refusal(&kit), "placeholders");
    kit_free(&kit);
}

static void another_list_is_no_other_rule(void **state)
{
    (void)state;
    struct kit a = {0}, b = {0};
    struct ruleset_difference difference;
    load_line(&a, "u|expand: '%l%'", "ann\n");
    load_line(&b, "u|expand: '%l%'", "bob\n");
    ruleset_compare(a.set, b.set, &difference);
    assert_int_equal(difference.unchanged, 1);
    kit_free(&a);
    kit_free(&b);
}

static void a_list_is_asked_by_index_and_without_alike(void **state)
{
    (void)state;
    struct kit kit = {0};
    const uint32_t *ordinals;
    load_line(&kit, "u|expand: '%l%'", "ann\n");
    struct event with = kit_event(&kit, "{\"u\":\"ann\"}"), without = kit_event(&kit, "{\"v\":\"ann\"}");
    assert_int_equal(rule_candidates(kit.set, &with, kit.scratch, &ordinals), 1);
    assert_int_equal(rule_candidates(kit.set, &without, kit.scratch, &ordinals), 0);
    load_line(&kit, "u|neq|expand: '%l%'", "ann\n");
    assert_int_equal(rule_candidates(kit.set, &without, kit.scratch, &ordinals), 1);
    kit_free(&kit);
}

static void a_million_entries_and_no_more(void **state)
{
    (void)state;
    struct kit kit = {0};
    struct buf list;
    struct sim_rng sim;
    sim_rng_init(&sim, 7);
    buf_init(&list, LIST_FILE_MAX_BYTES);
    for (uint32_t i = 0; i < LIST_ENTRIES_MAX; i++)
        buf_printf(&list, "%u.%u.%u.%u/31\n", 1 + i / 500000, i / 32768 % 256, i / 128 % 256, i % 128 * 2);
    buf_char(&list, '\0');
    load_line(&kit, "a|cidr|expand: '%l%'", list.p);
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t n = (uint32_t)(rng_u64(&sim.rng) % LIST_ENTRIES_MAX);
        assert_true(kit_matches(&kit, arena_printf(&kit.arena, "{\"a\":\"%u.%u.%u.%u\"}", 1 + n / 500000,
                                                   n / 32768 % 256, n / 128 % 256, n % 128 * 2 + n % 2)
                                          .p));
        assert_false(
            kit_matches(&kit, arena_printf(&kit.arena, "{\"a\":\"9.%u.%u.1\"}", n % 256, n / 256 % 256).p));
    }
    list.n--;
    buf_str(&list, "255.0.0.0/8\n");
    buf_char(&list, '\0');
    assert_string_equal(refusal(&kit, "a|cidr|expand: '%l%'", list.p), "too large");
    buf_free(&list);
    kit_free(&kit);
}

/* Texts of few letters, so that beginnings and ends meet; against a walk over all of them. */
static void random_lists_against_a_plain_search(void **state)
{
    (void)state;
    struct sim_rng sim;
    sim_rng_init(&sim, 11);
    for (unsigned round = 0; round < 200; round++) {
        struct arena arena = {0};
        char texts[40][8];
        int64_t expires[40];
        struct buf file;
        struct err err;
        buf_init(&file, 1 << 20);
        size_t count = rng_u64(&sim.rng) % 40;
        for (size_t i = 0; i < count; i++) {
            size_t n = 1 + rng_u64(&sim.rng) % 6;
            for (size_t k = 0; k < n; k++)
                texts[i][k] = (char)('a' + rng_u64(&sim.rng) % 2);
            texts[i][n] = '\0';
            expires[i] = (int64_t)(rng_u64(&sim.rng) % 3);
            buf_printf(&file, "%s;1970-01-01T00:00:0%dZ\n", texts[i], (int)expires[i]);
        }
        struct list *list = list_new(&arena, "l", buf_view(&file), false);
        for (unsigned question = LIST_IS; question <= LIST_ENDS; question++) {
            const struct list_table *table;
            assert_int_equal(list_table(list, &arena, question, round % 2 == 0, &table, &err), 0);
            for (unsigned ask = 0; ask < 50; ask++) {
                char value[10];
                size_t n = rng_u64(&sim.rng) % 9;
                int64_t now = (int64_t)(rng_u64(&sim.rng) % 3);
                bool holds = false;
                for (size_t k = 0; k < n; k++)
                    value[k] = (char)('a' + rng_u64(&sim.rng) % 2);
                struct sv v = sv_make(value, n);
                for (size_t i = 0; i < count; i++)
                    holds |= now < expires[i] && (question == LIST_IS       ? sv_is(v, texts[i])
                                                  : question == LIST_STARTS ? sv_starts(v, sv_of(texts[i]))
                                                                            : sv_ends(v, sv_of(texts[i])));
                assert_int_equal(list_holds(table, question, v, now * TC_SECOND_NS), holds);
            }
        }
        buf_free(&file);
        arena_free(&arena);
    }
}

static void names_of_files(void **state)
{
    (void)state;
    assert_true(sv_is(list_name(SV("a/b/bad.list")), "bad"));
    assert_true(sv_is(list_name(SV("bad.list")), "bad"));
    assert_int_equal(list_name(SV("a/.list")).n, 0);
    assert_int_equal(list_name(SV("a.list/b.yml")).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_in_the_list_whatever_its_case),
        cmocka_unit_test(beginnings_and_ends_are_asked_of_every_length),
        cmocka_unit_test(a_domain_holds_all_names_below_it),
        cmocka_unit_test(an_address_lies_in_one_of_the_networks),
        cmocka_unit_test(an_entry_holds_until_it_expires),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(lines_that_cannot_be_read_are_told),
        cmocka_unit_test(cidr_of_values_in_a_document),
        cmocka_unit_test(a_list_of_ones_own_takes_the_place_of_a_packs),
        cmocka_unit_test(another_list_is_no_other_rule),
        cmocka_unit_test(a_list_is_asked_by_index_and_without_alike),
        cmocka_unit_test(a_million_entries_and_no_more),
        cmocka_unit_test(random_lists_against_a_plain_search),
        cmocka_unit_test(names_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
