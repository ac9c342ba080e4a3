/*
 * The meaning of a rule file: names, fields that go together, expressions and templates that parse. The order
 * and words of the errors are Prometheus'.
 */
#include "metrics/rules/rule_check.h"

#include "base/go_text.h"
#include "base/map.h"
#include "base/utf8.h"
#include "metrics/promql/parser.h"
#include "template/prometheus.h"

#include <stdarg.h>
#include <stdio.h>

enum { GROUPS_MAX = 1000000, NAME_TEXT_MAX = 1 << 16 };

/* The rule that is being checked, for the words before each error. */
struct checking {
    struct rule_problems *problems;
    unsigned refused;
    const struct group_fields *group;
    size_t number; /* of the rule in its group, from 1 */
    const struct rule_fields *rule;
};

static void rule_error(const struct checking *c, const struct typed_text *at, const char *format, ...)
    TC_PRINTF(3, 4);
static void rule_error(const struct checking *c, const struct typed_text *at, const char *format, ...)
{
    struct buf who, what;
    va_list list;
    const struct rule_fields *rule = c->rule;
    bool placed = at != NULL && at->line > 0;
    buf_init(&who, NAME_TEXT_MAX);
    buf_str(&who, "group ");
    go_quote(&who, c->group->name.text);
    buf_printf(&who, ", rule %zu, ", c->number);
    go_quote(&who, rule->alert.text.n > 0 ? rule->alert.text : rule->record.text);
    buf_init(&what, NAME_TEXT_MAX);
    char *text = buf_reserve(&what, TC_ERR_TEXT_MAX + 256);
    va_start(list, format);
    vsnprintf(text, TC_ERR_TEXT_MAX + 256, format, list);
    va_end(list);
    rule_problem_add(c->problems, false, placed ? at->line : rule->line, placed ? at->column : rule->column,
                     "%.*s: %s", SV_FMT(buf_view(&who)), text);
    buf_free(&who);
    buf_free(&what);
}

static bool is_utf8(struct sv text)
{
    return utf8_valid(text) == text.n;
}

static bool label_name_fits(struct sv name)
{
    return label_name_is_valid(name) && !sv_eq(name, METRIC_NAME);
}

static void check_kind(const struct checking *c)
{
    const struct rule_fields *rule = c->rule;
    if (rule->record.text.n > 0 && rule->alert.text.n > 0)
        rule_error(c, &rule->record, "only one of 'record' and 'alert' must be set");
    if (rule->record.text.n == 0 && rule->alert.text.n == 0)
        rule_error(c, NULL, "one of 'record' or 'alert' must be set");
}

static void check_expr(const struct checking *c)
{
    const struct rule_fields *rule = c->rule;
    struct promql_parse parse = {.refused = c->refused};
    struct err err = {0};
    if (rule->expr.text.n == 0)
        rule_error(c, &rule->expr, "field 'expr' must be set in rule");
    else if (promql_parse(&parse, rule->expr.text, &err) != 0)
        rule_error(c, &rule->expr, "could not parse expression: %s", err.text);
    promql_parse_free(&parse);
}

static void check_recording(const struct checking *c)
{
    const struct rule_fields *rule = c->rule;
    struct sv name = rule->record.text;
    if (name.n == 0)
        return;
    if (rule->annotations.n > 0)
        rule_error(c, &rule->record, "invalid field 'annotations' in recording rule");
    if (rule->hold.ns != 0)
        rule_error(c, &rule->record, "invalid field 'for' in recording rule");
    if (rule->keep_firing_for.ns != 0)
        rule_error(c, &rule->record, "invalid field 'keep_firing_for' in recording rule");
    if (!is_utf8(name))
        rule_error(c, &rule->record, "invalid recording rule name: %.*s", SV_FMT(sv_head(name, 200)));
    if (sv_find_char(name, '{') < name.n || sv_find_char(name, '}') < name.n)
        rule_error(c, &rule->record, "braces present in the recording rule name; should it be in expr?: %.*s",
                   SV_FMT(sv_head(name, 200)));
}

static void check_names(const struct checking *c)
{
    const struct rule_fields *rule = c->rule;
    for (size_t i = 0; i < rule->labels.n; i++) {
        const struct label *label = &rule->labels.items[i];
        if (!label_name_fits(label->name))
            rule_error(c, NULL, "invalid label name: %.*s", SV_FMT(sv_head(label->name, 200)));
        if (!is_utf8(label->value))
            rule_error(c, NULL, "invalid label value: %.*s", SV_FMT(sv_head(label->value, 200)));
    }
    for (size_t i = 0; i < rule->annotations.n; i++)
        if (!label_name_is_valid(rule->annotations.items[i].name))
            rule_error(c, NULL, "invalid annotation name: %.*s",
                       SV_FMT(sv_head(rule->annotations.items[i].name, 200)));
}

static void check_templates(const struct checking *c, const struct typed_labels *texts, const char *what)
{
    for (size_t i = 0; i < texts->n; i++) {
        struct err err = {0};
        struct buf name, key;
        buf_init(&name, NAME_TEXT_MAX);
        buf_init(&key, NAME_TEXT_MAX);
        buf_printf(&name, "__alert_%.*s", SV_FMT(c->rule->alert.text));
        go_quote(&key, texts->items[i].name);
        if (template_prometheus_check(buf_view(&name), texts->items[i].value, &err) != 0)
            rule_error(c, NULL, "%s %.*s: %s", what, SV_FMT(sv_head(buf_view(&key), 200)), err.text);
        buf_free(&name);
        buf_free(&key);
    }
}

static void check_rule(const struct checking *c)
{
    check_kind(c);
    check_expr(c);
    check_recording(c);
    check_names(c);
    if (c->rule->alert.text.n == 0)
        return;
    check_templates(c, &c->rule->labels, "label");
    check_templates(c, &c->rule->annotations, "annotation");
}

static void check_group(struct rule_problems *problems, unsigned refused, const struct group_fields *group,
                        struct map *names)
{
    bool fresh = true;
    if (group->name.text.n == 0)
        rule_problem_add(problems, false, group->line, group->column, "Groupname must not be empty");
    map_put(names, group->name.text, &fresh);
    if (!fresh)
        rule_problem_add(problems, false, group->line, group->column,
                         "groupname: \"%.*s\" is repeated in the same file",
                         SV_FMT(sv_head(group->name.text, 200)));
    for (size_t i = 0; i < group->labels.n; i++) {
        const struct label *label = &group->labels.items[i];
        if (!label_name_fits(label->name))
            rule_problem_add(problems, false, group->line, group->column, "invalid label name: %.*s",
                             SV_FMT(sv_head(label->name, 200)));
        if (!is_utf8(label->value))
            rule_problem_add(problems, false, group->line, group->column, "invalid label value: %.*s",
                             SV_FMT(sv_head(label->value, 200)));
    }
    for (size_t i = 0; i < group->read_count; i++)
        check_rule(&(struct checking){problems, refused, group, i + 1, &group->read[i]});
}

void rule_check_groups(struct rule_problems *problems, unsigned refused, const struct group_fields *groups,
                       size_t count)
{
    struct map names;
    map_init(&names, GROUPS_MAX);
    for (size_t i = 0; i < count; i++)
        check_group(problems, refused, &groups[i], &names);
    map_free(&names);
}
