/*
 * The sentinel: a thread beside the pipeline that speaks when the pipeline cannot, and stays silent when the
 * pipeline is not alive.
 *
 * Emergency. When the disk fails or is full, nothing can be decided: a decision is a record. The sentinel
 * then tells the emergency channels, from memory, without any file: at once, again every 15 minutes (at most
 * 8 times an episode), and once more when it is over. What could not be sent is tried again every 30 s.
 *
 * Heartbeat. Every interval an event of source `self` goes in by the front door. Only when it is durable,
 * the fold has passed it and the courier's thread has turned since, all within the interval, the URL of a
 * dead man's switch outside is called. Whoever waits there for a call hears of everything that stops: the
 * process, the machine, the disk, a stuck thread.
 */
#ifndef APP_SENTINEL_H
#define APP_SENTINEL_H

#include "base/clk.h"
#include "notify/notify.h"

enum sentinel_state {
    SENTINEL_FINE,
    SENTINEL_DISK_LOW,
    SENTINEL_DISK_FULL,
    SENTINEL_JOURNAL_FAILED,
    SENTINEL_CORE_FAILED
};
/* One sentence for people: what is wrong and what to do; NULL for SENTINEL_FINE. */
const char *sentinel_text(enum sentinel_state state);

struct sentinel_options {
    const struct clk *clk;
    const struct channel_config *channels; /* that speak in an emergency; copied. Files are passed over */
    size_t channel_count;
    const char *console_url;
    struct sv heartbeat_url; /* a secret; n == 0: no heartbeat */
    int64_t heartbeat_interval_ns;
    bool heartbeat_get;          /* GET in place of POST */
    int64_t repeat_ns, retry_ns; /* 0 = 15 min, 30 s */
    void *context;
    enum sentinel_state (*look)(void *context);
    /* Sends an event in; its position, or 0 where it was not taken. Does not wait for the disk. */
    uint64_t (*beat)(void *context);
    /* Whether that position is judged, and a number that moves while the courier turns. */
    bool (*judged)(void *context, uint64_t position);
    uint64_t (*courier_turns)(void *context);
};

struct sentinel_stats {
    uint64_t emergencies, messages, message_failures; /* episodes; messages out; attempts that failed */
    uint64_t heartbeats, heartbeat_failures,
        heartbeats_withheld;   /* withheld: the pipeline was not alive in time */
    int64_t last_heartbeat_ns; /* wall clock; 0: none yet */
};

struct sentinel;
int sentinel_start(const struct sentinel_options *options, struct sentinel **ret, struct err *err);
void sentinel_stop(struct sentinel **sentinel);
void sentinel_stats(struct sentinel *sentinel, struct sentinel_stats *ret);

#endif
