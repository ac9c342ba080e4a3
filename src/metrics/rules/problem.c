/*
 * The list of what is wrong with a file; see problem.h.
 */
#include "metrics/rules/problem.h"

#include <stdarg.h>
#include <stdio.h>

enum { PROBLEM_TEXT_MAX = 4096 };

void rule_problem_add(struct rule_problems *problems, bool warning, unsigned line, unsigned column,
                      const char *format, ...)
{
    char text[PROBLEM_TEXT_MAX];
    va_list list;
    if (problems->errors + problems->warnings >= RULE_PROBLEMS_MAX) {
        problems->errors += !warning;
        problems->warnings += warning;
        return;
    }
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    struct rule_problem *problem = ARENA_NEW(problems->arena, struct rule_problem);
    size_t kept = n < 0 ? 0 : TC_MIN((size_t)n, sizeof text - 1);
    *problem =
        (struct rule_problem){warning, line, column, arena_sv(problems->arena, sv_make(text, kept)), NULL};
    if (problems->last != NULL)
        problems->last->next = problem;
    else
        problems->first = problem;
    problems->last = problem;
    problems->errors += !warning;
    problems->warnings += warning;
}

int rule_problems_err(const struct rule_problems *problems, const char *file, struct err *err)
{
    if (problems->errors == 0)
        return 0;
    for (const struct rule_problem *p = problems->first; p != NULL; p = p->next)
        if (!p->warning)
            return err_at(err, TC_EINPUT, file, p->line, p->column, "%.*s", SV_FMT(p->text));
    return err_at(err, TC_EINPUT, file, 0, 0, "has errors");
}
