/*
 * The samples of one series: read once, carried on with what comes; see windows_priv.h.
 *
 * Samples stand in two columns of one allocation. New ones go behind; old ones are left at the front until
 * the room is used up, and then all move down at once.
 */
#include "metrics/rules/windows_priv.h"

#include <stdlib.h>

enum { WINDOW_FIRST = 8, WINDOW_SAMPLES_MAX = 1 << 24, SAMPLE_BYTES = sizeof(int64_t) + sizeof(double) };

static uint64_t labels_bytes(const struct labels *labels)
{
    uint64_t bytes = sizeof *labels + labels->count * sizeof(struct label);
    for (uint32_t i = 0; i < labels->count; i++)
        bytes += labels->items[i].value.n; /* names are mostly shared */
    return bytes;
}

/* --- places --- */

uint32_t window_find(struct windows *w, const struct labels *labels)
{
    size_t id = labels->id;
    return id < w->by_labels_size && w->by_labels[id] != 0 ? w->by_labels[id] - 1 : UINT32_MAX;
}

/* `items` with room for `index`; new room is zero. */
static uint32_t *with_room(uint32_t *items, size_t *size, size_t index)
{
    if (index < *size)
        return items;
    size_t more = TC_MAX(index + 1024, *size * 2);
    items = tc_realloc(items, more * sizeof *items);
    memset(items + *size, 0, (more - *size) * sizeof *items);
    *size = more;
    return items;
}

static uint32_t take_place(struct windows *w)
{
    if (w->free_count > 0)
        return w->free_places[--w->free_count];
    if (w->used == w->capacity) {
        w->capacity = TC_MAX(1024U, w->capacity * 2);
        w->windows = tc_realloc(w->windows, w->capacity * sizeof *w->windows);
    }
    w->windows[w->used] = (struct window){0};
    return w->used++;
}

uint32_t window_of(struct windows *w, const struct labels *labels, bool *ret_new)
{
    const struct labels *own = labels_import(&w->table, labels);
    uint32_t place = window_find(w, own);
    *ret_new = place == UINT32_MAX;
    if (!*ret_new)
        return place;
    place = take_place(w);
    uint32_t turn = w->windows[place].turn + 1;
    w->windows[place] = (struct window){.labels = own, .feed = FEED_NONE, .turn = turn};
    w->by_labels = with_room(w->by_labels, &w->by_labels_size, own->id);
    w->by_labels[own->id] = place + 1;
    w->live++;
    w->bytes += sizeof(struct window) + labels_bytes(own);
    return place;
}

void window_clear(struct windows *w, struct window *window)
{
    free(window->t);
    w->bytes -= (uint64_t)window->capacity * SAMPLE_BYTES;
    window->t = NULL;
    window->f = NULL;
    window->first = window->n = window->capacity = window->stale = window->falls = 0;
    window->known = false;
}

void window_release(struct windows *w, uint32_t place)
{
    struct window *window = &w->windows[place];
    if (--window->selections > 0)
        return;
    window_clear(w, window);
    if (window->feed != FEED_NONE) {
        w->options.feed.unfollow(w->options.feed.context, window->feed);
        w->by_feed[window->feed] = 0;
    }
    w->bytes -= sizeof(struct window) + labels_bytes(window->labels);
    w->by_labels[window->labels->id] = 0;
    *window = (struct window){.turn = window->turn};
    if (w->free_count == w->free_capacity) {
        w->free_capacity = TC_MAX(64U, w->free_capacity * 2);
        w->free_places = tc_realloc(w->free_places, w->free_capacity * sizeof *w->free_places);
    }
    w->free_places[w->free_count++] = place;
    w->live--;
}

void window_follow(struct windows *w, uint32_t place)
{
    struct window *window = &w->windows[place];
    uint32_t feed = w->options.feed.follow(w->options.feed.context, window->labels);
    if (feed == window->feed)
        return;
    if (window->feed != FEED_NONE)
        w->by_feed[window->feed] = 0;
    window->feed = feed;
    window->known = false;
    if (feed == FEED_NONE)
        return;
    w->by_feed = with_room(w->by_feed, &w->by_feed_size, feed);
    w->by_feed[feed] = place + 1;
}

void window_set_apart(struct windows *w, struct window *window)
{
    window_clear(w, window);
    window->apart = true;
    w->apart_series++;
}

/* --- samples --- */

/* Is there room for so many samples more? */
static bool fits(const struct windows *w, uint64_t samples)
{
    return w->bytes + samples * SAMPLE_BYTES <= w->options.bytes_max;
}

static void set_room(struct windows *w, struct window *window, uint32_t capacity)
{
    int64_t *t = tc_alloc((size_t)capacity * SAMPLE_BYTES);
    double *f = (double *)(void *)(t + capacity);
    if (window->n > 0) {
        memcpy(t, window->t + window->first, window->n * sizeof *t);
        memcpy(f, window->f + window->first, window->n * sizeof *f);
    }
    free(window->t);
    w->bytes += ((uint64_t)capacity - window->capacity) * SAMPLE_BYTES;
    window->t = t;
    window->f = f;
    window->first = 0;
    window->capacity = capacity;
}

