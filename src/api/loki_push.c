/*
 * POST /loki/api/v1/push, as promtail, Grafana's agents and Docker's driver send it: JSON, or protobuf in
 * snappy. Each line becomes an event that goes the way of all others (redaction, rules, journal) and bears
 * the labels of its stream as `labels`. Two forms, so that the line can be given back as it came
 * (src/query/line.c knows them):
 *   {"labels":{…},"@timestamp":"…","message":"LINE"}     {"@timestamp":"…","labels":{…},MEMBERS OF THE LINE}
 * The second is for lines that are JSON objects, whose members rules look at. Structured metadata joins the
 * labels, a label of the stream goes before.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"
#include "query/logql.h"

#include <snappy-c.h>

enum { LABELS_MAX = 64 };

struct pair {
    struct sv name, value;
};
struct entry {
    int64_t ns;
    struct sv line;
    struct pair labels[LABELS_MAX];
    size_t label_count;
};

static void put_label(struct entry *entry, struct sv name, struct sv value)
{
    for (size_t i = 0; i < entry->label_count; i++)
        if (sv_eq(entry->labels[i].name, name))
            return;
    if (entry->label_count < LABELS_MAX)
        entry->labels[entry->label_count++] = (struct pair){name, value};
}

static void put_entry(const struct entry *entry, struct buf *out)
{
    struct buf head;
    char time[TC_RFC3339_MAX];
    struct json_out json = json_out_to(&head);
    struct sv line = sv_trim(entry->line);
    bool object = line.n > 2 && line.p[0] == '{' && json_check(line, NULL) == 0;
    struct sv members = object ? sv_trim(sv_make(line.p + 1, line.n - 2)) : (struct sv){0};
    object = object && members.n > 0 && sv_find_char(line, '\n') == line.n;
    clk_rfc3339(entry->ns, time);
    buf_init(&head, 1 << 20);
    json_object(&json);
    for (size_t i = 0; i < entry->label_count; i++) {
        json_key(&json, entry->labels[i].name);
        json_string(&json, entry->labels[i].value);
    }
    json_object_end(&json);
    if (head.overflow)
        out->overflow = true;
    buf_str(out, object ? "{\"@timestamp\":\"" : "{\"labels\":");
    if (object) {
        buf_printf(out, "%s\",\"labels\":", time);
        buf_sv(out, buf_view(&head));
        buf_char(out, ',');
        buf_sv(out, members);
        buf_str(out, "}\n");
    } else {
        buf_sv(out, buf_view(&head));
        buf_printf(out, ",\"@timestamp\":\"%s\",\"message\":", time);
        struct json_out text = json_out_to(out);
        json_string(&text, entry->line);
        buf_str(out, "}\n");
    }
    buf_free(&head);
}

/* --- JSON */

static void put_map(struct entry *entry, const struct template_value *map)
{
    for (size_t i = 0; map != NULL && map->kind == TEMPLATE_MAP && i < map->as.pairs->n; i++)
        if (map->as.pairs->items[i].value->kind == TEMPLATE_STRING)
            put_label(entry, map->as.pairs->items[i].name, map->as.pairs->items[i].value->as.text);
}

static const struct template_list *list_of(const struct template_value *value)
{
    return value != NULL && value->kind == TEMPLATE_LIST ? value->as.list : NULL;
}

static int read_value(const struct template_value *stream, const struct template_value *value,
                      struct buf *out, struct err *err)
{
    const struct template_list *parts = list_of(value);
    struct entry entry = {0};
    if (parts == NULL || parts->n < 2 || parts->items[0].kind != TEMPLATE_STRING ||
        parts->items[1].kind != TEMPLATE_STRING || !num_i64(parts->items[0].as.text, &entry.ns))
        return err_set(err, TC_EINPUT, "a value is [\"<nanoseconds>\", \"<line>\"]");
    entry.line = parts->items[1].as.text;
    put_map(&entry, stream);
    if (parts->n > 2)
        put_map(&entry, &parts->items[2]);
    put_entry(&entry, out);
    return 0;
}

static int from_json(struct sv body, struct arena *arena, struct buf *out, struct err *err)
{
    struct template_value root;
    int rc = template_from_json(arena, body, &root, err);
    if (rc != 0)
        return rc;
    const struct template_list *streams =
        root.kind == TEMPLATE_MAP ? list_of(template_get(root, SV("streams"))) : NULL;
    if (streams == NULL)
        return err_set(err, TC_EINPUT, "a push is {\"streams\":[{\"stream\":{…},\"values\":[…]}]}");
    for (size_t i = 0; rc == 0 && i < streams->n; i++) {
        if (streams->items[i].kind != TEMPLATE_MAP)
            return err_set(err, TC_EINPUT, "a stream is {\"stream\":{…},\"values\":[…]}");
        const struct template_list *values = list_of(template_get(streams->items[i], SV("values")));
        for (size_t k = 0; rc == 0 && values != NULL && k < values->n; k++)
            rc = read_value(template_get(streams->items[i], SV("stream")), &values->items[k], out, err);
    }
    return rc;
}

/* --- protobuf: PushRequest{1: streams{1: labels, 2: entries{1: {1: s, 2: ns}, 2: line, 3: {1: name, 2:
 * value}}}} */

struct wire {
    struct sv rest;
    unsigned field;
    uint64_t number; /* of a varint */
    struct sv bytes; /* of a field with a length */
    bool bad;
};

