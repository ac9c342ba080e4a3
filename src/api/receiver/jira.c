/*
 * Jira: the group's issue is looked for by its label; it is created, or changed and moved. A chain of up to
 * four requests: search, create or change, ask for the transitions, take one.
 */
#include "api/receiver/receiver.h"

#include <stdio.h>
#include <stdlib.h>

enum { SUMMARY_MAX_RUNES = 255, DESCRIPTION_MAX_RUNES = 32767 };
enum step { STEP_SEARCH, STEP_WRITE, STEP_TRANSITIONS, STEP_MOVE };

struct plan {
    struct sv base; /* of the API, without a slash at its end */
    struct sv create, change, transition;
    bool firing;
    /* of the issue that was found: */
    struct sv key;
    bool has_status, done;
};

/* --- the issue --- */

static const struct template_value *boxed(struct arena *arena, struct template_value value)
{
    struct template_value *box = ARENA_NEW(arena, struct template_value);
    *box = value;
    return box;
}

static const struct template_value *one_member(struct arena *arena, const char *name, struct sv text)
{
    struct template_pair *pair = ARENA_NEW(arena, struct template_pair);
    *pair = (struct template_pair){sv_of(name), boxed(arena, template_text(text))};
    return boxed(arena, template_map(arena, NULL, pair, 1));
}

static int compare_texts(const void *a, const void *b)
{
    return sv_cmp(((const struct template_value *)a)->as.text, ((const struct template_value *)b)->as.text);
}

static const struct template_value *make_labels(struct receiver_draft *d)
{
    const struct am_value *given = am_get(d->own, "labels");
    struct template_value *items = ARENA_ARRAY(d->arena, struct template_value, given->count + 1);
    for (size_t i = 0; i < given->count; i++)
        items[i] = template_text(receiver_render(d, given->items[i].text));
    items[given->count] =
        template_text(arena_printf(d->arena, "ALERT{%.*s}", SV_FMT(receiver_group_hash(d))));
    qsort(items, given->count + 1, sizeof items[0], compare_texts);
    return boxed(d->arena, template_list(d->arena, NULL, items, given->count + 1));
}

/* Version 3 of the API takes documents (JSON), those before take texts. */
static bool make_description(struct receiver_draft *d, struct sv base, struct template_value *ret)
{
    const struct am_object *own = am_get_object(d->own, "description");
    struct sv text = receiver_cut_runes(d, own == NULL ? SV("") : receiver_text(d, own, "template"),
                                        DESCRIPTION_MAX_RUNES);
    *ret = template_text(text);
    if (!sv_ends(base, SV("/3")))
        return text.n > 0;
    text = sv_trim(text);
    if (text.n > 0 && template_from_json(d->arena, text, ret, d->err) != 0)
        receiver_fail(d, TC_EINPUT, "description template: invalid JSON for API v3");
    return text.n > 0;
}

static bool is_updated(const struct receiver_draft *d, const char *name)
{
    const struct am_object *own = am_get_object(d->own, name);
    return own == NULL || !am_get(own, "enable_update")->given || am_get(own, "enable_update")->number != 0;
}

static struct sv make_issue(struct receiver_draft *d, struct sv base, bool change)
{
    const struct yaml_node *more = am_get(d->own, "fields")->node;
    const struct am_object *summary = am_get_object(d->own, "summary");
    size_t n = 0, max = 6 + (more == NULL ? 0 : more->count);
    struct template_pair *pairs = ARENA_ARRAY(d->arena, struct template_pair, max);
    struct template_value description;
    struct sv title = summary == NULL ? SV("") : receiver_text(d, summary, "template"),
              priority = receiver_text(d, d->own, "priority");
    title = receiver_cut_runes(d, title, SUMMARY_MAX_RUNES);
    pairs[n++] = (struct template_pair){SV("project"),
                                        one_member(d->arena, "key", receiver_text(d, d->own, "project"))};
    pairs[n++] = (struct template_pair){SV("issuetype"),
                                        one_member(d->arena, "name", receiver_text(d, d->own, "issue_type"))};
    if (!change || is_updated(d, "summary"))
        pairs[n++] = (struct template_pair){SV("summary"), boxed(d->arena, template_text(title))};
    if (make_description(d, base, &description) && (!change || is_updated(d, "description")))
        pairs[n++] = (struct template_pair){SV("description"), boxed(d->arena, description)};
    pairs[n++] = (struct template_pair){SV("labels"), make_labels(d)};
    if (priority.n > 0)
        pairs[n++] = (struct template_pair){SV("priority"), one_member(d->arena, "name", priority)};
    for (const struct yaml_node *node = more == NULL ? NULL : more->first; node != NULL; node = node->next)
        pairs[n++] = (struct template_pair){arena_sv(d->arena, node->key),
                                            boxed(d->arena, receiver_yaml_value(d, node))};
    json_object(&d->out);
    json_key(&d->out, SV("fields"));
    receiver_json_value(d, template_map(d->arena, NULL, pairs, n));
    json_object_end(&d->out);
    return receiver_json_request(d, "POST", base).body;
}

