/*
 * Packed columns; see packed.h.
 *
 * A line is base + floor((phase + slope * i) / 2^16): with a phase of its own it meets truncated quotients as
 * well as whole steps. Arithmetic that damaged bytes can drive wraps.
 */
#include "metrics/tsdb/packed.h"

#include "base/arena.h"
#include "base/varint.h"

#include <math.h>
#include <stdlib.h>

enum { PACKED_RICE = 1, PACKED_STEPS = 2, FRACTION = 16, SLOPES = 5, WORD_MAX = 56, SMALL_BASE_MAX = 256 };
__extension__ typedef unsigned __int128 wide;
#define LINE_HEIGHT_MAX (INT64_C(1) << 44) /* so that what follows from it fits in 2^-16 */
#define ONE             (INT64_C(1) << FRACTION)

struct plan {
    unsigned kind;
    int64_t base, slope, phase; /* of steps: the first value, the mean step */
    uint64_t most;              /* the greatest miss, of a range */
    uint64_t bits;
};

/* --- how many of 0 to `most` go into a word --- */

static unsigned bits_of(uint64_t most)
{
    return most == 0 ? 0 : 64 - (unsigned)__builtin_clzll(most);
}

struct radix {
    uint64_t base;
    unsigned per_word, word_bits;
};

static unsigned word_bits(uint64_t base, unsigned n)
{
    uint64_t most = 1;
    for (unsigned i = 0; i < n; i++)
        most *= base;
    return bits_of(most - 1);
}

static struct radix radix_of(uint64_t most)
{
    struct radix r = {.base = most + 1, .per_word = 1};
    uint64_t limit = (UINT64_C(1) << WORD_MAX) / r.base, power = r.base;
    for (; power <= limit; power *= r.base)
        r.per_word++;
    r.word_bits = word_bits(r.base, r.per_word);
    return r;
}

static uint64_t range_bits(uint64_t most, size_t n)
{
    if (most == 0)
        return 0;
    if (bits_of(most) > WORD_MAX / 2)
        return (uint64_t)n * bits_of(most);
    struct radix r = radix_of(most);
    return n / r.per_word * r.word_bits + word_bits(r.base, (unsigned)(n % r.per_word));
}

static void put_range(struct bit_writer *out, const uint64_t *v, size_t n, uint64_t most)
{
    if (most == 0)
        return;
    if (bits_of(most) > WORD_MAX / 2) {
        for (size_t i = 0; i < n; i++)
            bits_put(out, v[i], bits_of(most));
        return;
    }
    struct radix r = radix_of(most);
    for (size_t i = 0; i < n; i += r.per_word) {
        unsigned count = (unsigned)TC_MIN(n - i, (size_t)r.per_word);
        uint64_t word = 0;
        for (unsigned k = count; k-- > 0;)
            word = word * r.base + v[i + k];
        bits_put(out, word, count == r.per_word ? r.word_bits : word_bits(r.base, count));
    }
}

/* Digits of a word to a base up to 256, where multiplying by 2^64 / base, rounded up, is exact for all words.
 */
static inline void small_digits(uint64_t word, uint64_t base, uint64_t inverse, uint64_t *ret, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        uint64_t rest = (uint64_t)(((wide)word * inverse) >> 64);
        ret[k] = word - rest * base;
        word = rest;
    }
}

static void get_range(struct bit_reader *in, uint64_t *ret, size_t n, uint64_t most)
{
    if (most == 0) {
        memset(ret, 0, n * sizeof *ret);
        return;
    }
    if (bits_of(most) > WORD_MAX / 2) {
        for (size_t i = 0; i < n && !in->bad; i++)
            ret[i] = bits_get(in, bits_of(most));
        return;
    }
    struct radix r = radix_of(most);
    uint64_t inverse = UINT64_MAX / r.base + 1;
    for (size_t i = 0; i < n && !in->bad; i += r.per_word) {
        unsigned count = (unsigned)TC_MIN(n - i, (size_t)r.per_word);
        uint64_t word = bits_get_short(in, count == r.per_word ? r.word_bits : word_bits(r.base, count));
        if (r.base <= SMALL_BASE_MAX) {
            small_digits(word, r.base, inverse, ret + i, count);
            continue;
        }
        for (unsigned k = 0; k < count; k++, word /= r.base)
            ret[i + k] = word % r.base;
    }
}

