/*
 * What vendors send back: somebody pressed a digit, answered an SMS, clicked a button, or acknowledged an
 * incident there. Each is proved by its vendor's signature, over the bytes as they came; nothing else lets a
 * stranger in. What it asks for is a command on one alert, which the core carries out like anybody's.
 *
 *   Twilio      X-Twilio-Signature: base64 of HMAC-SHA1, by `token`, over the address and the form's pairs
 *   Slack       X-Slack-Signature: v0= and HMAC-SHA256, by `signing_secret`; its time is at most 5 minutes
 * off PagerDuty   X-PagerDuty-Signature: v1= and HMAC-SHA256, by `signing_secret`; at most 24 hours old
 *
 * A repeat of what was carried out is answered and does nothing: the last TC_CALLBACKS_SEEN are remembered
 * (until a restart; each names its alert, so a late repeat changes nothing that is not changed already).
 */
#ifndef NOTIFY_CALLBACK_H
#define NOTIFY_CALLBACK_H

#include "notify/notify.h"

enum { TC_CALLBACKS_SEEN = 4096, TC_CALLBACK_BODY_MAX = 256 << 10 };

struct callbacks;
/* `channels` are lent and must outlive it. */
struct callbacks *callbacks_new(const struct channel_config *channels, size_t count);
void callbacks_free(struct callbacks **callbacks);

struct callback_request {
    struct sv channel;  /* of the path; its name in the configuration */
    struct sv alert_id; /* of the path; empty: the body says which */
    struct sv body;
    struct sv (*header)(void *context, const char *name); /* p == NULL: absent */
    void *context;
    int64_t now_ns; /* wall clock */
};

enum callback_form { CALLBACK_PLAIN, CALLBACK_CALL, CALLBACK_SMS };

struct callback {
    unsigned status; /* 200, or the refusal's, which `text` explains */
    enum callback_form form;
    char text[200]; /* what is answered; where there is a command, once it is done */
    char verb[16], alert_id[65], by[128], note[200]; /* the command; verb "": there is none */
    char reply_url[256]; /* where the vendor wants `text`, if it must be told there; else empty */
    bool opted_out;      /* a recipient wants no more messages */
    uint64_t seen_as;    /* what a repeat has, too */
};

/* Any thread. */
void callback_read(struct callbacks *callbacks, const struct callback_request *request, struct callback *ret);
/* The body of the answer. `rc` is the command's outcome (0 where there was none), `why` its error. Remembers
 * what was carried out. Any thread. */
void callback_answer(struct callbacks *callbacks, const struct callback *callback, int rc, const char *why,
                     const char **ret_content_type, struct buf *out);

struct callback_stats {
    uint64_t carried_out, repeated, refused;
    size_t remembered; /* of TC_CALLBACKS_SEEN */
};
void callbacks_stats(struct callbacks *callbacks, struct callback_stats *ret);

#endif
