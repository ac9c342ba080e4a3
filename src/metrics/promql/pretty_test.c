/*
 * Long expressions on several lines: as Prometheus' own layout has them, and the same expression when read
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metrics/promql/pretty.h"

static void layout(const char *text, struct buf *out)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    if (promql_parse(&parse, sv_of(text), &err) != 0)
        fail_msg("%s: %s", text, err.text);
    promql_pretty(out, parse.expr);
    buf_char(out, '\0');
    promql_parse_free(&parse);
}

static void test_layout(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"sum(m)by(job)", "sum by (job) (m)"},
        {"sum by (job) (rate(http_requests_total{job='api',code=~'5..'}[5m])) / on (job) group_left (team) "
         "sum by (job) (rate(http_requests_total[5m])) > bool 0.1",
         "    sum by (job) (rate(http_requests_total{code=~\"5..\",job=\"api\"}[5m]))\n"
         "  / on (job) group_left (team)\n"
         "    sum by (job) (rate(http_requests_total[5m]))\n"
         "> bool\n"
         "  0.1"},
        {"quantile_over_time(0.95, http_request_duration_seconds_bucket_of_a_long_name{job=\"api\", "
         "instance=\"a.example:8080\"}[5m] offset 1h)",
         "quantile_over_time(\n"
         "  0.95,\n"
         "  http_request_duration_seconds_bucket_of_a_long_name{instance=\"a.example:8080\",job=\"api\"}[5m] "
         "offset 1h\n"
         ")"},
        {"-(some_metric_with_a_long_name{job=\"api\"} + another_metric_with_a_long_name{job=\"api\"} * "
         "yet_another_metric_name{a=\"b\"})",
         "-(\n"
         "    some_metric_with_a_long_name{job=\"api\"}\n"
         "  +\n"
         "    another_metric_with_a_long_name{job=\"api\"} * yet_another_metric_name{a=\"b\"}\n"
         ")"},
        {"max_over_time((sum by (instance) "
         "(rate(node_network_receive_bytes_total_of_all_devices{device!=\"lo\"}[5m])))[1h:5m] offset 5m)",
         "max_over_time(\n"
         "  (sum by (instance) "
         "(rate(node_network_receive_bytes_total_of_all_devices{device!=\"lo\"}[5m])))[1h:5m] offset 5m\n"
         ")"},
        {"topk(3, sum by (pod, namespace, container) (container_memory_working_set_bytes{container!=\"\", "
         "namespace=~\"production|staging\"}))",
         "topk(\n"
         "  3,\n"
         "  sum by (pod, namespace, container) (\n"
         "    container_memory_working_set_bytes{container!=\"\",namespace=~\"production|staging\"}\n"
         "  )\n"
         ")"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct buf once, again;
        buf_init(&once, PROMQL_TEXT_MAX);
        buf_init(&again, PROMQL_TEXT_MAX);
        layout(cases[i].text, &once);
        assert_string_equal(cases[i].expected, once.p);
        layout(once.p, &again);
        assert_string_equal(once.p, again.p);
        buf_free(&once);
        buf_free(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"C-112 long expressions are laid out as Prometheus lays them out", test_layout, NULL, NULL, NULL}};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
