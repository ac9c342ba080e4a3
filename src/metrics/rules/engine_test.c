/*
 * The rule engine on a virtual clock: alerts from pending to resolved, the series that rules write, limits,
 * restarts, reloads.
 */
#include "metrics/memory_store.h"
#include "metrics/promql/query.h"
#include "metrics/rules/engine.h"

#include "base/clk.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MINUTE (60LL * 1000000000)

struct stage {
    struct rule_file file;
    const struct rule_file *files[1];
    struct memory_store *store;
    struct rule_engine *engine;
    struct rule_engine_options options;
    struct buf told; /* changes, one a line */
    struct arena finding_arena;
    struct finding_list findings;
    int refuse; /* what append says */
};

static int append(void *context, const struct labels *labels, int64_t time_ms, double value,
                  const struct histogram *histogram, struct err *err)
{
    struct stage *s = context;
    struct label items[32];
    if (s->refuse != 0)
        return err_set(err, s->refuse, "the storage says no");
    assert_true(labels->count <= TC_ARRAY_LEN(items));
    memcpy(items, labels->items, labels->count * sizeof *items);
    return memory_store_append(s->store, items, labels->count,
                               &(struct memory_sample){.t = time_ms, .f = value, .h = histogram}, 1, err);
}

static void on_change(void *context, const struct rule_change *change)
{
    static const char *const kinds[] = {"pending", "firing", "goes on", "resolved", "cleared"};
    struct stage *s = context;
    rule_change_finding(change, 7, &s->findings);
    buf_printf(&s->told, "%lldm %s %.*s{", (long long)(change->time_ns / MINUTE), kinds[change->kind],
               SV_FMT(change->alert.rule->name));
    for (size_t i = 0; i < change->alert.label_count; i++)
        if (!sv_is(change->alert.labels[i].name, "alertname"))
            buf_printf(&s->told, "%s%.*s=%.*s", i > 1 ? "," : "", SV_FMT(change->alert.labels[i].name),
                       SV_FMT(change->alert.labels[i].value));
    buf_str(&s->told, "}");
    for (size_t i = 0; i < change->alert.annotation_count; i++)
        buf_printf(&s->told, " %.*s", SV_FMT(change->alert.annotations[i].value));
    buf_char(&s->told, '\n');
}

static void open_stage(struct stage *s, const char *rules, struct rule_engine_options options)
{
    struct err err = {0};
    *s = (struct stage){.options = options};
    s->findings.arena = &s->finding_arena;
    if (rule_file_read(SV("rules.yml"), sv_of(rules), &s->file) != 0) {
        rule_problems_err(&s->file.problems, "rules.yml", &err);
        fail_msg("%u: %s", err.line, err.text);
    }
    s->files[0] = &s->file;
    s->store = memory_store_new();
    buf_init(&s->told, 1 << 16);
    s->options.storage =
        (struct rule_storage){.source = memory_store_source(s->store), .append = append, .context = s};
    s->options.on_change = on_change;
    s->options.change_context = s;
    s->engine = rule_engine_new(s->files, 1, &s->options);
}

static void close_stage(struct stage *s)
{
    rule_engine_free(&s->engine);
    memory_store_free(&s->store);
    rule_file_free(&s->file);
    buf_free(&s->told);
    arena_free(&s->finding_arena);
}

/* A sample of x{k="key"} at a minute. */
static void sample(struct stage *s, const char *key, int64_t minute, double value)
{
    struct label items[] = {{METRIC_NAME, SV("x")}, {SV("k"), sv_of(key)}};
    struct err err = {0};
    if (memory_store_append(s->store, items, 2, &(struct memory_sample){.t = minute * 60000, .f = value}, 1,
                            &err) != 0)
        fail_msg("%s", err.text);
}

static void evaluate(struct stage *s, int64_t minute)
{
    rule_engine_evaluate(s->engine, 0, minute * MINUTE);
}

