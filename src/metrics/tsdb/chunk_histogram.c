/*
 * Chunks of native histograms: one layout (schema, zero bucket, bounds, bucket numbers) at the head, then
 * counts as steps from the histogram before.
 *
 * A chunk never spans a counter reset, so that reading knows of each histogram but the first that it is none.
 * Staleness markers have no layout and go anywhere.
 */
#include "metrics/tsdb/chunk.h"

#include <math.h>
#include <stdlib.h>

struct count_coder { /* of one count: the last integer that it was */
    int64_t last;
};

struct coders {
    struct count_coder count, zero_count, *buckets;
    uint32_t count_mean, zero_mean, bucket_mean;
    struct chunk_values sum;
};

struct chunk_histograms {
    struct histogram last; /* its arrays are in `memory` */
    bool stale;            /* the newest was a marker; `last` is the one before, if any */
    struct coders coders;
    struct arena memory;
};

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void put_count(struct count_coder *c, uint32_t *mean, struct bit_writer *out, double v)
{
    if (fabs(v) < 9007199254740992.0 && bits_of((double)(int64_t)v) == bits_of(v)) {
        rice_put(out, mean, zigzag((int64_t)v - c->last));
        c->last = (int64_t)v;
    } else {
        rice_put_raw(out, bits_of(v));
    }
}

static double get_count(struct count_coder *c, uint32_t *mean, struct bit_reader *in)
{
    uint64_t code;
    if (!rice_get(in, mean, &code))
        return double_of(code);
    c->last = (int64_t)((uint64_t)c->last + (uint64_t)unzigzag(code));
    return (double)c->last;
}

void chunk_histograms_free(struct chunk_histograms **h)
{
    if (*h == NULL)
        return;
    arena_free(&(*h)->memory);
    free(*h);
    *h = NULL;
}

const struct histogram *chunk_histogram_last(const struct chunk_writer *w)
{
    return &w->histograms->last;
}

static void put_side_layout(struct bit_writer *out, const struct histogram_side *side)
{
    bits_put_short(out, side->n, 16);
    for (size_t i = 0; i < side->n; i++)
        bits_put_short(out, (uint32_t)side->index[i], 32);
}

static void put_layout(struct bit_writer *out, const struct histogram *h)
{
    bits_put_short(out, (uint8_t)(int8_t)h->schema, 8);
    bits_put(out, bits_of(h->zero_threshold), 64);
    bits_put_short(out, h->bound_count, 16);
    for (size_t i = 0; i < h->bound_count; i++)
        bits_put(out, bits_of(h->bounds[i]), 64);
    put_side_layout(out, &h->positive);
    put_side_layout(out, &h->negative);
}

static void keep_last(struct chunk_histograms *hs, const struct histogram *h)
{
    hs->last.count = h->count;
    hs->last.zero_count = h->zero_count;
    hs->last.sum = h->sum;
    if (h->positive.n > 0)
        memcpy(hs->last.positive.count, h->positive.count, h->positive.n * sizeof(double));
    if (h->negative.n > 0)
        memcpy(hs->last.negative.count, h->negative.count, h->negative.n * sizeof(double));
}

static void put_sample(struct chunk_writer *w, int64_t t, const struct histogram *h, int64_t start_t)
{
    struct chunk_histograms *hs = w->histograms;
    bool stale = is_stale(h->sum);
    chunk_room(w, 128 + (h->positive.n + h->negative.n) * 16);
    struct bit_writer out = {w->p, w->bits};
    chunk_clock_put(&w->clock, &out, w->count, t);
    if (w->flags & CHUNK_START_TIMES) {
        rice_put(&out, &w->start_mean, zigzag(start_t - w->start_t));
        w->start_t = start_t;
    }
    bits_put_short(&out, stale, 1);
    if (!stale) {
        struct coders *c = &hs->coders;
        put_count(&c->count, &c->count_mean, &out, h->count);
        put_count(&c->zero_count, &c->zero_mean, &out, h->zero_count);
        chunk_xor_put(&c->sum, &out, bits_of(h->sum));
        for (size_t i = 0; i < h->positive.n; i++)
            put_count(&c->buckets[i], &c->bucket_mean, &out, h->positive.count[i]);
        for (size_t i = 0; i < h->negative.n; i++)
            put_count(&c->buckets[h->positive.n + i], &c->bucket_mean, &out, h->negative.count[i]);
        keep_last(hs, h);
    }
    hs->stale = stale;
    chunk_counted(w, out.at);
}

void chunk_histogram_begin(struct chunk_writer *w, int64_t t, const struct histogram *h, int64_t start_t)
{
    struct chunk_histograms *hs = tc_alloc(sizeof *hs);
    hs->last = *histogram_copy(&hs->memory, h);
    hs->coders.buckets = ARENA_ARRAY(&hs->memory, struct count_coder, h->positive.n + h->negative.n + 1);
    *w = (struct chunk_writer){.min_t = t,
                               .bits = CHUNK_HEADER_BYTES * 8,
                               .kind = CHUNK_HISTOGRAM,
                               .flags = (uint8_t)((start_t != 0 ? CHUNK_START_TIMES : 0) |
                                                  (h->hint == HINT_GAUGE ? CHUNK_GAUGE : 0)),
                               .histograms = hs};
    chunk_room(w, 64 + h->bound_count * 8 + (h->positive.n + h->negative.n) * 4);
    struct bit_writer out = {w->p, w->bits};
    put_layout(&out, h);
    w->bits = (uint32_t)out.at;
    put_sample(w, t, h, start_t);
}

