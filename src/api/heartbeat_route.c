/*
 * POST /v1/heartbeats/NAME: a job says that it is alive.
 * It becomes an event of the source heartbeat:NAME, by the same way as any; where the configuration expects
 * that heartbeat, its silence is an alert. A name that nobody expects is an event like any other.
 */
#include "api/api_priv.h"

#include "base/json_out.h"

#include <ctype.h>
#include <stdio.h>

bool api_is_heartbeat(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && strchr("._-", name.p[i]) == NULL)
            return false;
    return name.n > 0 && name.n <= TC_API_HEARTBEAT_NAME;
}

/* What was sent beside the name is not kept: a heartbeat has no content. */
static bool convert(struct request *request, struct sv body, struct buf *out, struct reply *reply)
{
    struct json_out json = json_out_to(out);
    (void)body, (void)reply;
    json_object(&json);
    json_kv_str(&json, "event_type", "heartbeat");
    json_kv_string(&json, "heartbeat.name", request->match.params[0]);
    json_object_end(&json);
    return true;
}

void heartbeat_handle(struct api *api, struct request *request, struct reply *reply)
{
    struct sv name = request->match.params[0];
    if (request->pending == NULL && !api_is_heartbeat(name)) {
        reply_error(reply, 400, "a heartbeat's name has 1 to %d letters, digits, dots, dashes or underscores",
                    TC_API_HEARTBEAT_NAME);
        return;
    }
    snprintf(request->heartbeat, sizeof request->heartbeat, "heartbeat:%.*s", SV_FMT(name));
    request->source = request->heartbeat;
    events_take(api, request, convert, reply);
}
