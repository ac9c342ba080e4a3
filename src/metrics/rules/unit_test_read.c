/*
 * The format of unit test files; see unit_test.h.
 */
#include "metrics/rules/unit_test.h"

#include "base/clk.h"
#include "base/go_text.h"
#include "base/map.h"
#include "metrics/rules/typed_yaml.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define MINUTE_NS (60LL * 1000000000)

/* --- as written --- */

struct file_fields {
    struct typed_list rule_files, group_eval_order, tests;
    struct typed_duration evaluation_interval;
    bool fuzzy_compare;
};
static const struct typed_field file_fields[] = {
    {"rule_files", TYPED_LIST, offsetof(struct file_fields, rule_files)},
    {"evaluation_interval", TYPED_DURATION, offsetof(struct file_fields, evaluation_interval)},
    {"group_eval_order", TYPED_LIST, offsetof(struct file_fields, group_eval_order)},
    {"tests", TYPED_LIST, offsetof(struct file_fields, tests)},
    {"fuzzy_compare", TYPED_BOOL, offsetof(struct file_fields, fuzzy_compare)},
    {0},
};

struct test_fields {
    struct typed_duration interval;
    struct typed_list input_series, alert_rule_test, promql_expr_test;
    struct typed_labels external_labels;
    struct typed_text external_url, name, start_timestamp;
};
static const struct typed_field test_fields[] = {
    {"interval", TYPED_DURATION, offsetof(struct test_fields, interval)},
    {"input_series", TYPED_LIST, offsetof(struct test_fields, input_series)},
    {"alert_rule_test", TYPED_LIST, offsetof(struct test_fields, alert_rule_test)},
    {"promql_expr_test", TYPED_LIST, offsetof(struct test_fields, promql_expr_test)},
    {"external_labels", TYPED_LABELS, offsetof(struct test_fields, external_labels)},
    {"external_url", TYPED_TEXT, offsetof(struct test_fields, external_url)},
    {"name", TYPED_TEXT, offsetof(struct test_fields, name)},
    {"start_timestamp", TYPED_TEXT, offsetof(struct test_fields, start_timestamp)},
    {0},
};

struct series_fields {
    struct typed_text series, values;
};
static const struct typed_field series_fields[] = {
    {"series", TYPED_TEXT, offsetof(struct series_fields, series)},
    {"values", TYPED_TEXT, offsetof(struct series_fields, values)},
    {0},
};

struct alerts_fields {
    struct typed_duration eval_time;
    struct typed_text alertname;
    struct typed_list exp_alerts;
};
static const struct typed_field alerts_fields[] = {
    {"eval_time", TYPED_DURATION, offsetof(struct alerts_fields, eval_time)},
    {"alertname", TYPED_TEXT, offsetof(struct alerts_fields, alertname)},
    {"exp_alerts", TYPED_LIST, offsetof(struct alerts_fields, exp_alerts)},
    {0},
};

struct alert_fields {
    struct typed_labels exp_labels, exp_annotations;
};
static const struct typed_field alert_fields[] = {
    {"exp_labels", TYPED_LABELS, offsetof(struct alert_fields, exp_labels)},
    {"exp_annotations", TYPED_LABELS, offsetof(struct alert_fields, exp_annotations)},
    {0},
};

struct query_fields {
    struct typed_text expr;
    struct typed_duration eval_time;
    struct typed_list exp_samples;
};
static const struct typed_field query_fields[] = {
    {"expr", TYPED_TEXT, offsetof(struct query_fields, expr)},
    {"eval_time", TYPED_DURATION, offsetof(struct query_fields, eval_time)},
    {"exp_samples", TYPED_LIST, offsetof(struct query_fields, exp_samples)},
    {0},
};

struct sample_fields {
    struct typed_text labels, histogram;
    double value;
};
static const struct typed_field sample_fields[] = {
    {"labels", TYPED_TEXT, offsetof(struct sample_fields, labels)},
    {"value", TYPED_FLOAT, offsetof(struct sample_fields, value)},
    {"histogram", TYPED_TEXT, offsetof(struct sample_fields, histogram)},
    {0},
};

