/*
 * Chunks of floats, and what all chunks share; see chunk.h.
 *
 * All arithmetic that damaged bytes can drive wraps in unsigned integers: a wrong chunk decodes to wrong
 * numbers or an error, never to undefined behaviour.
 */
#include "metrics/tsdb/chunk_filters.h"

#include <math.h>
#include <stdlib.h>

enum { ESCAPES_MAX = 6, FLOAT_SAMPLE_BYTES = 48, REBUILD_SAMPLES = 32 };

unsigned chunk_mode_of(double v)
{
    int64_t i;
    for (unsigned places = 0; places <= CHUNK_PLACES_MAX; places++)
        if (chunk_scales(v, places, &i))
            return places;
    return CHUNK_XOR;
}

void chunk_counted(struct chunk_writer *w, size_t bits)
{
    w->bits = (uint32_t)bits;
    w->count++;
    w->p[0] = w->kind;
    w->p[1] = (uint8_t)(w->flags | (w->mode << 4));
    store_u16(w->p + 2, w->count);
}

void chunk_room(struct chunk_writer *w, size_t bytes)
{
    size_t need = (w->bits >> 3) + 1 + bytes + BITS_SLACK;
    if (need <= w->capacity)
        return;
    size_t capacity = TC_MAX((size_t)64, need + w->capacity / 4);
    capacity = (capacity + 15) & ~(size_t)15;
    w->p = tc_realloc(w->p, capacity);
    memset(w->p + w->capacity, 0, capacity - w->capacity);
    w->capacity = (uint32_t)capacity;
}

/* --- times --- */

void chunk_clock_put(struct chunk_clock *c, struct bit_writer *out, unsigned count, int64_t t)
{
    if (count == 0)
        bits_put(out, (uint64_t)t, 64);
    else
        rice_put(out, &c->mean, zigzag(t - chunk_clock_predict(c, count)));
    chunk_clock_learn(c, count, t);
}

int64_t chunk_clock_get(struct chunk_clock *c, struct bit_reader *in, unsigned count)
{
    uint64_t v;
    if (count == 0) {
        v = bits_get(in, 64);
    } else {
        if (!rice_get(in, &c->mean, &v))
            in->bad = true;
        v = (uint64_t)unzigzag(v) + (uint64_t)chunk_clock_predict(c, count);
    }
    int64_t t = (int64_t)v;
    if (t > CHUNK_TIME_MAX || t < -CHUNK_TIME_MAX || (count > 0 && t <= c->t))
        in->bad = true;
    else
        chunk_clock_learn(c, count, t);
    return t;
}

/* --- values --- */

static inline void integer_put(struct chunk_values *v, struct bit_writer *out, int64_t i)
{
    int64_t step = i - (int64_t)v->last;
    rice_put(out, &v->mean, zigzag(step - (v->step >> 4)));
    chunk_step_learn(v, step);
    v->last = (uint64_t)i;
    if (v->seen == 1) {
        v->step = 0;
        v->mean = 0;
    }
}

void chunk_xor_put(struct chunk_values *v, struct bit_writer *out, uint64_t bits)
{
    uint64_t x = bits ^ v->last;
    v->last = bits;
    if (x == 0) {
        bits_put_short(out, 0, 1);
        return;
    }
    unsigned lead = TC_MIN((unsigned)__builtin_clzll(x), 31u), tail = (unsigned)__builtin_ctzll(x);
    unsigned old_tail = 64u - v->lead - v->length;
    if (v->length != 0 && lead >= v->lead && tail >= old_tail &&
        v->length <= 64u - lead - tail + 11) { /* a window that fits, and not too loosely */
        bits_put_short(out, 1, 2);
        bits_put(out, x >> old_tail, v->length);
        return;
    }
    v->lead = (uint8_t)lead;
    v->length = (uint8_t)(64 - lead - tail);
    bits_put_short(out, 3 | ((uint64_t)lead << 2) | ((uint64_t)(v->length - 1) << 7), 13);
    bits_put(out, x >> tail, v->length);
}

uint64_t chunk_xor_get(struct chunk_values *v, struct bit_reader *in)
{
    if (bits_get_short(in, 1) == 0)
        return v->last;
    if (bits_get_short(in, 1) != 0) {
        v->lead = (uint8_t)bits_get_short(in, 5);
        v->length = (uint8_t)(bits_get_short(in, 6) + 1);
    }
    if (v->length == 0 || v->lead + v->length > 64) {
        in->bad = true;
        return 0;
    }
    return v->last ^= bits_get(in, v->length) << (64 - v->lead - v->length);
}

static void put_start(struct chunk_writer *w, struct bit_writer *out, int64_t start_t)
{
    if (w->flags & CHUNK_START_TIMES) {
        rice_put(out, &w->start_mean, zigzag(start_t - w->start_t));
        w->start_t = start_t;
    }
}

static void put_float(struct chunk_writer *w, int64_t t, double v, int64_t start_t, int64_t scaled, bool fits)
{
    chunk_room(w, FLOAT_SAMPLE_BYTES);
    struct bit_writer out = {w->p, w->bits};
    chunk_clock_put(&w->clock, &out, w->count, t);
    put_start(w, &out, start_t);
    if (w->mode == CHUNK_XOR)
        chunk_xor_put(&w->values, &out, double_bits(v));
    else if (fits)
        integer_put(&w->values, &out, scaled);
    else
        rice_put_raw(&out, double_bits(v));
    chunk_counted(w, out.at);
}

