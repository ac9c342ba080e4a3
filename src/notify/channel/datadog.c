/*
 * Datadog's log intake, v2 (ledger E-12): alerts, and events where they are forwarded, as an array of logs.
 * 202 is success. `region` is the site: datadoghq.com, datadoghq.eu, us5.datadoghq.com …
 */
#include "notify/channel/siem.h"

static const struct service service = {
    .base = "https://http-intake.logs.{region}",
    .content_type = "application/json",
    .login = LOGIN_HEADER,
    .header = "DD-API-KEY: ",
};

static int datadog_check(const struct channel_config *config, struct err *err)
{
    if (config->region.n == 0 && config->api_url.n == 0)
        return err_set(err, TC_EINPUT, "a datadog channel needs region: its site, such as datadoghq.eu");
    return service_check(&service, config, err);
}

static void begin(struct json_out *json, struct buf *out)
{
    service_begin(out, "POST");
    buf_str(out, "/api/v2/logs");
    service_body(out);
    json_array(json);
}

static const char *status_of(const struct payload *p)
{
    return payload_is_over(p)           ? "ok"
           : p->severity == SEVERITY_P1 ? "critical"
           : p->severity == SEVERITY_P2 ? "error"
           : p->severity == SEVERITY_P3 ? "warn"
                                        : "info";
}

static void common(struct json_out *json, struct sv source)
{
    json_object(json);
    json_kv_string(json, "ddsource", source);
    json_kv_str(json, "service", "tocsin");
    json_kv_str(json, "hostname", "tocsin");
}

static void write_alert(const struct channel_config *config, const struct payload *p, struct sv key,
                        const char *console_url, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf headline;
    buf_init(&headline, 64 << 10);
    (void)config;
    (void)console_url;
    begin(&json, out);
    common(&json, SV("tocsin"));
    buf_printf(&headline, "severity:%s,reason:%.*s", severity_name(p->severity),
               SV_FMT(sv_head(p->reason, 40)));
    json_kv_string(&json, "ddtags", buf_view(&headline));
    buf_clear(&headline);
    payload_headline(p, &headline);
    json_kv_string(&json, "message", buf_view(&headline));
    json_kv_str(&json, "status", status_of(p));
    siem_alert_members(&json, p, key);
    json_object_end(&json);
    json_array_end(&json);
    service_end(out);
    buf_free(&headline);
}

static int datadog_body(const struct channel_config *config, const struct message *message, struct buf *out,
                        struct err *err)
{
    return siem_body(config, message, write_alert, out, err);
}

static void datadog_events(const struct channel_config *config, const struct forwarded *items, size_t count,
                           struct buf *out)
{
    struct json_out json = json_out_to(out);
    (void)config;
    begin(&json, out);
    for (size_t i = 0; i < count; i++) {
        common(&json, items[i].source);
        json_kv_string(&json, "message", items[i].line);
        json_kv_i64(&json, "timestamp", items[i].ns / 1000000);
        json_kv_string(&json, "tocsin_id", items[i].id);
        json_object_end(&json);
    }
    json_array_end(&json);
    service_end(out);
}

const struct channel channel_datadog = {.type = "datadog",
                                        .check = datadog_check,
                                        .body = datadog_body,
                                        .events = datadog_events,
                                        .service = &service,
                                        .lowest = SEVERITY_P4,
                                        .tells_acknowledged = true,
                                        .tells_resolved = true};
