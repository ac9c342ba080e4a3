/*
 * Sets of templates, and nodes as text for error messages; see template.h and tree.h.
 */
#include "template/tree.h"

#include <stdlib.h>

struct template_set *template_set_new(const struct template_function *const functions[])
{
    struct template_set *set = tc_alloc(sizeof *set);
    set->functions = functions;
    map_init(&set->trees, TEMPLATE_COUNT_MAX);
    return set;
}

void template_set_free(struct template_set *set)
{
    if (set == NULL)
        return;
    map_free(&set->trees);
    arena_free(&set->arena);
    free(set);
}

const struct template_function *template_function_find(const struct template_set *set, struct sv name)
{
    for (size_t table = 0; set->functions != NULL && set->functions[table] != NULL; table++)
        for (const struct template_function *f = set->functions[table]; f->name != NULL; f++)
            if (sv_is(name, f->name))
                return f;
    for (const struct template_function *f = template_builtins; f->name != NULL; f++)
        if (sv_is(name, f->name))
            return f;
    return NULL;
}

const struct tree *template_tree(const struct template_set *set, struct sv name)
{
    for (; set != NULL; set = set->parent) {
        const uint64_t *slot = map_get(&set->trees, name);
        if (slot != NULL)
            return (const struct tree *)(uintptr_t)*slot;
    }
    return NULL;
}

bool template_defined(const struct template_set *set, struct sv name)
{
    return template_tree(set, name) != NULL;
}

void tree_place(const struct tree *tree, const struct node *node, struct buf *out)
{
    unsigned line = 1;
    size_t start = 0;
    for (size_t i = 0; i < node->at && i < tree->text.n; i++)
        if (tree->text.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    buf_printf(out, "%.*s:%u:%zu", SV_FMT(tree->text_name), line, node->at - start);
}

static void print_list(const struct node *node, const char *between, struct buf *out)
{
    for (const struct node *first = node; node != NULL; node = node->next) {
        if (node != first)
            buf_str(out, between);
        if (node->kind == NODE_PIPE) {
            buf_char(out, '(');
            node_print(node, out);
            buf_char(out, ')');
        } else {
            node_print(node, out);
        }
    }
}

static void print_control(const struct node *node, const char *word, struct buf *out)
{
    buf_printf(out, "{{%s ", word);
    node_print(node->first, out);
    buf_str(out, "}}");
    for (const struct node *child = node->body; child != NULL; child = child->next)
        node_print(child, out);
    if (node->otherwise != NULL)
        buf_str(out, "{{else}}");
    for (const struct node *child = node->otherwise; child != NULL; child = child->next)
        node_print(child, out);
    buf_str(out, "{{end}}");
}

void node_print(const struct node *node, struct buf *out)
{
    switch (node->kind) {
    case NODE_TEXT:
    case NODE_IDENTIFIER:
    case NODE_BOOL:
    case NODE_NUMBER:
    case NODE_STRING:
        buf_sv(out, node->text);
        return;
    case NODE_DOT:
        buf_char(out, '.');
        return;
    case NODE_NIL:
        buf_str(out, "nil");
        return;
    case NODE_BREAK:
        buf_str(out, "{{break}}");
        return;
    case NODE_CONTINUE:
        buf_str(out, "{{continue}}");
        return;
    case NODE_FIELD:
    case NODE_VARIABLE:
    case NODE_CHAIN:
        if (node->kind == NODE_CHAIN)
            print_list(node->first, "", out);
        for (size_t i = 0; i < node->name_count; i++)
            buf_printf(out, "%s%.*s", i == 0 && node->kind == NODE_VARIABLE ? "" : ".",
                       SV_FMT(node->names[i]));
        return;
    case NODE_COMMAND:
        print_list(node->first, " ", out);
        return;
    case NODE_PIPE:
        for (size_t i = 0; i < node->name_count; i++)
            buf_printf(out, "%s%.*s", i == 0 ? "" : ", ", SV_FMT(node->names[i]));
        if (node->name_count > 0)
            buf_str(out, node->assigns ? " = " : " := ");
        print_list(node->first, " | ", out);
        return;
    case NODE_ACTION:
        buf_str(out, "{{");
        node_print(node->first, out);
        buf_str(out, "}}");
        return;
    case NODE_TEMPLATE:
        buf_printf(out, "{{template \"%.*s\"", SV_FMT(node->text));
        if (node->first != NULL) {
            buf_char(out, ' ');
            node_print(node->first, out);
        }
        buf_str(out, "}}");
        return;
    case NODE_IF:
        print_control(node, "if", out);
        return;
    case NODE_RANGE:
        print_control(node, "range", out);
        return;
    case NODE_WITH:
        print_control(node, "with", out);
        return;
    }
}
