/*
 * CloudWatch's metrics; see cloudwatch.h.
 */
#include "metrics/aws/cloudwatch.h"

#include "base/clk.h"
#include "base/go_text.h"
#include "event/json.h"
#include "metrics/otlp/otlp.h"
#include "metrics/remote/protobuf.h"

#include <math.h>
#include <string.h>

enum { DIMENSIONS_MAX = 30, VALUES_MAX = 1000 };

struct statistics {
    bool is_set; /* else `sum` is one value */
    double sum, count, min, max;
};

struct datum {
    struct sv name, namespace, unit;
    struct label labels[DIMENSIONS_MAX + 4];
    size_t n; /* of labels; the name is not among them */
    int64_t t_ms;
    struct statistics value;
};

static void add(struct sample_list *list, struct datum *d, struct sv name, double value, bool additive)
{
    struct label labels[DIMENSIONS_MAX + 5];
    memcpy(labels, d->labels, d->n * sizeof *labels);
    labels[d->n] = (struct label){METRIC_NAME, name};
    sample_list_add_sample(list, &(struct sample){.labels = labels,
                                                  .label_count = d->n + 1,
                                                  .t_ms = d->t_ms,
                                                  .value = value,
                                                  .delta = additive,
                                                  .any_order = additive});
}

static void add_part(struct sample_list *list, struct datum *d, struct sv name, const char *suffix,
                     double value, bool additive)
{
    add(list, d, arena_printf(&list->arena, "%.*s_%s", SV_FMT(name), suffix), value, additive);
}

static void add_datum(struct sample_list *list, struct datum *d, struct metadata *metadata)
{
    struct sv name = sample_name(&list->arena, d->name);
    bool counter = sv_ends(name, SV("_total")) || sv_ends(name, SV("_count"));
    const struct statistics *v = &d->value;
    sample_list_next_point(list);
    if (d->namespace.n > 0)
        d->labels[d->n++] = (struct label){SV("namespace"), d->namespace};
    if (metadata != NULL)
        (void)metadata_put(metadata, &(struct metadata_entry){.name = name,
                                                              .type = v->is_set ? SV("summary")
                                                                      : counter ? SV("counter")
                                                                                : SV("gauge"),
                                                              .unit = d->unit});
    if (!v->is_set) {
        add(list, d, name, v->sum, counter);
        return;
    }
    add_part(list, d, name, "sum", v->sum, true);
    add_part(list, d, name, "count", v->count, true);
    add_part(list, d, name, "min", v->min, false);
    add_part(list, d, name, "max", v->max, false);
}

/* --- values --- */

static struct sv text_of(struct template_value of, const char *name)
{
    const struct template_value *v = template_get(of, sv_of(name));
    return v != NULL && v->kind == TEMPLATE_STRING ? v->as.text : (struct sv){0};
}

static bool as_number(const struct template_value *v, double *ret)
{
    if (v == NULL)
        return false;
    if (v->kind == TEMPLATE_INT)
        *ret = (double)v->as.integer;
    else if (v->kind == TEMPLATE_FLOAT)
        *ret = v->as.number;
    else if (v->kind != TEMPLATE_STRING || !go_parse_float(v->as.text, ret))
        return false;
    return isfinite(*ret);
}

static bool number_of(struct template_value of, const char *name, double *ret)
{
    return as_number(template_get(of, sv_of(name)), ret);
}

static bool add_dimension(struct sample_list *list, struct datum *d, struct sv name, struct sv value)
{
    name = sample_label_name(&list->arena, name);
    if (name.n == 0 || sv_starts(name, SV("__")) || d->n == DIMENSIONS_MAX)
        return false;
    for (size_t i = 0; i < d->n; i++)
        if (sv_eq(d->labels[i].name, name))
            return false;
    d->labels[d->n++] = (struct label){name, value};
    return true;
}

/* --- PutMetricData --- */

