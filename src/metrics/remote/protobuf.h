/*
 * Reading protobuf's wire format without generated code: fields one after another, each checked.
 */
#ifndef METRICS_REMOTE_PROTOBUF_H
#define METRICS_REMOTE_PROTOBUF_H

#include "base/buf.h"

enum { PROTO_VARINT = 0, PROTO_64 = 1, PROTO_BYTES = 2, PROTO_32 = 5 };

struct proto {
    const uint8_t *p, *end;
    bool bad;
};

struct proto_field {
    uint32_t number;
    unsigned wire;
    uint64_t value; /* of varint, 64 and 32 bits */
    struct sv bytes;
};

static inline struct proto proto_of(struct sv bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    return (struct proto){p, p == NULL ? NULL : p + bytes.n, false};
}

static inline uint64_t proto_varint(struct proto *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && in->p < in->end; shift += 7) {
        uint8_t b = *in->p++;
        v |= (uint64_t)(b & 127) << shift;
        if (TC_LIKELY(b < 128))
            return v;
    }
    in->bad = true;
    return 0;
}

/* False at the end, and for what is no field (then in->bad). */
static inline bool proto_next(struct proto *in, struct proto_field *f)
{
    if (in->p >= in->end)
        return false;
    uint64_t key = proto_varint(in);
    f->value = 0; /* a field of another wire type than expected has nothing */
    f->bytes = (struct sv){0};
    f->number = (uint32_t)(key >> 3);
    f->wire = key & 7;
    size_t room = (size_t)(in->end - in->p);
    if (in->bad || f->number == 0 || key >> 3 > 536870911)
        return !(in->bad = true);
    switch (f->wire) {
    case PROTO_VARINT:
        f->value = proto_varint(in);
        return !in->bad;
    case PROTO_64:
    case PROTO_32: {
        size_t n = f->wire == PROTO_64 ? 8 : 4;
        if (room < n)
            return !(in->bad = true);
        f->value = n == 8 ? load_u64(in->p) : load_u32(in->p);
        in->p += n;
        return true;
    }
    case PROTO_BYTES: {
        uint64_t n = proto_varint(in);
        if (in->bad || n > (size_t)(in->end - in->p))
            return !(in->bad = true);
        f->bytes = sv_make((const char *)in->p, n);
        in->p += n;
        return true;
    }
    default:
        return !(in->bad = true);
    }
}

static inline double proto_double(const struct proto_field *f)
{
    double v;
    memcpy(&v, &f->value, sizeof v);
    return v;
}

static inline int64_t proto_zigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

#endif
