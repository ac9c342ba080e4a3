/*
 * Discord's webhooks: one embed. Asked to wait, Discord answers 200 with the message, whose id the receipt
 * bears. Nobody is called but whom `mentions` names: @here, @everyone, or a role's id.
 */
#include "notify/channel/chat.h"

enum { TITLE_BYTES = 256, TEXT_BYTES = 4096 }; /* Discord's bounds, in characters */

static const struct service service = {
    .content_type = "application/json",
    .reading = {.id_members = {"id"}, .error_member = "code", .retry_after_member = "retry_after"},
};

static int discord_check(const struct channel_config *config, struct err *err)
{
    return service_check(&service, config, err);
}

static bool is_role(struct sv who)
{
    for (size_t i = 0; i < who.n; i++)
        if (who.p[i] < '0' || who.p[i] > '9')
            return false;
    return who.n > 0;
}

static bool is_call(const struct payload *p)
{
    return !payload_is_over(p) && !chat_is_acknowledged(p) && !sv_is(p->reason, "test");
}

static void mentions(struct json_out *json, struct sv who)
{
    bool everyone = sv_is(who, "@here") || sv_is(who, "@everyone");
    struct buf text;
    buf_init(&text, 256);
    if (is_role(who))
        buf_printf(&text, "<@&%.*s>", SV_FMT(who));
    else if (everyone)
        buf_sv(&text, who);
    if (text.n > 0)
        json_kv_string(json, "content", buf_view(&text));
    json_key(json, SV("allowed_mentions"));
    json_object(json);
    json_key(json, SV("parse"));
    json_array(json);
    if (everyone)
        json_string(json, SV("everyone"));
    json_array_end(json);
    if (is_role(who)) {
        json_key(json, SV("roles"));
        json_array(json);
        json_string(json, who);
        json_array_end(json);
    }
    json_object_end(json);
    buf_free(&text);
}

static void write_request(const struct channel_config *config, const struct payload *p,
                          const struct message *message, struct buf *out)
{
    struct json_out json = json_out_to(out);
    service_begin(out, "POST");
    buf_str(out, sv_find_char(config->url, '?') < config->url.n ? "&wait=true" : "?wait=true");
    service_body(out);
    json_object(&json);
    mentions(&json, is_call(p) ? sv_head(config->mentions[p->severity], 100) : (struct sv){0});
    json_key(&json, SV("embeds"));
    json_array(&json);
    json_object(&json);
    chat_kv_title(&json, "title", p, CHAT_PLAIN, TITLE_BYTES); /* an embed's title knows no markup */
    chat_kv_url(&json, "url", p, message->console_url);
    chat_kv_text(&json, "description", p, NULL, CHAT_MARKDOWN, TEXT_BYTES);
    json_kv_u64(&json, "color", chat_color(p));
    json_object_end(&json);
    json_array_end(&json);
    json_object_end(&json);
    service_end(out);
}

static int discord_body(const struct channel_config *config, const struct message *message, struct buf *out,
                        struct err *err)
{
    return chat_body(config, message, write_request, out, err);
}

const struct channel channel_discord = {.type = "discord",
                                        .check = discord_check,
                                        .body = discord_body,
                                        .service = &service,
                                        .lowest = SEVERITY_P2,
                                        .tells_acknowledged = true,
                                        .tells_resolved = true};
