/*
 * Remote write messages; see remote_write.h.
 *
 * A sender of 1.0 repeats a series' labels byte for byte, so those bytes are looked up as they are
 * (tsdb_known), and labels are only read where they are new. Senders of 2.0 number their texts anew in each
 * message: their labels are put together and found by hash.
 */
#include "metrics/remote/remote_write.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "metrics/remote/histogram_wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { SYMBOLS_MAX = 1 << 20, BATCH_SERIES = 32 };

/* Field numbers of the two, where they differ. */
struct layout {
    uint32_t series, labels, samples, histograms, exemplars;
};
static const struct layout layouts[] = {
    [REMOTE_WRITE_1] = {.series = 1, .labels = 1, .samples = 2, .histograms = 4, .exemplars = 3},
    [REMOTE_WRITE_2] = {.series = 5, .labels = 1, .samples = 2, .histograms = 3, .exemplars = 4},
};

bool remote_write_version_of(struct sv type, enum remote_write_version *ret)
{
    struct sv kind = sv_trim(sv_cut(&type, ';'));
    *ret = REMOTE_WRITE_1;
    if (!sv_eq_nocase(kind, SV("application/x-protobuf")))
        return false;
    while (type.n > 0) {
        struct sv parameter = sv_trim(sv_cut(&type, ';'));
        struct sv name = sv_trim(sv_cut(&parameter, '=')), value = sv_trim(parameter);
        if (!sv_eq_nocase(name, SV("proto")))
            continue;
        if (sv_is(value, "io.prometheus.write.v2.Request"))
            *ret = REMOTE_WRITE_2;
        else if (!sv_is(value, "prometheus.WriteRequest"))
            return false;
    }
    return true;
}

/* --- checking --- */

struct sample {
    int64_t t, start_t;
    double v;
};

static bool read_sample(struct sv bytes, struct sample *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    *ret = (struct sample){0};
    while (proto_next(&in, &f)) {
        if (f.number == 1 && f.wire == PROTO_64)
            ret->v = proto_double(&f);
        else if (f.number == 2 && f.wire == PROTO_VARINT)
            ret->t = (int64_t)f.value;
        else if (f.number == 3 && f.wire == PROTO_VARINT)
            ret->start_t = (int64_t)f.value;
        else if (f.number <= 3)
            return false;
    }
    return !in.bad;
}

/* Value and time; its labels are field 1 in both versions. */
static bool read_sample_of_exemplar(struct sv bytes, struct sample *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    *ret = (struct sample){0};
    while (proto_next(&in, &f)) {
        if (f.number == 2 && f.wire == PROTO_64)
            ret->v = proto_double(&f);
        else if (f.number == 3 && f.wire == PROTO_VARINT)
            ret->t = (int64_t)f.value;
        else if (f.number == 2 || f.number == 3)
            return false;
    }
    return !in.bad;
}

static bool read_label(struct sv bytes, struct label *ret)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    *ret = (struct label){0};
    while (proto_next(&in, &f)) {
        if (f.number > 2)
            continue;
        if (f.wire != PROTO_BYTES)
            return false;
        *(f.number == 1 ? &ret->name : &ret->value) = f.bytes;
    }
    return !in.bad;
}

struct histogram_parts {
    struct wire_spans negative_spans, positive_spans;
    struct wire_numbers negative_deltas, negative_counts, positive_deltas, positive_counts, custom;
};

