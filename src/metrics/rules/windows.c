/*
 * Selections that are kept: which series a selector gives, and that their windows hold what it reads; see
 * windows.h.
 *
 * A selection is right as long as the store's state is the one in which it was made: new series are added to
 * it as they come; when anything else changes (a block is cut, series go, the range touches other parts), it
 * is asked for anew. Windows outlive that: they are found by their labels.
 */
#include "metrics/rules/windows_priv.h"

#include "base/metric_text.h"

#include <stdlib.h>

enum { ONE_BY_ONE = 16 };
#define UNUSED_MAX_MS   (2LL * 3600000) /* a selection that nobody asked for goes */
#define SWEEP_MS        (10LL * 60000)
#define SET_BACK_MAX_MS (3600000LL)     /* the clock was set back by more: all begins anew */
#define ALL_TIME        (INT64_MAX / 4) /* of what is read: samples from the future are kept, too */
enum { LABELS_GONE_MAX = 65536 };

/* --- selections --- */

static struct sv text_of(struct windows *w, const struct matcher *matchers, size_t count,
                         struct matcher **ret_sorted)
{
    struct matcher *sorted = *ret_sorted = ARENA_ARRAY(&w->scratch, struct matcher, count + 1);
    struct buf text;
    if (count > 0)
        memcpy(sorted, matchers, count * sizeof *sorted);
    matchers_sort(sorted, count);
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        buf_u8(&text, (uint8_t)sorted[i].type);
        buf_string(&text, sorted[i].name);
        buf_string(&text, sorted[i].value);
    }
    struct sv kept = text.overflow ? (struct sv){0} : arena_sv(&w->scratch, buf_view(&text));
    buf_free(&text);
    return kept;
}

static struct selection *selection_new(struct windows *w, const struct matcher *matchers, size_t count)
{
    struct selection *s = tc_alloc(sizeof *s);
    s->matchers = ARENA_ARRAY(&s->arena, struct matcher, count + 1);
    for (size_t i = 0; i < count; i++)
        /* it was compiled before, so it can be compiled again */
        (void)matcher_init(&s->matchers[s->matcher_count++], matchers[i].type,
                           arena_sv(&s->arena, matchers[i].name), arena_sv(&s->arena, matchers[i].value),
                           NULL);
    if (w->selection_count == w->selection_capacity) {
        w->selection_capacity = TC_MAX((size_t)64, w->selection_capacity * 2);
        w->selections = tc_realloc(w->selections, w->selection_capacity * sizeof(struct selection *));
    }
    return w->selections[w->selection_count++] = s;
}

static void release_places(struct windows *w, uint32_t *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        window_release(w, places[i]);
    free(places);
}

static void let_go(struct windows *w, struct selection *s)
{
    release_places(w, s->places, s->n);
    s->places = NULL;
    s->n = s->capacity = s->unknown = 0;
    s->built = false;
}

static void selection_free(struct windows *w, struct selection *s)
{
    let_go(w, s);
    for (size_t i = 0; i < s->matcher_count; i++)
        matcher_free(&s->matchers[i]);
    arena_free(&s->arena);
    free(s);
}

/* The one for these matchers, made where it is new; NULL where there are too many. */
static struct selection *selection_of(struct windows *w, const struct matcher *matchers, size_t count)
{
    struct matcher *sorted;
    struct sv text = text_of(w, matchers, count, &sorted);
    uint64_t *slot = text.p == NULL ? NULL : map_put(&w->by_text, text, NULL);
    if (slot != NULL && *slot == 0)
        *slot = (uint64_t)(uintptr_t)selection_new(w, sorted, count);
    return slot == NULL ? NULL : (struct selection *)(uintptr_t)*slot;
}

static void add_place(struct selection *s, uint32_t place)
{
    if (s->n == s->capacity) {
        s->capacity = TC_MAX((size_t)16, s->capacity * 2);
        s->places = tc_realloc(s->places, s->capacity * sizeof *s->places);
    }
    s->places[s->n++] = place;
}

static void set_apart(struct windows *w, struct selection *s)
{
    let_go(w, s);
    s->apart = true;
}

/* --- reading from the store --- */

/* The samples from `min_t` on; what comes while they are read is told by the feed as well. */
static int fill(struct windows *w, struct window *window, uint64_t ref, int64_t min_t, bool *ret_good,
                struct err *err)
{
    const struct series_source *from = &w->options.source;
    struct series_samples samples;
    arena_reset(&w->read_scratch);
    int rc = from->read(from->context, ref, min_t, ALL_TIME, &w->read_scratch, &samples, err);
    *ret_good = rc == 0 && window_fill(w, window, &samples, min_t);
    return rc;
}

