/*
 * A ticket system of any kind (ledger E-11): one ticket per alert, opened by a POST to `url`, changed and
 * closed by a PUT to `url`/ID, where ID is the member `id` (or `key`) of the first answer. The body is one
 * shape:
 *
 *   {"action": "create"|"update"|"close", "id", "alert_id", "title", "description", "severity", "status",
 *    "occurrences", "by", "labels": {…}, "url", "runbook"}
 *
 * With `body`, a Go template makes another of it, with that object as its dot ({"summary": {{ .title | toJson
 * }}}). What comes of it must be JSON.
 *
 * It carries Idempotency-Key, so that a system that minds it opens none twice, not even after a crash.
 */
#include "notify/channel/chat.h"

#include "event/json.h"
#include "template/alertmanager.h"
#include "template/template.h"

enum { TITLE_BYTES = 255, TEXT_BYTES = 32000, VALUE_BYTES = 1000 };

static const struct service service = {
    .content_type = "application/json",
    .login = LOGIN_BASIC,
    .header = "Authorization: Bearer ",
    .reading = {.id_members = {"id"}, .id_otherwise = "key"},
};

static const struct template_function *const functions[] = {template_alertmanager_functions, NULL};

static int ticket_check(const struct channel_config *config, struct err *err)
{
    if (sv_find_char(config->url, '?') < config->url.n)
        return err_set(err, TC_EINPUT,
                       "its url is one that a ticket's id can stand behind: without a question mark");
    if (config->ticket_body.n > 0) {
        struct template_set *set = template_set_new(functions);
        int rc = template_parse(set, SV("body"), config->ticket_body, err);
        template_set_free(set);
        if (rc != 0)
            return rc;
    }
    return service_check(&service, config, err);
}

static struct sv action_of(const struct payload *p, struct sv id)
{
    return payload_is_over(p) ? SV("close") : id.n > 0 ? SV("update") : SV("create");
}

static struct sv status_of(const struct payload *p)
{
    return payload_is_over(p) ? SV("resolved") : chat_is_acknowledged(p) ? SV("acknowledged") : SV("firing");
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
    json_kv_string(json, "action", action_of(p, id));
    json_kv_string(json, "id", id);
    json_kv_string(json, "alert_id", p->id);
    chat_kv_title(json, "title", p, CHAT_PLAIN, TITLE_BYTES);
    chat_kv_text(json, "description", p, message->console_url, CHAT_PLAIN, TEXT_BYTES);
    json_kv_str(json, "severity", severity_name(p->severity));
    json_kv_string(json, "status", status_of(p));
    json_kv_u64(json, "occurrences", p->count);
    json_kv_string(json, "by", p->by);
    labels(json, p);
    chat_kv_url(json, "url", p, message->console_url);
    json_kv_string(json, "runbook", payload_cut(p->runbook, VALUE_BYTES));
    json_object_end(json);
}

/* --- by a template ----------------------------------------------------------------------------------------
 */

static int render(const struct channel_config *config, struct sv object, struct buf *out, struct err *err)
{
    struct template_set *set = template_set_new(functions);
    struct template_run run = {.missing_key = MISSING_KEY_ERROR};
    struct template_value data;
    struct arena arena = {0};
    struct buf text;
    buf_init(&text, TC_CHANNEL_BODY_MAX);
    int rc = template_from_json(&arena, object, &data, err);
    if (rc == 0)
        rc = template_execute_text(set, SV("body"), config->ticket_body, data, &run, &arena, &text, err);
    if (rc == 0 && json_check(sv_trim(buf_view(&text)), NULL) != 0)
        rc = err_set(err, TC_EINPUT, "what comes of its body's template is no JSON: write texts with toJson");
    for (size_t i = 0; rc == 0 && i < text.n; i++)
        buf_char(out, text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i]); /* between tokens */
    buf_free(&text);
    arena_free(&arena);
    template_set_free(set);
    return rc;
}

static int write_request(const struct channel_config *config, const struct payload *p,
                         const struct message *message, struct buf *out, struct err *err)
{
    struct buf scratch, object;
    struct json_out json = json_out_to(&object);
    int rc = 0;
    buf_init(&scratch, 1024);
    buf_init(&object, TC_CHANNEL_BODY_MAX);
    members(&json, p, message);
    service_begin(out, message->first_id.n > 0 ? "PUT" : "POST");
    if (message->first_id.n > 0)
        buf_printf(out, "/%.*s", SV_FMT(service_path_part(message->first_id, &scratch)));
    service_body(out);
    if (config->ticket_body.n > 0)
        rc = render(config, buf_view(&object), out, err);
    else
        buf_sv(out, buf_view(&object));
    service_end(out);
    buf_free(&scratch);
    buf_free(&object);
    return rc;
}

static int ticket_body(const struct channel_config *config, const struct message *message, struct buf *out,
                       struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        rc = write_request(config, &p, message, out, err);
    payload_free(&p);
    return rc;
}

const struct channel channel_ticket = {.type = "ticket",
                                       .check = ticket_check,
                                       .body = ticket_body,
                                       .service = &service,
                                       .lowest = SEVERITY_P2,
                                       .tells_acknowledged = true,
                                       .tells_resolved = true};
