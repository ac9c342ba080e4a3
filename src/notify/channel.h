/*
 * One way out: what a channel's file gives to the pump. channel.c lists them.
 *
 * A channel turns an intent into bytes (`body`). Then it either delivers them itself at once (`deliver`; it
 * must not block) or has none, and the pump POSTs them to the configured URL and judges the answer (http.h).
 */
#ifndef NOTIFY_CHANNEL_H
#define NOTIFY_CHANNEL_H

#include "notify/notify.h"

enum { TC_CHANNEL_IN_FLIGHT_MAX = 4, TC_CHANNEL_BODY_MAX = 4 << 20 };

struct channel {
    const char *type;         /* as the configuration names it */
    const char *content_type; /* of what is POSTed */
    /* What the configuration must have. Never quotes the URL. */
    int (*check)(const struct channel_config *config, struct err *err);
    /* Appends what is sent. `key` is the idempotency key, `payload` the intent's JSON. */
    int (*body)(const struct channel_config *config, struct sv key, struct sv payload,
                const char *console_url, struct buf *out, struct err *err);
    /* NULL: POST. Fills *err unless it returns SEND_OK. */
    enum send_result (*deliver)(const struct channel_config *config, struct sv body, struct err *err);
};

const struct channel *channel_find(struct sv type);
extern const struct channel channel_slack, channel_file, channel_stdout;

#endif