static bool lacks(const struct window *window, int64_t min_t)
{
    return !window->known || window->from_t > min_t;
}

/* Asks the store. The answer (*ret) is good whether or not it can be kept. */
static int build(struct windows *w, struct selection *s, const struct feed_state *state, int64_t min_t,
                 int64_t max_t, struct source_series **ret, size_t *ret_count, struct err *err)
{
    const struct series_source *from = &w->options.source;
    uint32_t *before = s->places;
    size_t before_count = s->n;
    int rc = from->select(from->context, s->matchers, s->matcher_count, min_t, max_t, &w->scratch, ret,
                          ret_count, err);
    if (rc != 0)
        return rc;
    s->places = NULL;
    s->n = s->capacity = s->unknown = 0;
    s->state = *state;
    s->reach_ms = w->newest_ms - min_t;
    s->checked_apart = w->apart_series;
    bool good = true;
    for (size_t i = 0; i < *ret_count && good && rc == 0; i++) {
        bool fresh;
        uint32_t place = window_of(w, (*ret)[i].labels, &fresh);
        add_place(s, place);
        w->windows[place].selections++;
        window_follow(w, place);
        struct window *window = &w->windows[place];
        window->reach_ms = TC_MAX(window->reach_ms, s->reach_ms);
        good = !window->apart && w->bytes <= w->options.bytes_max;
        if (good && lacks(window, min_t))
            rc = fill(w, window, (*ret)[i].ref, min_t, &good, err);
    }
    release_places(w, before, before_count);
    s->built = good && rc == 0;
    if (!s->built)
        let_go(w, s);
    s->apart = !good && rc == 0;
    return rc;
}

