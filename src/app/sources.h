/*
 * What is known of each source, as a fold over the journal: how much came, when last, and whether it has
 * fallen silent. "No data" is not "all is well": a source that is watched and sends nothing for two of its
 * intervals is a finding of Tocsin's own, raised on a tick, so that a replay gives the same; it resolves when
 * the source is heard again.
 *
 * Intervals are configured (`watch`), or learned where the configuration says so: the longest of the lately
 * seen gaps between receive times, which falls by a sixteenth with each event, once 16 gaps were seen.
 *
 * At most SOURCES_MAX are kept apart; what comes from others is counted together and not watched, save those
 * that the configuration names, which have a place of their own.
 */
#ifndef APP_SOURCES_H
#define APP_SOURCES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "event/event.h"

enum { SOURCES_MAX = 256, SOURCES_WATCHED_MAX = 256, SOURCES_LEARN_AFTER = 16, SOURCES_INTERVALS = 2 };

struct source_watch { /* one row of the configuration */
    struct sv source;
    int64_t interval_ns; /* 0: learned */
    int64_t grace_ns;    /* silent once so much more than the interval has passed; 0: than two intervals */
};

struct source_state {
    struct sv name; /* lives as long as the sources */
    uint64_t events, gaps;
    int64_t last_ns;    /* receive time of the last event, or of the tick at which the watch began */
    int64_t learned_ns; /* the longest gap of late */
    bool silent;        /* and it was said */
};

struct sources {
    struct arena arena;
    struct map index; /* name -> place in items + 1 */
    struct source_state *items;
    size_t count, capacity;
    uint64_t other_events;
    struct source_watch *watched;
    size_t watched_count;
};

void sources_init(struct sources *sources);
void sources_free(struct sources *sources);
/* What is watched from now on. The texts are copied. */
void sources_watch(struct sources *sources, const struct source_watch *rows, size_t count);
/* An event. Returns the source's state where it was silent until now (the caller resolves), else NULL. */
struct source_state *sources_heard(struct sources *sources, struct sv source, struct receive_time at);
/* A tick: calls `silent` for each source that has just fallen silent; *interval_ns is what it is held to. */
void sources_tick(struct sources *sources, struct receive_time now,
                  void (*silent)(void *context, const struct source_state *source, int64_t interval_ns),
                  void *context);
/* Held to that interval, where it is watched and one is known; else 0. */
bool sources_is_watched(const struct sources *sources, struct sv name, int64_t *ret_interval_ns);
/*
 * What is promised of a source, by the first part of its name (docs/sources.md): "confirmed", "positioned",
 * "best_effort", "fire_and_forget"; "internal" for our own.
 */
const char *sources_class(struct sv name);
void sources_save(const struct sources *sources, struct buf *out);
bool sources_load(struct sources *sources,
                  struct sv saved); /* false: malformed, nothing is changed for good */

#endif
