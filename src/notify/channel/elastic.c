/*
 * Elasticsearch's and OpenSearch's bulk API (ledger E-12): alerts, and events where they are forwarded, each
 * created under its own id, so that a repeat finds it there (409) and makes no second one. A bulk is done
 * when each of its parts is.
 */
#include "notify/channel/siem.h"

static const struct service service = {
    .content_type = "application/x-ndjson",
    .login = LOGIN_BASIC,
    .header = "Authorization: ApiKey ",
    .reading = {.item_status_member = "items.create.status"},
};

static int elastic_check(const struct channel_config *config, struct err *err)
{
    if (config->api_url.n == 0)
        return err_set(err, TC_EINPUT,
                       "an elastic channel needs api_url: the cluster, as https://elastic.example.com:9200");
    return service_check(&service, config, err);
}

static void begin(const struct channel_config *config, const char *index, struct buf *out)
{
    struct buf scratch;
    buf_init(&scratch, 4096);
    service_begin(out, "POST");
    buf_char(out, '/');
    buf_sv(out, service_path_part(config->index.n > 0 ? config->index : sv_of(index), &scratch));
    buf_str(out, "/_bulk?filter_path=items.create.status"); /* all that is read of the answer */
    service_body(out);
    buf_free(&scratch);
}

static void action(struct sv id, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_key(&json, SV("create"));
    json_object(&json);
    json_kv_string(&json, "_id", sv_head(id, 512));
    json_object_end(&json);
    json_object_end(&json);
    buf_char(out, '\n');
}

static void write_alert(const struct channel_config *config, const struct payload *p, struct sv key,
                        const char *console_url, struct buf *out)
{
    struct json_out json = json_out_to(out);
    (void)console_url;
    begin(config, "tocsin-alerts", out);
    action(key, out);
    json_object(&json);
    if (siem_time_ns(p) > 0)
        json_kv_time(&json, "@timestamp", siem_time_ns(p));
    siem_alert_members(&json, p, key);
    json_object_end(&json);
    buf_char(out, '\n');
    service_end(out);
}

static int elastic_body(const struct channel_config *config, const struct message *message, struct buf *out,
                        struct err *err)
{
    return siem_body(config, message, write_alert, out, err);
}

static void elastic_events(const struct channel_config *config, const struct forwarded *items, size_t count,
                           struct buf *out)
{
    begin(config, "tocsin-events", out);
    for (size_t i = 0; i < count; i++) {
        struct json_out json = json_out_to(out);
        action(items[i].id, out);
        json_object(&json);
        json_kv_time(&json, "@timestamp", items[i].ns);
        json_kv_string(&json, "source", items[i].source);
        json_kv_string(&json, "message", items[i].line);
        json_object_end(&json);
        buf_char(out, '\n');
    }
    service_end(out);
}

const struct channel channel_elastic = {.type = "elastic",
                                        .check = elastic_check,
                                        .body = elastic_body,
                                        .events = elastic_events,
                                        .service = &service,
                                        .lowest = SEVERITY_P4,
                                        .tells_acknowledged = true,
                                        .tells_resolved = true};
