/*
 * Reading Datadog's series; see datadog.h. In JSON version 1 writes points as [time, value] and types as
 * words, version 2 as objects and numbers: both are understood anywhere. In protobuf there is version 2 only
 * (datadog.agentpayload.MetricPayload); its fields may come in any order, so a series is walked twice.
 */
#include "metrics/intake/datadog.h"

#include "base/go_text.h"
#include "metrics/remote/protobuf.h"
#include "template/value.h"

#include <math.h>

enum { TAGS_MAX = 100 };
enum kind { GAUGE, COUNT, RATE };

struct series {
    struct sv name, unit;
    enum kind kind;
    double interval_s;
    struct label labels[TAGS_MAX + 4];
    size_t n;
};

/* --- what both forms share --- */

static bool put_label(struct series *s, struct sv name, struct sv value)
{
    if (name.n == 0 || sv_starts(name, SV("__")))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (sv_eq(s->labels[i].name, name))
            return true; /* a tag that stands twice: the first holds */
    if (s->n == TAGS_MAX)
        return false;
    s->labels[s->n++] = (struct label){name, value};
    return true;
}

/* "k:v" is the label k, a tag alone has "true". */
static bool put_tag(struct series *s, struct sv tag, struct sample_list *list)
{
    bool pair = sv_find_char(tag, ':') < tag.n;
    struct sv value = tag, name = sv_cut(&value, ':');
    return put_label(s, sample_label_name(&list->arena, name), pair ? value : SV("true"));
}

static enum kind kind_of_number(double number)
{
    return number == 1 ? COUNT : number == 2 ? RATE : GAUGE;
}

/* All labels are there: gives the series its name and describes it. */
static void open_series(struct series *s, struct metadata *metadata, struct sample_list *list)
{
    s->labels[s->n++] = (struct label){METRIC_NAME, sample_name(&list->arena, s->name)};
    if (metadata != NULL)
        (void)metadata_put(metadata,
                           &(struct metadata_entry){.name = s->labels[s->n - 1].value,
                                                    .type = s->kind == GAUGE ? SV("gauge") : SV("counter"),
                                                    .unit = s->unit});
}

static void add_point(const struct series *s, double t, double value, struct sample_list *list)
{
    bool additive = s->kind == COUNT || (s->kind == RATE && s->interval_s > 0);
    sample_list_next_point(list);
    sample_list_add_sample(
        list, &(struct sample){.labels = s->labels,
                               .label_count = s->n,
                               .t_ms = (int64_t)llround(t * 1000),
                               .value = s->kind == RATE && additive ? value * s->interval_s : value,
                               .delta = additive,
                               .any_order = additive});
}

/* --- JSON --- */

static struct sv text_of(struct template_value of, const char *name)
{
    const struct template_value *v = template_get(of, sv_of(name));
    return v != NULL && v->kind == TEMPLATE_STRING ? v->as.text : (struct sv){0};
}

static bool as_number(const struct template_value *v, double *ret)
{
    if (v != NULL && v->kind == TEMPLATE_FLOAT)
        *ret = v->as.number;
    else if (v == NULL || v->kind != TEMPLATE_STRING || !go_parse_float(v->as.text, ret))
        return false;
    return isfinite(*ret);
}

static enum kind kind_of(struct template_value of)
{
    const struct template_value *v = template_get(of, SV("type"));
    double number;
    if (v != NULL && v->kind == TEMPLATE_STRING &&
        (sv_is(v->as.text, "count") || sv_is(v->as.text, "counter")))
        return COUNT;
    if (v != NULL && v->kind == TEMPLATE_STRING)
        return sv_is(v->as.text, "rate") ? RATE : GAUGE;
    return as_number(v, &number) ? kind_of_number(number) : GAUGE;
}

static bool read_tags(struct template_value of, struct series *s, struct sample_list *list)
{
    const struct template_value *tags = template_get(of, SV("tags")),
                                *resources = template_get(of, SV("resources"));
    struct sv host = text_of(of, "host"), device = text_of(of, "device");
    for (size_t i = 0; resources != NULL && resources->kind == TEMPLATE_LIST && i < resources->as.list->n;
         i++)
        if (sv_is(text_of(resources->as.list->items[i], "type"), "host"))
            host = text_of(resources->as.list->items[i], "name");
    if (host.n > 0)
        (void)put_label(s, SV("host"), host);
    if (device.n > 0)
        (void)put_label(s, SV("device"), device);
    for (size_t i = 0; tags != NULL && tags->kind == TEMPLATE_LIST && i < tags->as.list->n; i++) {
        struct template_value tag = tags->as.list->items[i];
        if (tag.kind != TEMPLATE_STRING)
            return false;
        if (!put_tag(s, tag.as.text, list))
            return false;
    }
    return true;
}

static bool read_point(struct template_value point, double *ret_t, double *ret_value)
{
    if (point.kind == TEMPLATE_LIST && point.as.list->n == 2)
        return as_number(&point.as.list->items[0], ret_t) && as_number(&point.as.list->items[1], ret_value) &&
               fabs(*ret_t) < 1e11;
    return as_number(template_get(point, SV("timestamp")), ret_t) && fabs(*ret_t) < 1e11 &&
           as_number(template_get(point, SV("value")), ret_value);
}

