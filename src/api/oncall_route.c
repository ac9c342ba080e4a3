/*
 * Who is on call: GET /v1/oncall (at an instant, or from and to), GET /v1/oncall/NAME and NAME.ics, and the
 * overrides. What is asked is answered by the room above.
 */
#include "api/api_priv.h"

#define DEFAULT_RANGE_NS (90 * 24 * INT64_C(3600) * TC_SECOND_NS) /* of a calendar */

static bool take_param(void *context, struct sv name, struct sv value)
{
    struct api_oncall_question *q = context;
    if (sv_is(name, "at"))
        return clk_parse_rfc3339(value, 0, &q->from_ns) && (q->to_ns = q->from_ns, true);
    if (sv_is(name, "from"))
        return clk_parse_rfc3339(value, 0, &q->from_ns);
    return sv_is(name, "to") && clk_parse_rfc3339(value, 0, &q->to_ns);
}

static void answer(struct api *api, struct api_oncall_question *q, struct reply *reply)
{
    struct err err = {0};
    if (api->options.oncall == NULL) {
        reply_error(reply, 404, "nobody is on call here");
        return;
    }
    int rc = api->options.oncall(api->options.context, q, &reply->body, &err);
    reply_json(reply, 200);
    if (q->as_calendar)
        reply->content_type = "text/calendar; charset=utf-8";
    if (rc != 0)
        reply_err(reply, &err);
    else if (reply->body.overflow)
        reply_error(reply, 413, "the answer would be too long: ask for a shorter time");
}

static void ask(struct api *api, struct request *request, struct api_oncall_question *q, struct reply *reply)
{
    int64_t now_ns = clk_now(api->options.clk).ns;
    q->from_ns = now_ns;
    q->to_ns = TC_NO_TIME;
    if (!request_query(request, take_param, q)) {
        reply_error(reply, 400, "the query takes at=TIME, or from=TIME and to=TIME (RFC 3339)");
        return;
    }
    if (q->to_ns == TC_NO_TIME)
        q->to_ns = q->as_calendar ? q->from_ns + DEFAULT_RANGE_NS : q->from_ns;
    answer(api, q, reply);
}

void oncall_list(struct api *api, struct request *request, struct reply *reply)
{
    struct api_oncall_question q = {0};
    ask(api, request, &q, reply);
}

void oncall_show(struct api *api, struct request *request, struct reply *reply)
{
    struct sv name = request->match.params[0];
    bool calendar = sv_ends(name, SV(".ics"));
    struct api_oncall_question q = {.schedule = sv_head(name, calendar ? name.n - 4 : name.n),
                                    .as_calendar = calendar};
    ask(api, request, &q, reply);
}

void oncall_overrides(struct api *api, struct request *request, struct reply *reply)
{
    struct api_oncall_question q = {.overrides = true};
    (void)request;
    answer(api, &q, reply);
}
