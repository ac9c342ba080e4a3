/*
 * Telegram's Bot API: sendMessage to each chat of `to` (an id, or @channel), as HTML with its three entities.
 * Where there is one chat, later messages of an alert are replies to its first. The bot's token is a part of
 * the address, which is a secret for that.
 */
#include "notify/channel/chat.h"

#include "base/num.h"

enum { TITLE_BYTES = 300, TEXT_BYTES = 3600 }; /* 4,096 characters in all */

static const struct service service = {
    .base = "https://api.telegram.org",
    .content_type = "application/json",
    .reading = {.id_members = {"result.message_id"},
                .ok_member = "ok",
                .error_member = "description",
                .retry_after_member = "parameters.retry_after"},
};

static int telegram_check(const struct channel_config *config, struct err *err)
{
    if (config->token.n == 0)
        return err_set(err, TC_EINPUT,
                       "a telegram channel needs a token: the bot's, as env:NAME or file:PATH");
    for (size_t i = 0; i < config->token.n; i++)
        if (strchr("-_:", config->token.p[i]) == NULL &&
            (config->token.p[i] < '0' || (config->token.p[i] > '9' && (config->token.p[i] | 0x20) < 'a') ||
             (config->token.p[i] | 0x20) > 'z'))
            return err_set(err, TC_EINPUT, "its token is no bot's token");
    int rc = chat_check_to(config, "chats, as -1001234567890 or @channel", err);
    return rc == 0 ? service_check(&service, config, err) : rc;
}

static void put_message(const struct channel_config *config, const struct payload *p,
                        const struct message *message, struct sv chat, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf text;
    uint64_t first;
    buf_init(&text, 64 << 10);
    service_begin(out, "POST");
    buf_printf(out, "/bot%.*s/sendMessage", SV_FMT(config->token));
    service_body(out);
    json_object(&json);
    json_kv_string(&json, "chat_id", chat);
    buf_str(&text, "<b>");
    chat_title(p, CHAT_HTML, TITLE_BYTES, &text);
    buf_str(&text, "</b>\n");
    chat_text(p, message->console_url, CHAT_HTML, TEXT_BYTES, &text);
    json_kv_string(&json, "text", buf_view(&text));
    json_kv_str(&json, "parse_mode", "HTML");
    json_kv_bool(&json, "disable_web_page_preview", true);
    if (config->to_count == 1 && num_u64(message->first_id, 1, INT64_MAX, &first)) {
        json_kv_u64(&json, "reply_to_message_id", first);
        json_kv_bool(&json, "allow_sending_without_reply", true);
    }
    json_object_end(&json);
    service_end(out);
    buf_free(&text);
}

static int telegram_body(const struct channel_config *config, const struct message *message, struct buf *out,
                         struct err *err)
{
    return chat_body_each(config, message, put_message, out, err);
}

const struct channel channel_telegram = {.type = "telegram",
                                         .check = telegram_check,
                                         .body = telegram_body,
                                         .service = &service,
                                         .lowest = SEVERITY_P2,
                                         .tells_acknowledged = true,
                                         .tells_resolved = true};
