/*
 * Mattermost's incoming webhooks: the attachments of the configuration, or one that is made of the top
 * settings.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "api/receiver/receiver.h"

enum { TEXT_MAX_RUNES = 16383 };

static const struct receiver_member sender[] = {{"channel", "channel"},
                                                {"username", "username"},
                                                {"icon_url", "icon_url"},
                                                {"icon_emoji", "icon_emoji"},
                                                {.json = NULL}};
static const struct receiver_member before_fields[] = {
    {"fallback", "fallback"},       {"color", "color"},
    {"pretext", "pretext"},         {"text", "text"},
    {"author_name", "author_name"}, {"author_link", "author_link"},
    {"author_icon", "author_icon"}, {"title", "title"},
    {"title_link", "title_link"},   {.json = NULL}};
static const struct receiver_member after_fields[] = {{"thumb_url", "thumb_url"},
                                                      {"footer", "footer"},
                                                      {"footer_icon", "footer_icon"},
                                                      {"image_url", "image_url"},
                                                      {.json = NULL}};
static const struct receiver_member field[] = {{"title", "title"}, {"value", "value"}, {.json = NULL}};

static void write_attachment(struct receiver_draft *d, const struct am_object *own)
{
    const struct am_value *fields = am_get(own, "fields");
    json_object(&d->out);
    receiver_members(d, own, before_fields);
    if (fields->count > 0) {
        json_key(&d->out, SV("fields"));
        json_array(&d->out);
        for (size_t i = 0; i < fields->count; i++) {
            const struct am_value *narrow = am_get(fields->items[i].object, "short");
            json_object(&d->out);
            receiver_members(d, fields->items[i].object, field);
            if (narrow->given)
                json_kv_bool(&d->out, "short", narrow->number != 0);
            json_object_end(&d->out);
        }
        json_array_end(&d->out);
    }
    receiver_members(d, own, after_fields);
    json_object_end(&d->out);
}

/* Only the standard priority needs no acknowledgement, and only urgent messages insist. */
static void write_priority(struct receiver_draft *d, const struct am_object *own)
{
    static const char *const known[] = {"urgent", "important", "standard"};
    struct sv asked = receiver_text(d, own, "priority");
    size_t level = 0;
    while (level + 1 < TC_ARRAY_LEN(known) && !sv_eq_nocase(asked, sv_of(known[level])))
        level++;
    json_key(&d->out, SV("priority"));
    json_object(&d->out);
    json_kv_str(&d->out, "priority", known[level]);
    if (am_get(own, "requested_ack")->number != 0 && level < 2)
        json_kv_bool(&d->out, "requested_ack", true);
    if (am_get(own, "persistent_notifications")->number != 0 && level == 0)
        json_kv_bool(&d->out, "persistent_notifications", true);
    json_object_end(&d->out);
}

void receiver_mattermost(struct receiver_draft *d)
{
    const struct am_value *attachments = am_get(d->own, "attachments");
    const struct am_object *props = am_get_object(d->own, "props"),
                           *priority = am_get_object(d->own, "priority");
    json_object(&d->out);
    if (attachments->count > 0)
        receiver_member(d, "text", receiver_cut_runes(d, receiver_text(d, d->own, "text"), TEXT_MAX_RUNES));
    receiver_members(d, d->own, sender);
    json_key(&d->out, SV("attachments"));
    json_array(&d->out);
    for (size_t i = 0; i < attachments->count; i++)
        write_attachment(d, attachments->items[i].object);
    if (attachments->count == 0)
        write_attachment(d, d->own);
    json_array_end(&d->out);
    receiver_member(d, "type", receiver_text(d, d->own, "type"));
    if (props != NULL && am_get_text(props, "card").n > 0) {
        json_key(&d->out, SV("props"));
        json_object(&d->out);
        receiver_member(d, "card", receiver_text(d, props, "card"));
        json_object_end(&d->out);
    }
    if (priority != NULL && am_get_text(priority, "priority").n > 0)
        write_priority(d, priority);
    json_object_end(&d->out);
    struct sv url = receiver_secret(d, d->own, "webhook_url");
    if (url.n == 0)
        receiver_fail(d, TC_EINPUT, "webhook url missing");
    receiver_post_json(d, url);
}
