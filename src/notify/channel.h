/*
 * One way out: what a channel's file gives to the pump. channel.c lists them.
 *
 * A channel turns an intent into bytes (`body`). Then it either delivers them itself at once (`deliver`; it
 * must not block), or makes a transfer (`send`) that the pump hands to libcurl and whose end it judges.
 */
#ifndef NOTIFY_CHANNEL_H
#define NOTIFY_CHANNEL_H

#include "notify/transfer.h"

enum { TC_CHANNEL_IN_FLIGHT_MAX = 4, TC_CHANNEL_BODY_MAX = 4 << 20 };

struct channel {
    const char *type; /* as the configuration names it */
    /* What the configuration must have. Never quotes the URL. */
    int (*check)(const struct channel_config *config, struct err *err);
    /* Appends what is sent. `key` is the idempotency key, `payload` the intent's JSON. */
    int (*body)(const struct channel_config *config, struct sv key, struct sv payload,
                const char *console_url, struct buf *out, struct err *err);
    /* NULL where libcurl gives no handle. `config` and `parcel` outlive the transfer. */
    struct transfer *(*send)(const struct channel_config *config, const struct parcel *parcel);
    /* In place of `send`. Fills *err unless it returns SEND_OK. */
    enum send_result (*deliver)(const struct channel_config *config, struct sv body, struct err *err);
    enum severity lowest;                    /* told where no routing says otherwise (D-02, D-03) */
    bool tells_acknowledged, tells_resolved; /* whether it has a word for these */
    bool opens_incidents; /* what it is told becomes an incident there: it is not reminded of tasks */
};

const struct channel *channel_find(struct sv type);
/* The types that there are, for messages: "slack, email, …". */
const char *channel_types(void);
extern const struct channel channel_slack, channel_file, channel_stdout, channel_email, channel_webhook,
    channel_pagerduty;

/* HMAC-SHA256 over timestamp, a dot and body (channel/webhook.c). */
void webhook_sign(struct sv key, struct sv timestamp, struct sv body, char ret_hex[65]);

#endif