static bool read_dimensions(struct sample_list *list, struct template_value datum, struct datum *d)
{
    const struct template_value *dimensions = template_get(datum, SV("Dimensions"));
    if (dimensions == NULL || dimensions->kind == TEMPLATE_NONE)
        return true;
    if (dimensions->kind != TEMPLATE_LIST)
        return false;
    for (size_t i = 0; i < dimensions->as.list->n; i++) {
        struct template_value dimension = dimensions->as.list->items[i];
        if (!add_dimension(list, d, text_of(dimension, "Name"), text_of(dimension, "Value")))
            return false;
    }
    return true;
}

static bool read_arrays(const struct template_value *values, const struct template_value *counts,
                        struct statistics *ret)
{
    *ret = (struct statistics){.is_set = true, .min = INFINITY, .max = -INFINITY};
    if (values->kind != TEMPLATE_LIST || values->as.list->n == 0 || values->as.list->n > VALUES_MAX ||
        (counts != NULL && (counts->kind != TEMPLATE_LIST || counts->as.list->n != values->as.list->n)))
        return false;
    for (size_t i = 0; i < values->as.list->n; i++) {
        double value, count = 1;
        if (!as_number(&values->as.list->items[i], &value) ||
            (counts != NULL && (!as_number(&counts->as.list->items[i], &count) || count < 0)))
            return false;
        ret->sum += value * count;
        ret->count += count;
        ret->min = fmin(ret->min, value);
        ret->max = fmax(ret->max, value);
    }
    return true;
}

static bool read_value(struct template_value datum, struct statistics *ret)
{
    const struct template_value *values = template_get(datum, SV("Values")),
                                *set = template_get(datum, SV("StatisticValues"));
    if (set != NULL && set->kind == TEMPLATE_MAP) {
        ret->is_set = true;
        return number_of(*set, "Sum", &ret->sum) && number_of(*set, "SampleCount", &ret->count) &&
               number_of(*set, "Minimum", &ret->min) && number_of(*set, "Maximum", &ret->max);
    }
    if (values != NULL && values->kind != TEMPLATE_NONE)
        return read_arrays(values, template_get(datum, SV("Counts")), ret);
    return number_of(datum, "Value", &ret->sum);
}

/* Seconds, or RFC 3339; now where there is none. */
static bool read_time(struct template_value datum, int64_t now_ms, int64_t *ret_ms)
{
    const struct template_value *v = template_get(datum, SV("Timestamp"));
    double seconds;
    int64_t ns;
    *ret_ms = now_ms;
    if (v == NULL || v->kind == TEMPLATE_NONE)
        return true;
    if (v->kind == TEMPLATE_STRING && clk_parse_rfc3339(v->as.text, 0, &ns)) {
        *ret_ms = ns / 1000000;
        return true;
    }
    if (!as_number(v, &seconds) || fabs(seconds) > 1e11)
        return false;
    *ret_ms = (int64_t)llround(seconds * 1000);
    return true;
}

static void read_datum(struct template_value datum, struct sv namespace, int64_t now_ms,
                       struct metadata *metadata, struct sample_list *list)
{
    struct datum d = {
        .name = text_of(datum, "MetricName"), .namespace = namespace, .unit = text_of(datum, "Unit")};
    if (d.name.n == 0)
        sample_list_refuse(list, "a member of MetricData has no MetricName");
    else if (!read_dimensions(list, datum, &d))
        sample_list_refuse(list, "metric %.*s: its Dimensions are not right", SV_FMT(sv_head(d.name, 100)));
    else if (!read_value(datum, &d.value))
        sample_list_refuse(list, "metric %.*s: a Value, StatisticValues, or Values with Counts is expected",
                           SV_FMT(sv_head(d.name, 100)));
    else if (!read_time(datum, now_ms, &d.t_ms))
        sample_list_refuse(list, "metric %.*s: its Timestamp is no time", SV_FMT(sv_head(d.name, 100)));
    else
        add_datum(list, &d, metadata);
}

