/*
 * The template engine by small cases: what Go's documentation says of each construct, the words of errors,
 * contexts in HTML, bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "template/alertmanager.h"
#include "template/go_format.h"
#include "template/go_time.h"

#include <math.h>

struct rendered {
    const char *text, *expected; /* a failure's text begins with "!" and is looked for in the error */
};

static void check_all(const struct rendered *cases, size_t n, bool html,
                      enum template_missing_key missing_key)
{
    struct template_set *set;
    struct err err = {0};
    assert_int_equal(template_alertmanager_set(&set, &err), 0);
    for (size_t i = 0; i < n; i++) {
        struct arena arena = {0};
        struct template_run run = {
            .html = html, .missing_key = missing_key, .now_ns = INT64_C(1700000000) * 1000000000};
        struct template_value data;
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_int_equal(
            template_from_json(&arena,
                               SV("{\"a\":{\"b\":\"deep\"},\"l\":[1,2,3],\"s\":\"text\",\"n\":1.5,\"t\":true,"
                                  "\"x\":\"<i>'\\\"&+</i>\",\"e\":[],\"m\":{\"k1\":\"v1\",\"k2\":\"v2\"}}"),
                               &data, &err),
            0);
        err = (struct err){0};
        int done = template_execute_text(set, SV("t"), sv_of(cases[i].text), data, &run, &arena, &out, &err);
        struct sv got = done == 0 ? buf_view(&out) : sv_of(err.text);
        bool good = cases[i].expected[0] == '!'
                        ? done != 0 && sv_find(got, sv_of(cases[i].expected + 1)) < got.n
                        : done == 0 && sv_is(got, cases[i].expected);
        if (!good)
            fail_msg("%s\n  expected %s\n  got      %.*s", cases[i].text, cases[i].expected, SV_FMT(got));
        buf_free(&out);
        arena_free(&arena);
    }
    template_set_free(set);
}
#define CHECK(cases)      check_all(cases, TC_ARRAY_LEN(cases), false, MISSING_KEY_DEFAULT)
#define CHECK_HTML(cases) check_all(cases, TC_ARRAY_LEN(cases), true, MISSING_KEY_DEFAULT)

static void control_structures(void **state)
{
    (void)state;
    static const struct rendered cases[] = {
        {"", ""},
        {"{{if .t}}yes{{else}}no{{end}}", "yes"},
        {"{{if .e}}yes{{else if .s}}second{{else}}no{{end}}", "second"},
        {"{{with .a}}{{.b}}{{end}}", "deep"},
        {"{{with .none}}x{{else with .a}}{{.b}}{{else}}y{{end}}", "deep"},
        {"{{range .l}}{{.}},{{end}}", "1,2,3,"},
        {"{{range .e}}x{{else}}empty{{end}}", "empty"},
        {"{{range $i, $v := .l}}{{$i}}={{$v}} {{end}}", "0=1 1=2 2=3 "},
        {"{{range $k, $v := .m}}{{$k}}:{{$v}};{{end}}", "k1:v1;k2:v2;"},
        {"{{range 3}}{{.}}{{end}}", "012"},
        {"{{range .l}}{{if eq . 2.0}}{{continue}}{{end}}{{.}}{{end}}", "13"},
        {"{{range .l}}{{if eq . 2.0}}{{break}}{{end}}{{.}}{{end}}", "1"},
        {"{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"},
        {"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"},
        {"{{define \"T\"}}[{{.}} {{$}}]{{end}}{{template \"T\" .s}}", "[text text]"},
        {"{{block \"B\" .s}}<{{.}}>{{end}}", "<text>"},
        {"a {{- .s -}} b", "atextb"},
        {"a {{/* no */}} b{{- /* trimmed */ -}} c", "a  bc"},
        {"{{.a.b}} {{$.a.b}} {{(index . \"a\").b}}", "deep deep deep"},
        {"{{`raw \\n`}} {{'x'}} {{0x1F}} {{1_000}} {{1e3}} {{\"\\u00e9\\x41\\101\"}}",
         "raw \\n 120 31 1000 1000 \xC3\xA9"
         "AA"},
        {"{{true | and false}}{{or 0 \"\" .s}}{{and 1 0 .nope.deeper}}", "falsetext0"},
        {"{{. | len}} {{len \"h\xC3\xA9\"}} {{slice \"abcdef\" 1 3}} {{index .l 1}}", "8 3 bc 2"},
        {"{{.none}}", "<no value>"},
        {"{{print 1 2 \"x\" 3 nil}}", "1 2x3 <nil>"},
        {"{{/* only */}}", ""},
    };
    CHECK(cases);
}