/* The answer of an instant query as "{labels} value", one a line. */
static void assert_query(struct stage *s, const char *text, int64_t minute, const char *expected)
{
    struct series_source source = memory_store_source(s->store);
    struct promql_options options = {.start_ms = minute * 60000, .end_ms = minute * 60000};
    struct promql_result result = {0};
    struct err err = {0};
    struct buf got;
    buf_init(&got, 1 << 16);
    if (promql_query(&source, sv_of(text), &options, &result, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    for (size_t i = 0; i < result.count; i++) {
        labels_format_series(&got, result.series[i].labels);
        buf_printf(&got, " %g\n", result.series[i].f[0]);
    }
    buf_char(&got, '\0');
    assert_string_equal(got.p, expected);
    buf_free(&got);
    promql_result_free(&result);
}

static void assert_told(struct stage *s, const char *expected)
{
    buf_char(&s->told, '\0');
    assert_string_equal(s->told.p, expected);
    buf_clear(&s->told);
}

static const char hold_rules[] = "groups:\n"
                                 "- name: g\n"
                                 "  rules:\n"
                                 "  - alert: High\n"
                                 "    expr: x > 5\n"
                                 "    for: 2m\n"
                                 "    keep_firing_for: 2m\n"
                                 "    labels: {severity: page, k2: 'is {{ $labels.k }}'}\n"
                                 "    annotations: {summary: 'at {{ $value }}'}\n";

static void test_life(void **state)
{
    static const double values[] = {9, 9, 9, 9, 1, 1, 1, 1};
    struct stage s;
    (void)state;
    open_stage(&s, hold_rules, (struct rule_engine_options){0});
    for (int64_t m = 0; m < (int64_t)TC_ARRAY_LEN(values); m++) {
        sample(&s, "a", m, values[m]);
        evaluate(&s, m);
        assert_null(rule_engine_error(s.engine, 0, 0));
    }
    assert_told(&s, "0m pending High{k=a,k2=is a,severity=page} at 9\n"
                    "2m firing High{k=a,k2=is a,severity=page} at 9\n"
                    "3m goes on High{k=a,k2=is a,severity=page} at 9\n"
                    "4m goes on High{k=a,k2=is a,severity=page} at 9\n"
                    "5m goes on High{k=a,k2=is a,severity=page} at 9\n"
                    "6m resolved High{k=a,k2=is a,severity=page} at 9\n");
    assert_query(
        &s, "ALERTS", 1,
        "ALERTS{alertname=\"High\", alertstate=\"pending\", k=\"a\", k2=\"is a\", severity=\"page\"} 1\n");
    assert_query(
        &s, "ALERTS", 2,
        "ALERTS{alertname=\"High\", alertstate=\"firing\", k=\"a\", k2=\"is a\", severity=\"page\"} 1\n");
    assert_query(&s, "ALERTS_FOR_STATE", 5,
                 "ALERTS_FOR_STATE{alertname=\"High\", k=\"a\", k2=\"is a\", severity=\"page\"} 0\n");
    assert_query(&s, "ALERTS", 6, ""); /* ended by staleness markers */
    assert_query(&s, "ALERTS_FOR_STATE", 6, "");
    close_stage(&s);
}

static void test_cleared(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s, hold_rules, (struct rule_engine_options){0});
    sample(&s, "a", 0, 9);
    sample(&s, "b", 0, 9);
    evaluate(&s, 0);
    sample(&s, "a", 1, 1);
    sample(&s, "b", 1, 9);
    evaluate(&s, 1);
    sample(&s, "a", 2, 9);
    evaluate(&s, 2);
    assert_told(&s, "0m pending High{k=a,k2=is a,severity=page} at 9\n"
                    "0m pending High{k=b,k2=is b,severity=page} at 9\n"
                    "1m cleared High{k=a,k2=is a,severity=page} at 9\n"
                    "2m firing High{k=b,k2=is b,severity=page} at 9\n"
                    "2m pending High{k=a,k2=is a,severity=page} at 9\n");
    close_stage(&s);
}

static void test_recording(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s,
               "groups:\n"
               "- name: g\n"
               "  labels: {team: a, from: group}\n"
               "  rules:\n"
               "  - {record: 'x_double', expr: x * 2, labels: {from: rule, k: ''}}\n"
               "  - {record: 'x_next', expr: 'x_double + 1'}\n"
               "  - {record: one, expr: '1'}\n"
               "  - {record: clash, expr: x, labels: {k: same}}\n"
               "  - {record: matrix, expr: 'x[5m]'}\n",
               (struct rule_engine_options){0});
    sample(&s, "a", 0, 3);
    evaluate(&s, 0);
    assert_query(&s, "x_double", 0, "x_double{from=\"rule\", team=\"a\"} 6\n");
    assert_query(&s, "x_next", 0, "x_next{from=\"group\", team=\"a\"} 7\n");
    assert_query(&s, "one", 0, "one{from=\"group\", team=\"a\"} 1\n");
    assert_null(rule_engine_error(s.engine, 0, 3));
    assert_string_equal(rule_engine_error(s.engine, 0, 4), "rule result is not a vector or scalar");
    /* two series that become one; an error leaves what was written before as it is */
    sample(&s, "a", 1, 4);
    sample(&s, "b", 1, 5);
    evaluate(&s, 1);
    assert_string_equal(rule_engine_error(s.engine, 0, 3),
                        "vector contains metrics with the same labelset after applying rule labels");
    assert_query(&s, "clash", 1, "clash{from=\"group\", k=\"same\", team=\"a\"} 3\n");
    s.refuse = TC_EEXIST;
    evaluate(&s, 2);
    assert_string_equal(rule_engine_error(s.engine, 0, 2), "the storage says no");
    close_stage(&s);
}

