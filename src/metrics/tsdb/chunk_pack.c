/*
 * Packed chunks: floats that are integers once scaled, as a packed column of times and one of values; see
 * chunk.h. They are made of whole chunks, in the head where one is closed and for blocks.
 */
#include "metrics/tsdb/chunk_filters.h"
#include "metrics/tsdb/packed.h"

#include <stdlib.h>

enum { REPACK_SAMPLES_MIN = 16 /* fewer gain nothing */ };

unsigned chunk_mode_of_all(const double *f, size_t n)
{
    unsigned mode = 0;
    int64_t scaled;
    for (size_t i = 0; i < n; i++)
        while (!chunk_scales(f[i], mode, &scaled))
            if (++mode > CHUNK_PLACES_MAX)
                return CHUNK_XOR;
    for (size_t i = 0; i < n; i++) /* with more places an integer may be too large */
        if (!chunk_scales(f[i], mode, &scaled))
            return CHUNK_XOR;
    return mode;
}

void chunk_pack_values(struct buf *out, unsigned mode, const double *f, size_t n)
{
    int64_t v[PACKED_MAX];
    for (size_t i = 0; i < n; i++)
        (void)chunk_scales(f[i], mode, &v[i]);
    packed_put(out, v, n);
}

int chunk_packed_decode(struct sv in, unsigned mode, unsigned count, struct chunk_columns *c, struct err *err)
{
    int64_t v[PACKED_MAX], *t = c->t + c->n;
    double *f = c->f + c->n;
    bool good = count <= PACKED_MAX && mode <= CHUNK_PLACES_MAX && packed_get(&in, t, count) &&
                packed_get(&in, v, count) && t[0] >= -CHUNK_TIME_MAX && t[count - 1] <= CHUNK_TIME_MAX;
    for (unsigned i = 1; good && i < count; i++)
        good = t[i] > t[i - 1];
    if (!good)
        return err_set(err, TC_ECORRUPT, "a packed chunk of samples is damaged");
    for (unsigned i = 0; i < count; i++)
        f[i] = (double)v[i] / chunk_powers[mode];
    memset(c->st + c->n, 0, count * sizeof *c->st);
    memset(c->h + c->n, 0, count * sizeof(struct histogram *));
    c->n += count;
    return 0;
}

struct sv chunk_repack(struct sv bytes)
{
    int64_t t[CHUNK_SAMPLES], st[CHUNK_SAMPLES];
    double f[CHUNK_SAMPLES];
    struct histogram *h[CHUNK_SAMPLES];
    struct chunk_columns c = {.t = t, .st = st, .f = f, .h = h, .capacity = CHUNK_SAMPLES};
    unsigned kind = (uint8_t)bytes.p[0], flags = bytes.p[1] & 15, mode;
    if (kind != CHUNK_FLOAT || (flags & CHUNK_START_TIMES) != 0 || chunk_decode(bytes, NULL, &c, NULL) != 0 ||
        c.n < REPACK_SAMPLES_MIN || (mode = chunk_mode_of_all(f, c.n)) == CHUNK_XOR)
        return bytes;
    struct buf out;
    buf_init(&out, CHUNK_HISTOGRAM_BYTES);
    buf_u8(&out, CHUNK_PACKED);
    buf_u8(&out, (uint8_t)(mode << 4));
    buf_u16(&out, (uint16_t)c.n);
    packed_put(&out, t, c.n);
    chunk_pack_values(&out, mode, f, c.n);
    if (out.n < bytes.n) {
        char *p = tc_alloc(out.n + BITS_SLACK);
        memcpy(p, out.p, out.n);
        free((char *)(uintptr_t)bytes.p); /* whole, for the next open chunk; shrunk it would leave a hole */
        bytes = sv_make(p, out.n);
    }
    buf_free(&out);
    return bytes;
}
