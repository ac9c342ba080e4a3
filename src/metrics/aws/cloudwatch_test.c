/*
 * CloudWatch's and Datadog's protocols: what is read of them, and what is refused by itself.
 */
#include "metrics/aws/cloudwatch.h"

#include "metrics/aws/cbor.h"
#include "metrics/intake/datadog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

static int read_cbor(struct sv bytes, struct arena *arena, struct template_value *ret)
{
    struct err err = {0};
    return cbor_read(bytes, arena, ret, &err);
}

/* Examples of RFC 8949, appendix A. */
static void test_cbor(void **state)
{
    (void)state;
    const struct {
        struct sv bytes;
        double want;
    } numbers[] = {
        {SV("\x00"), 0},
        {SV("\x18\x64"), 100},
        {SV("\x1a\x00\x0f\x42\x40"), 1000000},
        {SV("\x20"), -1},
        {SV("\x39\x03\xe7"), -1000},
        {SV("\xf9\x3c\x00"), 1},
        {SV("\xf9\x7b\xff"), 65504},
        {SV("\xf9\x00\x01"), 5.960464477539063e-8},
        {SV("\xf9\xc4\x00"), -4},
        {SV("\xfa\x47\xc3\x50\x00"), 100000},
        {SV("\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"), 1.1},
        {SV("\xc1\x1a\x51\x4b\x67\xb0"), 1363896240},
    };
    const struct sv broken[] = {SV(""),
                                SV("\x18"),
                                SV("\x62\x61"),
                                SV("\x82\x01"),
                                SV("\xa1\x01\x02"),
                                SV("\x9f\x01"),
                                SV("\xff"),
                                SV("\x01\x02"),
                                SV("\x1c"),
                                SV("\x1f"),
                                SV("\x5f\x61\x61\xff"),
                                SV("\x9b\xff\xff\xff\xff\xff\xff\xff\xff")};
    struct arena arena = {0};
    struct template_value v;
    for (size_t i = 0; i < TC_ARRAY_LEN(numbers); i++) {
        assert_int_equal(read_cbor(numbers[i].bytes, &arena, &v), 0);
        double got = v.kind == TEMPLATE_INT ? (double)v.as.integer : v.as.number;
        if (got != numbers[i].want)
            fail_msg("number %zu is %g", i, got);
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(broken); i++)
        if (read_cbor(broken[i], &arena, &v) == 0)
            fail_msg("broken %zu is read", i);
    assert_int_equal(read_cbor(SV("\xbf\x63"
                                  "Fun\xf5\x63"
                                  "Amt\x7f\x62"
                                  "ab\x61"
                                  "c\xff\xff"),
                               &arena, &v),
                     0);
    assert_true(template_get(v, SV("Fun"))->as.boolean);
    assert_true(sv_is(template_get(v, SV("Amt"))->as.text, "abc"));
    char deep[100];
    memset(deep, '\x81', sizeof deep);
    assert_int_not_equal(read_cbor(sv_make(deep, sizeof deep), &arena, &v), 0);
    arena_free(&arena);
}

static double value_of(const struct sample_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < list->items[i].label_count; k++)
            if (sv_eq(list->items[i].labels[k].name, METRIC_NAME) &&
                sv_is(list->items[i].labels[k].value, name))
                return list->items[i].value;
    fail_msg("no %s", name);
    return 0;
}

static void test_put_metric_data(void **state)
{
    (void)state;
    static const char json[] =
        "{\"Namespace\":\"n\",\"MetricData\":["
        "{\"MetricName\":\"a.b\",\"Value\":1.5,\"Timestamp\":100},"
        "{\"MetricName\":\"v\",\"Values\":[1,3],\"Counts\":[2,1],\"Timestamp\":\"1970-01-01T00:02:00Z\"},"
        "{\"MetricName\":\"none\"},{\"Value\":1},"
        "{\"MetricName\":\"odd\",\"Values\":[1],\"Counts\":[1,2]},"
        "{\"MetricName\":\"twice\",\"Value\":1,\"Dimensions\":[{\"Name\":\"a "
        "b\",\"Value\":\"1\"},{\"Name\":\"a_b\",\"Value\":\"2\"}]},"
        "{\"MetricName\":\"own\",\"Value\":1,\"Dimensions\":[{\"Name\":\"__name__\",\"Value\":\"x\"}]}]}";
    struct sample_list list = {0};
    struct template_value input;
    struct err err = {0};
    assert_int_equal(template_from_json(&list.arena, sv_of(json), &input, &err), 0);
    assert_int_equal(cloudwatch_put_metric_data(input, 5000, NULL, &list, &err), 0);
    assert_int_equal(list.n, 5);
    assert_int_equal(list.refused, 5);
    assert_true(value_of(&list, "a_b") == 1.5 && list.items[0].t_ms == 100000 && !list.items[0].delta);
    assert_true(value_of(&list, "v_sum") == 5 && value_of(&list, "v_count") == 3);
    assert_true(value_of(&list, "v_min") == 1 && value_of(&list, "v_max") == 3);
    assert_true(list.items[1].delta && list.items[1].t_ms == 120000 && !list.items[3].delta);
    assert_int_equal(template_from_json(&list.arena, SV("{\"MetricData\":[]}"), &input, &err), 0);
    assert_int_equal(cloudwatch_put_metric_data(input, 1, NULL, &list, &err), TC_EINPUT);
    sample_list_free(&list);
}

static void test_form(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct template_value v;
    struct err err = {0};
    assert_int_equal(
        cloudwatch_from_form(SV("A=1+2%2f&L.member.1.X=a&L.member.2.X=b&L.member.1.Y=c"), &arena, &v, &err),
        0);
    assert_true(sv_is(template_get(v, SV("A"))->as.text, "1 2/"));
    const struct template_list *list = template_get(v, SV("L"))->as.list;
    assert_int_equal(list->n, 2);
    assert_true(sv_is(template_get(list->items[0], SV("Y"))->as.text, "c"));
    assert_int_not_equal(cloudwatch_from_form(SV("A=%2"), &arena, &v, &err), 0);
    assert_int_not_equal(cloudwatch_from_form(SV("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1"), &arena, &v, &err),
                         0);
    arena_free(&arena);
}

static void test_datadog(void **state)
{
    (void)state;
    struct sample_list list = {0};
    struct err err = {0};
    assert_int_equal(datadog_read(SV("{\"series\":[{\"metric\":\"a.b\",\"points\":[[10,1.5],[11,\"x\"]],"
                                     "\"type\":\"rate\",\"interval\":10},"
                                     "{\"metric\":\"c\",\"type\":3,\"points\":[{\"timestamp\":1,\"value\":2}]"
                                     ",\"tags\":[\"k:v:w\",\"k:z\"]},"
                                     "{\"metric\":\"d\",\"points\":[[1,1]],\"tags\":[1]}]}"),
                                  NULL, &list, &err),
                     0);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.refused, 2);
    assert_true(list.items[0].delta && list.items[0].value == 15 && list.items[0].t_ms == 10000);
    assert_true(sv_is(list.items[1].labels[0].value, "v:w") && !list.items[1].delta);
    assert_int_equal(datadog_read(SV("[]"), NULL, &list, &err), TC_EINPUT);
    sample_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"A-10 CBOR", test_cbor, NULL, NULL, NULL},
        {"A-10 PutMetricData", test_put_metric_data, NULL, NULL, NULL},
        {"A-10 the query protocol's form", test_form, NULL, NULL, NULL},
        {"Datadog's series", test_datadog, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
