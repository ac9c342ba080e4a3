/*
 * The part of `tocsin routes` that is about an alertmanager.yml; operands are labels, NAME=VALUE.
 */
#ifndef CLI_ALERTMANAGER_ROUTES_H
#define CLI_ALERTMANAGER_ROUTES_H

#include "alert/alertmanager/matcher.h"
#include "cli/cli.h"

enum { ROUTES_LABELS_MAX = 1000 };

/* Prints the receivers, or with --tree the tree. */
enum cli_exit routes_alertmanager(const struct cli_args *args, const char *path);
/* The operands as labels, sorted, each name once; texts are lent by the arguments and the pool. TC_EINPUT. */
int routes_labels(const struct cli_args *args, struct am_pool *pool,
                  struct am_label labels[ROUTES_LABELS_MAX], size_t *ret_count, struct err *err);

#endif