static void errors_in_gos_words(void **state)
{
    (void)state;
    static const struct rendered cases[] = {
        {"{{", "!template: t:1: unclosed action"},
        {"{{.a\n\n}", "!template: t:3: unexpected \"}\" in operand"},
        {"{{range .l}}", "!template: t:1: unexpected EOF"},
        {"{{end}}", "!template: t:1: unexpected {{end}}"},
        {"{{$x}}", "!undefined variable \"$x\""},
        {"{{nofunc 1}}", "!function \"nofunc\" not defined"},
        {"{{1 | 2}}", "!non executable command in pipeline stage 2"},
        {"{{break}}", "!{{break}} outside {{range}}"},
        {"{{(1}}", "!unclosed left paren"},
        {"{{1)}}", "!unexpected right paren"},
        {"{{\"a}}", "!unterminated quoted string"},
        {"{{/* x", "!unclosed comment"},
        {"{{else}}", "!unexpected {{else}}"},
        {"{{if .t}}{{else}}{{else}}{{end}}", "!expected end; found {{else}}"},
        {"{{.s.x}}", "!executing \"t\" at <.s.x>: can't evaluate field x in type string"},
        {"{{len 3}}", "!error calling len: len of type int"},
        {"{{index .l 9}}", "!index out of range: 9"},
        {"{{toUpper 3}}", "!expected string; found 3"},
        {"{{toUpper .n}}", "!wrong type for value; expected string; got float64"},
        {"{{toUpper}}", "!wrong number of args for toUpper: want 1 got 0"},
        {"{{eq 1 1.0}}", "!incompatible types for comparison"},
        {"{{lt .l .l}}", "!invalid type for comparison"},
        {"{{.s 1}}", "!s is not a method but has arguments"},
        {"{{template \"T\"}}{{define \"T\"}}{{template \"T\"}}{{end}}", "!exceeded maximum template depth"},
        {"{{range 100000000}}{{end}}", "!more steps than are allowed"},
        {"{{define \"a\"}}{{define \"b\"}}{{end}}{{end}}", "!unexpected <define> in command"},
    };
    CHECK(cases);
}

static void missing_keys(void **state)
{
    (void)state;
    static const struct rendered fails[] = {{"{{.none}}", "!map has no entry for key \"none\""},
                                            {"{{.s}}", "text"}};
    check_all(fails, TC_ARRAY_LEN(fails), false, MISSING_KEY_ERROR);
}

static void formats(void **state)
{
    (void)state;
    static const struct rendered cases[] = {
        {"{{printf \"%5d|%-5d|%05d|%+d|%x|%#x|%b|%o|%c|%U\" 42 42 42 42 255 255 5 8 65 65}}",
         "   42|42   |00042|+42|ff|0xff|101|10|A|U+0041"},
        {"{{printf \"%q %v %s %10s %-4s| %.2s %x\" \"a\\\"b\" \"v\" \"s\" \"w\" \"l\" \"prec\" \"hi\"}}",
         "\"a\\\"b\" v s          w l   | pr 6869"},
        {"{{printf \"%f %.2f %e %g %6.1f|%v %v\" 1.5 2.345 12345.678 1e21 3.14159 1e6 123456.0}}",
         "1.500000 2.35 1.234568e+04 1e+21    3.1|1e+06 123456"},
        {"{{printf \"%t %v %d\" true false \"x\"}}", "true false %!d(string=x)"},
        {"{{printf \"%d\"}} {{printf \"%d\" 1 2}} {{printf \"%z\" 1}} {{printf \"%\"}}",
         "%!d(MISSING) 1%!(EXTRA int=2) %!z(int=1) %!(NOVERB)"},
        {"{{printf \"%[2]d %[1]d %%\" 1 2}} {{printf \"%*d\" 5 7}}", "2 1 %     7"},
        {"{{printf \"%v %T\" .l .l}} {{printf \"%v\" .a}} {{printf \"%s\" nil}}",
         "[1 2 3] []interface {} map[b:deep] %!s(<nil>)"},
        {"{{println \"a\" 1}}", "a 1\n"},
        {"{{js \"it's <b>\"}} {{urlquery \"a b&c/\"}} {{html .x}}",
         "it\\'s \\u003Cb\\u003E a+b%26c%2F &lt;i&gt;&#39;&#34;&amp;+&lt;/i&gt;"},
    };
    CHECK(cases);
}

