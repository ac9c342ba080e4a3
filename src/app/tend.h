/*
 * What the main thread of `tocsin run` does while the others work: it opens the log, shuts the sandbox, tells
 * the supervisor how it goes, and waits for the signal to stop.
 */
#ifndef APP_TEND_H
#define APP_TEND_H

#include "base/buf.h"
#include "cli/cli.h"
#include "detect/detect.h"

#include <signal.h>

/* The options --log-format and --log-level, for the verb's table. */
#define TEND_LOG_OPTIONS                                                                                     \
    {"log-format", OPTION_VALUE, "json|text",                                                                \
     "how the log is written; default: text on a terminal and to the journal of systemd, else json"},        \
    {                                                                                                        \
        "log-level", OPTION_VALUE, "debug|info|warn|error", "log from this level on (default info)"          \
    }

/* Opens the log on standard error as the options say; false where they are wrong (the user has been told). */
bool tend_log(const struct cli_args *args);
/* A start that failed: to the person at a terminal as every verb tells it, else as a line of the log. Returns
 * the exit code, as cli_fail_err does. */
enum cli_exit tend_start_failed(const struct cli_args *args, const struct err *err);
/* The rules that were refused, as lines of the log. */
void tend_report_rules(const struct ruleset *ruleset);
/* The sandbox, where `wanted`. A kernel that has none is told in the log and is no failure. */
void tend_sandbox(bool wanted);
/* Its figures, for /metrics. */
void tend_metrics(struct buf *out);
/*
 * Says READY and waits for one of `signals` (blocked in all threads), meanwhile telling the supervisor's
 * watchdog, as long as `alive` says so, that the work goes on. Returns the signal.
 */
int tend_until_signal(const sigset_t *signals, bool (*alive)(void *context), void *context);

#endif
