/*
 * The parser: binding of operators and modifiers, positions, refusals, bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metrics/promql/parser.h"

#include <stdlib.h>

static void prints(const char *in, const char *out)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    if (promql_parse(&parse, sv_of(in), &err) != 0)
        fail_msg("%s: %s", in, err.text);
    promql_print(&b, parse.expr);
    if (!sv_is(buf_view(&b), out))
        fail_msg("%s is printed %.*s", in, SV_FMT(buf_view(&b)));
    buf_free(&b);
    promql_parse_free(&parse);
}

static void refuses(const char *in, const char *error)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    assert_int_not_equal(promql_parse(&parse, sv_of(in), &err), 0);
    if (strcmp(err.text, error) != 0)
        fail_msg("%s: %s", in, err.text);
    promql_parse_free(&parse);
}

/* What is said where that extension is not allowed; "" where all is good. */
static void without(unsigned refused, const char *in, const char *error)
{
    struct promql_parse parse = {.refused = refused};
    struct err err = {0};
    promql_parse(&parse, sv_of(in), &err);
    if (strcmp(err.text, error) != 0)
        fail_msg("%s: %s", in, err.text);
    promql_parse_free(&parse);
}

static const struct expr *tree(struct promql_parse *parse, const char *in)
{
    assert_int_equal(promql_parse(parse, sv_of(in), NULL), 0);
    return parse->expr;
}

static void operators_bind(void **state)
{
    (void)state;
    struct promql_parse parse = {0};
    const struct expr *e = tree(&parse, "-a ^ 2 * b");
    assert_int_equal(e->op, TOKEN_MUL);
    assert_int_equal(e->left->kind, EXPR_UNARY);
    assert_int_equal(e->left->left->op, TOKEN_POW);
    promql_parse_free(&parse);
    e = tree(&parse, "a ^ b ^ c");
    assert_int_equal(e->right->op, TOKEN_POW);
    promql_parse_free(&parse);
    e = tree(&parse, "a or b and c > d + e * f");
    assert_int_equal(e->op, TOKEN_LOR);
    assert_int_equal(e->right->op, TOKEN_LAND);
    assert_int_equal(e->right->right->op, TOKEN_GTR);
    promql_parse_free(&parse);
}

static void modifiers_bind_to_the_nearest(void **state)
{
    (void)state;
    prints("1 + foo offset 5m", "1 + foo offset 5m");
    prints("foo[5m] offset -1d @ start()", "foo[5m] @ start() offset -1d");
    prints("foo offset 1m + 2", "foo offset 1m + 2");
    prints("rate(x[max_of(step(),5s)] smoothed)", "rate(x[max_of(step(), 5s)] smoothed)");
    prints("{\"metric.name\", \"label.x\"=\"y\"}", "{\"label.x\"=\"y\",__name__=\"metric.name\"}");
    prints("sum(fill) by (on)", "sum by (on) (fill)");
}

static void errors_are_worded(void **state)
{
    (void)state;
    refuses("", "unknown position: parse error: no expression found in input");
    refuses("foo{a=}", "1:7: parse error: unexpected \"}\" in label matching, expected string");
    refuses("sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation");
    refuses("rate(foo)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector");
    refuses("foo\n+ bar[", "2:7: parse error: unexpected end of input in duration expression");
    refuses("foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `(`");
    refuses("foo{a=~\"x(?=y)\"}",
            "1:5: parse error: error parsing regexp: invalid or unsupported Perl syntax: `(?=`");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    enum { DEEP = 200000 };
    char *text = tc_alloc(DEEP + 1);
    struct promql_parse parse = {0};
    static const char starts[] = "(-{";
    for (size_t i = 0; i + 1 < sizeof starts; i++) {
        memset(text, starts[i], DEEP);
        assert_int_not_equal(promql_parse(&parse, sv_of(text), NULL), 0);
        promql_parse_free(&parse);
    }
    for (size_t i = 0; i < DEEP; i++)
        text[i] = "1+"[i % 2];
    text[DEEP - 1] = '\0';
    assert_int_not_equal(promql_parse(&parse, sv_of(text), NULL), 0);
    promql_parse_free(&parse);
    for (size_t i = 0; i + 5 < DEEP; i += 5)
        memcpy(text + i, i == 0 ? "foooo" : "[1m:]", 5);
    text[DEEP - 5] = '\0';
    assert_int_not_equal(promql_parse(&parse, sv_of(text), NULL), 0);
    promql_parse_free(&parse);
    free(text);
}

