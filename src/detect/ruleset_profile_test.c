/*
 * Profiles (D-23): what is chosen by id, name and tag speaks, what it needs counts in silence, all else is
 * left out; what names nothing is refused at its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#define RULE(name, tag)                                                                                      \
    "title: " name "\nid: id-" name "\nname: " name "\nlogsource: {}\ntags: [" tag                           \
    "]\ndetection:\n  s:\n    k: " name "\n  condition: s\n---\n"
#define COUNTS(name, rules, more)                                                                            \
    "title: " name "\nid: id-" name "\nname: " name "\ncorrelation:\n  type: event_count\n  rules: [" rules  \
    "]\n  timespan: 1h\n  condition: {gte: 2}\n" more "---\n"
#define RESETS(name, rules)                                                                                  \
    "title: " name "\nid: id-" name "\nname: " name "\nlogsource: {}\ndetection:\n  s:\n    k: " name        \
    "\n  condition: s\ntocsin: {owner: o, runbook: r, action: reset, resets: [" rules "]}\n---\n"

static const char rules[] =
    RULE("a", "attack.t1") RULE("b", "attack.t1") RULE("c", "other") COUNTS("many", "b", "")
        COUNTS("much", "many", "  generate: true\n") RESETS("well", "many") RESETS("fine", "c");

/* What is loaded, in order of id: a name that speaks as it is, one in silence in parentheses. */
static const char *loaded(struct kit *kit, const char *first, const char *second)
{
    struct rule_source sources[] = {{SV("rules.yml"), sv_of(rules), false},
                                    {SV("first.yml"), sv_of(first), false},
                                    {SV("second.yml"), sv_of(second == NULL ? "" : second), false}};
    struct sv text = SV("");
    struct err err;
    ruleset_free(&kit->set);
    assert_int_equal(0, ruleset_new(sources, second == NULL ? 2 : 3, &kit->set, &err));
    assert_string_equal("", kit_refusal(kit));
    for (size_t i = 0; i < kit->set->count; i++) {
        const struct rule *r = &kit->set->rules[i];
        text = arena_printf(&kit->arena, "%.*s%s%s%.*s%s", SV_FMT(text), i > 0 ? " " : "",
                            r->silent ? "(" : "", SV_FMT(r->info.name), r->silent ? ")" : "");
    }
    return arena_str(&kit->arena, text);
}

static void test_D_23_a_profile_chooses(void **state)
{
    static const struct {
        const char *first, *second, *loaded;
    } cases[] = {
        {"profile: p\nrules: [a]\n", NULL, "a"},
        {"profile: p\nrules: [id-a, c]\n", NULL, "a c (fine)"},
        {"profile: p\ntags: [Attack.T1]\n", NULL, "a b"},
        /* how severe: the correlations and what resets have no level here, which is P3 */
        {"profile: p\nseverity: P4\n", NULL, "a (b) c fine many much well"},
        {"profile: p\nseverity: P1\nrules: [a]\n", NULL, "a"},
        {"profile: p\nseverity: critical\nrules: [c]\n", NULL, "c (fine)"},
        {"profile: p\ndescription: text\nrules: [c]\ntags: [attack.t1]\n", NULL, "a b c (fine)"},
        {"profile: p\nrules: [a]\n", "profile: q\nrules: [b]\n", "a b"}, /* several: what any names */
        /* what a correlation counts is there, and so is what ends its windows */
        {"profile: p\nrules: [many]\n", NULL, "(b) many (well)"},
        {"profile: p\nrules: [much]\n", NULL, "(b) (many) much (well)"},
        {"profile: p\nrules: [many, b]\n", NULL,
         "(b) many (well)"}, /* as without a profile: it does not generate */
        {"profile: p\nrules: [well]\n", NULL, "(b) (many) well"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct kit kit = {0};
        assert_string_equal(cases[i].loaded, loaded(&kit, cases[i].first, cases[i].second));
        kit_free(&kit);
    }
}

static void test_D_23_what_names_nothing_is_refused(void **state)
{
    static const struct {
        const char *profile;
        unsigned line, column;
        const char *text;
    } cases[] = {
        {"profile: p\nrules: [a, none]\n", 2, 12, "no loaded rule has the id or name \"none\""},
        {"profile: p\nrules: [a]\ntags:\n  - none\n", 4, 5, "no loaded rule has the tag \"none\""},
        {"profile: p\nrule: [a]\n", 2, 1, "rules"},
        {"profile: p\nrules: a\n", 2, 8, "a list is expected here"},
        {"profile: p\ntags: [{a: b}]\n", 2, 8, "a text is expected here"},
        {"profile: p\n", 1, 1, "would silence all"},
        {"profile: p\nrules: []\n", 1, 1, "would silence all"},
        {"profile: p\nseverity: P5\n", 2, 11, "P1 to P4"},
        {"profile: p\nseverity: [P1]\n", 2, 11, "P1 to P4"},
        {"profile: p\nseverity:\n", 2, 10, "P1 to P4"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct rule_source sources[] = {{SV("rules.yml"), sv_of(rules), false},
                                        {SV("p.yml"), sv_of(cases[i].profile), false}};
        struct ruleset *set = NULL;
        struct err err = {0};
        assert_int_equal(TC_EINPUT, ruleset_new(sources, 2, &set, &err));
        assert_null(set);
        assert_string_equal("p.yml", err.file);
        assert_int_equal(cases[i].line, err.line);
        assert_int_equal(cases[i].column, err.column);
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

static void test_D_23_two_rules_of_one_name_are_chosen_by_id(void **state)
{
    static const char twice[] =
        "title: x\nid: one\nname: same\nlogsource: {}\ndetection:\n  s:\n    k: v\n  condition: s\n---\n"
        "title: y\nid: two\nname: same\nlogsource: {}\ndetection:\n  s:\n    k: v\n  condition: s\n";
    struct rule_source sources[] = {{SV("rules.yml"), sv_of(twice), false},
                                    {SV("p.yml"), SV("profile: p\nrules: [same]\n"), false}};
    struct ruleset *set = NULL;
    struct err err = {0};
    (void)state;
    assert_int_equal(TC_EINPUT, ruleset_new(sources, 2, &set, &err));
    assert_non_null(strstr(err.text, "choose by id"));
    sources[1].bytes = SV("profile: p\nrules: [two]\n");
    assert_int_equal(0, ruleset_new(sources, 2, &set, &err));
    assert_int_equal(1, ruleset_count(set));
    ruleset_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_23_a_profile_chooses),
        cmocka_unit_test(test_D_23_what_names_nothing_is_refused),
        cmocka_unit_test(test_D_23_two_rules_of_one_name_are_chosen_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