static bool same_side(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->index, b->index, a->n * sizeof a->index[0]) == 0);
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && bits_of(a->zero_threshold) == bits_of(b->zero_threshold) &&
           a->bound_count == b->bound_count &&
           (a->bound_count == 0 || memcmp(a->bounds, b->bounds, a->bound_count * sizeof(double)) == 0) &&
           same_side(&a->positive, &b->positive) && same_side(&a->negative, &b->negative);
}

static bool counts_fell(const struct histogram_side *now, const struct histogram_side *before)
{
    for (size_t i = 0; i < now->n; i++)
        if (now->count[i] < before->count[i])
            return true;
    return false;
}

bool chunk_histogram_add(struct chunk_writer *w, int64_t t, const struct histogram *h, int64_t start_t)
{
    const struct chunk_histograms *hs = w->histograms;
    if (w->count >= CHUNK_SAMPLES || (w->bits >> 3) >= CHUNK_HISTOGRAM_BYTES ||
        (start_t != 0 && !(w->flags & CHUNK_START_TIMES)))
        return false;
    if (!is_stale(h->sum)) {
        const struct histogram *before = &hs->last;
        bool gauge = w->flags & CHUNK_GAUGE;
        if (hs->stale || gauge != (h->hint == HINT_GAUGE) || !same_layout(h, before))
            return false;
        if (!gauge &&
            (h->hint == HINT_RESET || h->count < before->count || h->zero_count < before->zero_count ||
             counts_fell(&h->positive, &before->positive) || counts_fell(&h->negative, &before->negative)))
            return false;
    }
    put_sample(w, t, h, start_t);
    return true;
}

static bool get_side(struct bit_reader *in, struct histogram_side *side, struct arena *arena)
{
    side->n = bits_get_short(in, 16);
    if (side->n > CHUNK_BUCKETS_MAX || side->n * 32 > in->end - TC_MIN(in->at, in->end))
        return false;
    side->index = ARENA_ARRAY(arena, int32_t, side->n);
    for (size_t i = 0; i < side->n; i++) {
        side->index[i] = (int32_t)bits_get_short(in, 32);
        if (i > 0 && side->index[i] <= side->index[i - 1])
            return false;
    }
    return true;
}

static bool get_layout(struct bit_reader *in, struct histogram *h, struct arena *arena)
{
    h->schema = (int8_t)bits_get_short(in, 8);
    h->zero_threshold = double_of(bits_get(in, 64));
    h->bound_count = bits_get_short(in, 16);
    if (h->bound_count > CHUNK_BUCKETS_MAX || h->bound_count * 64 > in->end - TC_MIN(in->at, in->end))
        return false;
    double *bounds = ARENA_ARRAY(arena, double, h->bound_count);
    for (size_t i = 0; i < h->bound_count; i++)
        bounds[i] = double_of(bits_get(in, 64));
    h->bounds = h->bound_count == 0 ? NULL : bounds;
    return get_side(in, &h->positive, arena) && get_side(in, &h->negative, arena) && !in->bad;
}

static struct histogram *get_sample(struct bit_reader *in, struct coders *c, const struct histogram *layout,
                                    struct arena *arena)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    if (bits_get_short(in, 1) != 0) {
        h->sum = stale_nan();
        return h;
    }
    *h = *layout;
    h->count = get_count(&c->count, &c->count_mean, in);
    h->zero_count = get_count(&c->zero_count, &c->zero_mean, in);
    h->sum = double_of(chunk_xor_get(&c->sum, in));
    h->positive.count = arena_alloc_raw(arena, TC_MAX(h->positive.n, (size_t)1) * sizeof(double), 8);
    h->negative.count = arena_alloc_raw(arena, TC_MAX(h->negative.n, (size_t)1) * sizeof(double), 8);
    for (size_t i = 0; i < h->positive.n; i++)
        h->positive.count[i] = get_count(&c->buckets[i], &c->bucket_mean, in);
    for (size_t i = 0; i < h->negative.n; i++)
        h->negative.count[i] = get_count(&c->buckets[h->positive.n + i], &c->bucket_mean, in);
    return h;
}

int chunk_histogram_decode(struct bit_reader *in, unsigned flags, unsigned count, struct arena *arena,
                           struct chunk_columns *columns, struct err *err)
{
    struct histogram layout = {0};
    if (!get_layout(in, &layout, arena))
        return err_set(err, TC_ECORRUPT, "a chunk of histograms has a damaged head");
    struct coders coders = {
        .buckets = ARENA_ARRAY(arena, struct count_coder, layout.positive.n + layout.negative.n + 1)};
    struct chunk_clock clock = {0};
    uint32_t start_mean = 0;
    int64_t start_t = 0;
    size_t n = columns->n;
    bool first = true;
    for (unsigned i = 0; i < count; i++, n++) {
        columns->t[n] = chunk_clock_get(&clock, in, i);
        columns->st[n] = 0;
        columns->f[n] = 0;
        uint64_t code;
        if (flags & CHUNK_START_TIMES) {
            if (!rice_get(in, &start_mean, &code))
                in->bad = true;
            columns->st[n] = start_t = (int64_t)((uint64_t)start_t + (uint64_t)unzigzag(code));
        }
        struct histogram *h = columns->h[n] = get_sample(in, &coders, &layout, arena);
        if (in->bad || in->at > in->end)
            return err_set(err, TC_ECORRUPT, "a chunk of histograms is damaged at its sample %u", i);
        if (!is_stale(h->sum)) {
            h->hint = flags & CHUNK_GAUGE ? HINT_GAUGE : first ? HINT_UNKNOWN : HINT_NOT_RESET;
            first = false;
        }
    }
    columns->n = n;
    columns->has_histograms = true;
    columns->has_start |= (flags & CHUNK_START_TIMES) != 0;
    return 0;
}
