/*
 * Native histograms in protobuf; see histogram_wire.h.
 */
#include "metrics/remote/histogram_wire.h"

bool wire_span(struct sv bytes, struct wire_spans *spans)
{
    struct proto in = proto_of(bytes);
    struct proto_field f;
    int32_t offset = 0;
    uint64_t length = 0;
    while (proto_next(&in, &f)) {
        if (f.number == 1 && f.wire == PROTO_VARINT)
            offset = (int32_t)proto_zigzag(f.value);
        else if (f.number == 2 && f.wire == PROTO_VARINT)
            length = f.value;
    }
    if (in.bad || spans->n == WIRE_BUCKETS_MAX || length > WIRE_BUCKETS_MAX ||
        spans->buckets + length > WIRE_BUCKETS_MAX)
        return false;
    spans->offsets[spans->n] = offset;
    spans->lengths[spans->n++] = (uint32_t)length;
    spans->buckets += length;
    return true;
}

static bool add_number(struct wire_numbers *numbers, double v)
{
    if (numbers->n == WIRE_BUCKETS_MAX)
        return false;
    numbers->p[numbers->n++] = v;
    return true;
}

bool wire_numbers(const struct proto_field *f, bool deltas, struct wire_numbers *ret)
{
    if (f->wire != PROTO_BYTES)
        return add_number(ret, deltas ? (double)proto_zigzag(f->value) : proto_double(f));
    struct proto in = proto_of(f->bytes);
    while (in.p < in.end && !in.bad) {
        double v;
        if (deltas) {
            v = (double)proto_zigzag(proto_varint(&in));
        } else if (in.end - in.p < 8) {
            return false;
        } else {
            memcpy(&v, in.p, 8);
            in.p += 8;
        }
        if (!add_number(ret, v))
            return false;
    }
    return !in.bad;
}

bool wire_side(struct arena *arena, const struct wire_spans *spans, const struct wire_numbers *deltas,
               const struct wire_numbers *counts, struct histogram_side *ret)
{
    const struct wire_numbers *from = counts->n > 0 ? counts : deltas;
    if (from->n != spans->buckets)
        return false;
    ret->index = ARENA_ARRAY(arena, int32_t, from->n + 1);
    ret->count = ARENA_ARRAY(arena, double, from->n + 1);
    int64_t index = 0;
    double count = 0;
    for (size_t s = 0; s < spans->n; s++) {
        if (s > 0 && spans->offsets[s] < 0)
            return false;
        index += spans->offsets[s];
        for (uint32_t i = 0; i < spans->lengths[s]; i++, index++) {
            count = from == counts ? counts->p[ret->n] : count + deltas->p[ret->n];
            if (count < 0 || index > INT32_MAX || index < INT32_MIN)
                return false;
            ret->index[ret->n] = (int32_t)index;
            ret->count[ret->n++] = count;
        }
    }
    return true;
}