/* --- reading --- */

struct reading {
    struct typed_yaml yaml;
    struct unit_test_file *file;
};

static struct sv *read_texts(struct reading *r, const struct typed_list *list, const char *name)
{
    struct sv *texts = ARENA_ARRAY(r->yaml.arena, struct sv, list->n + 1), *at = texts;
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        struct typed_text text = {0};
        typed_text_of(&r->yaml, n, name, &text);
        *at++ = text.text;
    }
    return texts;
}

static void read_series(struct reading *r, const struct typed_list *list, struct unit_test *test)
{
    test->series = ARENA_ARRAY(r->yaml.arena, struct unit_test_series, list->n + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        struct series_fields fields = {0};
        typed_map(&r->yaml, n, series_fields, "an input series", &fields);
        test->series[test->series_count++] =
            (struct unit_test_series){fields.series.text, fields.values.text};
    }
}

static void read_alert(struct reading *r, const struct yaml_node *node, struct sv alertname,
                       struct unit_test_alert *ret)
{
    struct alert_fields fields = {0};
    typed_map(&r->yaml, node, alert_fields, "an expected alert", &fields);
    /* alertname is added by the evaluation, so people do not write it */
    struct label *labels = ARENA_ARRAY(r->yaml.arena, struct label, fields.exp_labels.n + 1);
    bool placed = false;
    size_t n = 0;
    for (size_t i = 0; i < fields.exp_labels.n; i++) {
        const struct label *label = &fields.exp_labels.items[i];
        int order = sv_cmp(label->name, SV("alertname"));
        if (order >= 0 && !placed)
            labels[n++] = (struct label){SV("alertname"), alertname};
        placed |= order >= 0;
        if (order != 0)
            labels[n++] = *label;
    }
    if (!placed)
        labels[n++] = (struct label){SV("alertname"), alertname};
    *ret = (struct unit_test_alert){labels, n, fields.exp_annotations.items, fields.exp_annotations.n};
}

static void read_alerts(struct reading *r, const struct typed_list *list, struct unit_test *test)
{
    test->alerts = ARENA_ARRAY(r->yaml.arena, struct unit_test_alerts, list->n + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        struct alerts_fields fields = {0};
        typed_map(&r->yaml, n, alerts_fields, "an item of alert_rule_test", &fields);
        struct unit_test_alerts *alerts = &test->alerts[test->alert_count++];
        *alerts = (struct unit_test_alerts){
            .eval_time_ns = fields.eval_time.ns,
            .alertname = fields.alertname.text,
            .expected = ARENA_ARRAY(r->yaml.arena, struct unit_test_alert, fields.exp_alerts.n + 1)};
        for (const struct yaml_node *e = fields.exp_alerts.first; e != NULL; e = e->next)
            read_alert(r, e, fields.alertname.text, &alerts->expected[alerts->expected_count++]);
    }
}

static void read_queries(struct reading *r, const struct typed_list *list, struct unit_test *test)
{
    test->queries = ARENA_ARRAY(r->yaml.arena, struct unit_test_query, list->n + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        struct query_fields fields = {0};
        typed_map(&r->yaml, n, query_fields, "an item of promql_expr_test", &fields);
        struct unit_test_query *query = &test->queries[test->query_count++];
        *query = (struct unit_test_query){
            .expr = fields.expr.text,
            .eval_time_ns = fields.eval_time.ns,
            .expected = ARENA_ARRAY(r->yaml.arena, struct unit_test_sample, fields.exp_samples.n + 1)};
        for (const struct yaml_node *e = fields.exp_samples.first; e != NULL; e = e->next) {
            struct sample_fields sample = {0};
            typed_map(&r->yaml, e, sample_fields, "an expected sample", &sample);
            query->expected[query->expected_count++] =
                (struct unit_test_sample){sample.labels.text, sample.value, sample.histogram.text};
        }
    }
}

