/*
 * Health for supervisors and metrics for Prometheus (text format 0.0.4, or OpenMetrics for who asks for it):
 * this room's own counters, intake's, and then what only the core knows.
 */
#include "api/api_priv.h"

#include "api/openmetrics.h"
#include "base/json_out.h"

void health_live(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    if (api->options.alive != NULL && !api->options.alive(api->options.context)) {
        reply_error(
            reply, 503,
            "Tocsin has stopped judging after an error that its log names: mend that, and restart it");
        return;
    }
    reply->status = 200;
    reply->content_type = "text/plain; charset=utf-8";
    buf_str(&reply->body, "Tocsin is healthy.\n");
}

void health_ready(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    if (api->options.ready != NULL && !api->options.ready(api->options.context)) {
        reply_error(reply, 503,
                    "Tocsin is not ready: recovery is not finished, or it has stopped judging after an error "
                    "that its log names");
        return;
    }
    const char *trouble = api->options.trouble == NULL ? NULL : api->options.trouble(api->options.context);
    if (trouble != NULL) {
        reply_error(reply, 503, "%s", trouble);
        return;
    }
    struct api_delivery delivery = {0};
    if (api->options.delivery != NULL)
        api->options.delivery(api->options.context, &delivery);
    reply->status = 200;
    reply->content_type = "text/plain; charset=utf-8";
    buf_str(&reply->body, "Tocsin is ready.\n");
    if (delivery.held)
        buf_str(&reply->body,
                "Delivery is held: alerts are raised and shown, and nobody is told of them until "
                "`tocsin release`.\n");
}

static bool ask(const struct api *api, bool (*question)(void *context))
{
    return question == NULL || question(api->options.context);
}

static void health_json(struct api *api, struct reply *reply, bool all)
{
    bool alive = ask(api, api->options.alive), ready = ask(api, api->options.ready),
         writable = ask(api, api->options.writable), good = ready && (!all || (alive && writable));
    struct json_out json = json_out_to(&reply->body);
    reply->status = good ? 200 : 503;
    reply->content_type = "application/json";
    json_object(&json);
    json_kv_str(&json, "status", good ? "good" : "bad");
    json_kv_bool(&json, "ready", ready);
    if (all) {
        json_kv_bool(&json, "judging", alive);
        json_kv_bool(&json, "writable", writable);
    }
    json_object_end(&json);
    buf_char(&reply->body, '\n');
}

void health_all(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    health_json(api, reply, true);
}

void health_ready_json(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    health_json(api, reply, false);
}

static void metric(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
               (unsigned long long)value);
}

static void intake_metrics(const struct api *api, struct buf *out)
{
    struct intake_stats s;
    intake_stats(api->options.intake, &s);
    metric(out, "tocsin_intake_records_total", "counter", "Records parsed and redacted.", s.records);
    metric(out, "tocsin_intake_bytes_total", "counter", "Bytes of records parsed.", s.bytes);
    metric(out, "tocsin_intake_text_total", "counter", "Records kept as text: no parser understood them.",
           s.text);
    metric(out, "tocsin_intake_errors_total", "counter", "Items refused in bodies.", s.errors);
    metric(out, "tocsin_intake_redacted_total", "counter", "Records in which something was redacted.",
           s.redacted);
    metric(out, "tocsin_intake_suspect_time_total", "counter",
           "Records whose own time is too far from the receive time.", s.suspect_time);
    metric(out, "redaction_failed_total", "counter",
           "Records quarantined because redaction failed: nothing of them is kept.", s.redaction_failed);
}

static void http_metrics(const struct api *api, struct buf *out)
{
    buf_str(out, "# HELP tocsin_http_requests_total Requests answered, by route and status.\n"
                 "# TYPE tocsin_http_requests_total counter\n");
    for (size_t row = 0; row <= TC_API_ROUTES_MAX; row++)
        for (size_t column = 0; column < TC_API_CODES; column++) {
            unsigned long long count = api->answers[row][column];
            bool known = row < TC_API_ROUTES_MAX;
            if (count == 0)
                continue;
            buf_printf(out, "tocsin_http_requests_total{method=\"%s\",route=\"%s\",code=\"%u\"} %llu\n",
                       known ? api_routes[row].method : "", known ? api_routes[row].pattern : "none",
                       api_codes[column], count);
        }
}

