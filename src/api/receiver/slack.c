/*
 * Slack (https://api.slack.com/methods/chat.postMessage, and incoming webhooks): one attachment a message.
 * With update_message the message of a group is changed in place; where it stands is remembered.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "api/receiver/receiver.h"

enum { TITLE_MAX_RUNES = 1024 };

static const struct receiver_member top[] = {
    {"username", "username"}, {"icon_emoji", "icon_emoji"},
    {"icon_url", "icon_url"}, {"link_names", "link_names", .kind = MEMBER_TRUE},
    {"text", "message_text"}, {.json = NULL}};
static const struct receiver_member before_fields[] = {{"title", "title", .max_runes = TITLE_MAX_RUNES},
                                                       {"title_link", "title_link"},
                                                       {"pretext", "pretext"},
                                                       {"text", "text", .always = true},
                                                       {"fallback", "fallback", .always = true},
                                                       {"callback_id", "callback_id", .always = true},
                                                       {.json = NULL}};
static const struct receiver_member after_fields[] = {{"image_url", "image_url"},
                                                      {"thumb_url", "thumb_url"},
                                                      {"footer", "footer", .always = true},
                                                      {"color", "color"},
                                                      {.json = NULL}};
static const struct receiver_member field[] = {{"title", "title"}, {"value", "value"}, {.json = NULL}};
static const struct receiver_member action[] = {
    {"type", "type"}, {"text", "text"}, {"url", "url"}, {"style", "style"}, {.json = NULL}};
/* What a button without an address does is the application's: it hears of these. */
static const struct receiver_member message_action[] = {{"name", "name"}, {"value", "value"}, {.json = NULL}};
static const struct receiver_member confirm[] = {{"text", "text"},
                                                 {"title", "title"},
                                                 {"ok_text", "ok_text"},
                                                 {"dismiss_text", "dismiss_text"},
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
        receiver_members(d, own, field);
        receiver_short(d, own);
        json_object_end(&d->out);
    }
    json_array_end(&d->out);
}

static void write_actions(struct receiver_draft *d)
{
    const struct am_value *list = am_get(d->own, "actions");
    if (list->count == 0)
        return;
    json_key(&d->out, SV("actions"));
    json_array(&d->out);
    for (size_t i = 0; i < list->count; i++) {
        const struct am_object *own = list->items[i].object, *asked = am_get_object(own, "confirm");
        bool opens = am_get_text(own, "url").n > 0;
        json_object(&d->out);
        receiver_members(d, own, action);
        if (!opens)
            receiver_members(d, own, message_action);
        if (asked != NULL && !opens) {
            json_key(&d->out, SV("confirm"));
            json_object(&d->out);
            receiver_members(d, asked, confirm);
            json_object_end(&d->out);
        }
        json_object_end(&d->out);
    }
    json_array_end(&d->out);
}

static void write_attachment(struct receiver_draft *d)
{
    static const char *const usual[] = {"fallback", "pretext", "text"};
    const struct am_value *markdown = am_get(d->own, "mrkdwn_in");
    json_object(&d->out);
    receiver_members(d, d->own, before_fields);
    write_fields(d);
    write_actions(d);
    receiver_members(d, d->own, after_fields);
    json_key(&d->out, SV("mrkdwn_in"));
    json_array(&d->out);
    for (size_t i = 0; i < (markdown->count > 0 ? markdown->count : TC_ARRAY_LEN(usual)); i++)
        json_string(&d->out, markdown->count > 0 ? markdown->items[i].text : sv_of(usual[i]));
    json_array_end(&d->out);
    json_object_end(&d->out);
}

void receiver_slack(struct receiver_draft *d)
{
    struct sv channel = receiver_text(d, d->own, "channel"), at = SV(""), url = SV(""),
              token = receiver_secret(d, d->own, "app_token");
    bool updates = am_get(d->own, "update_message")->number != 0;
    struct reader known = reader_of(d->note->remembered);
    if (token.n > 0)
        receiver_bearer(d, token);
    url = receiver_secret(d, d->own, "api_url");
    if (updates && known.rest.n > 0) {
        struct sv where = reader_string(&known), when = reader_string(&known);
        if (!known.bad && where.n > 0 && when.n > 0) {
            channel = where;
            at = when;
            url = SV("https://slack.com/api/chat.update");
        }
    }
    json_object(&d->out);
    receiver_member(d, "channel", channel);
    receiver_member(d, "ts", at);
    receiver_members(d, d->own, top);
    json_key(&d->out, SV("attachments"));
    json_array(&d->out);
    write_attachment(d);
    json_array_end(&d->out);
    json_object_end(&d->out);
    d->job->timeout_ns = am_get(d->own, "timeout")->number;
    d->job->plan = updates ? d->job : NULL;
    receiver_post_json(d, url);
}

/* A webhook answers "ok"; the API answers JSON, and says there what went wrong. */
enum courier_verdict receiver_slack_answered(struct courier *courier, struct courier_job *job,
                                             const struct courier_answer *answer)
{
    enum courier_verdict verdict = courier_judge_status(job, answer);
    (void)courier;
    if (verdict != COURIER_TAKEN)
        return verdict;
    if (!sv_starts(answer->content_type, SV("application/json"))) {
        if (sv_is(answer->body, "ok"))
            return COURIER_TAKEN;
        courier_say(job, "received an error response from Slack", answer->body);
        return COURIER_REFUSED;
    }
    struct template_value json = receiver_answer(job, answer);
    const struct template_value *good = json.kind == TEMPLATE_MAP ? template_get(json, SV("ok")) : NULL;
    if (json.kind != TEMPLATE_MAP) {
        courier_say(job, "the answer is no JSON", SV(""));
        return COURIER_AGAIN;
    }
    if (good == NULL || good->kind != TEMPLATE_BOOL || !good->as.boolean) {
        courier_say(job, "error response from Slack", receiver_answer_text(json, "error"));
        return COURIER_REFUSED;
    }
    struct sv where = receiver_answer_text(json, "channel"), when = receiver_answer_text(json, "ts");
    if (job->plan != NULL && where.n > 0 && when.n > 0) {
        struct buf remember;
        buf_init(&remember, 4096);
        buf_string(&remember, where);
        buf_string(&remember, when);
        if (!remember.overflow)
            job->remember = arena_sv(&job->arena, buf_view(&remember));
        buf_free(&remember);
    }
    return COURIER_TAKEN;
}
