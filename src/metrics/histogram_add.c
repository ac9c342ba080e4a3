/*
 * Adding histograms. One merge serves plain and compensated sums: the plain sum is the compensated one
 * without its rest. Before buckets meet, the finer side is coarsened, and the narrower zero bucket is widened
 * until both agree.
 */
#include "metrics/histogram.h"

#include <math.h>

/* A side with what its counts have lost; `rest` is NULL where nobody asks. */
struct lossy_side {
    struct histogram_side side;
    double *rest;
};

static struct lossy_side lossy(struct arena *arena, const struct histogram_side *side, const double *rest,
                               bool wanted)
{
    struct lossy_side made = {.side = {.n = side->n}};
    made.side.index = arena_alloc_raw(arena, (side->n + 1) * sizeof(int32_t), 16);
    made.side.count = arena_alloc_raw(arena, (side->n + 1) * sizeof(double), 16);
    made.rest = wanted ? ARENA_ARRAY(arena, double, side->n + 1) : NULL;
    if (side->n == 0)
        return made;
    memcpy(made.side.index, side->index, side->n * sizeof(int32_t));
    memcpy(made.side.count, side->count, side->n * sizeof(double));
    if (wanted && rest != NULL)
        memcpy(made.rest, rest, side->n * sizeof(double));
    return made;
}

static void add_at(struct lossy_side *to, size_t i, double v)
{
    double none = 0;
    kahan_add(v, &to->side.count[i], to->rest != NULL ? &to->rest[i] : &none);
}

static void coarsen(struct lossy_side *s, int32_t from, int32_t to)
{
    size_t n = 0;
    for (size_t i = 0; i < s->side.n; i++) {
        int32_t index = ((s->side.index[i] - 1) >> (from - to)) + 1;
        double count = s->side.count[i], rest = s->rest != NULL ? s->rest[i] : 0;
        if (n > 0 && s->side.index[n - 1] == index) {
            add_at(s, n - 1, count);
            if (rest != 0)
                add_at(s, n - 1, rest);
            continue;
        }
        s->side.index[n] = index;
        s->side.count[n] = count;
        if (s->rest != NULL)
            s->rest[n] = rest;
        n++;
    }
    s->side.n = n;
}

/* a += sign * b. Buckets of b that lie within the zero bucket of `h` have been counted there. */
static void merge(struct arena *arena, const struct histogram *h, struct lossy_side *a,
                  const struct lossy_side *b, double sign)
{
    struct lossy_side out = {.side = {.index = ARENA_ARRAY(arena, int32_t, a->side.n + b->side.n + 1),
                                      .count = ARENA_ARRAY(arena, double, a->side.n + b->side.n + 1)},
                             .rest = a->rest != NULL ? ARENA_ARRAY(arena, double, a->side.n + b->side.n + 1)
                                                     : NULL};
    size_t i = 0, j = 0;
    while (!histogram_is_custom(h) && j < b->side.n &&
           histogram_bound(h, b->side.index[j]) <= h->zero_threshold)
        j++;
    while (i < a->side.n || j < b->side.n) {
        bool from_a = i < a->side.n && (j == b->side.n || a->side.index[i] <= b->side.index[j]);
        bool from_b = j < b->side.n && (i == a->side.n || b->side.index[j] <= a->side.index[i]);
        size_t n = out.side.n++;
        out.side.index[n] = from_a ? a->side.index[i] : b->side.index[j];
        out.side.count[n] = from_a ? a->side.count[i] : sign * b->side.count[j];
        if (out.rest != NULL)
            out.rest[n] = from_a ? a->rest[i] : b->rest != NULL ? sign * b->rest[j] : 0;
        if (from_a && from_b) {
            add_at(&out, n, sign * b->side.count[j]);
            if (out.rest != NULL && b->rest != NULL && b->rest[j] != 0)
                add_at(&out, n, sign * b->rest[j]);
        }
        i += from_a;
        j += from_b;
    }
    *a = out;
}

/* --- zero buckets --- */

struct zero {
    double count, threshold, rest;
};

/* Counts the buckets of one side that a wider zero bucket swallows; true where it must be wider than asked.
 */
static bool swallow(const struct histogram *h, const struct histogram_side *side, const double *rest,
                    struct zero *z)
{
    for (size_t i = 0; i < side->n && histogram_bound(h, side->index[i] - 1) < z->threshold; i++) {
        double upper = histogram_bound(h, side->index[i]);
        kahan_add(side->count[i], &z->count, &z->rest);
        if (rest != NULL)
            kahan_add(rest[i], &z->count, &z->rest);
        if (upper > z->threshold) {
            if (side->count[i] == 0)
                return false;
            z->threshold = upper;
            return true;
        }
    }
    return false;
}

