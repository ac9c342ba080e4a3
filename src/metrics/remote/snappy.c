/*
 * Snappy blocks; see snappy.h. A varint of the length, then literals and copies of what came before. Every
 * offset and length is checked against what is there.
 */
#include "metrics/remote/snappy.h"

enum { COPY_SLACK = 16, EXPANSION_MAX = 64 /* three bytes give at most 64 */ };

static int damaged(struct err *err)
{
    return err_set(err, TC_EINPUT, "the body is not a snappy block");
}

static bool read_length(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) {
            *ret = v;
            return v <= UINT32_MAX;
        }
    }
    return false;
}

/* Copies may overlap: byte after byte in meaning. */
static inline void copy_within(char *to, size_t offset, size_t n)
{
    const char *from = to - offset;
    if (offset >= 8) {
        /* in eights; what is written past the end is within the slack, and written again or cut off */
        for (size_t i = 0; i < n; i += 8)
            memcpy(to + i, from + i, 8);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
}

int snappy_unpack(struct sv packed, struct buf *out, struct err *err)
{
    const uint8_t *p = (const uint8_t *)packed.p, *end = p + packed.n;
    uint64_t length;
    buf_clear(out);
    if (!read_length(&p, end, &length) || length > (uint64_t)packed.n * EXPANSION_MAX)
        return damaged(err);
    char *base = length + COPY_SLACK > out->max_bytes ? NULL : buf_reserve(out, length + COPY_SLACK);
    if (base == NULL) {
        buf_clear(out);
        return err_set(err, TC_EBOUND, "the unpacked body is longer than %zu bytes: send it in smaller parts",
                       out->max_bytes);
    }
    size_t n = 0;
    while (p < end) {
        uint8_t tag = *p++;
        size_t bytes, offset;
        if ((tag & 3) == 0) {
            bytes = tag >> 2;
            if (bytes >= 60) {
                unsigned more = (unsigned)bytes - 59;
                if ((size_t)(end - p) < more)
                    return damaged(err);
                bytes = 0;
                for (unsigned i = 0; i < more; i++)
                    bytes |= (size_t)p[i] << (8 * i);
                p += more;
            }
            bytes++;
            if (bytes > (size_t)(end - p) || bytes > length - n)
                return damaged(err);
            memcpy(base + n, p, bytes);
            p += bytes;
            n += bytes;
            continue;
        }
        unsigned extra = (tag & 3) == 3 ? 4 : tag & 3;
        if ((size_t)(end - p) < extra)
            return damaged(err);
        if ((tag & 3) == 1) {
            bytes = 4 + ((tag >> 2) & 7);
            offset = ((size_t)(tag & 0xE0) << 3) | p[0];
        } else {
            bytes = (size_t)(tag >> 2) + 1;
            offset = (tag & 3) == 2 ? load_u16(p) : load_u32(p);
        }
        p += extra;
        if (offset == 0 || offset > n || bytes > length - n)
            return damaged(err);
        copy_within(base + n, offset, bytes);
        n += bytes;
    }
    if (n != length)
        return damaged(err);
    out->n = n;
    return 0;
}
