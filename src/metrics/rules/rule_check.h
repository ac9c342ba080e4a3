/*
 * What rules have been written, and whether they mean anything. For rule_file.c only.
 */
#ifndef METRICS_RULES_RULE_CHECK_H
#define METRICS_RULES_RULE_CHECK_H

#include "metrics/rules/typed_yaml.h"

/* A rule as it is written, with places. */
struct rule_fields {
    struct typed_text record, alert, expr;
    struct typed_duration hold, keep_firing_for; /* hold: `for` */
    struct typed_labels labels, annotations;
    unsigned line, column;
};

struct group_fields {
    struct typed_text name;
    struct typed_duration interval, query_offset;
    int64_t limit;
    struct typed_list rules;
    struct typed_labels labels;
    struct rule_fields *read; /* the rules, read */
    size_t read_count;
    unsigned line, column;
};

/* `refused`: as promql_parse.refused. */
void rule_check_groups(struct rule_problems *problems, unsigned refused, const struct group_fields *groups,
                       size_t count);

#endif
