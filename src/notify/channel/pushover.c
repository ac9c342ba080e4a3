/*
 * Pushover: a message to each user or group key of `to`. P1 is an emergency: it repeats every minute for an
 * hour, until it is acknowledged in the app, or here (then it is cancelled by its tag, the alert's id).
 */
#include "notify/channel/chat.h"

#include <stdio.h>

enum { TITLE_BYTES = 250, TEXT_BYTES = 1024, RETRY_S = 60, EXPIRE_S = 3600 };

static const struct service service = {
    .base = "https://api.pushover.net",
    .content_type = "application/json",
    .reading = {.id_members = {"request"}},
};

static int pushover_check(const struct channel_config *config, struct err *err)
{
    if (config->token.n == 0)
        return err_set(err, TC_EINPUT,
                       "a pushover channel needs a token: the application's, as env:NAME or file:PATH");
    int rc = chat_check_to(config, "user or group keys", err);
    return rc == 0 ? service_check(&service, config, err) : rc;
}

static int priority_of(const struct payload *p)
{
    static const int priorities[] = {
        [SEVERITY_P1] = 2, [SEVERITY_P2] = 1, [SEVERITY_P3] = 0, [SEVERITY_P4] = -1};
    bool calls = !payload_is_over(p) && !chat_is_acknowledged(p) && !sv_is(p->reason, "test");
    return calls ? priorities[p->severity] : -1;
}

static void put_message(const struct channel_config *config, const struct payload *p,
                        const struct message *message, struct sv user, struct buf *out)
{
    struct json_out json = json_out_to(out);
    int priority = priority_of(p);
    service_begin(out, "POST");
    buf_str(out, "/1/messages.json");
    service_body(out);
    json_object(&json);
    json_kv_string(&json, "token", config->token);
    json_kv_string(&json, "user", user);
    chat_kv_title(&json, "title", p, CHAT_PLAIN, TITLE_BYTES);
    chat_kv_text(&json, "message", p, NULL, CHAT_PLAIN, TEXT_BYTES);
    chat_kv_url(&json, "url", p, message->console_url);
    json_kv_str(&json, "url_title", "Open the alert");
    json_kv_i64(&json, "priority", priority);
    if (priority == 2) {
        json_kv_i64(&json, "retry", RETRY_S);
        json_kv_i64(&json, "expire", EXPIRE_S);
        json_kv_string(&json, "tags", p->id);
    }
    json_object_end(&json);
    service_end(out);
}

static void cancel(const struct channel_config *config, const struct payload *p, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf scratch;
    buf_init(&scratch, 4096);
    service_begin(out, "POST");
    buf_printf(out, "/1/receipts/cancel_by_tag/%.*s.json", SV_FMT(service_path_part(p->id, &scratch)));
    service_body(out);
    json_object(&json);
    json_kv_string(&json, "token", config->token);
    json_object_end(&json);
    service_end(out);
    buf_free(&scratch);
}

static void write_requests(const struct channel_config *config, const struct payload *p,
                           const struct message *message, struct buf *out)
{
    if (p->severity == SEVERITY_P1 && (chat_is_acknowledged(p) || payload_is_over(p)))
        cancel(config, p, out);
    for (size_t i = 0; i < config->to_count; i++)
        put_message(config, p, message, config->to[i], out);
}

static int pushover_body(const struct channel_config *config, const struct message *message, struct buf *out,
                         struct err *err)
{
    return chat_body(config, message, write_requests, out, err);
}

const struct channel channel_pushover = {.type = "pushover",
                                         .check = pushover_check,
                                         .body = pushover_body,
                                         .service = &service,
                                         .lowest = SEVERITY_P1,
                                         .tells_acknowledged = true,
                                         .tells_resolved = true};
