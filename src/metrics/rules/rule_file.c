/*
 * From YAML to rules; see rule_file.h. What a rule may be is rule_check.c's; here is how it is written.
 */
#include "metrics/rules/rule_file.h"

#include "metrics/rules/rule_check.h"
#include "metrics/rules/typed_yaml.h"

#include <stddef.h>
#include <stdlib.h>

#define FIELD(type, kind, name)                                                                              \
    {                                                                                                        \
#name, kind, offsetof(type, name)                                                                    \
    }

struct file_fields {
    struct typed_list groups;
};
static const struct typed_field file_fields[] = {FIELD(struct file_fields, TYPED_LIST, groups), {0}};

static const struct typed_field group_fields[] = {
    FIELD(struct group_fields, TYPED_TEXT, name),
    FIELD(struct group_fields, TYPED_DURATION, interval),
    FIELD(struct group_fields, TYPED_DURATION, query_offset),
    FIELD(struct group_fields, TYPED_INTEGER, limit),
    FIELD(struct group_fields, TYPED_LIST, rules),
    FIELD(struct group_fields, TYPED_LABELS, labels),
    {0},
};
/* The operator's schema has one key more, for Thanos. */
static const struct typed_field object_group_fields[] = {
    FIELD(struct group_fields, TYPED_TEXT, name),
    FIELD(struct group_fields, TYPED_DURATION, interval),
    FIELD(struct group_fields, TYPED_DURATION, query_offset),
    FIELD(struct group_fields, TYPED_INTEGER, limit),
    FIELD(struct group_fields, TYPED_LIST, rules),
    FIELD(struct group_fields, TYPED_LABELS, labels),
    {"partial_response_strategy", TYPED_IGNORED, 0},
    {0},
};

static const struct typed_field rule_fields[] = {
    {"record", TYPED_TEXT, offsetof(struct rule_fields, record)},
    {"alert", TYPED_TEXT, offsetof(struct rule_fields, alert)},
    {"expr", TYPED_TEXT, offsetof(struct rule_fields, expr)},
    {"for", TYPED_DURATION, offsetof(struct rule_fields, hold)},
    {"keep_firing_for", TYPED_DURATION, offsetof(struct rule_fields, keep_firing_for)},
    {"labels", TYPED_LABELS, offsetof(struct rule_fields, labels)},
    {"annotations", TYPED_LABELS, offsetof(struct rule_fields, annotations)},
    {0},
};

struct reading {
    struct typed_yaml yaml;
    struct rule_file *file;
    const struct typed_field *group_fields;
};

