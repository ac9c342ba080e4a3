/*
 * POST /v1/callbacks/CHANNEL[/ALERT]: what vendors send back (notify/callback.h). The signature is checked
 * before anything else is looked at; a command that follows is the core's, and who asked is told how it went
 * in the vendor's own form, with 200 also where the alert does not allow it: asking again would not help.
 * Only what another attempt may mend (429, 503) is answered so that the vendor tries again.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "notify/callback.h"

#include <stdlib.h>

static struct sv header_of(void *context, const char *name)
{
    return request_header(context, name);
}

void callback_begin(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    if (api->options.callbacks == NULL)
        reply_error(reply, 404, "no channel takes callbacks");
}

/* Where the vendor does not show what we answer, it is told at the address that it named. */
static void say(struct api *api, const struct request *request)
{
    const struct callback *callback = request->callback;
    struct buf body;
    if (callback->reply_url[0] == '\0' || api->options.say == NULL)
        return;
    buf_init(&body, 4096);
    struct json_out json = json_out_to(&body);
    json_object(&json);
    json_kv_str(&json, "response_type", "ephemeral");
    json_kv_bool(&json, "replace_original", false);
    json_kv_str(&json, "text", callback->text);
    json_object_end(&json);
    api->options.say(api->options.context, request->match.params[0], sv_of(callback->reply_url),
                     buf_view(&body));
    buf_free(&body);
}

static void finish(struct api *api, struct request *request, int rc, const char *why, struct reply *reply)
{
    const char *type;
    buf_clear(&reply->body);
    reply_json(reply, 200);
    callback_answer(api->options.callbacks, request->callback, rc, why, &type, &reply->body);
    reply->content_type = type;
}

static void finish_command(struct api *api, struct request *request, struct reply *reply)
{
    command_finish(api, request, reply);
    if (reply->later || reply->status == 429 || reply->status == 503)
        return;
    const struct err *err = command_error(request);
    finish(api, request, err->code, err->text, reply);
}

void callback_handle(struct api *api, struct request *request, struct reply *reply)
{
    if (request->pending != NULL) {
        finish_command(api, request, reply);
        return;
    }
    struct callback *callback = request->callback = tc_alloc(sizeof *callback);
    const struct route_match *match = &request->match;
    struct callback_request what = {.channel = match->params[0],
                                    .alert_id = match->param_count > 1 ? match->params[1] : (struct sv){0},
                                    .body = buf_view(&request->body),
                                    .header = header_of,
                                    .context = request,
                                    .now_ns = clk_now(api->options.clk).ns};
    callback_read(api->options.callbacks, &what, callback);
    if (callback->status != 200) {
        reply_error(reply, callback->status, "%s", callback->text);
        return;
    }
    if (callback->opted_out && api->options.opted_out != NULL)
        api->options.opted_out(api->options.context, what.channel);
    if (callback->verb[0] == '\0') {
        say(api, request);
        finish(api, request, 0, NULL, reply);
        return;
    }
    struct alert_command command = {.verb = sv_of(callback->verb),
                                    .alert_id = sv_of(callback->alert_id),
                                    .by = sv_of(callback->by),
                                    .note = sv_of(callback->note)};
    command_begin(api, request, &command, reply);
    if (request->pending != NULL)
        finish_command(api, request, reply);
}
