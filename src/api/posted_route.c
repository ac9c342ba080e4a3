/*
 * Alerts that others post: POST /v2/enqueue (PagerDuty's Events API v2), POST /v2/alerts and its actions
 * (Opsgenie's alert API), POST /v1/alertmanager (Alertmanager's webhook, version 4). Who posts is known by a
 * source's token, shown as each of them shows it: as `routing_key`, as GenieKey, as Bearer.
 *
 * The 202 goes out once what was posted is durable; what became of it is seen in the list of alerts. An
 * acknowledgement is a command on the open alert of that key; where there is none, nothing is done, and 202
 * is said all the same, as they do.
 */
#include "api/api_priv.h"

#include "alert/alert.h"
#include "base/json_out.h"
#include "ingest/posted_alert.h"

#include <stdio.h>

enum shape { SHAPE_PAGERDUTY, SHAPE_OPSGENIE, SHAPE_ALERTMANAGER };

static enum shape shape_of(const struct request *request)
{
    struct sv pattern = sv_of(request->match.route->pattern);
    return sv_starts(pattern, SV("/v2/enqueue"))  ? SHAPE_PAGERDUTY
           : sv_starts(pattern, SV("/v2/alerts")) ? SHAPE_OPSGENIE
                                                  : SHAPE_ALERTMANAGER;
}

/* --- answers, in their words ------------------------------------------------------------------------------
 */

static void refuse(struct request *request, unsigned status, const char *text, struct reply *reply)
{
    struct json_out json = json_out_to(&reply->body);
    if (shape_of(request) == SHAPE_ALERTMANAGER) {
        reply_error(reply, status, "%s", text);
        return;
    }
    reply_json(reply, status);
    buf_clear(&reply->body);
    if (status == 429 || status == 503)
        reply_header(reply, "Retry-After", "1");
    json_object(&json);
    if (shape_of(request) == SHAPE_PAGERDUTY) {
        json_kv_str(&json, "status", "invalid event");
        json_kv_str(&json, "message", "Event object is invalid");
        json_key(&json, SV("errors"));
        json_array(&json);
        json_string(&json, sv_of(text));
        json_array_end(&json);
    } else {
        json_kv_str(&json, "message", text);
        json_key(&json, SV("took"));
        json_raw(&json, SV("0.0"));
    }
    json_object_end(&json);
}

