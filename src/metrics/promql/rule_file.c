/*
 * Rule files; see rule_file.h.
 */
#include "metrics/promql/rule_file.h"

#include "base/go_text.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "metrics/prom_duration.h"
#include "metrics/promql/parser.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const file_keys[] = {"groups", NULL};
static const char *const group_keys[] = {"name",   "interval", "query_offset", "limit", "rules",
                                         "labels", NULL};
static const char *const rule_keys[] = {"record",          "alert",  "expr",        "for",
                                        "keep_firing_for", "labels", "annotations", NULL};

struct check {
    struct rule_file_report *report;
    const char *file;
    struct err *err;
    struct arena *arena;
    struct sv group, rule; /* under way */
    size_t number;         /* of the rule in its group; 0: between rules */
};

/* An error of the rule under way, at up to two places. */
static void complain(struct check *c, const struct yaml_node *at, const struct yaml_node *other,
                     const char *format, ...) TC_PRINTF(4, 5);

static void put_place(struct buf *out, const struct yaml_node *at)
{
    buf_printf(out, "%u:%u: ", at != NULL ? at->line : 0, at != NULL ? at->column : 0);
}

static void complain(struct check *c, const struct yaml_node *at, const struct yaml_node *other,
                     const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    struct buf out;
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    buf_init(&out, 1 << 16);
    if (at != NULL || other != NULL)
        put_place(&out, at);
    if (other != NULL)
        put_place(&out, other);
    if (c->number > 0) {
        buf_str(&out, "group ");
        go_quote(&out, c->group);
        buf_printf(&out, ", rule %zu, ", c->number);
        go_quote(&out, c->rule);
        buf_str(&out, ": ");
    }
    buf_str(&out, text);
    struct sv whole = arena_sv(c->arena, buf_view(&out));
    buf_free(&out);
    c->report->errors++;
    if (c->report->on_error != NULL)
        c->report->on_error(c->report->context, whole.p);
}

static struct sv text_of(const struct yaml_node *node)
{
    return node == NULL || yaml_is_null(node) ? SV("") : node->text;
}

/* --- shape --- */

static int wrong_shape(struct check *c, const struct yaml_node *at, const char *what)
{
    return err_at(c->err, TC_EINPUT, c->file, at->line, at->column, "%s", what);
}

static int check_keys(struct check *c, const struct yaml_node *map, const char *const known[])
{
    return c->report->ignore_unknown_fields ? 0 : yaml_check_keys(map, c->file, known, c->err);
}

static int check_duration(struct check *c, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    struct err inner = {0};
    int64_t ns;
    if (node == NULL || yaml_is_null(node))
        return 0;
    if (node->type != YAML_SCALAR)
        return wrong_shape(c, node, "a duration is expected here");
    return prom_parse_duration(node->text, &ns, &inner) == 0 ? 0 : wrong_shape(c, node, inner.text);
}

/* A map of scalars, or nothing. */
static int check_texts(struct check *c, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    if (node == NULL || yaml_is_null(node))
        return 0;
    if (node->type != YAML_MAP)
        return wrong_shape(c, node, "a map of texts is expected here");
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
        if (n->type != YAML_SCALAR)
            return wrong_shape(c, n, "a text is expected here");
    return 0;
}

static int check_scalars(struct check *c, const struct yaml_node *map, const char *const keys[])
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        const struct yaml_node *node = yaml_get(map, keys[i]);
        if (node != NULL && node->type != YAML_SCALAR)
            return wrong_shape(c, node, "a text is expected here");
    }
    return 0;
}

/* --- meaning --- */

static void check_names(struct check *c, const struct yaml_node *rule, const char *key)
{
    const struct yaml_node *map = yaml_get(rule, key);
    bool labels = strcmp(key, "labels") == 0;
    for (const struct yaml_node *n = map != NULL && map->type == YAML_MAP ? map->first : NULL; n != NULL;
         n = n->next) {
        if (!label_name_is_valid(n->key) || (labels && sv_eq(n->key, METRIC_NAME)))
            complain(c, NULL, NULL, "invalid %s name: %.*s", labels ? "label" : "annotation", SV_FMT(n->key));
        if (labels && utf8_valid(n->text) != n->text.n)
            complain(c, NULL, NULL, "invalid label value: %.*s", SV_FMT(n->text));
    }
}

static bool has_duration(const struct yaml_node *rule, const char *key)
{
    int64_t ns = 0;
    return prom_parse_duration(text_of(yaml_get(rule, key)), &ns, NULL) == 0 && ns != 0;
}

static void check_record(struct check *c, const struct yaml_node *rule, const struct yaml_node *record)
{
    static const char *const durations[] = {"for", "keep_firing_for"};
    const struct yaml_node *annotations = yaml_get(rule, "annotations");
    struct sv name = text_of(record);
    if (annotations != NULL && annotations->count > 0)
        complain(c, record, NULL, "invalid field 'annotations' in recording rule");
    for (size_t i = 0; i < TC_ARRAY_LEN(durations); i++)
        if (has_duration(rule, durations[i]))
            complain(c, record, NULL, "invalid field '%s' in recording rule", durations[i]);
    if (!label_name_is_valid(name))
        complain(c, record, NULL, "invalid recording rule name: %.*s", SV_FMT(name));
    if (sv_find_char(name, '{') < name.n || sv_find_char(name, '}') < name.n)
        complain(c, record, NULL, "braces present in the recording rule name; should it be in expr?: %.*s",
                 SV_FMT(name));
}

