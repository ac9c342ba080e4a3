/*
 * Reading groups of targets; see target_group.h.
 */
#include "metrics/scrape/target_group.h"

#include "base/go_text.h"

#include <stddef.h>
#include <string.h>

struct group_fields {
    struct typed_list targets;
    struct typed_labels labels;
};
static const struct typed_field group_fields[] = {
    {"targets", TYPED_LIST, offsetof(struct group_fields, targets)},
    {"labels", TYPED_LABELS, offsetof(struct group_fields, labels)},
    {0},
};

static void bad_value(struct typed_yaml *yaml, const struct yaml_node *node, struct sv value,
                      const char *what)
{
    struct buf b;
    buf_init(&b, 1024);
    go_quote(&b, sv_head(value, 150));
    rule_problem_add(yaml->problems, false, node->line, node->column, "%.*s %s", SV_FMT(buf_view(&b)), what);
    buf_free(&b);
}

static void read_addresses(struct typed_yaml *yaml, const struct typed_list *list, struct target_group *group)
{
    struct sv *addresses = ARENA_ARRAY(yaml->arena, struct sv, list->n + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR)
            rule_problem_add(yaml->problems, false, n->line, n->column, "a target is a text: HOST:PORT");
        else if (sv_find_char(n->text, '/') < n->text.n)
            bad_value(yaml, n, n->text, "is not a valid hostname");
        else
            addresses[group->address_count++] = n->text;
    }
    group->addresses = addresses;
}

void target_groups_read(struct typed_yaml *yaml, const struct yaml_node *list, const struct label *extra,
                        struct target_groups *ret)
{
    ret->n = 0;
    ret->items = ARENA_ARRAY(yaml->arena, struct target_group, list->count + 1);
    if (list->count > TARGET_GROUPS_MAX) {
        rule_problem_add(yaml->problems, false, list->line, list->column, "more than %d groups of targets",
                         TARGET_GROUPS_MAX);
        return;
    }
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        struct group_fields fields = {0};
        struct target_group *group = &ret->items[ret->n];
        if (typed_is_null(n)) {
            rule_problem_add(yaml->problems, false, n->line, n->column, "nil target group item found");
            continue;
        }
        typed_map(yaml, n, group_fields, "a group of targets", &fields);
        read_addresses(yaml, &fields.targets, group);
        struct label *labels = ARENA_ARRAY(yaml->arena, struct label, fields.labels.n + 2);
        for (size_t i = 0; i < fields.labels.n; i++) {
            if (!label_name_is_valid(fields.labels.items[i].name))
                bad_value(yaml, n, fields.labels.items[i].name, "is not a valid label name");
            labels[group->label_count++] = fields.labels.items[i];
        }
        if (extra != NULL)
            labels[group->label_count++] = *extra;
        group->labels = labels;
        ret->n++;
    }
}

int target_groups_parse(struct arena *arena, struct sv bytes, const char *name, const struct label *extra,
                        struct target_groups *ret, struct err *err)
{
    struct rule_problems problems = {.arena = arena};
    struct typed_yaml yaml = {.arena = arena, .problems = &problems};
    struct yaml_node *root = NULL;
    *ret = (struct target_groups){0};
    if (typed_parse(&yaml, bytes, &root) && root != NULL) {
        if (root->type == YAML_LIST)
            target_groups_read(&yaml, root, extra, ret);
        else
            rule_problem_add(&problems, false, root->line, root->column,
                             "a list of {targets: [HOST:PORT, ...], labels: {...}} is expected");
    }
    return rule_problems_err(&problems, name, err);
}

static const struct label *copy_labels(struct arena *arena, const struct label *labels, size_t n)
{
    struct label *copy = ARENA_ARRAY(arena, struct label, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = (struct label){arena_sv(arena, labels[i].name), arena_sv(arena, labels[i].value)};
    return copy;
}

struct target_groups target_groups_copy(struct arena *arena, const struct target_groups *groups)
{
    struct target_groups ret = {ARENA_ARRAY(arena, struct target_group, groups->n + 1), groups->n};
    for (size_t g = 0; g < groups->n; g++) {
        const struct target_group *from = &groups->items[g];
        struct sv *addresses = ARENA_ARRAY(arena, struct sv, from->address_count + 1);
        struct target_labels *own =
            from->own == NULL ? NULL : ARENA_ARRAY(arena, struct target_labels, from->address_count + 1);
        for (size_t i = 0; i < from->address_count; i++) {
            addresses[i] = arena_sv(arena, from->addresses[i]);
            if (own != NULL)
                own[i] = (struct target_labels){copy_labels(arena, from->own[i].items, from->own[i].n),
                                                from->own[i].n};
        }
        ret.items[g] =
            (struct target_group){addresses, own, from->address_count,
                                  copy_labels(arena, from->labels, from->label_count), from->label_count};
    }
    return ret;
}
