/*
 * What handlers share: reading parameters and bodies, writing answers in the shapes of Alertmanager's API.
 */
#include "api/alertmanager/server_priv.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX_BYTES = 4096 };

void am_reply_text(struct am_reply *reply, unsigned status, const char *format, ...)
{
    char text[TEXT_MAX_BYTES];
    struct json_out json = json_out_to(&reply->body);
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    reply->status = status;
    buf_clear(&reply->body);
    json_string(&json, sv_of(text));
    buf_char(&reply->body, '\n');
}

void am_reply_invalid(struct am_reply *reply, unsigned status, int code, const char *format, ...)
{
    char text[TEXT_MAX_BYTES];
    struct json_out json = json_out_to(&reply->body);
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    reply->status = status;
    buf_clear(&reply->body);
    json_object(&json);
    json_kv_i64(&json, "code", code);
    json_kv_str(&json, "message", text);
    json_object_end(&json);
}

struct sv am_query(const struct am_request *request, const char *name)
{
    const char *value = NULL;
    size_t n = 0;
    if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
                                      &n) != MHD_YES ||
        value == NULL)
        return (struct sv){0};
    return sv_make(value, n);
}

bool am_query_bool(const struct am_request *request, const char *name)
{
    static const char *const yes[] = {"true", "1",        "yes",     "ok", "y",
                                      "on",   "selected", "checked", "t",  "enabled"};
    struct sv value = am_query(request, name);
    for (size_t i = 0; i < TC_ARRAY_LEN(yes); i++)
        if (sv_eq_nocase(value, sv_of(yes[i])))
            return true;
    return value.n == 0;
}

struct matcher_walk {
    struct am_server *server;
    const char *name;
    struct am_pool *pool;
    struct am_matcher *items;
    size_t count, max;
    int rc;
    struct err *err;
};

static enum MHD_Result each_matcher(void *context, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                    const char *value, size_t value_n)
{
    struct matcher_walk *walk = context;
    (void)kind;
    if (!sv_is(sv_make(key, key_n), walk->name) || walk->rc != 0)
        return MHD_YES;
    if (walk->items != NULL && walk->count < walk->max)
        walk->rc = am_matcher_parse(walk->pool, walk->server->options.mode,
                                    sv_make(value == NULL ? "" : value, value == NULL ? 0 : value_n),
                                    &walk->items[walk->count], walk->err);
    walk->count++;
    return MHD_YES;
}

int am_query_matchers(const struct am_request *request, const char *name, struct am_pool *pool,
                      struct am_matchers *ret, struct err *err)
{
    struct matcher_walk walk = {.server = request->server, .name = name, .pool = pool, .err = err};
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, each_matcher, &walk);
    walk.max = walk.count;
    walk.count = 0;
    walk.items = ARENA_ARRAY(&pool->arena, struct am_matcher, walk.max + 1);
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, each_matcher, &walk);
    *ret = (struct am_matchers){walk.items, walk.max};
    return walk.rc;
}

bool am_filter_labels(struct am_matchers matchers, struct am_labels labels)
{
    for (size_t i = 0; i < matchers.count; i++) {
        const struct am_matcher *m = &matchers.items[i];
        bool negative = m->type == AM_NOT_EQUAL || m->type == AM_NOT_REGEXP, present = false;
        for (size_t k = 0; k < labels.count; k++)
            present = present || sv_eq(labels.items[k].name, m->name);
        if (m->value.n == 0 && negative == present)
            continue;
        if (!am_matcher_matches(m, am_labels_get(labels, m->name)))
            return false;
    }
    return true;
}

void am_json_labels(struct json_out *json, const char *key, struct am_labels labels)
{
    json_key(json, sv_of(key));
    json_object(json);
    for (size_t i = 0; i < labels.count; i++) {
        json_key(json, labels.items[i].name);
        json_string(json, labels.items[i].value);
    }
    json_object_end(json);
}

void am_json_time(struct json_out *json, const char *key, int64_t ns)
{
    char text[64];
    struct civil c = clk_to_civil(ns);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day, c.hour,
             c.minute, c.second, (int)(c.nanosecond / 1000000));
    json_kv_str(json, key, text);
}

int am_read_labels(struct arena *arena, struct template_value value, struct am_labels *ret, struct err *err)
{
    *ret = (struct am_labels){0};
    if (value.kind == TEMPLATE_NONE)
        return 0;
    if (value.kind != TEMPLATE_MAP)
        return err_set(err, TC_EINPUT, "an object of texts is expected");
    const struct template_pairs *pairs = value.as.pairs;
    struct am_label *items = ARENA_ARRAY(arena, struct am_label, pairs->n + 1);
    for (size_t i = 0; i < pairs->n; i++) {
        if (pairs->items[i].value->kind != TEMPLATE_STRING)
            return err_set(err, TC_EINPUT, "json: cannot unmarshal into Go value of type string");
        items[i] = (struct am_label){pairs->items[i].name, pairs->items[i].value->as.text};
    }
    *ret = (struct am_labels){items, am_labels_sort(items, pairs->n)};
    return 0;
}

struct sv am_read_text(struct template_value object, const char *name)
{
    const struct template_value *found =
        object.kind == TEMPLATE_MAP ? template_get(object, sv_of(name)) : NULL;
    return found != NULL && found->kind == TEMPLATE_STRING ? found->as.text : (struct sv){0};
}

/* Go's years reach from 1 to 9999, ours from 1678 to 2262: what is beyond them becomes a leap year near their
 * ends. */
static bool parse_far(struct sv text, int64_t *ret_ns)
{
    char near[64];
    if (text.n < 10 || text.n >= sizeof near || text.p[4] != '-')
        return false;
    memcpy(near, text.p, text.n);
    memcpy(near, sv_cmp(sv_head(text, 4), SV("1900")) < 0 ? "1704" : "2260", 4);
    return clk_parse_rfc3339(sv_make(near, text.n), 0, ret_ns);
}

int am_read_time(struct template_value object, const char *name, int64_t *ret_ns, struct err *err)
{
    struct sv text = am_read_text(object, name);
    struct sv rest = sv_from(text, sizeof "0001-01-01T00:00:00" - 1);
    *ret_ns = 0;
    bool zero = sv_starts(text, SV("0001-01-01T00:00:00"));
    for (size_t i = 0; i < rest.n && zero; i++)
        zero = strchr(".0Z+:", rest.p[i]) != NULL;
    if (text.n == 0 || zero || clk_parse_rfc3339(text, 0, ret_ns) || parse_far(text, ret_ns))
        return 0;
    return err_set(err, TC_EINPUT, "parsing time \"%.*s\": it is no time of RFC 3339",
                   SV_FMT(sv_head(text, 64)));
}
