/*
 * The text of metrics, byte by byte: numbers as a reader takes them back, and values of labels from anywhere.
 */
#include "base/metric_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(struct buf *out, const char *text)
{
    buf_char(out, '\0');
    assert_string_equal(out->p, text);
    buf_clear(out);
}

static void test_rows(void **state)
{
    static const struct metric rows[] = {{"tocsin_a_total", "counter", "What a is.", 7},
                                         {"tocsin_b", "gauge", "What b is; 0: none.", 0}};
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    metric_rows(&out, rows, TC_ARRAY_LEN(rows));
    expect(&out, "# HELP tocsin_a_total What a is.\n# TYPE tocsin_a_total counter\ntocsin_a_total 7\n"
                 "# HELP tocsin_b What b is; 0: none.\n# TYPE tocsin_b gauge\ntocsin_b 0\n");
    metric_head(&out, "tocsin_c", "gauge", "What c is.");
    expect(&out, "# HELP tocsin_c What c is.\n# TYPE tocsin_c gauge\n");
    metric_rows(&out, rows, 0);
    expect(&out, "");
    buf_free(&out);
}

static void test_numbers(void **state)
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {
        {0, "a{b=\"\"} 0\n"},
        {-1, "a{b=\"\"} -1\n"},
        {1000000, "a{b=\"\"} 1000000\n"},
        {0x1p53, "a{b=\"\"} 9007199254740992\n"},
        {0x1p53 - 1, "a{b=\"\"} 9007199254740991\n"},
        {0x1p48 - 1, "a{b=\"\"} 281474976710655\n"},
        {0.5, "a{b=\"\"} 0.5\n"},
        {0.1, "a{b=\"\"} 0.10000000000000001\n"},
        {1700000000.25, "a{b=\"\"} 1700000000.25\n"},
        {1e-9, "a{b=\"\"} 1.0000000000000001e-09\n"},
        {NAN, "a{b=\"\"} NaN\n"},
        {-NAN, "a{b=\"\"} NaN\n"},
        {INFINITY, "a{b=\"\"} +Inf\n"},
        {-INFINITY, "a{b=\"\"} -Inf\n"},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        metric_labelled(&out, "a", "b", SV(""), rows[i].number);
        expect(&out, rows[i].text);
    }
    buf_free(&out);
}

static void test_values_of_labels(void **state)
{
    static const struct {
        const char *value, *text;
    } rows[] = {
        {"scrape:node", "up{job=\"scrape:node\"} 1\n"},
        {"say \"x\"", "up{job=\"say \\\"x\\\"\"} 1\n"},
        {"C:\\new", "up{job=\"C:\\\\new\"} 1\n"},
        {"two\nlines\ttab", "up{job=\"two\\nlines\ttab\"} 1\n"},
        {"B\xC3\xBCro", "up{job=\"B\xC3\xBCro\"} 1\n"},
        {"\xFF\xC3", "up{job=\"\xEF\xBF\xBD\xEF\xBF\xBD\"} 1\n"},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        metric_labelled(&out, "up", "job", sv_of(rows[i].value), 1);
        expect(&out, rows[i].text);
    }
    metric_label_value(&out, (struct sv){NULL, 0});
    expect(&out, "");
    buf_free(&out);
}

static void test_bound(void **state)
{
    static const struct metric row = {"tocsin_a", "gauge", "What a is.", 7};
    struct buf out;
    (void)state;
    buf_init(&out, 40);
    metric_rows(&out, &row, 1);
    assert_true(out.overflow);
    assert_true(out.n <= 40);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_values_of_labels), cmocka_unit_test(test_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
