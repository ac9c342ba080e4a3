/*
 * Rocket.Chat (chat.postMessage): one attachment a message. Its API may answer 200 and say no.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "api/receiver/receiver.h"

enum { TITLE_MAX_RUNES = 1024 };

static const struct receiver_member attachment[] = {{"title", "title", .max_runes = TITLE_MAX_RUNES},
                                                    {"title_link", "title_link"},
                                                    {"text", "text"},
                                                    {"image_url", "image_url"},
                                                    {"thumb_url", "thumb_url"},
                                                    {"color", "color"},
                                                    {.json = NULL}};

static void write_fields(struct receiver_draft *d)
{
    const struct am_value *list = am_get(d->own, "fields");
    if (list->count == 0)
        return;
    json_key(&d->out, SV("fields"));
    json_array(&d->out);
    for (size_t i = 0; i < list->count; i++) {
        const struct am_object *own = list->items[i].object;
        json_object(&d->out);
        receiver_short(d, own);
        receiver_member(d, "title", receiver_text(d, own, "title"));
        receiver_member(d, "value", receiver_text(d, own, "value"));
        json_object_end(&d->out);
    }
    json_array_end(&d->out);
}

/* Buttons are the only actions there are. */
static void write_actions(struct receiver_draft *d)
{
    const struct am_value *list = am_get(d->own, "actions");
    if (list->count == 0)
        return;
    json_key(&d->out, SV("actions"));
    json_array(&d->out);
    for (size_t i = 0; i < list->count; i++) {
        const struct am_object *own = list->items[i].object;
        json_object(&d->out);
        json_kv_str(&d->out, "type", "button");
        receiver_member(d, "text", receiver_text(d, own, "text"));
        receiver_member(d, "url", receiver_text(d, own, "url"));
        json_kv_bool(&d->out, "is_webview", false);
        receiver_member(d, "msg", receiver_text(d, own, "msg"));
        json_kv_bool(&d->out, "msg_in_chat_window", false);
        json_object_end(&d->out);
    }
    json_array_end(&d->out);
}

void receiver_rocketchat(struct receiver_draft *d)
{
    struct sv token = receiver_secret(d, d->own, "token"), user = receiver_secret(d, d->own, "token_id"),
              base = am_get_text(d->own, "api_url");
    json_object(&d->out);
    receiver_member(d, "channel", receiver_text(d, d->own, "channel"));
    receiver_member(d, "emoji", receiver_text(d, d->own, "emoji"));
    receiver_member(d, "avatar", receiver_text(d, d->own, "icon_url"));
    json_key(&d->out, SV("attachments"));
    json_array(&d->out);
    json_object(&d->out);
    receiver_members(d, d->own, attachment);
    write_fields(d);
    write_actions(d);
    json_object_end(&d->out);
    json_array_end(&d->out);
    json_object_end(&d->out);
    while (sv_ends(base, SV("/")))
        base.n--;
    receiver_post_json(d, receiver_url(d, base, SV("/api/v1/chat.postMessage"), NULL));
    receiver_add_header(&d->job->first, arena_printf(d->arena, "X-Auth-Token: %.*s", SV_FMT(token)));
    receiver_add_header(&d->job->first, arena_printf(d->arena, "X-User-Id: %.*s", SV_FMT(user)));
}

enum courier_verdict receiver_rocketchat_answered(struct courier *courier, struct courier_job *job,
                                                  const struct courier_answer *answer)
{
    enum courier_verdict verdict = courier_judge_status(job, answer);
    (void)courier;
    if (verdict != COURIER_TAKEN)
        return verdict;
    struct template_value json = receiver_answer(job, answer);
    if (json.kind != TEMPLATE_MAP) {
        courier_say(job, "the answer is no JSON", SV(""));
        return COURIER_AGAIN;
    }
    const struct template_value *success = template_get(json, SV("success"));
    if (success != NULL && success->kind == TEMPLATE_BOOL && success->as.boolean)
        return COURIER_TAKEN;
    courier_say(job, "error response from Rocketchat", receiver_answer_text(json, "error"));
    return COURIER_REFUSED;
}
