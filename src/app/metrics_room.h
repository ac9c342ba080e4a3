/*
 * Metrics in a running server: the store in the data directory, tended by a thread of its own, and what is
 * scraped into it.
 */
#ifndef APP_METRICS_ROOM_H
#define APP_METRICS_ROOM_H

#include "app/config.h"
#include "metrics/graphite/graphite_listener.h"
#include "metrics/intake/delta.h"
#include "metrics/remote/remote_sender.h"
#include "metrics/remote/remote_store.h"
#include "metrics/scrape/manager.h"
#include "metrics/statsd/statsd_listener.h"
#include "metrics/tsdb/tsdb.h"

struct metrics_room;
/* DATA/metrics is the store's; the data directory's lock is held by the caller. */
int metrics_room_start(const struct config *config, struct metrics_room **ret, struct err *err);
struct tsdb *metrics_room_tsdb(const struct metrics_room *room);
/* NULL where metrics are kept here. */
struct remote_store *metrics_room_remote(const struct metrics_room *room);
struct remote_sender *metrics_room_sender(const struct metrics_room *room);
struct delta_state *metrics_room_deltas(const struct metrics_room *room);
struct metadata *metrics_room_metadata(const struct metrics_room *room);
/* NULL where nothing is scraped. */
struct scrape_manager *metrics_room_scrape(const struct metrics_room *room);
/* tsdb_clean until nothing is left of what was deleted before the call; waits for queries under way, 150 s at
 * most: TC_EAGAIN. Any thread, as the next. */
int metrics_room_clean(struct metrics_room *room, struct err *err);
/* tsdb_copy. */
int metrics_room_copy(struct metrics_room *room, const char *dir, bool with_head, struct err *err);
/* What /metrics says of the store and of what comes in. */
void metrics_room_metrics(const struct metrics_room *room, struct buf *out);
/* No request is under way any more. */
void metrics_room_stop(struct metrics_room **room);

#endif
