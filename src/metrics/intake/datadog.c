/*
 * Reading Datadog's series; see datadog.h. Version 1 writes points as [time, value] and types as words,
 * version 2 as objects and numbers: both are understood anywhere.
 */
#include "metrics/intake/datadog.h"

#include "base/go_text.h"
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
    return as_number(v, &number) && number == 1 ? COUNT : as_number(v, &number) && number == 2 ? RATE : GAUGE;
}

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
        bool pair = sv_find_char(tag.as.text, ':') < tag.as.text.n;
        struct sv value = tag.as.text, name = sv_cut(&value, ':');
        if (!put_label(s, sample_label_name(&list->arena, name), pair ? value : SV("true")))
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
        if (!read_point(points->as.list->items[i], &t, &value)) {
            sample_list_refuse(list, "metric %.*s: a point is [time, value] or {timestamp, value}",
                               SV_FMT(sv_head(s->name, 100)));
            continue;
        }
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
    s.labels[s.n++] = (struct label){METRIC_NAME, sample_name(&list->arena, s.name)};
    if (metadata != NULL)
        (void)metadata_put(metadata,
                           &(struct metadata_entry){.name = s.labels[s.n - 1].value,
                                                    .type = s.kind == GAUGE ? SV("gauge") : SV("counter"),
                                                    .unit = s.unit});
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
