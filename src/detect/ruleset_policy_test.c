/*
 * Rules that read what the policy replaces: refused by name where they could never fire, loaded where they
 * can.
 */
#include "detect/detect.h"

#include "event/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* `more` stands behind the rule's detection. */
static const struct rule_note *refusal_with(const char *policy_text, const char *item, const char *more,
                                            struct ruleset **ret)
{
    static char yaml[2048];
    struct policy *policy;
    struct err err;
    int n =
        snprintf(yaml, sizeof yaml,
                 "title: t\nid: 5f9cf0a5-34b4-4a0f-9a14-0a1d1c6a2b11\nlogsource:\n  product: x\ndetection:\n"
                 "  s:\n    %s\n  condition: s\n%s",
                 item, more);
    struct rule_source source = {.path = SV("rules/t.yml"), .bytes = sv_make(yaml, (size_t)n)};
    assert_int_equal(policy_new(sv_of(policy_text), &policy, &err), 0);
    assert_int_equal(ruleset_new_under(&source, 1, policy, ret, &err), 0);
    policy_free(&policy);
    for (size_t i = 0; i < ruleset_note_count(*ret); i++)
        if (ruleset_note(*ret, i)->verdict == RULE_REFUSED)
            return ruleset_note(*ret, i);
    return NULL;
}

static const struct rule_note *refusal_of(const char *policy_text, const char *item, struct ruleset **ret)
{
    return refusal_with(policy_text, item, "", ret);
}

static void test_H_04_what_is_remembered_and_what_raises_is_looked_at_too(void **state)
{
    static const struct {
        const char *policy, *own;
        bool refused;
    } cases[] = {
        {"u token", "new_value: {field: v, group-by: [u], timespan: 1d}", false},
        {"u mask", "new_value: {field: v, group-by: [u], timespan: 1d}", true},
        {"v drop", "new_value: {field: v, group-by: [u], timespan: 1d}", true},
        {"u drop", "absence: {group-by: [u], timespan: 1d}", true},
        {"u token", "baseline: {group-by: [u]}", false},
        {"v token", "baseline: {group-by: [u], field: v}", true},
        {"source.geo.location.lat mask", "travel: {group-by: [u], timespan: 1d}", true},
        {"u token", "travel: {group-by: [u], timespan: 1d}", false},
        {"t token", "raise: [{severity: critical, condition: s}]", false},
        {"a token", "raise: [{severity: critical, condition: s}]", true},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct ruleset *ruleset = NULL;
        char more[256];
        snprintf(more, sizeof more, "tocsin:\n  owner: o\n  runbook: r\n  %s\n", cases[i].own);
        const struct rule_note *note = refusal_with(cases[i].policy, "a: bob", more, &ruleset);
        if ((note != NULL) != cases[i].refused)
            fail_msg("%s / %s: %s", cases[i].policy, cases[i].own, note != NULL ? note->err.text : "loaded");
        ruleset_free(&ruleset);
    }
}

static void test_H_04_what_cannot_work_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *item;
        bool refused;
    } cases[] = {
        {"u token", "u|contains: bob", true},
        {"u token", "u|endswith: '@x.org'", true},
        {"u token", "u: bob", true},
        {"u token", "u|re: 'b.b'", true},
        {"u token", "u|cidr: 10.0.0.0/8", true},
        {"u hash", "u|lt: 5", true},
        {"u token", "u|exists: true", false},
        {"u token", "u: '*'", false},
        {"u token", "v: bob", false},
        {"u token", "u|fieldref: v", true},
        {"u token\nv token", "u|fieldref: v", false},
        {"v token", "u|fieldref: v", true},
        {"u mask", "u: bob", true},
        {"u mask", "u|exists: true", false},
        {"u drop", "u.name: bob", true},
        {"*.mail mask", "a.mail|startswith: x", true},
        {"u truncate 3", "u: bob", false},
        {"u truncate 3", "u: bobby", true},
        {"u truncate 3", "u|endswith: b", true},
        {"u truncate 3", "u|startswith: bo", false},
        {"u sql", "u|contains: 'drop table'", false},
        {"v keep\nstrict", "u: bob", true},
        {"u keep\nstrict", "u: bob", false},
        {"", "u: bob", false},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct ruleset *ruleset = NULL;
        const struct rule_note *note = refusal_of(cases[i].policy, cases[i].item, &ruleset);
        if ((note != NULL) != cases[i].refused)
            fail_msg("%s / %s: %s", cases[i].policy, cases[i].item, note != NULL ? note->err.text : "loaded");
        if (note != NULL) {
            assert_string_equal(note->construct, "field replaced by the policy");
            assert_string_equal(note->err.file, "rules/t.yml");
            assert_int_equal(note->err.line, 1);
        }
        assert_int_equal(ruleset_count(ruleset), cases[i].refused ? 0 : 1);
        ruleset_free(&ruleset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_H_04_what_cannot_work_is_refused),
        cmocka_unit_test(test_H_04_what_is_remembered_and_what_raises_is_looked_at_too)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
