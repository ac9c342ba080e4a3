/*
 * `tocsin test routes FILE...`: tests of an alertmanager.yml under a virtual clock (docs/alertmanager.md).
 */
#ifndef CLI_TEST_ROUTES_H
#define CLI_TEST_ROUTES_H

#include "cli/cli.h"

/* Runs the cases of each file; prints as `tocsin test` does, with its exit codes. */
enum cli_exit test_routes_run(const struct cli_args *args, const char *const *paths, size_t count);

#endif
