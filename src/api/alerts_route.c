/*
 * Alerts for people and programs: the list, one alert with its history, and the three things one can do to
 * it. Lists come from the projection (store/); commands go to the core and come back as the alert after them.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"

/* --- the projection --------------------------------------------------------------------------------------
 */

int alerts_store_take(struct api *api, struct store **ret, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&api->store_lock);
    if (api->store == NULL)
        rc = store_open_reader(api->options.store_path, &api->store, err);
    if (rc != 0) {
        pthread_mutex_unlock(&api->store_lock);
        return rc;
    }
    *ret = api->store;
    return 0;
}

void alerts_store_give(struct api *api)
{
    pthread_mutex_unlock(&api->store_lock);
}

static void refuse_store(struct reply *reply, const struct err *err)
{
    reply_error(reply, 503, "the alerts cannot be read now: %s", err->text);
}

/* --- GET /v1/alerts --------------------------------------------------------------------------------------
 */

struct list {
    struct alert_filter filter;
    bool bad; /* a parameter was not understood */
    struct json_out json;
    size_t count;
};

static bool list_param(void *context, struct sv name, struct sv value)
{
    struct list *list = context;
    uint64_t limit;
    if (sv_is(name, "state")) {
        list->filter.open_only = sv_is(value, "open");
        list->filter.ended_only = sv_is(value, "ended");
        list->bad |= !list->filter.open_only && !list->filter.ended_only;
    } else if (sv_is(name, "since")) {
        list->bad |= !clk_parse_rfc3339(value, 0, &list->filter.ended_since_ns);
    } else if (sv_is(name, "limit")) {
        list->bad |= !num_u64(value, 1, TC_API_LIST_MAX, &limit);
        list->filter.limit = list->bad ? 0 : (size_t)limit;
    } else {
        list->bad = true;
    }
    return !list->bad;
}

static int list_row(void *context, const struct alert_row *row)
{
    struct list *list = context;
    json_raw(&list->json, row->json);
    list->count++;
    return 0;
}

static int list_alerts(struct api *api, const struct alert_filter *filter, alert_row_fn each, void *context,
                       struct err *err)
{
    struct store *store;
    int rc = alerts_store_take(api, &store, err);
    if (rc != 0)
        return rc;
    rc = store_each_alert(store, filter, each, context, err);
    alerts_store_give(api);
    return rc;
}

void alerts_list(struct api *api, struct request *request, struct reply *reply)
{
    struct list list = {.filter = {.limit = 1000, .ended_since_ns = TC_NO_TIME},
                        .json = json_out_to(&reply->body)};
    struct err err = {0};
    if (!request_query(request, list_param, &list) || list.bad) {
        reply_error(reply, 400,
                    "the query takes state=open or state=ended, since=RFC 3339 time (with "
                    "state=ended) and limit=1 to %d",
                    TC_API_LIST_MAX);
        return;
    }
    json_array(&list.json);
    if (list_alerts(api, &list.filter, list_row, &list, &err) != 0) {
        refuse_store(reply, &err);
        return;
    }
    json_array_end(&list.json);
    reply_json(reply, 200);
    if (list.count >= list.filter.limit)
        reply_header(reply, "X-Tocsin-Truncated", "true");
    if (reply->body.overflow)
        reply_error(reply, 413, "the answer would be too long: ask with a smaller limit");
}

/* --- GET /v1/alerts/ID -----------------------------------------------------------------------------------
 */

void alerts_show(struct api *api, struct request *request, struct reply *reply)
{
    struct store *store;
    struct err err = {0};
    int rc = alerts_store_take(api, &store, &err);
    if (rc != 0) {
        refuse_store(reply, &err);
        return;
    }
    rc = store_get_alert(store, request->match.params[0], &reply->body, &err);
    alerts_store_give(api);
    reply_json(reply, 200);
    if (rc != 0)
        reply_err(reply, &err);
}

void alerts_explain(struct api *api, struct request *request, struct reply *reply)
{
    struct store *store;
    struct arena arena = {0};
    struct alert alert;
    struct buf json;
    struct err err = {0};
    if (api->options.explain == NULL) {
        reply_error(reply, 404, "there is nobody here who could explain");
        return;
    }
    buf_init(&json, TC_API_REPLY_BYTES);
    int rc = alerts_store_take(api, &store, &err);
    if (rc == 0) {
        rc = store_get_alert(store, request->match.params[0], &json, &err);
        alerts_store_give(api);
    }
    if (rc == 0)
        rc = alert_from_json(buf_view(&json), &arena, &alert, &err);
    if (rc == 0) {
        api->options.explain(api->options.context, &alert, &reply->body);
        reply_json(reply, 200);
    } else {
        reply_err(reply, &err);
    }
    buf_free(&json);
    arena_free(&arena);
}

/* --- GET /v1/alerts/ID/deliveries, GET /v1/channels, GET /v1/sources
 * ------------------------------------------------------------------------------------------------------ */

