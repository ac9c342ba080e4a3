/*
 * Webex: a message, as plain text, in each room of `to`. Where there is one room, later messages of an alert
 * stand in the thread of its first. A message may have 7,439 bytes.
 */
#include "notify/channel/chat.h"

enum { TITLE_BYTES = 400, TEXT_BYTES = 6900 };

static const struct service service = {
    .base = "https://webexapis.com",
    .content_type = "application/json",
    .login = LOGIN_HEADER,
    .header = "Authorization: Bearer ",
    .reading = {.id_members = {"id"}},
};

static int webex_check(const struct channel_config *config, struct err *err)
{
    int rc = chat_check_to(config, "rooms, by their ids", err);
    return rc == 0 ? service_check(&service, config, err) : rc;
}

static void put_message(const struct channel_config *config, const struct payload *p,
                        const struct message *message, struct sv room, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf text;
    buf_init(&text, 64 << 10);
    service_begin(out, "POST");
    buf_str(out, "/v1/messages");
    service_body(out);
    chat_title(p, CHAT_PLAIN, TITLE_BYTES, &text);
    buf_char(&text, '\n');
    chat_text(p, message->console_url, CHAT_PLAIN, TEXT_BYTES, &text);
    json_object(&json);
    json_kv_string(&json, "roomId", room);
    json_kv_string(&json, "text", buf_view(&text));
    if (config->to_count == 1 && message->first_id.n > 0)
        json_kv_string(&json, "parentId", message->first_id);
    json_object_end(&json);
    service_end(out);
    buf_free(&text);
}

static int webex_body(const struct channel_config *config, const struct message *message, struct buf *out,
                      struct err *err)
{
    return chat_body_each(config, message, put_message, out, err);
}

const struct channel channel_webex = {.type = "webex",
                                      .check = webex_check,
                                      .body = webex_body,
                                      .service = &service,
                                      .lowest = SEVERITY_P2,
                                      .tells_acknowledged = true,
                                      .tells_resolved = true};
