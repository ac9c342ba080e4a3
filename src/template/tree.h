/*
 * The tree of a parsed template; private to this room.
 *
 * Nodes live in the arena of their set and are immutable after parsing. `at` is the byte offset in the tree's
 * text, for the place in error texts.
 */
#ifndef TEMPLATE_TREE_H
#define TEMPLATE_TREE_H

#include "template/template.h"

#include "base/map.h"

enum node_kind {
    NODE_TEXT,
    NODE_ACTION, /* {{pipeline}} */
    NODE_IF,
    NODE_RANGE,
    NODE_WITH,
    NODE_TEMPLATE,
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_PIPE,
    NODE_COMMAND,
    NODE_IDENTIFIER, /* a function's name */
    NODE_VARIABLE,
    NODE_FIELD,
    NODE_CHAIN, /* (pipeline).field */
    NODE_DOT,
    NODE_NIL,
    NODE_BOOL,
    NODE_NUMBER,
    NODE_STRING,
};

struct node {
    enum node_kind kind;
    uint32_t at;
    struct node *next;  /* in a list, a pipe's commands, a command's arguments */
    struct node *first; /* pipe: commands; command: arguments; action, if, range, with, template: the pipe;
                           chain: what the fields are taken of */
    struct node *body, *otherwise; /* if, range, with; lists */
    struct sv text;                /* text; the template's name; a constant as written */
    struct sv *names;              /* variable (with its $), field, chain; pipe: variables declared or set */
    size_t name_count;
    bool assigns; /* pipe: $x = , not := */
    const struct template_function *function;
    struct template_value value; /* constants */
};

struct tree {
    struct sv name;      /* of the template */
    struct sv text_name; /* of the text it stands in */
    struct sv text;
    struct node *root; /* list */
    struct arena *arena;
};

struct template_set {
    struct arena arena;
    struct map trees; /* name -> struct tree * */
    const struct template_function *const *functions;
    const struct template_set *parent; /* whose templates are seen where this one has none */
};

enum { TEMPLATE_TEXT_MAX = 1 << 20, TEMPLATE_COUNT_MAX = 10000, TEMPLATE_NEST_MAX = 100 };

const struct template_function *template_function_find(const struct template_set *set, struct sv name);
const struct tree *template_tree(const struct template_set *set, struct sv name);
/* Methods of time.Time and time.Duration, ending with name NULL. */
extern const struct template_function template_time_methods[], template_duration_methods[];
/* "NAME:LINE:COLUMN" of a node. */
void tree_place(const struct tree *tree, const struct node *node, struct buf *out);
/* The node as source text. */
void node_print(const struct node *node, struct buf *out);

#endif
