/*
 * The part of `tocsin check` that looks at Prometheus' rule files.
 */
#ifndef CLI_PROMQL_RULES_H
#define CLI_PROMQL_RULES_H

#include "cli/cli.h"

/* Reports on each file; CLI_USAGE where one is wrong. */
enum cli_exit check_promql_rules(const struct cli_args *args, const char *const *files, size_t count);

#endif
