/*
 * Alerts, groups and receivers (alertmanager/api/v2).
 */
#include "api/alertmanager/server_priv.h"

#include "alert/alertmanager/inhibit.h"
#include "alert/alertmanager/silence_index.h"
#include "base/utf8.h"
#include "template/go_format.h"

#include <stdio.h>
#include <stdlib.h>

enum { SILENCED_BY_MAX = 100 };

/* --- what an alert's status is --- */

struct status {
    struct sv *silenced_by; /* ids, lent; in the request's arena */
    size_t silence_count;
    char inhibited_by[17];
    const struct sv *muted_by;
    size_t muted_count;
};

struct judge { /* of one request */
    const struct am_server *server;
    struct arena *arena;
    int64_t now_ns;
    struct am_labels *sources;
    size_t source_count;
    struct am_silence_index silences;
};

static struct judge judge_new(const struct am_request *request)
{
    struct judge judge = {.server = request->server, .arena = request->arena, .now_ns = request->now_ns};
    size_t count;
    const struct am_silence *silences = am_silences_flat(request->server->silences, &count);
    judge.sources =
        am_dispatch_sources(request->server->dispatch, request->now_ns, request->arena, &judge.source_count);
    am_silence_index_init(&judge.silences, silences, count);
    return judge;
}

static void judge_alert(const struct judge *judge, struct am_labels labels, struct status *ret)
{
    const struct am_config *config = judge->server->config;
    uint32_t silenced_by[SILENCED_BY_MAX];
    size_t source, found =
                       am_silence_index_find(&judge->silences, labels, judge->now_ns, silenced_by, SILENCED_BY_MAX);
    *ret = (struct status){.silence_count = TC_MIN(found, (size_t)SILENCED_BY_MAX)};
    if (found > 0)
        ret->silenced_by = ARENA_ARRAY(judge->arena, struct sv, ret->silence_count);
    for (size_t i = 0; i < ret->silence_count; i++)
        ret->silenced_by[i] = judge->silences.silences[silenced_by[i]].id;
    if (am_inhibited(config->inhibit_rules, config->inhibit_rule_count, labels, judge->sources,
                     judge->source_count, NULL, &source))
        am_fingerprint(judge->sources[source], ret->inhibited_by);
}

/* --- what was asked for --- */

struct filter {
    struct am_pool pool;
    struct am_matchers labels, receivers;
    struct am_matcher receiver;
    bool by_receiver, active, silenced, inhibited;
};

/* False: the reply says why. */
static bool read_filter(const struct am_request *request, struct am_reply *reply, struct filter *ret)
{
    struct err err = {0};
    struct sv receiver = am_query(request, "receiver");
    *ret = (struct filter){.active = am_query_bool(request, "active"),
                           .silenced = am_query_bool(request, "silenced"),
                           .inhibited = am_query_bool(request, "inhibited"),
                           .by_receiver = receiver.n > 0};
    if (am_query_matchers(request, "filter", &ret->pool, &ret->labels, &err) != 0)
        am_reply_text(reply, 400, "%s", err.text);
    else if (ret->by_receiver &&
             am_matcher_make(&ret->pool, AM_REGEXP, SV("receiver"), receiver, &ret->receiver, &err) != 0)
        am_reply_text(reply, 400, "failed to parse receiver param: %s", err.text);
    else if (am_query_matchers(request, "receiver_matchers", &ret->pool, &ret->receivers, &err) != 0)
        am_reply_text(reply, 400, "failed to parse receiver_matchers param: %s", err.text);
    else
        return true;
    return false;
}

static bool takes_receiver(const struct filter *filter, const struct am_config *config, struct sv name,
                           bool by_name)
{
    if (by_name)
        return !filter->by_receiver || am_matcher_matches(&filter->receiver, name);
    if (filter->receivers.count == 0)
        return true;
    const struct am_receiver *receiver = am_config_receiver(config, name);
    return receiver != NULL && am_filter_labels(filter->receivers, receiver->labels);
}

