/*
 * Splunk On-Call (VictorOps), by its REST endpoint: an incident per alert, by `entity_id` = its id;
 * acknowledging and ending it here does the same there. The endpoint's key (`token`) and the `routing_key`
 * are parts of the address, which is a secret for that.
 */
#include "notify/channel/chat.h"

#include "base/clk.h"

enum { TITLE_BYTES = 500, TEXT_BYTES = 20480 };

static const struct service service = {
    .base = "https://alert.victorops.com",
    .content_type = "application/json",
    .reading = {.id_members = {"entity_id"}},
};

static int victorops_check(const struct channel_config *config, struct err *err)
{
    if (config->token.n == 0)
        return err_set(err, TC_EINPUT,
                       "a victorops channel needs a token: the endpoint's key, as env:NAME or file:PATH");
    return service_check(&service, config, err);
}

static const char *type_of(const struct payload *p)
{
    return payload_is_over(p)           ? "RECOVERY"
           : chat_is_acknowledged(p)    ? "ACKNOWLEDGEMENT"
           : sv_is(p->reason, "test")   ? "INFO"
           : p->severity <= SEVERITY_P2 ? "CRITICAL"
           : p->severity == SEVERITY_P3 ? "WARNING"
                                        : "INFO";
}

static void write_request(const struct channel_config *config, const struct payload *p,
                          const struct message *message, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf scratch;
    int64_t at_ns;
    buf_init(&scratch, 64 << 10);
    service_begin(out, "POST");
    buf_str(out, "/integrations/generic/20131114/alert/");
    buf_sv(out, service_path_part(config->token, &scratch));
    if (config->routing_key.n > 0) {
        buf_char(out, '/');
        buf_sv(out, service_path_part(config->routing_key, &scratch));
    }
    service_body(out);
    json_object(&json);
    json_kv_str(&json, "message_type", type_of(p));
    json_kv_string(&json, "entity_id", p->id);
    chat_kv_title(&json, "entity_display_name", p, CHAT_PLAIN, TITLE_BYTES);
    chat_kv_text(&json, "state_message", p, message->console_url, CHAT_PLAIN, TEXT_BYTES);
    if (clk_parse_rfc3339(p->first, 0, &at_ns))
        json_kv_i64(&json, "state_start_time", at_ns / TC_SECOND_NS);
    json_kv_str(&json, "monitoring_tool", "Tocsin");
    chat_kv_url(&json, "alert_url", p, message->console_url);
    json_object_end(&json);
    service_end(out);
    buf_free(&scratch);
}

static int victorops_body(const struct channel_config *config, const struct message *message, struct buf *out,
                          struct err *err)
{
    return chat_body(config, message, write_request, out, err);
}

const struct channel channel_victorops = {.type = "victorops",
                                          .check = victorops_check,
                                          .body = victorops_body,
                                          .service = &service,
                                          .lowest = SEVERITY_P2,
                                          .tells_acknowledged = true,
                                          .tells_resolved = true};
