/*
 * What names rotations give, and which patterns are taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/tail_priv.h"

static void test_A_05_names_that_rotations_give(void **state)
{
    static const struct {
        const char *base, *name;
        bool rotated;
    } cases[] = {
        {"app.log", "app.log.1", true},
        {"app.log", "app.log.12.gz", true},
        {"app.log", "app.log.1.zst", true},
        {"app.log", "app.log-20260101", true},
        {"app.log", "app.log-20260101.gz", true},
        {"app.log", "app.log.2026-01-01T10:00:00Z", true},
        {"app.log", "app.log.old", true},
        {"app.log", "app1.log", true}, /* winston */
        {"app.log", "app-2026-01-01.log", true},
        {"app.log", "app.3.log.gz", true},
        {"syslog", "syslog.1", true},
        {"app.log", "app.log", false},
        {"app.log", "app.log.gz", false},
        {"app.log", "application.log", false},
        {"app.log", "app.log.bak", false},
        {"app.log", "app.logs", false},
        {"app.log", "app-error.log", false},
        {"app.log", "app.log.1.lock", false},
        {"app.log", "other.log.1", false},
        {".log", "1.log", false},
        {"syslog", "syslog", false},
        {"syslog", "syslogd", false},
        {"app.log", "app.log.", false},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        if (tail_is_rotated_name(sv_of(cases[i].base), sv_of(cases[i].name)) != cases[i].rotated)
            fail_msg("%s of %s", cases[i].name, cases[i].base);
    }
}

static void test_patterns_that_are_refused(void **state)
{
    struct err err;
    (void)state;
    assert_int_equal(0, tail_check_pattern(SV("/var/log/*/[a-z]*.log"), &err));
    assert_int_equal(TC_EINPUT, tail_check_pattern(SV("var/log"), &err));
    assert_int_equal(TC_EINPUT, tail_check_pattern(SV("/var/**/x.log"), &err));
    assert_int_equal(TC_EINPUT, tail_check_pattern(SV(""), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_05_names_that_rotations_give),
        cmocka_unit_test(test_patterns_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
