/*
 * Slack's incoming webhooks (ledger E-01, E-02, X-16).
 *
 * The body names channel, user and icon as the ledger has them; webhooks of newer Slack apps ignore the
 * three, so there is one webhook per destination. Texts from events pass through Slack's three escapes:
 * without them a log line could mention the whole channel or disguise a link.
 */
#include "notify/channel/slack_words.h"

#include "base/json_out.h"
#include "notify/http.h"
#include "notify/payload.h"

/* Slack cuts longer ones itself, at places it does not promise. */
enum { TITLE_BYTES = 1000, MESSAGE_BYTES = 3000 };

static int slack_check(const struct channel_config *config, struct err *err)
{
    if (config->url.n == 0)
        return err_set(err, TC_EINPUT, "a slack channel needs a url: the address of its incoming webhook");
    return http_check_url(config->url, err);
}

void slack_escape(struct sv text, size_t max_bytes, struct buf *out)
{
    struct sv cut = payload_cut(text, max_bytes);
    for (size_t i = 0; i < cut.n; i++)
        switch (cut.p[i]) {
        case '&':
            buf_str(out, "&amp;");
            break;
        case '<':
            buf_str(out, "&lt;");
            break;
        case '>':
            buf_str(out, "&gt;");
            break;
        default:
            buf_char(out, cut.p[i]);
        }
    if (cut.n < text.n)
        buf_str(out, "\xe2\x80\xa6");
}

static const char *color_of(enum severity severity)
{
    return severity == SEVERITY_P1 ? "danger" : severity == SEVERITY_P2 ? "warning" : "good";
}

static void field(struct json_out *json, const char *title, struct sv value)
{
    json_object(json);
    json_kv_str(json, "title", title);
    json_kv_string(json, "value", value);
    json_kv_bool(json, "short", true);
    json_object_end(json);
}

static void acknowledge_button(struct json_out *json, const struct payload *p, const char *console_url)
{
    char link[1024];
    struct buf url = {.p = link, .capacity = sizeof link, .max_bytes = sizeof link};
    payload_url(p, console_url, &url);
    json_key(json, SV("actions"));
    json_array(json);
    json_object(json);
    json_kv_str(json, "type", "button");
    json_kv_str(json, "text", "Acknowledge");
    json_kv_string(json, "url", buf_view(&url));
    json_object_end(json);
    json_array_end(json);
}

static void attachment(struct json_out *json, const struct payload *p, const char *console_url)
{
    struct buf text;
    buf_init(&text, 6 * MESSAGE_BYTES);
    json_object(json);
    json_kv_str(json, "color", color_of(p->severity));
    slack_escape(p->title, TITLE_BYTES, &text);
    json_kv_string(json, "title", buf_view(&text));
    buf_clear(&text);
    slack_escape(p->prefix, MESSAGE_BYTES, &text);
    slack_escape(p->message, MESSAGE_BYTES, &text);
    payload_occurrences(p, &text);
    json_kv_string(json, "text", buf_view(&text));
    json_key(json, SV("fields"));
    json_array(json);
    field(json, "Severity", sv_of(severity_name(p->severity)));
    field(json, "Time", p->time);
    json_array_end(json);
    acknowledge_button(json, p, console_url);
    json_object_end(json);
    buf_free(&text);
}

static struct sv or_default(struct sv text, struct sv otherwise)
{
    return text.n > 0 ? text : otherwise;
}

/* As people write them, in Slack's words: @channel, @here, S012 and U012 (ids of a group, of a person). */
static void mention(struct sv who, struct buf *out)
{
    bool id = who.n > 3;
    for (size_t i = 0; i < who.n; i++)
        id = id && ((who.p[i] >= 'A' && who.p[i] <= 'Z') || (who.p[i] >= '0' && who.p[i] <= '9'));
    if (sv_is(who, "@channel") || sv_is(who, "@here") || sv_is(who, "@everyone"))
        buf_printf(out, "<!%.*s>", SV_FMT(sv_from(who, 1)));
    else if (id && who.p[0] == 'S')
        buf_printf(out, "<!subteam^%.*s>", SV_FMT(who));
    else if (id && (who.p[0] == 'U' || who.p[0] == 'W'))
        buf_printf(out, "<@%.*s>", SV_FMT(who));
    else
        slack_escape(who, 200, out);
}

static bool calls_people(const struct payload *p)
{
    return sv_is(p->reason, "new") || sv_is(p->reason, "count_step") || sv_is(p->reason, "severity_raised") ||
           sv_is(p->reason, "escalated") || sv_is(p->reason, "reminder") || sv_is(p->reason, "flapping") ||
           sv_is(p->reason, "incident") || p->reason.n == 0;
}

void slack_greeting(const struct channel_config *channel, const struct payload *p, struct buf *out)
{
    struct sv who = channel->mentions[p->severity];
    if (who.n == 0 && p->severity == SEVERITY_P1)
        who = SV("@channel");
    if (sv_is(p->reason, "acknowledged")) {
        buf_printf(out, "Alert %.*s acknowledged by ", SV_FMT(p->id));
        slack_escape(p->by, 200, out);
        buf_str(out, " - investigating");
    } else if (payload_is_over(p)) {
        buf_str(out, "Resolved");
    } else if (sv_is(p->reason, "test")) {
        buf_str(out, "Test: this is no alert");
    } else {
        if (calls_people(p) && who.n > 0) {
            mention(who, out);
            buf_char(out, ' ');
        }
        buf_str(out, sv_is(p->reason, "incident") ? "Incident"
                     : p->severity == SEVERITY_P1 ? "CRITICAL ALERT"
                                                  : "Security Alert");
    }
}

int slack_body(const struct channel_config *channel, struct sv payload, const char *console_url,
               struct buf *out, struct err *err)
{
    struct payload p;
    int rc = payload_read(payload, &p, err);
    if (rc == 0) {
        struct json_out json = json_out_to(out);
        json_object(&json);
        json_kv_string(&json, "channel", or_default(channel->slack_channel, SV("#security-incidents")));
        json_kv_string(&json, "username", or_default(channel->username, SV("Security Bot")));
        json_kv_string(&json, "icon_emoji", or_default(channel->icon_emoji, SV(":rotating_light:")));
        struct buf text;
        buf_init(&text, 8 << 10);
        slack_greeting(channel, &p, &text);
        json_kv_string(&json, "text", buf_view(&text));
        buf_free(&text);
        json_key(&json, SV("attachments"));
        json_array(&json);
        attachment(&json, &p, console_url == NULL ? "" : console_url);
        json_array_end(&json);
        json_object_end(&json);
    }
    payload_free(&p);
    return rc;
}

static int slack_channel_body(const struct channel_config *config, const struct message *message,
                              struct buf *out, struct err *err)
{
    return slack_body(config, message->payload, message->console_url, out, err);
}

static struct transfer *slack_send(const struct channel_config *config, const struct parcel *parcel)
{
    return http_transfer_new(&(struct http_post){.url = config->url,
                                                 .content_type = "application/json",
                                                 .key = parcel->key,
                                                 .body = parcel->body,
                                                 .ca_file = config->ca_file,
                                                 .timeout_ns = parcel->timeout_ns});
}

const struct channel channel_slack = {
    .type = "slack",
    .check = slack_check,
    .body = slack_channel_body,
    .send = slack_send,
    .lowest = SEVERITY_P2,
    .tells_acknowledged = true,
};
