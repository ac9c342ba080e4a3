/*
 * Delivery: takes due rows from the outbox and sends them through channels, with retries, back-off and
 * Retry-After.
 *
 * At least once: a row is done only when its receipt is durable (app/ writes it to the journal through
 * `receipt`); after a crash it is sent again with the same idempotency key. One slow channel slows only
 * itself. One thread, libcurl's multi interface; it owns its own store connection. Secrets (webhook URLs)
 * never reach a log or an error text.
 */
#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include "base/clk.h"
#include "base/err.h"
#include "base/rng.h"
#include "event/severity.h"
#include "store/store.h"

enum send_result {
    SEND_OK,
    SEND_RETRY,
    SEND_REFUSED
}; /* refused: permanent (4xx other than 408, 425, 429) */

struct channel_config {
    struct sv name;
    struct sv type;                                /* slack, file, stdout */
    struct sv url;                                 /* slack: resolved secret */
    struct sv path;                                /* file */
    struct sv slack_channel, username, icon_emoji; /* slack; E-01's defaults where empty */
    enum severity min_severity;                    /* P2: takes P1 and P2; SEVERITY_NONE: all */
    bool emergency;                                /* also told, from memory, when the disk fails */
};

struct notifier_options {
    const struct clk *clk;
    const struct rng *rng; /* jitter of the back-off */
    const char *store_path;
    const char *console_url;               /* for links: http://127.0.0.1:9797 */
    const struct channel_config *channels; /* copied */
    size_t channel_count;
    uint32_t max_attempts;                /* 0 = 100; then given up (receipt "failed") */
    int64_t first_retry_ns, max_retry_ns; /* 0 = 1 s, 5 min; doubling, +-20 % */
    int64_t timeout_ns;                   /* one attempt; 0 = 10 s */
    bool held;                            /* as notifier_hold, from the start */
    /* Makes a receipt durable; called on the notifier's thread; the row is marked done by whoever applies the
     * record. */
    int (*receipt)(void *context, struct sv key, struct sv status, struct sv detail);
    void *context;
};

struct notifier;
int notifier_new(const struct notifier_options *options, struct notifier **ret,
                 struct err *err);                              /* checks the channels */
int notifier_start(struct notifier *notifier, struct err *err); /* its thread */
void notifier_wake(struct notifier *notifier);                  /* new rows are due; any thread */
/* Held: nothing new is sent, what is under way ends. Any thread. */
void notifier_hold(struct notifier *notifier, bool held);
/* Moves while the courier's thread turns (at least once a second where nothing hangs). Any thread. */
uint64_t notifier_turns(const struct notifier *notifier);
void notifier_free(
    struct notifier **notifier); /* finishes the attempts under way (bounded by timeout), stops */
void notifier_stats(const struct notifier *notifier, uint64_t *ret_sent, uint64_t *ret_retries,
                    uint64_t *ret_failed);

/* The exact body that Slack gets for an intent payload (E-01); the test holds it against golden files. */
int slack_body(const struct channel_config *channel, struct sv payload, const char *console_url,
               struct buf *out, struct err *err);

#endif
