/*
 * Opsgenie's Alert API: an alert is created, or closed; with update_alerts its message and description are
 * set anew after it was created once more (which changes nothing in one that is open).
 */
#include "api/receiver/receiver.h"

enum { MESSAGE_MAX_RUNES = 130, REQUESTS_MAX = 3 };

struct plan {
    struct courier_request requests[REQUESTS_MAX];
    unsigned count;
};

/* Parts between commas, without empty ones; n is 0 at the end. */
static struct sv next_part(struct sv *rest)
{
    struct sv part = SV("");
    while (rest->n > 0 && part.n == 0)
        part = sv_cut(rest, ',');
    return part;
}

static void write_parts(struct receiver_draft *d, const char *name)
{
    struct sv rest = sv_trim(receiver_text(d, d->own, name)), part = next_part(&rest);
    if (part.n == 0)
        return;
    json_key(&d->out, sv_of(name));
    json_array(&d->out);
    for (; part.n > 0; part = next_part(&rest))
        json_string(&d->out, part);
    json_array_end(&d->out);
}

/* The labels that all alerts have, and what the configuration says over them. */
static struct template_value make_details(struct receiver_draft *d)
{
    const struct template_value *common = template_get(receiver_data(d), SV("CommonLabels"));
    const struct am_value *given = am_get(d->own, "details");
    size_t n = common->as.pairs->n;
    struct template_pair *pairs = ARENA_ARRAY(d->arena, struct template_pair, n + given->count + 1);
    for (size_t i = 0; i < n; i++)
        pairs[i] = common->as.pairs->items[i];
    for (size_t i = 0; i < given->count; i++) {
        struct template_value *value = ARENA_NEW(d->arena, struct template_value);
        *value = template_text(receiver_render(d, given->items[i].text));
        pairs[n++] = (struct template_pair){given->items[i].key, value};
    }
    return template_map(d->arena, NULL, pairs, n);
}

static void write_responder(struct receiver_draft *d, struct sv id, struct sv name, struct sv username,
                            struct sv type)
{
    json_object(&d->out);
    receiver_member(d, "id", id);
    receiver_member(d, "name", name);
    receiver_member(d, "username", username);
    json_kv_string(&d->out, "type", type);
    json_object_end(&d->out);
}

/* "teams" is many: the names between commas. Responders that came out empty are left out. */
static void write_responders(struct receiver_draft *d)
{
    const struct am_value *list = am_get(d->own, "responders");
    bool open = false;
    for (size_t i = 0; i < list->count && list->items[i].object != NULL; i++) {
        const struct am_object *own = list->items[i].object;
        struct sv id = receiver_text(d, own, "id"), name = receiver_text(d, own, "name"),
                  username = receiver_text(d, own, "username"), type = receiver_text(d, own, "type");
        bool teams = sv_is(type, "teams");
        struct sv rest = sv_trim(name), team = teams ? next_part(&rest) : SV("");
        if (id.n + name.n + username.n + type.n == 0 || (teams && team.n == 0))
            continue;
        if (!open) {
            json_key(&d->out, SV("responders"));
            json_array(&d->out);
            open = true;
        }
        if (!teams)
            write_responder(d, id, name, username, type);
        for (; team.n > 0; team = next_part(&rest))
            write_responder(d, SV(""), team, SV(""), SV("team"));
    }
    if (open)
        json_array_end(&d->out);
}

static void write_create(struct receiver_draft *d, struct sv alias, struct sv message, struct sv description)
{
    json_object(&d->out);
    json_kv_string(&d->out, "alias", alias);
    json_kv_string(&d->out, "message", message);
    receiver_member(d, "description", description);
    json_key(&d->out, SV("details"));
    receiver_json_value(d, make_details(d));
    json_kv_string(&d->out, "source", receiver_text(d, d->own, "source"));
    write_responders(d);
    write_parts(d, "tags");
    receiver_member(d, "note", receiver_text(d, d->own, "note"));
    receiver_member(d, "priority", receiver_text(d, d->own, "priority"));
    receiver_member(d, "entity", receiver_text(d, d->own, "entity"));
    write_parts(d, "actions");
    json_object_end(&d->out);
}

static void add_request(struct receiver_draft *d, struct plan *plan, const char *method, struct sv path,
                        const char *query)
{
    struct sv url = receiver_url(d, am_get_text(d->own, "api_url"), path, query);
    plan->requests[plan->count++] = receiver_json_request(d, method, url);
}

static void add_update(struct receiver_draft *d, struct plan *plan, struct sv alias, const char *what,
                       struct sv text)
{
    json_object(&d->out);
    receiver_member(d, what, text);
    json_object_end(&d->out);
    add_request(d, plan, "PUT", arena_printf(d->arena, "v2/alerts/%.*s/%s", SV_FMT(alias), what),
                "identifierType=alias");
}

void receiver_opsgenie(struct receiver_draft *d)
{
    struct plan *plan = ARENA_NEW(d->arena, struct plan);
    struct sv alias = receiver_group_hash(d);
    struct sv key = sv_trim(receiver_render(d, receiver_secret(d, d->own, "api_key")));
    if (!receiver_is_firing(d)) {
        json_object(&d->out);
        json_kv_string(&d->out, "source", receiver_text(d, d->own, "source"));
        json_object_end(&d->out);
        add_request(d, plan, "POST", arena_printf(d->arena, "v2/alerts/%.*s/close", SV_FMT(alias)),
                    "identifierType=alias");
    } else {
        struct sv message = receiver_cut_runes(d, receiver_text(d, d->own, "message"), MESSAGE_MAX_RUNES),
                  description = receiver_text(d, d->own, "description");
        write_create(d, alias, message, description);
        add_request(d, plan, "POST", SV("v2/alerts"), NULL);
        if (am_get(d->own, "update_alerts")->number != 0) {
            add_update(d, plan, alias, "message", message);
            add_update(d, plan, alias, "description", description);
        }
    }
    for (unsigned i = 0; i < plan->count; i++)
        receiver_add_header(&plan->requests[i],
                            arena_printf(d->arena, "Authorization: GenieKey %.*s", SV_FMT(key)));
    d->job->plan = plan;
    d->job->first = plan->requests[0];
}

enum courier_verdict receiver_opsgenie_answered(struct courier *courier, struct courier_job *job,
                                                const struct courier_answer *answer)
{
    const struct plan *plan = job->plan;
    enum courier_verdict verdict = courier_judge_status(job, answer);
    (void)courier;
    if (verdict != COURIER_TAKEN || ++job->step == plan->count)
        return verdict;
    job->request = plan->requests[job->step];
    return COURIER_NEXT;
}
