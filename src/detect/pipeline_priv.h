/*
 * The insides of processing pipelines, for pipeline*.c only.
 */
#ifndef DETECT_PIPELINE_PRIV_H
#define DETECT_PIPELINE_PRIV_H

#include "detect/pipeline.h"

enum { PIPELINE_ITEMS_MAX = 1024, PIPELINE_STATES_MAX = 256 };

struct pipeline_run;
struct pipeline_item;

/* What a condition looks at, or a transformation changes: a line of a selection, or an element that is a
 * keyword. For fields of correlations `line` is NULL. */
struct pipeline_subject {
    struct yaml_node *line;
    struct sv field; /* empty for keywords */
};

/* --- conditions (pipeline_condition.c) */
struct pipeline_condition {
    const struct condition_kind *kind;
    const struct yaml_node *node;
    const struct regex *regex;          /* match_string */
    const struct regex *const *regexes; /* include_fields and its like with type: re */
};
enum condition_level { CONDITION_RULE, CONDITION_ITEM, CONDITION_FIELD, CONDITION_LEVELS };
struct condition_group { /* of one level; empty holds */
    const struct pipeline_condition *all;
    size_t count;
    bool any, negated;
    const struct step_condition *words; /* in place of any: over `all` by place */
};
/* Reads the keys of that level from an item's map. */
int condition_group_read(struct sigma *sigma, const struct yaml_node *item, enum condition_level level,
                         struct condition_group *ret);
bool condition_group_holds(const struct condition_group *group, const struct pipeline_run *run,
                           const struct pipeline_subject *subject);

/* --- transformations (pipeline_transform.c) */
enum item_outcome { ITEM_KEEP, ITEM_DROP };
struct transformation {
    const char *name;
    const char *const *keys; /* of its own, NULL-terminated */
    /* Refuses what makes no sense; may be NULL. */
    int (*check)(struct sigma *sigma, struct pipeline_item *item);
    /* One of the three: for the rule, for each line, or for each field's name (a line's, a correlation's). */
    int (*on_rule)(struct pipeline_run *run, const struct pipeline_item *item);
    int (*on_line)(struct pipeline_run *run, const struct pipeline_item *item,
                   const struct pipeline_subject *subject, enum item_outcome *ret);
    /* New names of the field; *ret_count 1 or more, 0: none, it stays. */
    int (*on_field)(struct pipeline_run *run, const struct pipeline_item *item, struct sv field,
                    const struct sv **ret, size_t *ret_count);
};
const struct transformation *transformation_find(struct sv name);
/* pipeline_hashes.c */
int hashes_check(struct sigma *sigma, struct pipeline_item *item);
int hashes_split(struct pipeline_run *run, const struct pipeline_item *item,
                 const struct pipeline_subject *subject, enum item_outcome *ret);

struct pipeline_item {
    const struct transformation *kind;
    const struct yaml_node *node; /* its map */
    const struct yaml_node *vars; /* its pipeline's; may be NULL */
    const char *file;
    struct sv id;
    int64_t priority;
    uint32_t order; /* as read */
    struct condition_group groups[CONDITION_LEVELS];
    const struct regex *regex; /* replace_string */
};

struct pipeline_state {
    struct sv key, value;
};
struct pipeline_trace { /* an item was applied to this line */
    const struct yaml_node *line;
    struct sv item;
    struct pipeline_trace *next;
};

struct logsource {
    struct sv product, category, service;
};

struct pipeline_run { /* one rule on its way */
    struct sigma *sigma;
    const struct pipelines *pipelines;
    struct yaml_node *root;
    bool correlation;
    struct regex_scratch *regexes;
    struct sv applied[PIPELINE_ITEMS_MAX]; /* ids of items applied to the rule */
    size_t applied_count;
    struct pipeline_trace *traces;
    struct pipeline_state states[PIPELINE_STATES_MAX];
    size_t state_count;
    unsigned conditions; /* added so far, for their names */
};

/* --- trees */
struct sv line_field(const struct yaml_node *line); /* the key without modifiers */
bool line_is_any(const struct yaml_node *line);     /* stands for an OR that a pipeline put there */
void line_becomes_any(struct yaml_node *line);      /* an empty OR in its place; maps are appended to it */
struct yaml_node *tree_scalar(struct pipeline_run *run, struct sv text, const struct yaml_node *like);
struct yaml_node *tree_copy(struct pipeline_run *run, const struct yaml_node *node);
struct yaml_node *tree_get(struct yaml_node *map, struct sv key);
void tree_put(struct yaml_node *map, struct sv key, struct yaml_node *value); /* in place of one, or last */
void tree_append(struct yaml_node *parent, struct yaml_node *kid);
void tree_remove(struct yaml_node *parent, const struct yaml_node *kid);
/* Every selection's line and keyword, deep; `each` returning true ends it. */
typedef bool (*line_fn)(void *context, const struct pipeline_subject *subject);
bool lines_walk(struct yaml_node *root, line_fn each, void *context);
struct logsource logsource_of(const struct yaml_node *root);
/* The log sources that the rule speaks of: its own, or those of the rules that a correlation lists. */
bool any_logsource(const struct pipeline_run *run, bool (*each)(const void *context, struct logsource),
                   const void *context);

int pipeline_refuse(struct sigma *sigma, const struct yaml_node *at, const char *format, ...) TC_PRINTF(3, 4);

#endif
