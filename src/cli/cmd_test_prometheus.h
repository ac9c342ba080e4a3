/*
 * The part of `tocsin test` that runs promtool's unit tests of rules: operands are the word "rules" and the
 * files.
 */
#ifndef CLI_CMD_TEST_PROMETHEUS_H
#define CLI_CMD_TEST_PROMETHEUS_H

#include "cli/cli.h"

enum cli_exit cmd_test_prometheus(const struct cli_args *args);

#endif
