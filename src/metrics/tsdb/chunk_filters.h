/*
 * What the writer and the readers of chunks predict by: the clock of a sender, the step of a counter. Only
 * what the filters miss is written (chunk.h); both sides must learn the same.
 *
 * All arithmetic that damaged bytes can drive wraps in unsigned integers.
 */
#ifndef METRICS_TSDB_CHUNK_FILTERS_H
#define METRICS_TSDB_CHUNK_FILTERS_H

#include "metrics/tsdb/chunk.h"

#include <math.h>

enum { CLOCK_ALPHA = 4, CLOCK_BETA = 16, CHUNK_STEPS_SETTLED = 9 /* the mean step moves by an eighth now */ };

static const double chunk_powers[CHUNK_PLACES_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

static inline uint64_t double_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Is it an integer with so many places, which gives the same bits back? */
static inline bool chunk_scales(double v, unsigned places, int64_t *ret)
{
    double x = v * chunk_powers[places];
    if (!(fabs(x) < 9007199254740992.0))
        return false;
    int64_t i = llrint(x);
    *ret = i;
    return double_bits((double)i / chunk_powers[places]) == double_bits(v);
}

static inline int64_t add64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static inline int64_t sub64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* The time of sample `count`, which is not the first. */
static inline int64_t chunk_clock_predict(const struct chunk_clock *c, unsigned count)
{
    if (count == 1)
        return c->t;
    return (int64_t)((uint64_t)c->position + (uint64_t)c->speed + 8) >> 4;
}

static inline void chunk_clock_learn(struct chunk_clock *c, unsigned count, int64_t t)
{
    int64_t at = (int64_t)((uint64_t)t * 16);
    if (TC_LIKELY(count > 1)) {
        int64_t expected = add64(c->position, c->speed), miss = sub64(at, expected);
        int64_t bound = c->speed / 4;
        if (TC_LIKELY(miss <= bound && miss >= -bound)) {
            c->position = add64(expected, miss / CLOCK_ALPHA);
            c->speed = add64(c->speed, miss / CLOCK_BETA);
            c->jumped = false;
        } else { /* a gap, or another rhythm where it goes on */
            if (c->jumped)
                c->speed = (int64_t)(((uint64_t)t - (uint64_t)c->t) * 16);
            c->position = at;
            c->jumped = !c->jumped;
        }
    } else if (count == 1) {
        c->speed = sub64(at, c->position);
        c->position = at;
        c->mean = 0;
    } else {
        c->position = at;
    }
    c->t = t;
}

/* The first steps are averaged; then the mean step moves by an eighth. */
static inline void chunk_step_learn(struct chunk_values *v, int64_t step)
{
    unsigned shift = v->seen >= CHUNK_STEPS_SETTLED ? 3 : v->seen >= 5 ? 2 : v->seen >= 3 ? 1 : 0;
    if (v->seen >= 1)
        v->step = add64(v->step, sub64((int64_t)((uint64_t)step * 16), v->step) >> shift);
    v->seen += v->seen < CHUNK_STEPS_SETTLED;
}

static inline int64_t chunk_integer_get(struct chunk_values *v, uint64_t code)
{
    int64_t step = add64(unzigzag(code), v->step >> 4);
    chunk_step_learn(v, step);
    v->last += (uint64_t)step;
    if (TC_UNLIKELY(v->seen == 1)) {
        v->step = 0;
        v->mean = 0;
    }
    return (int64_t)v->last;
}

#endif
