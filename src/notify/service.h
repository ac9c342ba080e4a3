/*
 * HTTP services, each described by a table: where it is, how one shows who one is, how its answers are read.
 * A channel's file is such a table and a body builder.
 *
 * The body of such a channel is a list of requests, which the pump makes one after the other (one to each
 * recipient, or an update and then a reply):
 *
 *   METHOD SP PATH LF BODY RS     RS is 0x1e, as in RFC 7464: neither JSON nor a form holds it raw
 *
 * PATH stands behind the address: `api_url` of the configuration, else the table's, else the secret `url`.
 * It may hold a secret (Telegram's does), so it is treated as the URL is.
 */
#ifndef NOTIFY_SERVICE_H
#define NOTIFY_SERVICE_H

#include "notify/http.h"

enum { TC_SERVICE_STEPS_MAX = 64 };

enum service_login {
    LOGIN_NONE,    /* the address or the body says it all */
    LOGIN_HEADER,  /* `header`, then `token` */
    LOGIN_ACCOUNT, /* Basic, `account` and `token` */
    LOGIN_BASIC, /* Basic, `auth_username` and `auth_password`, where they are set; else `header`, `token` */
    LOGIN_AWS,   /* AWS signature version 4: `account` (key id), `token` (secret key), `region` */
};

struct service {
    const char *base; /* "{region}" stands for the channel's; NULL: the channel's `url` is the address */
    const char *content_type;
    enum service_login login;
    const char *header;      /* "Authorization: Bearer " */
    const char *aws_service; /* LOGIN_AWS: "sns" */
    struct http_reading reading;
};

/* --- writing the list --- */
struct sv service_path_part(struct sv part, struct buf *scratch); /* percent-encoded, in `scratch` */
void service_begin(struct buf *out, const char *method);          /* then the path, then: */
void service_body(struct buf *out);                               /* then the body, then: */
void service_end(struct buf *out);
/* One pair of application/x-www-form-urlencoded, after a '&' unless it is the first of the body. */
void service_form(struct buf *out, const char *name, struct sv value);

/* --- using it --- */
size_t service_steps(struct sv list);
/* Of channels that have a service: the address. TC_EINPUT where there is none, or it is no http address. */
int service_check(const struct service *service, const struct channel_config *config, struct err *err);
struct transfer *service_send(const struct service *service, const struct channel_config *config,
                              const struct parcel *parcel);

#endif
