/*
 * What a unit test expects against what it got, and the text of the difference, laid out as promtool does it.
 */
#include "metrics/rules/unit_test_priv.h"

#include "base/go_text.h"
#include "metrics/prom_duration.h"
#include "metrics/rules/engine_priv.h"
#include "template/go_format.h"

#include <math.h>
#include <stdlib.h>

enum { TEXT_MAX = 16 << 20 };

static int compare_label_sets(const struct label *a, size_t an, const struct label *b, size_t bn)
{
    int c = 0;
    for (size_t i = 0; c == 0 && i < TC_MIN(an, bn); i++) {
        c = sv_cmp(a[i].name, b[i].name);
        if (c == 0)
            c = sv_cmp(a[i].value, b[i].value);
    }
    return c != 0 ? c : (an > bn) - (an < bn);
}

static void print_label_set(struct buf *out, const struct label *items, size_t count)
{
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_str(out, ", ");
        if (label_name_is_legacy(items[i].name))
            buf_sv(out, items[i].name);
        else
            go_quote(out, items[i].name);
        buf_char(out, '=');
        go_quote(out, items[i].value);
    }
    buf_char(out, '}');
}

/* --- alerts --- */

struct got_alerts {
    struct test_run *run;
    struct sv alertname;
    struct unit_test_alert *items;
    size_t n, capacity;
};

static struct label *copy_labels(struct arena *arena, const struct label *items, size_t count)
{
    struct label *copy = ARENA_ARRAY(arena, struct label, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct label){arena_sv(arena, items[i].name), arena_sv(arena, items[i].value)};
    return copy;
}

static void take_alert(void *context, const struct rule_alert_view *alert)
{
    struct got_alerts *got = context;
    struct arena *arena = &got->run->arena;
    if (alert->state != RULE_ALERT_FIRING)
        return;
    if (got->n == got->capacity) {
        got->capacity = TC_MAX((size_t)16, got->capacity * 2);
        struct unit_test_alert *more = ARENA_ARRAY(arena, struct unit_test_alert, got->capacity);
        if (got->n > 0)
            memcpy(more, got->items, got->n * sizeof *more);
        got->items = more;
    }
    got->items[got->n++] = (struct unit_test_alert){
        copy_labels(arena, alert->labels, alert->label_count), alert->label_count,
        copy_labels(arena, alert->annotations, alert->annotation_count), alert->annotation_count};
}

static void collect_alerts(struct got_alerts *got)
{
    struct rule_engine *engine = got->run->engine;
    for (size_t g = 0; g < rule_engine_group_count(engine); g++) {
        const struct rule_group *group = rule_engine_group(engine, g);
        for (size_t i = 0; i < group->rule_count; i++)
            if (group->rules[i].alerting && sv_eq(group->rules[i].name, got->alertname))
                rule_engine_alerts(engine, g, i, take_alert, got);
    }
}

static int by_alert(const void *a, const void *b)
{
    const struct unit_test_alert *x = a, *y = b;
    int c = compare_label_sets(x->labels, x->label_count, y->labels, y->label_count);
    return c != 0
               ? c
               : compare_label_sets(x->annotations, x->annotation_count, y->annotations, y->annotation_count);
}

static void print_alerts(struct buf *out, const struct unit_test_alert *alerts, size_t count)
{
    static const char indent[] = "            ";
    if (count == 0) {
        buf_str(out, "[]");
        return;
    }
    buf_str(out, "[");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s\n%s%zu:\n%s  Labels:", i > 0 ? "," : "", indent, i, indent);
        print_label_set(out, alerts[i].labels, alerts[i].label_count);
        buf_printf(out, "\n%s  Annotations:", indent);
        print_label_set(out, alerts[i].annotations, alerts[i].annotation_count);
    }
    buf_printf(out, "\n%s]", indent);
}

static void compare_alerts(struct test_run *run, const struct unit_test_alerts *expected)
{
    struct got_alerts got = {.run = run, .alertname = expected->alertname};
    collect_alerts(&got);
    if (got.n > 0)
        qsort(got.items, got.n, sizeof *got.items, by_alert);
    qsort(expected->expected, expected->expected_count, sizeof *expected->expected, by_alert);
    bool same = got.n == expected->expected_count;
    for (size_t i = 0; same && i < got.n; i++)
        same = by_alert(&got.items[i], &expected->expected[i]) == 0;
    if (same)
        return;
    if (run->test->named)
        buf_printf(run->why, "    name: %.*s,\n", SV_FMT(run->test->name));
    buf_printf(run->why, "    alertname: %.*s, time: ", SV_FMT(expected->alertname));
    prom_duration(run->why, expected->eval_time_ns);
    buf_str(run->why, ", \n        exp:");
    print_alerts(run->why, expected->expected, expected->expected_count);
    buf_str(run->why, ", \n        got:");
    print_alerts(run->why, got.items, got.n);
    buf_char(run->why, '\n');
}

void test_compare_alerts(struct test_run *run, int64_t from_ns, int64_t to_ns)
{
    for (size_t i = 0; i < run->test->alert_count; i++) {
        const struct unit_test_alerts *alerts = &run->test->alerts[i];
        if (alerts->eval_time_ns >= from_ns && alerts->eval_time_ns < to_ns)
            compare_alerts(run, alerts);
    }
}

/* --- expressions --- */

struct test_sample {
    const struct label *labels;
    size_t label_count;
    double value;
    struct sv histogram; /* as the test language writes it; empty: a float */
};

