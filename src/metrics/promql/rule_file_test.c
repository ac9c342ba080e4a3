/*
 * Rule files: what promtool accepts and refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metrics/promql/rule_file.h"

#include <stdio.h>

struct seen {
    char first[sizeof((struct err){0}).text];
};

static void note(void *context, const char *text)
{
    struct seen *seen = context;
    if (seen->first[0] == '\0')
        snprintf(seen->first, sizeof seen->first, "%s", text);
}

/* The first error, or "" for a good file. */
static void says(const char *text, const char *wanted)
{
    struct seen seen = {{0}};
    struct err err = {0};
    struct rule_file_report report = {.on_error = note, .context = &seen};
    if (rule_file_check(sv_of(text), "f.yml", &report, &err) != 0)
        snprintf(seen.first, sizeof seen.first, "%s", err.text);
    assert_string_equal(seen.first, wanted);
}

static void good_files_are_accepted(void **state)
{
    (void)state;
    says("groups:\n- name: a\n  interval: 1m\n  limit: 5\n  rules:\n  - record: a:b\n    expr: sum(x)\n"
         "  - alert: \"any name {}\"\n    expr: up == 0\n    for: 5m\n    labels: {severity: page}\n"
         "    annotations: {\"utf-8\": x}\n",
         "");
    says("groups: []\n", "");
    says("", "");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    says("groups:\n- name: a\n- name: a\n", "3:3: groupname: \"a\" is repeated in the same file");
    says("groups:\n- rules: []\n", "2:3: Groupname must not be empty");
    says("groups:\n- name: a\n  rules:\n  - record: b\n    expr: sum(\n",
         "5:11: group \"a\", rule 1, \"b\": could not parse expression: 1:5: parse error: unclosed left "
         "parenthesis");
    says("groups:\n- name: a\n  rules:\n  - record: b\n    expr: x\n    for: 1m\n",
         "4:13: group \"a\", rule 1, \"b\": invalid field 'for' in recording rule");
    says("groups:\n- name: a\n  rules:\n  - alert: b\n    expr: x\n    labels: {__name__: c}\n",
         "group \"a\", rule 1, \"b\": invalid label name: __name__");
    says("groups:\n- name: a\n  rules:\n  - alert: b\n    expr: x\n    for: soon\n",
         "not a valid duration string: \"soon\"");
    says("groups:\n- name: a\n  rules:\n  - alert: b\n    exp: x\n",
         "unknown key \"exp\": did you mean \"expr\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_are_accepted),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