/* What the zero bucket holds when it is widened to `threshold`, or wider, where that would cut a bucket. */
static struct zero widened(const struct histogram *h, const struct histogram_rest *rest, double threshold)
{
    double start = rest != NULL ? rest->zero_count : 0;
    struct zero z = {h->zero_count, threshold, start};
    bool again = threshold != h->zero_threshold;
    while (again) {
        z.count = h->zero_count;
        (void)swallow(h, &h->positive, rest != NULL ? rest->positive : NULL, &z);
        again = swallow(h, &h->negative, rest != NULL ? rest->negative : NULL, &z);
    }
    return z;
}

/* Takes the buckets that the widened zero bucket has swallowed out of a side. */
static void cut_side(const struct histogram *h, struct lossy_side *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->side.n; i++) {
        bool inside = histogram_bound(h, s->side.index[i] - 1) < h->zero_threshold;
        double rest = s->rest != NULL ? s->rest[i] : 0;
        if (inside || (s->side.count[i] == 0 && rest == 0))
            continue;
        s->side.index[n] = s->side.index[i];
        s->side.count[n] = s->side.count[i];
        if (s->rest != NULL)
            s->rest[n] = rest;
        n++;
    }
    s->side.n = n;
}

/* Makes both zero buckets equally wide; what `other` has in it then, in *ret. */
static void agree_on_zero(struct arena *arena, struct histogram *h, struct histogram_rest *rest,
                          const struct histogram *other, struct zero *ret)
{
    *ret = (struct zero){other->zero_count, other->zero_threshold, 0};
    while (ret->threshold != h->zero_threshold) {
        if (h->zero_threshold > ret->threshold)
            *ret = widened(other, NULL, h->zero_threshold);
        if (ret->threshold <= h->zero_threshold)
            continue;
        struct zero z = widened(h, rest, ret->threshold);
        h->zero_count = z.count;
        h->zero_threshold = z.threshold;
        struct lossy_side positive =
            lossy(arena, &h->positive, rest != NULL ? rest->positive : NULL, rest != NULL);
        struct lossy_side negative =
            lossy(arena, &h->negative, rest != NULL ? rest->negative : NULL, rest != NULL);
        cut_side(h, &positive);
        cut_side(h, &negative);
        h->positive = positive.side;
        h->negative = negative.side;
        if (rest != NULL) {
            rest->zero_count = z.rest;
            rest->positive = positive.rest;
            rest->negative = negative.rest;
        }
    }
}

/* --- custom bounds --- */

static bool bounds_match(const struct histogram *a, const struct histogram *b)
{
    bool same = a->bound_count == b->bound_count;
    for (size_t i = 0; same && i < a->bound_count; i++)
        same = a->bounds[i] == b->bounds[i];
    return same;
}

static size_t common_bounds(const struct histogram *a, const struct histogram *b, double *out)
{
    size_t n = 0, i = 0, j = 0;
    while (i < a->bound_count && j < b->bound_count) {
        if (a->bounds[i] == b->bounds[j]) {
            out[n++] = a->bounds[i];
            i++;
            j++;
        } else if (a->bounds[i] < b->bounds[j]) {
            i++;
        } else {
            j++;
        }
    }
    return n;
}

/* Every bucket goes into the smallest common one that holds it. */
static void pour(struct lossy_side *to, const double *bounds, size_t bound_count,
                 const struct histogram *from, const double *rest, double sign)
{
    size_t target = 0;
    for (size_t i = 0; i < from->positive.n; i++) {
        double bound = histogram_bound(from, from->positive.index[i]);
        while (target < bound_count && bounds[target] < bound)
            target++;
        add_at(to, target, sign * from->positive.count[i]);
        if (rest != NULL)
            add_at(to, target, rest[i]);
    }
}

static void reconcile_bounds(struct arena *arena, struct histogram *h, struct histogram_rest *rest,
                             const struct histogram *other, double sign)
{
    double *bounds = ARENA_ARRAY(arena, double, h->bound_count + 1);
    size_t n = common_bounds(h, other, bounds), kept = 0;
    struct lossy_side all = {
        .side = {.index = ARENA_ARRAY(arena, int32_t, n + 1), .count = ARENA_ARRAY(arena, double, n + 1)},
        .rest = ARENA_ARRAY(arena, double, n + 1)};
    pour(&all, bounds, n, h, rest != NULL ? rest->positive : NULL, 1);
    pour(&all, bounds, n, other, NULL, sign);
    for (size_t i = 0; i <= n; i++) {
        if (all.side.count[i] == 0 && all.rest[i] == 0)
            continue;
        all.side.index[kept] = (int32_t)i;
        all.side.count[kept] = all.side.count[i];
        all.rest[kept++] = all.rest[i];
    }
    all.side.n = kept;
    h->positive = all.side;
    h->bounds = bounds;
    h->bound_count = n;
    if (rest != NULL)
        rest->positive = all.rest;
}

/* --- the whole --- */

/* The hint of a sum; true where a reset met a sample that says there was none. */
static bool adjust_hint(struct histogram *h, const struct histogram *other)
{
    if (other->hint == h->hint || h->hint == HINT_GAUGE)
        return false;
    if (other->hint == HINT_GAUGE) {
        h->hint = HINT_GAUGE;
        return false;
    }
    bool collision = h->hint != HINT_UNKNOWN && other->hint != HINT_UNKNOWN;
    h->hint = HINT_UNKNOWN;
    return collision;
}