void chunk_float_begin(struct chunk_writer *w, unsigned mode, int64_t t, double v, int64_t start_t)
{
    *w = (struct chunk_writer){.min_t = t,
                               .bits = CHUNK_HEADER_BYTES * 8,
                               .kind = CHUNK_FLOAT,
                               .flags = start_t != 0 ? CHUNK_START_TIMES : 0,
                               .mode = (uint8_t)mode};
    int64_t scaled = 0;
    bool fits = mode != CHUNK_XOR && chunk_scales(v, mode, &scaled);
    put_float(w, t, v, start_t, scaled, fits);
}

/* A young chunk whose first values had fewer places than the next: written again with more. */
static void rebuild(struct chunk_writer *w, unsigned mode)
{
    int64_t t[REBUILD_SAMPLES], st[REBUILD_SAMPLES];
    double f[REBUILD_SAMPLES];
    struct histogram *h[REBUILD_SAMPLES];
    struct chunk_columns c = {.t = t, .st = st, .f = f, .h = h, .capacity = REBUILD_SAMPLES};
    bool has_start = (w->flags & CHUNK_START_TIMES) != 0;
    tc_assert(chunk_decode(chunk_view(w), NULL, &c, NULL) == 0);
    uint8_t *old = w->p;
    for (size_t i = 0; i < c.n; i++) {
        int64_t scaled = 0;
        if (i == 0) {
            *w = (struct chunk_writer){.min_t = t[0],
                                       .bits = CHUNK_HEADER_BYTES * 8,
                                       .kind = CHUNK_FLOAT,
                                       .flags = has_start ? CHUNK_START_TIMES : 0,
                                       .mode = (uint8_t)mode};
        }
        bool fits = mode != CHUNK_XOR && chunk_scales(f[i], mode, &scaled);
        put_float(w, t[i], f[i], st[i], scaled, fits);
    }
    free(old);
}

bool chunk_float_add(struct chunk_writer *w, int64_t t, double v, int64_t start_t, unsigned *ret_mode)
{
    *ret_mode = w->mode;
    int64_t scaled = 0;
    bool fits = w->mode != CHUNK_XOR && chunk_scales(v, w->mode, &scaled);
    if (w->count >= CHUNK_SAMPLES || (w->bits >> 3) >= CHUNK_BYTES ||
        (start_t != 0 && !(w->flags & CHUNK_START_TIMES))) {
        unsigned mode = fits || isnan(v) ? w->mode : chunk_mode_of(v);
        *ret_mode = TC_MAX(mode, (unsigned)w->mode);
        return false;
    }
    if (!fits && w->mode != CHUNK_XOR && !isnan(v) && w->count <= REBUILD_SAMPLES &&
        chunk_mode_of(v) > w->mode) {
        rebuild(w, chunk_mode_of(v));
        fits = w->mode != CHUNK_XOR && chunk_scales(v, w->mode, &scaled);
    }
    if (!fits && w->mode != CHUNK_XOR && ++w->escapes > ESCAPES_MAX) {
        unsigned mode = chunk_mode_of(v);
        *ret_mode = mode > w->mode ? mode : CHUNK_XOR;
        return false;
    }
    put_float(w, t, v, start_t, scaled, fits);
    return true;
}

struct sv chunk_view(const struct chunk_writer *w)
{
    return sv_make((const char *)w->p, (w->bits + 7) >> 3);
}

struct sv chunk_take(struct chunk_writer *w)
{
    struct sv view = chunk_view(w);
    size_t n = view.n;
    char *p = tc_realloc(w->p, n + BITS_SLACK);
    w->p = NULL;
    chunk_free(w);
    return sv_make(p, n);
}

void chunk_free(struct chunk_writer *w)
{
    free(w->p);
    chunk_histograms_free(&w->histograms);
    *w = (struct chunk_writer){0};
}

void chunk_columns_init(struct chunk_columns *c, struct arena *arena, size_t capacity)
{
    *c = (struct chunk_columns){.t = arena_alloc_raw(arena, capacity * sizeof(int64_t), 8),
                                .st = arena_alloc_raw(arena, capacity * sizeof(int64_t), 8),
                                .f = arena_alloc_raw(arena, capacity * sizeof(double), 8),
                                .h = arena_alloc_raw(arena, capacity * sizeof(struct histogram *), 8),
                                .capacity = capacity};
}

int chunk_decode(struct sv bytes, struct arena *arena, struct chunk_columns *columns, struct err *err)
{
    if (bytes.n < CHUNK_HEADER_BYTES)
        return err_set(err, TC_ECORRUPT, "a chunk of samples is shorter than its header");
    const uint8_t *p = (const uint8_t *)bytes.p;
    unsigned kind = p[0], flags = p[1] & 15, mode = p[1] >> 4, count = load_u16(p + 2);
    if (kind < CHUNK_FLOAT || kind > CHUNK_PACKED || count == 0 || count > columns->capacity - columns->n ||
        (mode > CHUNK_PLACES_MAX && mode != CHUNK_XOR) ||
        (flags & ~(unsigned)(CHUNK_START_TIMES | CHUNK_GAUGE)) != 0)
        return err_set(err, TC_ECORRUPT, "a chunk of samples has a header that this format does not have");
    if (kind == CHUNK_PACKED)
        return chunk_packed_decode(sv_make(bytes.p + CHUNK_HEADER_BYTES, bytes.n - CHUNK_HEADER_BYTES), mode,
                                   count, columns, err);
    struct bit_reader in = {p, CHUNK_HEADER_BYTES * 8, bytes.n * 8, false};
    return kind == CHUNK_FLOAT ? chunk_floats_decode(&in, flags, mode, count, columns, err)
                               : chunk_histogram_decode(&in, flags, count, arena, columns, err);
}