/* --- Rice codes --- */

static uint64_t rice_bits(const uint64_t *v, size_t n)
{
    uint64_t bits = 0;
    uint32_t mean = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned k = rice_parameter(mean);
        uint64_t q = v[i] >> k;
        bits += q < RICE_ESCAPE ? q + 1 + k : RICE_ESCAPE + 6 + bits_of(v[i]);
        mean = rice_learn(mean, v[i]);
    }
    return bits;
}

/* --- what a plan misses --- */

static int64_t floor_of(int64_t v)
{
    return v >> FRACTION;
}

/* The misses of a plan: n of a line, n - 1 of steps. */
static size_t misses(const struct plan *p, const int64_t *v, size_t n, uint64_t *ret)
{
    size_t count = 0;
    for (size_t i = p->kind & PACKED_STEPS ? 1 : 0; i < n; i++) {
        int64_t expected = p->kind & PACKED_STEPS ? v[i - 1] + p->slope
                                                  : p->base + floor_of(p->phase + p->slope * (int64_t)i);
        int64_t miss = v[i] - expected;
        ret[count++] = p->kind & PACKED_RICE ? zigzag(miss) : (uint64_t)miss;
    }
    return count;
}

static void consider(struct plan *best, struct plan p, const int64_t *v, size_t n, uint64_t *scratch)
{
    size_t count = misses(&p, v, n, scratch);
    p.bits = p.kind & PACKED_RICE ? rice_bits(scratch, count) : range_bits(p.most, count);
    if (p.bits < best->bits)
        *best = p;
}

/* The heights over a slope, in 2^-16: how far they reach. */
static void heights(const int64_t *v, size_t n, int64_t slope, int64_t *ret_least, int64_t *ret_most)
{
    int64_t least = 0, most = 0;
    for (size_t i = 1; i < n; i++) {
        int64_t h = (v[i] - v[0]) * ONE - slope * (int64_t)i;
        least = TC_MIN(least, h);
        most = TC_MAX(most, h);
    }
    *ret_least = least;
    *ret_most = most;
}

/* By least squares, in 2^-16. */
static double mean_slope(const int64_t *v, size_t n)
{
    double middle = (double)(n - 1) / 2, sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)i - middle;
        sum += x * (double)(v[i] - v[0]);
        squares += x * x;
    }
    return squares > 0 ? sum / squares * (double)ONE : 0;
}

static struct plan line(int64_t first, int64_t slope, int64_t lowest)
{
    int64_t phase = lowest + ONE - 1; /* the highest line that is below all */
    return (struct plan){.base = first + floor_of(phase), .slope = slope, .phase = phase & (ONE - 1)};
}

static void consider_lines(struct plan *best, const int64_t *v, size_t n, uint64_t *scratch)
{
    double slope = mean_slope(v, n);
    const int64_t slopes[SLOPES] = {0, llrint(slope), llrint(slope / (double)ONE) * ONE,
                                    llrint(slope / (double)ONE * 4) * (ONE / 4),
                                    n > 1 ? (v[n - 1] - v[0]) * ONE / (int64_t)(n - 1) : 0};
    struct plan tightest = {.most = UINT64_MAX};
    for (size_t k = 0; k < SLOPES; k++) {
        int64_t least, most;
        heights(v, n, slopes[k], &least, &most);
        uint64_t reach = (uint64_t)floor_of(most - least);
        if (reach < tightest.most) {
            tightest = line(v[0], slopes[k], least);
            tightest.most = reach;
        }
    }
    consider(best, tightest, v, n, scratch);
    if (tightest.most < 2)
        return;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)(v[i] - v[0]) * (double)ONE - (double)llrint(slope) * (double)i;
    struct plan p = line(v[0], llrint(slope), llrint(sum / (double)n) - ONE / 2);
    p.kind = PACKED_RICE;
    consider(best, p, v, n, scratch);
}

static void consider_steps(struct plan *best, const int64_t *v, size_t n, uint64_t *scratch)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (size_t i = 1; i < n; i++) {
        least = TC_MIN(least, v[i] - v[i - 1]);
        most = TC_MAX(most, v[i] - v[i - 1]);
    }
    struct plan p = {.kind = PACKED_STEPS, .base = v[0], .slope = least, .most = (uint64_t)(most - least)};
    consider(best, p, v, n, scratch);
    p.kind = PACKED_STEPS | PACKED_RICE;
    p.slope = (v[n - 1] - v[0]) / (int64_t)(n - 1);
    consider(best, p, v, n, scratch);
    p.slope = 0;
    consider(best, p, v, n, scratch);
}

