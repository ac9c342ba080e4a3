/*
 * Splunk's HTTP Event Collector (ledger E-12): alerts, and events where they are forwarded, as JSON events
 * one after another. {"code": 0} is success; 503 (busy, code 9) and 429 are tried again.
 */
#include "notify/channel/siem.h"

#include "base/clk.h"

static const struct service service = {
    .content_type = "application/json",
    .login = LOGIN_HEADER,
    .header = "Authorization: Splunk ",
    .reading = {.error_member = "code"},
};

static int splunk_check(const struct channel_config *config, struct err *err)
{
    if (config->api_url.n == 0)
        return err_set(
            err, TC_EINPUT,
            "a splunk_hec channel needs api_url: the collector, as https://splunk.example.com:8088");
    return service_check(&service, config, err);
}

static void begin(struct buf *out)
{
    service_begin(out, "POST");
    buf_str(out, "/services/collector/event");
    service_body(out);
}

static void envelope(struct json_out *json, const struct channel_config *config, int64_t ns, struct sv source,
                     const char *type)
{
    json_object(json);
    if (ns > 0) {
        char text[40];
        struct buf time = {.p = text, .capacity = sizeof text, .max_bytes = sizeof text};
        buf_printf(&time, "%lld.%06lld", (long long)(ns / TC_SECOND_NS),
                   (long long)(ns % TC_SECOND_NS / 1000));
        json_key(json, SV("time"));
        json_raw(json, buf_view(&time));
    }
    json_kv_str(json, "host", "tocsin");
    json_kv_string(json, "source", source);
    json_kv_str(json, "sourcetype", type);
    if (config->index.n > 0)
        json_kv_string(json, "index", config->index);
}

static void write_alert(const struct channel_config *config, const struct payload *p, struct sv key,
                        const char *console_url, struct buf *out)
{
    struct json_out json = json_out_to(out);
    (void)console_url;
    begin(out);
    envelope(&json, config, siem_time_ns(p), SV("tocsin"), "tocsin:alert");
    json_key(&json, SV("event"));
    json_object(&json);
    siem_alert_members(&json, p, key);
    json_object_end(&json);
    json_object_end(&json);
    service_end(out);
}

static int splunk_body(const struct channel_config *config, const struct message *message, struct buf *out,
                       struct err *err)
{
    return siem_body(config, message, write_alert, out, err);
}

static void splunk_events(const struct channel_config *config, const struct forwarded *items, size_t count,
                          struct buf *out)
{
    begin(out);
    for (size_t i = 0; i < count; i++) {
        struct json_out json = json_out_to(out);
        envelope(&json, config, items[i].ns, items[i].source, "tocsin:event");
        json_key(&json, SV("event"));
        siem_line(&json, items[i].line);
        json_key(&json, SV("fields"));
        json_object(&json);
        json_kv_string(&json, "tocsin_id", items[i].id);
        json_object_end(&json);
        json_object_end(&json);
    }
    service_end(out);
}

const struct channel channel_splunk_hec = {.type = "splunk_hec",
                                           .check = splunk_check,
                                           .body = splunk_body,
                                           .events = splunk_events,
                                           .service = &service,
                                           .lowest = SEVERITY_P4,
                                           .tells_acknowledged = true,
                                           .tells_resolved = true};