static void check_expr(struct check *c, const struct yaml_node *expr)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    if (text_of(expr).n == 0)
        complain(c, expr != NULL ? expr : &(struct yaml_node){0}, NULL, "field 'expr' must be set in rule");
    else if (promql_parse(&parse, expr->text, &err) != 0)
        complain(c, expr, NULL, "could not parse expression: %s", err.text);
    promql_parse_free(&parse);
}

static int check_rule(struct check *c, const struct yaml_node *rule)
{
    static const char *const scalars[] = {"record", "alert", "expr", NULL};
    const struct yaml_node none = {0};
    if (rule->type != YAML_MAP)
        return wrong_shape(c, rule, "a rule is a map with `record` or `alert`, and `expr`");
    int rc = check_keys(c, rule, rule_keys);
    if (rc == 0)
        rc = check_scalars(c, rule, scalars);
    if (rc == 0)
        rc = check_duration(c, rule, "for");
    if (rc == 0)
        rc = check_duration(c, rule, "keep_firing_for");
    if (rc == 0)
        rc = check_texts(c, rule, "labels");
    if (rc == 0)
        rc = check_texts(c, rule, "annotations");
    if (rc != 0)
        return rc;
    const struct yaml_node *record = yaml_get(rule, "record"), *alert = yaml_get(rule, "alert");
    bool records = text_of(record).n > 0, alerts = text_of(alert).n > 0;
    c->rule = alerts ? alert->text : text_of(record);
    c->report->rules++;
    if (records == alerts)
        complain(c, record != NULL ? record : &none, alert != NULL ? alert : &none,
                 records ? "only one of 'record' and 'alert' must be set"
                         : "one of 'record' or 'alert' must be set");
    check_expr(c, yaml_get(rule, "expr"));
    if (records)
        check_record(c, rule, record);
    check_names(c, rule, "labels");
    check_names(c, rule, "annotations");
    return 0;
}

static int check_group_shape(struct check *c, const struct yaml_node *group)
{
    static const char *const scalars[] = {"name", "limit", NULL};
    const struct yaml_node *rules = yaml_get(group, "rules"), *limit = yaml_get(group, "limit");
    int64_t n;
    if (group->type != YAML_MAP)
        return wrong_shape(c, group, "a group is a map with `name` and `rules`");
    int rc = check_keys(c, group, group_keys);
    if (rc == 0)
        rc = check_scalars(c, group, scalars);
    if (rc == 0)
        rc = check_duration(c, group, "interval");
    if (rc == 0)
        rc = check_duration(c, group, "query_offset");
    if (rc == 0)
        rc = check_texts(c, group, "labels");
    if (rc == 0 && limit != NULL && !num_i64(limit->text, &n))
        rc = wrong_shape(c, limit, "limit: a whole number is expected here");
    if (rc == 0 && rules != NULL && !yaml_is_null(rules) && rules->type != YAML_LIST)
        rc = wrong_shape(c, rules, "rules: a list is expected here");
    return rc;
}

static int check_group(struct check *c, const struct yaml_node *groups, const struct yaml_node *group)
{
    int rc = check_group_shape(c, group);
    if (rc != 0)
        return rc;
    const struct yaml_node *rules = yaml_get(group, "rules");
    c->group = text_of(yaml_get(group, "name"));
    c->number = 0;
    c->report->groups++;
    if (c->group.n == 0)
        complain(c, group, NULL, "Groupname must not be empty");
    for (const struct yaml_node *g = groups->first; g != group; g = g->next)
        if (sv_eq(text_of(yaml_get(g, "name")), c->group)) {
            complain(c, group, NULL, "groupname: \"%.*s\" is repeated in the same file", SV_FMT(c->group));
            break;
        }
    check_names(c, group, "labels");
    for (const struct yaml_node *r = rules != NULL && rules->type == YAML_LIST ? rules->first : NULL;
         rc == 0 && r != NULL; r = r->next) {
        c->number++;
        rc = check_rule(c, r);
    }
    return rc;
}

int rule_file_check(struct sv text, const char *file, struct rule_file_report *report, struct err *err)
{
    struct arena arena = {0};
    struct yaml_doc *docs = NULL;
    struct check c = {.report = report, .file = file, .err = err, .arena = &arena};
    int rc = yaml_parse(&arena, file, text, &docs, err);
    const struct yaml_node *root = rc == 0 && docs != NULL ? docs->root : NULL;
    if (root != NULL && root->type != YAML_MAP && !yaml_is_null(root))
        rc = wrong_shape(&c, root, "a rule file is a map with `groups`");
    if (rc == 0 && root != NULL && root->type == YAML_MAP) {
        const struct yaml_node *groups = yaml_get(root, "groups");
        rc = check_keys(&c, root, file_keys);
        if (rc == 0 && groups != NULL && !yaml_is_null(groups) && groups->type != YAML_LIST)
            rc = wrong_shape(&c, groups, "groups: a list is expected here");
        for (const struct yaml_node *g = groups != NULL && groups->type == YAML_LIST ? groups->first : NULL;
             rc == 0 && g != NULL; g = g->next)
            rc = check_group(&c, groups, g);
    }
    arena_free(&arena);
    return rc;
}
