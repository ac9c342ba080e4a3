/*
 * Reading OTLP's protobuf; see otlp.h.
 *
 *   resource (job, instance, target_info) -> scope -> metric (name, type) -> data points -> samples
 *
 * The wire format is read by remote/protobuf.h; field numbers are those of opentelemetry-proto 1.x.
 */
#include "metrics/otlp/otlp.h"

#include "base/go_text.h"
#include "metrics/grow.h"
#include "metrics/remote/protobuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTRIBUTES_MAX = TSDB_LABELS_MAX,
    BUCKETS_MAX = 10000,
    QUANTILES_MAX = 1000,
    NO_VALUE = 1, /* DataPointFlags */
    SCALE_MIN = HISTOGRAM_SCHEMA_MIN,
    SCALE_MAX = HISTOGRAM_SCHEMA_MAX,
};
#define ZERO_THRESHOLD 1e-128

enum temporality { UNSPECIFIED, DELTA, CUMULATIVE };

struct attribute {
    struct sv key, value; /* value as text */
};
struct attributes {
    struct attribute items[ATTRIBUTES_MAX];
    size_t n;
    bool too_many;
};

struct point {
    struct attributes attributes;
    int64_t start_ms, t_ms;
    uint64_t count, zero_count;
    double value, sum, zero_threshold;
    bool has_value, has_sum;
    uint64_t flags;
    int32_t scale;
    double *counts, *bounds; /* of histograms; of summaries: values and quantiles */
    size_t count_count, bound_count, count_capacity, bound_capacity;
    struct sv positive, negative; /* messages Buckets */
};

struct reading {
    struct sample_list *list;
    struct arena *arena; /* the list's */
    struct metadata *metadata;
    struct attributes resource;
    struct label common[2]; /* job, instance */
    size_t common_count;
    int64_t latest_ms; /* of the resource's data points */
    bool bad;
    struct point point; /* the one at hand */
    /* of the metric at hand */
    struct sv raw_name, name;
    enum temporality temporality;
    bool monotonic;
};

/* --- attributes --- */

static void read_attribute(struct reading *r, struct sv bytes, struct attributes *to)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    struct attribute a = {0};
    while (proto_next(&in, &f)) {
        if (f.number == 1)
            a.key = f.bytes;
        else if (f.number == 2)
            a.value = otlp_value_text(r->arena, f.bytes, &r->bad);
    }
    r->bad = r->bad || in.bad;
    to->too_many = to->too_many || to->n == ATTRIBUTES_MAX;
    if (!to->too_many)
        to->items[to->n++] = a;
}

static int by_key(const void *a, const void *b)
{
    return sv_cmp(((const struct attribute *)a)->key, ((const struct attribute *)b)->key);
}

/* Attributes whose names become one label are joined by ';', in the order of their names. */
static void add_attribute(struct reading *r, struct label *labels, size_t *n, const struct attribute *a)
{
    struct sv name = otlp_label_name(r->arena, a->key);
    if (name.n == 0)
        return;
    for (size_t i = 0; i < *n; i++)
        if (sv_eq(labels[i].name, name)) {
            labels[i].value = arena_printf(r->arena, "%.*s;%.*s", SV_FMT(labels[i].value), SV_FMT(a->value));
            return;
        }
    labels[(*n)++] = (struct label){name, a->value};
}

static void put_label(struct label *labels, size_t *n, struct sv name, struct sv value)
{
    for (size_t i = 0; i < *n; i++)
        if (sv_eq(labels[i].name, name)) {
            labels[i].value = value;
            return;
        }
    labels[(*n)++] = (struct label){name, value};
}

/* --- data points --- */

struct labels_made {
    struct label items[ATTRIBUTES_MAX + 8];
    size_t n; /* without what single samples add */
};

static bool make_labels(struct reading *r, struct point *p, struct labels_made *ret)
{
    if (p->attributes.too_many) {
        sample_list_refuse(r->list, "a data point of %.*s has more than %d attributes",
                           SV_FMT(sv_head(r->raw_name, 100)), ATTRIBUTES_MAX);
        return false;
    }
    ret->n = 0;
    qsort(p->attributes.items, p->attributes.n, sizeof p->attributes.items[0], by_key);
    for (size_t i = 0; i < p->attributes.n; i++)
        add_attribute(r, ret->items, &ret->n, &p->attributes.items[i]);
    for (size_t i = 0; i < r->common_count; i++)
        put_label(ret->items, &ret->n, r->common[i].name, r->common[i].value);
    return true;
}

static bool is_delta(const struct reading *r)
{
    return r->temporality == DELTA;
}