static bool read_histogram(struct sv bytes, struct arena *arena, struct histogram *h, int64_t *ret_t,
                           int64_t *ret_start_t)
{
    struct histogram_parts *parts = ARENA_NEW(arena, struct histogram_parts);
    struct proto in = proto_of(bytes);
    struct proto_field f;
    bool good = true;
    *h = (struct histogram){0};
    *ret_t = *ret_start_t = 0;
    while (good && proto_next(&in, &f)) {
        switch (f.number) {
        case 1:
            h->count = (double)f.value;
            break;
        case 2:
            h->count = proto_double(&f);
            break;
        case 3:
            h->sum = proto_double(&f);
            break;
        case 4:
            h->schema = (int32_t)proto_zigzag(f.value);
            break;
        case 5:
            h->zero_threshold = proto_double(&f);
            break;
        case 6:
            h->zero_count = (double)f.value;
            break;
        case 7:
            h->zero_count = proto_double(&f);
            break;
        case 8:
            good = wire_span(f.bytes, &parts->negative_spans);
            break;
        case 9:
            good = wire_numbers(&f, true, &parts->negative_deltas);
            break;
        case 10:
            good = wire_numbers(&f, false, &parts->negative_counts);
            break;
        case 11:
            good = wire_span(f.bytes, &parts->positive_spans);
            break;
        case 12:
            good = wire_numbers(&f, true, &parts->positive_deltas);
            break;
        case 13:
            good = wire_numbers(&f, false, &parts->positive_counts);
            break;
        case 14:
            h->hint = (enum counter_reset_hint)(f.value & 3);
            break;
        case 15:
            *ret_t = (int64_t)f.value;
            break;
        case 16:
            good = wire_numbers(&f, false, &parts->custom);
            break;
        case 17:
            *ret_start_t = (int64_t)f.value;
            break;
        default:
            break;
        }
    }
    if (parts->custom.n > 0) {
        h->bounds = arena_alloc(arena, parts->custom.n * sizeof(double));
        memcpy((double *)(uintptr_t)h->bounds, parts->custom.p, parts->custom.n * sizeof(double));
        h->bound_count = parts->custom.n;
    }
    bool schema =
        (h->schema >= HISTOGRAM_SCHEMA_MIN && h->schema <= HISTOGRAM_SCHEMA_MAX) || histogram_is_custom(h);
    return good && !in.bad && schema &&
           wire_side(arena, &parts->positive_spans, &parts->positive_deltas, &parts->positive_counts,
                     &h->positive) &&
           wire_side(arena, &parts->negative_spans, &parts->negative_deltas, &parts->negative_counts,
                     &h->negative);
}

static bool check_series(enum remote_write_version version, struct sv bytes, struct arena *arena)
{
    const struct layout *l = &layouts[version];
    struct proto in = proto_of(bytes);
    struct proto_field f;
    struct sample sample;
    struct label label;
    while (proto_next(&in, &f)) {
        if (f.number == l->labels && version == REMOTE_WRITE_1) {
            if (f.wire != PROTO_BYTES || !read_label(f.bytes, &label))
                return false;
        } else if (f.number == l->samples) {
            if (f.wire != PROTO_BYTES || !read_sample(f.bytes, &sample))
                return false;
        } else if (f.number == l->histograms) {
            struct histogram h;
            int64_t t, start_t;
            arena_reset(arena);
            if (f.wire != PROTO_BYTES || !read_histogram(f.bytes, arena, &h, &t, &start_t))
                return false;
        } else if (f.number == l->exemplars) {
            if (f.wire != PROTO_BYTES || !read_sample_of_exemplar(f.bytes, &sample))
                return false;
        }
    }
    return !in.bad;
}

int remote_write_check(enum remote_write_version version, struct sv message, struct err *err)
{
    struct proto in = proto_of(message);
    struct proto_field f;
    struct arena arena = {0};
    size_t series = 0, symbols = 0;
    bool good = true;
    while (good && proto_next(&in, &f)) {
        if (f.number == layouts[version].series)
            good = f.wire == PROTO_BYTES && ++series <= REMOTE_WRITE_SERIES_MAX &&
                   check_series(version, f.bytes, &arena);
        else if (version == REMOTE_WRITE_2 && f.number == 4)
            good = f.wire == PROTO_BYTES && ++symbols <= SYMBOLS_MAX;
    }
    arena_free(&arena);
    return good && !in.bad ? 0
                           : err_set(err, TC_EINPUT, "the body is not a %s message of remote write",
                                     version == REMOTE_WRITE_1 ? "1.0" : "2.0");
}

/* --- appending --- */

struct append {
    struct tsdb_appender *appender;
    struct remote_write *result;
    struct arena arena;
    struct sv *symbols;
    size_t symbol_count;
};

