/*
 * Health for supervisors and metrics for Prometheus (text format 0.0.4, or OpenMetrics for who asks for it):
 * this room's own counters, intake's, and then what only the core knows.
 */
#include "api/api_priv.h"

#include "api/openmetrics.h"
#include "base/json_out.h"
#include "base/metric_text.h"

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

static void intake_metrics(const struct api *api, struct buf *out)
{
    struct intake_stats s;
    intake_stats(api->options.intake, &s);
    const struct metric rows[] = {
        {"tocsin_intake_records_total", "counter", "Records parsed and redacted.", (double)s.records},
        {"tocsin_intake_bytes_total", "counter", "Bytes of records parsed.", (double)s.bytes},
        {"tocsin_intake_text_total", "counter", "Records kept as text: no parser understood them.",
         (double)s.text},
        {"tocsin_intake_errors_total", "counter", "Items refused in bodies.", (double)s.errors},
        {"tocsin_intake_redacted_total", "counter", "Records in which something was redacted.",
         (double)s.redacted},
        {"tocsin_intake_suspect_time_total", "counter",
         "Records whose own time is too far from the receive time.", (double)s.suspect_time},
        {"redaction_failed_total", "counter",
         "Records quarantined because redaction failed: nothing of them is kept.",
         (double)s.redaction_failed},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

static void http_metrics(const struct api *api, struct buf *out)
{
    metric_head(out, "tocsin_http_requests_total", "counter", "Requests answered, by route and status.");
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
    unsigned commands = workers_count(&api->commands), asides = workers_count(&api->asides);
    const struct metric rows[] = {
        {"tocsin_http_connections", "gauge", "HTTP connections.", count},
        {"tocsin_http_connections_limit", "gauge", "Bound of tocsin_http_connections.",
         TC_API_CONNECTIONS_MAX},
        {"tocsin_http_connections_refused_total", "counter",
         "HTTP connections refused because their address has too many.", (double)refused},
        {"tocsin_http_connections_timed_out_total", "counter",
         "HTTP connections cut because a head or a body came too slowly.", (double)timed_out},
        {"tocsin_commands_waiting", "gauge", "People's commands that wait for the core.", commands},
        {"tocsin_http_metric_queries", "gauge", "Queries on metrics that wait or run.", asides},
        {"tocsin_http_metric_queries_limit", "gauge", "Bound of tocsin_http_metric_queries.",
         TC_API_ASIDES_MAX},
        {"tocsin_commands_waiting_limit", "gauge", "Bound of tocsin_commands_waiting.", TC_API_COMMANDS_MAX},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

static void print_metrics(struct api *api, struct buf *out)
{
    const struct metric requests[] = {
        {"auth_invalid_token_total", "counter", "Requests refused for a missing or unknown token.",
         (double)api->bad_tokens},
        {"tocsin_events_accepted_total", "counter", "Events of HTTP bodies that are durable.",
         (double)api->accepted},
        {"tocsin_http_replayed_total", "counter", "Bodies recognised as repeats.", (double)api->replays},
    };
    metric_rows(out, requests, TC_ARRAY_LEN(requests));
    samples_metrics(api, out);
    const struct metric bodies[] = {
        {"tocsin_http_received_bytes_total", "counter", "Bytes of event bodies as sent.",
         (double)api->bytes_received},
        {"tocsin_http_body_bytes", "gauge", "Bytes of bodies under way.", (double)api->body_bytes},
        {"tocsin_http_body_bytes_limit", "gauge", "Bound of tocsin_http_body_bytes.",
         (double)api_body_budget(api)},
        {"tocsin_stream_clients", "gauge", "Pages that listen.", (double)stream_clients(api->stream)},
        {"tocsin_stream_clients_limit", "gauge", "Bound of tocsin_stream_clients.",
         TC_API_STREAM_CLIENTS_MAX},
    };
    metric_rows(out, bodies, TC_ARRAY_LEN(bodies));
    connection_metrics(api, out);
    const struct metric dropped = {"tocsin_stream_dropped_total", "counter",
                                   "Pages dropped for reading too slowly.",
                                   (double)stream_dropped(api->stream)};
    metric_rows(out, &dropped, 1);
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
