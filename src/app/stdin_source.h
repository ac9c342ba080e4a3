/*
 * Standard input as a source: lines become events of source "stdin", in batches as they come.
 */
#ifndef APP_STDIN_SOURCE_H
#define APP_STDIN_SOURCE_H

#include "base/clk.h"
#include "ingest/intake.h"
#include "journal/journal.h"

struct stdin_source;
/* Starts a thread that reads until the end of standard input. JSON lines and sshd/syslog lines are recognised
 * per line. lateness_ns: in place of the intake's; -1: as that. */
int stdin_source_start(struct intake *intake, struct journal *journal, const struct clk *clk,
                       int zone_offset_s, int64_t lateness_ns, struct stdin_source **ret, struct err *err);
/* Ends the thread (a read that waits for input is given up). */
void stdin_source_stop(struct stdin_source **source);

#endif
