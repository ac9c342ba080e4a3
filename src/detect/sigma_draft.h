/*
 * A value of a selection while modifiers work on it; for sigma_value.c and sigma_modifier.c.
 */
#ifndef DETECT_SIGMA_DRAFT_H
#define DETECT_SIGMA_DRAFT_H

#include "detect/sigma.h"

enum draft_kind {
    DRAFT_TEXT,
    DRAFT_NUMBER,
    DRAFT_BOOL,
    DRAFT_NULL,
    DRAFT_REGEX,
    DRAFT_DATE,
    DRAFT_FIELD,
    DRAFT_LIST,
    DRAFT_DONE
};

struct draft {
    enum draft_kind kind;
    struct sv raw;            /* as written; a regex, a number, another field's name */
    struct token_list tokens; /* DRAFT_TEXT */
    bool changed;             /* a modifier has worked on it */
    bool open_start, open_end;
    bool network;      /* cidr was said; what it is about comes later (expand), or is a list */
    bool expanded;     /* by expand, and by nothing else yet */
    struct list *list; /* DRAFT_LIST */
    enum compare_op op;
    enum date_part part;
    unsigned regex_flags;
    struct predicate done; /* DRAFT_DONE: its final form */
};

struct draft_value {
    const struct yaml_node *node;
    struct draft *drafts;
    size_t count;
};

struct item_draft {
    struct sigma *sigma;
    struct sv key, field; /* with modifiers, and without */
    const struct yaml_node *place;
    struct draft_value *values;
    size_t count;
    bool all, negated, cased, anchored; /* anchored: contains, startswith or endswith was said */
};

/* A number or bool where a text is wanted: its own text. False for anything else that is no text. */
bool draft_as_text(struct item_draft *item, struct draft *draft);
/* The texts that `raw` stands for, at least one. sigma_placeholder.c's. */
int placeholders_expand(struct item_draft *item, const struct draft_value *value, struct sv raw,
                        const struct sv **ret, size_t *ret_count);
/* The list that a value which is a placeholder and nothing else stands for; NULL: none. */
struct list *placeholders_list(const struct item_draft *item, struct sv raw);
/* The calendar that a value which is a placeholder and nothing else stands for; NULL: none. */
const struct calendar *placeholders_calendar(const struct sigma *sigma, struct sv raw);
bool placeholder_is_name(struct sv text); /* may stand between the %% */
/* Applies the modifier of that name to all values of the item. */
int modifier_apply(struct item_draft *item, struct sv name);

#endif
