/*
 * Reading and checking rule files: what is kept, and what each mistake is called.
 */
#include "metrics/rules/rule_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_everything(void **state)
{
    struct rule_file file;
    (void)state;
    assert_int_equal(rule_file_read(SV("r.yml"),
                                    SV("groups:\n"
                                       "- name: first\n"
                                       "  interval: 30s\n"
                                       "  query_offset: 0s\n"
                                       "  limit: 10\n"
                                       "  labels: {team: a, zone: z}\n"
                                       "  rules:\n"
                                       "  - alert: Down\n"
                                       "    expr: up == 0\n"
                                       "    for: 5m\n"
                                       "    keep_firing_for: 1m\n"
                                       "    labels: {team: b, page: 'yes', empty: }\n"
                                       "    annotations: {b: 2, a: '{{ $value }}'}\n"
                                       "  - {record: 'a:b', expr: up}\n"
                                       "- name: second\n"),
                                    &file),
                     0);
    assert_int_equal(file.group_count, 2);
    assert_int_equal(file.rule_count, 2);
    const struct rule_group *g = &file.groups[0];
    assert_true(sv_is(g->name, "first"));
    assert_int_equal(g->interval_ns, 30000000000);
    assert_true(g->has_query_offset);
    assert_int_equal(g->limit, 10);
    assert_false(file.groups[1].has_query_offset);
    const struct rule *r = &g->rules[0];
    assert_true(r->alerting && sv_is(r->name, "Down") && sv_is(r->expr, "up == 0"));
    assert_int_equal(r->for_ns, 300000000000);
    assert_int_equal(r->keep_firing_for_ns, 60000000000);
    static const char *const labels[][2] = {{"empty", ""}, {"page", "yes"}, {"team", "b"}, {"zone", "z"}};
    assert_int_equal(r->label_count, TC_ARRAY_LEN(labels));
    for (size_t i = 0; i < TC_ARRAY_LEN(labels); i++) {
        assert_true(sv_is(r->labels[i].name, labels[i][0]));
        assert_true(sv_is(r->labels[i].value, labels[i][1]));
    }
    assert_int_equal(r->annotation_count, 2);
    assert_true(sv_is(r->annotations[0].name, "a") && sv_is(r->annotations[1].value, "2"));
    assert_int_equal(r->line, 8);
    assert_false(g->rules[1].alerting);
    rule_file_free(&file);
}

static void test_merge_keys(void **state)
{
    struct rule_file file;
    (void)state;
    assert_int_equal(rule_file_read(SV("r.yml"),
                                    SV("groups:\n"
                                       "- name: a\n"
                                       "  rules:\n"
                                       "  - &base {alert: A, expr: &e up, for: 5m, labels: {s: p}}\n"
                                       "  - <<: *base\n"
                                       "    alert: B\n"
                                       "  - {<<: [*base, {keep_firing_for: 3m, for: 9m}], expr: *e }\n"),
                                    &file),
                     0);
    const struct rule *r = file.groups[0].rules;
    assert_true(sv_is(r[1].name, "B") && r[1].for_ns == 300000000000 && sv_is(r[1].labels[0].value, "p"));
    assert_true(sv_is(r[2].name, "A") && r[2].for_ns == 300000000000);
    assert_int_equal(r[2].keep_firing_for_ns, 180000000000);
    rule_file_free(&file);
}

static void test_kubernetes_object(void **state)
{
    struct rule_file file;
    (void)state;
    assert_int_equal(rule_file_read(SV("r.yml"),
                                    SV("apiVersion: monitoring.coreos.com/v1\n"
                                       "kind: PrometheusRule\n"
                                       "metadata: {name: x, labels: {a: b}}\n"
                                       "spec:\n"
                                       "  groups: [{name: a, partial_response_strategy: warn,\n"
                                       "            rules: [{record: r, expr: 1}]}]\n"),
                                    &file),
                     0);
    assert_int_equal(file.rule_count, 1);
    rule_file_free(&file);
}

static void test_bounds(void **state)
{
    struct rule_file file;
    struct buf text;
    (void)state;
    buf_init(&text, 1 << 20);
    /* aliases that unfold to very much are cut off */
    buf_str(&text, "groups:\n- &g0 {name: a, rules: &r0 [{record: a, expr: 1}, {record: a, expr: 1}]}\n");
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "- {name: g%d, rules: *r0 }\n", i);
    assert_int_equal(rule_file_read(SV("r.yml"), buf_view(&text), &file), 0);
    assert_int_equal(file.rule_count, 6002);
    rule_file_free(&file);
    buf_clear(&text);
    buf_str(&text, "groups:\n- name: a\n  rules: &r [");
    for (int i = 0; i < 1000; i++)
        buf_str(&text, "{record: a, expr: 1},");
    buf_str(&text, "]\n");
    for (int i = 0; i < 200; i++)
        buf_printf(&text, "- {name: g%d, rules: *r }\n", i);
    assert_int_equal(rule_file_read(SV("r.yml"), buf_view(&text), &file), TC_EINPUT);
    assert_true(sv_is(file.problems.first->text, "more than 100000 rules in one file"));
    rule_file_free(&file);
    buf_free(&text);
}

#define IN_RULE(text) "groups:\n- name: g\n  rules:\n  - {" text "}\n"

