/*
 * Opening and tending the store of metrics; see metrics_room.h.
 */
#include "app/metrics_room.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEND_S = 30 };

struct metrics_room {
    struct tsdb *tsdb;
    pthread_mutex_t lock;
    pthread_cond_t end;
    bool ending;
    bool runs;
    pthread_t thread;
};

static void *tend(void *context)
{
    struct metrics_room *room = context;
    pthread_mutex_lock(&room->lock);
    while (!room->ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TEND_S;
        if (pthread_cond_timedwait(&room->end, &room->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&room->lock);
        struct err err = {0};
        if (tsdb_maintain(room->tsdb, &err) != 0)
            log_error("metrics", "%s; it is tried again", err.text);
        pthread_mutex_lock(&room->lock);
    }
    pthread_mutex_unlock(&room->lock);
    return NULL;
}

int metrics_room_start(const struct config *c, struct metrics_room **ret, struct err *err)
{
    struct metrics_room *room = tc_alloc(sizeof *room);
    pthread_condattr_t attributes;
    char dir[4096];
    uint64_t cut = 0;
    snprintf(dir, sizeof dir, "%s/metrics", c->data);
    struct tsdb_options o = {.fs = &fs_system,
                             .rng = &rng_system,
                             .dir = dir,
                             .series_max = c->series_limit,
                             .source_series_max = c->source_series_limit,
                             .retention_ms = c->metrics_retention_ns / 1000000,
                             .trend_retention_ms = c->metrics_trend_retention_ns / 1000000,
                             .retention_bytes = c->metrics_retention_bytes,
                             .out_of_order_ms = c->metrics_out_of_order_ns / 1000000,
                             .background = true};
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&room->lock, NULL);
    pthread_cond_init(&room->end, &attributes);
    pthread_condattr_destroy(&attributes);
    int rc = tsdb_open(&o, &room->tsdb, &cut, err);
    if (rc == 0 && cut > 0)
        log_warn("metrics",
                 "%llu bytes of a write that was under way at the last end were cut off the log of samples",
                 (unsigned long long)cut);
    if (rc == 0) {
        room->runs = pthread_create(&room->thread, NULL, tend, room) == 0;
        if (!room->runs)
            rc = err_set(err, TC_EIO, "cannot start the thread that tends the metrics");
    }
    if (rc == 0)
        *ret = room;
    else
        metrics_room_stop(&room);
    return rc;
}

struct tsdb *metrics_room_tsdb(const struct metrics_room *room)
{
    return room->tsdb;
}

void metrics_room_stop(struct metrics_room **ret)
{
    struct metrics_room *room = *ret;
    if (room == NULL)
        return;
    if (room->runs) {
        pthread_mutex_lock(&room->lock);
        room->ending = true;
        pthread_cond_signal(&room->end);
        pthread_mutex_unlock(&room->lock);
        pthread_join(room->thread, NULL);
    }
    tsdb_close(&room->tsdb);
    pthread_cond_destroy(&room->end);
    pthread_mutex_destroy(&room->lock);
    free(room);
    *ret = NULL;
}