static bool takes_alert(const struct filter *filter, const struct judge *judge, const struct am_alert *alert,
                        struct status *ret)
{
    if (alert->ends_at_ns < judge->now_ns || !am_filter_labels(filter->labels, alert->labels))
        return false;
    judge_alert(judge, alert->labels, ret);
    bool is_silenced = ret->silence_count > 0, is_inhibited = ret->inhibited_by[0] != '\0';
    return (filter->active || is_silenced || is_inhibited) && (filter->silenced || !is_silenced) &&
           (filter->inhibited || !is_inhibited);
}

/* --- writing --- */

struct routes {
    const struct am_route **items;
    size_t count;
};

static struct routes routes_of(const struct am_request *request, struct am_labels labels)
{
    const struct am_config *config = request->server->config;
    struct routes routes = {NULL, am_route_match(config->route, labels, NULL, 0)};
    routes.items = ARENA_ARRAY(request->arena, const struct am_route *, routes.count + 1);
    (void)am_route_match(config->route, labels, routes.items, routes.count);
    return routes;
}

static void write_status(struct json_out *json, const struct status *status)
{
    bool suppressed = status->silence_count > 0 || status->inhibited_by[0] != '\0' || status->muted_count > 0;
    json_key(json, SV("status"));
    json_object(json);
    json_key(json, SV("inhibitedBy"));
    json_array(json);
    if (status->inhibited_by[0] != '\0')
        json_string(json, sv_of(status->inhibited_by));
    json_array_end(json);
    json_key(json, SV("mutedBy"));
    json_array(json);
    for (size_t i = 0; i < status->muted_count; i++)
        json_string(json, status->muted_by[i]);
    json_array_end(json);
    json_key(json, SV("silencedBy"));
    json_array(json);
    for (size_t i = 0; i < status->silence_count; i++)
        json_string(json, status->silenced_by[i]);
    json_array_end(json);
    json_kv_str(json, "state", suppressed ? "suppressed" : "active");
    json_object_end(json);
}

static void write_alert(struct json_out *json, struct am_stored_alert stored, const struct status *status,
                        struct routes routes)
{
    char fingerprint[17];
    am_fingerprint(stored.alert->labels, fingerprint);
    json_object(json);
    am_json_labels(json, "annotations", stored.alert->annotations);
    am_json_time(json, "endsAt", stored.alert->ends_at_ns);
    json_kv_str(json, "fingerprint", fingerprint);
    json_key(json, SV("receivers"));
    json_array(json);
    for (size_t i = 0; i < routes.count; i++) {
        json_object(json);
        json_kv_string(json, "name", routes.items[i]->receiver);
        json_object_end(json);
    }
    json_array_end(json);
    am_json_time(json, "startsAt", stored.alert->starts_at_ns);
    write_status(json, status);
    am_json_time(json, "updatedAt", stored.updated_ns);
    if (stored.alert->generator_url.n > 0)
        json_kv_string(json, "generatorURL", stored.alert->generator_url);
    am_json_labels(json, "labels", stored.alert->labels);
    json_object_end(json);
}

/* --- GET /alerts --- */

struct listed {
    struct am_stored_alert stored;
    struct status status;
    struct routes routes;
    char fingerprint[17];
};

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->fingerprint, ((const struct listed *)b)->fingerprint);
}

static bool takes_routes(const struct filter *filter, const struct am_config *config, struct routes routes)
{
    bool by_name = false, by_labels = false;
    for (size_t i = 0; i < routes.count; i++) {
        by_name = by_name || takes_receiver(filter, config, routes.items[i]->receiver, true);
        by_labels = by_labels || takes_receiver(filter, config, routes.items[i]->receiver, false);
    }
    return by_name && by_labels;
}

