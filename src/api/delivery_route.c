/*
 * GET /api/v1/delivery: whether notifications are held back, and what would go out; POST
 * /api/v1/delivery/release lets them go (a command, which the core makes a record).
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "event/json.h"

enum { LISTED_MAX = 1000 };

static void write_row(struct json_out *json, const struct outbox_row *row)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    if (json_parse_event(row->payload, &arena, &e, NULL) == 0)
        event_index(&e, &arena);
    json_object(json);
    json_kv_string(json, "key", row->key);
    json_kv_string(json, "channel", row->channel);
    json_kv_string(json, "alert", row->alert_id);
    if (e.field_count > 0) {
        json_kv_string(json, "severity", event_value(&e, "alert.severity"));
        json_kv_string(json, "title", event_value(&e, "alert.title"));
        json_kv_string(json, "reason", event_value(&e, "reason"));
    }
    json_object_end(json);
    arena_free(&arena);
}

static int list_row(void *context, const struct outbox_row *row)
{
    write_row(context, row);
    return 0;
}

void delivery_show(struct api *api, struct request *request, struct reply *reply)
{
    struct api_delivery state = {.since_ns = TC_NO_TIME};
    struct store *store;
    struct err err = {0};
    uint64_t pending = 0, sent, failed;
    (void)request;
    if (api->options.delivery != NULL)
        api->options.delivery(api->options.context, &state);
    if (alerts_store_take(api, &store, &err) != 0) {
        reply_err(reply, &err);
        return;
    }
    struct json_out json = json_out_to(&reply->body);
    reply_json(reply, 200);
    json_object(&json);
    json_kv_bool(&json, "held", state.held);
    json_kv_time(&json, "since", state.since_ns);
    json_kv_str(&json, "by", state.by);
    json_kv_str(&json, "note", state.note);
    json_key(&json, SV("notifications"));
    json_array(&json);
    int rc = store_outbox_each_pending(store, LISTED_MAX, list_row, &json, &err);
    json_array_end(&json);
    if (rc == 0)
        rc = store_outbox_counts(store, &pending, &sent, &failed, &err);
    alerts_store_give(api);
    json_kv_u64(&json, "pending", pending);
    json_object_end(&json);
    if (rc != 0)
        reply_err(reply, &err);
}
