/*
 * A ticket system of any kind (ledger E-11): one ticket per alert, opened by a POST to `url`, changed and
 * closed by a PUT to `url`/ID, where ID is the member `id` (or `key`) of the first answer. The body is one
 * shape:
 *
 *   {"action": "create"|"update"|"close", "id", "alert_id", "title", "description", "severity", "status",
 *    "occurrences", "by", "labels": {…}, "url", "runbook"}
 *
 * It carries Idempotency-Key, so that a system that minds it opens none twice, not even after a crash.
 */
#include "notify/channel/chat.h"

enum { TITLE_BYTES = 255, TEXT_BYTES = 32000, VALUE_BYTES = 1000 };

static const struct service service = {
    .content_type = "application/json",
    .login = LOGIN_BASIC,
    .header = "Authorization: Bearer ",
    .reading = {.id_members = {"id"}, .id_otherwise = "key"},
};

static int ticket_check(const struct channel_config *config, struct err *err)
{
    if (sv_find_char(config->url, '?') < config->url.n)
        return err_set(err, TC_EINPUT,
                       "its url is one that a ticket's id can stand behind: without a question mark");
    return service_check(&service, config, err);
}

static void labels(struct json_out *json, const struct payload *p)
{
    struct sv name, value;
    json_key(json, SV("labels"));
    json_object(json);
    for (uint32_t at = 0; payload_label(p, &at, &name, &value) == 1;) {
        json_key(json, payload_cut(name, 100));
        json_string(json, payload_cut(value, VALUE_BYTES));
    }
    json_object_end(json);
}

static void members(struct json_out *json, const struct payload *p, const struct message *message)
{
    struct sv id = message->first_id;
    json_object(json);
    json_kv_str(json, "action", payload_is_over(p) ? "close" : id.n > 0 ? "update" : "create");
    if (id.n > 0)
        json_kv_string(json, "id", id);
    json_kv_string(json, "alert_id", p->id);
    chat_kv_title(json, "title", p, CHAT_PLAIN, TITLE_BYTES);
    chat_kv_text(json, "description", p, message->console_url, CHAT_PLAIN, TEXT_BYTES);
    json_kv_str(json, "severity", severity_name(p->severity));
    json_kv_str(json, "status",
                payload_is_over(p)        ? "resolved"
                : chat_is_acknowledged(p) ? "acknowledged"
                                          : "firing");
    json_kv_u64(json, "occurrences", p->count);
    json_kv_string(json, "by", p->by);
    labels(json, p);
    chat_kv_url(json, "url", p, message->console_url);
    json_kv_string(json, "runbook", payload_cut(p->runbook, VALUE_BYTES));
    json_object_end(json);
}

static void write_request(const struct channel_config *config, const struct payload *p,
                          const struct message *message, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf scratch;
    buf_init(&scratch, 1024);
    (void)config;
    service_begin(out, message->first_id.n > 0 ? "PUT" : "POST");
    if (message->first_id.n > 0)
        buf_printf(out, "/%.*s", SV_FMT(service_path_part(message->first_id, &scratch)));
    service_body(out);
    members(&json, p, message);
    service_end(out);
    buf_free(&scratch);
}

static int ticket_body(const struct channel_config *config, const struct message *message, struct buf *out,
                       struct err *err)
{
    return chat_body(config, message, write_request, out, err);
}

const struct channel channel_ticket = {.type = "ticket",
                                       .check = ticket_check,
                                       .body = ticket_body,
                                       .service = &service,
                                       .lowest = SEVERITY_P2,
                                       .tells_acknowledged = true,
                                       .tells_resolved = true};
