/*
 * POST /v1/metrics and /api/v1/otlp/v1/metrics: OpenTelemetry's OTLP/HTTP, protobuf or JSON
 * (https://opentelemetry.io/docs/specs/otlp/). What cannot be kept beside good data points is told as
 * partial_success; errors are google.rpc.Status, in the form of the request.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "metrics/otlp/otlp.h"

#include <stdio.h>

enum { TEXT_MAX = 1024 };

static bool is_json(const struct request *request)
{
    struct sv type = request_header(request, "Content-Type");
    return sv_eq_nocase(sv_trim(sv_head(type, sv_find_char(type, ';'))), SV("application/json"));
}

static bool is_protobuf(const struct request *request)
{
    struct sv type = request_header(request, "Content-Type");
    return sv_eq_nocase(sv_trim(sv_head(type, sv_find_char(type, ';'))), SV("application/x-protobuf"));
}

void otlp_metrics_begin(struct api *api, struct request *request, struct reply *reply)
{
    samples_begin(api, request, reply);
    if (reply->status == 0 && !is_json(request) && !is_protobuf(request))
        reply_error(reply, 415, "OTLP/HTTP is Content-Type application/x-protobuf or application/json");
}

static void put_varint(struct buf *out, uint64_t v)
{
    for (; v > 127; v >>= 7)
        buf_u8(out, (uint8_t)(v & 127) | 128);
    buf_u8(out, (uint8_t)v);
}

static void put_text(struct buf *out, uint8_t key, struct sv text)
{
    buf_u8(out, key);
    put_varint(out, text.n);
    buf_sv(out, text);
}

static void begin_protobuf(struct reply *reply, unsigned status)
{
    reply_json(reply, status);
    reply->content_type = "application/x-protobuf";
}

static void refuse(struct request *request, struct reply *reply, unsigned status, const char *text)
{
    if (is_json(request)) {
        reply_json(reply, status);
        struct json_out json = json_out_to(&reply->body);
        json_object(&json);
        json_kv_u64(&json, "code", status == 400 || status == 413 ? 3 : 14);
        json_kv_str(&json, "message", text);
        json_object_end(&json);
    } else {
        begin_protobuf(reply, status);
        put_text(&reply->body, 2 << 3 | 2, sv_of(text));
    }
    if (status == 429 || status == 503)
        reply_header(reply, "Retry-After", "1");
}

static bool read_body(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                      struct reply *reply)
{
    struct err err = {0};
    struct buf message;
    int rc = 0;
    buf_init(&message, api->options.max_body_bytes);
    if (is_json(request))
        rc = otlp_from_json(body, &message, &err);
    if (rc == 0)
        rc = otlp_read(is_json(request) ? arena_sv(&list->arena, buf_view(&message)) : body,
                       api->options.metadata, list, &err);
    if (rc != 0)
        refuse(request, reply, rc == TC_EBOUND ? 413 : 400, err.text);
    buf_free(&message);
    return rc == 0;
}

static void answer(struct request *request, struct reply *reply)
{
    const struct samples_result *r = &request->samples;
    if (is_json(request)) {
        reply_json(reply, 200);
        struct json_out json = json_out_to(&reply->body);
        json_object(&json);
        if (r->refused_points > 0) {
            char count[24];
            snprintf(count, sizeof count, "%llu", (unsigned long long)r->refused_points);
            json_key(&json, SV("partialSuccess"));
            json_object(&json);
            json_kv_str(&json, "rejectedDataPoints", count);
            json_kv_str(&json, "errorMessage", r->first);
            json_object_end(&json);
        }
        json_object_end(&json);
        return;
    }
    begin_protobuf(reply, 200);
    if (r->refused_points == 0)
        return;
    struct buf partial;
    buf_init(&partial, TEXT_MAX);
    buf_u8(&partial, 1 << 3);
    put_varint(&partial, r->refused_points);
    put_text(&partial, 2 << 3 | 2, sv_of(r->first));
    put_text(&reply->body, 1 << 3 | 2, buf_view(&partial));
    buf_free(&partial);
}

void otlp_metrics(struct api *api, struct request *request, struct reply *reply)
{
    static const struct samples_door door = {
        .kind = SAMPLES_OTLP, .read = read_body, .answer = answer, .refuse = refuse};
    samples_take(api, request, &door, reply);
}
