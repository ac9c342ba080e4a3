/*
 * Prometheus' admin API on the store of metrics: delete_series, clean_tombstones, snapshot.
 *
 * As in Prometheus it is off unless the configuration turns it on, and then answers as Prometheus does. Here
 * it also needs the token of a privacy officer, whoever else may command: what is deleted never comes back.
 * It runs beside the server's threads, because it waits for the disk.
 */
#include "api/prometheus_priv.h"

static bool take_selectors(struct question *q, struct tsdb_selector **ret)
{
    if (question_get(q, "match[]").p == NULL) {
        question_refuse(q, 400, "bad_data", "no match[] parameter provided");
        return false;
    }
    if (!question_matches(q, "match[]", false))
        return false;
    *ret = ARENA_ARRAY(&q->arena, struct tsdb_selector, q->match_count + 1);
    for (size_t i = 0; i < q->match_count; i++)
        (*ret)[i] = (struct tsdb_selector){q->matches[i].expr->matchers, q->matches[i].expr->matcher_count};
    return true;
}

/* For the audit record. */
static struct sv selectors_text(struct question *q)
{
    struct sv *texts, all = {0};
    size_t count = question_all(q, "match[]", &texts);
    for (size_t i = 0; i < count; i++)
        all = arena_printf(&q->arena, "%.*s%s%.*s", SV_FMT(all), i > 0 ? " " : "", SV_FMT(texts[i]));
    return all;
}

static bool read_skip_head(struct question *q, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"}, *const no[] = {"",      "0",
                                                                                             "f",     "F",
                                                                                             "false", "FALSE",
                                                                                             "False"};
    struct sv text = question_get(q, "skip_head");
    bool known = false;
    for (size_t i = 0; i < TC_ARRAY_LEN(yes); i++)
        *ret = *ret || sv_is(text, yes[i]);
    for (size_t i = 0; i < TC_ARRAY_LEN(no); i++)
        known = known || sv_is(text, no[i]);
    return *ret || known ||
           question_invalid(q, "skip_head", "unable to parse boolean value: %.*s", SV_FMT(text));
}

/* False where the reply says what is wrong. */
static bool read_admin(struct question *q, struct api_metrics_admin *what)
{
    struct tsdb_selector *selectors;
    switch (what->verb) {
    case API_METRICS_CLEAN:
        return true;
    case API_METRICS_SNAPSHOT:
        return read_skip_head(q, &what->skip_head);
    case API_METRICS_DELETE:
        break;
    }
    if (!take_selectors(q, &selectors) || !question_window(q, &what->min_ms, &what->max_ms))
        return false;
    what->selectors = selectors;
    what->selector_count = q->match_count;
    what->text = selectors_text(q);
    return true;
}

static void run(struct question *q, const struct api_metrics_admin *what)
{
    const struct api_options *o = &q->api->options;
    struct err err = {0};
    struct buf name;
    buf_init(&name, 4096);
    int rc = o->metrics_admin(o->context, what, &name, &err);
    if (rc != 0) {
        question_refuse(q, rc == TC_EAGAIN || rc == TC_EBOUND ? 503 : 500,
                        rc == TC_EAGAIN || rc == TC_EBOUND ? "unavailable" : "internal", "%s", err.text);
    } else if (what->verb == API_METRICS_SNAPSHOT) {
        struct json_out json = question_answer(q);
        json_object(&json);
        json_kv_string(&json, "name", buf_view(&name));
        json_object_end(&json);
        question_answered(q, &json);
    } else {
        q->reply->status = 204;
    }
    buf_free(&name);
}

static void answer_admin(struct api *api, struct request *request, struct reply *reply)
{
    static const char *const verbs[] = {[API_METRICS_DELETE] = "delete_series",
                                        [API_METRICS_CLEAN] = "clean_tombstones",
                                        [API_METRICS_SNAPSHOT] = "snapshot"};
    struct question q;
    struct api_metrics_admin what = {0};
    for (size_t i = 0; i < TC_ARRAY_LEN(verbs); i++)
        if (sv_is(request->match.params[0], verbs[i]))
            what.verb = (enum api_metrics_verb)i;
    if (question_begin(&q, api, request, reply, true)) {
        const struct api_token *officer = officer_asks(api, request, "delete metrics or copy them", reply);
        if (officer != NULL && read_admin(&q, &what)) {
            what.by = officer->source;
            run(&q, &what);
        }
    }
    question_end(&q);
}

static void answer_disabled(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true))
        question_refuse(&q, 500, "unavailable", "admin APIs disabled");
    question_end(&q);
}

void prometheus_admin_route(struct api *api, struct request *request, struct reply *reply)
{
    struct sv verb = request->match.params[0];
    if (!sv_is(verb, "delete_series") && !sv_is(verb, "clean_tombstones") && !sv_is(verb, "snapshot"))
        reply_error(reply, 404, "there is nothing here");
    else if (api->options.metrics_admin == NULL)
        answer_disabled(api, request, reply);
    else
        aside_run(api, request, answer_admin, reply);
}
