/*
 * PagerDuty's Events API, version 2 (routing_key) and the generic one before it (service_key).
 */
#include "api/receiver/receiver.h"

enum { EVENT_MAX_BYTES = 512000, SUMMARY_MAX_RUNES = 1024 };

static const char v1_url[] = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

static const struct {
    const char *name, *text;
} usual_details[] = {{"firing", "{{ .Alerts.Firing | toJson }}"},
                     {"resolved", "{{ .Alerts.Resolved | toJson }}"},
                     {"num_firing", "{{ .Alerts.Firing | len }}"},
                     {"num_resolved", "{{ .Alerts.Resolved | len }}"}};

static const struct yaml_node *find_child(const struct yaml_node *map, const char *key)
{
    return map == NULL ? NULL : yaml_get(map, key);
}

static struct template_value make_details(struct receiver_draft *d)
{
    const struct yaml_node *given = am_get(d->own, "details")->node;
    size_t n = 0, max = TC_ARRAY_LEN(usual_details) + (given == NULL ? 0 : given->count);
    struct template_pair *pairs = ARENA_ARRAY(d->arena, struct template_pair, max);
    for (size_t i = 0; i < TC_ARRAY_LEN(usual_details); i++) {
        if (find_child(given, usual_details[i].name) != NULL)
            continue;
        struct template_value *value = ARENA_NEW(d->arena, struct template_value);
        *value = receiver_yaml_text(d, sv_of(usual_details[i].text));
        pairs[n++] = (struct template_pair){sv_of(usual_details[i].name), value};
    }
    for (const struct yaml_node *node = given == NULL ? NULL : given->first; node != NULL;
         node = node->next) {
        struct template_value *value = ARENA_NEW(d->arena, struct template_value);
        *value = receiver_yaml_value(d, node);
        pairs[n++] = (struct template_pair){arena_sv(d->arena, node->key), value};
    }
    return template_map(d->arena, NULL, pairs, n);
}

static void write_details(struct receiver_draft *d, const char *name, struct template_value details,
                          bool whole)
{
    json_key(&d->out, sv_of(name));
    if (whole) {
        receiver_json_value(d, details);
        return;
    }
    json_object(&d->out);
    json_kv_str(
        &d->out, "error",
        "Custom details have been removed because the original event exceeds the maximum size of 512KB");
    json_object_end(&d->out);
}

static void write_v1(struct receiver_draft *d, struct sv key, struct template_value details, bool whole)
{
    bool firing = receiver_is_firing(d);
    json_object(&d->out);
    json_kv_string(&d->out, "service_key", key);
    json_kv_string(&d->out, "incident_key", receiver_group_hash(d));
    json_kv_str(&d->out, "event_type", firing ? "trigger" : "resolve");
    receiver_member(d, "description",
                    receiver_cut_runes(d, receiver_text(d, d->own, "description"), SUMMARY_MAX_RUNES));
    json_kv_str(&d->out, "event_action", "");
    json_key(&d->out, SV("payload"));
    json_null(&d->out);
    if (firing) {
        receiver_member(d, "client", receiver_text(d, d->own, "client"));
        receiver_member(d, "client_url", receiver_text(d, d->own, "client_url"));
    }
    write_details(d, "details", details, whole);
    json_object_end(&d->out);
}

/* A list of objects; those without their first member are left out, and so is an empty list. */
static void write_list(struct receiver_draft *d, const char *name, const char *const *members)
{
    const struct am_value *list = am_get(d->own, name);
    size_t written = 0;
    for (size_t i = 0; i < list->count && list->items[i].object != NULL; i++) {
        if (receiver_text(d, list->items[i].object, members[0]).n == 0)
            continue;
        if (written++ == 0) {
            json_key(&d->out, sv_of(name));
            json_array(&d->out);
        }
        json_object(&d->out);
        for (const char *const *member = members; *member != NULL; member++)
            json_kv_string(&d->out, *member, receiver_text(d, list->items[i].object, *member));
        json_object_end(&d->out);
    }
    if (written > 0)
        json_array_end(&d->out);
}

static void write_payload(struct receiver_draft *d, struct template_value details, bool whole)
{
    struct sv severity = am_get_text(d->own, "severity"), source = am_get_text(d->own, "source");
    json_object(&d->out);
    json_kv_string(&d->out, "summary",
                   receiver_cut_runes(d, receiver_text(d, d->own, "description"), SUMMARY_MAX_RUNES));
    json_kv_string(&d->out, "source",
                   receiver_render(d, source.n > 0 ? source : am_get_text(d->own, "client")));
    json_kv_string(&d->out, "severity", receiver_render(d, severity.n > 0 ? severity : SV("error")));
    receiver_member(d, "class", receiver_text(d, d->own, "class"));
    receiver_member(d, "component", receiver_text(d, d->own, "component"));
    receiver_member(d, "group", receiver_text(d, d->own, "group"));
    write_details(d, "custom_details", details, whole);
    json_object_end(&d->out);
}

static void write_v2(struct receiver_draft *d, struct sv key, struct template_value details, bool whole)
{
    static const char *const image[] = {"src", "alt", "href", NULL}, *const link[] = {"href", "text", NULL};
    json_object(&d->out);
    json_kv_string(&d->out, "routing_key", key);
    json_kv_string(&d->out, "dedup_key", receiver_group_hash(d));
    json_kv_str(&d->out, "event_action", receiver_is_firing(d) ? "trigger" : "resolve");
    json_key(&d->out, SV("payload"));
    write_payload(d, details, whole);
    receiver_member(d, "client", receiver_text(d, d->own, "client"));
    receiver_member(d, "client_url", receiver_text(d, d->own, "client_url"));
    write_list(d, "images", image);
    write_list(d, "links", link);
    json_object_end(&d->out);
}

void receiver_pagerduty(struct receiver_draft *d)
{
    bool v1 = am_is_set(d->own, "service_key") || am_is_set(d->own, "service_key_file");
    struct sv key = receiver_render(d, receiver_secret(d, d->own, v1 ? "service_key" : "routing_key")),
              url = v1 ? sv_of(v1_url) : am_get_text(d->own, "url");
    struct template_value details = make_details(d);
    if (key.n == 0)
        receiver_fail(d, TC_EINPUT, "%s key cannot be empty", v1 ? "service" : "routing");
    d->job->timeout_ns = am_get(d->own, "timeout")->number;
    d->job->again[0] = v1 ? 403 : 429; /* how each says that it is too much */
    for (int whole = 1; whole >= 0 && d->rc == 0; whole--) {
        (v1 ? write_v1 : write_v2)(d, key, details, whole);
        receiver_post_json(d, url);
        if (d->job->first.body.n <= EVENT_MAX_BYTES)
            break;
    }
}
