/*
 * Reading the rules anew, by API: POST /-/reload as Prometheus and Alertmanager have it, or POST /v1/reload.
 * The body is not looked at. 200 once the new rules are in force; an error, with its place, where they were
 * refused and the old ones go on.
 */
#include "api/api_priv.h"

void reload_handle(struct api *api, struct request *request, struct reply *reply)
{
    if (request->pending == NULL && api->options.reload == NULL) {
        reply_error(reply, 404, "there is nothing to reload");
        return;
    }
    if (request->pending == NULL)
        command_begin_reload(api, request, reply);
    if (request->pending != NULL)
        command_finish(api, request, reply);
}