static void merge_side(struct arena *arena, struct histogram *h, int32_t schema, struct histogram_side *side,
                       double **rest, const struct histogram *other, const struct histogram_side *other_side,
                       double sign)
{
    struct lossy_side a = lossy(arena, side, rest != NULL ? *rest : NULL, rest != NULL);
    struct lossy_side b = lossy(arena, other_side, NULL, rest != NULL && other->schema > schema);
    if (!histogram_is_custom(h)) {
        if (h->schema > schema)
            coarsen(&a, h->schema, schema);
        if (other->schema > schema)
            coarsen(&b, other->schema, schema);
    }
    struct histogram at_schema = *h;
    at_schema.schema = schema;
    merge(arena, &at_schema, &a, &b, sign);
    *side = a.side;
    if (rest != NULL)
        *rest = a.rest;
}

static bool add(struct arena *arena, struct histogram *h, struct histogram_rest *rest,
                const struct histogram *other, double sign, struct histogram_note *note)
{
    double none = 0;
    if (histogram_is_custom(h) != histogram_is_custom(other))
        return false;
    note->reset_collision |= adjust_hint(h, other);
    if (rest != NULL && !rest->used) {
        *rest = (struct histogram_rest){.used = true,
                                        .positive = ARENA_ARRAY(arena, double, h->positive.n + 1),
                                        .negative = ARENA_ARRAY(arena, double, h->negative.n + 1)};
    }
    if (!histogram_is_custom(h)) {
        struct zero z;
        agree_on_zero(arena, h, rest, other, &z);
        kahan_add(sign * z.count, &h->zero_count, rest != NULL ? &rest->zero_count : &none);
        if (rest != NULL)
            kahan_add(z.rest, &h->zero_count, &rest->zero_count);
    }
    kahan_add(sign * other->count, &h->count, rest != NULL ? &rest->count : &none);
    kahan_add(sign * other->sum, &h->sum, rest != NULL ? &rest->sum : &none);
    if (histogram_is_custom(h) && !bounds_match(h, other)) {
        note->bounds_reconciled = true;
        reconcile_bounds(arena, h, rest, other, sign);
        return true;
    }
    int32_t schema = TC_MIN(h->schema, other->schema);
    merge_side(arena, h, schema, &h->positive, rest != NULL ? &rest->positive : NULL, other, &other->positive,
               sign);
    merge_side(arena, h, schema, &h->negative, rest != NULL ? &rest->negative : NULL, other, &other->negative,
               sign);
    h->schema = schema;
    return true;
}

bool histogram_add(struct arena *arena, struct histogram *h, const struct histogram *other, double sign,
                   struct histogram_note *note)
{
    return add(arena, h, NULL, other, sign, note);
}

bool histogram_kahan_add(struct arena *arena, struct histogram *h, struct histogram_rest *rest,
                         const struct histogram *other, struct histogram_note *note)
{
    return add(arena, h, rest, other, 1, note);
}

void histogram_settle(struct histogram *h, const struct histogram_rest *rest)
{
    if (!rest->used)
        return;
    h->zero_count += rest->zero_count;
    h->count += rest->count;
    h->sum += rest->sum;
    for (size_t i = 0; i < h->positive.n; i++)
        h->positive.count[i] += rest->positive[i];
    for (size_t i = 0; i < h->negative.n; i++)
        h->negative.count[i] += rest->negative[i];
}

void histogram_rest_scale(struct histogram_rest *rest, const struct histogram *h, double factor, bool divide)
{
    if (!rest->used)
        return;
    double by = divide ? 1 / factor : factor;
    rest->zero_count = divide ? rest->zero_count / factor : rest->zero_count * by;
    rest->count = divide ? rest->count / factor : rest->count * by;
    rest->sum = divide ? rest->sum / factor : rest->sum * by;
    for (size_t i = 0; i < h->positive.n; i++)
        rest->positive[i] = divide ? rest->positive[i] / factor : rest->positive[i] * by;
    for (size_t i = 0; i < h->negative.n; i++)
        rest->negative[i] = divide ? rest->negative[i] / factor : rest->negative[i] * by;
}

struct histogram_rest histogram_rest_copy(struct arena *arena, const struct histogram *h,
                                          const struct histogram_rest *rest)
{
    struct histogram_rest made = *rest;
    if (!rest->used)
        return made;
    made.positive = ARENA_ARRAY(arena, double, h->positive.n + 1);
    made.negative = ARENA_ARRAY(arena, double, h->negative.n + 1);
    if (h->positive.n > 0)
        memcpy(made.positive, rest->positive, h->positive.n * sizeof(double));
    if (h->negative.n > 0)
        memcpy(made.negative, rest->negative, h->negative.n * sizeof(double));
    return made;
}
