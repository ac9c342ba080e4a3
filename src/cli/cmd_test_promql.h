/*
 * The part of `tocsin test` that runs PromQL test files: operands are the word "promql" and the files.
 */
#ifndef CLI_CMD_TEST_PROMQL_H
#define CLI_CMD_TEST_PROMQL_H

#include "cli/cli.h"

enum cli_exit cmd_test_promql(const struct cli_args *args);

#endif
