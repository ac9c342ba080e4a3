/*
 * Silences (alertmanager/api/v2).
 */
#include "api/alertmanager/server_priv.h"

#include <stdlib.h>

static void write_silence(struct json_out *json, const struct am_silence_record *record, int64_t now_ns)
{
    const struct am_silence *silence = &record->silence;
    json_object(json);
    json_kv_str(json, "id", record->id);
    json_key(json, SV("status"));
    json_object(json);
    json_kv_str(json, "state", am_silence_state_text(am_silence_state_at(silence, now_ns)));
    json_object_end(json);
    am_json_time(json, "updatedAt", record->updated_at_ns);
    if (record->annotations.count > 0)
        am_json_labels(json, "annotations", record->annotations);
    json_kv_string(json, "comment", record->comment);
    json_kv_string(json, "createdBy", record->created_by);
    am_json_time(json, "endsAt", silence->ends_at_ns);
    json_key(json, SV("matchers"));
    json_array(json);
    for (size_t i = 0; i < silence->matchers.count; i++) {
        const struct am_matcher *m = &silence->matchers.items[i];
        json_object(json);
        json_kv_bool(json, "isEqual", m->type == AM_EQUAL || m->type == AM_REGEXP);
        json_kv_bool(json, "isRegex", m->type == AM_REGEXP || m->type == AM_NOT_REGEXP);
        json_kv_string(json, "name", m->name);
        json_kv_string(json, "value", m->value);
        json_object_end(json);
    }
    json_array_end(json);
    am_json_time(json, "startsAt", silence->starts_at_ns);
    json_object_end(json);
}

/* --- GET --- */

/* Every matcher that was asked for must be one of the silence's. */
static bool has_matchers(struct am_matchers have, struct am_matchers wanted)
{
    for (size_t i = 0; i < wanted.count; i++) {
        bool found = false;
        for (size_t k = 0; k < have.count; k++)
            found = found || (have.items[k].type == wanted.items[i].type &&
                              sv_eq(have.items[k].name, wanted.items[i].name) &&
                              sv_eq(have.items[k].value, wanted.items[i].value));
        if (!found)
            return false;
    }
    return true;
}

struct listed {
    const struct am_silence_record *record;
    enum am_silence_state state;
};

/* Active ones that end first, pending ones that start first, expired ones that ended last. */
static int compare_listed(const void *left, const void *right)
{
    const struct listed *a = left, *b = right;
    if (a->state != b->state)
        return a->state < b->state ? -1 : 1;
    const struct am_silence *x = &a->record->silence, *y = &b->record->silence;
    int64_t p = a->state == AM_SILENCE_PENDING ? x->starts_at_ns : x->ends_at_ns,
            q = a->state == AM_SILENCE_PENDING ? y->starts_at_ns : y->ends_at_ns;
    int c = (p > q) - (p < q);
    return a->state == AM_SILENCE_EXPIRED ? -c : c;
}

void am_get_silences(struct am_request *request, struct am_reply *reply)
{
    struct am_pool pool = {0};
    struct am_matchers matchers;
    struct err err = {0};
    size_t all_count, count = 0;
    const struct am_silence_record *const *all = am_silences_all(request->server->silences, &all_count);
    if (am_query_matchers(request, "filter", &pool, &matchers, &err) != 0) {
        am_reply_text(reply, 400, "%s", err.text);
        am_pool_free(&pool);
        return;
    }
    struct listed *list = tc_alloc((all_count + 1) * sizeof *list);
    for (size_t i = 0; i < all_count; i++) {
        enum am_silence_state state = am_silence_state_at(&all[i]->silence, request->now_ns);
        if (am_query_bool(request, am_silence_state_text(state)) &&
            has_matchers(all[i]->silence.matchers, matchers))
            list[count++] = (struct listed){all[i], state};
    }
    qsort(list, count, sizeof *list, compare_listed);
    struct json_out json = json_out_to(&reply->body);
    json_array(&json);
    for (size_t i = 0; i < count; i++)
        write_silence(&json, list[i].record, request->now_ns);
    json_array_end(&json);
    buf_char(&reply->body, '\n');
    free(list);
    am_pool_free(&pool);
}

static bool is_uuid(struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.p[i] != '-' : memchr("0123456789abcdefABCDEF", text.p[i], 22) == NULL)
            return false;
    }
    return text.n == 36;
}

static bool check_id(const struct am_request *request, struct am_reply *reply)
{
    if (is_uuid(request->id))
        return true;
    am_reply_invalid(reply, 422, 601, "silenceID in path must be of type uuid: \"%.*s\"",
                     SV_FMT(sv_head(request->id, 200)));
    return false;
}

void am_get_silence(struct am_request *request, struct am_reply *reply)
{
    if (!check_id(request, reply))
        return;
    const struct am_silence_record *record = am_silences_find(request->server->silences, request->id);
    if (record == NULL) {
        reply->status = 404;
        return;
    }
    struct json_out json = json_out_to(&reply->body);
    write_silence(&json, record, request->now_ns);
    buf_char(&reply->body, '\n');
}

/* --- changes --- */

