/*
 * Families of metrics in protobuf; see protobuf.h. A family may say what it is behind its metrics, so each is
 * walked twice.
 */
#include "metrics/exposition/protobuf.h"

#include "base/go_text.h"
#include "base/utf8.h"
#include "metrics/remote/histogram_wire.h"

#include <math.h>
#include <stdlib.h>

enum { KEY_MAX_BYTES = 1 << 20, BOUND_TEXT_MAX = 64 };

/* The numbers of the fields. */
enum { FAMILY_NAME = 1, FAMILY_HELP = 2, FAMILY_TYPE = 3, FAMILY_METRIC = 4, FAMILY_UNIT = 5 };
enum { METRIC_LABEL = 1, METRIC_GAUGE_VALUE = 2, METRIC_COUNTER_VALUE = 3, METRIC_SUMMARY_VALUE = 4 };
enum { METRIC_UNTYPED_VALUE = 5, METRIC_TIMESTAMP = 6, METRIC_HISTOGRAM_VALUE = 7 };
enum { PAIR_NAME = 1, PAIR_VALUE = 2 };
enum { VALUE_VALUE = 1, COUNTER_EXEMPLAR = 2 };
enum { SUMMARY_COUNT = 1, SUMMARY_SUM = 2, SUMMARY_QUANTILE = 3 };
enum { EXEMPLAR_LABEL = 1, EXEMPLAR_VALUE = 2, EXEMPLAR_TIMESTAMP = 3 };
enum { BUCKET_COUNT = 1, BUCKET_BOUND = 2, BUCKET_EXEMPLAR = 3, BUCKET_COUNT_FLOAT = 4 };
enum { HISTOGRAM_COUNT = 1, HISTOGRAM_SUM = 2, HISTOGRAM_BUCKET = 3, HISTOGRAM_COUNT_FLOAT = 4 };
enum { HISTOGRAM_SCHEMA = 5, HISTOGRAM_ZERO_THRESHOLD = 6, HISTOGRAM_ZERO = 7, HISTOGRAM_ZERO_FLOAT = 8 };
enum { NEGATIVE_SPAN = 9, NEGATIVE_DELTA = 10, NEGATIVE_COUNT = 11 };
enum { POSITIVE_SPAN = 12, POSITIVE_DELTA = 13, POSITIVE_COUNT = 14 };

/* Types by their numbers. */
static const enum metric_type types[] = {METRIC_COUNTER, METRIC_GAUGE,     METRIC_SUMMARY,
                                         METRIC_UNKNOWN, METRIC_HISTOGRAM, METRIC_GAUGE_HISTOGRAM};

struct family {
    struct sv name, help, unit;
    enum metric_type type;
};

struct reading {
    const struct exposition_histograms *wanted;
    const struct exposition_handler *handler;
    struct family family;
    struct arena arena; /* of one metric */
    struct buf key;
    /* of the metric at hand; the first label is the name, the last may be the sample's own */
    struct label labels[EXPOSITION_LABELS_MAX + 1];
    size_t label_count;
    bool has_t;
    int64_t t_ms;
    struct exposition_exemplar exemplar; /* of the sample at hand: the last one that it has */
    struct label exemplar_labels[EXPOSITION_LABELS_MAX];
    struct err *err;
    int rc;
};

static bool fail(struct reading *r, const char *problem)
{
    if (r->rc == 0)
        r->rc = err_set(r->err, TC_EINPUT, "metric family \"%.*s\": %s", SV_FMT(sv_head(r->family.name, 200)),
                        problem);
    return false;
}

static bool finish(struct reading *r, const struct proto *in)
{
    return in->bad ? fail(r, "this is no protobuf of Prometheus") : r->rc == 0;
}

/* --- samples --- */

static struct sv with_ending(struct reading *r, const char *ending)
{
    return ending[0] == '\0' ? r->family.name
                             : arena_printf(&r->arena, "%.*s%s", SV_FMT(r->family.name), ending);
}

/* Tells of a sample whose name has that ending, with one more label or (a name of NULL) none. */
static bool emit(struct reading *r, const char *ending, const char *own, struct sv own_value,
                 struct exposition_sample sample)
{
    size_t n = r->label_count;
    r->labels[0] = (struct label){METRIC_NAME, with_ending(r, ending)};
    if (own != NULL)
        r->labels[n++] = (struct label){sv_of(own), own_value};
    buf_clear(&r->key);
    for (size_t i = 0; i < n; i++) {
        buf_string(&r->key, r->labels[i].name);
        buf_string(&r->key, r->labels[i].value);
    }
    if (r->key.overflow)
        return fail(r, "labels are too long");
    sample.series = buf_view(&r->key);
    sample.labels = r->labels;
    sample.count = n;
    sample.has_t = r->has_t;
    sample.t_ms = r->t_ms;
    sample.t_s = (double)r->t_ms / 1000;
    r->rc = r->handler->sample(r->handler->context, &sample, r->err);
    return r->rc == 0;
}

