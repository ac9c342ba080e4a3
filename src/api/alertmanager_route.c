/*
 * Alertmanager's API v2, as far as amtool and Grafana's data source ask for alerts: a thin adapter over the
 * open alerts of the projection. Ended alerts are not listed, as there.
 *
 *   active, silenced, inhibited, unprocessed   true or false: active=false leaves those that a silence hides,
 *                                              silenced=false those that none does; nothing inhibits
 *   filter     a matcher on a label, repeated: name="value", name!=value, name=~"regex", name!~"regex"
 *   receiver   a regex on the names of channels
 *
 * Matchers and regexes are read as Alertmanager reads them (alert/alertmanager/matcher.h).
 */
#include "api/api_priv.h"

#include "alert/alertmanager/matcher.h"
#include "base/json_out.h"

enum { MATCHERS_MAX = 32 };

struct selection {
    struct am_pool pool; /* owns what the matchers are made of */
    struct am_matcher matchers[MATCHERS_MAX];
    size_t count;
    struct re2 *receiver;
    bool active, silenced;
    struct err problem; /* what was not understood; empty text: nothing */
};

/* --- matchers --------------------------------------------------------------------------------------------
 */

static struct sv label_of(const struct alert *alert, struct sv name)
{
    for (size_t i = 0; i < alert->label_count; i++)
        if (sv_eq(alert->labels[i].name, name))
            return alert->labels[i].value;
    return SV(""); /* an absent label is an empty one, as in Alertmanager */
}

static bool alert_selected(const struct selection *selection, const struct alert *alert)
{
    if (alert->silenced > 0 ? !selection->silenced : !selection->active)
        return false;
    for (size_t i = 0; i < selection->count; i++)
        if (!am_matcher_matches(&selection->matchers[i], label_of(alert, selection->matchers[i].name)))
            return false;
    return true;
}

/* --- the query -------------------------------------------------------------------------------------------
 */

static bool select_flag(struct selection *selection, struct sv name, struct sv value)
{
    if (!sv_is(value, "true") && !sv_is(value, "false"))
        return err_set(&selection->problem, TC_EINPUT, "%.*s is true or false", SV_FMT(name)) == 0;
    if (sv_is(name, "active"))
        selection->active = sv_is(value, "true");
    else if (sv_is(name, "silenced"))
        selection->silenced = sv_is(value, "true");
    return true;
}

static bool select_param(void *context, struct sv name, struct sv value)
{
    static const char *const flags[] = {"active", "silenced", "inhibited", "unprocessed"};
    struct selection *selection = context;
    struct err *problem = &selection->problem;
    for (size_t i = 0; i < TC_ARRAY_LEN(flags); i++)
        if (sv_is(name, flags[i]))
            return select_flag(selection, name, value);
    if (sv_is(name, "filter")) {
        if (selection->count >= MATCHERS_MAX)
            return err_set(problem, TC_EBOUND, "at most %d filters are taken", MATCHERS_MAX) == 0;
        return am_matcher_parse(&selection->pool, AM_MATCHERS_FALLBACK, value,
                                &selection->matchers[selection->count++], problem) == 0;
    }
    if (sv_is(name, "receiver")) {
        re2_free(&selection->receiver);
        return re2_compile(value, RE2_WHOLE, &selection->receiver, problem) == 0;
    }
    return err_set(problem, TC_EINPUT,
                   "the query takes active, silenced, inhibited, unprocessed, filter and receiver") == 0;
}

static void selection_fini(struct selection *selection)
{
    am_pool_free(&selection->pool);
    re2_free(&selection->receiver);
}

static bool receiver_selected(const struct api *api, const struct selection *selection)
{
    if (selection->receiver == NULL)
        return true;
    for (size_t i = 0; i < api->options.receiver_count; i++)
        if (re2_matches(selection->receiver, api->options.receivers[i]))
            return true;
    return false;
}

/* --- GET /api/v2/alerts ----------------------------------------------------------------------------------
 */

struct gathering {
    struct api *api;
    struct selection selection;
    struct json_out json;
    struct buf one;
    struct arena arena;
    struct err err;
};

static int gather_row(void *context, const struct alert_row *row)
{
    struct gathering *all = context;
    struct alert alert;
    arena_reset(&all->arena);
    int rc = alert_from_json(row->json, &all->arena, &alert, &all->err);
    if (rc != 0 || !alert_selected(&all->selection, &alert))
        return rc;
    buf_clear(&all->one);
    alert_to_alertmanager_json(&alert, all->api->options.receivers, all->api->options.receiver_count,
                               all->api->console, &all->one);
    json_raw(&all->json, buf_view(&all->one));
    return 0;
}

static int gather(struct gathering *all)
{
    struct alert_filter filter = {.open_only = true, .limit = TC_API_LIST_MAX};
    struct store *store;
    int rc = alerts_store_take(all->api, &store, &all->err);
    if (rc != 0)
        return rc;
    rc = store_each_alert(store, &filter, gather_row, all, &all->err);
    alerts_store_give(all->api);
    return rc;
}

void alertmanager_alerts(struct api *api, struct request *request, struct reply *reply)
{
    struct gathering all = {
        .api = api, .selection = {.active = true, .silenced = true}, .json = json_out_to(&reply->body)};
    struct err *problem = &all.selection.problem;
    int rc = 0;
    buf_init(&all.one, 4 << 20);
    bool good = request_query(request, select_param, &all.selection);
    json_array(&all.json);
    if (good && receiver_selected(api, &all.selection))
        rc = gather(&all);
    json_array_end(&all.json);
    reply_json(reply, 200);
    if (!good)
        reply_error(reply, 400, "%s",
                    problem->text[0] == '\0' ? "the query is not properly percent-encoded" : problem->text);
    else if (rc != 0)
        reply_error(reply, 503, "the alerts cannot be read now: %s", all.err.text);
    else if (reply->body.overflow)
        reply_error(reply, 413, "the answer would be too long: ask with a filter");
    selection_fini(&all.selection);
    buf_free(&all.one);
    arena_free(&all.arena);
}

/* --- the small ones --------------------------------------------------------------------------------------
 */

void alertmanager_status(struct api *api, struct request *request, struct reply *reply)
{
    static const char *const version[] = {"branch", "buildDate", "buildUser", "goVersion", "revision"};
    struct json_out json = json_out_to(&reply->body);
    (void)request;
    reply_json(reply, 200);
    json_object(&json);
    json_key(&json, SV("cluster"));
    json_object(&json);
    json_kv_str(&json, "status", "disabled");
    json_object_end(&json);
    json_key(&json, SV("config"));
    json_object(&json);
    json_kv_str(&json, "original", "");
    json_object_end(&json);
    json_kv_time(&json, "uptime", api->started_ns);
    json_key(&json, SV("versionInfo"));
    json_object(&json);
    json_kv_str(&json, "version", "tocsin " TC_VERSION);
    for (size_t i = 0; i < TC_ARRAY_LEN(version); i++)
        json_kv_str(&json, version[i], "");
    json_object_end(&json);
    json_object_end(&json);
}

void alertmanager_receivers(struct api *api, struct request *request, struct reply *reply)
{
    struct json_out json = json_out_to(&reply->body);
    (void)request;
    reply_json(reply, 200);
    json_array(&json);
    for (size_t i = 0; i < api->options.receiver_count; i++) {
        json_object(&json);
        json_kv_string(&json, "name", api->options.receivers[i]);
        json_object_end(&json);
    }
    json_array_end(&json);
}