/* The one series of exactly these labels, by itself. False where it was not found, or not kept. */
static bool fill_alone(struct windows *w, uint32_t place, int64_t min_t, int64_t max_t)
{
    const struct series_source *from = &w->options.source;
    struct source_series *found;
    size_t count;
    bool good = false;
    window_follow(w, place);
    struct window *window = &w->windows[place];
    struct matcher *exact = ARENA_ARRAY(&w->scratch, struct matcher, window->labels->count + 1);
    for (uint32_t i = 0; i < window->labels->count; i++)
        exact[i] = (struct matcher){MATCH_EQUAL, window->labels->items[i].name,
                                    window->labels->items[i].value, NULL};
    if (from->select(from->context, exact, window->labels->count, min_t, max_t, &w->scratch, &found, &count,
                     NULL) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (found[i].labels->count == window->labels->count)
            return fill(w, window, found[i].ref, min_t, &good, NULL) == 0 && good;
    return false;
}

/* As far back as all others of the selection. */
static bool fill_unknown(struct windows *w, struct selection *s, int64_t max_t)
{
    int64_t min_t = w->newest_ms - s->reach_ms;
    if (s->unknown > s->n / ONE_BY_ONE + ONE_BY_ONE)
        return false;
    for (size_t i = s->n - s->unknown; i < s->n; i++) { /* new series stand behind */
        struct window *window = &w->windows[s->places[i]];
        window->reach_ms = TC_MAX(window->reach_ms, s->reach_ms);
        if (lacks(window, min_t) && !fill_alone(w, s->places[i], min_t, max_t))
            return false;
    }
    s->unknown = 0;
    return true;
}

/* --- the source --- */

static void forget_all(struct windows *w)
{
    for (uint32_t i = 0; i < w->used; i++)
        w->windows[i].known = w->windows[i].apart = false;
    for (size_t i = 0; i < w->selection_count; i++)
        w->selections[i]->built = w->selections[i]->apart = false;
}

/* The store's history is another: all is read anew. Notes of before that may be of samples that are gone. */
static void begin_anew(struct windows *w, uint64_t history)
{
    const struct fed_sample *samples;
    size_t n;
    (void)w->options.feed.take(w->options.feed.context, &samples, &n);
    forget_all(w);
    w->history = history;
}

static void check_apart(struct windows *w, struct selection *s)
{
    if (s->checked_apart == w->apart_series)
        return;
    s->checked_apart = w->apart_series;
    for (size_t i = 0; i < s->n; i++)
        if (w->windows[s->places[i]].apart) {
            set_apart(w, s);
            return;
        }
}

static bool is_right(struct windows *w, struct selection *s, const struct feed_state *state, int64_t min_t,
                     int64_t max_t)
{
    return s->built && w->newest_ms - min_t <= s->reach_ms && s->state.parts == state->parts &&
           (s->unknown == 0 || fill_unknown(w, s, max_t));
}

static int select_series(void *context, const struct matcher *matchers, size_t count, int64_t min_t,
                         int64_t max_t, struct arena *arena, struct source_series **ret, size_t *ret_count,
                         struct err *err)
{
    struct windows *w = context;
    const struct series_source *from = &w->options.source;
    struct selection *s = NULL;
    arena_reset(&w->scratch);
    /* what looks back by an offset is not kept: its answer may be without the parts of the store that hold
     * newer samples, so no window that others share could be read by it */
    if (max_t >= w->now_ms)
        s = selection_of(w, matchers, count);
    if (s == NULL)
        return from->select(from->context, matchers, count, min_t, max_t, arena, ret, ret_count, err);
    struct feed_state state = w->options.feed.state(w->options.feed.context, min_t, max_t);
    if (state.history != w->history)
        begin_anew(w, state.history);
    s->used_ms = w->now_ms;
    check_apart(w, s);
    if (!s->apart && !is_right(w, s, &state, min_t, max_t)) {
        struct source_series *made;
        int rc = build(w, s, &state, min_t, max_t, &made, ret_count, err);
        if (rc != 0)
            return rc;
    }
    if (s->apart)
        return from->select(from->context, matchers, count, min_t, max_t, arena, ret, ret_count, err);
    *ret = arena_alloc_raw(arena, (s->n + 1) * sizeof **ret, 8);
    *ret_count = s->n;
    for (size_t i = 0; i < s->n; i++)
        (*ret)[i] = (struct source_series){w->windows[s->places[i]].labels, window_ref(w, s->places[i])};
    return 0;
}

static int read_series(void *context, uint64_t ref, int64_t min_t, int64_t max_t, struct arena *scratch,
                       struct series_samples *ret, struct err *err)
{
    struct windows *w = context;
    const struct series_source *from = &w->options.source;
    if (ref >> 63 == 0)
        return from->read(from->context, ref, min_t, max_t, scratch, ret, err);
    const struct window *window = &w->windows[(uint32_t)ref];
    if (!window->known || window->from_t > min_t)
        return err_set(err, TC_ESTATE, "a series is asked for samples that its selection did not ask for");
    window_read(window, min_t, max_t, ret);
    return 0;
}

struct series_source windows_source(struct windows *windows)
{
    return (struct series_source){.context = windows, .select = select_series, .read = read_series};
}

/* --- what comes --- */

static void note_new(void *to, uint32_t series, const struct labels *labels)
{
    struct windows *w = to;
    uint32_t place = UINT32_MAX;
    bool known = false;
    for (size_t i = 0; i < w->selection_count; i++) {
        struct selection *s = w->selections[i];
        if (!s->built || series < s->state.next_series || series >= w->new_until ||
            !matchers_match(s->matchers, s->matcher_count, labels))
            continue;
        if (place == UINT32_MAX && w->bytes <= w->options.bytes_max) {
            bool fresh;
            place = window_of(w, labels, &fresh);
            known = !fresh;
        }
        if (known || w->bytes > w->options.bytes_max) {
            /* it was there before, in another part of the store: the order may be another now; or it is one
             * too many */
            s->built = false;
            continue;
        }
        add_place(s, place);
        w->windows[place].selections++;
        s->unknown++;
    }
}

static void note_new_series(struct windows *w)
{
    const struct series_feed *feed = &w->options.feed;
    struct feed_state state = feed->state(feed->context, w->now_ms, w->now_ms);
    if (state.next_series == w->next_series)
        return;
    arena_reset(&w->scratch);
    w->new_until = state.next_series;
    if (w->selection_count > 0)
        feed->each_new(feed->context, w->next_series, &w->scratch, note_new, w);
    w->next_series = state.next_series;
}

static void restart(struct windows *w)
{
    for (size_t i = 0; i < w->selection_count; i++)
        selection_free(w, w->selections[i]);
    w->selection_count = 0;
    map_clear(&w->by_text);
    labels_table_free(&w->table);
    labels_table_init(&w->table);
    if (w->by_labels_size > 0)
        memset(w->by_labels, 0, w->by_labels_size * sizeof *w->by_labels);
}

/* Selections that nobody has asked for in a long time go. */
static void sweep(struct windows *w)
{
    struct map_entry *entry;
    if (w->now_ms - w->swept_ms < SWEEP_MS && w->now_ms >= w->swept_ms)
        return;
    w->swept_ms = w->now_ms;
    size_t kept = 0;
    for (size_t at = 0; map_next(&w->by_text, &at, &entry);) {
        struct selection *s = (struct selection *)(uintptr_t)entry->value;
        if (w->now_ms - s->used_ms > UNUSED_MAX_MS)
            map_remove(&w->by_text, entry->key);
    }
    for (size_t i = 0; i < w->selection_count; i++) {
        if (w->now_ms - w->selections[i]->used_ms > UNUSED_MAX_MS)
            selection_free(w, w->selections[i]);
        else
            w->selections[kept++] = w->selections[i];
    }
    w->selection_count = kept;
}

void windows_take_in(struct windows *w)
{
    const struct fed_sample *samples;
    size_t n;
    enum { AHEAD = 8 };
    if (!w->options.feed.take(w->options.feed.context, &samples, &n)) {
        w->stats.overruns++;
        forget_all(w);
    }
    for (size_t i = 0; i < n; i++) {
        if (i + 2 * AHEAD < n)
            window_expect(w, samples[i + 2 * AHEAD].series, 0);
        if (i + AHEAD < n)
            window_expect(w, samples[i + AHEAD].series, 1);
        window_take(w, &samples[i]);
    }
    note_new_series(w);
}

void windows_refresh(struct windows *w, int64_t now_ms)
{
    w->now_ms = now_ms;
    bool set_back = w->newest_ms - now_ms > SET_BACK_MAX_MS;
    if (set_back || w->table.used > 4 * (size_t)w->live + LABELS_GONE_MAX)
        restart(w);
    w->newest_ms = set_back ? now_ms : TC_MAX(w->newest_ms, now_ms);
    sweep(w);
    windows_take_in(w);
}

/* --- life --- */

struct windows *windows_new(const struct windows_options *options)
{
    struct windows *w = tc_alloc(sizeof *w);
    w->options = *options;
    if (w->options.bytes_max == 0)
        w->options.bytes_max = WINDOWS_BYTES;
    w->newest_ms = w->swept_ms = INT64_MIN / 4;
    map_init(&w->by_text, WINDOWS_SELECTIONS_MAX);
    labels_table_init(&w->table);
    return w;
}

void windows_free(struct windows **windows)
{
    struct windows *w = *windows;
    if (w == NULL)
        return;
    restart(w);
    map_free(&w->by_text);
    labels_table_free(&w->table);
    arena_free(&w->scratch);
    arena_free(&w->read_scratch);
    free(w->selections);
    free(w->windows);
    free(w->by_labels);
    free(w->by_feed);
    free(w->free_places);
    free(w);
    *windows = NULL;
}

struct windows_stats windows_stats(const struct windows *w)
{
    struct windows_stats stats = w->stats;
    stats.series = w->live;
    stats.selections = w->selection_count;
    stats.bytes = w->bytes;
    stats.bytes_max = w->options.bytes_max;
    for (size_t i = 0; i < w->selection_count; i++)
        stats.selections_apart += w->selections[i]->apart;
    return stats;
}

void windows_metrics(const struct windows *w, struct buf *out)
{
    struct windows_stats s = windows_stats(w);
    const struct metric rows[] = {
        {"tocsin_metric_rule_windows_series", "gauge",
         "Series whose newest samples are kept in memory for rules.", (double)s.series},
        {"tocsin_metric_rule_windows_selections", "gauge", "Selectors of rules whose series are known.",
         (double)s.selections},
        {"tocsin_metric_rule_windows_selections_limit", "gauge",
         "Bound of tocsin_metric_rule_windows_selections; others are read from the store at each evaluation.",
         WINDOWS_SELECTIONS_MAX},
        {"tocsin_metric_rule_windows_selections_apart", "gauge",
         "Selectors of rules that are read from the store at each evaluation: they have histograms, or "
         "tocsin_metric_rule_windows_bytes is at its bound.",
         (double)s.selections_apart},
        {"tocsin_metric_rule_windows_bytes", "gauge", "Bytes of samples and labels kept for rules.",
         (double)s.bytes},
        {"tocsin_metric_rule_windows_bytes_limit", "gauge", "Bound of tocsin_metric_rule_windows_bytes.",
         (double)s.bytes_max},
        {"tocsin_metric_rule_windows_samples_total", "counter",
         "Samples that were added to kept windows as they came.", (double)s.samples_taken},
        {"tocsin_metric_rule_windows_series_read_total", "counter",
         "Series whose window was read from the store.", (double)s.series_read},
        {"tocsin_metric_rule_windows_overruns_total", "counter",
         "Times that more samples came between two evaluations than are noted, and all windows were read "
         "anew.",
         (double)s.overruns},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}