static bool emit_value(struct reading *r, const char *ending, double value)
{
    return emit(r, ending, NULL, SV(""), (struct exposition_sample){.value = value});
}

/* A bound or quantile as OpenMetrics writes it: "1.0", "+Inf". */
static struct sv bound_text(struct reading *r, double bound)
{
    struct buf text;
    buf_init(&text, BOUND_TEXT_MAX);
    go_float_openmetrics(&text, bound);
    struct sv copy = arena_sv(&r->arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

/* --- labels and exemplars --- */

static bool read_pair(struct sv bytes, struct label *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f))
        if (f.number == PAIR_NAME)
            ret->name = f.bytes;
        else if (f.number == PAIR_VALUE)
            ret->value = f.bytes;
    return !in.bad;
}

static bool read_timestamp(struct sv bytes, double *ret_s)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    int64_t seconds = 0, nanoseconds = 0;
    while (proto_next(&in, &f))
        *(f.number == 1 ? &seconds : &nanoseconds) = (int64_t)f.value;
    *ret_s = (double)seconds + (double)nanoseconds / 1e9;
    return !in.bad;
}

/* NULL where it is no exemplar. */
static const struct exposition_exemplar *read_exemplar(struct reading *r, struct sv bytes)
{
    struct exposition_exemplar *e = &r->exemplar;
    struct proto in = proto_of(bytes);
    struct proto_field f;
    bool good = true;
    *e = (struct exposition_exemplar){.labels = r->exemplar_labels};
    while (good && proto_next(&in, &f)) {
        if (f.number == EXEMPLAR_LABEL) {
            struct label label = {0};
            good = e->count < EXPOSITION_LABELS_MAX && read_pair(f.bytes, &label);
            if (good)
                r->exemplar_labels[e->count++] = label;
        } else if (f.number == EXEMPLAR_VALUE) {
            e->value = proto_double(&f);
        } else if (f.number == EXEMPLAR_TIMESTAMP) {
            good = e->has_t = read_timestamp(f.bytes, &e->t_s);
        }
    }
    return good && !in.bad ? e : NULL;
}

/* --- counters, gauges, summaries --- */

static bool read_value(struct reading *r, struct sv bytes, bool counter)
{
    struct exposition_sample sample = {0};
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f))
        if (f.number == VALUE_VALUE)
            sample.value = proto_double(&f);
        else if (f.number == COUNTER_EXEMPLAR && counter)
            sample.exemplar = read_exemplar(r, f.bytes);
    return finish(r, &in) && emit(r, "", NULL, SV(""), sample);
}

static bool read_quantile(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    double quantile = 0, value = 0;
    while (proto_next(&in, &f))
        *(f.number == 1 ? &quantile : &value) = proto_double(&f);
    return finish(r, &in) &&
           emit(r, "", "quantile", bound_text(r, quantile), (struct exposition_sample){.value = value});
}

static bool read_summary(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    double count = 0, sum = 0;
    while (proto_next(&in, &f))
        if (f.number == SUMMARY_COUNT)
            count = (double)f.value;
        else if (f.number == SUMMARY_SUM)
            sum = proto_double(&f);
    if (!finish(r, &in) || !emit_value(r, "_count", count) || !emit_value(r, "_sum", sum))
        return false;
    for (in = proto_of(bytes); proto_next(&in, &f);)
        if (f.number == SUMMARY_QUANTILE && !read_quantile(r, f.bytes))
            return false;
    return true;
}

/* --- histograms --- */

struct parts {
    struct wire_spans negative_spans, positive_spans;
    struct wire_numbers negative_deltas, negative_counts, positive_deltas, positive_counts;
    size_t buckets;
    bool schema_given;
};

