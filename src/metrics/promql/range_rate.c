/*
 * rate, increase and delta of plain floats, all steps of a series at once: first the two ends of every window,
 * which only ever move on, then the arithmetic on all of them together (lanes.h).
 */
#include "metrics/promql/range_priv.h"

void rate_windows_init(struct lanes_windows *w, struct arena *arena, size_t steps)
{
    size_t room = lanes_room(steps);
    double *p = arena_alloc(arena, 5 * room * sizeof *p);
    *w = (struct lanes_windows){
        .first = p, .to_start = p + room, .to_end = p + 2 * room, .sampled = p + 3 * room, .gaps = p + 4 * room};
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

size_t rate_column(const struct rate_column *r, const struct steps *s, struct lanes_windows *w, double *ret,
                   uint8_t *ret_kind)
{
    const int64_t *t = r->t;
    const double *f = r->f;
    size_t from = 0, to = 0, reset = 0, n = r->n, found = 0;
    int64_t end = s->start - r->offset_ms, start = end - r->range_ms;
    w->increase = ret;
    for (size_t i = 0; i < s->count; i++, end += s->interval, start += s->interval) {
        while (to < n && t[to] <= end)
            to++;
        while (from < to && t[from] <= start)
            from++;
        ret_kind[i] = SAMPLE_NONE;
        if (to - from < 2)
            continue;
        ret_kind[i] = SAMPLE_FLOAT;
        found++;
        ret[i] = f[to - 1] - f[from];
        if (TC_UNLIKELY(r->reset_count > 0))
            ret[i] = with_lost(r, ret[i], from, to, &reset);
        w->first[i] = f[from];
        w->to_start[i] = (double)(t[from] - start);
        w->to_end[i] = (double)(end - t[to - 1]);
        w->sampled[i] = (double)(t[to - 1] - t[from]);
        w->gaps[i] = (double)(to - from - 1);
    }
    if (found > 0)
        lanes_extrapolate(w, s->count, r->counter, r->seconds);
    return found;
}
