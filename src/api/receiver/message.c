/*
 * A notification as Alertmanager's template.Data: the body of webhooks (version 4) and of incident.io, and
 * what templates are rendered with.
 */
#include "api/receiver/receiver.h"

static const char zero_time[] = "0001-01-01T00:00:00Z";

/* regexp.QuoteMeta, as Alertmanager has it for the receiver's name. */
static struct sv quote_meta(struct arena *arena, struct sv name)
{
    char *quoted = arena_alloc(arena, 2 * name.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (memchr("\\.+*?()|[]{}^$", name.p[i], 14) != NULL)
            quoted[n++] = '\\';
        quoted[n++] = name.p[i];
    }
    return sv_make(quoted, n);
}

/* Those pairs that the first `count` alerts all have. */
static struct am_labels common_pairs(struct arena *arena, const struct am_notification *note, size_t count,
                                     bool annotations)
{
    if (count == 0)
        return (struct am_labels){0};
    struct am_labels first = annotations ? note->alerts[0].alert->annotations : note->alerts[0].alert->labels;
    struct am_label *items = ARENA_ARRAY(arena, struct am_label, first.count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < first.count; i++) {
        bool common = true;
        for (size_t k = 1; k < count && common; k++) {
            const struct am_alert *other = note->alerts[k].alert;
            common =
                sv_eq(first.items[i].value,
                      am_labels_get(annotations ? other->annotations : other->labels, first.items[i].name));
        }
        if (common)
            items[kept++] = first.items[i];
    }
    return (struct am_labels){items, kept};
}

static struct sv status_of(const struct am_notification *note, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (note->alerts[i].firing)
            return SV("firing");
    return SV("resolved");
}

/* How many alerts a receiver with max_alerts is told of. */
static size_t told_count(const struct receiver_draft *d)
{
    bool bounded =
        strcmp(d->note->kind->name, "webhook") == 0 || strcmp(d->note->kind->name, "incidentio") == 0;
    uint64_t max = bounded ? (uint64_t)am_get(d->own, "max_alerts")->number : 0;
    return max > 0 && d->note->count > max ? (size_t)max : d->note->count;
}

/* --- as JSON --- */

static void write_labels(struct json_out *json, const char *key, struct am_labels labels)
{
    json_key(json, sv_of(key));
    json_object(json);
    for (size_t i = 0; i < labels.count; i++) {
        json_key(json, labels.items[i].name);
        json_string(json, labels.items[i].value);
    }
    json_object_end(json);
}

/* RFC 3339 with as many digits as there are, as Go prints times. */
static void write_time(struct json_out *json, const char *key, int64_t ns)
{
    char text[TC_RFC3339_MAX];
    clk_rfc3339(ns, text);
    json_kv_str(json, key, text);
}

static void write_alert(struct json_out *json, const struct am_told_alert *told)
{
    char fingerprint[17];
    am_fingerprint(told->alert->labels, fingerprint);
    json_object(json);
    json_kv_str(json, "status", told->firing ? "firing" : "resolved");
    write_labels(json, "labels", told->alert->labels);
    write_labels(json, "annotations", told->alert->annotations);
    write_time(json, "startsAt", told->alert->starts_at_ns);
    if (told->firing)
        json_kv_str(json, "endsAt", zero_time);
    else
        write_time(json, "endsAt", told->alert->ends_at_ns);
    json_kv_string(json, "generatorURL", told->alert->generator_url);
    json_kv_str(json, "fingerprint", fingerprint);
    json_object_end(json);
}

/* `all` alerts are told of, `count` of them stand in the list (incident.io drops some when it is too long).
 */
static void write_message(struct receiver_draft *d, const char *version, size_t all, size_t count)
{
    const struct am_notification *note = d->note;
    struct json_out *json = &d->out;
    json_object(json);
    json_kv_string(json, "receiver", quote_meta(d->arena, note->receiver->name));
    json_kv_string(json, "status", status_of(note, all));
    json_key(json, SV("alerts"));
    json_array(json);
    for (size_t i = 0; i < count; i++)
        write_alert(json, &note->alerts[i]);
    json_array_end(json);
    json_kv_str(json, "notification_reason", am_reason_text(note->reason));
    write_labels(json, "groupLabels", note->group_labels);
    write_labels(json, "commonLabels", common_pairs(d->arena, note, all, false));
    write_labels(json, "commonAnnotations", common_pairs(d->arena, note, all, true));
    write_labels(json, "routeLabels", note->route->labels);
    json_kv_str(json, "externalURL", d->world->external_url);
    json_kv_str(json, "version", version);
    json_kv_string(json, "groupKey", note->group_key);
    json_kv_u64(json, "truncatedAlerts", note->count - all);
    json_object_end(json);
}

void receiver_write_message(struct receiver_draft *d, const char *version, size_t count)
{
    size_t all = told_count(d);
    write_message(d, version, all, TC_MIN(count, all));
}

/* --- for templates --- */

static const struct template_value *boxed(struct arena *arena, struct template_value value)
{
    struct template_value *box = ARENA_NEW(arena, struct template_value);
    *box = value;
    return box;
}