static int by_sample(const void *a, const void *b)
{
    const struct test_sample *x = a, *y = b;
    return compare_label_sets(x->labels, x->label_count, y->labels, y->label_count);
}

static struct sv histogram_text(struct arena *arena, const struct histogram *h)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    histogram_format_test(&text, histogram_compact(histogram_copy(arena, h)));
    struct sv kept = arena_sv(arena, buf_view(&text));
    buf_free(&text);
    return kept;
}

/* Series notation without values; *ret_histogram where `histogram` is not empty. */
static int read_expected(struct test_run *run, const struct unit_test_sample *from, struct test_sample *ret,
                         struct err *err)
{
    struct series_description d;
    struct labels_table table;
    *ret = (struct test_sample){.value = from->value};
    int rc = promql_parse_series(&run->parse, from->labels, &d, err);
    if (rc == 0 && d.value_count > 0)
        rc = err_set(err, TC_EINPUT, "labels only are expected here, without values");
    if (rc != 0)
        return rc;
    labels_table_init(&table);
    const struct labels *labels = labels_intern(&table, d.labels, d.label_count);
    ret->labels = copy_labels(&run->arena, labels->items, labels->count);
    ret->label_count = labels->count;
    labels_table_free(&table);
    if (from->histogram.n == 0)
        return 0;
    rc = promql_parse_series(&run->parse, arena_printf(&run->arena, "{} %.*s", SV_FMT(from->histogram)), &d,
                             err);
    if (rc == 0 && d.value_count != 1)
        rc = err_set(err, TC_EINPUT, "expected 1 value, got %zu", d.value_count);
    if (rc == 0 && d.values[0].histogram == NULL)
        rc = err_set(err, TC_EINPUT, "expected histogram, got a number");
    if (rc == 0)
        ret->histogram = histogram_text(&run->arena, d.values[0].histogram);
    return rc;
}

/* Fuzzy: neighbours count as equal, which takes out rounding. */
static bool same_value(bool fuzzy, double a, double b)
{
    return a == b || (fuzzy && (nextafter(a, -INFINITY) == b || nextafter(a, INFINITY) == b));
}

static bool same_samples(bool fuzzy, const struct test_sample *a, size_t an, const struct test_sample *b,
                         size_t bn)
{
    bool same = an == bn;
    for (size_t i = 0; same && i < an; i++)
        same = by_sample(&a[i], &b[i]) == 0 && same_value(fuzzy, a[i].value, b[i].value) &&
               sv_eq(a[i].histogram, b[i].histogram);
    return same;
}

static void print_samples(struct buf *out, const struct test_sample *samples, size_t count)
{
    if (count == 0)
        buf_str(out, "nil");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_str(out, ", ");
        print_label_set(out, samples[i].labels, samples[i].label_count);
        buf_char(out, ' ');
        if (samples[i].histogram.n > 0)
            buf_sv(out, samples[i].histogram);
        else
            go_format_float(out, samples[i].value, 'E', -1);
    }
}

static void print_query(struct test_run *run, const struct unit_test_query *query)
{
    buf_str(run->why, "    expr: ");
    go_quote(run->why, query->expr);
    buf_str(run->why, ", time: ");
    prom_duration(run->why, query->eval_time_ns);
}

static bool expected_samples(struct test_run *run, const struct unit_test_query *query,
                             struct test_sample *ret)
{
    for (size_t i = 0; i < query->expected_count; i++) {
        struct err err = {0};
        if (read_expected(run, &query->expected[i], &ret[i], &err) == 0)
            continue;
        print_query(run, query);
        buf_str(run->why, ", err: labels ");
        go_quote(run->why, query->expected[i].labels);
        buf_printf(run->why, ": %s\n", err.text);
        return false;
    }
    qsort(ret, query->expected_count, sizeof *ret, by_sample);
    return true;
}

static void compare_query(struct test_run *run, const struct unit_test_query *query)
{
    struct promql_result result = {0};
    struct promql_series *series;
    struct err err = {0};
    size_t count;
    if (rule_query(run->engine, query->expr, run->test->start_ns + query->eval_time_ns, &result, &series,
                   &count, &err) != 0) {
        print_query(run, query);
        buf_printf(run->why, ", err: %s\n", err.text);
        promql_result_free(&result);
        return;
    }
    struct test_sample *got = ARENA_ARRAY(&run->arena, struct test_sample, count + 1);
    struct test_sample *expected = ARENA_ARRAY(&run->arena, struct test_sample, query->expected_count + 1);
    for (size_t i = 0; i < count; i++) {
        bool is_histogram = series[i].h != NULL && series[i].h[0] != NULL;
        got[i] = (struct test_sample){.labels = series[i].labels->items,
                                      .label_count = series[i].labels->count,
                                      .value = is_histogram ? 0 : series[i].f[0]};
        if (is_histogram)
            got[i].histogram = histogram_text(&run->arena, series[i].h[0]);
    }
    qsort(got, count, sizeof *got, by_sample);
    if (expected_samples(run, query, expected) &&
        !same_samples(run->file->fuzzy_compare, expected, query->expected_count, got, count)) {
        print_query(run, query);
        buf_str(run->why, ",\n        exp: ");
        print_samples(run->why, expected, query->expected_count);
        buf_str(run->why, "\n        got: ");
        print_samples(run->why, got, count);
        buf_char(run->why, '\n');
    }
    promql_result_free(&result);
}

void test_compare_queries(struct test_run *run)
{
    for (size_t i = 0; i < run->test->query_count; i++)
        compare_query(run, &run->test->queries[i]);
}
