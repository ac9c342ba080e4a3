/*
 * Opsgenie's alert API: an alert there is an alert here, by `alias` = its id; acknowledging and ending it
 * here does the same there. What comes again under an open alias raises its count. 202 is success.
 */
#include "notify/channel/chat.h"

enum { MESSAGE_BYTES = 130, TEXT_BYTES = 15000, ALIAS_BYTES = 512, VALUE_BYTES = 1000, DETAILS_MAX = 30 };

static const struct service service = {
    .base = "https://api.opsgenie.com",
    .content_type = "application/json",
    .login = LOGIN_HEADER,
    .header = "Authorization: GenieKey ",
    .reading = {.id_members = {"requestId"}},
};

static int opsgenie_check(const struct channel_config *config, struct err *err)
{
    if (config->token.n == 0)
        return err_set(
            err, TC_EINPUT,
            "an opsgenie channel needs a token: the integration's API key, as env:NAME or file:PATH");
    return service_check(&service, config, err);
}

/* What may be done to an alert that is there. */
static void put_action(const struct payload *p, const char *action, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf scratch;
    buf_init(&scratch, 8 << 10);
    service_begin(out, "POST");
    buf_printf(out, "/v2/alerts/%.*s/%s?identifierType=alias",
               SV_FMT(service_path_part(sv_head(p->id, ALIAS_BYTES), &scratch)), action);
    service_body(out);
    json_object(&json);
    json_kv_str(&json, "source", "tocsin");
    if (p->by.n > 0)
        json_kv_string(&json, "user", payload_cut(p->by, 100));
    json_object_end(&json);
    service_end(out);
    buf_free(&scratch);
}

static void details(struct json_out *json, const struct payload *p, const char *console_url)
{
    struct sv name, value;
    unsigned count = 0;
    json_key(json, SV("details"));
    json_object(json);
    for (uint32_t at = 0; count < DETAILS_MAX && payload_label(p, &at, &name, &value) == 1; count++) {
        json_key(json, payload_cut(name, 100));
        json_string(json, payload_cut(value, VALUE_BYTES));
    }
    chat_kv_url(json, "tocsin_url", p, console_url);
    json_object_end(json);
}

static void create(const struct payload *p, const char *console_url, struct buf *out)
{
    struct json_out json = json_out_to(out);
    service_begin(out, "POST");
    buf_str(out, "/v2/alerts");
    service_body(out);
    json_object(&json);
    chat_kv_title(&json, "message", p, CHAT_PLAIN, MESSAGE_BYTES);
    json_kv_string(&json, "alias", sv_head(p->id, ALIAS_BYTES));
    chat_kv_text(&json, "description", p, console_url, CHAT_PLAIN, TEXT_BYTES);
    json_kv_str(&json, "priority", severity_name(p->severity));
    json_kv_str(&json, "source", "tocsin");
    details(&json, p, console_url);
    json_object_end(&json);
    service_end(out);
}

static void write_request(const struct channel_config *config, const struct payload *p,
                          const struct message *message, struct buf *out)
{
    (void)config;
    if (payload_is_over(p))
        put_action(p, "close", out);
    else if (chat_is_acknowledged(p))
        put_action(p, "acknowledge", out);
    else
        create(p, message->console_url, out);
}

static int opsgenie_body(const struct channel_config *config, const struct message *message, struct buf *out,
                         struct err *err)
{
    return chat_body(config, message, write_request, out, err);
}

const struct channel channel_opsgenie = {.type = "opsgenie",
                                         .check = opsgenie_check,
                                         .body = opsgenie_body,
                                         .service = &service,
                                         .lowest = SEVERITY_P2,
                                         .tells_acknowledged = true,
                                         .tells_resolved = true};
