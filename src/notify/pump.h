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
 *   A body of several requests (service.h) is sent one after the other; what was taken, or refused for good,
 * is not sent again, and one that is to be tried again ends the round. Refused by all is failed; refused by
 * some is sent, and its receipt says so.
 *
 *   receipt and postpone stay until what they wait for succeeds, and are tried again each second: a message
 *   that is out is not sent twice because the disk was full for a moment.
 *
 * Invariants:
 *  1. A row whose receipt was handed over is not sent again by this process (`handed`, bounded: at its bound
 *     nothing is sent until receipts are applied).
 *  2. At most one row of an alert is under way in a lane: the next is due only when the first is no longer
 *     pending (store_outbox_due_for).
 *  3. Nothing here holds a lock while it works; only `wake`, `stop`, the counters and the queue of asides are
 *     touched by other threads.
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

enum delivery_state { DELIVERY_FREE, DELIVERY_SENDING, DELIVERY_RECEIPT, DELIVERY_POSTPONE, DELIVERY_ASIDE };

struct delivery {
    enum delivery_state state;
    struct lane *lane;
    struct buf key, payload, alert_id, body;
    struct channel_config config; /* the lane's, but for the recipient where the message has one of its own */
    struct sv to;                 /* that recipient; points into to_text */
    char to_text[TC_TO_BYTES];
    uint32_t attempts; /* failed ones before this */
    struct transfer *transfer;
    struct parcel parcel; /* what the transfer looks at */
    size_t steps;         /* requests that the body is */
    uint64_t taken;       /* those that were taken, by number */
    int64_t begun_mono_ns;
    const char *status;    /* DELIVERY_RECEIPT: "sent" or "failed" */
    int64_t next_ns;       /* DELIVERY_POSTPONE: of the row, wall clock */
    int64_t again_mono_ns; /* DELIVERY_RECEIPT, DELIVERY_POSTPONE: when to try what failed */
    bool complained;
    unsigned code;
    char provider_id[TC_PROVIDER_ID_BYTES];
    char detail[256], error[200]; /* error: of the last attempt that failed */
};

struct aside {                 /* a request that nobody waits for: aside.c */
    enum delivery_state state; /* DELIVERY_ASIDE: what libcurl gives back is this or a delivery */
    struct aside *next;
    struct buf url, body;
    struct sv ca_file; /* of its channel */
    struct transfer *transfer;
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
    struct map served; /* key -> recipients that have it (email), requests that are done; bounded */
    struct map taken;  /* key -> of these requests, those that were not refused; bounded likewise */
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
    bool complained;            /* about the store, until it works again */
    bool draining;              /* nothing new is begun */
    pthread_mutex_t aside_lock; /* the two below: */
    struct aside *asides;       /* not begun */
    size_t aside_count;         /* all there are */
    struct aside *begun_asides;
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

void notifier_store_failed(struct notifier *notifier, const struct err *err); /* NULL: it works again */

/* --- lane.c --- */
/* What an attempt says of the destination. */
void lane_note_health(struct notifier *notifier, struct lane *lane, const struct answer *answer);
/* What waits in a broken channel goes to its fallback as well: each row once, by a record. The row stays; a
 * channel that comes back delivers it, late. */
void lane_divert(struct notifier *notifier, struct lane *lane);
/* max_per_minute: how many may go out now; 0 with *ret_mono_ns = when the next may. */
size_t lane_allowance(const struct notifier *notifier, const struct lane *lane, int64_t *ret_mono_ns);
void lane_use_allowance(const struct notifier *notifier, struct lane *lane);

/* --- aside.c --- */
bool aside_begin(struct notifier *notifier);
void aside_end(struct notifier *notifier, struct aside *aside, CURLcode outcome);
void aside_abandon(struct notifier *notifier);

#endif
