/*
 * Rules on metrics and their alerts by Prometheus' HTTP API: rules (with its filters and pages), alerts,
 * alertmanagers.
 */
#include "api/prometheus_priv.h"

#include "base/go_text.h"
#include "base/hash.h"
#include "base/num.h"
#include "metrics/rules/engine.h"

#include <stdlib.h>

static const struct sv never = {"0001-01-01T00:00:00Z", 20};

static void json_go_time(struct json_out *json, const char *key, int64_t ns)
{
    if (ns == TC_NO_TIME)
        json_kv_string(json, key, never);
    else
        json_kv_time(json, key, ns);
}

static void json_seconds(struct json_out *json, const char *key, int64_t ns)
{
    json_key(json, sv_of(key));
    json_double(json, (double)ns / 1e9);
}

/* --- alerts --- */

static void json_alert(void *context, const struct rule_alert_view *alert)
{
    struct json_out *json = context;
    struct buf value;
    json_object(json);
    json_key(json, SV("labels"));
    prom_json_items(json, alert->labels, alert->label_count);
    json_key(json, SV("annotations"));
    prom_json_items(json, alert->annotations, alert->annotation_count);
    json_kv_str(json, "state", alert->state == RULE_ALERT_FIRING ? "firing" : "pending");
    json_go_time(json, "activeAt", alert->active_at_ns);
    if (alert->keep_firing_since_ns != TC_NO_TIME)
        json_go_time(json, "keepFiringSince", alert->keep_firing_since_ns);
    buf_init(&value, GO_FLOAT_MAX);
    go_format_float(&value, alert->value, 'e', -1);
    json_kv_string(json, "value", buf_view(&value));
    buf_free(&value);
    json_object_end(json);
}

static void list_alerts(void *context, const struct rule_engine *engine)
{
    for (size_t g = 0; g < rule_engine_group_count(engine); g++)
        for (size_t i = 0; i < rule_engine_group(engine, g)->rule_count; i++)
            rule_engine_alerts(engine, g, i, json_alert, context);
}

static void look(struct api *api, void (*each)(void *context, const struct rule_engine *engine),
                 void *context)
{
    const struct api_prometheus *p = &api->options.prometheus;
    if (p->look_at_rules != NULL)
        p->look_at_rules(api->options.context, each, context);
}

void prometheus_alerts_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true)) {
        struct json_out json = question_answer(&q);
        json_object(&json);
        json_key(&json, SV("alerts"));
        json_array(&json);
        look(api, list_alerts, &json);
        json_array_end(&json);
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

/* Tocsin is its own Alertmanager. */
void prometheus_alertmanagers_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    if (question_begin(&q, api, request, reply, true)) {
        static const char *const lists[] = {"activeAlertmanagers", "droppedAlertmanagers"};
        struct json_out json = question_answer(&q);
        json_object(&json);
        for (size_t i = 0; i < TC_ARRAY_LEN(lists); i++) {
            json_key(&json, sv_of(lists[i]));
            json_array(&json);
            json_array_end(&json);
        }
        json_object_end(&json);
        question_answered(&q, &json);
    }
    question_end(&q);
}

/* --- rules --- */

struct names {
    struct sv *items;
    size_t count; /* 0: all */
};

struct listing {
    struct question *q;
    struct json_out json;
    struct names rules, groups, files;
    bool alerting, recording, with_alerts;
    uint64_t group_limit; /* 0: no pages */
    struct sv token;      /* n == 0: from the start */
    bool token_found;
    char next_token[TC_SHA256_HEX]; /* empty: no further page */
};

static bool wanted(const struct names *names, struct sv name)
{
    bool found = names->count == 0;
    for (size_t i = 0; !found && i < names->count; i++)
        found = sv_eq(names->items[i], name);
    return found;
}

static struct sv label_of(const struct rule *rule, struct sv name)
{
    for (size_t i = 0; i < rule->label_count; i++)
        if (sv_eq(rule->labels[i].name, name))
            return rule->labels[i].value;
    return SV("");
}

/* Any match[], and of it every matcher. */
static bool matches(const struct question *q, const struct rule *rule)
{
    bool any = q->match_count == 0;
    for (size_t m = 0; !any && m < q->match_count; m++) {
        const struct expr *e = q->matches[m].expr;
        any = true;
        for (size_t i = 0; any && i < e->matcher_count; i++)
            any = matcher_matches(&e->matchers[i], label_of(rule, e->matchers[i].name));
    }
    return any;
}

static bool is_listed(const struct listing *l, const struct rule *rule)
{
    return (rule->alerting ? l->alerting : l->recording) && wanted(&l->rules, rule->name) &&
           matches(l->q, rule);
}

static void note_state(void *context, const struct rule_alert_view *alert)
{
    enum rule_alert_state *state = context;
    *state = TC_MAX(*state, alert->state);
}

