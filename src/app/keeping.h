/*
 * The thread that keeps the journal in shape: packs closed segments, drops what its retention class no longer
 * keeps, and notes each drop as a record of the journal before it is made.
 *
 * Nothing waits for it. A failure is told in the log and in the figures, and tried again at the next round;
 * one that lasts is told to `trouble`.
 */
#ifndef APP_KEEPING_H
#define APP_KEEPING_H

#include "app/config.h"
#include "app/core.h"

struct keeping_room;

/* Ten rounds in a row have failed; on the thread of retention. */
typedef void (*keeping_trouble_fn)(void *context, struct sv detail);
/* All that is pointed to outlives the thread. Of the core: its journal, and the holds that people make. */
int keeping_start(const struct config *config, struct core *core, keeping_trouble_fn trouble, void *context,
                  struct keeping_room **ret, struct err *err);
/* Returns once no drop is under way that began before this call: those after it know the holds of now. Waits
 * as long as one segment takes. Any thread; NULL is allowed. */
void keeping_settle(struct keeping_room *keeping);
/* NULL is allowed. */
void keeping_stop(struct keeping_room **keeping);
/* Prometheus text. Any thread. */
void keeping_metrics(struct keeping_room *keeping, struct buf *out);

#endif
