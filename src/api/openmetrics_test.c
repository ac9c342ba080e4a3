/*
 * /metrics in OpenMetrics: who gets it, and that it keeps to the specification.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/openmetrics.h"
#include "metrics/exposition/exposition.h"

static void test_who_gets_it(void **state)
{
    static const struct {
        const char *accept;
        bool wanted;
    } cases[] = {
        {"", false},
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", true},
        /* Prometheus 3, then 2.42 */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
         "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;"
         "q=0.3,*/*;q=0.2",
         true},
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"application/openmetrics-text;q=0.3, text/plain;q=0.9", false},
        {"application/openmetrics-text;version=2.0.0", false},
        {"application/openmetrics-text;q=0, */*;q=0", false},
        {"application/openmetrics-text;q=much", false},
        {"APPLICATION/OpenMetrics-Text", true},
        {";;,,;q=", false},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++)
        if (openmetrics_wanted(sv_of(cases[i].accept)) != cases[i].wanted)
            fail_msg("%s", cases[i].accept);
}

static int take(void *context, const struct exposition_sample *sample, struct err *err)
{
    (void)sample;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

static void test_it_keeps_to_the_specification(void **state)
{
    static const char text[] = "# HELP a_total Things \"done\".\n"
                               "# TYPE a_total counter\n"
                               "a_total{le=\"1\"} 5\n"
                               "a_total{le=\"2\"} 6\n"
                               "# HELP odd No counter by its name.\n"
                               "# TYPE odd counter\n"
                               "odd 1\n"
                               "# TYPE none untyped\n"
                               "none 1\n"
                               "# HELP h_seconds How long.\n"
                               "# TYPE h_seconds histogram\n"
                               "h_seconds_bucket{x=\"le=\",le=\"1\"} 1\n"
                               "h_seconds_bucket{x=\"le=\",le=\"+Inf\"} 2\n"
                               "h_seconds_sum{x=\"le=\"} 3\n"
                               "h_seconds_count{x=\"le=\"} 2\n";
    static const char expected[] = "# HELP a Things \\\"done\\\".\n"
                                   "# TYPE a counter\n"
                                   "a_total{le=\"1\"} 5\n"
                                   "a_total{le=\"2\"} 6\n"
                                   "# HELP odd No counter by its name.\n"
                                   "# TYPE odd unknown\n"
                                   "odd 1\n"
                                   "# TYPE none unknown\n"
                                   "none 1\n"
                                   "# HELP h_seconds How long.\n"
                                   "# TYPE h_seconds histogram\n"
                                   "h_seconds_bucket{x=\"le=\",le=\"1.0\"} 1\n"
                                   "h_seconds_bucket{x=\"le=\",le=\"+Inf\"} 2\n"
                                   "h_seconds_sum{x=\"le=\"} 3\n"
                                   "h_seconds_count{x=\"le=\"} 2\n"
                                   "# EOF\n";
    struct buf out;
    struct err err = {0};
    size_t samples = 0;
    struct exposition_handler handler = {.context = &samples, .sample = take};
    (void)state;
    buf_init(&out, 1 << 16);
    openmetrics_from_text(sv_of(text), &out);
    buf_char(&out, '\0');
    assert_string_equal(expected, out.p);
    if (exposition_parse(sv_make(out.p, out.n - 1), EXPOSITION_OPENMETRICS, true, &handler, &err) != 0)
        fail_msg("%u: %s", err.line, err.text);
    assert_int_equal(8, samples);
    buf_clear(&out);
    openmetrics_from_text(SV(""), &out);
    assert_true(sv_is(buf_view(&out), "# EOF\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"Y-13 OpenMetrics is for who prefers it", test_who_gets_it, NULL, NULL, NULL},
        {"Y-13 what is made of the text format is OpenMetrics", test_it_keeps_to_the_specification, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
