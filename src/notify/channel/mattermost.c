/*
 * Mattermost's incoming webhooks: one attachment. Text of events calls nobody; whom `mentions` names stands
 * before it.
 */
#include "notify/channel/chat.h"

#include <stdio.h>

enum { TITLE_BYTES = 1000, TEXT_BYTES = 12000 }; /* of 16,383 characters in a message */

static const struct service service = {.content_type = "application/json"};

static int mattermost_check(const struct channel_config *config, struct err *err)
{
    return service_check(&service, config, err);
}

static void attachment(struct json_out *json, const struct payload *p, const char *console_url)
{
    char color[16];
    snprintf(color, sizeof color, "#%06x", chat_color(p));
    json_object(json);
    chat_kv_title(json, "fallback", p, CHAT_PLAIN, TITLE_BYTES);
    json_kv_str(json, "color", color);
    chat_kv_title(json, "title", p, CHAT_MARKDOWN, TITLE_BYTES);
    chat_kv_url(json, "title_link", p, console_url);
    chat_kv_text(json, "text", p, NULL, CHAT_MARKDOWN, TEXT_BYTES);
    json_object_end(json);
}

static void write_request(const struct channel_config *config, const struct payload *p,
                          const struct message *message, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct sv who = config->mentions[p->severity];
    bool calls = !payload_is_over(p) && !chat_is_acknowledged(p) && !sv_is(p->reason, "test");
    service_begin(out, "POST");
    service_body(out);
    json_object(&json);
    if (config->slack_channel.n > 0)
        json_kv_string(&json, "channel", config->slack_channel);
    if (config->username.n > 0)
        json_kv_string(&json, "username", config->username);
    if (calls && who.n > 0)
        json_kv_string(&json, "text", sv_head(who, 200));
    json_key(&json, SV("attachments"));
    json_array(&json);
    attachment(&json, p, message->console_url);
    json_array_end(&json);
    json_object_end(&json);
    service_end(out);
}

static int mattermost_body(const struct channel_config *config, const struct message *message,
                           struct buf *out, struct err *err)
{
    return chat_body(config, message, write_request, out, err);
}

const struct channel channel_mattermost = {.type = "mattermost",
                                           .check = mattermost_check,
                                           .body = mattermost_body,
                                           .service = &service,
                                           .lowest = SEVERITY_P2,
                                           .tells_acknowledged = true,
                                           .tells_resolved = true};