static void drop_old(struct windows *w, struct window *window)
{
    int64_t floor_t = w->newest_ms - window->reach_ms;
    while (window->n > 0 && window->t[window->first] < floor_t) {
        const double *f = window->f + window->first;
        window->stale -= is_stale(f[0]);
        window->falls -= window->n > 1 && f[1] < f[0];
        window->first++;
        window->n--;
    }
    window->from_t = TC_MAX(window->from_t, floor_t);
}

/* Room for one more behind. False: there are too many bytes, and it is apart now. */
static bool make_room(struct windows *w, struct window *window)
{
    if (window->first + window->n < window->capacity)
        return true;
    drop_old(w, window);
    if (window->first >= window->capacity / 4 && window->first > 0) {
        memmove(window->t, window->t + window->first, window->n * sizeof *window->t);
        memmove(window->f, window->f + window->first, window->n * sizeof *window->f);
        window->first = 0;
        return true;
    }
    uint32_t capacity = window->n + window->n / 2 + WINDOW_FIRST;
    if (window->n >= WINDOW_SAMPLES_MAX || !fits(w, capacity - TC_MIN(window->capacity, capacity))) {
        window_set_apart(w, window);
        return false;
    }
    set_room(w, window, capacity);
    return true;
}

static void count_marks(struct window *window)
{
    const double *f = window->f + window->first;
    window->stale = window->falls = 0;
    for (uint32_t i = 0; i < window->n; i++) {
        window->stale += is_stale(f[i]);
        window->falls += i > 0 && f[i] < f[i - 1];
    }
}

bool window_fill(struct windows *w, struct window *window, const struct series_samples *in, int64_t from_t)
{
    size_t from = 0, n;
    window_clear(w, window);
    while (from < in->n && in->t[from] < from_t)
        from++;
    n = in->n - from;
    size_t capacity = n + n / 4 + WINDOW_FIRST;
    if (in->h != NULL || (in->st != NULL && !w->options.ignore_start_timestamps) || n > WINDOW_SAMPLES_MAX ||
        !fits(w, capacity)) {
        window_set_apart(w, window);
        return false;
    }
    set_room(w, window, (uint32_t)capacity);
    if (n > 0) {
        memcpy(window->t, in->t + from, n * sizeof *window->t);
        memcpy(window->f, in->f + from, n * sizeof *window->f);
    }
    window->n = (uint32_t)n;
    count_marks(window);
    window->from_t = from_t;
    window->known = true;
    window->apart = false;
    w->stats.series_read++;
    return true;
}

/* Between others. What has a time that is there already came while the window was read, or is late and does
 * not count: the store, too, gives the one that was there. */
static void insert(struct window *window, int64_t t, double v)
{
    uint32_t at = window->first + window->n;
    while (at > window->first && window->t[at - 1] >= t)
        at--;
    uint32_t behind = window->first + window->n - at;
    if (behind > 0 && window->t[at] == t)
        return;
    memmove(window->t + at + 1, window->t + at, behind * sizeof *window->t);
    memmove(window->f + at + 1, window->f + at, behind * sizeof *window->f);
    window->t[at] = t;
    window->f[at] = v;
    window->n++;
    count_marks(window);
}

void window_expect(const struct windows *w, uint32_t series, unsigned step)
{
    if (series >= w->by_feed_size || w->by_feed[series] == 0)
        return;
    const struct window *window = &w->windows[w->by_feed[series] - 1];
    if (step == 0) {
        __builtin_prefetch(window, 1);
        __builtin_prefetch((const char *)(window + 1) - 1, 1);
    } else if (window->t != NULL) {
        __builtin_prefetch(window->t + window->first + window->n, 1);
        __builtin_prefetch(window->f + window->first + window->n, 1);
    }
}

void window_take(struct windows *w, const struct fed_sample *s)
{
    if (s->series >= w->by_feed_size || w->by_feed[s->series] == 0)
        return;
    struct window *window = &w->windows[w->by_feed[s->series] - 1];
    if (s->histogram || (s->started && !w->options.ignore_start_timestamps)) {
        if (!window->apart)
            window_set_apart(w, window);
        return;
    }
    if (!window->known || s->t < window->from_t || !make_room(w, window))
        return;
    uint32_t end = window->first + window->n;
    w->stats.samples_taken++;
    if (window->n > 0 && window->t[end - 1] >= s->t) {
        insert(window, s->t, s->v);
        return;
    }
    window->t[end] = s->t;
    window->f[end] = s->v;
    window->falls += window->n > 0 && s->v < window->f[end - 1];
    window->n++;
    window->stale += is_stale(s->v);
}

/* First place in [from, to) with t >= at. */
static uint32_t first_at(const int64_t *t, uint32_t from, uint32_t to, int64_t at)
{
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (t[middle] < at)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void window_read(const struct window *window, int64_t min_t, int64_t max_t, struct series_samples *ret)
{
    uint32_t from = window->first, to = from + window->n;
    if (to > from && window->t[to - 1] > max_t)
        to = first_at(window->t, from, to, max_t + 1);
    from = first_at(window->t, from, to, min_t);
    *ret = (struct series_samples){.t = window->t + from,
                                   .f = window->f + from,
                                   .n = to - from,
                                   .plain = window->stale == 0,
                                   .no_falls = window->stale + window->falls == 0};
}