/* Seconds since the epoch with a fraction, or RFC 3339. */
static void read_start(struct reading *r, const struct typed_text *text, int64_t *ret_ns)
{
    double seconds;
    if (text->line == 0 || clk_parse_rfc3339(text->text, 0, ret_ns))
        return;
    if (go_parse_float(text->text, &seconds) && fabs(seconds) < (double)INT64_MAX / 1e9) {
        double whole = trunc(seconds);
        *ret_ns = (int64_t)whole * 1000000000 + (int64_t)((seconds - whole) * 1e9);
        return;
    }
    rule_problem_add(r->yaml.problems, false, text->line, text->column,
                     "start_timestamp: cannot parse \"%.*s\" to a valid timestamp",
                     SV_FMT(sv_head(text->text, 100)));
}

static void read_test(struct reading *r, const struct yaml_node *node, struct unit_test *ret)
{
    struct test_fields fields = {0};
    typed_map(&r->yaml, node, test_fields, "a test", &fields);
    *ret = (struct unit_test){.name = fields.name.text,
                              .named = fields.name.text.n > 0,
                              .line = node->line,
                              .interval_ns = fields.interval.ns,
                              .external_labels = fields.external_labels.items,
                              .external_label_count = fields.external_labels.n,
                              .external_url = fields.external_url.text};
    if (ret->interval_ns == 0)
        ret->interval_ns = r->file->evaluation_interval_ns;
    if (!ret->named)
        ret->name = arena_printf(r->yaml.arena, "unnamed#%zu", (size_t)(ret - r->file->tests));
    read_start(r, &fields.start_timestamp, &ret->start_ns);
    read_series(r, &fields.input_series, ret);
    read_alerts(r, &fields.alert_rule_test, ret);
    read_queries(r, &fields.promql_expr_test, ret);
}

static void check_order(struct reading *r, const struct typed_list *list)
{
    struct map names;
    const struct yaml_node *node = list->first;
    map_init(&names, list->n + 1);
    for (size_t i = 0; i < list->n; i++, node = node->next) {
        bool fresh = true;
        map_put(&names, r->file->group_eval_order[i], &fresh);
        if (!fresh)
            rule_problem_add(r->yaml.problems, false, node->line, node->column,
                             "group name repeated in evaluation order: %.*s",
                             SV_FMT(sv_head(r->file->group_eval_order[i], 200)));
    }
    map_free(&names);
}

static void read_root(struct reading *r, const struct yaml_node *root)
{
    struct unit_test_file *file = r->file;
    struct file_fields fields = {0};
    typed_map(&r->yaml, root, file_fields, "a unit test file", &fields);
    file->rule_files = read_texts(r, &fields.rule_files, "rule_files");
    file->rule_file_count = fields.rule_files.n;
    file->group_eval_order = read_texts(r, &fields.group_eval_order, "group_eval_order");
    file->group_order_count = fields.group_eval_order.n;
    file->fuzzy_compare = fields.fuzzy_compare;
    if (fields.evaluation_interval.ns > 0)
        file->evaluation_interval_ns = fields.evaluation_interval.ns;
    check_order(r, &fields.group_eval_order);
    file->tests = ARENA_ARRAY(r->yaml.arena, struct unit_test, fields.tests.n + 1);
    for (const struct yaml_node *n = fields.tests.first; n != NULL; n = n->next)
        read_test(r, n, &file->tests[file->test_count++]);
}

int unit_test_file_read(struct sv bytes, struct unit_test_file *ret)
{
    struct yaml_node *root = NULL;
    *ret = (struct unit_test_file){.evaluation_interval_ns = MINUTE_NS};
    ret->problems.arena = &ret->arena;
    struct reading r = {.yaml = {.arena = &ret->arena, .problems = &ret->problems}, .file = ret};
    if (typed_parse(&r.yaml, bytes, &root) && root != NULL)
        read_root(&r, root);
    return ret->problems.errors > 0 ? TC_EINPUT : 0;
}

void unit_test_file_free(struct unit_test_file *file)
{
    arena_free(&file->arena);
    *file = (struct unit_test_file){0};
}
