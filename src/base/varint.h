/*
 * Integers of variable length: seven bits a byte, the lowest first, the eighth bit says that more follow.
 * Signed ones are folded first, so that small ones of either sign are short.
 */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include "base/buf.h"

static inline void buf_varint(struct buf *out, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    buf_add(out, bytes, n);
}

static inline uint64_t reader_varint(struct reader *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = reader_u8(in);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    in->bad = true;
    return 0;
}

static inline uint64_t varint_fold(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t varint_unfold(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Differences wrap, so that any two numbers have one. */
static inline void buf_varint_step(struct buf *out, uint64_t from, uint64_t to)
{
    buf_varint(out, varint_fold((int64_t)(to - from)));
}

static inline uint64_t reader_varint_step(struct reader *in, uint64_t from)
{
    return from + (uint64_t)varint_unfold(reader_varint(in));
}

#endif
