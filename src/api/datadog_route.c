/*
 * Datadog's series over HTTP. /api/v1/series is Prometheus' (a query), so Datadog's clients are pointed at
 * http://HOST/datadog; version 2 has an address of its own as well.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "metrics/intake/datadog.h"

static bool read_body(struct api *api, struct request *request, struct sv body, struct sample_list *list,
                      struct reply *reply)
{
    struct sv type = request_header(request, "Content-Type");
    struct err err = {0};
    bool protobuf = sv_starts(type, SV("application/x-protobuf"));
    int (*read)(struct sv body, struct metadata * metadata, struct sample_list * list, struct err * err) =
        protobuf ? datadog_read_protobuf : datadog_read;
    if (read(body, api->options.metadata, list, &err) == 0)
        return true;
    reply_error(reply, 400, "%s", err.text);
    return false;
}

static void answer(struct request *request, struct reply *reply)
{
    reply_json(reply, 202);
    struct json_out json = json_out_to(&reply->body);
    json_object(&json);
    json_kv_str(&json, "status", "ok");
    if (request->samples.refused > 0) { /* clients take the mere name for a failure */
        json_key(&json, SV("errors"));
        json_array(&json);
        json_string(&json, sv_of(request->samples.first));
        json_array_end(&json);
    }
    json_object_end(&json);
}

void datadog_series(struct api *api, struct request *request, struct reply *reply)
{
    static const struct samples_door door = {.kind = SAMPLES_DATADOG, .read = read_body, .answer = answer};
    samples_take(api, request, &door, reply);
}

void datadog_validate(struct api *api, struct request *request, struct reply *reply)
{
    (void)api;
    (void)request;
    reply_static(reply, "application/json", SV("{\"valid\":true}"));
}