/* --- the search --- */

/* Go's %q, as far as JQL's strings know it, too. */
static void add_quoted(struct buf *out, struct sv text)
{
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_char(out, '\\');
        if (text.p[i] == '\n')
            buf_str(out, "\\n");
        else
            buf_char(out, text.p[i]);
    }
    buf_char(out, '"');
}

static void write_query(struct receiver_draft *d, bool firing, struct buf *out)
{
    struct sv wont_fix = am_get_text(d->own, "wont_fix_resolution");
    int64_t minutes = am_get(d->own, "reopen_duration")->number / (60 * TC_SECOND_NS);
    if (wont_fix.n > 0) {
        buf_str(out, "(resolution is EMPTY or resolution != ");
        add_quoted(out, wont_fix);
        buf_str(out, ") and ");
    }
    if (firing && am_get_text(d->own, "reopen_transition").n > 0 && minutes > 0)
        buf_printf(out, "(resolutiondate is EMPTY OR resolutiondate >= -%lldm) and ", (long long)minutes);
    else
        buf_str(out, "statusCategory != Done and ");
    buf_str(out, "project=");
    add_quoted(out, receiver_text(d, d->own, "project"));
    buf_printf(out, " and labels=\"ALERT{%.*s}\" order by status ASC,resolutiondate DESC",
               SV_FMT(receiver_group_hash(d)));
}

static struct sv host_of(struct sv url)
{
    struct sv host = sv_from(url, sv_find(url, SV("://")) + 3);
    return sv_head(host, sv_find_char(host, '/'));
}

/* The cloud has another search, in version 3 of the API alone. */
static struct sv search_url(struct receiver_draft *d, struct sv base)
{
    struct sv type = am_get_text(d->own, "api_type"), version = SV("/rest/api/2");
    bool cloud = sv_is(type, "cloud") || (sv_is(type, "auto") && sv_ends(host_of(base), SV("atlassian.net")));
    size_t at = sv_find(base, version);
    if (!cloud)
        return arena_printf(d->arena, "%.*s/search", SV_FMT(base));
    if (at == base.n)
        return arena_printf(d->arena, "%.*s/search/jql", SV_FMT(base));
    return arena_printf(d->arena, "%.*s/rest/api/3%.*s/search/jql", SV_FMT(sv_head(base, at)),
                        SV_FMT(sv_from(base, at + version.n)));
}

static void add_language(struct courier_request *request)
{
    receiver_add_header(request, SV("Accept-Language: en"));
}

void receiver_jira(struct receiver_draft *d)
{
    struct plan *plan = ARENA_NEW(d->arena, struct plan);
    struct sv base = am_get_text(d->own, "api_url");
    struct buf query;
    while (sv_ends(base, SV("/")))
        base.n--;
    plan->base = arena_sv(d->arena, base);
    plan->firing = receiver_is_firing(d);
    plan->create = make_issue(d, base, false);
    plan->change = make_issue(d, base, true);
    plan->transition =
        arena_sv(d->arena, am_get_text(d->own, plan->firing ? "reopen_transition" : "resolve_transition"));
    buf_init(&query, 64 << 10);
    write_query(d, plan->firing, &query);
    json_object(&d->out);
    json_key(&d->out, SV("fields"));
    json_array(&d->out);
    json_string(&d->out, SV("status"));
    json_array_end(&d->out);
    json_kv_string(&d->out, "jql", buf_view(&query));
    json_kv_i64(&d->out, "maxResults", 2);
    json_object_end(&d->out);
    buf_free(&query);
    d->job->plan = plan;
    receiver_post_json(d, search_url(d, base));
    add_language(&d->job->first);
}

/* --- what answers say --- */

static void ask(struct courier_job *job, enum step step, const char *method, struct sv url, struct sv body)
{
    job->step = step;
    job->request = (struct courier_request){
        .method = method, .url = url, .body = body, .content_type = "application/json"};
    add_language(&job->request);
}

