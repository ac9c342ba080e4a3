/*
 * Silences, holds, incidents, drills: lists, commands, and the preview of a silence, which counts in the
 * projection what it would hide, and what it would have hidden in the last week.
 */
#include "api/api_priv.h"

#include "alert/alertmanager/matcher.h"
#include "base/json_out.h"

#define WEEK_NS (7 * 24 * INT64_C(3600) * TC_SECOND_NS)

/* POST /v1/silences, /v1/incidents: make one; what stands behind a number is about that one. */
void other_command(struct api *api, struct request *request, struct reply *reply)
{
    static const char *const incident_verbs[] = {"phase", "link", "unlink", "command", "note", "close"};
    char verb[40] = "incident_open";
    struct sv pattern = sv_of(request->match.route->pattern);
    bool silence = sv_starts(pattern, SV("/v1/silences")), one = request->match.param_count > 0;
    if (!silence && one) {
        size_t i = 0;
        while (i < TC_ARRAY_LEN(incident_verbs) && !sv_is(request->match.params[1], incident_verbs[i]))
            i++;
        if (i == TC_ARRAY_LEN(incident_verbs)) {
            reply_error(reply, 404, "an incident takes phase, link, unlink, command, note and close");
            return;
        }
        struct buf out = {.p = verb, .capacity = sizeof verb, .max_bytes = sizeof verb};
        buf_printf(&out, "incident_%s", incident_verbs[i]);
        buf_char(&out, '\0');
    }
    command_route(api, request, silence ? (one ? SV("unsilence") : SV("silence")) : sv_of(verb),
                  one ? request->match.params[0] : SV(""), reply);
}

void drill_command(struct api *api, struct request *request, struct reply *reply)
{
    command_route(api, request, SV("drill"), SV(""), reply);
}

void silences_list(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply, 200);
    if (api->options.silences != NULL)
        api->options.silences(api->options.context, &reply->body);
    else
        buf_str(&reply->body, "[]");
}

/* Holds of retention: the list; POST /v1/holds/NAME makes one, /v1/holds/NAME/release ends it. */
void holds_list(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply, 200);
    if (api->options.holds != NULL)
        api->options.holds(api->options.context, &reply->body);
    else
        buf_str(&reply->body, "[]");
}

void holds_handle(struct api *api, struct request *request, struct reply *reply)
{
    bool release = sv_ends(sv_of(request->match.route->pattern), SV("/release"));
    command_route(api, request, release ? SV("hold_release") : SV("hold_add"), request->match.params[0],
                  reply);
}

void incidents_show(struct api *api, struct request *request, struct reply *reply)
{
    struct err err = {0};
    struct sv number = request->match.param_count > 0 ? request->match.params[0] : SV("");
    bool markdown = sv_ends(number, SV(".md"));
    if (api->options.incidents == NULL) {
        reply_error(reply, 404, "there are no incidents here");
        return;
    }
    int rc = api->options.incidents(api->options.context, sv_head(number, markdown ? number.n - 3 : number.n),
                                    markdown, &reply->body, &err);
    reply_json(reply, 200);
    if (markdown)
        reply->content_type = "text/markdown; charset=utf-8";
    if (rc != 0)
        reply_err(reply, &err);
    else if (reply->body.overflow)
        reply_error(reply, 413, "the answer would be too long: ask for one incident");
}

/* --- the preview */

struct preview {
    struct sv text;
    struct am_pool pool;
    struct am_matchers matchers;
    uint64_t now, last_week, seen;
};

static bool take_matchers(void *context, struct sv name, struct sv value)
{
    struct preview *p = context;
    p->text = arena_sv(&p->pool.arena, value);
    return sv_is(name, "matchers");
}

static int count_row(void *context, const struct alert_row *row)
{
    struct preview *p = context;
    struct arena arena = {0};
    struct alert alert;
    p->seen++;
    if (alert_from_json(row->json, &arena, &alert, NULL) == 0) {
        struct am_label *labels = ARENA_ARRAY(&arena, struct am_label, alert.label_count + 1);
        for (size_t i = 0; i < alert.label_count; i++)
            labels[i] = (struct am_label){alert.labels[i].name, alert.labels[i].value};
        bool matches = am_matchers_match(p->matchers, (struct am_labels){labels, alert.label_count});
        p->now += matches && alert.ended_ns == TC_NO_TIME;
        p->last_week += matches;
    }
    arena_free(&arena);
    return 0;
}

static int count_all(struct api *api, struct preview *p, struct err *err)
{
    struct store *store;
    struct alert_filter open = {.open_only = true, .limit = TC_API_LIST_MAX};
    struct alert_filter ended = {.ended_only = true,
                                 .ended_since_ns = clk_now(api->options.clk).ns - WEEK_NS,
                                 .limit = TC_API_LIST_MAX};
    int rc = alerts_store_take(api, &store, err);
    if (rc != 0)
        return rc;
    rc = store_each_alert(store, &open, count_row, p, err);
    if (rc == 0)
        rc = store_each_alert(store, &ended, count_row, p, err);
    alerts_store_give(api);
    return rc;
}

void silences_preview(struct api *api, struct request *request, struct reply *reply)
{
    struct preview p = {0};
    struct err err = {0};
    const char *warning;
    if (!request_query(request, take_matchers, &p) || p.text.n == 0) {
        reply_error(reply, 400, "the query takes matchers=TEXT, such as alertname=\"X\"");
    } else if (am_matchers_parse(&p.pool, AM_MATCHERS_FALLBACK, p.text, &p.matchers, &warning, &err) != 0 ||
               count_all(api, &p, &err) != 0) {
        reply_err(reply, &err);
    } else {
        struct json_out json = json_out_to(&reply->body);
        json_object(&json);
        json_kv_u64(&json, "now", p.now);
        json_kv_u64(&json, "last_week", p.last_week);
        json_kv_bool(&json, "every_alert", am_matchers_match(p.matchers, (struct am_labels){0}));
        json_kv_u64(&json, "looked_at", p.seen);
        json_object_end(&json);
        reply_json(reply, 200);
    }
    am_pool_free(&p.pool);
}
