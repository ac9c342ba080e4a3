/*
 * rate, increase and delta of plain floats, all steps of a series at once: first the two ends of every
 * window, which only ever move on, then the arithmetic on all of them together (lanes.h).
 *
 * Series are read and computed in batches, where there is a pool by several threads: each fills columns that
 * nobody else touches. What is the query's (labels, annotations, the sink) follows in the order of the
 * series, on the query's own thread, so the answer has the same bits however many threads there are.
 */
#include "metrics/promql/range_priv.h"

enum { BATCH_SERIES = 512, BATCH_BYTES = 4 << 20, PART_SERIES = 16 };

/* A series of floats without start timestamps. */
struct rate_column {
    int64_t range_ms, offset_ms;
    bool counter;
    double seconds; /* that the increase is divided by; 1: not at all */
    const int64_t *t;
    const double *f;
    size_t n;
    const size_t *resets; /* positions before which a counter was reset */
    size_t reset_count;
};

static void windows_init(struct lanes_windows *w, struct arena *arena, size_t steps)
{
    size_t room = lanes_room(steps);
    double *p = arena_alloc(arena, 5 * room * sizeof *p);
    *w = (struct lanes_windows){.first = p,
                                .to_start = p + room,
                                .to_end = p + 2 * room,
                                .sampled = p + 3 * room,
                                .gaps = p + 4 * room};
}

/* With what resets within (from, to) took away. *reset: the first that a later window may need. */
static double with_lost(const struct rate_column *r, double v, size_t from, size_t to, size_t *reset)
{
    while (*reset < r->reset_count && r->resets[*reset] <= from)
        (*reset)++;
    for (size_t k = *reset; k < r->reset_count && r->resets[k] < to; k++)
        v += r->f[r->resets[k] - 1];
    return v;
}

static inline void put_window(const struct lanes_windows *w, size_t i, const struct lanes_edges *e)
{
    const int64_t *t = e->t;
    w->increase[i] = e->f[e->to - 1] - e->f[e->from];
    w->first[i] = e->f[e->from];
    w->to_start[i] = (double)(t[e->from] - e->start);
    w->to_end[i] = (double)(e->end - t[e->to - 1]);
    w->sampled[i] = (double)(t[e->to - 1] - t[e->from]);
    w->gaps[i] = (double)(e->to - e->from - 1);
}

/* Touches nothing of a query. Returns how many steps have a value; every kind is set. */
static size_t compute(const struct rate_column *r, const struct steps *s, struct lanes_windows *w,
                      double *ret, uint8_t *ret_kind)
{
    const int64_t *t = r->t;
    const double *f = r->f;
    size_t n = r->n, found = 0, reset = 0;
    struct lanes_edges e = {.t = t, .f = f, .n = n, .interval = s->interval};
    e.end = s->start - r->offset_ms;
    e.start = e.end - r->range_ms;
    w->increase = ret;
    for (size_t i = 0; i < s->count; i++, e.end += s->interval, e.start += s->interval) {
        while (e.to < n && t[e.to] <= e.end)
            e.to++;
        while (e.from < e.to && t[e.from] <= e.start)
            e.from++;
        ret_kind[i] = SAMPLE_NONE;
        if (e.to - e.from < 2)
            continue;
        ret_kind[i] = SAMPLE_FLOAT;
        found++;
        put_window(w, i, &e);
        if (TC_UNLIKELY(r->reset_count > 0)) {
            ret[i] = with_lost(r, ret[i], e.from, e.to, &reset);
        } else if (r->range_ms < LANES_RANGE_MAX) {
            size_t done = lanes_move(&e, w, i, s->count);
            memset(ret_kind + i, SAMPLE_FLOAT, done - i + 1);
            found += done - i;
            i = done;
        }
    }
    if (found > 0)
        lanes_extrapolate(w, s->count, r->counter, r->seconds);
    return found;
}

/* --- series by series --- */

struct slot {
    struct column column;
    size_t found;
    bool general; /* histograms, start timestamps: one by one, window by window */
    int rc;
    struct err err;
};

struct batch {
    const struct rate_call *call;
    struct lanes_windows windows[QUERY_WORKERS_MAX];
    struct slot *slots;
    size_t capacity, from, n, per_part;
};

static void find_resets(struct rate_column *r, struct arena *arena)
{
    size_t *resets = arena_alloc_raw(arena, r->n * sizeof *resets, 8), n = 0;
    for (size_t i = 1; i < r->n; i++)
        if (r->f[i] < r->f[i - 1])
            resets[n++] = i;
    r->resets = resets;
    r->reset_count = n;
}

