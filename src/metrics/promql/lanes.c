/*
 * Steps in lanes; see lanes.h. Each loop is written once, on vectors of the compiler, and built twice: for
 * any processor, and for those with AVX2, which is asked once.
 */
#include "metrics/promql/lanes.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Vectors never cross a call that is left: all of it is inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

typedef double lane __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t mask __attribute__((vector_size(LANES * sizeof(double))));

#define INLINE static inline __attribute__((always_inline))

/* Not functions: a vector as a parameter is another matter on every processor, and compilers say so. */
#define CHOOSE(which, yes, no) ((lane)(((which) & (mask)(yes)) | (~(which) & (mask)(no))))
#define MAGNITUDE(v)           ((lane)((mask)(v)&0x7fffffffffffffff))
#define ALL_OF(v)              ((v[0] & v[1] & v[2] & v[3]) != 0)
/* Of numbers below 2^51, without an instruction for it: they stand in the low bits of 1.5 * 2^52. */
#define AS_DOUBLE(v) ((lane)((v) + 0x4338000000000000) - 6755399441055744.0)

INLINE void store(double *p, const lane *v)
{
    memcpy(p, v, sizeof *v);
}
INLINE lane load(const double *p)
{
    lane v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Where the samples lie in their windows, in milliseconds, and what follows from that alone. */
struct layout {
    lane to_start, to_end, sampled, gaps;
    lane start_s, end_s, sampled_s;
};

INLINE bool same_layout(const struct layout *a, const struct layout *b)
{
    mask same = ((a->to_start == b->to_start) & (a->to_end == b->to_end) & (a->sampled == b->sampled) &
                 (a->gaps == b->gaps));
    return ALL_OF(same);
}

/* The samples of regular series lie alike in each window: divisions that were done are not done again. */
INLINE void extrapolate(const struct lanes_windows *w, size_t steps, bool counter, double seconds)
{
    lane none = {NAN, NAN, NAN, NAN}, one = {1, 1, 1, 1};
    struct layout now = {.gaps = none};
    for (size_t i = 0; i < steps; i += LANES) {
        struct layout next = {.to_start = load(w->to_start + i),
                              .to_end = load(w->to_end + i),
                              .sampled = load(w->sampled + i),
                              .gaps = load(w->gaps + i)};
        if (!same_layout(&next, &now)) {
            now = next;
            now.sampled_s = now.sampled / 1000;
            now.start_s = now.to_start / 1000;
            now.end_s = now.to_end / 1000;
            lane spacing = now.sampled_s / now.gaps, most = spacing * 1.1, half = spacing / 2;
            now.start_s = CHOOSE(now.start_s >= most, half, now.start_s);
            now.end_s = CHOOSE(now.end_s >= most, half, now.end_s);
        }
        lane v = load(w->increase + i), first = load(w->first + i), start_s = now.start_s,
             sampled = now.sampled_s;
        if (counter) { /* it does not go below zero */
            lane to_zero = sampled * (first / v);
            start_s = CHOOSE((v > 0) & (first >= 0) & (to_zero < start_s), to_zero, start_s);
        }
        lane factor = CHOOSE(sampled != 0, (sampled + start_s + now.end_s) / sampled, one);
        lane rate = v * (factor / seconds);
        store(w->increase + i, &rate);
    }
}

INLINE void kahan(const double *v, double *sum, double *rest, size_t steps)
{
    lane infinity = {INFINITY, INFINITY, INFINITY, INFINITY}, none = {0};
    for (size_t i = 0; i < steps; i += LANES) {
        lane a = load(v + i), s = load(sum + i), t = s + a;
        lane error = CHOOSE(MAGNITUDE(s) >= MAGNITUDE(a), (s - t) + a, (a - t) + s);
        lane left = load(rest + i) + error;
        left = CHOOSE(MAGNITUDE(t) == infinity, none, left);
        store(rest + i, &left);
        store(sum + i, &t);
    }
}

INLINE mask load_times(const int64_t *p)
{
    mask v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE size_t move(struct lanes_edges *e, const struct lanes_windows *w, size_t done, size_t steps)
{
    mask steps_on = {1, 2, 3, 4};
    mask start = e->start + steps_on * e->interval, end = e->end + steps_on * e->interval;
    size_t from = e->from, to = e->to, first = done;
    for (; done + LANES < steps && to + LANES < e->n; done += LANES) {
        mask oldest = load_times(e->t + from + 1), newest = load_times(e->t + to);
        mask one_in = (newest <= end) & (load_times(e->t + to + 1) > end);
        mask one_out = (load_times(e->t + from) <= start) & (oldest > start);
        mask regular = one_in & one_out;
        if (!ALL_OF(regular))
            break;
        double gap = (double)(to - from - 1);
        lane value = load(e->f + from + 1), gaps = {gap, gap, gap, gap};
        lane increase = load(e->f + to) - value, to_start = AS_DOUBLE(oldest - start),
             to_end = AS_DOUBLE(end - newest), sampled = AS_DOUBLE(newest - oldest);
        store(w->first + done + 1, &value);
        store(w->increase + done + 1, &increase);
        store(w->to_start + done + 1, &to_start);
        store(w->to_end + done + 1, &to_end);
        store(w->sampled + done + 1, &sampled);
        store(w->gaps + done + 1, &gaps);
        from += LANES;
        to += LANES;
        start += LANES * e->interval;
        end += LANES * e->interval;
    }
    e->start += (int64_t)(done - first) * e->interval;
    e->end += (int64_t)(done - first) * e->interval;
    e->from = from;
    e->to = to;
    return done;
}

INLINE bool rise(const double *v, size_t n)
{
    mask good = {-1, -1, -1, -1};
    size_t i = 1;
    for (; i + LANES <= n; i += LANES)
        good &= load(v + i) >= load(v + i - 1);
    bool all = n == 0 || !isnan(v[0]);
    for (size_t k = 0; k < LANES; k++)
        all &= good[k] != 0;
    for (; i < n; i++)
        all &= v[i] >= v[i - 1];
    return all;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void extrapolate_avx2(const struct lanes_windows *w, size_t steps,
                                                             bool counter, double seconds)
{
    extrapolate(w, steps, counter, seconds);
}
__attribute__((target("avx2"))) static void kahan_avx2(const double *v, double *sum, double *rest,
                                                       size_t steps)
{
    kahan(v, sum, rest, steps);
}
__attribute__((target("avx2"))) static bool rise_avx2(const double *v, size_t n)
{
    return rise(v, n);
}
__attribute__((target("avx2"))) static size_t
move_avx2(struct lanes_edges *edges, const struct lanes_windows *w, size_t done, size_t steps)
{
    return move(edges, w, done, steps);
}
#define WITH_AVX2(call)                                                                                      \
    if (__builtin_cpu_supports("avx2")) {                                                                    \
        call;                                                                                                \
        return;                                                                                              \
    }
#else
#define WITH_AVX2(call)
#endif

void lanes_extrapolate(const struct lanes_windows *windows, size_t steps, bool counter, double seconds)
{
    WITH_AVX2(extrapolate_avx2(windows, steps, counter, seconds))
    extrapolate(windows, steps, counter, seconds);
}

void lanes_kahan_add(const double *v, double *sum, double *rest, size_t steps)
{
    WITH_AVX2(kahan_avx2(v, sum, rest, steps))
    kahan(v, sum, rest, steps);
}

bool lanes_rise(const double *v, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return rise_avx2(v, n);
#endif
    return rise(v, n);
}

size_t lanes_move(struct lanes_edges *edges, const struct lanes_windows *windows, size_t done, size_t steps)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return move_avx2(edges, windows, done, steps);
#endif
    return move(edges, windows, done, steps);
}
