/*
 * The side file: what it says is read strictly and changes how an alert lives.
 */
#include "metrics/memory_store.h"
#include "metrics/rules/engine.h"
#include "metrics/rules/side_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MINUTE (60LL * 1000000000)
enum { NOTHING = -1000 };

static const char rules[] = "groups:\n"
                            "- name: g\n"
                            "  rules:\n"
                            "  - {alert: High, expr: x > 5, labels: {severity: warning}}\n"
                            "  - {alert: Other, expr: absent(x)}\n";

struct stage {
    struct rule_file file;
    struct side_file side;
    struct memory_store *store;
    struct rule_engine *engine;
    struct buf told;
};

static int append(void *context, const struct labels *labels, int64_t time_ms, double value,
                  const struct histogram *histogram, struct err *err)
{
    (void)context, (void)labels, (void)time_ms, (void)value, (void)histogram, (void)err;
    return 0;
}

static void on_change(void *context, const struct rule_change *change)
{
    static const char *const kinds[] = {"pending", "firing", "goes on", "resolved", "cleared"};
    struct stage *s = context;
    if (!sv_is(change->alert.rule->name, "High"))
        return;
    buf_printf(&s->told, "%lld %s", (long long)(change->time_ns / MINUTE), kinds[change->kind]);
    if (change->alert.level.n > 0)
        buf_printf(&s->told, " %.*s", SV_FMT(change->alert.level));
    for (size_t i = 0; i < change->alert.label_count; i++)
        if (sv_is(change->alert.labels[i].name, "no_data"))
            buf_str(&s->told, " no_data");
    buf_str(&s->told, "; ");
}

/* The life of High over one value a minute; NOTHING is a minute without data (a staleness marker). */
static void assert_life(const char *side, const double *values, size_t count, const char *expected)
{
    struct stage s = {0};
    buf_init(&s.told, 1 << 16);
    assert_int_equal(rule_file_read(SV("r.yml"), sv_of(rules), &s.file), 0);
    if (side_file_apply(sv_of(side), &s.file, &s.side) != 0)
        fail_msg("%.*s", SV_FMT(s.side.problems.first->text));
    s.store = memory_store_new();
    const struct rule_file *files[] = {&s.file};
    s.engine =
        rule_engine_new(files, 1,
                        &(struct rule_engine_options){.storage = {memory_store_source(s.store), append, &s},
                                                      .on_change = on_change,
                                                      .change_context = &s});
    for (size_t m = 0; m < count; m++) {
        struct label items[] = {{METRIC_NAME, SV("x")}, {SV("k"), SV("a")}};
        double value = values[m] == NOTHING ? stale_nan() : values[m];
        assert_int_equal(memory_store_append(s.store, items, 2,
                                             &(struct memory_sample){.t = (int64_t)m * 60000, .f = value}, 1,
                                             NULL),
                         0);
        rule_engine_evaluate(s.engine, 0, (int64_t)m * MINUTE);
        assert_null(rule_engine_error(s.engine, 0, 0));
    }
    buf_char(&s.told, '\0');
    assert_string_equal(s.told.p, expected);
    rule_engine_free(&s.engine);
    memory_store_free(&s.store);
    side_file_free(&s.side);
    rule_file_free(&s.file);
    buf_free(&s.told);
}

#define LIFE(side, expected, ...)                                                                            \
    assert_life(side, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double), \
                expected)

static void test_no_data(void **state)
{
    (void)state;
    LIFE("alerts: []", "0 firing; 1 resolved; ", 9, NOTHING, 1);
    LIFE("alerts: [{alert: High, no_data: ok}]", "0 firing; 1 resolved; ", 9, NOTHING, 1);
    LIFE("alerts: [{alert: High, no_data: keep}]", "0 firing; 1 goes on; 2 resolved; ", 9, NOTHING, 1);
    LIFE("alerts: [{alert: High, no_data: keep}]", "", 1, NOTHING, 1);
    LIFE("alerts: [{alert: High, no_data: alert}]", "0 firing; 1 goes on; 2 resolved; ", 9, NOTHING, 1);
    LIFE("alerts: [{alert: High, no_data: alert}]",
         "1 firing no_data; 2 goes on no_data; 3 resolved no_data; ", 1, NOTHING, NOTHING, 1);
}

static void test_datapoints(void **state)
{
    (void)state;
    LIFE("alerts: [{alert: High, datapoints: {at_least: 2, of: 3}}]",
         "2 firing; 3 goes on; 4 goes on; 5 resolved; 7 firing; 8 resolved; ", 9, 1, 9, 8, 1, 1, 9, 9,
         NOTHING);
    LIFE("alerts: [{alert: High, datapoints: {at_least: 3, of: 3}}]", "", 9, 9, 1, 9, 9, 1);
}

static void test_recovery(void **state)
{
    (void)state;
    LIFE("alerts: [{alert: High, recover: x < 3}]", "0 firing; 1 goes on; 2 goes on; 3 resolved; ", 9, 4, 3,
         2, 4);
}

static void test_severity(void **state)
{
    (void)state;
    LIFE("alerts: [{alert: High, severity: [{is: critical, when: sum(x) > 20}, {is: high, when: x > 10}]}]",
         "0 firing; 1 goes on high; 2 goes on critical; 3 goes on; 4 resolved; ", 9, 11, 21, 6, 1);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"alerts: [{alert: Nope}]", "no alerting rule has this name: Nope"},
        {"alerts: [{alert: High, group: h}]", "no alerting rule has this name: High"},
        {"alerts: [{no_data: ok}]", "alert: the name of an alerting rule is expected here"},
        {"alerts: [{alert: High, no_data: maybe}]", "no_data: ok, keep or alert is expected here, not maybe"},
        {"alerts: [{alert: High, datapoints: {at_least: 4, of: 3}}]",
         "datapoints: {at_least: M, of: N} with 1 <= M <= N <= 64 is expected here"},
        {"alerts: [{alert: High, recover: 'x <'}]", "recover: 1:4: parse error: unexpected end of input"},
        {"alerts: [{alert: High, severity: [{is: purple, when: x}]}]",
         "is: a severity is expected here, such as critical or P2, not purple"},
        {"alerts: [{alert: High, severity: [{is: high}]}]", "when: an expression is expected here"},
        {"alerts: [{alert: Other, no_data: keep}]", "data: the expression is not a comparison with a number, "
                                                    "so it has to be said what the data is, for the "
                                                    "alert Other"},
        {"alert: []", "field alert not found in a side file: did you mean \"alerts\"?"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct rule_file file;
        struct side_file side;
        assert_int_equal(rule_file_read(SV("r.yml"), sv_of(rules), &file), 0);
        assert_int_equal(side_file_apply(sv_of(cases[i].text), &file, &side), TC_EINPUT);
        if (!sv_is(side.problems.first->text, cases[i].problem))
            fail_msg("%s: %.*s", cases[i].text, SV_FMT(side.problems.first->text));
        assert_null(file.groups[0].rules[0].extra);
        side_file_free(&side);
        rule_file_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_data),  cmocka_unit_test(test_datapoints), cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_severity), cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
