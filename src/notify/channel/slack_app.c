/*
 * Slack's Web API, with a bot's token (ledger D-09, E-01): one message per alert, changed in place as the
 * alert changes (chat.update), its history as replies in the message's thread, and buttons that acknowledge
 * and resolve it here (callback_slack.c). Slack answers 200 to everything; `ok` says whether it is done.
 *
 * The message that is changed is named by the receipt of the alert's first one ("CHANNEL:TS"). Where that one
 * never got through, or is gone, what is to be told is a new message.
 */
#include "base/json_out.h"
#include "notify/channel/slack_words.h"

#include <stdio.h>

/* Slack's bounds: 3,000 characters a section, 2,000 a field, 75 a button's text, 2,000 its value. */
enum {
    TITLE_BYTES = 300,
    MESSAGE_BYTES = 2500,
    SECTION_BYTES = 2900,
    LINE_BYTES = 700,
    PREFIX_BYTES = 150,
    FIELD_BYTES = 200,
    TEXT_BYTES = 32 << 10
};

static const char *const later[] = {"ratelimited",         "internal_error",  "fatal_error",
                                    "service_unavailable", "request_timeout", NULL};

static const struct service service = {
    .base = "https://slack.com",
    .content_type = "application/json; charset=utf-8",
    .login = LOGIN_HEADER,
    .header = "Authorization: Bearer ",
    .reading = {.id_members = {"channel", "ts"}, .ok_member = "ok", .error_member = "error", .later = later},
};

static int slack_app_check(const struct channel_config *config, struct err *err)
{
    if (config->token.n == 0)
        return err_set(
            err, TC_EINPUT,
            "a slack_app channel needs a token: the bot's, with chat:write, as env:NAME or file:PATH");
    return service_check(&service, config, err);
}

/* --- blocks -----------------------------------------------------------------------------------------------
 */

static void markdown(struct json_out *json, struct sv text)
{
    json_object(json);
    json_kv_str(json, "type", "mrkdwn");
    json_kv_string(json, "text", text);
    json_object_end(json);
}

static void section(struct json_out *json, struct sv text)
{
    json_object(json);
    json_kv_str(json, "type", "section");
    json_key(json, SV("text"));
    markdown(json, text);
    json_object_end(json);
}

static void field(struct json_out *json, const char *name, struct sv value)
{
    struct buf text;
    if (value.n == 0)
        return;
    buf_init(&text, 4096);
    buf_printf(&text, "*%s*\n", name);
    slack_escape(value, FIELD_BYTES, &text);
    markdown(json, buf_view(&text));
    buf_free(&text);
}

static void fields(struct json_out *json, const struct payload *p)
{
    char count[32];
    snprintf(count, sizeof count, "%llu", (unsigned long long)p->count);
    json_object(json);
    json_kv_str(json, "type", "section");
    json_key(json, SV("fields"));
    json_array(json);
    field(json, "Severity", sv_of(severity_name(p->severity)));
    field(json, "Time", p->time);
    field(json, "State", p->state);
    field(json, "Occurrences", sv_of(count));
    field(json, "By", p->by);
    json_array_end(json);
    json_object_end(json);
}

/* Escapes make it up to five times as long: then less of it has room. */
static void escape_within(struct sv text, size_t max_bytes, size_t max_escaped, struct buf *out)
{
    size_t from = out->n;
    for (size_t bytes = max_bytes; bytes > 0; bytes /= 2) {
        out->n = from;
        slack_escape(text, bytes, out);
        if (out->n - from <= max_escaped)
            return;
    }
}

/* D-21: who answers for it and what is to be done, in order. */
static void response(struct json_out *json, const struct payload *p)
{
    struct buf text, steps;
    buf_init(&text, TEXT_BYTES);
    buf_init(&steps, 64 << 10);
    payload_steps(p, &steps);
    const struct {
        const char *name;
        struct sv value;
    } lines[] = {{"Owner", p->owner},
                 {"Secondary owner", p->secondary_owner},
                 {"Runbook", p->runbook},
                 {"Steps", buf_view(&steps)}};
    for (size_t i = 0; i < TC_ARRAY_LEN(lines); i++)
        if (lines[i].value.n > 0) {
            buf_printf(&text, "%s*%s* ", text.n > 0 ? "\n" : "", lines[i].name);
            escape_within(lines[i].value, LINE_BYTES, LINE_BYTES, &text);
        }
    if (text.n > 0)
        section(json, buf_view(&text));
    buf_free(&text);
    buf_free(&steps);
}

static void button(struct json_out *json, const char *text, const char *action, struct sv value,
                   struct sv url)
{
    json_object(json);
    json_kv_str(json, "type", "button");
    json_kv_str(json, "action_id", action);
    json_key(json, SV("text"));
    json_object(json);
    json_kv_str(json, "type", "plain_text");
    json_kv_str(json, "text", text);
    json_object_end(json);
    if (value.n > 0)
        json_kv_string(json, "value", value);
    if (url.n > 0)
        json_kv_string(json, "url", url);
    json_object_end(json);
}