/* Keys go into an address: letters, digits and dashes are what Jira makes them of. */
static bool is_key(struct sv key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_'))
            return false;
    }
    return key.n > 0;
}

static enum courier_verdict take_search(struct courier_job *job, struct plan *plan,
                                        struct template_value json)
{
    const struct template_value *issues = json.kind == TEMPLATE_MAP ? template_get(json, SV("issues")) : NULL;
    size_t count = issues != NULL && issues->kind == TEMPLATE_LIST ? issues->as.list->n : 0;
    if (json.kind != TEMPLATE_MAP) {
        courier_say(job, "the answer to the search is no JSON", SV(""));
        return COURIER_REFUSED;
    }
    if (count == 0 && !plan->firing)
        return COURIER_TAKEN; /* nobody opens an issue for what is over */
    if (count == 0) {
        plan->key = SV("");
        ask(job, STEP_WRITE, "POST", arena_printf(&job->arena, "%.*s/issue", SV_FMT(plan->base)),
            plan->create);
        return COURIER_NEXT;
    }
    struct template_value issue = issues->as.list->items[0];
    const struct template_value *fields =
                                    issue.kind == TEMPLATE_MAP ? template_get(issue, SV("fields")) : NULL,
                                *status = fields != NULL && fields->kind == TEMPLATE_MAP
                                              ? template_get(*fields, SV("status"))
                                              : NULL,
                                *category = status != NULL && status->kind == TEMPLATE_MAP
                                                ? template_get(*status, SV("statusCategory"))
                                                : NULL;
    plan->key = receiver_answer_text(issue, "key");
    plan->has_status = status != NULL && status->kind == TEMPLATE_MAP;
    plan->done = category != NULL && sv_is(receiver_answer_text(*category, "key"), "done");
    if (!is_key(plan->key)) {
        courier_say(job, "the issue that was found has no key", SV(""));
        return COURIER_REFUSED;
    }
    ask(job, STEP_WRITE, "PUT",
        arena_printf(&job->arena, "%.*s/issue/%.*s", SV_FMT(plan->base), SV_FMT(plan->key)), plan->change);
    return COURIER_NEXT;
}

static struct sv transitions_url(struct courier_job *job, const struct plan *plan)
{
    return arena_printf(&job->arena, "%.*s/issue/%.*s/transitions", SV_FMT(plan->base), SV_FMT(plan->key));
}

static enum courier_verdict take_transitions(struct courier_job *job, const struct plan *plan,
                                             struct template_value json)
{
    const struct template_value *list =
        json.kind == TEMPLATE_MAP ? template_get(json, SV("transitions")) : NULL;
    for (size_t i = 0; list != NULL && list->kind == TEMPLATE_LIST && i < list->as.list->n; i++) {
        struct template_value one = list->as.list->items[i];
        if (!sv_eq(receiver_answer_text(one, "name"), plan->transition))
            continue;
        struct buf body;
        struct json_out out = json_out_to(&body);
        buf_init(&body, 64 << 10);
        json_object(&out);
        json_key(&out, SV("transition"));
        json_object(&out);
        json_kv_string(&out, "id", receiver_answer_text(one, "id"));
        json_object_end(&out);
        json_object_end(&out);
        buf_char(&body, '\n');
        ask(job, STEP_MOVE, "POST", transitions_url(job, plan), arena_sv(&job->arena, buf_view(&body)));
        buf_free(&body);
        return COURIER_NEXT;
    }
    courier_say(job, "can't find the transition of the configuration for the issue", plan->transition);
    return COURIER_REFUSED;
}

enum courier_verdict receiver_jira_answered(struct courier *courier, struct courier_job *job,
                                            const struct courier_answer *answer)
{
    struct plan *plan = job->plan;
    enum courier_verdict verdict = courier_judge_status(job, answer);
    (void)courier;
    if (verdict != COURIER_TAKEN)
        return verdict;
    switch ((enum step)job->step) {
    case STEP_SEARCH:
        return take_search(job, plan, receiver_answer(job, answer));
    case STEP_WRITE:
        if (plan->key.n == 0 || !plan->has_status || plan->done != plan->firing || plan->transition.n == 0)
            return COURIER_TAKEN;
        ask(job, STEP_TRANSITIONS, "GET", transitions_url(job, plan), SV(""));
        return COURIER_NEXT;
    case STEP_TRANSITIONS:
        return take_transitions(job, plan, receiver_answer(job, answer));
    default:
        return COURIER_TAKEN;
    }
}
