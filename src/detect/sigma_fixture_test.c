/*
 * Small rule files of other projects, and our own packs: which documents load, which are refused and by what
 * word. Third-party files lie beside the repository; without them those tests skip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#include <unistd.h>

#define SIGMA "../shared/data/sigma/"

static struct kit kit;

static void load(const char *path)
{
    struct rule_source *sources;
    size_t count;
    struct err err = {0};
    if (access(path, R_OK) != 0) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    kit_free(&kit);
    if (rule_files_collect(&fs_system, path, &kit.arena, &sources, &count, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(ruleset_new(sources, count, &kit.set, &err), 0);
    kit.scratch = match_scratch_new();
}

static size_t refused(const char *construct)
{
    size_t n = 0;
    for (size_t i = 0; i < ruleset_note_count(kit.set); i++)
        n += ruleset_note(kit.set, i)->verdict == RULE_REFUSED &&
             (construct == NULL || strcmp(ruleset_note(kit.set, i)->construct, construct) == 0);
    return n;
}

static size_t correlations(void)
{
    size_t n = 0;
    for (size_t i = 0; i < kit.set->count; i++)
        n += kit.set->rules[i].kind == RULE_CORRELATION;
    return n;
}

static void test_C_110_sigmalite(void **state)
{
    (void)state;
    load(SIGMA "extra/sigmalite");
    kit_show_notes(&kit);
    assert_int_equal(refused("expand without values"),
                     refused(NULL)); /* one asks for %Admins_Workstations% */
    assert_int_equal(kit.set->count + refused(NULL), 15);
}

static void test_C_111_hayabusa_correlations(void **state)
{
    (void)state;
    load(SIGMA "extra/hayabusa-correlation");
    kit_show_notes(&kit);
    assert_int_equal(kit.set->count, 6);
    assert_int_equal(correlations(), 3);
    for (size_t i = 0; i < kit.set->count; i++)
        assert_int_equal(kit.set->rules[i].silent, kit.set->rules[i].kind == RULE_DETECTION);
}

static void test_C_111_rsigma_correlations(void **state)
{
    (void)state;
    load(SIGMA "extra/rsigma-correlation.yml");
    assert_int_equal(correlations(), 4); /* value_sum among them */
    assert_int_equal(refused(NULL), 0);
}

static void test_C_110_rsigma_backtest(void **state)
{
    (void)state;
    load(SIGMA "extra/rsigma-backtest/rules.yml");
    assert_int_equal(kit.set->count, 3);
    static const char *const programs[] = {"whoami", "netstat", "ping"};
    for (size_t i = 0; i < 3; i++) {
        struct event event = kit_event(
            &kit,
            arena_printf(&kit.arena, "{\"Image\": \"C:\\\\Windows\\\\System32\\\\%s.exe\"}", programs[i]).p);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(rule_matches(&kit.set->rules[k], &event, kit.scratch), i == k);
    }
}

/* The specification's own examples: valid by its schema. */
static void test_C_110_specification(void **state)
{
    (void)state;
    load(SIGMA "specification/tests/schema/rules/rule_1.yml");
    assert_int_equal(refused(NULL), 0);
    load(SIGMA "specification/tests/schema/filter/filter_1.yml");
    assert_int_equal(refused(NULL), 0);               /* read, but the rules that it is for are elsewhere */
    assert_int_equal(ruleset_note_count(kit.set), 3); /* and its condition has no `not` */
    load(SIGMA "specification/tests/schema/correlation/temporal.yml");
    assert_int_equal(refused("unknown rule"), 1); /* read, but the rules that it counts are elsewhere */
    load(SIGMA "specification/tests/schema/correlation/temporal_ordered.yml");
    assert_int_equal(refused("unknown rule"), 1);
    load(SIGMA "specification/tests/schema/correlation/value_count.yml");
    assert_int_equal(refused("unknown rule"), 1); /* read, but the rule that it counts is elsewhere */
}

static void test_D_19_packs_load(void **state)
{
    (void)state;
    load("packs");
    kit_show_notes(&kit);
    assert_int_equal(refused(NULL), 0);
    assert_true(kit.set->count > 0);
    for (size_t i = 0; i < kit.set->count; i++) {
        assert_true(kit.set->rules[i].info.owner.n > 0);
        assert_int_equal(access(arena_str(&kit.arena, kit.set->rules[i].info.runbook), R_OK), 0);
    }
}

static int end(void **state)
{
    (void)state;
    kit_free(&kit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_sigmalite),           cmocka_unit_test(test_C_111_hayabusa_correlations),
        cmocka_unit_test(test_C_111_rsigma_correlations), cmocka_unit_test(test_C_110_rsigma_backtest),
        cmocka_unit_test(test_C_110_specification),       cmocka_unit_test(test_D_19_packs_load),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