static void add(struct reading *r, const struct point *p, const struct labels_made *made, const char *suffix,
                struct sv extra_name, struct sv extra_value, double value, bool additive)
{
    struct labels_made own = *made;
    struct sv name = suffix[0] == '\0' ? r->name : arena_printf(r->arena, "%.*s%s", SV_FMT(r->name), suffix);
    put_label(own.items, &own.n, METRIC_NAME, name);
    if (extra_name.n > 0)
        put_label(own.items, &own.n, extra_name, extra_value);
    bool nothing = p->flags & NO_VALUE;
    sample_list_add_sample(r->list, &(struct sample){.labels = own.items,
                                                     .label_count = own.n,
                                                     .t_ms = p->t_ms,
                                                     .start_ms = additive && !is_delta(r) ? p->start_ms : 0,
                                                     .value = nothing ? stale_nan() : value,
                                                     .delta = additive && is_delta(r) && !nothing});
}

static void add_numbers(struct reading *r, const struct proto_field *f, bool as_double, bool varint,
                        double **to, size_t *n, size_t *capacity)
{
    struct proto in = f->wire == PROTO_BYTES ? proto_of(f->bytes) : (struct proto){0};
    bool once = f->wire != PROTO_BYTES;
    while (once || (in.p < in.end && !in.bad)) {
        uint64_t bits = f->value;
        if (!once && varint) {
            bits = proto_varint(&in);
        } else if (!once && in.end - in.p >= 8) {
            bits = load_u64(in.p);
            in.p += 8;
        } else if (!once) {
            in.bad = true;
        }
        if (*n == BUCKETS_MAX || in.bad) {
            r->bad = true;
            return;
        }
        double v;
        memcpy(&v, &bits, sizeof v);
        *to = grow(r->arena, *to, *n, capacity, sizeof **to);
        (*to)[(*n)++] = as_double ? v : (double)bits;
        once = false;
        if (f->wire != PROTO_BYTES)
            return;
    }
    r->bad = r->bad || in.bad;
}

static void add_quantile(struct reading *r, struct point *p, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    double quantile = 0, value = 0;
    while (proto_next(&in, &f)) {
        if (f.number == 1)
            quantile = proto_double(&f);
        else if (f.number == 2)
            value = proto_double(&f);
    }
    r->bad = r->bad || in.bad || p->count_count >= QUANTILES_MAX;
    if (r->bad)
        return;
    p->counts = grow(r->arena, p->counts, p->count_count, &p->count_capacity, sizeof *p->counts);
    p->bounds = grow(r->arena, p->bounds, p->bound_count, &p->bound_capacity, sizeof *p->bounds);
    p->counts[p->count_count++] = value;
    p->bounds[p->bound_count++] = quantile;
}

enum point_kind { NUMBER, HISTOGRAM, EXPONENTIAL, SUMMARY };

/* Times are the same for all; the rest is each kind's own. */
static void read_point_field(struct reading *r, enum point_kind kind, const struct proto_field *f,
                             struct point *p)
{
    static const uint32_t attributes[] = {[NUMBER] = 7, [HISTOGRAM] = 9, [EXPONENTIAL] = 1, [SUMMARY] = 7};
    static const uint32_t flags[] = {[NUMBER] = 8, [HISTOGRAM] = 10, [EXPONENTIAL] = 10, [SUMMARY] = 8};
    if (f->number == attributes[kind]) {
        read_attribute(r, f->bytes, &p->attributes);
    } else if (f->number == flags[kind]) {
        p->flags = f->value;
    } else if (f->number == 2) {
        p->start_ms = (int64_t)(f->value / 1000000);
    } else if (f->number == 3) {
        p->t_ms = (int64_t)(f->value / 1000000);
    } else if (kind == NUMBER && (f->number == 4 || f->number == 6)) {
        p->value = f->number == 4 ? proto_double(f) : (double)(int64_t)f->value;
        p->has_value = true;
    } else if (kind != NUMBER && f->number == 4) {
        p->count = f->value;
    } else if (kind != NUMBER && f->number == 5) {
        p->sum = proto_double(f);
        p->has_sum = true;
    } else if (kind == HISTOGRAM && f->number == 6) {
        add_numbers(r, f, false, false, &p->counts, &p->count_count, &p->count_capacity);
    } else if (kind == HISTOGRAM && f->number == 7) {
        add_numbers(r, f, true, false, &p->bounds, &p->bound_count, &p->bound_capacity);
    } else if (kind == SUMMARY && f->number == 6) {
        add_quantile(r, p, f->bytes);
    } else if (kind == EXPONENTIAL) {
        switch (f->number) {
        case 6:
            p->scale = (int32_t)proto_zigzag(f->value);
            break;
        case 7:
            p->zero_count = f->value;
            break;
        case 8:
            p->positive = f->bytes;
            break;
        case 9:
            p->negative = f->bytes;
            break;
        case 14:
            p->zero_threshold = proto_double(f);
            break;
        default:
            break;
        }
    }
}