void am_get_alerts(struct am_request *request, struct am_reply *reply)
{
    struct am_server *server = request->server;
    struct filter filter;
    if (!read_filter(request, reply, &filter)) {
        am_pool_free(&filter.pool);
        return;
    }
    struct judge judge = judge_new(request);
    struct listed *list = tc_alloc((am_dispatch_alert_count(server->dispatch) + 1) * sizeof *list);
    struct json_out json = json_out_to(&reply->body);
    struct am_stored_alert stored;
    size_t count = 0;
    for (size_t at = 0; am_dispatch_next_alert(server->dispatch, &at, request->arena, &stored);) {
        struct listed *next = &list[count];
        if (!takes_alert(&filter, &judge, stored.alert, &next->status))
            continue;
        next->stored = stored;
        next->routes = routes_of(request, stored.alert->labels);
        am_fingerprint(stored.alert->labels, next->fingerprint);
        count += takes_routes(&filter, server->config, next->routes);
    }
    qsort(list, count, sizeof *list, compare_listed);
    json_array(&json);
    for (size_t i = 0; i < count; i++)
        write_alert(&json, list[i].stored, &list[i].status, list[i].routes);
    json_array_end(&json);
    buf_char(&reply->body, '\n');
    free(list);
    am_silence_index_free(&judge.silences);
    am_pool_free(&filter.pool);
}

/* --- GET /alerts/groups --- */

/* Which of two sets is before: the smaller one, then by the first label that differs. */
static int compare_labels(struct am_labels a, struct am_labels b)
{
    int c = (a.count > b.count) - (a.count < b.count);
    for (size_t i = 0; i < a.count && c == 0; i++) {
        c = -sv_cmp(a.items[i].name, b.items[i].name);
        if (c == 0)
            c = sv_cmp(a.items[i].value, b.items[i].value);
    }
    return c;
}

static int compare_groups(const void *left, const void *right)
{
    const struct am_group_view *a = left, *b = right;
    int c = compare_labels(a->labels, b->labels);
    return c != 0 ? c : sv_cmp(a->route->receiver, b->route->receiver);
}

static int compare_label(struct am_labels a, struct am_labels b, struct sv name)
{
    struct sv x = am_labels_get(a, name), y = am_labels_get(b, name);
    return x.n == 0 || y.n == 0 ? (x.n == 0) - (y.n == 0) : sv_cmp(x, y);
}

static int compare_alerts(const void *left, const void *right)
{
    struct am_labels a = ((const struct listed *)left)->stored.alert->labels,
                     b = ((const struct listed *)right)->stored.alert->labels;
    int c = compare_label(a, b, SV("job"));
    if (c == 0)
        c = compare_label(a, b, SV("instance"));
    return c != 0 ? c : compare_labels(a, b);
}

static void write_group(const struct am_request *request, struct json_out *json, const struct filter *filter,
                        const struct judge *judge, const struct am_group_view *group)
{
    const struct am_config *config = request->server->config;
    const struct am_route *route = group->route;
    struct listed *list = tc_alloc((group->count + 1) * sizeof *list);
    struct sv muting = {0};
    size_t count = 0;
    enum am_route_state state = am_route_state_at(config, route, request->now_ns / TC_SECOND_NS, &muting);
    for (size_t i = 0; i < group->count; i++) {
        struct am_stored_alert stored = am_group_alert(request->server->dispatch, group, i, request->arena);
        if (!takes_alert(filter, judge, stored.alert, &list[count].status))
            continue;
        list[count].stored = stored;
        list[count].routes = routes_of(request, stored.alert->labels);
        if (state == AM_ROUTE_MUTED) {
            list[count].status.muted_by = &muting;
            list[count].status.muted_count = 1;
        } else if (state == AM_ROUTE_INACTIVE) {
            list[count].status.muted_by = route->active_intervals;
            list[count].status.muted_count = route->active_interval_count;
        }
        count++;
    }
    if (count > 0 && (state == AM_ROUTE_ACTIVE || am_query_bool(request, "muted"))) {
        qsort(list, count, sizeof *list, compare_alerts);
        json_object(json);
        json_key(json, SV("alerts"));
        json_array(json);
        for (size_t i = 0; i < count; i++)
            write_alert(json, list[i].stored, &list[i].status, list[i].routes);
        json_array_end(json);
        am_json_labels(json, "labels", group->labels);
        json_key(json, SV("receiver"));
        json_object(json);
        json_kv_string(json, "name", route->receiver);
        json_object_end(json);
        if (route->labels.count > 0)
            am_json_labels(json, "routeLabels", route->labels);
        json_object_end(json);
    }
    free(list);
}

