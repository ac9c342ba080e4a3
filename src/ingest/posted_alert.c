/*
 * Reading alerts that others post; see posted_alert.h.
 */
#include "ingest/posted_alert.h"

#include "base/json_out.h"
#include "event/json.h"

enum { TITLE_BYTES = 200, TEXT_BYTES = 4000, NAME_BYTES = 100, VALUE_BYTES = 1000 };

static int read_json(struct sv body, struct arena *arena, struct event *ret, struct err *err)
{
    struct sv text = sv_trim(body);
    *ret = (struct event){0};
    if (!sv_starts(text, SV("{")) || json_check(text, NULL) != 0 ||
        json_parse_event(text, arena, ret, NULL) != 0)
        return err_set(err, TC_EINPUT, "the body is no JSON object");
    event_index(ret, arena);
    return 0;
}

static void add_label(struct posted_alert *alert, struct sv name, struct sv value)
{
    if (name.n == 0 || value.n == 0 || alert->label_count == TC_POSTED_LABELS_MAX)
        return;
    for (size_t i = 0; i < alert->label_count; i++)
        if (sv_eq(alert->labels[i].name, name))
            return;
    alert->labels[alert->label_count++] =
        (struct posted_pair){sv_head(name, NAME_BYTES), sv_head(value, VALUE_BYTES)};
}

/* The text members right below PREFIX. */
static void add_labels(struct posted_alert *alert, const struct event *e, struct sv prefix)
{
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (sv_starts(f->exact, prefix) && f->type != FIELD_OBJECT && f->type != FIELD_ARRAY)
            add_label(alert, sv_from(f->exact, prefix.n), f->value);
    }
}

struct words {
    const char *word, *means;
};

static struct sv meaning(const struct words *words, struct sv word, const char *otherwise)
{
    for (; words->word != NULL; words++)
        if (sv_eq_nocase(word, sv_of(words->word)))
            return sv_of(words->means);
    return sv_of(otherwise);
}

/* --- PagerDuty --------------------------------------------------------------------------------------------
 */

int posted_pagerduty(struct sv body, struct arena *arena, struct posted_alert *ret, struct sv *ret_token,
                     struct err *err)
{
    static const struct words levels[] = {
        {"critical", "critical"}, {"error", "high"}, {"warning", "medium"}, {"info", "low"}, {0}};
    static const struct {
        const char *word;
        enum posted_action action;
    } actions[] = {
        {"trigger", POSTED_TRIGGER}, {"acknowledge", POSTED_ACKNOWLEDGE}, {"resolve", POSTED_RESOLVE}};
    static const char *const labels[] = {"source", "component", "group", "class"};
    struct event e;
    bool known = false;
    *ret = (struct posted_alert){0};
    int rc = read_json(body, arena, &e, err);
    if (rc != 0)
        return rc;
    *ret_token = event_value(&e, "routing_key");
    for (size_t i = 0; i < TC_ARRAY_LEN(actions); i++)
        if (sv_is(event_value(&e, "event_action"), actions[i].word)) {
            ret->action = actions[i].action;
            known = true;
        }
    if (!known)
        return err_set(err, TC_EINPUT, "'event_action' is trigger, acknowledge or resolve");
    ret->key = event_value(&e, "dedup_key");
    ret->summary = event_value(&e, "payload.summary");
    struct sv level = event_value(&e, "payload.severity");
    if (ret->key.n > 255)
        return err_set(err, TC_EINPUT, "'dedup_key' is longer than 255 characters");
    if (ret->action != POSTED_TRIGGER)
        return ret->key.n > 0 ? 0 : err_set(err, TC_EINPUT, "'dedup_key' is missing");
    if (ret->summary.n == 0 || event_value(&e, "payload.source").n == 0)
        return err_set(err, TC_EINPUT, "'payload.summary' and 'payload.source' are missing or blank");
    ret->level = meaning(levels, level, "");
    if (ret->level.n == 0)
        return err_set(err, TC_EINPUT, "'payload.severity' is critical, error, warning or info");
    struct sv class = event_value(&e, "payload.class");
    ret->title = class.n > 0 ? class : ret->summary;
    ret->time = event_value(&e, "payload.timestamp");
    ret->url = event_value(&e, "client_url");
    ret->runbook = event_value(&e, "links.href");
    for (size_t i = 0; i < TC_ARRAY_LEN(labels); i++)
        add_label(ret, sv_of(labels[i]), event_value(&e, arena_printf(arena, "payload.%s", labels[i]).p));
    add_labels(ret, &e, SV("payload.custom_details."));
    return 0;
}