static void refuse(struct append *a, enum tsdb_outcome outcome, const struct label *labels, size_t count,
                   int64_t t)
{
    struct remote_write *r = a->result;
    if (r->refused++ > 0)
        return;
    r->first = outcome;
    size_t n = (size_t)snprintf(r->text, sizeof r->text, "%s", tsdb_outcome_text(outcome));
    if (outcome == TSDB_PERSONAL)
        return; /* what is told stands in logs of others */
    for (size_t i = 0; i < count && n < sizeof r->text - 160; i++)
        n += (size_t)snprintf(r->text + n, sizeof r->text - n, "%s%.*s=\"%.*s\"", i == 0 ? " for {" : ", ",
                              (int)TC_MIN(labels[i].name.n, (size_t)60), labels[i].name.p,
                              (int)TC_MIN(labels[i].value.n, (size_t)80), labels[i].value.p);
    snprintf(r->text + n, sizeof r->text - n, "%s at %lld", count > 0 ? "}" : "", (long long)t);
}

static bool labels_are_good(const struct label *labels, size_t count)
{
    bool named = false;
    for (size_t i = 0; i < count; i++) {
        if (utf8_valid(labels[i].value) != labels[i].value.n || !label_name_is_valid(labels[i].name))
            return false;
        named |= sv_eq(labels[i].name, METRIC_NAME) && labels[i].value.n > 0;
    }
    return named;
}

static enum tsdb_outcome find_new(struct append *a, struct label *labels, size_t count, uint32_t *ret)
{
    return labels_are_good(labels, count) ? tsdb_series(a->appender, labels, count, ret) : TSDB_BAD_LABELS;
}

static size_t labels_1(struct sv bytes, struct label labels[TSDB_LABELS_MAX + 1])
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    size_t n = 0;
    while (proto_next(&in, &f))
        if (f.number == 1 && n <= TSDB_LABELS_MAX)
            (void)read_label(f.bytes, &labels[n++]);
    return n;
}

static size_t labels_2(const struct append *a, struct sv bytes, struct label labels[TSDB_LABELS_MAX + 1])
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    size_t n = 0;
    while (proto_next(&in, &f)) {
        if (f.number != 1)
            continue;
        struct proto refs = f.wire == PROTO_BYTES ? proto_of(f.bytes) : (struct proto){0};
        for (bool once = f.wire == PROTO_VARINT; once || (refs.p < refs.end && !refs.bad); once = false) {
            uint64_t ref = once ? f.value : proto_varint(&refs);
            struct sv text = ref < a->symbol_count ? a->symbols[ref] : (struct sv){0};
            if (ref >= a->symbol_count || n / 2 > TSDB_LABELS_MAX)
                return 0;
            *(n % 2 == 0 ? &labels[n / 2].name : &labels[n / 2].value) = text;
            n++;
        }
    }
    return n % 2 == 0 ? n / 2 : 0;
}

/* The leading bytes of a series of 1.0 that are its labels; a series whose labels stand elsewhere, too, is
 * known by all of its bytes, that is: not. */
static struct sv label_bytes(struct sv bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    while (end - p > 1 && *p == (1 << 3 | PROTO_BYTES) && p[1] < 128)
        p += 2 + p[1]; /* checked before */
    struct proto in = {p, end, false};
    struct proto_field f;
    while (in.p < in.end && *in.p == (1 << 3 | PROTO_BYTES) && proto_next(&in, &f))
        p = in.p;
    while (proto_next(&in, &f))
        if (f.number == 1)
            return bytes;
    return sv_head(bytes, (size_t)(p - (const uint8_t *)bytes.p));
}

/* One that is not taken is not worth refusing a batch for: Prometheus passes over it, too. */
static void append_exemplar(struct append *a, enum remote_write_version version, struct sv bytes,
                            uint32_t series)
{
    struct label labels[TSDB_LABELS_MAX + 1];
    struct sample s;
    size_t count = version == REMOTE_WRITE_1 ? labels_1(bytes, labels) : labels_2(a, bytes, labels);
    (void)read_sample_of_exemplar(bytes, &s);
    if (count <= TSDB_LABELS_MAX)
        a->result->exemplars += tsdb_exemplar(a->appender, series, labels, count, s.t, s.v) == TSDB_OK;
}