static int by_name(const void *a, const void *b)
{
    return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* The group's labels with the rule's over them. Both are sorted. */
static void merge_labels(struct arena *arena, const struct typed_labels *group,
                         const struct typed_labels *own, struct rule *rule)
{
    struct label *items = ARENA_ARRAY(arena, struct label, group->n + own->n + 1);
    size_t n = 0, g = 0, o = 0;
    while (g < group->n || o < own->n) {
        int order = g == group->n ? 1 : o == own->n ? -1 : by_name(&group->items[g], &own->items[o]);
        if (order < 0) {
            items[n++] = group->items[g++];
        } else {
            items[n++] = own->items[o++];
            g += order == 0;
        }
    }
    rule->labels = items;
    rule->label_count = n;
}

/* An item that is null is left out of its list, as Go's reader does. */
static void read_rule(struct reading *r, const struct yaml_node *node, struct group_fields *group)
{
    struct rule_fields *fields = &group->read[group->read_count++];
    *fields = (struct rule_fields){.line = node->line, .column = node->column};
    typed_map(&r->yaml, node, rule_fields, "a rule", fields);
}

static void read_group(struct reading *r, const struct yaml_node *node, struct group_fields *ret)
{
    *ret = (struct group_fields){.line = node->line, .column = node->column};
    typed_map(&r->yaml, node, r->group_fields, "a rule group", ret);
    if (r->file->rule_count + ret->rules.n > RULE_FILE_RULES_MAX) {
        rule_problem_add(r->yaml.problems, false, node->line, node->column, "more than %d rules in one file",
                         RULE_FILE_RULES_MAX);
        ret->rules = (struct typed_list){0};
    }
    ret->read = ARENA_ARRAY(&r->file->arena, struct rule_fields, ret->rules.n + 1);
    for (const struct yaml_node *n = ret->rules.first; n != NULL; n = n->next)
        if (!typed_is_null(n))
            read_rule(r, n, ret);
    r->file->rule_count += ret->read_count;
}

static void keep_group(struct rule_file *file, const struct group_fields *from, struct rule_group *to)
{
    *to = (struct rule_group){.name = from->name.text,
                              .interval_ns = from->interval.ns,
                              .has_query_offset = from->query_offset.set,
                              .query_offset_ns = from->query_offset.ns,
                              .limit = from->limit,
                              .rules = ARENA_ARRAY(&file->arena, struct rule, from->read_count + 1),
                              .rule_count = from->read_count,
                              .line = from->line,
                              .column = from->column};
    for (size_t i = 0; i < from->read_count; i++) {
        const struct rule_fields *fields = &from->read[i];
        struct rule *rule = &to->rules[i];
        *rule = (struct rule){.alerting = fields->alert.text.n > 0,
                              .name = fields->alert.text.n > 0 ? fields->alert.text : fields->record.text,
                              .expr = fields->expr.text,
                              .for_ns = fields->hold.ns,
                              .keep_firing_for_ns = fields->keep_firing_for.ns,
                              .annotations = fields->annotations.items,
                              .annotation_count = fields->annotations.n,
                              .line = fields->line,
                              .column = fields->column};
        merge_labels(&file->arena, &from->labels, &fields->labels, rule);
    }
}

/* The map that holds `groups`: the file's root, or `spec` of a PrometheusRule object. */
static const struct yaml_node *find_groups(struct reading *r, const struct yaml_node *root)
{
    const struct yaml_node *kind = typed_get(root, "kind"), *version = typed_get(root, "apiVersion");
    r->group_fields = group_fields;
    if (kind == NULL || version == NULL || kind->type != YAML_SCALAR || version->type != YAML_SCALAR ||
        !sv_is(kind->text, "PrometheusRule") || !sv_starts(version->text, SV("monitoring.coreos.com/")))
        return root;
    const struct yaml_node *spec = typed_get(root, "spec");
    r->group_fields = object_group_fields;
    if (spec == NULL)
        rule_problem_add(r->yaml.problems, false, root->line, root->column,
                         "a PrometheusRule object without `spec`");
    return spec;
}

static void read_root(struct reading *r, const struct yaml_node *root)
{
    struct rule_file *file = r->file;
    struct file_fields fields = {0};
    const struct yaml_node *holder = find_groups(r, root);
    if (holder != NULL)
        typed_map(&r->yaml, holder, file_fields, "a rule file", &fields);
    struct group_fields *groups = ARENA_ARRAY(&file->arena, struct group_fields, fields.groups.n + 1);
    for (const struct yaml_node *n = fields.groups.first; n != NULL; n = n->next)
        if (!typed_is_null(n))
            read_group(r, n, &groups[file->group_count++]);
    if (file->problems.errors > 0)
        return;
    rule_check_groups(&file->problems, file->refused, groups, file->group_count);
    file->groups = ARENA_ARRAY(&file->arena, struct rule_group, file->group_count + 1);
    for (size_t i = 0; i < file->group_count; i++)
        keep_group(file, &groups[i], &file->groups[i]);
}

int rule_file_read(struct sv path, struct sv bytes, struct rule_file *ret)
{
    return rule_file_read_refusing(path, bytes, 0, ret);
}

int rule_file_read_refusing(struct sv path, struct sv bytes, unsigned refused, struct rule_file *ret)
{
    struct yaml_node *root = NULL;
    *ret = (struct rule_file){.refused = refused};
    ret->path = arena_sv(&ret->arena, path);
    ret->problems.arena = &ret->arena;
    struct reading r = {.yaml = {.arena = &ret->arena, .problems = &ret->problems}, .file = ret};
    if (!typed_parse(&r.yaml, bytes, &root))
        return TC_EINPUT;
    unsigned second = typed_second_document(bytes);
    if (second > 0)
        rule_problem_add(&ret->problems, true, second, 1,
                         "a second document: only the first one of a rule file is used");
    if (root != NULL)
        read_root(&r, root);
    return ret->problems.errors > 0 ? TC_EINPUT : 0;
}

void rule_file_free(struct rule_file *file)
{
    arena_free(&file->arena);
    *file = (struct rule_file){0};
}

/* --- lint --- */

static int compare_rules(const struct rule_duplicate *a, const struct rule_duplicate *b)
{
    int c = sv_cmp(a->name, b->name);
    for (size_t i = 0; c == 0 && i < TC_MIN(a->label_count, b->label_count); i++) {
        c = sv_cmp(a->labels[i].name, b->labels[i].name);
        if (c == 0)
            c = sv_cmp(a->labels[i].value, b->labels[i].value);
    }
    return c != 0 ? c : (a->label_count > b->label_count) - (a->label_count < b->label_count);
}

static int by_rule(const void *a, const void *b)
{
    return compare_rules(a, b);
}

size_t rule_file_duplicates(const struct rule_file *file, struct arena *arena, struct rule_duplicate **ret)
{
    struct rule_duplicate *all = ARENA_ARRAY(arena, struct rule_duplicate, file->rule_count + 1);
    size_t n = 0, found = 0;
    for (size_t g = 0; g < file->group_count; g++)
        for (size_t i = 0; i < file->groups[g].rule_count; i++) {
            const struct rule *rule = &file->groups[g].rules[i];
            all[n++] = (struct rule_duplicate){rule->name, rule->labels, rule->label_count};
        }
    qsort(all, n, sizeof *all, by_rule);
    /* what equals its neighbour moves to the front, once a name */
    for (size_t i = 1; i < n; i++) {
        struct rule_duplicate at = all[i];
        if (compare_rules(&all[i - 1], &at) == 0 && (found == 0 || compare_rules(&all[found - 1], &at) != 0))
            all[found++] = at;
    }
    *ret = all;
    return found;
}
