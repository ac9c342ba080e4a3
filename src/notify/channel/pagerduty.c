/*
 * PagerDuty's Events API v2 (ledger E-03, E-04, X-17): an alert is one incident, by `dedup_key` = its id;
 * acknowledging and ending it here does the same there. 202 is success, 400 final, 429 and 5xx again.
 */
#include "notify/channel.h"

#include "base/json_out.h"
#include "notify/http.h"
#include "notify/payload.h"

enum { SUMMARY_BYTES = 1024, DEDUP_KEY_BYTES = 255, DETAILS_BYTES = 256 << 10 };
#define ENQUEUE_URL SV("https://events.pagerduty.com/v2/enqueue")

static int pagerduty_check(const struct channel_config *config, struct err *err)
{
    if (config->routing_key.n == 0)
        return err_set(err, TC_EINPUT, "a pagerduty channel needs a routing_key: the integration's key");
    return config->url.n > 0 ? http_check_url(config->url, err) : 0;
}

static const char *action_of(const struct payload *p)
{
    return payload_is_over(p) ? "resolve" : sv_is(p->reason, "acknowledged") ? "acknowledge" : "trigger";
}

static void event_payload(struct json_out *json, const struct payload *p)
{
    struct buf summary;
    buf_init(&summary, 16 << 10);
    payload_headline(p, &summary);
    struct sv cut = buf_view(&summary);
    if (cut.n > SUMMARY_BYTES) { /* characters are meant; bytes are never more of them */
        summary.n = payload_cut(cut, SUMMARY_BYTES - 3).n;
        buf_str(&summary, "\xe2\x80\xa6");
    }
    json_key(json, SV("payload"));
    json_object(json);
    json_kv_string(json, "summary", buf_view(&summary));
    json_kv_str(json, "severity", p->severity == SEVERITY_P1 ? "critical" : "error");
    json_kv_str(json, "source", "tocsin");
    if (p->time.n > 0)
        json_kv_string(json, "timestamp", p->time);
    json_kv_string(json, "class", p->title);
    json_key(json, SV("custom_details"));
    if (p->alert.n <= DETAILS_BYTES) {
        json_raw(json, p->alert);
    } else {
        json_object(json);
        json_kv_string(json, "id", p->id);
        json_kv_str(json, "note", "cut: the alert is longer than an event may be");
        json_object_end(json);
    }
    json_object_end(json);
    buf_free(&summary);
}

static void write_json(const struct channel_config *config, const struct payload *p, const char *console_url,
                       struct buf *out)
{
    struct json_out json = json_out_to(out);
    bool trigger = sv_is(sv_of(action_of(p)), "trigger");
    json_object(&json);
    json_kv_string(&json, "routing_key", config->routing_key);
    json_kv_str(&json, "event_action", action_of(p));
    json_kv_string(&json, "dedup_key", sv_head(p->id, DEDUP_KEY_BYTES));
    if (trigger) {
        struct buf url;
        buf_init(&url, 4096);
        payload_url(p, console_url, &url);
        event_payload(&json, p);
        json_kv_str(&json, "client", "Tocsin");
        json_kv_string(&json, "client_url", buf_view(&url));
        buf_free(&url);
    }
    json_object_end(&json);
}

static int pagerduty_body(const struct channel_config *config, const struct message *message, struct buf *out,
                          struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        write_json(config, &p, message->console_url, out);
    payload_free(&p);
    return rc;
}

static const struct http_reading reading = {.id_members = {"dedup_key"}};

static struct transfer *pagerduty_send(const struct channel_config *config, const struct parcel *parcel)
{
    return http_transfer_new(&(struct http_post){.url = config->url.n > 0 ? config->url : ENQUEUE_URL,
                                                 .content_type = "application/json",
                                                 .key = parcel->key,
                                                 .body = parcel->body,
                                                 .ca_file = config->ca_file,
                                                 .timeout_ns = parcel->timeout_ns,
                                                 .reading = &reading});
}

const struct channel channel_pagerduty = {.type = "pagerduty",
                                          .check = pagerduty_check,
                                          .body = pagerduty_body,
                                          .send = pagerduty_send,
                                          .lowest = SEVERITY_P2,
                                          .tells_acknowledged = true,
                                          .opens_incidents = true,
                                          .tells_resolved = true};
