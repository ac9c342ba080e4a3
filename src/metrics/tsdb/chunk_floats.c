/*
 * Reading chunks of floats: what a query spends most of its time on.
 *
 * One load serves a time and its value where both are short, as nearly always: the state of the stream stays
 * in registers, and what a sample decides is decided without branches. What is long or escaped goes the way
 * that bits.h has. Damage is looked for once a sample, so that a load never leaves the slack behind the
 * bytes.
 */
#include "metrics/tsdb/chunk_filters.h"

enum { WORD_BITS = 57 /* good ones of a load */ };

struct stream {
    struct bit_reader in;
    struct chunk_clock clock;
    struct chunk_values values;
    uint32_t start_mean;
    int64_t start_t;
};

/* The general way, for any sample. */
static void take_sample(struct stream *s, struct chunk_columns *c, unsigned flags, unsigned mode, unsigned i)
{
    size_t n = c->n + i;
    uint64_t code;
    c->t[n] = chunk_clock_get(&s->clock, &s->in, i);
    if (flags & CHUNK_START_TIMES) {
        if (!rice_get(&s->in, &s->start_mean, &code))
            s->in.bad = true;
        s->start_t = add64(s->start_t, unzigzag(code));
        c->st[n] = s->start_t;
    }
    if (mode == CHUNK_XOR)
        c->f[n] = double_of(chunk_xor_get(&s->values, &s->in));
    else if (rice_get(&s->in, &s->values.mean, &code))
        c->f[n] = (double)chunk_integer_get(&s->values, code) / chunk_powers[mode];
    else
        c->f[n] = double_of(code);
}

/* A word's first code: `q` zeros, a one, `k` bits. */
static inline uint64_t code_of(uint64_t word, unsigned q, unsigned k)
{
    return (uint64_t)q << k | (word >> 1 >> q & ((UINT64_C(1) << k) - 1));
}

/* The next code is no longer zeros than the word has good bits; an empty word is one long run. */
static inline unsigned zeros_of(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word | UINT64_C(1) << WORD_BITS);
}

/*
 * Samples from `i` on whose time and value stand in one word, the filters settled: integers without start
 * times. Returns the first that is another, or `to`.
 */
static inline unsigned take_run(struct stream *s, int64_t *restrict ret_t, double *restrict ret_f, unsigned i,
                                unsigned to, double power)
{
    const uint8_t *p = s->in.p;
    size_t at = s->in.at, end = s->in.end;
    int64_t position = s->clock.position, speed = s->clock.speed, before = s->clock.t, step = s->values.step;
    uint64_t last = s->values.last;
    uint32_t time_mean = s->clock.mean, mean = s->values.mean;
    for (; i < to && at <= end; i++) {
        uint64_t word = load_u64(p + (at >> 3)) >> (at & 7);
        unsigned time_k = rice_parameter(time_mean), time_q = zeros_of(word), time_bits = time_q + 1 + time_k;
        uint64_t time_code = code_of(word, time_q, time_k), rest = word >> time_k >> 1 >> time_q;
        unsigned k = rice_parameter(mean), q = zeros_of(rest);
        int64_t expected = add64(position, speed);
        int64_t t = add64(unzigzag(time_code), add64(expected, 8) >> 4);
        int64_t miss = sub64((int64_t)((uint64_t)t * 16), expected), bound = speed / 4;
        bool other = time_q >= RICE_ESCAPE || q >= RICE_ESCAPE || time_bits + q + 1 + k > WORD_BITS;
        if (TC_UNLIKELY(other || miss > bound || miss < -bound || t <= before || t > CHUNK_TIME_MAX))
            break;
        at += time_bits + q + 1 + k;
        position = add64(expected, miss / CLOCK_ALPHA);
        speed = add64(speed, miss / CLOCK_BETA);
        time_mean = rice_learn(time_mean, time_code);
        ret_t[i] = before = t;
        uint64_t code = code_of(rest, q, k);
        int64_t moved = add64(unzigzag(code), step >> 4);
        step = add64(step, sub64((int64_t)((uint64_t)moved * 16), step) >> 3);
        mean = rice_learn(mean, code);
        last += (uint64_t)moved;
        ret_f[i] = (double)(int64_t)last / power;
        s->clock.jumped = false;
    }
    s->in.at = at;
    s->clock.position = position;
    s->clock.speed = speed;
    s->clock.t = before;
    s->clock.mean = time_mean;
    s->values.step = step;
    s->values.last = last;
    s->values.mean = mean;
    return i;
}

