/*
 * Relabelling: Prometheus' own table, and what it leaves out.
 */
#include "metrics/scrape/relabel.h"

#include "base/fs.h"
#include "base/num.h"
#include "template/common.h"
#include "template/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE "../shared/data/vectors/relabel.jsonl"

static struct sv text_of(struct template_value of, const char *name, struct sv fallback)
{
    const struct template_value *v = template_get(of, sv_of(name));
    return v == NULL || v->kind != TEMPLATE_STRING ? fallback : v->as.text;
}

static struct re2 *compile(struct sv text)
{
    struct re2 *regex;
    struct err err = {0};
    if (re2_compile(text, RE2_WHOLE_DOTALL, &regex, &err) != 0)
        fail_msg("%s", err.text);
    return regex;
}

static void test_actions(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct sv source[] = {SV("a"), SV("b")};
    struct label labels[RELABEL_LABELS_MAX] = {
        {SV("a"), SV("X")}, {SV("b"), SV("y")}, {SV("meta_c"), SV("z")}};
    size_t n = 3;
    struct relabel_rule rules[] = {
        {RELABEL_UPPERCASE, source, 2, SV("-"), NULL, SV("up"), SV("$1"), 0},
        {RELABEL_REPLACE, source, 1, SV(";"), compile(SV("(.*)")), SV("gone"), SV(""), 0},
        {RELABEL_LABELMAP, NULL, 0, SV(";"), compile(SV("meta_(.+)")), SV(""), SV("$1"), 0},
        {RELABEL_LABELDROP, NULL, 0, SV(";"), compile(SV("meta_.*|b")), SV(""), SV(""), 0},
        {RELABEL_KEEP, source, 1, SV(";"), compile(SV("X")), SV(""), SV(""), 0},
        {RELABEL_DROPEQUAL, source, 1, SV(";"), NULL, SV("c"), SV(""), 0},
    };
    assert_true(relabel(rules, TC_ARRAY_LEN(rules), labels, &n, &arena));
    assert_int_equal(n, 3);
    assert_true(sv_is(labels[0].name, "a") && sv_is(labels[0].value, "X"));
    assert_true(sv_is(labels[1].name, "up") && sv_is(labels[1].value, "X-Y"));
    assert_true(sv_is(labels[2].name, "c") && sv_is(labels[2].value, "z"));
    for (size_t i = 0; i < TC_ARRAY_LEN(rules); i++)
        if (rules[i].regex != NULL)
            re2_free(&rules[i].regex);
    arena_free(&arena);
}

static size_t read_labels(struct template_value map, struct label *labels)
{
    for (size_t i = 0; i < map.as.pairs->n; i++)
        labels[i] = (struct label){map.as.pairs->items[i].name, map.as.pairs->items[i].value->as.text};
    return map.as.pairs->n;
}

static struct relabel_rule read_rule(struct arena *arena, struct template_value row)
{
    struct relabel_rule rule = {.separator = text_of(row, "Separator", SV(";")),
                                .regex = compile(text_of(row, "Regex", SV("(.*)"))),
                                .target_label = text_of(row, "TargetLabel", SV("")),
                                .replacement = text_of(row, "Replacement", SV("$1"))};
    const struct template_value *sources = template_get(row, SV("SourceLabels"));
    const struct template_value *modulus = template_get(row, SV("Modulus"));
    if (modulus != NULL)
        rule.modulus =
            modulus->kind == TEMPLATE_INT ? (uint64_t)modulus->as.integer : (uint64_t)modulus->as.number;
    while (!sv_is(text_of(row, "Action", SV("replace")), relabel_action_names[rule.action]))
        assert_true(++rule.action < RELABEL_ACTIONS);
    if (sources != NULL) {
        struct sv *names = ARENA_ARRAY(arena, struct sv, sources->as.list->n + 1);
        for (size_t i = 0; i < sources->as.list->n; i++)
            names[i] = sources->as.list->items[i].as.text;
        rule.source_labels = names;
        rule.source_count = sources->as.list->n;
    }
    return rule;
}

static bool same(const struct label *a, size_t n, const struct label *b, size_t m)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            found += sv_eq(a[i].name, b[k].name) && sv_eq(a[i].value, b[k].value);
    return n == m && found == n;
}

static void test_table(void **state)
{
    (void)state;
    if (access(TABLE, R_OK) != 0) {
        print_message("skipped: no third-party data at %s\n", TABLE);
        skip();
    }
    struct buf bytes;
    struct arena arena = {0};
    struct err err = {0};
    buf_init(&bytes, 1 << 20);
    assert_int_equal(fs_read_file(&fs_system, TABLE, &bytes, &err), 0);
    struct sv rest = buf_view(&bytes);
    size_t rows = 0, wrong = 0;
    while (rest.n > 0) {
        struct template_value row;
        struct label labels[RELABEL_LABELS_MAX], want[RELABEL_LABELS_MAX];
        struct relabel_rule rules[16];
        struct sv line = sv_cut(&rest, '\n');
        if (line.n == 0)
            continue;
        assert_int_equal(template_from_json(&arena, line, &row, &err), 0);
        const struct template_value *list = template_get(row, SV("relabel")),
                                    *out = template_get(row, SV("output"));
        size_t n = read_labels(*template_get(row, SV("input")), labels), rule_count = list->as.list->n;
        bool drop = template_get(row, SV("drop")) != NULL || out == NULL || out->kind != TEMPLATE_MAP;
        size_t m = drop ? 0 : read_labels(*out, want);
        for (size_t i = 0; i < rule_count; i++)
            rules[i] = read_rule(&arena, list->as.list->items[i]);
        bool kept = relabel(rules, rule_count, labels, &n, &arena);
        if (kept == drop || (kept && !same(labels, n, want, m))) {
            print_message("row %zu differs: %.*s\n", rows + 1, SV_FMT(line));
            wrong++;
        }
        for (size_t i = 0; i < rule_count; i++)
            re2_free(&rules[i].regex);
        rows++;
    }
    print_message("  %zu rows, %zu wrong\n", rows, wrong);
    assert_int_equal(wrong, 0);
    arena_free(&arena);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"what the actions do", test_actions, NULL, NULL, NULL},
        {"A-11: Prometheus' table of relabelling", test_table, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