static const struct template_value *boxed_labels(struct arena *arena, struct am_labels labels)
{
    struct template_pair *pairs = ARENA_ARRAY(arena, struct template_pair, labels.count + 1);
    for (size_t i = 0; i < labels.count; i++)
        pairs[i] =
            (struct template_pair){labels.items[i].name, boxed(arena, template_text(labels.items[i].value))};
    return boxed(arena, template_map(arena, NULL, pairs, labels.count));
}

static const struct template_value *boxed_text(struct arena *arena, struct sv text)
{
    return boxed(arena, template_text(text));
}

static const struct template_value *boxed_time(struct arena *arena, int64_t ns)
{
    char text[TC_RFC3339_MAX];
    clk_rfc3339(ns, text);
    return boxed_text(arena, arena_sv(arena, sv_of(text)));
}

static struct template_value alert_value(struct arena *arena, const struct am_told_alert *told)
{
    const struct am_alert *alert = told->alert;
    char fingerprint[17];
    am_fingerprint(alert->labels, fingerprint);
    const struct template_pair made[] = {
        {SV("status"), boxed_text(arena, told->firing ? SV("firing") : SV("resolved"))},
        {SV("labels"), boxed_labels(arena, alert->labels)},
        {SV("annotations"), boxed_labels(arena, alert->annotations)},
        {SV("startsAt"), boxed_time(arena, alert->starts_at_ns)},
        {SV("endsAt"),
         told->firing ? boxed_text(arena, sv_of(zero_time)) : boxed_time(arena, alert->ends_at_ns)},
        {SV("generatorURL"), boxed_text(arena, alert->generator_url)},
        {SV("fingerprint"), boxed_text(arena, arena_sv(arena, sv_of(fingerprint)))}};
    struct template_pair *pairs = ARENA_ARRAY(arena, struct template_pair, TC_ARRAY_LEN(made));
    memcpy(pairs, made, sizeof made);
    return template_map(arena, NULL, pairs, TC_ARRAY_LEN(made));
}

static struct template_value make_data(struct receiver_draft *d)
{
    const struct am_notification *note = d->note;
    struct arena *arena = d->arena;
    size_t count = told_count(d);
    struct template_value *alerts = ARENA_ARRAY(arena, struct template_value, count + 1),
                          data = template_none();
    for (size_t i = 0; i < count; i++)
        alerts[i] = alert_value(arena, &note->alerts[i]);
    const struct template_pair made[] = {
        {SV("receiver"), boxed_text(arena, quote_meta(arena, note->receiver->name))},
        {SV("status"), boxed_text(arena, status_of(note, count))},
        {SV("alerts"), boxed(arena, template_list(arena, NULL, alerts, count))},
        {SV("notification_reason"), boxed_text(arena, sv_of(am_reason_text(note->reason)))},
        {SV("groupLabels"), boxed_labels(arena, note->group_labels)},
        {SV("commonLabels"), boxed_labels(arena, common_pairs(arena, note, count, false))},
        {SV("commonAnnotations"), boxed_labels(arena, common_pairs(arena, note, count, true))},
        {SV("routeLabels"), boxed_labels(arena, note->route->labels)},
        {SV("externalURL"), boxed_text(arena, sv_of(d->world->external_url))}};
    struct template_pair *pairs = ARENA_ARRAY(arena, struct template_pair, TC_ARRAY_LEN(made));
    memcpy(pairs, made, sizeof made);
    int rc = template_alertmanager_data(arena, template_map(arena, NULL, pairs, TC_ARRAY_LEN(made)), &data,
                                        d->err);
    if (rc != 0 && d->rc == 0)
        d->rc = rc;
    return data;
}

struct template_value receiver_data(struct receiver_draft *d)
{
    if (!d->has_data) {
        d->data = make_data(d);
        d->has_data = true;
    }
    return d->data;
}

/* --- the two that send it --- */

void receiver_webhook(struct receiver_draft *d)
{
    const struct yaml_node *payload = am_get(d->own, "payload")->node;
    if (payload != NULL)
        receiver_json_value(d, receiver_yaml_value(d, payload));
    else
        receiver_write_message(d, "4", SIZE_MAX);
    struct sv url = receiver_render(d, receiver_secret(d, d->own, "url"));
    if (url.n == 0)
        receiver_fail(d, TC_EINPUT, "webhook URL is empty after templating");
    d->job->timeout_ns = am_get(d->own, "timeout")->number;
    receiver_post_json(d, url);
}

/* incident.io takes 512 KiB: what is longer goes with its first alert alone. */
void receiver_incidentio(struct receiver_draft *d)
{
    enum { PAYLOAD_MAX_BYTES = 512 << 10 };
    struct sv token = receiver_secret(d, d->own, "alert_source_token");
    if (token.n > 0)
        receiver_bearer(d, token);
    receiver_write_message(d, "1", SIZE_MAX);
    struct sv url = receiver_secret(d, d->own, "url");
    d->job->timeout_ns = am_get(d->own, "timeout")->number;
    receiver_post_json(d, url);
    if (d->rc == 0 && d->job->first.body.n > PAYLOAD_MAX_BYTES) {
        receiver_write_message(d, "1", 1);
        receiver_post_json(d, url);
    }
}