/* Kept in request->answer until what was posted is durable. */
static void write_answer(struct api *api, struct request *request, struct sv key)
{
    struct json_out json = json_out_to(&request->answer);
    char id[40];
    uint64_t a = rng_u64(api->options.rng), b = rng_u64(api->options.rng);
    json_object(&json);
    switch (shape_of(request)) {
    case SHAPE_PAGERDUTY:
        json_kv_str(&json, "status", "success");
        json_kv_str(&json, "message", "Event processed");
        json_kv_string(&json, "dedup_key", key);
        break;
    case SHAPE_OPSGENIE:
        snprintf(id, sizeof id, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                 (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                 (unsigned long long)(b & 0xffffffffffff));
        json_kv_str(&json, "result", "Request will be processed");
        json_key(&json, SV("took"));
        json_raw(&json, SV("0.0"));
        json_kv_str(&json, "requestId", id);
        break;
    case SHAPE_ALERTMANAGER:
        json_kv_str(&json, "status", "accepted");
        break;
    }
    json_object_end(&json);
}

static void finish(struct request *request, struct reply *reply)
{
    int rc = 0;
    switch (pending_wait(request->api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_ABANDONED:
        refuse(request, 503, "Tocsin stops before it knows whether this is kept: send it again", reply);
        return;
    case PENDING_DONE:
        break;
    }
    /* what is acknowledged or over already need not be acknowledged */
    bool over = request->command != NULL && (rc == TC_ESTATE || rc == TC_ENOTFOUND);
    if (rc == TC_EBOUND || rc == TC_EAGAIN)
        refuse(request, 429, "the journal is behind, or the disk nearly full: send it again later", reply);
    else if (rc != 0 && !over)
        refuse(request, 503, "the journal could not keep it: send it again later", reply);
    if (reply->status != 0)
        return;
    reply_json(reply, 202);
    buf_sv(&reply->body, buf_view(&request->answer));
}

/* --- who, and what ----------------------------------------------------------------------------------------
 */

static bool know_source(struct api *api, struct request *request, struct sv routing_key, struct reply *reply)
{
    static const char *const kinds[] = {
        [SHAPE_PAGERDUTY] = "", [SHAPE_OPSGENIE] = "GenieKey ", [SHAPE_ALERTMANAGER] = "Bearer "};
    enum shape shape = shape_of(request);
    struct sv token = routing_key, kind = sv_of(kinds[shape]);
    if (shape != SHAPE_PAGERDUTY) {
        struct sv header = request_header(request, "Authorization");
        bool fits = header.n > kind.n && sv_eq_nocase(sv_head(header, kind.n), kind);
        token = fits ? sv_trim(sv_from(header, kind.n)) : (struct sv){0};
    }
    request->source = auth_source_of(&api->auth, token, request_header(request, "Host"));
    if (request->source != NULL)
        return true;
    api->bad_tokens++;
    refuse(request, shape == SHAPE_PAGERDUTY ? 400 : 401,
           shape == SHAPE_PAGERDUTY ? "'routing_key' is not the token of a source"
                                    : "Could not authenticate: the key is not the token of a source",
           reply);
    return false;
}

static bool read_body(struct api *api, struct request *request, struct arena *arena,
                      struct posted_alert **ret, size_t *ret_count, struct reply *reply)
{
    const struct route_match *match = &request->match;
    struct sv body = buf_view(&request->body), routing_key = {0};
    struct err err = {0};
    int rc;
    *ret = ARENA_NEW(arena, struct posted_alert);
    *ret_count = 1;
    if (shape_of(request) != SHAPE_PAGERDUTY && !know_source(api, request, routing_key, reply))
        return false;
    if (shape_of(request) == SHAPE_PAGERDUTY)
        rc = posted_pagerduty(body, arena, *ret, &routing_key, &err);
    else if (shape_of(request) == SHAPE_OPSGENIE)
        rc = posted_opsgenie(body, match->param_count > 0 ? match->params[0] : (struct sv){0},
                             match->param_count > 1 ? match->params[1] : (struct sv){0}, arena, *ret, &err);
    else
        rc = posted_alertmanager(body, arena, ret, ret_count, &err);
    if (rc != 0) {
        unsigned status = rc == TC_ENOTFOUND ? 404 : shape_of(request) == SHAPE_OPSGENIE ? 422 : 400;
        refuse(request, status, err.text, reply);
        return false;
    }
    return shape_of(request) != SHAPE_PAGERDUTY || know_source(api, request, routing_key, reply);
}

/* --- acknowledging ----------------------------------------------------------------------------------------
 */

/* Behind what was posted before in the journal, so it finds that applied; whose key was redacted, too. */
static void acknowledge(struct api *api, struct request *request, const struct posted_alert *alert,
                        struct reply *reply)
{
    uint8_t identity[TC_SHA256_BYTES];
    char id[TC_SHA256_HEX];
    posted_identity(sv_of(request->source), alert->key, identity);
    hash_hex(identity, sizeof identity, id);
    struct alert_command command = {
        .verb = SV("ack"),
        .alert_id = sv_of(id),
        .by = alert->by.n > 0 && !auth_is_person(&api->auth, alert->by) ? alert->by : sv_of(request->source)};
    command_begin(api, request, &command, reply);
}

/* --- the routes -------------------------------------------------------------------------------------------
 */

void posted_handle(struct api *api, struct request *request, struct reply *reply)
{
    struct arena arena = {0};
    struct posted_alert *alerts;
    size_t count;
    struct err err = {0};
    if (request->pending != NULL) {
        finish(request, reply);
        return;
    }
    if (api->options.post_alerts == NULL) {
        refuse(request, 404, "no alerts are taken here", reply);
    } else if (read_body(api, request, &arena, &alerts, &count, reply)) {
        struct sv source = sv_of(request->source);
        if (count > 0 && alerts[0].key.n == 0) /* as they do: what has no key gets one */
            alerts[0].key =
                arena_printf(&arena, "%016llx%016llx", (unsigned long long)rng_u64(api->options.rng),
                             (unsigned long long)rng_u64(api->options.rng));
        write_answer(api, request, count > 0 ? alerts[0].key : (struct sv){0});
        if (count > 0 && alerts[0].action == POSTED_ACKNOWLEDGE) {
            acknowledge(api, request, &alerts[0], reply);
        } else {
            struct pending *pending = request->pending = pending_new(api, request);
            int rc = api->options.post_alerts(api->options.context, source, alerts, count, pending_done,
                                              pending, &err);
            if (rc != 0) {
                pending_cancel(pending);
                pending_release(api, &request->pending);
                refuse(request,
                       rc == TC_EAGAIN || rc == TC_EBOUND ? 429
                       : rc == TC_EINPUT                  ? 400
                                                          : 503,
                       err.text, reply);
            }
        }
    }
    arena_free(&arena);
    if (request->pending != NULL)
        finish(request, reply);
}