static void numbers_as_go_writes_them(void **state)
{
    (void)state;
    static const struct {
        double v;
        char verb;
        int precision;
        const char *expected;
    } cases[] = {{0, 'g', -1, "0"},
                 {-0.0, 'g', -1, "-0"},
                 {1e20, 'g', -1, "1e+20"},
                 {123456, 'g', -1, "123456"},
                 {1234567, 'g', -1, "1.234567e+06"},
                 {1e-5, 'g', -1, "1e-05"},
                 {0.0001, 'g', -1, "0.0001"},
                 {0.1, 'f', -1, "0.1"},
                 {1e21, 'f', -1, "1000000000000000000000"},
                 {NAN, 'g', -1, "NaN"},
                 {-INFINITY, 'g', 4, "-Inf"},
                 {0.1 + 0.2, 'g', -1, "0.30000000000000004"},
                 {100, 'g', 4, "100"},
                 {1234567, 'e', -1, "1.234567e+06"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 1024);
        go_format_float(&out, cases[i].v, cases[i].verb, cases[i].precision);
        buf_char(&out, '\0');
        assert_string_equal(out.p, cases[i].expected);
        buf_free(&out);
    }
    static const struct {
        int64_t ns;
        const char *expected;
    } durations[] = {{0, "0s"},
                     {1, "1ns"},
                     {1100, "1.1\xC2\xB5s"},
                     {2200000, "2.2ms"},
                     {3300000000, "3.3s"},
                     {245000000000, "4m5s"},
                     {-5400000000000, "-1h30m0s"},
                     {INT64_MIN, "-2562047h47m16.854775808s"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(durations); i++) {
        struct buf out;
        buf_init(&out, 128);
        go_format_duration(&out, durations[i].ns);
        buf_char(&out, '\0');
        assert_string_equal(out.p, durations[i].expected);
        buf_free(&out);
    }
}

static void times(void **state)
{
    (void)state;
    static const struct rendered cases[] = {
        {"{{now}}", "2023-11-14 22:13:20 +0000 UTC"},
        {"{{now.Format \"Mon Jan _2 15:04:05 2006 PM 3:4:5 Z07:00 .000\"}}",
         "Tue Nov 14 22:13:20 2023 PM 10:13:20 Z .000"},
        {"{{now | tz \"Europe/Paris\" | date \"2006-01-02T15:04:05Z07:00 MST\"}}",
         "2023-11-14T23:13:20+01:00 CET"},
        {"{{now | tz \"Nowhere/City\"}}", "!unknown time zone Nowhere/City"},
        {"{{(toDate \"2006-01-02\" \"2024-02-29\").Unix}}", "1709164800"},
        {"{{mustToDate \"2006-01-02\" \"2023-02-29\"}}", "!day out of range"},
        {"{{since (toDate \"2006-01-02 15:04\" \"2023-11-14 22:00\")}}", "13m20s"},
        {"{{now.Year}} {{now.Month}} {{now.Weekday}} {{now.YearDay}} {{now.Unix}} {{(now.Add "
         "1000000000).Second}}",
         "2023 November Tuesday 318 1700000000 21"},
        {"{{(toDate \"x\" \"y\").IsZero}} {{toDate \"x\" \"y\"}}", "true 0001-01-01 00:00:00 +0000 UTC"},
    };
    CHECK(cases);
}

static void html_contexts(void **state)
{
    (void)state;
    static const struct rendered cases[] = {
        {"<p>{{.x}}</p>", "<p>&lt;i&gt;&#39;&#34;&amp;&#43;&lt;/i&gt;</p>"},
        {"<p>{{.x | safeHtml}}</p>", "<p><i>'\"&+</i></p>"},
        {"<a title=\"{{.x}}\">", "<a title=\"&lt;i&gt;&#39;&#34;&amp;&#43;&lt;/i&gt;\">"},
        {"<a title={{.x}}>", "<a title=&lt;i&gt;&#39;&#34;&amp;&#43;&lt;/i&gt;>"},
        {"<a title={{\"a b\"}}>", "<a title=a&#32;b>"},
        {"<a href=\"{{\"javascript:alert(1)\"}}\">", "<a href=\"#ZgotmplZ\">"},
        {"<a href=\"{{\"http://h/p?q=1 2\"}}\">", "<a href=\"http://h/p?q=1%202\">"},
        {"<a href=\"/p?q={{\"a&b c\"}}\">", "<a href=\"/p?q=a%26b%20c\">"},
        {"<script>var x = {{.s}}, n = {{.n}}, l = {{.l}};</script>",
         "<script>var x = \"text\", n =  1.5 , l = [1,2,3];</script>"},
        {"<script>var x = '{{\"it's </script>\"}}';</script>",
         "<script>var x = 'it\\u0027s \\u003c\\/script\\u003e';</script>"},
        {"<b onclick=\"f({{.s}})\">", "<b onclick=\"f(&#34;text&#34;)\">"},
        {"<p style=\"color: {{\"red\"}}; width: {{\"expression(x)\"}}\">",
         "<p style=\"color: red; width: ZgotmplZ\">"},
        {"<!-- {{.s}} secret --><p>", "<p>"},
        {"<textarea>{{.x | safeHtml}}</textarea>",
         "<textarea>&lt;i&gt;&#39;&#34;&&#43;&lt;/i&gt;</textarea>"},
        {"a < b {{.s}}", "a &lt; b text"},
        {"<!DOCTYPE html><p {{\"onclick\"}}=\"x\">", "<!DOCTYPE html><p ZgotmplZ=\"x\">"},
        {"{{.none}}|", "|"},
        {"{{define \"T\"}}<a href=\"{{.}}\">{{end}}{{template \"T\" \"javascript:x\"}}",
         "<a href=\"#ZgotmplZ\">"},
    };
    CHECK_HTML(cases);
}

static void bounds(void **state)
{
    (void)state;
    struct template_set *set = template_set_new(NULL);
    struct template_run run = {0};
    struct arena arena = {0};
    struct buf out;
    struct err err = {0};
    buf_init(&out, 10);
    assert_int_equal(template_execute_text(set, SV("t"), SV("{{range 100}}xxxx{{end}}"), template_none(),
                                           &run, &arena, &out, &err),
                     TC_EBOUND);
    struct buf deep;
    buf_init(&deep, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_str(&deep, "{{if true}}");
    assert_int_equal(template_parse(set, SV("deep"), buf_view(&deep), &err), TC_EINPUT);
    assert_non_null(strstr(err.text, "nested more than"));
    buf_clear(&deep);
    buf_str(&deep, "{{");
    for (int i = 0; i < 5000; i++)
        buf_char(&deep, '(');
    assert_int_equal(template_parse(set, SV("deep"), buf_view(&deep), &err), TC_EINPUT);
    buf_free(&deep);
    buf_free(&out);
    arena_free(&arena);
    template_set_free(set);
}

/* A text that renders itself through a function ends with an error, not with the stack. */
static void self_reference(void **state)
{
    (void)state;
    struct template_set *set;
    struct arena arena = {0};
    struct template_value json, data;
    struct template_run run = {0};
    struct buf out;
    struct err err = {0};
    buf_init(&out, 1 << 16);
    assert_int_equal(template_alertmanager_set(&set, &err), 0);
    assert_int_equal(template_from_json(&arena,
                                        SV("{\"routeLabels\":{\"a\":\"{{routeLabels \\\"b\\\"}}\","
                                           "\"b\":\"{{routeLabels \\\"a\\\"}}\"}}"),
                                        &json, &err),
                     0);
    assert_int_equal(template_alertmanager_data(&arena, json, &data, &err), 0);
    assert_int_equal(
        template_execute_text(set, SV(""), SV("{{routeLabels \"a\"}}"), data, &run, &arena, &out, &err),
        TC_EINPUT);
    assert_non_null(strstr(err.text, "refers to itself"));
    buf_free(&out);
    arena_free(&arena);
    template_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_structures),
        cmocka_unit_test(errors_in_gos_words),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(formats),
        cmocka_unit_test(numbers_as_go_writes_them),
        cmocka_unit_test(times),
        cmocka_unit_test(html_contexts),
        cmocka_unit_test(bounds),
        cmocka_unit_test(self_reference),
    };
    return cmocka_run_group_tests_name("templates", tests, NULL, NULL);
}
