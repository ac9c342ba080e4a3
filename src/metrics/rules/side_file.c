/*
 * Reading the side file; see side_file.h. Where `data` is not given, it is the rule's expression without its
 * comparison.
 */
#include "metrics/rules/side_file.h"

#include "event/severity.h"
#include "metrics/promql/parser.h"
#include "metrics/rules/typed_yaml.h"

#include <stddef.h>

enum { EXPR_TEXT_MAX = 1 << 20 };

struct file_fields {
    struct typed_list alerts;
};
static const struct typed_field file_fields[] = {{"alerts", TYPED_LIST, offsetof(struct file_fields, alerts)},
                                                 {0}};

struct datapoints_fields {
    int64_t at_least, of;
};
static const struct typed_field datapoints_fields[] = {
    {"at_least", TYPED_INTEGER, offsetof(struct datapoints_fields, at_least)},
    {"of", TYPED_INTEGER, offsetof(struct datapoints_fields, of)},
    {0},
};

struct alert_fields {
    struct typed_text alert, group, no_data, data, recover;
    struct typed_node datapoints;
    struct typed_list severity;
};
static const struct typed_field alert_fields[] = {
    {"alert", TYPED_TEXT, offsetof(struct alert_fields, alert)},
    {"group", TYPED_TEXT, offsetof(struct alert_fields, group)},
    {"no_data", TYPED_TEXT, offsetof(struct alert_fields, no_data)},
    {"data", TYPED_TEXT, offsetof(struct alert_fields, data)},
    {"recover", TYPED_TEXT, offsetof(struct alert_fields, recover)},
    {"datapoints", TYPED_NODE, offsetof(struct alert_fields, datapoints)},
    {"severity", TYPED_LIST, offsetof(struct alert_fields, severity)},
    {0},
};

struct severity_fields {
    struct typed_text is, when;
};
static const struct typed_field severity_fields[] = {
    {"is", TYPED_TEXT, offsetof(struct severity_fields, is)},
    {"when", TYPED_TEXT, offsetof(struct severity_fields, when)},
    {0},
};

struct reading {
    struct typed_yaml yaml;
    struct rule_file *file;
    struct side_file *side;
    bool apply; /* the second pass, when all is good */
};

static void problem(struct reading *r, const struct yaml_node *node, const struct typed_text *at,
                    const char *text, struct sv about)
{
    bool placed = at != NULL && at->line > 0;
    rule_problem_add(r->yaml.problems, false, placed ? at->line : node->line,
                     placed ? at->column : node->column, "%s%.*s", text, SV_FMT(sv_head(about, 400)));
}

static void check_expr(struct reading *r, const struct yaml_node *node, const struct typed_text *expr,
                       const char *name)
{
    struct promql_parse parse = {.refused = r->file->refused};
    struct err err = {0};
    if (expr->text.n > 0 && promql_parse(&parse, expr->text, &err) != 0)
        problem(r, node, expr, name, sv_of(err.text));
    promql_parse_free(&parse);
}

static struct expr *bare(struct expr *e)
{
    while (e->kind == EXPR_PAREN)
        e = e->left;
    return e;
}

/* The side of a comparison with a number that has the data; empty where there is none. */
static struct sv data_of(struct arena *arena, struct sv expression)
{
    struct promql_parse parse = {0};
    struct sv data = SV("");
    if (promql_parse(&parse, expression, NULL) == 0) {
        struct expr *e = bare(parse.expr), *side = NULL;
        if (e->kind == EXPR_BINARY && token_is_comparison(e->op)) {
            if (expr_type(e->left) == VALUE_VECTOR && expr_type(e->right) == VALUE_SCALAR)
                side = e->left;
            else if (expr_type(e->right) == VALUE_VECTOR && expr_type(e->left) == VALUE_SCALAR)
                side = e->right;
        }
        if (side != NULL) {
            struct buf text;
            buf_init(&text, EXPR_TEXT_MAX);
            promql_print(&text, side);
            data = arena_sv(arena, buf_view(&text));
            buf_free(&text);
        }
    }
    promql_parse_free(&parse);
    return data;
}

static void read_datapoints(struct reading *r, const struct yaml_node *node, struct rule_extra *extra)
{
    struct datapoints_fields fields = {0};
    typed_map(&r->yaml, node, datapoints_fields, "datapoints", &fields);
    if (fields.of < 1 || fields.of > RULE_DATAPOINTS_MAX || fields.at_least < 1 ||
        fields.at_least > fields.of)
        rule_problem_add(r->yaml.problems, false, node->line, node->column,
                         "datapoints: {at_least: M, of: N} with 1 <= M <= N <= %d is expected here",
                         RULE_DATAPOINTS_MAX);
    extra->at_least = (unsigned)fields.at_least;
    extra->of = (unsigned)fields.of;
}

