/*
 * What is wrong with a file, collected: a reader goes on after an error and names as many as it can.
 */
#ifndef METRICS_RULES_PROBLEM_H
#define METRICS_RULES_PROBLEM_H

#include "base/arena.h"
#include "base/err.h"

enum { RULE_PROBLEMS_MAX = 1000 };

struct rule_problem {
    bool warning;
    unsigned line, column; /* 1-based, 0 where unknown */
    struct sv text;
    struct rule_problem *next;
};

struct rule_problems {
    struct arena *arena;
    struct rule_problem *first, *last; /* in the order in which they were found, at most RULE_PROBLEMS_MAX */
    size_t errors, warnings;           /* all of them */
};

void rule_problem_add(struct rule_problems *problems, bool warning, unsigned line, unsigned column,
                      const char *format, ...) TC_PRINTF(5, 6);
/* Fills `err` with the first error, with its place in `file`. Returns TC_EINPUT, or 0 where there is none. */
int rule_problems_err(const struct rule_problems *problems, const char *file, struct err *err);

#endif