void am_get_groups(struct am_request *request, struct am_reply *reply)
{
    struct am_server *server = request->server;
    struct filter filter;
    if (!read_filter(request, reply, &filter)) {
        am_pool_free(&filter.pool);
        return;
    }
    struct judge judge = judge_new(request);
    struct am_group_view *groups = tc_alloc((am_dispatch_group_count(server->dispatch) + 1) * sizeof *groups);
    struct json_out json = json_out_to(&reply->body);
    size_t count = 0;
    for (size_t at = 0; am_dispatch_next_group(server->dispatch, &at, &groups[count]);)
        count++;
    qsort(groups, count, sizeof *groups, compare_groups);
    json_array(&json);
    for (size_t i = 0; i < count; i++)
        if (takes_receiver(&filter, server->config, groups[i].route->receiver, true) &&
            takes_receiver(&filter, server->config, groups[i].route->receiver, false))
            write_group(request, &json, &filter, &judge, &groups[i]);
    json_array_end(&json);
    buf_char(&reply->body, '\n');
    free(groups);
    am_silence_index_free(&judge.silences);
    am_pool_free(&filter.pool);
}

/* --- GET /receivers --- */

void am_get_receivers(struct am_request *request, struct am_reply *reply)
{
    const struct am_config *config = request->server->config;
    struct filter filter;
    if (read_filter(request, reply, &filter)) {
        struct json_out json = json_out_to(&reply->body);
        json_array(&json);
        for (size_t i = 0; i < config->receiver_count; i++) {
            const struct am_receiver *receiver = &config->receivers[i];
            if (!am_filter_labels(filter.receivers, receiver->labels))
                continue;
            json_object(&json);
            am_json_labels(&json, "labels", receiver->labels);
            json_kv_string(&json, "name", receiver->name);
            json_object_end(&json);
        }
        json_array_end(&json);
        buf_char(&reply->body, '\n');
    }
    am_pool_free(&filter.pool);
}

/* --- POST /alerts --- */

static int check_labels(const struct am_server *server, struct am_labels labels, const char *what,
                        struct err *err)
{
    struct buf quoted;
    int rc = 0;
    buf_init(&quoted, 1024);
    for (size_t i = 0; i < labels.count && rc == 0; i++) {
        bool name_good = am_label_name_valid(server->options.mode, labels.items[i].name);
        bool value_good = utf8_valid(labels.items[i].value) == labels.items[i].value.n;
        if (name_good && value_good)
            continue;
        go_quote(&quoted, sv_head(name_good ? labels.items[i].value : labels.items[i].name, 100));
        rc = err_set(err, TC_EINPUT, "invalid %s: invalid %s %.*s", what, name_good ? "value" : "name",
                     SV_FMT(buf_view(&quoted)));
    }
    buf_free(&quoted);
    return rc;
}

static size_t drop_empty(const struct am_label *from, size_t count, struct am_label *to)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (from[i].value.n > 0)
            to[left++] = from[i];
    return left;
}

/* Alertmanager's Validate. */
static int check_alert(const struct am_server *server, const struct am_alert *alert, struct err *err)
{
    if (alert->ends_at_ns != 0 && alert->ends_at_ns < alert->starts_at_ns)
        return err_set(err, TC_EINPUT, "start time must be before end time");
    if (alert->labels.count == 0)
        return err_set(err, TC_EINPUT, "at least one label pair required");
    int rc = check_labels(server, alert->labels, "label set", err);
    return rc != 0 ? rc : check_labels(server, alert->annotations, "annotations", err);
}