static const char *state_of(const struct rule_engine *engine, size_t group, size_t rule)
{
    static const char *const names[] = {"inactive", "pending", "firing"};
    enum rule_alert_state state = RULE_ALERT_INACTIVE;
    if (rule_engine_rule_timing(engine, group, rule).evaluations == 0)
        return "unknown";
    rule_engine_alerts(engine, group, rule, note_state, &state);
    return names[state];
}

static void json_query(struct json_out *json, struct sv text)
{
    struct promql_parse parse = {0};
    struct buf canonical;
    buf_init(&canonical, PROMQL_TEXT_MAX * 2);
    if (promql_parse(&parse, text, NULL) == 0)
        promql_print(&canonical, parse.expr);
    json_kv_string(json, "query", buf_view(&canonical));
    buf_free(&canonical);
    promql_parse_free(&parse);
}

static void json_alerting(struct listing *l, const struct rule_engine *engine, size_t group, size_t index)
{
    const struct rule *rule = &rule_engine_group(engine, group)->rules[index];
    struct json_out *json = &l->json;
    json_seconds(json, "duration", rule->for_ns);
    json_seconds(json, "keepFiringFor", rule->keep_firing_for_ns);
    json_key(json, SV("labels"));
    prom_json_items(json, rule->labels, rule->label_count);
    json_key(json, SV("annotations"));
    prom_json_items(json, rule->annotations, rule->annotation_count);
    json_key(json, SV("alerts"));
    if (l->with_alerts) {
        json_array(json);
        rule_engine_alerts(engine, group, index, json_alert, json);
        json_array_end(json);
    } else {
        json_null(json);
    }
}

static void json_rule(struct listing *l, const struct rule_engine *engine, size_t group, size_t index)
{
    const struct rule *rule = &rule_engine_group(engine, group)->rules[index];
    const char *error = rule_engine_error(engine, group, index);
    struct rule_timing timing = rule_engine_rule_timing(engine, group, index);
    struct json_out *json = &l->json;
    json_object(json);
    if (rule->alerting)
        json_kv_str(json, "state", state_of(engine, group, index));
    json_kv_string(json, "name", rule->name);
    json_query(json, rule->expr);
    if (rule->alerting) {
        json_alerting(l, engine, group, index);
    } else {
        json_key(json, SV("labels"));
        prom_json_items(json, rule->labels, rule->label_count);
    }
    json_kv_str(json, "health", error != NULL ? "err" : timing.evaluations > 0 ? "ok" : "unknown");
    if (error != NULL)
        json_kv_str(json, "lastError", error);
    json_seconds(json, "evaluationTime", timing.took_ns);
    json_go_time(json, "lastEvaluation", timing.last_ns);
    json_kv_str(json, "type", rule->alerting ? "alerting" : "recording");
    json_object_end(json);
}

static void json_group(struct listing *l, const struct rule_engine *engine, size_t g)
{
    const struct rule_group *group = rule_engine_group(engine, g);
    struct rule_group_timing timing = rule_engine_group_timing(engine, g);
    struct json_out *json = &l->json;
    json_object(json);
    json_kv_string(json, "name", group->name);
    json_kv_string(json, "file", rule_engine_group_file(engine, g));
    json_key(json, SV("rules"));
    json_array(json);
    for (size_t i = 0; i < group->rule_count; i++)
        if (is_listed(l, &group->rules[i]))
            json_rule(l, engine, g, i);
    json_array_end(json);
    json_seconds(json, "interval", timing.interval_ns);
    json_kv_i64(json, "limit", group->limit);
    json_seconds(json, "evaluationTime", timing.timing.took_ns);
    json_go_time(json, "lastEvaluation", timing.timing.last_ns);
    json_object_end(json);
}

static void token_of(struct sv file, struct sv name, char ret[TC_SHA256_HEX])
{
    struct sha256_ctx context;
    uint8_t hash[TC_SHA256_BYTES];
    const struct sv parts[] = {file, SV(";"), name};
    sha256_init(&context);
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++)
        if (parts[i].n > 0)
            sha256_update(&context, parts[i].n, (const uint8_t *)parts[i].p);
    hash_sha256_final(&context, hash);
    hash_hex(hash, sizeof hash, ret);
}

struct place { /* a group, by file and name */
    struct sv file, name;
    size_t group;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = sv_cmp(x->file, y->file);
    return order != 0 ? order : sv_cmp(x->name, y->name);
}

static struct place *sorted_groups(struct arena *arena, const struct rule_engine *engine)
{
    size_t count = rule_engine_group_count(engine);
    struct place *places = ARENA_ARRAY(arena, struct place, count + 1);
    for (size_t g = 0; g < count; g++)
        places[g] = (struct place){rule_engine_group_file(engine, g), rule_engine_group(engine, g)->name, g};
    qsort(places, count, sizeof *places, by_place);
    return places;
}

