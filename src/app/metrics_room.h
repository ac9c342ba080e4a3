/*
 * The store of metrics in a running server: opened in the data directory, and tended by a thread of its own.
 */
#ifndef APP_METRICS_ROOM_H
#define APP_METRICS_ROOM_H

#include "app/config.h"
#include "metrics/tsdb/tsdb.h"

struct metrics_room;
/* DATA/metrics is the store's; the data directory's lock is held by the caller. */
int metrics_room_start(const struct config *config, struct metrics_room **ret, struct err *err);
struct tsdb *metrics_room_tsdb(const struct metrics_room *room);
/* No request is under way any more. */
void metrics_room_stop(struct metrics_room **room);

#endif
