/*
 * The files of rules on metrics that the configuration names, read and checked.
 */
#ifndef APP_METRIC_RULE_FILES_H
#define APP_METRIC_RULE_FILES_H

#include "base/arena.h"
#include "base/err.h"
#include "metrics/rules/rule_file.h"

enum { METRIC_RULE_FILES_MAX = 10000 };

/* The paths that patterns (of glob(3)) stand for, each once, side files left out; in `arena`. A pattern
 * without a `*` that finds nothing is TC_EINPUT. */
int metric_rule_files_find(const char *const *patterns, size_t count, struct arena *arena,
                           const char *const **ret, size_t *ret_count, struct err *err);

struct metric_rule_files;
/* Reads them all, with their side files; `refused` as promql_parse.refused. TC_EINPUT with the place of the
 * first error, in promtool's words. */
int metric_rule_files_read(const char *const *patterns, size_t count, unsigned refused,
                           struct metric_rule_files **ret, struct err *err);
void metric_rule_files_free(struct metric_rule_files **files);
/* For rule_engine_new; lent. */
const struct rule_file *const *metric_rule_files_items(const struct metric_rule_files *files,
                                                       size_t *ret_count);
size_t metric_rule_files_rules(const struct metric_rule_files *files);

#endif