static int read_alert(struct arena *arena, struct template_value value, struct am_alert *ret, struct err *err)
{
    const struct template_value *labels = template_get(value, SV("labels")),
                                *annotations = template_get(value, SV("annotations"));
    *ret = (struct am_alert){.generator_url = am_read_text(value, "generatorURL")};
    int rc = am_read_time(value, "startsAt", &ret->starts_at_ns, err);
    if (rc == 0)
        rc = am_read_time(value, "endsAt", &ret->ends_at_ns, err);
    if (rc == 0)
        rc = am_read_labels(arena, *labels, &ret->labels, err);
    if (rc == 0 && annotations != NULL)
        rc = am_read_labels(arena, *annotations, &ret->annotations, err);
    return rc;
}

/* All of the body, or none of it. */
static struct am_alert *read_alerts(struct am_request *request, struct am_reply *reply, size_t *ret_count)
{
    struct template_value list;
    struct err err = {0};
    if (template_from_json(request->arena, request->body, &list, &err) != 0 || list.kind != TEMPLATE_LIST) {
        am_reply_invalid(reply, 400, 400, "parsing alerts body from \"\" failed, because %s",
                         err.text[0] != '\0' ? err.text : "an array of alerts is expected");
        return NULL;
    }
    struct am_alert *alerts = ARENA_ARRAY(request->arena, struct am_alert, list.as.list->n + 1);
    *ret_count = list.as.list->n;
    for (size_t i = 0; i < list.as.list->n; i++) {
        struct template_value item = list.as.list->items[i];
        if (item.kind != TEMPLATE_MAP) {
            am_reply_invalid(reply, 400, 400,
                             "parsing alerts body from \"\" failed, because an array of alerts is expected");
            return NULL;
        }
        const struct template_value *labels = template_get(item, SV("labels"));
        if (labels == NULL || labels->kind == TEMPLATE_NONE) {
            am_reply_invalid(reply, 422, 602, "%zu.labels in body is required", i);
            return NULL;
        }
        if (read_alert(request->arena, item, &alerts[i], &err) != 0) {
            am_reply_invalid(reply, 400, 400, "parsing alerts body from \"\" failed, because %s", err.text);
            return NULL;
        }
    }
    return alerts;
}

static int take_alert(struct am_request *request, struct am_alert *alert, struct err *err)
{
    struct am_server *server = request->server;
    struct am_label *labels = ARENA_ARRAY(request->arena, struct am_label, alert->labels.count + 1);
    alert->labels = (struct am_labels){labels, drop_empty(alert->labels.items, alert->labels.count, labels)};
    if (alert->starts_at_ns == 0)
        alert->starts_at_ns = alert->ends_at_ns != 0 ? alert->ends_at_ns : request->now_ns;
    bool fires = alert->ends_at_ns == 0 || alert->ends_at_ns > request->now_ns;
    *(fires ? &server->counts.firing : &server->counts.resolved) += 1;
    int rc = check_alert(server, alert, err);
    if (rc != 0)
        server->counts.invalid++;
    if (rc == 0)
        rc = am_dispatch_alert(server->dispatch, alert, request->now_ns, err);
    if (rc != TC_EAGAIN)
        return rc;
    server->counts.limited++; /* dropped and counted, as Alertmanager does */
    return 0;
}

void am_post_alerts(struct am_request *request, struct am_reply *reply)
{
    struct buf problems;
    size_t count = 0;
    struct am_alert *alerts = read_alerts(request, reply, &count);
    bool bound = false;
    buf_init(&problems, 2048);
    for (size_t i = 0; alerts != NULL && i < count; i++) {
        struct err err = {0};
        int rc = take_alert(request, &alerts[i], &err);
        bound = bound || rc == TC_EBOUND;
        if (rc != 0 && problems.n + sizeof err.text < problems.max_bytes)
            buf_printf(&problems, "%s%s", problems.n > 0 ? "\n" : "", err.text);
    }
    if (problems.n > 0)
        am_reply_text(reply, bound ? 500 : 400, "%.*s", SV_FMT(buf_view(&problems)));
    buf_free(&problems);
    pthread_cond_broadcast(&request->server->wake);
}