/* The clock keeps time to the millisecond, and has for long: a time that it is right about is one bit, which
 * leaves the filter as it is. */
static inline bool is_regular(const struct stream *s)
{
    return s->clock.mean < 16 && s->clock.speed > 0 && s->clock.speed < INT64_C(1) << 40 &&
           s->clock.position == s->clock.t * 16 && s->clock.speed % 16 == 0;
}

/* As take_run, of a regular clock: up to the first time that is another. */
static inline unsigned take_regular_run(struct stream *s, int64_t *restrict ret_t, double *restrict ret_f,
                                        unsigned i, unsigned to, double power)
{
    const uint8_t *p = s->in.p;
    size_t at = s->in.at, end = s->in.end;
    int64_t t = s->clock.t, interval = s->clock.speed / 16, step = s->values.step;
    uint64_t last = s->values.last;
    uint32_t mean = s->values.mean;
    for (; i < to && at <= end; i++) {
        uint64_t word = load_u64(p + (at >> 3)) >> (at & 7), rest = word >> 1;
        unsigned k = rice_parameter(mean), q = zeros_of(rest);
        if (TC_UNLIKELY((word & 1) == 0 || q >= RICE_ESCAPE || q + k + 2 > WORD_BITS ||
                        t > CHUNK_TIME_MAX - interval))
            break;
        at += q + k + 2;
        ret_t[i] = t += interval;
        s->clock.jumped = false;
        uint64_t code = code_of(rest, q, k);
        int64_t moved = add64(unzigzag(code), step >> 4);
        step = add64(step, sub64((int64_t)((uint64_t)moved * 16), step) >> 3);
        mean = rice_learn(mean, code);
        last += (uint64_t)moved;
        ret_f[i] = (double)(int64_t)last / power;
    }
    s->in.at = at;
    s->clock.t = t;
    s->clock.position = t * 16;
    s->values.step = step;
    s->values.last = last;
    s->values.mean = mean;
    return i;
}

/* Apart, so that no division is left where there is nothing to divide by. */
static unsigned take_whole_run(struct stream *s, int64_t *t, double *f, unsigned i, unsigned to)
{
    if (is_regular(s))
        i = take_regular_run(s, t, f, i, to, 1);
    return take_run(s, t, f, i, to, 1);
}
static unsigned take_scaled_run(struct stream *s, int64_t *t, double *f, unsigned i, unsigned to,
                                double power)
{
    if (is_regular(s))
        i = take_regular_run(s, t, f, i, to, power);
    return take_run(s, t, f, i, to, power);
}

static bool decode(struct stream *s, struct chunk_columns *c, unsigned flags, unsigned mode, unsigned count)
{
    bool plain = mode != CHUNK_XOR && (flags & CHUNK_START_TIMES) == 0;
    for (unsigned i = 0; i < count; i++) {
        if (plain && i >= 2 && s->values.seen >= CHUNK_STEPS_SETTLED)
            i = mode == 0 ? take_whole_run(s, c->t + c->n, c->f + c->n, i, count)
                          : take_scaled_run(s, c->t + c->n, c->f + c->n, i, count, chunk_powers[mode]);
        if (i < count)
            take_sample(s, c, flags, mode, i);
        if (TC_UNLIKELY(s->in.bad || s->in.at > s->in.end))
            return false;
    }
    return true;
}

int chunk_floats_decode(struct bit_reader *in, unsigned flags, unsigned mode, unsigned count,
                        struct chunk_columns *c, struct err *err)
{
    struct stream s = {.in = *in};
    memset(c->st + c->n, 0, count * sizeof *c->st);
    memset(c->h + c->n, 0, count * sizeof(struct histogram *));
    if (!decode(&s, c, flags, mode, count))
        return err_set(err, TC_ECORRUPT, "a chunk of samples is damaged");
    c->n += count;
    c->has_start |= (flags & CHUNK_START_TIMES) != 0;
    return 0;
}
