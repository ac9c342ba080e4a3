/*
 * Prometheus' rule files: groups of recording and alerting rules, checked as promtool checks them.
 *
 * Templates in labels and annotations are not looked into.
 */
#ifndef METRICS_PROMQL_RULE_FILE_H
#define METRICS_PROMQL_RULE_FILE_H

#include "base/err.h"
#include "base/sv.h"

struct rule_file_report {
    size_t groups, rules, errors;
    /* One error: "3:7: group "x", rule 1, "name": could not parse expression: …". `text` is lent. */
    void (*on_error)(void *context, const char *text);
    void *context;
    bool ignore_unknown_fields;
};

/* 0 where the file is YAML of the right shape, however many rules are wrong (report->errors); else `err`. */
int rule_file_check(struct sv text, const char *file, struct rule_file_report *report, struct err *err);

#endif
