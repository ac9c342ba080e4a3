/*
 * Microsoft Teams, by a workflow's webhook ("post to a channel when a webhook request is received"): an
 * Adaptive Card 1.4 in a message. 202 is success. A card may have 28 KiB.
 *
 * What comes from events stands in text runs, which know no markup.
 */
#include "notify/channel/chat.h"

enum { TITLE_BYTES = 500, TEXT_BYTES = 4000 };

static const struct service service = {.content_type = "application/json"};

static int teams_check(const struct channel_config *config, struct err *err)
{
    return service_check(&service, config, err);
}

static void run(struct json_out *json, struct sv text, bool bold, const char *color)
{
    json_object(json);
    json_kv_str(json, "type", "TextRun");
    json_kv_string(json, "text", text);
    if (bold)
        json_kv_str(json, "weight", "Bolder");
    if (bold)
        json_kv_str(json, "size", "Large");
    if (color != NULL)
        json_kv_str(json, "color", color);
    json_object_end(json);
}

static const char *color_of(const struct payload *p)
{
    return payload_is_over(p)           ? "Good"
           : p->severity == SEVERITY_P1 ? "Attention"
           : p->severity == SEVERITY_P2 ? "Warning"
                                        : "Accent";
}

/* A text run has no line breaks: each line is a block of its own. */
static void blocks(struct json_out *json, struct sv text, bool bold, const char *color)
{
    while (text.n > 0) {
        struct sv one = sv_cut(&text, '\n');
        if (one.n == 0)
            continue;
        json_object(json);
        json_kv_str(json, "type", "RichTextBlock");
        json_key(json, SV("inlines"));
        json_array(json);
        run(json, one, bold, color);
        json_array_end(json);
        json_object_end(json);
    }
}

static void card(struct json_out *json, const struct payload *p, const char *console_url)
{
    struct buf text;
    buf_init(&text, 64 << 10);
    json_object(json);
    json_kv_str(json, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    json_kv_str(json, "type", "AdaptiveCard");
    json_kv_str(json, "version", "1.4");
    json_key(json, SV("body"));
    json_array(json);
    chat_title(p, CHAT_PLAIN, TITLE_BYTES, &text);
    blocks(json, buf_view(&text), true, color_of(p));
    buf_clear(&text);
    chat_text(p, NULL, CHAT_PLAIN, TEXT_BYTES, &text);
    blocks(json, buf_view(&text), false, NULL);
    json_array_end(json);
    json_key(json, SV("actions"));
    json_array(json);
    json_object(json);
    json_kv_str(json, "type", "Action.OpenUrl");
    json_kv_str(json, "title", "Open the alert");
    chat_kv_url(json, "url", p, console_url);
    json_object_end(json);
    json_array_end(json);
    json_object_end(json);
    buf_free(&text);
}

static void write_request(const struct channel_config *config, const struct payload *p,
                          const struct message *message, struct buf *out)
{
    struct json_out json = json_out_to(out);
    (void)config;
    service_begin(out, "POST");
    service_body(out);
    json_object(&json);
    json_kv_str(&json, "type", "message");
    json_key(&json, SV("attachments"));
    json_array(&json);
    json_object(&json);
    json_kv_str(&json, "contentType", "application/vnd.microsoft.card.adaptive");
    json_key(&json, SV("content"));
    card(&json, p, message->console_url);
    json_object_end(&json);
    json_array_end(&json);
    json_object_end(&json);
    service_end(out);
}

static int teams_body(const struct channel_config *config, const struct message *message, struct buf *out,
                      struct err *err)
{
    return chat_body(config, message, write_request, out, err);
}

const struct channel channel_teams = {.type = "teams",
                                      .check = teams_check,
                                      .body = teams_body,
                                      .service = &service,
                                      .lowest = SEVERITY_P2,
                                      .tells_acknowledged = true,
                                      .tells_resolved = true};
