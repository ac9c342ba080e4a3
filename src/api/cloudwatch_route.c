/*
 * CloudWatch's metrics over HTTP:
 *
 *   PutMetricData, as AWS's clients send it to an endpoint of their own: CBOR (smithy's rpc-v2-cbor) at its
 * own path; JSON and the query protocol's form at "/", told apart by X-Amz-Target and Content-Type.
 * Signatures are not looked at: where tokens are configured, a request needs one. Metric streams, as Firehose
 * delivers them to an HTTP endpoint: records in base64, JSON or OpenTelemetry 1.0.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "metrics/aws/cbor.h"
#include "metrics/aws/cloudwatch.h"

#include <sodium.h>
#include <stdio.h>

#define TARGET   "GraniteServiceVersion20100801.PutMetricData"
#define XML_OPEN "<?xml version=\"1.0\"?><"

static bool type_is(const struct request *request, const char *type)
{
    struct sv got = request_header(request, "Content-Type");
    return sv_eq_nocase(sv_trim(sv_head(got, sv_find_char(got, ';'))), sv_of(type));
}

static bool put_input(struct api *api, struct request *request, struct template_value input,
                      struct sample_list *list, struct reply *reply, const struct samples_door *door)
{
    struct err err = {0};
    int rc = cloudwatch_put_metric_data(input, clk_now(api->options.clk).ns / 1000000, api->options.metadata,
                                        list, &err);
    if (rc == 0 && list->n == 0 && list->refused > 0)
        rc = err_set(&err, TC_EINPUT, "%s", list->first);
    if (rc != 0)
        door->refuse(request, reply, 400, err.text);
    return rc == 0;
}

/* --- CBOR --- */

static void put_cbor_text(struct buf *out, struct sv text)
{
    buf_u8(out, 3 << 5 | 25);
    buf_u8(out, (uint8_t)(TC_MIN(text.n, (size_t)60000) >> 8));
    buf_u8(out, (uint8_t)TC_MIN(text.n, (size_t)60000));
    buf_sv(out, sv_head(text, 60000));
}

static void begin_cbor(struct reply *reply, unsigned status)
{
    reply_json(reply, status);
    reply->content_type = "application/cbor";
    reply_header(reply, "smithy-protocol", "rpc-v2-cbor");
}

static void refuse_cbor(struct request *request, struct reply *reply, unsigned status, const char *text)
{
    (void)request;
    begin_cbor(reply, status);
    buf_u8(&reply->body, 5 << 5 | 2);
    put_cbor_text(&reply->body, SV("__type"));
    put_cbor_text(&reply->body, status < 500 && status != 429
                                    ? SV("com.amazonaws.cloudwatch#InvalidParameterValueException")
                                    : SV("com.amazonaws.cloudwatch#InternalServiceFault"));
    put_cbor_text(&reply->body, SV("message"));
    put_cbor_text(&reply->body, sv_of(text));
}

static void answer_cbor(struct request *request, struct reply *reply)
{
    (void)request;
    begin_cbor(reply, 200);
    buf_u8(&reply->body, 5 << 5); /* {} */
}

static bool read_cbor(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                      struct reply *reply);
static const struct samples_door cbor_door = {
    .kind = SAMPLES_CLOUDWATCH, .read = read_cbor, .answer = answer_cbor, .refuse = refuse_cbor};

static bool read_cbor(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                      struct reply *reply)
{
    struct template_value input;
    struct err err = {0};
    if (cbor_read(body, &list->arena, &input, &err) != 0) {
        refuse_cbor(request, reply, 400, err.text);
        return false;
    }
    return put_input(api, request, input, list, reply, &cbor_door);
}

void cloudwatch_rpc(struct api *api, struct request *request, struct reply *reply)
{
    samples_take(api, request, &cbor_door, reply);
}

/* --- JSON and the query protocol --- */

static void refuse_root(struct request *request, struct reply *reply, unsigned status, const char *text)
{
    const char *code = status < 500 && status != 429 ? "InvalidParameterValue" : "InternalServiceError";
    reply_json(reply, status);
    struct json_out json = json_out_to(&reply->body);
    if (request_header(request, "X-Amz-Target").p != NULL) {
        reply->content_type = "application/x-amz-json-1.0";
        json_object(&json);
        json_kv_str(&json, "__type", code);
        json_kv_str(&json, "message", text);
        json_object_end(&json);
        return;
    }
    reply->content_type = "text/xml";
    buf_str(&reply->body, XML_OPEN
            "ErrorResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><Error><Type>Sender"
            "</Type><Code>");
    buf_printf(&reply->body, "%s</Code><Message>", code);
    for (const char *p = text; *p != '\0'; p++)
        buf_char(&reply->body, *p == '<' || *p == '>' || *p == '&' ? ' ' : *p);
    buf_str(&reply->body, "</Message></Error><RequestId>0</RequestId></ErrorResponse>");
}

