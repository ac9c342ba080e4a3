/*
 * How far event time has come: which events are late, and what windows may forget.
 *
 * Each source has a watermark: its newest event time less the declared lateness. An event before its source's
 * watermark is late and takes no part in windows. The floor is the lowest watermark of the sources that are
 * active; nothing before it can come any more (an event that does, of a source that was idle, is late too),
 * so windows keep [floor - timespan, now] and a window that ends before it is over. The floor never falls.
 *
 * A source that was not heard for WATERMARK_IDLE_EVENTS events holds nobody back. Where receive times stand
 * in, ticks move silent sources on, and the floor stays at or below newest receive time - lateness, so that a
 * source whose clock runs ahead does not make others late.
 *
 * All of it is a function of the records in order. At most WATERMARK_SOURCES sources are known; the one
 * unheard for longest makes room.
 */
#ifndef DETECT_WATERMARK_H
#define DETECT_WATERMARK_H

#include "base/buf.h"
#include "base/clk.h"
#include "base/map.h"

enum { WATERMARK_SOURCES = 1024, WATERMARK_IDLE_EVENTS = 65536, WATERMARK_NAME_BYTES = 4096 };

struct watermark_source {
    struct sv name; /* owned */
    int64_t newest_ns;
    uint64_t heard;  /* number of its last event, as counted by `events` */
    bool since_tick; /* it was heard since the last tick */
};

struct watermark {
    int64_t lateness_ns;
    bool by_receive_time; /* receive times stand in */
    uint64_t events;      /* events with a time so far */
    int64_t floor_ns;     /* INT64_MIN: nothing known yet */
    int64_t received_ns;  /* newest receive time; INT64_MIN at first */
    struct watermark_source *sources;
    size_t count;
    size_t lowest;      /* index of the active source with the lowest newest_ns; SIZE_MAX unknown */
    struct map by_name; /* to index */
};

void watermark_init(struct watermark *watermark, int64_t lateness_ns, bool by_receive_time);
void watermark_fini(struct watermark *watermark);
/* An event has come. Returns false where it is late. Moves the floor. */
bool watermark_take(struct watermark *watermark, struct sv source, int64_t time_ns,
                    struct receive_time received);
/* Time has passed. Moves the floor (receive times standing in only). */
void watermark_tick(struct watermark *watermark, struct receive_time now);
/* The input has ended: nothing can come any more. */
void watermark_finish(struct watermark *watermark);

void watermark_save(const struct watermark *watermark, struct buf *out);
/* Into a fresh one; false where the bytes make no sense. */
bool watermark_load(struct watermark *watermark, struct reader *from);

#endif
