/*
 * A line on standard error that says how far a long run over files is: for a person who waits at a terminal.
 *
 * Drawn at most five times a second over itself, and wiped at the end; standard output is not touched.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/clk.h"
#include "cli/cli.h"
#include "cli/inputs.h"

/* The option --progress, for a verb's table. */
#define PROGRESS_OPTION                                                                                      \
    {                                                                                                        \
        "progress", OPTION_VALUE, "auto|always|never",                                                       \
            "a line on standard error about how far the run is; auto: where that is a terminal"              \
    }

struct progress {
    bool on, drawn;
    int64_t started_ns, next_ns; /* monotonic */
    const struct clk *clk;
};

/* Reads --progress; false where its word is unknown (the user has been told). */
bool progress_start(struct progress *progress, const struct cli_args *args, const struct clk *clk);
/* After each batch; `findings` so far. */
void progress_step(struct progress *progress, const struct inputs *inputs, uint64_t findings);
/* Wipes the line; before anything else is written to the terminal, and at the end. */
void progress_wipe(struct progress *progress);

/* The line without its control bytes; for progress_step. total_bytes 0: unknown. Writes a terminated string.
 */
void progress_line(uint64_t done_bytes, uint64_t total_bytes, int64_t elapsed_ns, uint64_t findings,
                   char *out, size_t size);

#endif