static void save(struct am_request *request, struct am_reply *reply)
{
    struct err err = {0};
    if (am_state_silences(request->server, &err) != 0)
        am_reply_text(reply, 500, "the silence holds, but cannot be kept over a restart: %s", err.text);
    pthread_cond_broadcast(&request->server->wake);
}

void am_delete_silence(struct am_request *request, struct am_reply *reply)
{
    if (!check_id(request, reply))
        return;
    if (am_silences_expire(request->server->silences, request->id, request->now_ns, NULL) != 0)
        reply->status = 404;
    else
        save(request, reply);
}

static bool read_flag(struct template_value object, const char *name, bool fallback)
{
    const struct template_value *found = template_get(object, sv_of(name));
    return found != NULL && found->kind == TEMPLATE_BOOL ? found->as.boolean : fallback;
}

/* The name of the first member that is missing; NULL: none. */
static const char *missing(struct template_value object, const char *const names[])
{
    for (; *names != NULL; names++) {
        const struct template_value *found = template_get(object, sv_of(*names));
        if (found == NULL || found->kind == TEMPLATE_NONE)
            return *names;
    }
    return NULL;
}

static bool read_matchers(struct am_request *request, struct am_reply *reply, struct template_value list,
                          struct am_silence_draft *draft)
{
    static const char *const required[] = {"isRegex", "name", "value", NULL};
    if (list.kind != TEMPLATE_LIST) {
        am_reply_invalid(reply, 400, 400,
                         "parsing silence body from \"\" failed, because matchers is no array");
        return false;
    }
    if (list.as.list->n == 0) {
        am_reply_invalid(reply, 422, 612, "matchers in body should have at least 1 items");
        return false;
    }
    struct am_matcher *items = ARENA_ARRAY(request->arena, struct am_matcher, list.as.list->n);
    for (size_t i = 0; i < list.as.list->n; i++) {
        struct template_value item = list.as.list->items[i];
        const char *absent = item.kind == TEMPLATE_MAP ? missing(item, required) : "name";
        if (absent != NULL) {
            am_reply_invalid(reply, 422, 602, "matchers.%zu.%s in body is required", i, absent);
            return false;
        }
        bool equal = read_flag(item, "isEqual", true), regex = read_flag(item, "isRegex", false);
        items[i] = (struct am_matcher){.type = regex ? (equal ? AM_REGEXP : AM_NOT_REGEXP)
                                                     : (equal ? AM_EQUAL : AM_NOT_EQUAL),
                                       .name = am_read_text(item, "name"),
                                       .value = am_read_text(item, "value")};
    }
    draft->matchers = items;
    draft->matcher_count = list.as.list->n;
    return true;
}

/* False: the reply says why. */
static bool read_draft(struct am_request *request, struct am_reply *reply, struct am_silence_draft *draft)
{
    static const char *const required[] = {"comment", "createdBy", "endsAt", "matchers", "startsAt", NULL};
    struct template_value body;
    struct err err = {0};
    if (template_from_json(request->arena, request->body, &body, &err) != 0 || body.kind != TEMPLATE_MAP) {
        am_reply_invalid(reply, 400, 400, "parsing silence body from \"\" failed, because %s",
                         err.text[0] != '\0' ? err.text : "an object is expected");
        return false;
    }
    const char *absent = missing(body, required);
    if (absent != NULL) {
        am_reply_invalid(reply, 422, 602, "%s in body is required", absent);
        return false;
    }
    const struct template_value *annotations = template_get(body, SV("annotations"));
    draft->id = am_read_text(body, "id");
    draft->comment = am_read_text(body, "comment");
    draft->created_by = am_read_text(body, "createdBy");
    if (am_read_time(body, "startsAt", &draft->starts_at_ns, &err) != 0 ||
        am_read_time(body, "endsAt", &draft->ends_at_ns, &err) != 0 ||
        (annotations != NULL &&
         am_read_labels(request->arena, *annotations, &draft->annotations, &err) != 0)) {
        am_reply_invalid(reply, 400, 400, "parsing silence body from \"\" failed, because %s", err.text);
        return false;
    }
    return read_matchers(request, reply, *template_get(body, SV("matchers")), draft);
}

void am_post_silences(struct am_request *request, struct am_reply *reply)
{
    struct am_silence_draft draft = {0};
    struct err err = {0};
    char id[AM_SILENCE_ID_BYTES];
    if (!read_draft(request, reply, &draft))
        return;
    if (draft.starts_at_ns >= draft.ends_at_ns) {
        am_reply_text(reply, 400, "Failed to create silence: start time must be before end time");
        return;
    }
    if (draft.ends_at_ns < request->now_ns) {
        am_reply_text(reply, 400, "Failed to create silence: end time can't be in the past");
        return;
    }
    if (draft.starts_at_ns == 0)
        draft.starts_at_ns = request->now_ns;
    int rc = am_silences_set(request->server->silences, &draft, request->now_ns, id, &err);
    if (rc != 0) {
        am_reply_text(reply, rc == TC_ENOTFOUND ? 404 : 400, "%s", err.text);
        return;
    }
    struct json_out json = json_out_to(&reply->body);
    json_object(&json);
    json_kv_str(&json, "silenceID", id);
    json_object_end(&json);
    buf_char(&reply->body, '\n');
    save(request, reply);
}