static void test_mistakes(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *problem;
    } cases[] = {
        {"groups: 5\n", 1, 9, "groups: a list is expected here, not \"5\""},
        {"- a\n", 1, 1, "a rule file is a map, not a list"},
        {"groups: []\ngroup: []\n", 2, 1, "field group not found in a rule file: did you mean \"groups\"?"},
        {"groups: [{name: a}, {name: a}]\n", 1, 21, "groupname: \"a\" is repeated in the same file"},
        {"groups: [{rules: []}]\n", 1, 10, "Groupname must not be empty"},
        {"groups: [{name: a, labels: {__name__: b}}]\n", 1, 10, "invalid label name: __name__"},
        {"groups: [{name: a, interval: soon}]\n", 1, 30, "interval: not a valid duration string: \"soon\""},
        {"groups: [{name: a, limit: many}]\n", 1, 27, "limit: a whole number is expected here, not \"many\""},
        {"a: b: c\n", 1, 0, "not YAML: mapping values are not allowed in this context"},
        {"groups: []\ngroups: []\n", 2, 1, "mapping key \"groups\" already defined at line 1"},
        {IN_RULE("alert: a, record: b, expr: up"), 4, 24,
         "group \"g\", rule 1, \"a\": only one of 'record' and 'alert' must be set"},
        {IN_RULE("expr: up"), 4, 5, "group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"},
        {IN_RULE("alert: a"), 4, 5, "group \"g\", rule 1, \"a\": field 'expr' must be set in rule"},
        {IN_RULE("alert: a, expr: 'up ='"), 4, 22,
         "group \"g\", rule 1, \"a\": could not parse expression: 1:4: parse error: unexpected \"=\""},
        {IN_RULE("record: a, expr: up, for: 5m"), 4, 14,
         "group \"g\", rule 1, \"a\": invalid field 'for' in recording rule"},
        {IN_RULE("record: a, expr: up, keep_firing_for: 5m"), 4, 14,
         "group \"g\", rule 1, \"a\": invalid field 'keep_firing_for' in recording rule"},
        {IN_RULE("record: a, expr: up, annotations: {a: b}"), 4, 14,
         "group \"g\", rule 1, \"a\": invalid field 'annotations' in recording rule"},
        {IN_RULE("record: 'a{b}', expr: up"), 4, 14,
         "group \"g\", rule 1, \"a{b}\": braces present in the recording rule name; should it be in expr?: "
         "a{b}"},
        {IN_RULE("alert: a, expr: up, annotations: {'': b}"), 4, 5,
         "group \"g\", rule 1, \"a\": invalid annotation name: "},
        {IN_RULE("alert: a, expr: up, labels: {l: '{{ $x }}'}"), 4, 5,
         "group \"g\", rule 1, \"a\": label \"l\": template: __alert_a:1: undefined variable \"$x\""},
        {IN_RULE("alert: a, expr: up, labels: {l: [1]}"), 4, 38,
         "labels: a text is expected here, not a list"},
        {IN_RULE("alert: a, exp: up"), 4, 16, "field exp not found in a rule: did you mean \"expr\"?"},
        {IN_RULE("<<: 5"), 4, 10, "a merge key (<<) takes a map or a list of maps"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct rule_file file;
        assert_int_equal(rule_file_read(SV("r.yml"), sv_of(cases[i].text), &file), TC_EINPUT);
        const struct rule_problem *p = file.problems.first;
        if (p->line != cases[i].line || p->column != cases[i].column || !sv_is(p->text, cases[i].problem))
            fail_msg("%s%u:%u: %.*s", cases[i].text, p->line, p->column, SV_FMT(p->text));
        rule_file_free(&file);
    }
}

static void test_several_mistakes(void **state)
{
    struct rule_file file;
    size_t count = 0;
    (void)state;
    assert_int_equal(rule_file_read(SV("r.yml"),
                                    SV("groups:\n"
                                       "- name: g\n"
                                       "  rules:\n"
                                       "  - {record: a, expr: 'up(', for: 5m}\n"
                                       "  - {alert: b}\n"
                                       "- name: g\n"),
                                    &file),
                     TC_EINPUT);
    for (const struct rule_problem *p = file.problems.first; p != NULL; p = p->next)
        count++;
    assert_int_equal(count, 4);
    assert_int_equal(file.problems.errors, 4);
    rule_file_free(&file);
}

static void test_second_document(void **state)
{
    struct rule_file file;
    (void)state;
    assert_int_equal(rule_file_read(SV("r.yml"), SV("# a\n---\ngroups: []\n---\nfoo: 1\n"), &file), 0);
    assert_int_equal(file.problems.warnings, 1);
    assert_int_equal(file.problems.first->line, 4);
    rule_file_free(&file);
}

static void test_duplicates(void **state)
{
    struct rule_file file;
    struct arena arena = {0};
    struct rule_duplicate *found;
    (void)state;
    assert_int_equal(
        rule_file_read(SV("r.yml"),
                       SV("groups:\n"
                          "- name: a\n"
                          "  labels: {l: x}\n"
                          "  rules: [{record: z, expr: 1}, {record: a, expr: 1}, {record: z, expr: 2}]\n"
                          "- name: b\n"
                          "  rules: [{record: z, expr: 1, labels: {l: x}}, {record: a, expr: 1},\n"
                          "          {record: a, expr: 3}]\n"),
                       &file),
        0);
    assert_int_equal(rule_file_duplicates(&file, &arena, &found), 2);
    assert_true(sv_is(found[0].name, "a") && found[0].label_count == 0);
    assert_true(sv_is(found[1].name, "z") && sv_is(found[1].labels[0].value, "x"));
    rule_file_free(&file);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),        cmocka_unit_test(test_merge_keys),
        cmocka_unit_test(test_kubernetes_object), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_mistakes),          cmocka_unit_test(test_several_mistakes),
        cmocka_unit_test(test_second_document),   cmocka_unit_test(test_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