static bool read_parts(struct reading *r, struct sv bytes, struct histogram *h, struct parts *parts)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    bool good = true;
    while (good && proto_next(&in, &f))
        switch (f.number) {
        case HISTOGRAM_COUNT:
            h->count = h->count > 0 ? h->count : (double)f.value;
            break;
        case HISTOGRAM_COUNT_FLOAT:
            h->count = proto_double(&f) > 0 ? proto_double(&f) : h->count;
            break;
        case HISTOGRAM_SUM:
            h->sum = proto_double(&f);
            break;
        case HISTOGRAM_BUCKET:
            parts->buckets++;
            break;
        case HISTOGRAM_SCHEMA:
            h->schema = (int32_t)proto_zigzag(f.value);
            parts->schema_given = true;
            break;
        case HISTOGRAM_ZERO_THRESHOLD:
            h->zero_threshold = proto_double(&f);
            break;
        case HISTOGRAM_ZERO:
            h->zero_count = h->zero_count > 0 ? h->zero_count : (double)f.value;
            break;
        case HISTOGRAM_ZERO_FLOAT:
            h->zero_count = proto_double(&f) > 0 ? proto_double(&f) : h->zero_count;
            break;
        case NEGATIVE_SPAN:
            good = wire_span(f.bytes, &parts->negative_spans);
            break;
        case NEGATIVE_DELTA:
            good = wire_numbers(&f, true, &parts->negative_deltas);
            break;
        case NEGATIVE_COUNT:
            good = wire_numbers(&f, false, &parts->negative_counts);
            break;
        case POSITIVE_SPAN:
            good = wire_span(f.bytes, &parts->positive_spans);
            break;
        case POSITIVE_DELTA:
            good = wire_numbers(&f, true, &parts->positive_deltas);
            break;
        case POSITIVE_COUNT:
            good = wire_numbers(&f, false, &parts->positive_counts);
            break;
        default:
            break;
        }
    return good ? finish(r, &in) : fail(r, "a native histogram is not right");
}

/* A histogram without buckets is native where a threshold or an empty span says so. */
static bool is_native(const struct histogram *h, const struct parts *parts)
{
    return parts->positive_spans.n > 0 || parts->negative_spans.n > 0 || h->zero_threshold > 0 ||
           h->zero_count > 0;
}

static bool emit_native(struct reading *r, struct histogram *h, const struct parts *parts)
{
    bool good = h->schema >= HISTOGRAM_SCHEMA_MIN && h->schema <= HISTOGRAM_SCHEMA_MAX &&
                h->zero_threshold >= 0 &&
                wire_side(&r->arena, &parts->positive_spans, &parts->positive_deltas, &parts->positive_counts,
                          &h->positive) &&
                wire_side(&r->arena, &parts->negative_spans, &parts->negative_deltas, &parts->negative_counts,
                          &h->negative);
    if (r->family.type == METRIC_GAUGE_HISTOGRAM)
        h->hint = HINT_GAUGE;
    return good ? emit(r, "", NULL, SV(""), (struct exposition_sample){.histogram = h})
                : fail(r, "a native histogram is not right");
}

static bool read_bucket(struct reading *r, struct sv bytes, double *ret_bound)
{
    struct exposition_sample sample = {0};
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f))
        if (f.number == BUCKET_BOUND)
            *ret_bound = proto_double(&f);
        else if (f.number == BUCKET_COUNT)
            sample.value = sample.value > 0 ? sample.value : (double)f.value;
        else if (f.number == BUCKET_COUNT_FLOAT)
            sample.value = proto_double(&f) > 0 ? proto_double(&f) : sample.value;
        else if (f.number == BUCKET_EXEMPLAR)
            sample.exemplar = read_exemplar(r, f.bytes);
    return finish(r, &in) && emit(r, "_bucket", "le", bound_text(r, *ret_bound), sample);
}

static bool emit_classic(struct reading *r, struct sv bytes, const struct histogram *h)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    double bound = 0;
    if (!emit_value(r, "_count", h->count) || !emit_value(r, "_sum", h->sum))
        return false;
    while (proto_next(&in, &f))
        if (f.number == HISTOGRAM_BUCKET && !read_bucket(r, f.bytes, &bound))
            return false;
    /* exporters leave the last one out */
    return bound == INFINITY ||
           emit(r, "_bucket", "le", SV("+Inf"), (struct exposition_sample){.value = h->count});
}

static bool read_histogram(struct reading *r, struct sv bytes)
{
    struct parts *parts = ARENA_NEW(&r->arena, struct parts);
    struct histogram *h = ARENA_NEW(&r->arena, struct histogram);
    if (!read_parts(r, bytes, h, parts))
        return false;
    bool native = r->wanted->native && is_native(h, parts);
    if (native && !emit_native(r, h, parts))
        return false;
    return (native && (!r->wanted->classic_always || parts->buckets == 0)) || emit_classic(r, bytes, h);
}

/* --- metrics and families --- */