static void connection_metrics(struct api *api, struct buf *out)
{
    struct connections *c = &api->connections;
    pthread_mutex_lock(&c->lock);
    unsigned count = c->count;
    uint64_t refused = c->refused, timed_out = c->timed_out;
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&api->lock);
    unsigned commands = api->command_count, asides = api->aside_count, tails = api->tail_count;
    pthread_mutex_unlock(&api->lock);
    metric(out, "tocsin_http_connections", "gauge", "HTTP connections.", count);
    metric(out, "tocsin_http_connections_limit", "gauge", "Bound of tocsin_http_connections.",
           TC_API_CONNECTIONS_MAX);
    metric(out, "tocsin_http_connections_refused_total", "counter",
           "HTTP connections refused because their address has too many.", refused);
    metric(out, "tocsin_http_connections_timed_out_total", "counter",
           "HTTP connections cut because a head or a body came too slowly.", timed_out);
    metric(out, "tocsin_commands_waiting", "gauge", "People's commands that wait for the core.", commands);
    metric(out, "tocsin_http_metric_queries", "gauge", "Queries on metrics that wait or run.", asides);
    metric(out, "tocsin_http_metric_queries_limit", "gauge", "Bound of tocsin_http_metric_queries.",
           TC_API_ASIDES_MAX);
    metric(out, "tocsin_http_tails", "gauge", "Clients that follow the journal.", tails);
    metric(out, "tocsin_http_tails_limit", "gauge", "Bound of tocsin_http_tails.", TC_API_TAILS_MAX);
    metric(out, "tocsin_http_tails_cut_total", "counter",
           "Clients that followed the journal and were cut for reading too slowly.", api->tails_cut);
    metric(out, "tocsin_commands_waiting_limit", "gauge", "Bound of tocsin_commands_waiting.",
           TC_API_COMMANDS_MAX);
}

static void print_metrics(struct api *api, struct buf *out)
{
    metric(out, "auth_invalid_token_total", "counter", "Requests refused for a missing or unknown token.",
           api->bad_tokens);
    metric(out, "tocsin_events_accepted_total", "counter", "Events of HTTP bodies that are durable.",
           api->accepted);
    metric(out, "tocsin_http_replayed_total", "counter", "Bodies recognised as repeats.", api->replays);
    samples_metrics(api, out);
    metric(out, "tocsin_http_received_bytes_total", "counter", "Bytes of event bodies as sent.",
           api->bytes_received);
    metric(out, "tocsin_http_body_bytes", "gauge", "Bytes of bodies under way.", api->body_bytes);
    metric(out, "tocsin_http_body_bytes_limit", "gauge", "Bound of tocsin_http_body_bytes.",
           api_body_budget(api));
    metric(out, "tocsin_stream_clients", "gauge", "Pages that listen.", stream_clients(api->stream));
    metric(out, "tocsin_stream_clients_limit", "gauge", "Bound of tocsin_stream_clients.",
           TC_API_STREAM_CLIENTS_MAX);
    connection_metrics(api, out);
    metric(out, "tocsin_stream_dropped_total", "counter", "Pages dropped for reading too slowly.",
           stream_dropped(api->stream));
    intake_metrics(api, out);
    http_metrics(api, out);
    if (api->options.metrics != NULL)
        api->options.metrics(api->options.context, out);
}

void health_metrics(struct api *api, struct request *request, struct reply *reply)
{
    reply->status = 200;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (!openmetrics_wanted(request_header(request, "Accept"))) {
        print_metrics(api, &reply->body);
        return;
    }
    struct buf text;
    buf_init(&text, TC_API_REPLY_BYTES);
    print_metrics(api, &text);
    reply->content_type = OPENMETRICS_TYPE;
    openmetrics_from_text(buf_view(&text), &reply->body);
    buf_free(&text);
}