/* --- Opsgenie ---------------------------------------------------------------------------------------------
 */

static int opsgenie_action(const struct event *e, struct sv alias, struct sv action, struct posted_alert *ret,
                           struct err *err)
{
    if (!sv_is(action, "close") && !sv_is(action, "acknowledge"))
        return err_set(err, TC_ENOTFOUND, "close and acknowledge are what can be done to an alert here");
    ret->action = sv_is(action, "close") ? POSTED_RESOLVE : POSTED_ACKNOWLEDGE;
    ret->key = alias;
    ret->by = event_value(e, "user");
    return 0;
}

int posted_opsgenie(struct sv body, struct sv alias, struct sv action, struct arena *arena,
                    struct posted_alert *ret, struct err *err)
{
    static const struct words levels[] = {{"P1", "critical"}, {"P2", "high"}, {"P3", "medium"},
                                          {"P4", "low"},      {"P5", "low"},  {0}};
    struct event e = {0};
    *ret = (struct posted_alert){0};
    int rc = action.n > 0 && sv_trim(body).n == 0 ? 0 : read_json(body, arena, &e, err);
    if (rc != 0)
        return rc;
    if (action.n > 0)
        return opsgenie_action(&e, alias, action, ret, err);
    ret->summary = event_value(&e, "message");
    if (ret->summary.n == 0)
        return err_set(err, TC_EINPUT, "Request body is not processable: message can not be empty");
    ret->key = event_value(&e, "alias");
    if (ret->key.n > TC_POSTED_KEY_BYTES)
        return err_set(err, TC_EINPUT, "Request body is not processable: alias is longer than 512");
    ret->title = ret->summary;
    ret->description = event_value(&e, "description");
    ret->level = meaning(levels, event_value(&e, "priority"), "medium"); /* P3, as there */
    add_label(ret, SV("source"), event_value(&e, "source"));
    add_label(ret, SV("entity"), event_value(&e, "entity"));
    add_labels(ret, &e, SV("details."));
    return 0;
}

/* --- Alertmanager -----------------------------------------------------------------------------------------
 */

/* The labels are what an alert is known by: their order does not count, so it is put. */
static struct sv label_key(const struct posted_alert *alert, struct arena *arena)
{
    struct buf text;
    bool done[TC_POSTED_LABELS_MAX] = {false};
    buf_init(&text, TC_POSTED_LABELS_MAX * (NAME_BYTES + VALUE_BYTES + 4));
    for (size_t n = 0; n < alert->label_count; n++) {
        size_t least = alert->label_count;
        for (size_t i = 0; i < alert->label_count; i++)
            if (!done[i] &&
                (least == alert->label_count || sv_cmp(alert->labels[i].name, alert->labels[least].name) < 0))
                least = i;
        done[least] = true;
        buf_sv(&text, alert->labels[least].name);
        buf_char(&text, '=');
        buf_string(&text, alert->labels[least].value);
    }
    struct sv key = arena_sv(arena, buf_view(&text));
    buf_free(&text);
    return key;
}