static void read_members(struct template_value of, struct sv namespace, int64_t now_ms,
                         struct metadata *metadata, struct sample_list *list)
{
    const struct template_value *data = template_get(of, SV("MetricData"));
    for (size_t i = 0; data != NULL && data->kind == TEMPLATE_LIST && i < data->as.list->n; i++)
        read_datum(data->as.list->items[i], namespace, now_ms, metadata, list);
}

int cloudwatch_put_metric_data(struct template_value input, int64_t now_ms, struct metadata *metadata,
                               struct sample_list *list, struct err *err)
{
    struct sv namespace = text_of(input, "Namespace");
    const struct template_value *entities = template_get(input, SV("EntityMetricData"));
    if (input.kind != TEMPLATE_MAP || namespace.n == 0)
        return err_set(err, TC_EINPUT, "the parameter Namespace is required");
    read_members(input, namespace, now_ms, metadata, list);
    for (size_t i = 0; entities != NULL && entities->kind == TEMPLATE_LIST && i < entities->as.list->n; i++)
        read_members(entities->as.list->items[i], namespace, now_ms, metadata, list);
    return 0;
}

/* --- metric streams --- */

static bool read_record(struct template_value record, struct metadata *metadata, struct sample_list *list)
{
    struct datum d = {.name = text_of(record, "metric_name"),
                      .namespace = text_of(record, "namespace"),
                      .unit = text_of(record, "unit"),
                      .value = {.is_set = true}};
    const struct template_value *dimensions = template_get(record, SV("dimensions")),
                                *value = template_get(record, SV("value"));
    const struct {
        const char *from;
        struct sv label;
    } common[] = {{"account_id", SV("account_id")}, {"region", SV("region")}};
    double t;
    if (d.name.n == 0 || value == NULL || !number_of(*value, "sum", &d.value.sum) ||
        !number_of(*value, "count", &d.value.count) || !number_of(*value, "min", &d.value.min) ||
        !number_of(*value, "max", &d.value.max) || !number_of(record, "timestamp", &t) || fabs(t) > 1e14)
        return false;
    d.t_ms = (int64_t)t;
    for (size_t i = 0; dimensions != NULL && dimensions->kind == TEMPLATE_MAP && i < dimensions->as.pairs->n;
         i++) {
        const struct template_pair *pair = &dimensions->as.pairs->items[i];
        if (pair->value->kind != TEMPLATE_STRING ||
            !add_dimension(list, &d, pair->name, pair->value->as.text))
            return false;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(common); i++)
        d.labels[d.n++] = (struct label){common[i].label, text_of(record, common[i].from)};
    add_datum(list, &d, metadata);
    return true;
}

void cloudwatch_stream_json(struct sv text, struct metadata *metadata, struct sample_list *list)
{
    while (sv_trim(text).n > 0) {
        size_t n = json_value_length(text);
        struct template_value record;
        struct err err = {0};
        if (n == 0)
            n = text.n;
        if (template_from_json(&list->arena, sv_head(text, n), &record, &err) != 0) {
            sample_list_refuse(list, "a record of the metric stream is %s", err.text);
            return; /* where the next one begins is not known */
        }
        if (!read_record(record, metadata, list))
            sample_list_refuse(list, "a record of the metric stream lacks its name, time or value");
        text = sv_from(text, n);
    }
}

void cloudwatch_stream_otlp(struct sv bytes, struct metadata *metadata, struct sample_list *list)
{
    struct proto in = proto_of(bytes);
    while (in.p < in.end && !in.bad) {
        struct err err = {0};
        uint64_t n = proto_varint(&in);
        if (in.bad || n > (size_t)(in.end - in.p)) {
            sample_list_refuse(list, "a message of the metric stream is cut");
            return;
        }
        if (otlp_read(sv_make((const char *)in.p, n), metadata, list, &err) != 0)
            sample_list_refuse(list, "%s", err.text);
        in.p += n;
    }
}
