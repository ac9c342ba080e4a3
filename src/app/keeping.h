/*
 * The thread that keeps the journal in shape: packs closed segments, drops what its retention class no longer
 * keeps, and notes each drop as a record of the journal before it is made.
 *
 * Nothing waits for it. A failure is told in the log and in the figures, and tried again at the next round.
 */
#ifndef APP_KEEPING_H
#define APP_KEEPING_H

#include "app/config.h"

struct keeping_room;

/* All that is pointed to outlives the thread. `newest`: of the journal's records when it was opened. */
int keeping_start(const struct config *config, struct journal *journal, struct receive_time newest,
                  struct keeping_room **ret, struct err *err);
/* NULL is allowed. */
void keeping_stop(struct keeping_room **keeping);
/* Prometheus text. Any thread. */
void keeping_metrics(struct keeping_room *keeping, struct buf *out);

#endif
