/*
 * Any bytes as a rule file and as a file of unit tests: reading says yes or no with a problem; what is good
 * runs over a little data, and nothing crashes or leaks.
 */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char divider[] = "\n=====\n";
    struct sv bytes = sv_make((const char *)data, size);
    struct rule_file rules;
    struct unit_test_file tests;
    const struct rule_file *files[] = {&rules};
    if (size > 1 << 14)
        return 0;
    /* rules, a divider, tests */
    size_t at = sv_find(bytes, sv_of(divider));
    int rc = rule_file_read(SV("fuzz.yml"), sv_head(bytes, at), &rules);
    tc_assert((rc == 0) == (rules.problems.errors == 0));
    if (unit_test_file_read(sv_from(bytes, at + sizeof divider - 1), &tests) == 0) {
        struct buf why;
        buf_init(&why, 1 << 20);
        for (size_t i = 0; i < tests.test_count && i < 4; i++)
            if (is_quick(&tests, &tests.tests[i]))
                unit_test_run(&tests, &tests.tests[i], files, 1, &why);
        buf_free(&why);
    }
    unit_test_file_free(&tests);
    rule_file_free(&rules);
    return 0;
}
