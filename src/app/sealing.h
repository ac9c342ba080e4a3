/*
 * The thread that seals: lets the journal's sealer follow, has it write a checkpoint at every interval, also
 * when nothing came, and shows each to the witnesses outside: a file that is appended to, a URL that it is
 * posted to, the log.
 *
 * Where a key evolves, the checkpoint that is due after its period is the last that it signs. How long a
 * period lasts is measured by the monotonic clock, so that no jump of the wall clock skips or holds it; at a
 * start, the wall clock says how much of the period is left, at most a whole one.
 *
 * Nothing waits for it. A failure is told in the log and in the figures, and tried again at the next
 * interval; a witness that missed a checkpoint gets the next one, which covers it.
 */
#ifndef APP_SEALING_H
#define APP_SEALING_H

#include "base/buf.h"
#include "journal/sealer.h"

struct sealing;

struct sealing_options {
    const struct fs *fs;
    const struct clk *clk;
    const char *dir;
    /* Keys that stay, and the key that evolves (journal/period.h) with how long it signs. NULL: none; one of
     * both is there. */
    const char *key_path, *period_key_path;
    int64_t period_ns;
    const struct journal *journal;
    int64_t interval_ns;
    const char *witness_file; /* NULL: none */
    struct sv witness_url;    /* a secret; n == 0: none */
    bool witness_log;
};

/* Reads the keys (TC_EINPUT where they cannot be had), and starts. All that the options point to outlives
 * the thread. */
int sealing_start(const struct sealing_options *options, struct sealing **ret, struct err *err);
/* Writes a last checkpoint. NULL is allowed. */
void sealing_stop(struct sealing **sealing);
/* Prometheus text. Any thread. */
void sealing_metrics(struct sealing *sealing, struct buf *out);

#endif
