/*
 * The functions of LogQL's templates (line_format, label_format), and what they need of the caller.
 */
#ifndef QUERY_FUNCTIONS_H
#define QUERY_FUNCTIONS_H

#include "template/template.h"

/* Ends with NULL: for template_set_new. */
extern const struct template_function *const query_functions[];

/* A run's context points to it. */
struct query_template_context {
    struct sv line; /* __line__ */
    int64_t ns;     /* __timestamp__ */
};

#endif