/* By the whole id, also of what is no alert: digests and tests are delivered, too. */
void alerts_deliveries(struct api *api, struct request *request, struct reply *reply)
{
    struct store *store;
    struct err err = {0};
    int rc = alerts_store_take(api, &store, &err);
    if (rc != 0) {
        refuse_store(reply, &err);
        return;
    }
    rc = store_deliveries_json(store, request->match.params[0], &reply->body, &err);
    alerts_store_give(api);
    reply_json(reply, 200);
    if (rc != 0)
        reply_err(reply, &err);
}

/* What the room above writes about its own; without one the list is empty. */
static void list_of(struct api *api, void (*write)(void *context, struct buf *out), const char *what,
                    struct reply *reply)
{
    reply_json(reply, 200);
    if (write != NULL)
        write(api->options.context, &reply->body);
    else
        buf_str(&reply->body, "[]");
    if (reply->body.overflow)
        reply_error(reply, 413, "the answer would be too long: too many %s are in force", what);
}

void channels_list(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    list_of(api, api->options.channels, "channels", reply);
}

void sources_list(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    list_of(api, api->options.sources, "sources", reply);
}

void rules_list(struct api *api, struct request *request, struct reply *reply)
{
    (void)request;
    list_of(api, api->options.rules, "rules", reply);
}

static bool is_channel(const struct api *api, struct sv name)
{
    for (size_t i = 0; i < api->options.receiver_count; i++)
        if (sv_eq(api->options.receivers[i], name))
            return true;
    return false;
}

/* --- POST /v1/channels/NAME/test, and /v1/alerts/ID/ack|resolve|close, and delivery's hold|release
 * ----------------------------------------------------------------
 */

/* One member of the body; false where it is none of ours, or no text. */
static bool take_member(struct alert_command *command, const struct field *field)
{
    const struct alert_command_member *m = alert_command_members + 2; /* the path names verb and alert */
    for (; m->name != NULL; m++)
        if (sv_is(field->name, m->name) && field->type == FIELD_STRING) {
            *alert_command_at(command, m) = field->value;
            return true;
        }
    return false;
}

static bool read_command(const struct request *request, struct arena *arena, struct alert_command *command,
                         struct reply *reply)
{
    struct sv body = sv_trim(buf_view(&request->body));
    struct event event = {0};
    struct err err = {0};
    if (body.n == 0)
        return true;
    if (body.p[0] != '{' || json_check(body, &err) != 0 || json_parse_event(body, arena, &event, &err) != 0) {
        reply_error(reply, 400, "the body is not a JSON object%s%s", err.text[0] != '\0' ? ": " : "",
                    err.text);
        return false;
    }
    for (uint32_t i = 0; i < event.field_count; i++)
        if (!take_member(command, &event.fields[i])) {
            reply_error(reply, 400,
                        "the body takes the texts \"by\", \"note\", \"disposition\", \"to\", \"until\", "
                        "\"what\", \"impact\", \"urgency\" and \"every\", and of a hold \"from\", \"class\", "
                        "\"source\" and \"text\": \"%.*s\" is none of them",
                        SV_FMT(sv_head(event.fields[i].name, 64)));
            return false;
        }
    return true;
}

static bool is_json_type(struct sv type)
{
    return type.n == 0 ||
           sv_eq_nocase(sv_trim(sv_head(type, sv_find_char(type, ';'))), SV("application/json"));
}

/* The verb stands behind the last slash. */
static struct sv last_part(struct sv pattern)
{
    size_t at = pattern.n;
    while (at > 0 && pattern.p[at - 1] != '/')
        at--;
    return sv_from(pattern, at);
}

/* By the token where it bears one; false: refused. */
static bool take_author(struct api *api, const struct request *request, struct alert_command *command,
                        struct reply *reply)
{
    struct err err = {0};
    if (request->unknown_token) {
        api->bad_tokens++;
        reply_error(reply, 401, "this token is nobody's: use your own, or none");
        reply_header(reply, "WWW-Authenticate", "Bearer realm=\"tocsin\"");
        return false;
    }
    if (auth_author(&api->auth, request->person, command->by, &command->by, &err) != 0) {
        reply_error(reply, 403, "%s", err.text);
        return false;
    }
    if (command->by.n == 0)
        command->by = SV("api");
    return true;
}

void command_route(struct api *api, struct request *request, struct sv verb, struct sv subject,
                   struct reply *reply)
{
    if (request->pending != NULL) {
        command_finish(api, request, reply);
        return;
    }
    struct arena arena = {0};
    struct alert_command command = {.verb = verb, .alert_id = subject};
    if (!is_json_type(request_header(request, "Content-Type")))
        reply_error(reply, 415, "send Content-Type application/json, or no body at all");
    else if (read_command(request, &arena, &command, reply) && take_author(api, request, &command, reply))
        command_begin(api, request, &command, reply);
    arena_free(&arena);
    if (request->pending != NULL)
        command_finish(api, request, reply);
}

void alerts_command(struct api *api, struct request *request, struct reply *reply)
{
    struct sv verb = last_part(sv_of(request->match.route->pattern)), subject = request->match.params[0];
    if (request->pending == NULL && sv_is(verb, "test") && !is_channel(api, subject))
        reply_error(reply, 404, "there is no channel of that name");
    else
        command_route(api, request, verb, subject, reply);
}
