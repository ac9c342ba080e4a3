/*
 * What Prometheus' rule files have no word for, in a file of Tocsin's own beside them
 * (docs/prometheus-rules.md): what missing data means, M of N datapoints, a recovery threshold, severity that
 * depends on a second expression.
 */
#ifndef METRICS_RULES_SIDE_FILE_H
#define METRICS_RULES_SIDE_FILE_H

#include "metrics/rules/rule_file.h"

/*
 * Reads the side file and hangs what it says on the alerting rules of `file`, which must be good and must not
 * be in use by an engine yet. What is wrong goes to ret->problems: then `file` is as it was, and TC_EINPUT
 * comes back.
 */
struct side_file {
    struct arena arena;
    struct rule_problems problems;
    size_t alerts; /* that it speaks of */
};
int side_file_apply(struct sv bytes, struct rule_file *file, struct side_file *ret);
/* `file` uses what lies in here: free it afterwards. */
void side_file_free(struct side_file *side);

#endif
