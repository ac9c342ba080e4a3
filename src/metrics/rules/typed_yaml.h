/*
 * YAML into typed fields, as strict as Prometheus reads its rule and test files: tables say which keys a map
 * may have, every other key is an error at its place, and reading goes on after an error.
 *
 * What a scalar may be follows Go's YAML readers: any scalar is a text, null is nothing at all, quotes make a
 * number a text. Merge keys (<<) are followed, explicit keys winning; a key that stands twice is an error.
 * Bound: 2,000,000 entries read, aliases unfolded.
 */
#ifndef METRICS_RULES_TYPED_YAML_H
#define METRICS_RULES_TYPED_YAML_H

#include "base/yaml.h"
#include "metrics/labels.h"
#include "metrics/rules/problem.h"

enum { TYPED_ENTRIES_MAX = 2000000 };

enum typed_kind {
    TYPED_TEXT,     /* struct typed_text */
    TYPED_DURATION, /* struct typed_duration: Prometheus' durations */
    TYPED_INTEGER,  /* int64_t */
    TYPED_FLOAT,    /* double */
    TYPED_BOOL,     /* bool */
    TYPED_LABELS,   /* struct typed_labels: text to text, sorted by name */
    TYPED_LIST,     /* struct typed_list */
    TYPED_NODE,     /* struct typed_node: a map, read by the caller */
    TYPED_IGNORED,  /* known, of no use here */
};

struct typed_text {
    struct sv text;
    unsigned line, column; /* 0 where the key is absent */
};

struct typed_duration {
    int64_t ns;
    bool set;
};

struct typed_labels {
    struct label *items; /* values may be empty */
    size_t n;
};

struct typed_list {
    const struct yaml_node *first; /* follow `next` */
    size_t n;
};

struct typed_node {
    const struct yaml_node *node; /* NULL where the key is absent */
};

/* Where the value of a key goes; a table ends with name NULL. */
struct typed_field {
    const char *name;
    enum typed_kind kind;
    size_t offset;
};

struct typed_yaml {
    struct arena *arena;
    struct rule_problems *problems;
    size_t entries; /* read so far */
};

/* Parses the first document. *ret_root is NULL for an empty one. False where it is not YAML. */
bool typed_parse(struct typed_yaml *yaml, struct sv bytes, struct yaml_node **ret_root);
/* The line on which a second document begins, or 0. */
unsigned typed_second_document(struct sv bytes);
/*
 * Reads `node` (a map; null counts as an empty one) into the struct at `to`. `what` names it in errors: "a
 * rule".
 */
void typed_map(struct typed_yaml *yaml, const struct yaml_node *node, const struct typed_field fields[],
               const char *what, void *to);
bool typed_is_null(const struct yaml_node *node);
void typed_text_of(struct typed_yaml *yaml, const struct yaml_node *node, const char *name,
                   struct typed_text *ret);
/* The value of an unquoted or quoted key of a map, merge keys aside; NULL where there is none. */
const struct yaml_node *typed_get(const struct yaml_node *map, const char *key);

#endif