static void append_samples(struct append *a, enum remote_write_version version, struct sv bytes,
                           enum tsdb_outcome found, uint32_t series, const struct label *labels, size_t count)
{
    const struct layout *l = &layouts[version];
    struct proto in = proto_of(bytes);
    struct proto_field f;
    while (proto_next(&in, &f)) {
        enum tsdb_outcome outcome = found;
        int64_t t = 0, start_t;
        if (f.number == l->samples) {
            struct sample s;
            (void)read_sample(f.bytes, &s);
            t = s.t;
            if (found == TSDB_OK)
                outcome = tsdb_float(a->appender, series, t, s.v, s.start_t);
            a->result->samples += outcome == TSDB_OK;
        } else if (f.number == l->histograms) {
            struct histogram h;
            arena_reset(&a->arena);
            (void)read_histogram(f.bytes, &a->arena, &h, &t, &start_t);
            if (found == TSDB_OK)
                outcome = tsdb_histogram(a->appender, series, t, &h, start_t);
            a->result->histograms += outcome == TSDB_OK;
        } else if (f.number == l->exemplars && found == TSDB_OK) {
            append_exemplar(a, version, f.bytes, series);
            continue;
        } else {
            continue;
        }
        if (outcome != TSDB_OK)
            refuse(a, outcome, labels, count, t);
    }
}

struct waiting_series {
    struct sv bytes;
    struct hash_128 hash;
    uint32_t series;
    bool known;
};

/* In rounds over a batch: each waits for memory that the round before has asked for. */
static void append_batch_1(struct append *a, struct waiting_series *batch, size_t n)
{
    struct tsdb_appender *appender = a->appender;
    for (size_t i = 0; i < n; i++)
        batch[i].hash = tsdb_key(appender, label_bytes(batch[i].bytes));
    for (size_t i = 0; i < n; i++) {
        batch[i].known = tsdb_known(appender, batch[i].hash, &batch[i].series);
        if (batch[i].known)
            tsdb_expect(appender, batch[i].series, 0);
    }
    for (size_t i = 0; i < n; i++)
        if (batch[i].known)
            tsdb_expect(appender, batch[i].series, 1);
    for (size_t i = 0; i < n; i++) {
        struct label labels[TSDB_LABELS_MAX + 1];
        size_t count = 0;
        enum tsdb_outcome found = TSDB_OK;
        if (!batch[i].known && !tsdb_known(appender, batch[i].hash, &batch[i].series)) {
            count = labels_1(batch[i].bytes, labels);
            found = find_new(a, labels, count, &batch[i].series);
            if (found == TSDB_OK)
                tsdb_know(appender, batch[i].hash, batch[i].series);
        }
        append_samples(a, REMOTE_WRITE_1, batch[i].bytes, found, batch[i].series, labels, count);
    }
}

static void append_1(struct append *a, struct sv message)
{
    struct waiting_series batch[BATCH_SERIES];
    struct proto in = proto_of(message);
    struct proto_field f;
    size_t n = 0;
    while (proto_next(&in, &f)) {
        if (f.number != layouts[REMOTE_WRITE_1].series)
            continue;
        batch[n++] = (struct waiting_series){.bytes = f.bytes};
        if (n == BATCH_SERIES) {
            append_batch_1(a, batch, n);
            n = 0;
        }
    }
    append_batch_1(a, batch, n);
}

static void append_series_2(struct append *a, struct sv bytes)
{
    struct label labels[TSDB_LABELS_MAX + 1];
    uint32_t series = 0;
    size_t count = labels_2(a, bytes, labels);
    enum tsdb_outcome found = find_new(a, labels, count, &series);
    append_samples(a, REMOTE_WRITE_2, bytes, found, series, labels, count);
}

static void read_symbols(struct append *a, struct sv message)
{
    struct proto in = proto_of(message);
    struct proto_field f;
    size_t n = 0;
    while (proto_next(&in, &f))
        n += f.number == 4;
    a->symbols = tc_alloc((n + 1) * sizeof *a->symbols);
    in = proto_of(message);
    while (proto_next(&in, &f))
        if (f.number == 4)
            a->symbols[a->symbol_count++] = f.bytes;
}

void remote_write_append(enum remote_write_version version, struct sv message, struct tsdb_appender *appender,
                         struct remote_write *ret)
{
    struct append a = {.appender = appender, .result = ret};
    struct proto in = proto_of(message);
    struct proto_field f;
    memset(ret, 0, sizeof *ret);
    if (version == REMOTE_WRITE_2)
        read_symbols(&a, message);
    if (version == REMOTE_WRITE_1)
        append_1(&a, message);
    while (version == REMOTE_WRITE_2 && proto_next(&in, &f))
        if (f.number == layouts[version].series)
            append_series_2(&a, f.bytes);
    free(a.symbols);
    arena_free(&a.arena);
}