static void keep_number(struct reading *r, struct point *p, const struct labels_made *made)
{
    if (!p->has_value && !(p->flags & NO_VALUE)) {
        sample_list_refuse(r->list, "a data point of %.*s has no value", SV_FMT(sv_head(r->raw_name, 100)));
        return;
    }
    add(r, p, made, "", (struct sv){0}, (struct sv){0}, p->value, r->temporality != UNSPECIFIED);
}

static struct sv float_text(struct arena *arena, double v)
{
    struct buf b;
    buf_init(&b, GO_FLOAT_MAX);
    go_float_f(&b, v);
    struct sv text = arena_sv(arena, buf_view(&b));
    buf_free(&b);
    return text;
}

static void keep_histogram(struct reading *r, struct point *p, const struct labels_made *made)
{
    double cumulative = 0;
    if (p->count_count > 0 && p->count_count != p->bound_count + 1) {
        sample_list_refuse(r->list, "a data point of %.*s has %zu buckets for %zu bounds",
                           SV_FMT(sv_head(r->raw_name, 100)), p->count_count, p->bound_count);
        return;
    }
    if (p->has_sum)
        add(r, p, made, "_sum", (struct sv){0}, (struct sv){0}, p->sum, true);
    add(r, p, made, "_count", (struct sv){0}, (struct sv){0}, (double)p->count, true);
    for (size_t i = 0; i < p->bound_count && i < p->count_count; i++) {
        if (isinf(p->bounds[i]))
            continue; /* it is the last bucket */
        cumulative += p->counts[i];
        add(r, p, made, "_bucket", SV("le"), float_text(r->arena, p->bounds[i]), cumulative, true);
    }
    add(r, p, made, "_bucket", SV("le"), SV("+Inf"), (double)p->count, true);
}

static void keep_summary(struct reading *r, struct point *p, const struct labels_made *made)
{
    add(r, p, made, "_sum", (struct sv){0}, (struct sv){0}, p->sum, true);
    add(r, p, made, "_count", (struct sv){0}, (struct sv){0}, (double)p->count, true);
    for (size_t i = 0; i < p->count_count; i++)
        add(r, p, made, "", SV("quantile"), float_text(r->arena, p->bounds[i]), p->counts[i], false);
}

/* OTLP's bucket i is (base^i, base^(i+1)]; here a bucket has the number of its upper bound. Buckets of a
 * finer scale than the store knows are merged, 2^shift into one. */
static bool make_side(struct reading *r, struct sv bytes, unsigned shift, struct histogram_side *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    double *counts = NULL;
    size_t n = 0, capacity = 0;
    int64_t offset = 0;
    while (proto_next(&in, &f)) {
        if (f.number == 1)
            offset = proto_zigzag(f.value);
        else if (f.number == 2)
            add_numbers(r, &f, false, true, &counts, &n, &capacity);
    }
    r->bad = r->bad || in.bad;
    if (offset > INT32_MAX || offset < INT32_MIN)
        return false; /* it is a sint32 */
    ret->index = ARENA_ARRAY(r->arena, int32_t, n + 1);
    ret->count = ARENA_ARRAY(r->arena, double, n + 1);
    for (size_t i = 0; i < n && !r->bad; i++) {
        int64_t index = ((offset + (int64_t)i) >> shift) + 1;
        if (counts[i] <= 0)
            continue;
        if (index > INT32_MAX || index < INT32_MIN)
            return false;
        if (ret->n > 0 && ret->index[ret->n - 1] == index) {
            ret->count[ret->n - 1] += counts[i];
            continue;
        }
        ret->index[ret->n] = (int32_t)index;
        ret->count[ret->n++] = counts[i];
    }
    return true;
}