static void read_slot(struct batch *b, size_t k, unsigned worker)
{
    const struct rate_call *c = b->call;
    const struct range_series *series = c->series;
    struct query *q = c->q; /* its options and source only */
    struct slot *slot = &b->slots[k - b->from];
    struct arena *scratch = &q->worker_scratch[worker];
    struct series_samples d;
    arena_reset(scratch);
    slot->found = 0;
    slot->general = false;
    slot->rc = q->source->read(q->source->context, series->items[k].ref, series->min_t, series->max_t,
                               scratch, &d, &slot->err);
    if (slot->rc != 0)
        return;
    slot->general = d.h != NULL || (c->start_timestamps && d.st != NULL);
    if (slot->general)
        return;
    struct rate_column r = {.range_ms = c->range_ms,
                            .offset_ms = c->offset_ms,
                            .counter = c->counter,
                            .seconds = c->per_second ? (double)c->range_ms / 1000 : 1,
                            .t = d.t,
                            .f = d.f,
                            .n = d.n};
    if (TC_UNLIKELY(!lanes_rise(d.f, d.n))) {
        struct split_samples split;
        split_samples(scratch, &d, &split); /* staleness markers */
        r.t = split.float_t;
        r.f = split.f;
        r.n = split.float_count;
        if (c->counter)
            find_resets(&r, scratch);
    }
    slot->found = compute(&r, c->s, &b->windows[worker], slot->column.f, slot->column.kind);
}

static void read_part(void *context, unsigned part, unsigned worker)
{
    struct batch *b = context;
    size_t from = b->from + part * b->per_part, to = TC_MIN(from + b->per_part, b->from + b->n);
    for (size_t k = from; k < to; k++)
        read_slot(b, k, worker);
}

static void put_batch(struct batch *b)
{
    const struct rate_call *c = b->call;
    struct query *q = c->q;
    for (size_t k = b->from; k < b->from + b->n; k++) {
        struct slot *slot = &b->slots[k - b->from];
        if (slot->rc != 0)
            query_fail(q, "expanding series: %s", slot->err.text);
        query_tick(q);
        query_work(q, c->s->count);
        if (slot->general)
            c->general(c->context, k);
        else if (slot->found > 0)
            c->put(c->context, k, &slot->column);
        if (slot->column.taken) /* by who keeps it: another in its place */
            column_init(q, c->s, &slot->column, NULL);
    }
}

static void batch_init(struct batch *b, const struct rate_call *c, unsigned workers)
{
    struct arena *arena = c->q->arena;
    size_t column_bytes = lanes_room(c->s->count) * (sizeof(double) + 1);
    *b = (struct batch){
        .call = c, .capacity = workers > 1 ? TC_MIN((size_t)BATCH_SERIES, BATCH_BYTES / column_bytes) : 1};
    b->capacity = TC_MAX(b->capacity, (size_t)1);
    b->per_part = TC_MIN((size_t)PART_SERIES, TC_MAX(b->capacity / (4 * workers), (size_t)1));
    b->slots = ARENA_ARRAY(arena, struct slot, b->capacity);
    for (unsigned i = 0; i < workers; i++)
        windows_init(&b->windows[i], arena, c->s->count);
    for (size_t i = 0; i < b->capacity; i++) {
        struct column *column = &b->slots[i].column;
        column->f = arena_alloc(arena, column_bytes);
        column->kind = (uint8_t *)(column->f + lanes_room(c->s->count));
    }
    query_hold(c->q, c->s->count);
}

void rate_series(const struct rate_call *c)
{
    struct query *q = c->q;
    struct pool *pool = q->source->concurrent && c->series->count > BATCH_SERIES ? q->options->pool : NULL;
    unsigned workers = pool == NULL ? 1 : pool_threads(pool);
    struct batch *b = ARENA_NEW(q->arena, struct batch);
    batch_init(b, c, workers);
    for (b->from = 0; b->from < c->series->count; b->from += b->n) {
        b->n = TC_MIN(b->capacity, c->series->count - b->from);
        unsigned parts = (unsigned)((b->n + b->per_part - 1) / b->per_part);
        if (pool == NULL || !pool_try_run(pool, parts, read_part, b))
            for (unsigned part = 0; part < parts; part++)
                read_part(b, part, 0);
        put_batch(b);
    }
}