static int read_alert(struct sv json, struct arena *arena, struct posted_alert *ret, struct err *err)
{
    struct event e;
    *ret = (struct posted_alert){0};
    int rc = read_json(json, arena, &e, err);
    if (rc != 0)
        return rc;
    add_labels(ret, &e, SV("labels."));
    if (ret->label_count == 0)
        return err_set(err, TC_EINPUT, "an alert has no labels");
    bool resolved = sv_is(event_value(&e, "status"), "resolved");
    struct sv severity = event_value(&e, "labels.severity");
    ret->action = resolved ? POSTED_RESOLVE : POSTED_TRIGGER;
    ret->key = label_key(ret, arena);
    ret->title = event_value(&e, "labels.alertname");
    ret->summary = event_value(&e, "annotations.summary");
    ret->description = event_value(&e, "annotations.description");
    ret->runbook = event_value(&e, "annotations.runbook_url");
    ret->url = event_value(&e, "generatorURL");
    ret->time = event_value(&e, "startsAt");
    ret->level = severity.n > 0 ? severity : SV("medium");
    if (ret->title.n == 0)
        ret->title = SV("ALERT");
    if (ret->summary.n == 0)
        ret->summary = ret->title;
    return 0;
}

int posted_alertmanager(struct sv body, struct arena *arena, struct posted_alert **ret, size_t *ret_count,
                        struct err *err)
{
    struct event e;
    int rc = read_json(body, arena, &e, err);
    if (rc != 0)
        return rc;
    struct sv list = event_value(&e, "alerts");
    if (!sv_is(event_value(&e, "version"), "4") || !sv_starts(list, SV("[")))
        return err_set(err, TC_EINPUT, "this is no webhook of Alertmanager's, version 4");
    *ret = ARENA_ARRAY(arena, struct posted_alert, TC_POSTED_ALERTS_MAX);
    *ret_count = 0;
    struct sv rest = sv_trim(sv_make(list.p + 1, list.n - 2));
    while (rc == 0 && rest.n > 0) {
        size_t n = json_value_length(rest);
        if (n == 0 || *ret_count == TC_POSTED_ALERTS_MAX)
            return err_set(err, TC_EBOUND, "more than %d alerts in one body", TC_POSTED_ALERTS_MAX);
        rc = read_alert(sv_head(rest, n), arena, &(*ret)[*ret_count], err);
        *ret_count += rc == 0;
        rest = sv_trim(sv_from(rest, n));
        if (sv_starts(rest, SV(",")))
            rest = sv_trim(sv_from(rest, 1));
    }
    return rc;
}

/* --- as an event ------------------------------------------------------------------------------------------
 */

static void text(struct json_out *json, const char *name, struct sv value, size_t max_bytes)
{
    if (value.n > 0)
        json_kv_string(json, name, sv_head(value, max_bytes));
}

void posted_event(const struct posted_alert *alert, struct buf *out)
{
    static const char *const actions[] = {
        [POSTED_TRIGGER] = "trigger", [POSTED_ACKNOWLEDGE] = "acknowledge", [POSTED_RESOLVE] = "resolve"};
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "event_type", "posted_alert");
    text(&json, "@timestamp", alert->time, 64);
    json_key(&json, SV("posted"));
    json_object(&json);
    json_kv_str(&json, "action", actions[alert->action]);
    text(&json, "title", alert->title, TITLE_BYTES);
    text(&json, "summary", alert->summary, TEXT_BYTES);
    text(&json, "description", alert->description, TEXT_BYTES);
    text(&json, "level", alert->level, NAME_BYTES);
    text(&json, "url", alert->url, VALUE_BYTES);
    text(&json, "runbook", alert->runbook, VALUE_BYTES);
    text(&json, "by", alert->by, NAME_BYTES);
    text(&json, "key", alert->key, TEXT_BYTES);
    json_key(&json, SV("labels"));
    json_object(&json);
    for (size_t i = 0; i < alert->label_count; i++) {
        json_key(&json, alert->labels[i].name);
        json_string(&json, alert->labels[i].value);
    }
    json_object_end(&json);
    json_object_end(&json);
    json_object_end(&json);
}

void posted_identity(struct sv source, struct sv key, uint8_t ret[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    struct sv tag = SV("posted alert 1");
    sha256_init(&context);
    sha256_update(&context, tag.n + 1, (const uint8_t *)tag.p);
    sha256_update(&context, source.n, (const uint8_t *)source.p);
    sha256_update(&context, 1, (const uint8_t *)"");
    sha256_update(&context, key.n, (const uint8_t *)key.p);
    hash_sha256_final(&context, ret);
}