static void test_C_112_extensions_are_refused_as_by_prometheus_without_its_flags(void **state)
{
    (void)state;
    const unsigned functions = PROMQL_EXPERIMENTAL_FUNCTIONS, fill = PROMQL_FILL_MODIFIERS;
    without(functions, "1 + scalar(sort_by_label(up, \"a\"))",
            "1:12: parse error: function \"sort_by_label\" is not enabled");
    without(functions, "start()", "1:1: parse error: function \"start\" is not enabled");
    without(functions, "sum(limitk by (a) (2, up))",
            "1:5: parse error: limitk() is experimental and must be enabled with "
            "--enable-feature=promql-experimental-functions");
    without(functions, "limit_ratio()", "1:1: parse error: no arguments for aggregate expression provided");
    without(functions, "rate(up[max_of(step(), 1m)] anchored @ start()) + fill(0) b", "");
    without(fill, "a + on (x) fill_left(1) b",
            "1:1: parse error: binop fill modifiers are experimental and not enabled");
    without(fill, "sort_by_label(up, \"a\") or limitk(2, up)", "");
    without(0, "info(a) + fill(0) limitk(2, b)", "");
}

static void selector(const char *in, const char *error)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    int rc = promql_parse_selector(&parse, sv_of(in), &err);
    if (strcmp(err.text, error) != 0)
        fail_msg("%s: %s", in, err.text);
    assert_true(error[0] != '\0' ? rc == TC_EINPUT && parse.expr == NULL : parse.expr->kind == EXPR_SELECTOR);
    promql_parse_free(&parse);
}

static void selectors_stand_alone(void **state)
{
    (void)state;
    selector("up", "");
    selector("{}", "");
    selector("sum{a=~\".*\",}", "");
    selector("", "unknown position: parse error: unexpected end of input");
    selector("up[1m]", "1:3: parse error: unexpected \"[\"");
    selector("sum(up)", "1:4: parse error: unexpected \"(\"");
    selector("1", "1:1: parse error: unexpected number \"1\"");
    selector("up up", "1:4: parse error: unexpected identifier \"up\"");
    selector("up{", "1:4: parse error: unexpected end of input inside braces");
}

static void features_of(const char *names, const char *enabled)
{
    struct promql_features features = {0};
    struct err err = {0};
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(promql_features_enable(&features, sv_of(names), &err), 0);
    promql_features_print(&out, &features);
    if (!sv_is(buf_view(&out), enabled))
        fail_msg("%s enables %.*s", names, SV_FMT(buf_view(&out)));
    buf_free(&out);
}

static void feature_flags_have_prometheus_names(void **state)
{
    (void)state;
    struct promql_features features = {0};
    struct err err = {0};
    features_of("", "");
    features_of("promql-duration-expr,promql-extended-range-selectors", "");
    features_of("use-start-timestamps, promql-experimental-functions,,promql-delayed-name-removal",
                "promql-experimental-functions,promql-delayed-name-removal,use-start-timestamps");
    assert_int_equal(promql_features_refused(&features), PROMQL_EXTENSIONS);
    assert_int_equal(promql_features_enable(&features, SV("promql-binop-fill-modifiers,old-ui"), &err),
                     TC_EINPUT);
    assert_non_null(strstr(err.text, "there is no feature old-ui"));
    assert_int_equal(promql_features_refused(&features), PROMQL_EXPERIMENTAL_FUNCTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind),
        cmocka_unit_test(modifiers_bind_to_the_nearest),
        cmocka_unit_test(errors_are_worded),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(test_C_112_extensions_are_refused_as_by_prometheus_without_its_flags),
        cmocka_unit_test(feature_flags_have_prometheus_names),
        cmocka_unit_test(selectors_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
