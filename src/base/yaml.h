/*
 * YAML 1.1 files (libyaml) as trees with places, so that every complaint can name file:line:column.
 *
 * Bounds: 8 MiB a file, 10,000 documents, depth 64, 1,000,000 nodes. Duplicate keys are refused (SigmaHQ
 * rules are read by tools that keep the last one silently; we say so instead). Aliases (*x) are resolved by
 * sharing the node; a cycle cannot be written. A merge key (<<) adds the entries of a map, or of several, for
 * keys that its own map does not have. A byte order mark is passed over.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_type type;
    bool quoted;           /* a scalar in quotes or a block scalar: always a string */
    unsigned line, column; /* 1-based */
    struct sv text;        /* scalar */
    struct sv key;         /* where this node is a map's value: its key, with its place below */
    unsigned key_line, key_column;
    bool key_quoted;
    const struct yaml_node *complex_key; /* yaml_parse_first: a key that is a list or map, else NULL */
    struct yaml_node *first, *next;      /* children of a list or map in order; siblings */
    size_t count;                        /* children */
};

struct yaml_doc {
    struct yaml_node *root; /* NULL for an empty document */
    struct yaml_doc *next;
};

/* Parses all documents of `bytes`. Nodes live in `arena`. Errors bear `file` and the place. */
int yaml_parse(struct arena *arena, const char *file, struct sv bytes, struct yaml_doc **ret_docs,
               struct err *err);

/*
 * For readers with rules of their own (yaml_parse is what to use otherwise): the first document only, with
 * duplicate keys, merge keys ("<<", unquoted) and complex keys left in the tree. *ret_root is NULL for an
 * empty document. Where libyaml refuses the text, err->text is libyaml's problem alone and *fault says where.
 */
struct yaml_fault {
    bool syntax;                         /* libyaml refused; else one of our bounds */
    bool scanner;                        /* found while cutting tokens, not while parsing them */
    unsigned problem_line, context_line; /* counted from 0, as libyaml counts */
};
int yaml_parse_first(struct arena *arena, struct sv bytes, struct yaml_node **ret_root,
                     struct yaml_fault *fault, struct err *err);

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL where absent or not a map */
/* Plain (unquoted) scalars as YAML 1.1's core types that Sigma tools agree on. */
bool yaml_is_null(const struct yaml_node *node); /* null, Null, NULL, ~ or nothing, unquoted */
bool yaml_bool(const struct yaml_node *node,
               bool *ret); /* true/false, yes/no, on/off in any of YAML's cases, unquoted */
bool yaml_is_integer(const struct yaml_node *node); /* [-+]digits, unquoted */
bool yaml_is_float(const struct yaml_node *node);   /* decimal with point or exponent, unquoted */

/*
 * Strict reading of a map of settings: any key not in `known` (NULL-terminated) is an error at its place,
 * with "did you mean" where one known key is near (edit distance <= 2 and under half of its length).
 */
int yaml_check_keys(const struct yaml_node *map, const char *file, const char *const known[],
                    struct err *err);
/* The nearest known word, or NULL; the same rule as above, for other tables. */
const char *yaml_did_you_mean(struct sv word, const char *const known[]);

#endif
