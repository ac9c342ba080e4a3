/*
 * `tocsin explain alert ID`: why each channel and person was told of an alert or not, and when the next step
 * of its escalation is due.
 */
#ifndef CLI_EXPLAIN_ALERT_H
#define CLI_EXPLAIN_ALERT_H

#include "cli/cli.h"

enum cli_exit explain_alert(const struct cli_args *args, const char *id, bool as_json);

#endif
