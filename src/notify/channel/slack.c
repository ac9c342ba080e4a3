/*
 * Slack's incoming webhooks (ledger E-01, E-02, X-16).
 *
 * The body names channel, user and icon as the ledger has them; webhooks of newer Slack apps ignore the
 * three, so there is one webhook per destination. Texts from events pass through Slack's three escapes:
 * without them a log line could mention the whole channel or disguise a link.
 */
#include "notify/channel.h"

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

static void escape(struct sv text, size_t max_bytes, struct buf *out)
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
    struct sv console = sv_of(console_url);
    while (sv_ends(console, SV("/")))
        console.n--;
    buf_sv(&url, console);
    buf_str(&url, "/alerts/");
    buf_sv(&url, p->id);
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
    escape(p->title, TITLE_BYTES, &text);
    json_kv_string(json, "title", buf_view(&text));
    buf_clear(&text);
    escape(p->message, MESSAGE_BYTES, &text);
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
        json_kv_str(&json, "text",
                    p.severity == SEVERITY_P1 ? "<!channel> CRITICAL ALERT" : "Security Alert");
        json_key(&json, SV("attachments"));
        json_array(&json);
        attachment(&json, &p, console_url == NULL ? "" : console_url);
        json_array_end(&json);
        json_object_end(&json);
    }
    payload_free(&p);
    return rc;
}

static int slack_channel_body(const struct channel_config *config, struct sv key, struct sv payload,
                              const char *console_url, struct buf *out, struct err *err)
{
    (void)key; /* travels as a header */
    return slack_body(config, payload, console_url, out, err);
}

const struct channel channel_slack = {
    .type = "slack", .content_type = "application/json", .check = slack_check, .body = slack_channel_body};