static void read_severity(struct reading *r, const struct alert_fields *fields, struct rule_extra *extra)
{
    struct rule_severity *severities =
        ARENA_ARRAY(r->yaml.arena, struct rule_severity, fields->severity.n + 1);
    extra->severities = severities;
    for (const struct yaml_node *n = fields->severity.first; n != NULL; n = n->next) {
        struct severity_fields one = {0};
        typed_map(&r->yaml, n, severity_fields, "a severity", &one);
        if (severity_of(one.is.text) == SEVERITY_NONE || one.is.text.n == 0)
            problem(r, n, &one.is, "is: a severity is expected here, such as critical or P2, not ",
                    one.is.text);
        if (one.when.text.n == 0)
            problem(r, n, NULL, "when: an expression is expected here", SV(""));
        check_expr(r, n, &one.when, "when: ");
        severities[extra->severity_count++] = (struct rule_severity){one.is.text, one.when.text};
    }
}

static void read_no_data(struct reading *r, const struct yaml_node *node, const struct alert_fields *fields,
                         struct rule_extra *extra)
{
    static const char *const modes[] = {"ok", "keep", "alert"};
    if (fields->no_data.text.n == 0)
        return;
    for (size_t i = 0; i < TC_ARRAY_LEN(modes); i++)
        if (sv_is(fields->no_data.text, modes[i])) {
            extra->no_data = (enum rule_no_data)i;
            return;
        }
    problem(r, node, &fields->no_data, "no_data: ok, keep or alert is expected here, not ",
            fields->no_data.text);
}

static void hang(struct reading *r, const struct yaml_node *node, const struct alert_fields *fields,
                 const struct rule_extra *extra)
{
    size_t found = 0;
    for (size_t g = 0; g < r->file->group_count; g++) {
        struct rule_group *group = &r->file->groups[g];
        if (fields->group.text.n > 0 && !sv_eq(fields->group.text, group->name))
            continue;
        for (size_t i = 0; i < group->rule_count; i++) {
            struct rule *rule = &group->rules[i];
            if (!rule->alerting || !sv_eq(rule->name, fields->alert.text))
                continue;
            found++;
            struct rule_extra *own = ARENA_NEW(r->yaml.arena, struct rule_extra);
            *own = *extra;
            if (own->data.n == 0)
                own->data = data_of(r->yaml.arena, rule->expr);
            if (own->data.n == 0 && (own->no_data != RULE_NO_DATA_OK || own->of > 0))
                problem(
                    r, node, &fields->no_data,
                    "data: the expression is not a comparison with a number, so it has to be said what the "
                    "data is, for the alert ",
                    fields->alert.text);
            if (r->apply)
                rule->extra = own;
        }
    }
    if (found == 0)
        problem(r, node, &fields->alert, "no alerting rule has this name: ", fields->alert.text);
}

static void read_alert(struct reading *r, const struct yaml_node *node)
{
    struct alert_fields fields = {0};
    struct rule_extra extra = {0};
    typed_map(&r->yaml, node, alert_fields, "an alert", &fields);
    if (fields.alert.text.n == 0)
        problem(r, node, NULL, "alert: the name of an alerting rule is expected here", SV(""));
    check_expr(r, node, &fields.data, "data: ");
    check_expr(r, node, &fields.recover, "recover: ");
    extra.data = fields.data.text;
    extra.recover = fields.recover.text;
    read_no_data(r, node, &fields, &extra);
    if (fields.datapoints.node != NULL)
        read_datapoints(r, fields.datapoints.node, &extra);
    read_severity(r, &fields, &extra);
    if (fields.alert.text.n > 0)
        hang(r, node, &fields, &extra);
}

static void read_pass(struct reading *r, const struct yaml_node *root)
{
    struct file_fields fields = {0};
    typed_map(&r->yaml, root, file_fields, "a side file", &fields);
    r->side->alerts = fields.alerts.n;
    for (const struct yaml_node *n = fields.alerts.first; n != NULL; n = n->next)
        read_alert(r, n);
}

int side_file_apply(struct sv bytes, struct rule_file *file, struct side_file *ret)
{
    struct yaml_node *root = NULL;
    *ret = (struct side_file){0};
    ret->problems.arena = &ret->arena;
    struct reading r = {
        .yaml = {.arena = &ret->arena, .problems = &ret->problems}, .file = file, .side = ret};
    if (!typed_parse(&r.yaml, bytes, &root))
        return TC_EINPUT;
    for (int pass = 0; root != NULL && pass < 2 && ret->problems.errors == 0; pass++) {
        r.apply = pass == 1;
        read_pass(&r, root);
    }
    return ret->problems.errors > 0 ? TC_EINPUT : 0;
}

void side_file_free(struct side_file *side)
{
    arena_free(&side->arena);
    *side = (struct side_file){0};
}
