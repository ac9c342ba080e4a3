/*
 * What the vendors' readers of callbacks share; see callback.h.
 */
#ifndef NOTIFY_CALLBACK_PRIV_H
#define NOTIFY_CALLBACK_PRIV_H

#include "notify/callback.h"

#include "base/arena.h"
#include "base/hash.h"

enum { CALLBACK_PAIRS_MAX = 200 };

/* Fills ret but `status` (200). Returns false after callback_refuse. */
typedef bool (*callback_reader)(const struct channel_config *config, const struct callback_request *request,
                                struct arena *arena, struct callback *ret);
bool callback_twilio(const struct channel_config *config, const struct callback_request *request,
                     struct arena *arena, struct callback *ret);
bool callback_slack(const struct channel_config *config, const struct callback_request *request,
                    struct arena *arena, struct callback *ret);
bool callback_pagerduty(const struct channel_config *config, const struct callback_request *request,
                        struct arena *arena, struct callback *ret);

bool callback_refuse(struct callback *ret, unsigned status, const char *text); /* false */
void callback_command(struct callback *ret, const char *verb, struct sv alert_id, struct sv by);
/* Who an id of the vendor's is here; n == 0: nobody that the configuration names. */
struct sv callback_person(const struct channel_config *config, struct sv id);

struct callback_form_pairs {
    struct callback_pair {
        struct sv name, value;
    } pairs[CALLBACK_PAIRS_MAX];
    size_t count;
};
/* application/x-www-form-urlencoded. False where it is not, or has too many pairs. */
bool callback_read_form(struct sv body, struct arena *arena, struct callback_form_pairs *ret);
struct sv callback_form_value(const struct callback_form_pairs *form, const char *name);

/* Compared in constant time with `want`, which is as long. */
bool callback_same(struct sv given, const char *want);
/* HMAC-SHA256 over up to three parts, as hexadecimal digits. */
void callback_hmac(struct sv key, const struct sv *parts, size_t count, char ret_hex[TC_SHA256_HEX]);

#endif