/* Those that the alert's state allows, and that lead somewhere. */
static void buttons(struct json_out *json, const struct channel_config *config, const struct payload *p,
                    const char *console_url)
{
    struct buf url;
    bool answers = config->signing_secret.n > 0 && payload_is_answered(p);
    buf_init(&url, 4096);
    payload_url(p, console_url, &url);
    json_object(json);
    json_kv_str(json, "type", "actions");
    json_key(json, SV("elements"));
    json_array(json);
    if (answers && !sv_is(p->reason, "acknowledged") && !sv_is(p->state, "acknowledged"))
        button(json, "Acknowledge", "tocsin_ack", p->id, (struct sv){0});
    if (answers)
        button(json, "Resolve", "tocsin_resolve", p->id, (struct sv){0});
    button(json, "Open", "tocsin_open", (struct sv){0}, buf_view(&url));
    json_array_end(json);
    json_object_end(json);
    buf_free(&url);
}

static void blocks(struct json_out *json, const struct channel_config *config, const struct payload *p,
                   const char *console_url)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    json_key(json, SV("blocks"));
    json_array(json);
    slack_greeting(config, p, &text);
    buf_str(&text, "\n*");
    slack_escape(p->title, TITLE_BYTES, &text);
    buf_str(&text, "*");
    section(json, buf_view(&text));
    buf_clear(&text);
    slack_escape(p->prefix, PREFIX_BYTES, &text);
    escape_within(p->message, MESSAGE_BYTES, SECTION_BYTES - 5 * PREFIX_BYTES, &text);
    payload_occurrences(p, &text);
    section(json, buf_view(&text));
    fields(json, p);
    response(json, p);
    buttons(json, config, p, console_url);
    json_array_end(json);
    buf_free(&text);
}

/* --- requests ---------------------------------------------------------------------------------------------
 */

/* What stands in notifications and where blocks cannot be shown. */
static void fallback_text(struct json_out *json, const struct channel_config *config, const struct payload *p)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    slack_greeting(config, p, &text);
    if (!sv_is(p->reason, "acknowledged")) {
        buf_str(&text, ": ");
        slack_escape(p->prefix, PREFIX_BYTES, &text);
        slack_escape(p->message, MESSAGE_BYTES, &text);
        payload_occurrences(p, &text);
    }
    json_kv_string(json, "text", buf_view(&text));
    buf_free(&text);
}

static void put_message(const struct channel_config *config, const struct payload *p, struct sv channel,
                        struct sv ts, const char *console_url, struct buf *out)
{
    struct json_out json = json_out_to(out);
    service_begin(out, "POST");
    buf_str(out, ts.n > 0 ? "/api/chat.update" : "/api/chat.postMessage");
    service_body(out);
    json_object(&json);
    json_kv_string(&json, "channel", channel);
    if (ts.n > 0)
        json_kv_string(&json, "ts", ts);
    fallback_text(&json, config, p);
    blocks(&json, config, p, console_url);
    json_kv_bool(&json, "unfurl_links", false);
    json_object_end(&json);
    service_end(out);
}

/* A line of the thread; what calls people is shown in the channel as well. */
static void put_reply(const struct channel_config *config, const struct payload *p, struct sv channel,
                      struct sv ts, struct buf *out)
{
    struct json_out json = json_out_to(out);
    service_begin(out, "POST");
    buf_str(out, "/api/chat.postMessage");
    service_body(out);
    json_object(&json);
    json_kv_string(&json, "channel", channel);
    json_kv_string(&json, "thread_ts", ts);
    fallback_text(&json, config, p);
    if (!payload_is_over(p) && !sv_is(p->reason, "acknowledged"))
        json_kv_bool(&json, "reply_broadcast", true);
    json_object_end(&json);
    service_end(out);
}

static void requests(const struct channel_config *config, const struct payload *p,
                     const struct message *message, struct buf *out)
{
    struct sv ts = message->first_id, channel = sv_cut(&ts, ':');
    if (ts.n > 0) {
        put_message(config, p, channel, ts, message->console_url, out);
        put_reply(config, p, channel, ts, out);
        return;
    }
    channel = config->slack_channel.n > 0 ? config->slack_channel : SV("#security-incidents");
    put_message(config, p, channel, ts, message->console_url, out);
}

static int slack_app_body(const struct channel_config *config, const struct message *message, struct buf *out,
                          struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        requests(config, &p, message, out);
    payload_free(&p);
    return rc;
}

const struct channel channel_slack_app = {.type = "slack_app",
                                          .check = slack_app_check,
                                          .body = slack_app_body,
                                          .service = &service,
                                          .lowest = SEVERITY_P2,
                                          .tells_acknowledged = true,
                                          .tells_resolved = true};
