/*
 * The pump: one step at a time from due rows to receipts. notify.c runs it on a thread; tests call it with a
 * clock that stands still.
 *
 * A lane is one configured channel with its own bounds, pause and deliveries: what goes wrong in one stays in
 * it.
 *
 * A delivery, from row to end:
 *
 *   free ──row is due──► sending ──2xx, 4xx or last attempt──► receipt ──receipt durable──► free
 *                           └──────────other failures──► postpone ──retry state stored──► free
 *
 *   receipt and postpone stay until what they wait for succeeds, and are tried again each second: a message
 *   that is out is not sent twice because the disk was full for a moment.
 *
 * Invariants:
 *  1. A row whose receipt was handed over is not sent again by this process (`handed`, bounded: at its bound
 *     nothing is sent until receipts are applied).
 *  2. At most one row of an alert is under way in a lane: the next is due only when the first is no longer
 *     pending (store_outbox_due_for).
 *  3. Nothing here holds a lock; only `wake`, `stop` and the counters are touched by other threads.
 */
#ifndef NOTIFY_PUMP_H
#define NOTIFY_PUMP_H

#include "notify/channel.h"

#include "base/map.h"

#include "notify/question.h"

#include <pthread.h>
#include <stdatomic.h>

/* Failing for so long, a channel is broken: the fallback takes over, and the trouble is told. */
#define TC_FALLBACK_AFTER_NS (INT64_C(30) * 1000000000)

enum {
    TC_LANES_MAX = 64,
    TC_HANDED_MAX = 4096,
    TC_LOOK_EVERY_NS = 1000000000,
    TC_DIVERT_MAX = 16,
    TC_SERVED_MAX = 256,
    TC_TO_BYTES = 1024
};

enum delivery_state { DELIVERY_FREE, DELIVERY_SENDING, DELIVERY_RECEIPT, DELIVERY_POSTPONE };

struct delivery {
    enum delivery_state state;
    struct lane *lane;
    struct buf key, payload, body;
    struct channel_config config; /* the lane's, but for the recipient where the message has one of its own */
    struct sv to;                 /* that recipient; points into to_text */
    char to_text[TC_TO_BYTES];
    uint32_t attempts; /* failed ones before this */
    struct transfer *transfer;
    struct parcel parcel; /* what the transfer looks at */
    int64_t begun_mono_ns;
    const char *status;    /* DELIVERY_RECEIPT: "sent" or "failed" */
    int64_t next_ns;       /* DELIVERY_POSTPONE: of the row, wall clock */
    int64_t again_mono_ns; /* DELIVERY_RECEIPT, DELIVERY_POSTPONE: when to try what failed */
    bool complained;
    unsigned code;
    char provider_id[80];
    char detail[256], error[200]; /* error: of the last attempt that failed */
};

struct lane {
    struct channel_config config; /* strings live in the notifier's arena */
    const struct channel *channel;
    struct delivery deliveries[TC_CHANNEL_IN_FLIGHT_MAX];
    int64_t paused_until_mono_ns; /* the destination is down, or asked for quiet */
    bool probing;                 /* it was; one message at a time until one gets through */
    int64_t look_mono_ns;         /* when to look for due rows again; 0 = now */
    int64_t failing_mono_ns;      /* since when nothing gets through; 0: it does */
    bool troubled;                /* its trouble was told; until something gets through */
    int64_t divert_mono_ns;       /* when to look for rows that the fallback should have */
    int64_t full_mono_ns;         /* max_per_minute: when the allowance would be whole again */
    struct map served;            /* key -> recipients that have it (email); bounded */
    atomic_uint_least64_t sent, retries, failed, diverted, pending, attempts, latency_ns;
    atomic_uint_least64_t latency[TC_LATENCY_BUCKETS];
    atomic_bool failing;
    uint64_t counted; /* while rows are being counted */
};

struct notifier {
    uint8_t disclose_key[TC_DISCLOSE_KEY_BYTES], question_key[TC_QUESTION_KEY_BYTES];
    struct notifier_options options; /* with defaults filled in */
    struct arena arena;
    struct store *store;
    CURLM *multi;
    struct lane *lanes;
    size_t lane_count;
    struct map handed;
    int64_t prune_mono_ns, count_mono_ns;
    bool complained; /* about the store, until it works again */
    bool draining;   /* nothing new is begun */
    pthread_t thread;
    bool started;
    atomic_bool wake, stop, held;
    atomic_uint_least64_t turns, sent, retries, failed;
};

/* Begins what is due, moves what is under way, waits up to timeout_ms where there is nothing else to do.
 * Returns true where something was begun or ended. */
bool notifier_step(struct notifier *notifier, int timeout_ms);
/* Deliveries that libcurl is working on. */
size_t notifier_sending(const struct notifier *notifier);
void notifier_abandon(struct notifier *notifier); /* what is under way is forgotten; its rows stay pending */

#endif