static void test_limit_and_offset(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s,
               "groups:\n"
               "- name: g\n"
               "  limit: 1\n"
               "  query_offset: 1m\n"
               "  rules:\n"
               "  - {alert: A, expr: x > 0, annotations: {now: '{{ query \"count(x)\" | first | value }}'}}\n"
               "  - {record: r, expr: x}\n",
               (struct rule_engine_options){0});
    sample(&s, "a", 0, 1);
    sample(&s, "a", 1, 1);
    sample(&s, "b", 1, 1);
    evaluate(&s, 1);
    /* the rule sees what was a minute ago, its template what is */
    assert_told(&s, "1m firing A{k=a} 2\n");
    assert_query(&s, "ALERTS", 0, "ALERTS{alertname=\"A\", alertstate=\"firing\", k=\"a\"} 1\n");
    evaluate(&s, 2);
    assert_string_equal(rule_engine_error(s.engine, 0, 0), "exceeded limit of 1 with 2 alerts");
    assert_string_equal(rule_engine_error(s.engine, 0, 1), "exceeded limit of 1 with 2 series");
    assert_told(&s, "");
    close_stage(&s);
}

static void test_duplicate_alerts(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s, "groups: [{name: g, rules: [{alert: A, expr: x, labels: {k: ''}}]}]",
               (struct rule_engine_options){0});
    sample(&s, "a", 0, 1);
    sample(&s, "b", 0, 1);
    evaluate(&s, 0);
    assert_string_equal(rule_engine_error(s.engine, 0, 0),
                        "vector contains metrics with the same labelset after applying alert labels");
    close_stage(&s);
}

