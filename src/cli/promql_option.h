/*
 * --enable-feature of the verbs that read PromQL.
 */
#ifndef CLI_PROMQL_OPTION_H
#define CLI_PROMQL_OPTION_H

#include "cli/cli.h"
#include "metrics/promql/features.h"

/* Adds what the option names, however often it was given. TC_EINPUT: one of the names is none. */
int promql_option_features(const struct cli_args *args, struct promql_features *io_features, struct err *err);

#endif