static void answer_root(struct request *request, struct reply *reply)
{
    reply_json(reply, 200);
    if (request_header(request, "X-Amz-Target").p != NULL) {
        reply->content_type = "application/x-amz-json-1.0";
        buf_str(&reply->body, "{}");
        return;
    }
    reply->content_type = "text/xml";
    buf_str(&reply->body,
            XML_OPEN "PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"
                     "<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></PutMetricDataResponse>");
}

static bool read_root(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                      struct reply *reply);
static const struct samples_door root_door = {
    .kind = SAMPLES_CLOUDWATCH, .read = read_root, .answer = answer_root, .refuse = refuse_root};

static bool read_root(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                      struct reply *reply)
{
    struct template_value input = template_none();
    struct err err = {0};
    struct sv target = request_header(request, "X-Amz-Target");
    int rc;
    if (target.p != NULL) {
        rc = sv_is(target, TARGET) ? template_from_json(&list->arena, body, &input, &err)
                                   : err_set(&err, TC_EINPUT, "only " TARGET " is known here");
    } else if (type_is(request, "application/x-www-form-urlencoded")) {
        rc = cloudwatch_from_form(body, &list->arena, &input, &err);
        const struct template_value *action = rc == 0 ? template_get(input, SV("Action")) : NULL;
        if (rc == 0 &&
            (action == NULL || action->kind != TEMPLATE_STRING || !sv_is(action->as.text, "PutMetricData")))
            rc = err_set(&err, TC_EINPUT, "only Action=PutMetricData is known here");
    } else {
        rc = err_set(&err, TC_EINPUT,
                     "PutMetricData of CloudWatch is expected here, as JSON with X-Amz-Target or as a form");
    }
    if (rc == 0)
        return put_input(api, request, input, list, reply, &root_door);
    refuse_root(request, reply, 400, err.text);
    return false;
}

void cloudwatch_root(struct api *api, struct request *request, struct reply *reply)
{
    samples_take(api, request, &root_door, reply);
}

/* --- metric streams --- */

/* {"requestId","timestamp"}, and "errorMessage" where there is one: Firehose asks for both to be given back.
 */
static void answer_firehose(struct request *request, struct reply *reply, unsigned status, const char *text)
{
    int64_t now_ms = clk_now(request->api->options.clk).ns / 1000000;
    reply_json(reply, status);
    struct json_out json = json_out_to(&reply->body);
    json_object(&json);
    json_kv_string(&json, "requestId", request_header(request, "X-Amz-Firehose-Request-Id"));
    json_kv_i64(&json, "timestamp", now_ms);
    if (text != NULL)
        json_kv_str(&json, "errorMessage", text);
    json_object_end(&json);
}

static void refuse_stream(struct request *request, struct reply *reply, unsigned status, const char *text)
{
    answer_firehose(request, reply, status, text);
}

static void answer_stream(struct request *request, struct reply *reply)
{
    answer_firehose(request, reply, 200, NULL);
}

static void read_record(struct api *api, struct sv base64, struct sample_list *list)
{
    size_t room = base64.n / 4 * 3 + 3, n = 0;
    char *bytes = arena_alloc(&list->arena, room);
    if (sodium_base642bin((unsigned char *)bytes, room, base64.p, base64.n, NULL, &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        sample_list_refuse(list, "a record's data is not base64");
        return;
    }
    struct sv data = sv_make(bytes, n);
    if (sv_starts(sv_trim(data), SV("{")))
        cloudwatch_stream_json(data, api->options.metadata, list);
    else
        cloudwatch_stream_otlp(data, api->options.metadata, list);
}

static bool read_stream(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                        struct reply *reply)
{
    struct template_value root = template_none();
    struct err err = {0};
    int rc = template_from_json(&list->arena, body, &root, &err);
    const struct template_value *records = rc == 0 ? template_get(root, SV("records")) : NULL;
    if (rc == 0 && (records == NULL || records->kind != TEMPLATE_LIST))
        rc = err_set(&err, TC_EINPUT,
                     "a request of Firehose is expected: {\"requestId\", \"timestamp\", \"records\"}");
    for (size_t i = 0; rc == 0 && i < records->as.list->n; i++) {
        const struct template_value *data = template_get(records->as.list->items[i], SV("data"));
        if (data != NULL && data->kind == TEMPLATE_STRING)
            read_record(api, data->as.text, list);
        else
            sample_list_refuse(list, "a record has no data");
    }
    if (rc != 0)
        refuse_stream(request, reply, 400, err.text);
    return rc == 0;
}

void metric_stream(struct api *api, struct request *request, struct reply *reply)
{
    static const struct samples_door door = {
        .kind = SAMPLES_METRIC_STREAM, .read = read_stream, .answer = answer_stream, .refuse = refuse_stream};
    samples_take(api, request, &door, reply);
}