/* Labels and time; the message itself is *ret_value of the family's type. */
static bool read_metric(struct reading *r, struct sv bytes, struct sv *ret_value)
{
    static const uint32_t members[METRIC_TYPES] = {
        [METRIC_COUNTER] = METRIC_COUNTER_VALUE,     [METRIC_GAUGE] = METRIC_GAUGE_VALUE,
        [METRIC_SUMMARY] = METRIC_SUMMARY_VALUE,     [METRIC_UNKNOWN] = METRIC_UNTYPED_VALUE,
        [METRIC_HISTOGRAM] = METRIC_HISTOGRAM_VALUE, [METRIC_GAUGE_HISTOGRAM] = METRIC_HISTOGRAM_VALUE};
    struct proto in = proto_of(bytes);
    struct proto_field f;
    r->label_count = 1;
    r->has_t = false;
    *ret_value = (struct sv){0};
    while (proto_next(&in, &f)) {
        if (f.number == METRIC_LABEL) {
            struct label *label = &r->labels[r->label_count];
            *label = (struct label){0};
            if (r->label_count == EXPOSITION_LABELS_MAX - 1)
                return fail(r, "a metric has too many labels");
            if (!read_pair(f.bytes, label) || label->name.n == 0 ||
                utf8_valid(label->value) != label->value.n)
                return fail(r, "a label is not right");
            r->label_count++;
        } else if (f.number == METRIC_TIMESTAMP) {
            r->has_t = f.value != 0;
            r->t_ms = (int64_t)f.value;
        } else if (f.number == members[r->family.type]) {
            *ret_value = f.bytes;
        }
    }
    return finish(r, &in);
}

static bool take_metric(struct reading *r, struct sv bytes)
{
    struct sv value;
    arena_reset(&r->arena);
    if (!read_metric(r, bytes, &value))
        return false;
    switch (r->family.type) {
    case METRIC_HISTOGRAM:
    case METRIC_GAUGE_HISTOGRAM:
        return read_histogram(r, value);
    case METRIC_SUMMARY:
        return read_summary(r, value);
    default:
        return read_value(r, value, r->family.type == METRIC_COUNTER);
    }
}

static bool describe(struct reading *r, struct sv bytes)
{
    const struct exposition_handler *h = r->handler;
    struct proto in = proto_of(bytes);
    struct proto_field f;
    struct family *family = &r->family;
    *family = (struct family){.type = METRIC_COUNTER}; /* what is zero is not written */
    while (proto_next(&in, &f))
        if (f.number == FAMILY_NAME)
            family->name = f.bytes;
        else if (f.number == FAMILY_HELP)
            family->help = f.bytes;
        else if (f.number == FAMILY_UNIT)
            family->unit = f.bytes;
        else if (f.number == FAMILY_TYPE)
            family->type = f.value < TC_ARRAY_LEN(types) ? types[f.value] : METRIC_UNKNOWN;
    if (!finish(r, &in))
        return false;
    if (family->name.n == 0 || utf8_valid(family->name) != family->name.n)
        return fail(r, "its name is not right");
    if (h->type != NULL)
        r->rc = h->type(h->context, family->name, family->type, r->err);
    if (r->rc == 0 && h->help != NULL && family->help.n > 0)
        r->rc = h->help(h->context, family->name, family->help, r->err);
    if (r->rc == 0 && h->unit != NULL && family->unit.n > 0)
        r->rc = h->unit(h->context, family->name, family->unit, r->err);
    return r->rc == 0;
}

static bool take_family(struct reading *r, struct sv bytes)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    bool good = describe(r, bytes);
    while (good && proto_next(&in, &f))
        good = f.number != FAMILY_METRIC || take_metric(r, f.bytes);
    return good;
}

int exposition_parse_protobuf(struct sv body, const struct exposition_histograms *wanted,
                              const struct exposition_handler *handler, struct err *err)
{
    struct reading *r = tc_alloc(sizeof *r);
    struct proto in = proto_of(body);
    r->wanted = wanted;
    r->handler = handler;
    r->err = err;
    buf_init(&r->key, KEY_MAX_BYTES);
    while (r->rc == 0 && in.p < in.end) {
        uint64_t n = proto_varint(&in);
        if (in.bad || n > (uint64_t)(in.end - in.p))
            (void)fail(r, "its length is not right");
        else if (take_family(r, sv_make((const char *)in.p, n)))
            in.p += n;
    }
    int rc = r->rc;
    arena_free(&r->arena);
    buf_free(&r->key);
    free(r);
    return rc;
}
