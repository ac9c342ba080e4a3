/*
 * LogQL's text: what is read is printed as a text that reads the same; what is not LogQL is refused with its
 * place.
 */
#include "query/logql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(const char *text, const char *printed)
{
    struct logql *query;
    struct err err = {0};
    struct buf out;
    buf_init(&out, 1 << 20);
    if (logql_parse(sv_of(text), &query, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    logql_print(query->root, &out);
    buf_char(&out, '\0');
    assert_string_equal(out.p, printed);
    logql_free(&query);
    assert_int_equal(logql_parse(sv_of(printed), &query, &err), 0);
    logql_free(&query);
    buf_free(&out);
}

static void printing(void **state)
{
    (void)state;
    expect("{a=\"b\"}", "{a=\"b\"}");
    expect(" { a = `b\\` , c=~\"d.+\",e!=\"\" , f!~\"x\"} ", "{a=\"b\\\\\", c=~\"d.+\", e!=\"\", f!~\"x\"}");
    expect("{a=\"b\"} |= \"x\" or `y` != \"z\" |~ \"w+\" !~ \"v\" |> \"<_>q\" |= ip(\"10.0.0.0/8\")",
           "{a=\"b\"} |= \"x\" or \"y\" != \"z\" |~ \"w+\" !~ \"v\" |> \"<_>q\" |= ip(\"10.0.0.0/8\")");
    expect(
        "{a=\"b\"}|json x=\"y.z[0]\",w|logfmt --strict|regexp \"(?P<n>.)\"|pattern \"<m> x\"|unpack",
        "{a=\"b\"} | json x=\"y.z[0]\",w=\"w\" | logfmt --strict | regexp \"(?P<n>.)\" | pattern \"<m> x\" | "
        "unpack");
    expect("{a=\"b\"} | x>5 and y<=10ms or z=ip(\"::1\"), w==1.5MiB",
           "{a=\"b\"} | ( ( x>5 , y<=10ms ) or ( z=ip(\"::1\") , w==1.5MiB ) )");
    expect(
        "{a=\"b\"}|line_format \"{{.x}}\"|label_format y=z,q=\"{{.w}}\"|decolorize|drop d,e=\"f\"|keep g",
        "{a=\"b\"} | line_format \"{{.x}}\" | label_format y=z,q=\"{{.w}}\" | decolorize | drop d,e=\"f\" | "
        "keep g");
    expect("sum(rate({a=\"b\"}[5m]))by(x,y)", "sum by (x, y) (rate({a=\"b\"} [5m]))");
    expect("quantile_over_time(0.99,{a=\"b\"}|unwrap duration(t)[1h] offset 1d)by(c)",
           "quantile_over_time(0.99, {a=\"b\"} | unwrap duration(t) [1h] offset 1d) by (c)");
    expect("1+2*3^2^1", "1 + (2 * (3 ^ (2 ^ 1)))");
    expect("sum(rate({a=\"b\"}[5m])) / on(x) group_left(y) sum(rate({c=\"d\"}[5m])) > bool 0.5",
           "(sum(rate({a=\"b\"} [5m])) / on (x) group_left (y) sum(rate({c=\"d\"} [5m]))) > bool 0.5");
    expect("label_replace(vector(1),\"a\",\"$1\",\"b\",\"(.*)\")",
           "label_replace(vector(1), \"a\", \"$1\", \"b\", \"(.*)\")");
}

static void refuse(const char *text, const char *lead)
{
    struct logql *query;
    struct err err = {0};
    if (logql_parse(sv_of(text), &query, &err) != TC_EINPUT)
        fail_msg("%s was taken", text);
    if (strncmp(err.text, lead, strlen(lead)) != 0)
        fail_msg("%s: %s", text, err.text);
}

static void refusing(void **state)
{
    (void)state;
    refuse("", "parse error at line 1, col 1: syntax error: unexpected end of query");
    refuse("{a=\"b\"", "parse error at line 1, col 7: syntax error: unexpected end of query, expecting");
    refuse("{a=\"b\"}\n | ", "parse error at line 2, col 4:");
    refuse("{a=\"b}", "parse error at line 1, col 4: literal not terminated");
    refuse("{a=~\"(\"}", "parse error at line 1, col 5: error parsing regexp");
    refuse("{a=~\".*\"}", "parse error : queries require at least one");
    refuse("{}", "parse error : queries require at least one");
    refuse("rate({a=\"b\"})", "parse error at line 1, col 1: rate needs a range");
    refuse("sum_over_time({a=\"b\"}[5m])", "parse error at line 1, col 1: invalid aggregation");
    refuse("sum({a=\"b\"})", "parse error at line 1, col 5: lines are no numbers");
    refuse("topk(0, rate({a=\"b\"}[5m]))", "parse error at line 1, col 1: topk needs");
    refuse("{a=\"b\"} | pattern \"<a><b>\"", "parse error at line 1, col 19: found consecutive capture");
    refuse("{a=\"b\"} | x > \"y\"", "parse error at line 1, col 15: syntax error: unexpected a string");
    refuse("{a=\"b\"} | line_format \"{{\"", "parse error at line 1, col 23: invalid template");
    char deep[500];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    refuse(deep, "parse error at line 1, col 101: nested");
}

static void units(void **state)
{
    (void)state;
    double v;
    assert_true(logql_duration(SV("1h30m"), &v) && v == 5400e9);
    assert_true(logql_duration(SV("1.5s"), &v) && v == 1.5e9);
    assert_true(logql_duration(SV("-2d"), &v) && v == -172800e9);
    assert_false(logql_duration(SV("5"), &v));
    assert_false(logql_duration(SV(""), &v));
    assert_true(logql_bytes(SV("5KB"), &v) && v == 5000);
    assert_true(logql_bytes(SV("1.5MiB"), &v) && v == 1572864);
    assert_false(logql_bytes(SV("5 bananas"), &v));
}

static void addresses(void **state)
{
    (void)state;
    struct ip_range range;
    assert_true(ip_range_parse(SV("10.0.0.0/8"), &range));
    assert_true(ip_range_has(&range, SV("10.255.0.1")));
    assert_false(ip_range_has(&range, SV("11.0.0.1")));
    assert_true(ip_range_in_line(&range, SV("from 10.1.2.3:443.")));
    assert_false(ip_range_in_line(&range, SV("from 210.1.2.3 at 10:20:30")));
    assert_true(ip_range_parse(SV("192.168.0.5-192.168.0.9"), &range));
    assert_true(ip_range_has(&range, SV("192.168.0.9")) && !ip_range_has(&range, SV("192.168.0.10")));
    assert_true(ip_range_parse(SV("2001:db8::/32"), &range) && ip_range_has(&range, SV("2001:db8:1::2")));
    assert_false(ip_range_parse(SV("10.0.0.0/33"), &range));
    assert_false(ip_range_parse(SV("nothing"), &range));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printing),
        cmocka_unit_test(refusing),
        cmocka_unit_test(units),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests_name("query: LogQL's text", tests, NULL, NULL);
}
