/*
 * Chats with a short body: Discord, Webex, Microsoft Teams' two kinds of webhooks.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "api/receiver/receiver.h"

enum {
    DISCORD_TITLE_MAX_RUNES = 256,
    DISCORD_DESCRIPTION_MAX_RUNES = 4096,
    DISCORD_CONTENT_MAX_RUNES = 2000,
    DISCORD_RED = 0x992D22,
    DISCORD_GREEN = 0x2ECC71,
    WEBEX_MAX_BYTES = 7439,
};

void receiver_discord(struct receiver_draft *d)
{
    static const struct receiver_member embed[] = {
        {"title", "title", .always = true, .max_runes = DISCORD_TITLE_MAX_RUNES},
        {"description", "message", .always = true, .max_runes = DISCORD_DESCRIPTION_MAX_RUNES},
        {.json = NULL}};
    static const struct receiver_member content[] = {
        {"content", "content", .always = true, .max_runes = DISCORD_CONTENT_MAX_RUNES}, {.json = NULL}};
    static const struct receiver_member sender[] = {{"username", "username", .kind = MEMBER_PLAIN},
                                                    {"avatar_url", "avatar_url", .kind = MEMBER_PLAIN},
                                                    {.json = NULL}};
    json_object(&d->out);
    receiver_members(d, d->own, content);
    json_key(&d->out, SV("embeds"));
    json_array(&d->out);
    json_object(&d->out);
    receiver_members(d, d->own, embed);
    json_kv_i64(&d->out, "color", receiver_is_firing(d) ? DISCORD_RED : DISCORD_GREEN);
    json_object_end(&d->out);
    json_array_end(&d->out);
    receiver_members(d, d->own, sender);
    json_object_end(&d->out);
    receiver_post_json(d, receiver_secret(d, d->own, "webhook_url"));
}

void receiver_webex(struct receiver_draft *d)
{
    json_object(&d->out);
    json_kv_string(&d->out, "markdown",
                   receiver_cut_bytes(d, receiver_text(d, d->own, "message"), WEBEX_MAX_BYTES));
    receiver_member(d, "roomId", receiver_text(d, d->own, "room_id"));
    json_object_end(&d->out);
    receiver_post_json(d, am_get_text(d->own, "api_url"));
}

void receiver_msteams(struct receiver_draft *d)
{
    static const struct receiver_member members[] = {{"title", "title", .always = true},
                                                     {"summary", "summary", .always = true},
                                                     {"text", "text", .always = true},
                                                     {.json = NULL}};
    json_object(&d->out);
    json_kv_str(&d->out, "@context", "http://schema.org/extensions");
    json_kv_str(&d->out, "type", "MessageCard");
    receiver_members(d, d->own, members);
    json_kv_str(&d->out, "themeColor", receiver_is_firing(d) ? "8C1A1A" : "2DC72D");
    json_object_end(&d->out);
    receiver_post_json(d, receiver_secret(d, d->own, "webhook_url"));
}

/* An adaptive card's block of text; a headline is bold and coloured. */
static void write_block(struct receiver_draft *d, struct sv text, const char *colour)
{
    json_object(&d->out);
    json_kv_str(&d->out, "type", "TextBlock");
    json_kv_string(&d->out, "text", text);
    if (colour != NULL) {
        json_kv_str(&d->out, "weight", "Bolder");
        json_kv_str(&d->out, "size", "Medium");
    }
    json_kv_bool(&d->out, "wrap", true);
    if (colour != NULL) {
        json_kv_str(&d->out, "style", "heading");
        json_kv_str(&d->out, "color", colour);
    }
    json_object_end(&d->out);
}

static void write_card(struct receiver_draft *d)
{
    json_object(&d->out);
    json_kv_str(&d->out, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    json_kv_str(&d->out, "type", "AdaptiveCard");
    json_kv_str(&d->out, "version", "1.2");
    json_key(&d->out, SV("body"));
    json_array(&d->out);
    write_block(d, receiver_text(d, d->own, "title"), receiver_is_firing(d) ? "Attention" : "Good");
    write_block(d, receiver_text(d, d->own, "text"), NULL);
    json_array_end(&d->out);
    json_key(&d->out, SV("msteams"));
    json_object(&d->out);
    json_kv_str(&d->out, "width", "full");
    json_object_end(&d->out);
    json_object_end(&d->out);
}

void receiver_msteamsv2(struct receiver_draft *d)
{
    json_object(&d->out);
    json_kv_str(&d->out, "type", "message");
    json_key(&d->out, SV("attachments"));
    json_array(&d->out);
    json_object(&d->out);
    json_kv_str(&d->out, "contentType", "application/vnd.microsoft.card.adaptive");
    json_key(&d->out, SV("contentUrl"));
    json_null(&d->out);
    json_key(&d->out, SV("content"));
    write_card(d);
    json_object_end(&d->out);
    json_array_end(&d->out);
    json_object_end(&d->out);
    receiver_post_json(d, receiver_secret(d, d->own, "webhook_url"));
}