/* --- bytes --- */

static void put_plan(struct buf *out, const struct plan *p)
{
    buf_u8(out, (uint8_t)p->kind);
    buf_varint(out, varint_fold(p->base));
    buf_varint(out, varint_fold(p->slope));
    if (!(p->kind & PACKED_STEPS))
        buf_varint(out, (uint64_t)(ONE - 1 - p->phase));
    if (!(p->kind & PACKED_RICE))
        buf_varint(out, p->most);
}

static bool get_plan(struct reader *in, struct plan *ret)
{
    *ret = (struct plan){.kind = reader_u8(in)};
    if (ret->kind > (PACKED_RICE | PACKED_STEPS))
        return false;
    ret->base = varint_unfold(reader_varint(in));
    ret->slope = varint_unfold(reader_varint(in));
    if (!(ret->kind & PACKED_STEPS)) {
        uint64_t missing = reader_varint(in);
        if (missing >= (uint64_t)ONE)
            return false;
        ret->phase = ONE - 1 - (int64_t)missing;
    }
    if (!(ret->kind & PACKED_RICE))
        ret->most = reader_varint(in);
    return !in->bad && ret->most < UINT64_C(1) << 62;
}

void packed_put(struct buf *out, const int64_t *v, size_t n)
{
    uint64_t scratch[PACKED_MAX];
    struct plan best = {.bits = UINT64_MAX};
    int64_t least = v[0], most = v[0];
    tc_assert(n >= 1 && n <= PACKED_MAX);
    for (size_t i = 1; i < n; i++) {
        least = TC_MIN(least, v[i]);
        most = TC_MAX(most, v[i]);
    }
    if (most - least < LINE_HEIGHT_MAX)
        consider_lines(&best, v, n, scratch);
    if (n > 1 && best.bits > 0)
        consider_steps(&best, v, n, scratch);
    put_plan(out, &best);
    size_t count = misses(&best, v, n, scratch);
    struct bit_writer bits = {tc_alloc((best.bits + 7) / 8 + BITS_SLACK), 0};
    uint32_t mean = 0;
    if (best.kind & PACKED_RICE)
        for (size_t i = 0; i < count; i++)
            rice_put(&bits, &mean, scratch[i]);
    else
        put_range(&bits, scratch, count, best.most);
    buf_add(out, bits.p, (bits.at + 7) / 8);
    free(bits.p);
}

static void add_steps(const struct plan *p, uint64_t *v, size_t n)
{
    uint64_t at = v[0] = (uint64_t)p->base;
    for (size_t i = 1; i < n; i++)
        v[i] = at += v[i] + (uint64_t)p->slope;
}

static void add_line(const struct plan *p, uint64_t *v, size_t n)
{
    uint64_t at = (uint64_t)p->phase;
    for (size_t i = 0; i < n; i++, at += (uint64_t)p->slope)
        v[i] += (uint64_t)p->base + (uint64_t)floor_of((int64_t)at);
}

bool packed_get(struct sv *in, int64_t *ret, size_t n)
{
    struct reader head = reader_of(*in);
    struct plan p;
    uint64_t *v = (uint64_t *)ret;
    if (n == 0 || !get_plan(&head, &p))
        return false;
    struct sv rest = head.rest;
    struct bit_reader bits = {(const uint8_t *)rest.p, 0, rest.n * 8, false};
    bool steps = (p.kind & PACKED_STEPS) != 0;
    size_t first = steps ? 1 : 0;
    uint32_t mean = 0;
    if (p.kind & PACKED_RICE)
        for (size_t i = first; i < n && !bits.bad; i++) {
            bits.bad |= !rice_get(&bits, &mean, &v[i]);
            v[i] = (uint64_t)unzigzag(v[i]);
        }
    else
        get_range(&bits, v + first, n - first, p.most);
    if (bits.bad || bits.at > bits.end)
        return false;
    if (steps)
        add_steps(&p, v, n);
    else
        add_line(&p, v, n);
    size_t used = (bits.at + 7) / 8;
    *in = sv_make(rest.p + used, rest.n - used);
    return true;
}
