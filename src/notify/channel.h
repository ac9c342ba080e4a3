/*
 * One way out: what a channel's file gives to the pump. channel.c lists them.
 *
 * A channel turns an intent into bytes (`body`). Then it either delivers them itself at once (`deliver`; it
 * must not block), or makes a transfer (`send`) that the pump hands to libcurl and whose end it judges.
 */
#ifndef NOTIFY_CHANNEL_H
#define NOTIFY_CHANNEL_H

#include "notify/service.h"
#include "notify/transfer.h"

enum { TC_CHANNEL_IN_FLIGHT_MAX = 4, TC_CHANNEL_BODY_MAX = 4 << 20 };

struct message {
    struct sv key;           /* idempotency key */
    struct sv payload;       /* the intent's JSON */
    struct sv first_id;      /* the destination's name for the first message of this alert; empty: none */
    const char *console_url; /* for links; may be NULL */
};

struct forwarded { /* an event on its way to a SIEM */
    int64_t ns;    /* its time, since 1970 */
    struct sv id;  /* "EPOCH-POSITION": the same on every repeat */
    struct sv source, line;
};

struct channel {
    const char *type; /* as the configuration names it */
    /* What the configuration must have. Never quotes the URL. */
    int (*check)(const struct channel_config *config, struct err *err);
    /* Appends what is sent. */
    int (*body)(const struct channel_config *config, const struct message *message, struct buf *out,
                struct err *err);
    /* NULL where libcurl gives no handle. `config` and `parcel` outlive the transfer. */
    struct transfer *(*send)(const struct channel_config *config, const struct parcel *parcel);
    /* In place of `send`: the body is a list of requests to this service (service.h). */
    const struct service *service;
    /* In place of `send`. Fills *err unless it returns SEND_OK. */
    enum send_result (*deliver)(const struct channel_config *config, struct sv body, struct err *err);
    /* Where events may be forwarded to it: appends the one request (or the frames) that brings them all. */
    void (*events)(const struct channel_config *config, const struct forwarded *items, size_t count,
                   struct buf *out);
    enum severity lowest;                    /* told where no routing says otherwise (D-02, D-03) */
    bool tells_acknowledged, tells_resolved; /* whether it has a word for these */
    bool opens_incidents; /* what it is told becomes an incident there: it is not reminded of tasks */
};

const struct channel *channel_find(struct sv type);
/* How many requests the body is, one after the other: 1 where the channel is no service. */
size_t channel_steps(const struct channel *channel, struct sv body);
/* The transfer of parcel->step; as `send`. */
struct transfer *channel_send(const struct channel *channel, const struct channel_config *config,
                              const struct parcel *parcel);
/* The types that there are, for messages: "slack, email, …". */
const char *channel_types(void);
extern const struct channel channel_slack, channel_file, channel_stdout, channel_email, channel_webhook,
    channel_pagerduty, channel_sms, channel_voice, channel_slack_app, channel_teams, channel_discord,
    channel_telegram, channel_mattermost, channel_pushover, channel_webex, channel_opsgenie,
    channel_victorops, channel_sns, channel_jira, channel_ticket, channel_splunk_hec, channel_datadog,
    channel_elastic, channel_cef, channel_cef_udp;

/* HMAC-SHA256 over timestamp, a dot and body (channel/webhook.c). */
void webhook_sign(struct sv key, struct sv timestamp, struct sv body, char ret_hex[65]);

#endif
