/*
 * A Prometheus rule file on disk, with the side file that lies beside it: for NAME.yml that is
 * NAME.tocsin.yml.
 */
#ifndef CLI_PROMETHEUS_FILE_H
#define CLI_PROMETHEUS_FILE_H

#include "metrics/rules/side_file.h"

struct prometheus_file {
    struct rule_file rules;
    struct side_file side; /* its problems count as well */
    char *side_path;       /* NULL where there is no side file */
};

/* Is this the path of a side file? */
bool prometheus_is_side(const char *path);
/* Reads both; `refused`: extensions of PromQL that are errors, as promql_parse.refused. Problems are in
 * ret->rules and ret->side; what the system refuses is a problem, too. 0 where the file is good, else
 * TC_EINPUT; prometheus_file_free in any case. */
int prometheus_file_load(const char *path, unsigned refused, struct prometheus_file *ret);
void prometheus_file_free(struct prometheus_file *file);

#endif