static uint64_t varint(struct wire *w)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && w->rest.n > 0; shift += 7) {
        uint8_t byte = (uint8_t)w->rest.p[0];
        w->rest = sv_from(w->rest, 1);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    w->bad = true;
    return 0;
}

static bool wire_next(struct wire *w)
{
    if (w->rest.n == 0 || w->bad)
        return false;
    uint64_t key = varint(w), length;
    w->field = (unsigned)(key >> 3 & 0xffff);
    w->bytes = (struct sv){0};
    w->number = 0;
    switch (key & 7) {
    case 0:
        w->number = varint(w);
        return !w->bad;
    case 1:
    case 5:
        length = (key & 7) == 1 ? 8 : 4;
        break;
    case 2:
        length = varint(w);
        break;
    default:
        w->bad = true;
        return false;
    }
    w->bad |= length > w->rest.n;
    if (w->bad)
        return false;
    w->bytes = sv_head(w->rest, (size_t)length);
    w->rest = sv_from(w->rest, (size_t)length);
    return true;
}

static bool read_entry(struct sv bytes, struct entry *entry)
{
    struct wire w = {.rest = bytes}, inner;
    int64_t seconds = 0, nanoseconds = 0;
    while (wire_next(&w)) {
        struct pair pair = {0};
        inner = (struct wire){.rest = w.bytes};
        while ((w.field == 1 || w.field == 3) && wire_next(&inner)) {
            if (w.field == 1)
                *(inner.field == 1 ? &seconds : &nanoseconds) = (int64_t)inner.number;
            else
                *(inner.field == 1 ? &pair.name : &pair.value) = inner.bytes;
        }
        w.bad |= (w.field == 1 || w.field == 3) && inner.bad;
        if (w.field == 2)
            entry->line = w.bytes;
        if (w.field == 3)
            put_label(entry, pair.name, pair.value);
    }
    bool in_range =
        seconds > -9000000000 && seconds < 9000000000 && nanoseconds >= 0 && nanoseconds < TC_SECOND_NS;
    entry->ns = in_range ? seconds * TC_SECOND_NS + nanoseconds : 0;
    return !w.bad && in_range;
}

static int read_stream(struct sv bytes, struct buf *out, struct err *err)
{
    struct wire w = {.rest = bytes};
    struct logql *labels = NULL;
    int rc = 0;
    while (rc == 0 && wire_next(&w)) {
        struct entry entry = {0};
        if (w.field == 1 && labels == NULL)
            rc = logql_parse(w.bytes, &labels, err);
        if (w.field != 2)
            continue;
        for (size_t i = 0; labels != NULL && i < labels->root->matcher_count; i++)
            put_label(&entry, labels->root->matchers[i].name, labels->root->matchers[i].value);
        if (!read_entry(w.bytes, &entry))
            rc = err_set(err, TC_EINPUT, "an entry of the push is no protobuf that Loki defines");
        else
            put_entry(&entry, out);
    }
    logql_free(&labels);
    return rc == 0 && w.bad ? err_set(err, TC_EINPUT, "a stream of the push is no protobuf") : rc;
}

static int from_protobuf(const struct request *request, struct sv body, struct arena *arena, struct buf *out,
                         struct err *err)
{
    size_t n = 0;
    if (snappy_uncompressed_length(body.p, body.n, &n) != SNAPPY_OK ||
        n > request->api->options.max_body_bytes)
        return err_set(err, TC_EINPUT, "the body is not snappy, or too long unpacked");
    char *plain = arena_alloc_raw(arena, n + 1, 1);
    if (snappy_uncompress(body.p, body.n, plain, &n) != SNAPPY_OK)
        return err_set(err, TC_EINPUT, "the body is not snappy");
    struct wire w = {.rest = {plain, n}};
    int rc = 0;
    while (rc == 0 && wire_next(&w))
        rc = w.field == 1 ? read_stream(w.bytes, out, err) : 0;
    return rc == 0 && w.bad ? err_set(err, TC_EINPUT, "the push is no protobuf") : rc;
}

static bool is_protobuf(const struct request *request)
{
    return sv_starts(request_header(request, "Content-Type"), SV("application/x-protobuf"));
}

static bool convert(struct request *request, struct sv body, struct buf *out, struct reply *reply)
{
    struct arena arena = {0};
    struct err err = {0};
    int rc = is_protobuf(request) ? from_protobuf(request, body, &arena, out, &err)
                                  : from_json(body, &arena, out, &err);
    arena_free(&arena);
    if (rc != 0)
        reply_error(reply, 400, "%s", err.text);
    else if (out->overflow)
        reply_error(reply, 413, "the push is too long: send it in smaller parts");
    else if (out->n == 0)
        reply->status = 204;
    return rc == 0 && !out->overflow && out->n > 0;
}

void loki_push_begin(struct api *api, struct request *request, struct reply *reply)
{
    if (is_protobuf(request) && api->options.ready != NULL && !api->options.ready(api->options.context))
        reply_error(reply, 503, "Tocsin is not ready: send this again later");
    else if (!is_protobuf(request))
        events_begin(api, request, reply);
}

void loki_push(struct api *api, struct request *request, struct reply *reply)
{
    events_take(api, request, convert, reply);
    if (reply->status != 200)
        return;
    reply->status = 204;
    reply->content_type = NULL;
    buf_clear(&reply->body);
}