static void test_advance(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s,
               "groups:\n"
               "- {name: often, interval: 10s, rules: [{record: o, expr: time()}]}\n"
               "- {name: rarely, rules: [{record: r, expr: time()}]}\n",
               (struct rule_engine_options){.interval_ns = 5 * MINUTE});
    rule_engine_advance(s.engine, 1000 * MINUTE);
    int64_t first = rule_engine_next_ns(s.engine);
    assert_true(first > 1000 * MINUTE && first <= 1000 * MINUTE + 10000000000LL);
    assert_query(&s, "o", 1001, "");
    for (int64_t t = 0; t <= 600; t++) /* seconds */
        rule_engine_advance(s.engine, 1000 * MINUTE + t * 1000000000);
    assert_query(&s, "count_over_time(o[10m])", 1010, "{} 60\n");
    assert_query(&s, "count_over_time(r[10m])", 1010, "{} 2\n");
    assert_query(&s, "min_over_time(deriv(o[1m])[5m:])", 1010, "{} 1\n");
    assert_int_equal(rule_engine_missed(s.engine), 0);
    /* asleep for an hour: one evaluation of each, the rest is missed */
    rule_engine_advance(s.engine, 1070 * MINUTE);
    assert_query(&s, "count_over_time(o[10m])", 1070, "{} 1\n");
    assert_int_equal(rule_engine_missed(s.engine), 6 * 60 - 1 + 11);
    close_stage(&s);
}

static const char restore_rules[] =
    "groups:\n"
    "- name: g\n"
    "  rules:\n"
    "  - {alert: Slow, expr: x > 5, for: 30m, labels: {s: 'l {{ $labels.k }}'}}\n"
    "  - {alert: Quick, expr: x > 5, for: 5m}\n";

/* What `for` state has become after `before` minutes of truth, `down` minutes of darkness and two
 * evaluations. */
static int64_t restored_active_at(int64_t before, int64_t down, size_t rule)
{
    struct stage s;
    open_stage(&s, restore_rules, (struct rule_engine_options){0});
    for (int64_t m = 100; m <= 100 + before; m++) {
        sample(&s, "a", m, 9);
        evaluate(&s, m);
    }
    rule_engine_free(&s.engine);
    s.options.restore = true;
    s.engine = rule_engine_new(s.files, 1, &s.options);
    int64_t back = 100 + before + down;
    for (int64_t m = back; m <= back + 2; m++) {
        sample(&s, "a", m, 9);
        evaluate(&s, m);
    }
    struct promql_options options = {.start_ms = (back + 2) * 60000, .end_ms = (back + 2) * 60000};
    struct series_source source = memory_store_source(s.store);
    struct promql_result result = {0};
    assert_int_equal(promql_query(&source,
                                  rule == 0 ? SV("ALERTS_FOR_STATE{alertname='Slow'}")
                                            : SV("ALERTS_FOR_STATE{alertname='Quick'}"),
                                  &options, &result, NULL),
                     0);
    assert_int_equal(result.count, 1);
    int64_t minute = (int64_t)result.series[0].f[0] / 60;
    promql_result_free(&result);
    close_stage(&s);
    return minute;
}

static void test_restore(void **state)
{
    (void)state;
    /* pending for 10 of 30 minutes, down for 7 (found at the second evaluation, one minute later) */
    assert_int_equal(restored_active_at(10, 7, 0), 108);
    /* 25 of 30 done: no sooner than the grace period of 10 minutes after the restart (126+8+1 -> 135+10-30)
     */
    assert_int_equal(restored_active_at(25, 9, 0), 115);
    /* it fired already: as it was */
    assert_int_equal(restored_active_at(40, 9, 0), 100);
    /* longer than an hour: it begins anew */
    assert_int_equal(restored_active_at(10, 90, 0), 200);
    /* pending with a short `for`: it waits again, which is sooner over than the grace period */
    assert_int_equal(restored_active_at(3, 4, 1), 107);
    /* it fired with a short `for`: it goes on */
    assert_int_equal(restored_active_at(8, 4, 1), 100);
}

