/*
 * Any bytes as a rule file, as a file of unit tests and as a side file: reading says yes or no with a
 * problem; what is good runs over a little data, and nothing crashes or leaks.
 */
#include "metrics/rules/side_file.h"
#include "metrics/rules/unit_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Evaluations are bounded by what a fuzzer has time for. */
static bool is_quick(const struct unit_test_file *file, const struct unit_test *test)
{
    int64_t end_ns = 0;
    for (size_t i = 0; i < test->alert_count; i++)
        end_ns = TC_MAX(end_ns, test->alerts[i].eval_time_ns);
    for (size_t i = 0; i < test->query_count; i++)
        end_ns = TC_MAX(end_ns, test->queries[i].eval_time_ns);
    return end_ns / file->evaluation_interval_ns < 100;
}

/* Cuts off what stands before the divider. */
static struct sv cut_part(struct sv *rest)
{
    static const char divider[] = "\n=====\n";
    size_t at = sv_find(*rest, sv_of(divider));
    struct sv part = sv_head(*rest, at);
    *rest = sv_from(*rest, at + sizeof divider - 1);
    return part;
}

static void run_tests(struct sv bytes, const struct rule_file *rules)
{
    struct unit_test_file tests;
    struct buf why;
    buf_init(&why, 1 << 20);
    if (unit_test_file_read(bytes, &tests) == 0)
        for (size_t i = 0; i < tests.test_count && i < 4; i++)
            if (is_quick(&tests, &tests.tests[i]))
                unit_test_run(&tests, &tests.tests[i], &rules, 1, &why);
    buf_free(&why);
    unit_test_file_free(&tests);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv rest = sv_make((const char *)data, size);
    struct rule_file rules;
    struct side_file side = {0};
    if (size > 1 << 14)
        return 0;
    /* rules, tests, side file */
    struct sv part = cut_part(&rest);
    int rc = rule_file_read(SV("fuzz.yml"), part, &rules);
    tc_assert((rc == 0) == (rules.problems.errors == 0));
    part = cut_part(&rest);
    if (rc == 0)
        side_file_apply(rest, &rules, &side);
    run_tests(part, &rules);
    rule_file_free(&rules);
    side_file_free(&side);
    return 0;
}