static void keep_exponential(struct reading *r, struct point *p, const struct labels_made *made)
{
    struct labels_made own = *made;
    struct histogram *h = ARENA_NEW(r->arena, struct histogram);
    unsigned shift = p->scale > SCALE_MAX ? (unsigned)TC_MIN(p->scale - SCALE_MAX, 62) : 0;
    if (p->scale < SCALE_MIN) {
        sample_list_refuse(
            r->list,
            "cannot convert exponential to native histogram: scale must be >= %d, was %d (metric %.*s)",
            SCALE_MIN, p->scale, SV_FMT(sv_head(r->raw_name, 100)));
        return;
    }
    *h = (struct histogram){.hint = HINT_UNKNOWN,
                            .schema = TC_MIN(p->scale, (int32_t)SCALE_MAX),
                            .zero_threshold = p->zero_threshold > 0 ? p->zero_threshold : ZERO_THRESHOLD,
                            .zero_count = (double)p->zero_count,
                            .count = (double)p->count,
                            .sum = p->flags & NO_VALUE ? stale_nan() : p->sum};
    if (!(p->flags & NO_VALUE) && (!make_side(r, p->positive, shift, &h->positive) ||
                                   !make_side(r, p->negative, shift, &h->negative))) {
        sample_list_refuse(r->list, "a data point of %.*s has a bucket out of range",
                           SV_FMT(sv_head(r->raw_name, 100)));
        return;
    }
    put_label(own.items, &own.n, METRIC_NAME, r->name);
    sample_list_add_sample(r->list, &(struct sample){.labels = own.items,
                                                     .label_count = own.n,
                                                     .t_ms = p->t_ms,
                                                     .start_ms = is_delta(r) ? 0 : p->start_ms,
                                                     .histogram = h,
                                                     .delta = is_delta(r) && !(p->flags & NO_VALUE)});
}

static void read_point(struct reading *r, enum point_kind kind, struct sv bytes)
{
    static void (*const keep[])(struct reading *, struct point *, const struct labels_made *) = {
        [NUMBER] = keep_number,
        [HISTOGRAM] = keep_histogram,
        [EXPONENTIAL] = keep_exponential,
        [SUMMARY] = keep_summary,
    };
    struct point *p = &r->point;
    struct proto in = proto_of(bytes);
    struct proto_field f;
    struct labels_made made;
    *p = (struct point){0};
    sample_list_next_point(r->list);
    while (proto_next(&in, &f))
        read_point_field(r, kind, &f, p);
    r->bad = r->bad || in.bad;
    r->latest_ms = TC_MAX(r->latest_ms, p->t_ms);
    if (!r->bad && make_labels(r, p, &made))
        keep[kind](r, p, &made);
}

/* --- metrics --- */

static const struct metric_kind {
    uint32_t number; /* of Metric's oneof */
    enum point_kind point;
    bool additive; /* has a temporality */
    const char *type;
} metric_kinds[] = {{5, NUMBER, false, "gauge"},
                    {7, NUMBER, true, "counter"},
                    {9, HISTOGRAM, true, "histogram"},
                    {10, EXPONENTIAL, true, "histogram"},
                    {11, SUMMARY, false, "summary"}};

static void describe(struct reading *r, const struct metric_kind *kind, struct sv help, struct sv unit)
{
    const char *type = kind->number == 7 && !r->monotonic ? "gauge" : kind->type;
    if (r->metadata != NULL && r->name.n > 0)
        (void)metadata_put(r->metadata,
                           &(struct metadata_entry){r->name, sv_of(type), help, otlp_unit(unit)});
}

static size_t count_points(struct sv data)
{
    struct proto in = proto_of(data);
    struct proto_field f;
    size_t n = 0;
    while (proto_next(&in, &f))
        n += f.number == 1;
    return n;
}

static void refuse_metric(struct reading *r, struct sv data, const char *why)
{
    for (size_t n = count_points(data); n > 0; n--)
        sample_list_refuse(r->list, "%s \"%.*s\"", why, SV_FMT(sv_head(r->raw_name, 100)));
}

static void read_data(struct reading *r, const struct metric_kind *kind, struct sv data, struct sv help,
                      struct sv unit)
{
    struct proto in = proto_of(data);
    struct proto_field f;
    uint64_t temporality = 0;
    r->monotonic = false;
    while (proto_next(&in, &f)) {
        if (f.number == 2)
            temporality = f.value;
        else if (f.number == 3)
            r->monotonic = f.value != 0;
    }
    r->bad = r->bad || in.bad;
    if (r->bad)
        return;
    r->temporality =
        kind->additive ? (enum temporality)TC_MIN(temporality, (uint64_t)CUMULATIVE + 1) : UNSPECIFIED;
    bool counter = kind->number == 7 && r->monotonic;
    r->name = otlp_metric_name(r->arena, r->raw_name, unit,
                               counter             ? OTLP_COUNTER
                               : kind->number == 5 ? OTLP_GAUGE
                                                   : OTLP_OTHER);
    if (r->name.n == 0) {
        refuse_metric(r, data, "nothing is left of the name of metric");
        return;
    }
    if (kind->additive && r->temporality != DELTA && r->temporality != CUMULATIVE) {
        refuse_metric(r, data, "invalid temporality and type combination for metric");
        return;
    }
    describe(r, kind, help, unit);
    in = proto_of(data);
    while (!r->bad && proto_next(&in, &f))
        if (f.number == 1)
            read_point(r, kind->point, f.bytes);
}

