/*
 * The table of severity words (D-01): every word of every source vocabulary that the ledger names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "event/severity.h"

static const struct {
    const char *vocabulary, *word;
    enum severity severity;
} words[] = {
    {"priorities", "P1", SEVERITY_P1},
    {"priorities", "P2", SEVERITY_P2},
    {"priorities", "P3", SEVERITY_P3},
    {"priorities", "P4", SEVERITY_P4},
    {"priorities", "p1", SEVERITY_P1},
    {"security code", "CRITICAL", SEVERITY_P1},
    {"security code", "HIGH", SEVERITY_P2},
    {"security code", "MEDIUM", SEVERITY_P3},
    {"security code", "LOW", SEVERITY_P4},
    {"runbooks", "critical", SEVERITY_P1},
    {"runbooks", "high", SEVERITY_P2},
    {"runbooks", "medium", SEVERITY_P3},
    {"runbooks", "low", SEVERITY_P4},
    {"runbooks", "Critical", SEVERITY_P1},
    {"runbooks", "Warning", SEVERITY_P3},
    {"runbooks", "medium/high", SEVERITY_P3}, /* the rest of it is a modifier */
    {"Sigma", "informational", SEVERITY_P4},
    {"Sigma, no level", "", SEVERITY_P3},
    {"Prometheus", "page", SEVERITY_P1},
    {"Prometheus", "warning", SEVERITY_P3},
    {"Prometheus", "info", SEVERITY_P4},
    {"syslog", "emerg", SEVERITY_P1},
    {"syslog", "emergency", SEVERITY_P1},
    {"syslog", "alert", SEVERITY_P1},
    {"syslog", "crit", SEVERITY_P1},
    {"syslog", "err", SEVERITY_P2},
    {"syslog", "error", SEVERITY_P2},
    {"syslog", "warn", SEVERITY_P3},
    {"syslog", "notice", SEVERITY_P4},
    {"syslog", "debug", SEVERITY_P4},
    {"white space", "  High\t", SEVERITY_P2},
    {"unknown", "urgent-ish", SEVERITY_NONE},
    {"unknown", "P5", SEVERITY_NONE},
    {"unknown", "P0", SEVERITY_NONE},
    {"unknown", "criticality", SEVERITY_NONE},
    {"unknown", "cri", SEVERITY_NONE},
};

static void test_D_01_X_25_every_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (severity_of(sv_of(words[i].word)) != words[i].severity)
            fail_msg("%s: \"%s\" is %s, expected %s", words[i].vocabulary, words[i].word,
                     severity_name(severity_of(sv_of(words[i].word))), severity_name(words[i].severity));
}

static void test_D_01_names_read_back(void **state)
{
    (void)state;
    for (enum severity severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++) {
        assert_int_equal(severity_of(sv_of(severity_name(severity))), severity);
        assert_int_equal(severity_of(sv_of(severity_word(severity))), severity);
    }
}

static void test_D_01_a_missing_word(void **state)
{
    (void)state;
    assert_int_equal(severity_of((struct sv){0}), SEVERITY_P3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_01_X_25_every_word),
        cmocka_unit_test(test_D_01_names_read_back),
        cmocka_unit_test(test_D_01_a_missing_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
