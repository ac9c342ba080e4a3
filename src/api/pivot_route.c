/*
 * GET /v1/alerts/ID/events: the events behind an alert; GET /v1/events/POSITION: an event, and the alerts
 * that it belongs to. Both read the journal, so they are jobs of search.c.
 */
#include "api/search.h"

#include "base/num.h"
#include "event/json.h"
#include "query/pivot.h"

enum { LIMIT_DEFAULT = 1000 };

static struct search_job *job_new(struct api *api, struct request *request, enum search_kind kind)
{
    struct search_job *job = request->search = tc_alloc(sizeof *job);
    job->api = api;
    job->refs = 1;
    job->what = (struct search_parameters){.kind = kind, .limit = LIMIT_DEFAULT};
    return job;
}

static bool take_limit(void *context, struct sv name, struct sv value)
{
    struct search_parameters *what = context;
    return sv_is(name, "limit") && num_u64(value, 1, PIVOT_LIMIT_MAX, &what->limit);
}

/* The whole id of the alert that a part of it names. One that the projection no longer has is looked for in
 * the journal all the same, where its id is whole. */
static int whole_id(struct api *api, struct sv given, struct arena *arena, struct sv *ret, struct err *err)
{
    struct store *store;
    struct buf json;
    struct event e = {.time = {TC_NO_TIME}};
    buf_init(&json, TC_API_REPLY_BYTES);
    int rc = alerts_store_take(api, &store, err);
    if (rc == 0) {
        rc = store_get_alert(store, given, &json, err);
        alerts_store_give(api);
    }
    if (rc == TC_ENOTFOUND && given.n == PIVOT_ID_BYTES) {
        *ret = arena_sv(arena, given);
        rc = 0;
    } else if (rc == 0 && (rc = json_parse_event(buf_view(&json), arena, &e, err)) == 0) {
        event_index(&e, arena);
        *ret = arena_sv(arena, event_value(&e, "id"));
    }
    buf_free(&json);
    return rc;
}

void alerts_events(struct api *api, struct request *request, struct reply *reply)
{
    struct err err = {0};
    if (request->pending == NULL) {
        struct search_job *job = job_new(api, request, SEARCH_ALERT_EVENTS);
        if (api->options.data_dir == NULL)
            reply_error(reply, 404, "there is no journal to look into");
        else if (!request_query(request, take_limit, &job->what))
            reply_error(reply, 400, "the query takes limit=1 to %d", PIVOT_LIMIT_MAX);
        else if (whole_id(api, request->match.params[0], &job->arena, &job->what.label, &err) != 0)
            reply_err(reply, &err);
        else
            search_begin(api, request, reply);
    }
    if (request->pending != NULL)
        search_finish(api, request, reply);
}

void events_show(struct api *api, struct request *request, struct reply *reply)
{
    if (request->pending == NULL) {
        struct search_job *job = job_new(api, request, SEARCH_EVENT_ALERTS);
        if (api->options.data_dir == NULL)
            reply_error(reply, 404, "there is no journal to look into");
        else if (!num_u64(request->match.params[0], 1, UINT64_MAX - 1, &job->what.position))
            reply_error(reply, 400, "a position is a number from 1 on, as `tocsin query` prints it");
        else
            search_begin(api, request, reply);
    }
    if (request->pending != NULL)
        search_finish(api, request, reply);
}