static bool has_listed(const struct listing *l, const struct rule_group *group)
{
    for (size_t i = 0; i < group->rule_count; i++)
        if (is_listed(l, &group->rules[i]))
            return true;
    return false;
}

static void list_rules(void *context, const struct rule_engine *engine)
{
    struct listing *l = context;
    const struct place *places = sorted_groups(&l->q->arena, engine);
    uint64_t listed = 0;
    for (size_t i = 0; i < rule_engine_group_count(engine); i++) {
        const struct place *p = &places[i];
        char token[TC_SHA256_HEX] = "";
        if (l->group_limit > 0)
            token_of(p->file, p->name, token);
        if (l->token.n > 0 && !l->token_found && !(l->token_found = sv_is(l->token, token)))
            continue;
        if (!wanted(&l->groups, p->name) || !wanted(&l->files, p->file) ||
            !has_listed(l, rule_engine_group(engine, p->group)))
            continue;
        if (l->group_limit > 0 && listed == l->group_limit) {
            memcpy(l->next_token, token, sizeof token);
            return;
        }
        json_group(l, engine, p->group);
        listed++;
    }
}

static struct sv lower(struct question *q, struct sv text)
{
    char *copy = arena_str(&q->arena, text);
    for (size_t i = 0; i < text.n; i++)
        copy[i] = (char)(copy[i] >= 'A' && copy[i] <= 'Z' ? copy[i] + 32 : copy[i]);
    return sv_make(copy, text.n);
}

static bool read_type(struct question *q, struct listing *l)
{
    struct sv type = lower(q, question_get(q, "type"));
    l->alerting = type.n == 0 || sv_is(type, "alert");
    l->recording = type.n == 0 || sv_is(type, "record");
    return l->alerting || l->recording ||
           question_invalid(q, "type", "not supported value \"%.*s\"", SV_FMT(type));
}

/* Go's strconv.ParseBool, of a text in lower case. */
static bool read_exclude(struct question *q, struct listing *l)
{
    static const char *const yes[] = {"1", "t", "true"}, *const no[] = {"", "0", "f", "false"};
    struct sv text = lower(q, question_get(q, "exclude_alerts"));
    for (size_t i = 0; i < TC_ARRAY_LEN(yes); i++)
        if (sv_is(text, yes[i]))
            return true;
    for (size_t i = 0; i < TC_ARRAY_LEN(no); i++)
        l->with_alerts = l->with_alerts || sv_is(text, no[i]);
    if (l->with_alerts)
        return true;
    return question_invalid(
        q, "exclude_alerts",
        "error converting exclude_alerts: strconv.ParseBool: parsing \"%.*s\": invalid syntax", SV_FMT(text));
}

static bool read_pages(struct question *q, struct listing *l)
{
    struct sv limit = question_get(q, "group_limit");
    l->token = question_get(q, "group_next_token");
    if (l->token.n > 0 && limit.n == 0)
        return question_invalid(q, "group_next_token",
                                "group_limit needs to be present in order to paginate over the groups");
    if (limit.n > 1 && limit.p[0] == '-' && num_u64(sv_from(limit, 1), 0, INT32_MAX, &l->group_limit))
        l->group_limit = 0;
    else if (limit.n > 0 && !num_u64(limit, 0, INT32_MAX, &l->group_limit))
        return question_invalid(
            q, "group_limit",
            "group_limit needs to be a valid number: strconv.ParseInt: parsing \"%.*s\": invalid syntax",
            SV_FMT(limit));
    if (limit.n > 0 && l->group_limit == 0)
        return question_invalid(q, "group_limit", "group_limit needs to be greater than 0");
    return true;
}

static void answer_rules(struct question *q, struct listing *l)
{
    l->json = question_answer(q);
    json_object(&l->json);
    json_key(&l->json, SV("groups"));
    json_array(&l->json);
    look(q->api, list_rules, l);
    json_array_end(&l->json);
    if (l->next_token[0] != '\0')
        json_kv_str(&l->json, "groupNextToken", l->next_token);
    json_object_end(&l->json);
    question_answered(q, &l->json);
    if (l->token.n > 0 && !l->token_found)
        question_invalid(q, "group_next_token", "invalid group_next_token '%.*s'. were rule groups changed?",
                         SV_FMT(l->token));
}

void prometheus_rules_route(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct listing l = {.q = &q};
    if (question_begin(&q, api, request, reply, true) && question_matches(&q, NULL, true) &&
        read_type(&q, &l) && read_exclude(&q, &l) && read_pages(&q, &l)) {
        l.rules.count = question_all(&q, "rule_name[]", &l.rules.items);
        l.groups.count = question_all(&q, "rule_group[]", &l.groups.items);
        l.files.count = question_all(&q, "file[]", &l.files.items);
        answer_rules(&q, &l);
    }
    question_end(&q);
}