static void read_metric(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    struct sv help = {0}, unit = {0}, data = {0};
    const struct metric_kind *kind = NULL;
    r->raw_name = (struct sv){0};
    while (proto_next(&in, &f)) {
        if (f.number == 1)
            r->raw_name = f.bytes;
        else if (f.number == 2)
            help = f.bytes;
        else if (f.number == 3)
            unit = f.bytes;
        for (size_t i = 0; i < TC_ARRAY_LEN(metric_kinds); i++)
            if (metric_kinds[i].number == f.number) {
                kind = &metric_kinds[i];
                data = f.bytes;
            }
    }
    r->bad = r->bad || in.bad;
    if (!r->bad && kind != NULL)
        read_data(r, kind, data, help, unit);
}

static void read_scope(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (!r->bad && proto_next(&in, &f))
        if (f.number == 2)
            read_metric(r, f.bytes);
    r->bad = r->bad || in.bad;
}

/* --- resources --- */

static struct sv resource_value(const struct reading *r, const char *key)
{
    for (size_t i = 0; i < r->resource.n; i++)
        if (sv_is(r->resource.items[i].key, key))
            return r->resource.items[i].value;
    return (struct sv){0};
}

static void read_resource(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f))
        if (f.number == 1)
            read_attribute(r, f.bytes, &r->resource);
    r->bad = r->bad || in.bad;
}

/* job and instance, once all of the resource is read (a message may come in several parts). */
static void identify(struct reading *r)
{
    struct sv service = resource_value(r, "service.name"), space = resource_value(r, "service.namespace"),
              instance = resource_value(r, "service.instance.id");
    if (service.n > 0)
        r->common[r->common_count++] = (struct label){
            SV("job"),
            space.n == 0 ? service : arena_printf(r->arena, "%.*s/%.*s", SV_FMT(space), SV_FMT(service))};
    if (instance.n > 0)
        r->common[r->common_count++] = (struct label){SV("instance"), instance};
}

static bool identifies(struct sv key)
{
    return sv_is(key, "service.name") || sv_is(key, "service.namespace") || sv_is(key, "service.instance.id");
}

/* target_info bears what else is known of the resource, for joins by job and instance. */
static void add_target_info(struct reading *r)
{
    struct labels_made made = {.n = 0};
    if (r->common_count == 0 || r->latest_ms == 0)
        return;
    qsort(r->resource.items, r->resource.n, sizeof r->resource.items[0], by_key);
    for (size_t i = 0; i < r->resource.n; i++)
        if (!identifies(r->resource.items[i].key))
            add_attribute(r, made.items, &made.n, &r->resource.items[i]);
    if (made.n == 0)
        return;
    for (size_t i = 0; i < r->common_count; i++)
        put_label(made.items, &made.n, r->common[i].name, r->common[i].value);
    put_label(made.items, &made.n, METRIC_NAME, SV("target_info"));
    sample_list_next_point(r->list);
    sample_list_add(r->list, made.items, made.n, r->latest_ms, 1);
}

static void read_resource_metrics(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    r->resource.n = r->common_count = 0;
    r->resource.too_many = false;
    r->latest_ms = 0;
    while (!r->bad && proto_next(&in, &f))
        if (f.number == 1)
            read_resource(r, f.bytes);
    identify(r);
    in = proto_of(bytes); /* scopes may stand before the resource */
    while (!r->bad && proto_next(&in, &f))
        if (f.number == 2)
            read_scope(r, f.bytes);
    r->bad = r->bad || in.bad;
    if (!r->bad)
        add_target_info(r);
}

int otlp_read(struct sv message, struct metadata *metadata, struct sample_list *list, struct err *err)
{
    struct reading *r = tc_alloc(sizeof *r);
    struct proto in = proto_of(message);
    struct proto_field f;
    r->list = list;
    r->arena = &list->arena;
    r->metadata = metadata;
    while (!r->bad && proto_next(&in, &f))
        if (f.number == 1) {
            r->bad = f.wire != PROTO_BYTES;
            if (!r->bad)
                read_resource_metrics(r, f.bytes);
        }
    bool bad = r->bad || in.bad;
    free(r);
    return bad ? err_set(err, TC_EINPUT, "the body is no ExportMetricsServiceRequest of OTLP") : 0;
}
