/*
 * The part of `tocsin check` that checks Prometheus rule files, with promtool's words.
 */
#ifndef CLI_CHECK_PROMETHEUS_H
#define CLI_CHECK_PROMETHEUS_H

#include "cli/cli.h"
#include "metrics/promql/features.h"

/* Files with their side files (prometheus_file.h), with these features of PromQL. CLI_USAGE where a file is
 * bad; with `strict`, CLI_FOUND where one has warnings only. */
enum cli_exit check_prometheus(const char *const *files, size_t count, const struct promql_features *features,
                               bool strict);

#endif
