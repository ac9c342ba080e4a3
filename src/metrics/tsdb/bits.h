/*
 * A stream of bits, lowest bit first, and the integer code that both halves of a chunk share: Rice's, with a
 * parameter that follows the running mean, so that nothing has to be tuned per series.
 *
 * The writer's buffer has BITS_SLACK zeroed bytes behind what is used; the reader's bytes have as many
 * readable ones behind their end. The first read past the end sticks in `bad`.
 */
#ifndef METRICS_TSDB_BITS_H
#define METRICS_TSDB_BITS_H

#include "base/buf.h"

enum { BITS_SLACK = 16, RICE_ESCAPE = 24, RICE_RAW = 63 };

struct bit_writer {
    uint8_t *p;
    size_t at; /* bits */
};

struct bit_reader {
    const uint8_t *p;
    size_t at, end; /* bits */
    bool bad;
};

/* n <= 56. */
static inline void bits_put_short(struct bit_writer *w, uint64_t v, unsigned n)
{
    uint8_t *p = w->p + (w->at >> 3);
    store_u64(p, load_u64(p) | (v << (w->at & 7)));
    w->at += n;
}

static inline void bits_put(struct bit_writer *w, uint64_t v, unsigned n)
{
    if (n > 32) {
        bits_put_short(w, v & UINT32_MAX, 32);
        v >>= 32;
        n -= 32;
    }
    bits_put_short(w, v, n);
}

/* At least 57 bits from here on; zeros past the end. */
static inline uint64_t bits_peek(struct bit_reader *r)
{
    if (TC_UNLIKELY(r->at > r->end)) {
        r->bad = true;
        return 0;
    }
    return load_u64(r->p + (r->at >> 3)) >> (r->at & 7);
}

static inline uint64_t bits_get_short(struct bit_reader *r, unsigned n)
{
    uint64_t v = bits_peek(r) & ((UINT64_C(1) << n) - 1);
    r->at += n;
    return v;
}

static inline uint64_t bits_get(struct bit_reader *r, unsigned n)
{
    if (n <= 32)
        return bits_get_short(r, n);
    uint64_t low = bits_get_short(r, 32);
    return low | (bits_get_short(r, n - 32) << 32);
}

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/* Sixteen times the running mean; 0 is fresh. */
static inline unsigned rice_parameter(uint32_t mean)
{
    return mean < 16 ? 0 : 31 - (unsigned)__builtin_clz(mean >> 4);
}
static inline uint32_t rice_learn(uint32_t mean, uint64_t v)
{
    return mean - (mean >> 4) + (uint32_t)TC_MIN(v, UINT64_C(1) << 26);
}

/* Up to 24 + 6 + 63 bits. v < 2^63. */
static inline void rice_put(struct bit_writer *w, uint32_t *mean, uint64_t v)
{
    unsigned k = rice_parameter(*mean);
    uint64_t q = v >> k;
    if (TC_LIKELY(q < RICE_ESCAPE)) {
        bits_put_short(w, UINT64_C(1) << q, (unsigned)q + 1);
        bits_put_short(w, v & ((UINT64_C(1) << k) - 1), k);
    } else {
        unsigned n = 64 - (unsigned)__builtin_clzll(v);
        bits_put_short(w, (uint64_t)(n - 1) << RICE_ESCAPE, RICE_ESCAPE + 6);
        bits_put(w, v, n);
    }
    *mean = rice_learn(*mean, v);
}

/* Instead of an integer: 64 bits as they are. The mean learns nothing. */
static inline void rice_put_raw(struct bit_writer *w, uint64_t bits)
{
    bits_put_short(w, (uint64_t)RICE_RAW << RICE_ESCAPE, RICE_ESCAPE + 6);
    bits_put(w, bits, 64);
}

/* False: *ret is raw bits. */
static inline bool rice_get(struct bit_reader *r, uint32_t *mean, uint64_t *ret)
{
    uint64_t peek = bits_peek(r);
    unsigned k = rice_parameter(*mean);
    unsigned q = peek == 0 ? RICE_ESCAPE : (unsigned)__builtin_ctzll(peek);
    if (TC_LIKELY(q < RICE_ESCAPE)) {
        r->at += q + 1;
        *ret = ((uint64_t)q << k) | bits_get_short(r, k);
    } else {
        unsigned n = (unsigned)(peek >> RICE_ESCAPE) & 63;
        r->at += RICE_ESCAPE + 6;
        if (n == RICE_RAW) {
            *ret = bits_get(r, 64);
            return false;
        }
        *ret = bits_get(r, n + 1);
    }
    *mean = rice_learn(*mean, *ret);
    return true;
}

#endif