static void add_points(const struct template_value *points, const struct series *s, struct sample_list *list)
{
    for (size_t i = 0; i < points->as.list->n; i++) {
        double t, value;
        if (read_point(points->as.list->items[i], &t, &value))
            add_point(s, t, value, list);
        else
            sample_list_refuse(list, "metric %.*s: a point is [time, value] or {timestamp, value}",
                               SV_FMT(sv_head(s->name, 100)));
    }
}

static void read_series(struct template_value of, struct metadata *metadata, struct sample_list *list)
{
    struct series s = {.name = text_of(of, "metric"), .unit = text_of(of, "unit"), .kind = kind_of(of)};
    const struct template_value *points = template_get(of, SV("points"));
    if (s.name.n == 0 || points == NULL || points->kind != TEMPLATE_LIST) {
        sample_list_refuse(list, "a series has no metric or no points");
        return;
    }
    (void)as_number(template_get(of, SV("interval")), &s.interval_s);
    if (!read_tags(of, &s, list)) {
        sample_list_refuse(list, "metric %.*s: its tags are not right", SV_FMT(sv_head(s.name, 100)));
        return;
    }
    open_series(&s, metadata, list);
    add_points(points, &s, list);
}

int datadog_read(struct sv body, struct metadata *metadata, struct sample_list *list, struct err *err)
{
    struct template_value root;
    int rc = template_from_json(&list->arena, body, &root, err);
    const struct template_value *series = rc == 0 ? template_get(root, SV("series")) : NULL;
    if (rc == 0 && (series == NULL || series->kind != TEMPLATE_LIST))
        return err_set(err, TC_EINPUT, "{\"series\": [...]} is expected");
    for (size_t i = 0; rc == 0 && i < series->as.list->n; i++)
        read_series(series->as.list->items[i], metadata, list);
    return rc;
}

/* --- protobuf --- */

/* The fields of the messages of datadog.agentpayload. */
enum { PAYLOAD_SERIES = 1 };
enum {
    SERIES_RESOURCE = 1,
    SERIES_METRIC = 2,
    SERIES_TAG = 3,
    SERIES_POINT = 4,
    SERIES_TYPE = 5,
    SERIES_UNIT = 6
};
enum { SERIES_INTERVAL = 8 };
enum { RESOURCE_TYPE = 1, RESOURCE_NAME = 2 };
enum { POINT_VALUE = 1, POINT_TIMESTAMP = 2 };

static bool put_resource(struct series *s, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    struct sv type = SV(""), name = SV("");
    while (proto_next(&in, &f)) {
        if (f.number == RESOURCE_TYPE)
            type = f.bytes;
        else if (f.number == RESOURCE_NAME)
            name = f.bytes;
    }
    bool shown = name.n > 0 && (sv_is(type, "host") || sv_is(type, "device"));
    return !in.bad && (!shown || put_label(s, type, name));
}

/* All but points. False: the tags are not right; in->bad: it is no such message. */
static bool describe_series(struct proto *in, struct series *s, struct sample_list *list)
{
    struct proto_field f;
    bool fits = true;
    while (proto_next(in, &f))
        switch (f.number) {
        case SERIES_RESOURCE:
            fits = put_resource(s, f.bytes) && fits;
            break;
        case SERIES_METRIC:
            s->name = f.bytes;
            break;
        case SERIES_TAG:
            fits = put_tag(s, f.bytes, list) && fits;
            break;
        case SERIES_TYPE:
            s->kind = kind_of_number((double)f.value);
            break;
        case SERIES_UNIT:
            s->unit = f.bytes;
            break;
        case SERIES_INTERVAL:
            s->interval_s = (double)(int64_t)f.value;
            break;
        default:
            break;
        }
    return fits;
}

static bool take_point(struct sv bytes, const struct series *s, struct sample_list *list)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    double value = 0, t = 0;
    while (proto_next(&in, &f)) {
        if (f.number == POINT_VALUE && f.wire == PROTO_64)
            value = proto_double(&f);
        else if (f.number == POINT_TIMESTAMP)
            t = (double)(int64_t)f.value;
    }
    if (!in.bad && isfinite(value) && fabs(t) < 1e11)
        add_point(s, t, value, list);
    else if (!in.bad)
        sample_list_refuse(list, "metric %.*s: a point has no finite value, or no time in seconds",
                           SV_FMT(sv_head(s->name, 100)));
    return !in.bad;
}

/* False: it is no such message. */
static bool take_series(struct sv bytes, struct metadata *metadata, struct sample_list *list)
{
    struct series s = {0};
    struct proto in = proto_of(bytes);
    struct proto_field f;
    bool fits = describe_series(&in, &s, list);
    if (in.bad)
        return false;
    if (s.name.n == 0 || !fits) {
        sample_list_refuse(list, "metric %.*s: %s", SV_FMT(sv_head(s.name, 100)),
                           s.name.n == 0 ? "a series has no metric" : "its tags are not right");
        return true;
    }
    open_series(&s, metadata, list);
    bool good = true;
    for (in = proto_of(bytes); good && proto_next(&in, &f);)
        good = f.number != SERIES_POINT || take_point(f.bytes, &s, list);
    return good;
}

int datadog_read_protobuf(struct sv body, struct metadata *metadata, struct sample_list *list,
                          struct err *err)
{
    struct proto in = proto_of(body);
    struct proto_field f;
    bool good = true;
    while (good && proto_next(&in, &f))
        good = f.number != PAYLOAD_SERIES || take_series(f.bytes, metadata, list);
    return good && !in.bad ? 0 : err_set(err, TC_EINPUT, "this is no MetricPayload in protobuf");
}