static void test_adopt(void **state)
{
    struct stage s;
    struct rule_file other;
    const struct rule_file *files[] = {&other};
    (void)state;
    open_stage(&s,
               "groups:\n"
               "- name: g\n"
               "  rules:\n"
               "  - {alert: Stays, expr: x > 5, for: 3m}\n"
               "  - {alert: Goes, expr: x > 5}\n"
               "- {name: gone, rules: [{record: gone, expr: x}]}\n",
               (struct rule_engine_options){0});
    sample(&s, "a", 0, 9);
    evaluate(&s, 0);
    rule_engine_evaluate(s.engine, 1, 0);
    assert_query(&s, "gone", 0, "gone{k=\"a\"} 9\n");
    assert_int_equal(rule_file_read(SV("rules.yml"),
                                    SV("groups: [{name: g, rules: [{record: new, expr: '1'}, "
                                       "{alert: Stays, expr: x > 4, for: 3m}]}]"),
                                    &other),
                     0);
    struct rule_engine *engine = rule_engine_new(files, 1, &s.options);
    rule_engine_adopt(engine, s.engine);
    rule_engine_free(&s.engine);
    s.engine = engine;
    buf_clear(&s.told);
    for (int64_t m = 1; m <= 3; m++) {
        sample(&s, "a", m, 9);
        evaluate(&s, m);
    }
    assert_told(&s, "3m firing Stays{k=a}\n"); /* it has waited since 0m */
    assert_query(&s, "gone", 1, "");
    assert_query(&s, "ALERTS", 1, "ALERTS{alertname=\"Stays\", alertstate=\"pending\", k=\"a\"} 1\n");
    rule_engine_free(&s.engine);
    rule_file_free(&other);
    close_stage(&s);
}

static void test_templates(void **state)
{
    struct stage s;
    struct label external[] = {{SV("cluster"), SV("c1")}};
    (void)state;
    open_stage(
        &s,
        "groups: [{name: g, rules: [{alert: A, expr: 'x > 0', labels: {gone: '{{ $labels.nothing }}'},\n"
        "  annotations: {a: '{{ $externalLabels.cluster }} {{ $externalURL }} {{ pathPrefix }}',\n"
        "                b: '{{ $labels.__name__ }}', c: '{{ template \"no\" }}', d: ''}}]}]",
        (struct rule_engine_options){.external_labels = external,
                                     .external_label_count = 1,
                                     .external_url = SV("https://tocsin.example/prom")});
    sample(&s, "a", 0, 1);
    evaluate(&s, 0);
    buf_char(&s.told, '\0');
    assert_non_null(strstr(s.told.p, "firing A{k=a} c1 https://tocsin.example/prom /prom x <error expanding "
                                     "template: error executing template __alert_A:"));
    close_stage(&s);
}

static void test_findings(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s,
               "groups:\n"
               "- name: g\n"
               "  rules:\n"
               "  - {alert: A, expr: x > 0, labels: {severity: warning}, annotations: {runbook_url: 'r/{{ "
               "$labels.k }}'}}\n"
               "  - {alert: A, expr: x > 1, labels: {severity: '{{ if gt $value 4.0 }}critical{{ else }}P2{{ "
               "end }}'}}\n",
               (struct rule_engine_options){0});
    sample(&s, "a", 0, 5.5);
    evaluate(&s, 0);
    sample(&s, "a", 1, 1);
    evaluate(&s, 1);
    assert_int_equal(s.findings.count, 3);
    const struct finding *f = s.findings.items;
    assert_int_equal(f[0].kind, FINDING_METRIC);
    assert_true(sv_is(f[0].rule->id, "prometheus:g/A") && sv_is(f[0].rule->runbook, "r/a"));
    assert_int_equal(f[0].rule->severity, severity_of(SV("warning")));
    assert_int_equal(f[0].position, 7);
    assert_int_equal(f[0].group_count, 3);
    assert_true(sv_is(f[0].group[0].name, "alertname") && sv_is(f[0].group[1].value, "a"));
    assert_true(sv_is(f[0].fields[1].name, "value") && sv_is(f[0].fields[1].value, "5.5"));
    assert_false(f[0].repeat);
    assert_true(sv_is(f[1].rule->id, "prometheus:g/A#2"));
    assert_int_equal(f[1].rule->severity, SEVERITY_P1);
    assert_true(f[2].repeat && f[2].episode_start.ns == 0 && f[2].time.ns == MINUTE);
    close_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_recording),
        cmocka_unit_test(test_limit_and_offset),
        cmocka_unit_test(test_duplicate_alerts),
        cmocka_unit_test(test_advance),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
