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
#include "notify/disclose.h"
#include "store/store.h"

enum send_result {
    SEND_OK,
    SEND_RETRY,
    SEND_REFUSED
}; /* refused: permanent (4xx other than 408, 425, 429) */

enum {
    TC_RECIPIENTS_MAX = 64,
    TC_HEADERS_MAX = 16,
    TC_PEOPLE_MAX = 256,
    TC_ASIDES_MAX = 16,
    TC_LATENCY_BUCKETS = 8
};
enum choice { CHOICE_DEFAULT, CHOICE_NO, CHOICE_YES };

struct channel_header {
    struct sv name, value; /* the value may be a secret */
};

struct channel_config {
    struct sv name;
    struct sv type;                                /* see channel.c */
    struct sv url;                                 /* slack, webhook, pagerduty: resolved secret */
    struct sv path;                                /* file */
    struct sv slack_channel, username, icon_emoji; /* slack; E-01's defaults where empty */
    enum reveal reveal;                            /* what it may know of persons */
    struct sv mentions[SEVERITY_P4 + 1];           /* slack, by severity: whom to call */
    enum severity min_severity; /* P2: takes P1 and P2; SEVERITY_NONE: as the type has it */
    enum choice send_resolved;
    /* email */
    struct sv smarthost, from, hello;
    const struct sv *to;
    size_t to_count;
    bool require_tls, implicit_tls;
    /* webhook; auth_* also email; secrets resolved */
    struct sv auth_username, auth_password, bearer_token;
    struct sv signing_keys[2];
    const struct channel_header *headers;
    size_t header_count;
    struct sv routing_key; /* pagerduty, victorops */
    struct sv ca_file;
    /* services (service.h) */
    struct sv api_url; /* where the service is, in place of the vendor's; empty: the vendor's */
    struct sv token;   /* resolved secret */
    struct sv account; /* twilio: SID; sns: key id */
    struct sv region;  /* sns */
    struct sv project, issue, transition; /* jira: project's key, type of issue, what an end does */
    struct sv ticket_body;                /* ticket: a Go template; empty: our own shape */
    struct sv index;                      /* splunk_hec, elastic */
    uint32_t segments;                    /* sms: at most so many; 0: 3 */
    /* what comes back by callback.h */
    struct sv callback_url;              /* of this program, as the vendor reaches it */
    struct sv signing_secret;            /* resolved; slack, pagerduty */
    const struct channel_header *people; /* name: their id or number there; value: who that is here */
    size_t people_count;
    struct sv fallback;        /* name of the channel that takes over */
    int64_t fallback_after_ns; /* 0 = 30 s of failing */
    int64_t timeout_ns;        /* of an attempt; 0: the notifier's */
    uint32_t max_per_minute;   /* 0: no limit */
    bool emergency;            /* also told, from memory, when the disk fails */
};

/* Whether the channel is told of an alert of that severity for that reason, where no routing names it. */
bool notify_takes(const struct channel_config *config, enum severity severity, struct sv reason);
/* What is missing or wrong in it. Never quotes a secret. */
int notify_check_channel(const struct channel_config *config, struct err *err);

struct receipt {       /* how an attempt, or all of them, ended; becomes a record */
    struct sv key;     /* of the row */
    struct sv channel; /* its channel */
    struct sv status;  /* "sent", "failed" (given up), "diverted" (still tried; the fallback is told, too) */
    struct sv detail, provider_id;
    struct sv fallback; /* who takes over; empty: nobody */
    struct sv error;    /* of the last failed attempt before it */
    unsigned code;      /* HTTP status or SMTP reply; 0: none */
    uint32_t attempts;
};

struct notifier_options {
    const struct clk *clk;
    const struct rng *rng; /* jitter of the back-off */
    const char *store_path;
    const char *console_url;               /* for links: http://127.0.0.1:9797 */
    const struct channel_config *channels; /* copied */
    size_t channel_count;
    const uint8_t *question_key;          /* TC_QUESTION_KEY_BYTES, copied; NULL: nobody is asked anything */
    const uint8_t *disclose_key;          /* TC_DISCLOSE_KEY_BYTES, copied; NULL: channels see all (tests) */
    uint32_t max_attempts;                /* 0 = 100; then given up (receipt "failed") */
    int64_t first_retry_ns, max_retry_ns; /* 0 = 1 s, 5 min; doubling, +-20 % */
    int64_t timeout_ns;                   /* one attempt; 0 = 10 s */
    bool held;                            /* as notifier_hold, from the start */
    /* Makes a receipt durable; called on the notifier's thread; the row is marked done by whoever applies the
     * record. */
    int (*receipt)(void *context, const struct receipt *receipt);
    /* A channel has failed for `fallback_after_ns`, or refused a message for good: once until it works again.
     * On the notifier's thread; NULL: nobody listens. */
    void (*trouble)(void *context, struct sv channel, struct sv detail);
    void *context;
};

struct notifier;
int notifier_new(const struct notifier_options *options, struct notifier **ret,
                 struct err *err);                              /* checks the channels */
int notifier_start(struct notifier *notifier, struct err *err); /* its thread */
void notifier_wake(struct notifier *notifier);                  /* new rows are due; any thread */
/* Held: nothing new is sent, what is under way ends. Any thread. */
void notifier_hold(struct notifier *notifier, bool held);
/* A word aside to one person, at an address that the channel's vendor named: once, without a receipt. False
 * where too many wait (it is dropped). Any thread. */
bool notifier_say(struct notifier *notifier, struct sv channel, struct sv url, struct sv body);
/* How many of them wait or are under way, of TC_ASIDES_MAX. Any thread. */
size_t notifier_asides(struct notifier *notifier);
/* Moves while the courier's thread turns (at least once a second where nothing hangs). Any thread. */
uint64_t notifier_turns(const struct notifier *notifier);
void notifier_free(
    struct notifier **notifier); /* finishes the attempts under way (bounded by timeout), stops */
void notifier_stats(const struct notifier *notifier, uint64_t *ret_sent, uint64_t *ret_retries,
                    uint64_t *ret_failed);

struct channel_stats { /* since the start */
    struct sv name, type;
    uint64_t sent, retries, failed, diverted, pending;
    bool failing;                         /* the destination is down */
    uint64_t latency[TC_LATENCY_BUCKETS]; /* attempts that took at most so long; cumulative */
    uint64_t attempts, latency_ns_total;
};
extern const double notify_latency_bounds[TC_LATENCY_BUCKETS]; /* seconds; the last is infinity */
size_t notifier_channel_count(const struct notifier *notifier);
void notifier_channel_stats(const struct notifier *notifier, size_t at, struct channel_stats *ret);

/* The exact body that Slack gets for an intent payload (E-01); the test holds it against golden files. */
int slack_body(const struct channel_config *channel, struct sv payload, const char *console_url,
               struct buf *out, struct err *err);

#endif
