/*
 * `tocsin query EXPR`: LogQL over a data directory, printed as lines, CSV or a table.
 */
#ifndef CLI_LOGQL_H
#define CLI_LOGQL_H

#include "cli/cli.h"

enum cli_exit query_logql(const struct cli_args *args);

#endif
