/*
 * A group's sliding window; see window.h.
 *
 * One cursor, [low, high), stands at the window that ends at the newest entry. In-order events push it to the
 * right. For an event out of order it is rolled back to the event's time and then forward again over the
 * windows that hold the event; each step is O(1). All values are read off this cursor.
 */
#include "detect/window.h"

#include "base/arena.h"
#include "detect/value_set.h"

#include <stdlib.h>
#include <string.h>

/* Most groups of a flood see one event; those that go on grow by half. */
enum { FIRST_CAPACITY = 1 };

void window_free(struct window *w)
{
    free(w->entries);
    value_set_free(&w->values);
    *w = (struct window){0};
}

size_t window_bytes(const struct window *w)
{
    return w->capacity * sizeof w->entries[0] + (w->values == NULL ? 0 : value_set_bytes(w->values));
}

/* --- what stands in the window
 * -------------------------------------------------------------------------------------------- */

static uint64_t step_bit(uint64_t what)
{
    return UINT64_C(1) << (what & (STEP_CONDITION_STEPS - 1));
}

static void count_in(struct window *w, const struct window_entry *e)
{
    if (w->values == NULL)
        w->value += e->what;
    else if (e->what != 0 && value_set_get(w->values, e->what)->in_window++ == 0) {
        w->value++;
        w->seen |= step_bit(e->what);
    }
}

static void count_out(struct window *w, const struct window_entry *e)
{
    if (w->values == NULL)
        w->value -= e->what;
    else if (e->what != 0 && --value_set_get(w->values, e->what)->in_window == 0) {
        w->value--;
        w->seen &= ~step_bit(e->what);
    }
}

static void raise_low(struct window *w, int64_t from_ns)
{
    while (w->low < w->high && w->entries[w->low].time_ns < from_ns)
        count_out(w, &w->entries[w->low++]);
}

/* --- keeping entries
 * -------------------------------------------------------------------------------------------- */

/* A value's record after its entry of `time_ns` is gone. */
static void forget_value(struct window *w, uint64_t value, int64_t time_ns)
{
    struct value_record *record = value_set_get(w->values, value);
    if (--record->kept == 0)
        value_set_remove(w->values, value);
    else if (record->kept == 1 && record->prior_ns == time_ns)
        record->prior_ns = VALUE_NO_TIME;
}

static void drop_first(struct window *w)
{
    struct window_entry *e = &w->entries[w->first];
    if (w->first == w->low && w->low < w->high)
        count_out(w, &w->entries[w->low++]);
    if (e->what == 0)
        w->dropped--;
    else if (w->values != NULL)
        forget_value(w, e->what, e->time_ns);
    w->first++;
    w->low = TC_MAX(w->low, w->first);
    w->high = TC_MAX(w->high, w->first);
}

static void drop_before(struct window *w, int64_t horizon_ns)
{
    while (w->first < w->end && w->entries[w->first].time_ns < horizon_ns)
        drop_first(w);
}

/* Closes the gaps of dropped entries and of the front. The cursor keeps its entries. */
static void compact(struct window *w)
{
    uint32_t to = 0, low = 0;
    for (uint32_t i = w->first; i < w->end; i++) {
        if (i == w->low)
            low = to;
        if (w->entries[i].what != 0)
            w->entries[to++] = w->entries[i];
    }
    w->low = w->low == w->end ? to : low;
    w->first = w->dropped = 0;
    w->end = w->high = to;
}

/* Room for one more at the end; only at rest (high == end). */
static void make_room(struct window *w)
{
    if (w->end < w->capacity)
        return;
    if (w->first + w->dropped > w->capacity / 4) { /* moves at most four entries for each that came */
        compact(w);
        return;
    }
    w->capacity += w->capacity / 2 + FIRST_CAPACITY;
    w->entries = tc_realloc(w->entries, w->capacity * sizeof w->entries[0]);
}

static void remember_value(struct window *w, uint64_t value, int64_t time_ns)
{
    struct value_record *record = value_set_put(w->values, value);
    record->kept++;
    if (time_ns >= record->last_ns) {
        record->prior_ns = record->last_ns;
        record->last_ns = time_ns;
    } else if (time_ns > record->prior_ns) {
        record->prior_ns = time_ns;
    }
}

/* Puts an entry at `at` (which is high: all before are not newer) and into the window. */
static void insert(struct window *w, uint32_t at, int64_t time_ns, uint64_t what)
{
    memmove(&w->entries[at + 1], &w->entries[at], (w->end - at) * sizeof w->entries[0]);
    w->entries[at] = (struct window_entry){time_ns, what};
    w->end++;
    if (w->values != NULL)
        remember_value(w, what, time_ns);
    count_in(w, &w->entries[w->high++]);
}

/* Adds the event at the cursor's right end, as its own entry or into the one of the same time. */
static void enter(struct window *w, int64_t time_ns, uint64_t value, uint32_t weight)
{
    struct window_entry *same = w->high > w->low ? &w->entries[w->high - 1] : NULL;
    if (w->values == NULL && same != NULL && same->time_ns == time_ns) {
        same->what += weight;
        w->value += weight;
        return;
    }
    insert(w, w->high, time_ns, w->values == NULL ? weight : value);
}

/* --- entries that no window needs
 * ------------------------------------------------------------------------------------- */

static uint32_t lower_bound(const struct window *w, int64_t time_ns)
{
    uint32_t from = w->first, to = w->end;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (w->entries[middle].time_ns < time_ns)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Takes the value's entry of that time out of the middle. Its record's times are the caller's. */
static void drop_entry(struct window *w, uint64_t value, int64_t time_ns)
{
    uint32_t at = lower_bound(w, time_ns);
    while (w->entries[at].what != value)
        at++;
    if (at >= w->low)
        count_out(w, &w->entries[at]);
    value_set_get(w->values, value)->kept--;
    w->entries[at].what = 0;
    w->dropped++;
    if (w->dropped > window_count(w) / 2 + 16)
        compact(w);
}

struct value_times {
    int64_t last_ns, prior_ns;
};

/* `before` is what the value's record said before the event at time_ns came. */
static void prune(struct window *w, const struct window_spec *spec, uint64_t value, int64_t time_ns,
                  struct value_times before)
{
    struct value_record *record = value_set_get(w->values, value);
    if (before.last_ns == VALUE_NO_TIME)
        return;
    if (time_ns >= before.last_ns) { /* prior, last, new: last may go */
        bool middle =
            before.prior_ns != VALUE_NO_TIME && window_before(time_ns, spec->timespan_ns) <= before.prior_ns;
        if (!middle && time_ns != before.last_ns)
            return;
        record->prior_ns = before.prior_ns;
        drop_entry(w, value, before.last_ns);
    } else if (before.prior_ns != VALUE_NO_TIME && time_ns >= before.prior_ns) { /* prior, new, last */
        if (time_ns != before.prior_ns && window_before(before.last_ns, spec->timespan_ns) > before.prior_ns)
            return;
        record->prior_ns = before.prior_ns;
        drop_entry(w, value, time_ns);
    }
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

struct judgement {
    const struct window_spec *spec;
    int64_t time_ns; /* of the event */
    uint64_t value;
    uint32_t weight;
    bool open, said;         /* an episode is open at the cursor; part of it held before the event came */
    struct window_hit start; /* where the open episode begins */
    bool fired, hot;
    struct window_hit first; /* the first window that holds event and rule */
    window_hit_fn hit;
    void *context;
};

static bool holds(const struct window *w, const struct window_spec *spec)
{
    return spec->steps == NULL ? w->value >= spec->need : step_condition_holds(spec->steps, w->seen);
}

/* At the cursor as it was before the event came; the event is in the window. */
static bool held_without(const struct window *w, const struct judgement *j)
{
    if (!j->spec->distinct)
        return w->value - j->weight >= j->spec->need;
    bool only = value_set_get(w->values, j->value)->in_window == 1;
    if (j->spec->steps == NULL)
        return w->value - only >= j->spec->need;
    return step_condition_holds(j->spec->steps, only ? w->seen & ~step_bit(j->value) : w->seen);
}

static void end_episode(struct judgement *j)
{
    if (j->open && !j->said) {
        j->fired = true;
        j->hit(j->context, &j->start);
    }
    j->open = false;
}

/* The cursor stands at a window that ends at x and holds the event. */
static void judge_at(const struct window *w, struct judgement *j, int64_t x)
{
    if (!holds(w, j->spec))
        return;
    struct window_hit here = {.time_ns = x, .value = w->value};
    if (!j->open) {
        j->open = true;
        j->said = false;
        j->start = here;
    }
    j->said |= held_without(w, j);
    if (!j->hot)
        j->first = here;
    j->hot = true;
}

static void push_time(struct window *w, int64_t x)
{
    while (w->high < w->end && w->entries[w->high].time_ns == x)
        count_in(w, &w->entries[w->high++]);
}

/* The cursor stands at the event's own time: judges there, then at every later time up to the end. */
static void judge_forward(struct window *w, struct judgement *j)
{
    judge_at(w, j, j->time_ns);
    bool over = false; /* windows that no longer hold the event are as they were */
    while (w->high < w->end) {
        int64_t x = w->entries[w->high].time_ns, from = window_before(x, j->spec->timespan_ns);
        raise_low(w, from);
        /* an episode that goes on into windows without the event held before it came, so it was said */
        over |= from > j->time_ns;
        if (over || !holds(w, j->spec))
            end_episode(j);
        push_time(w, x);
        if (!over)
            judge_at(w, j, x);
    }
    end_episode(j);
    if (j->hot && !j->fired) {
        j->first.repeat = true;
        j->hit(j->context, &j->first);
    }
}

/* Rolls the cursor back from the newest window to the one that ends at `time_ns`. */
static void roll_back(struct window *w, const struct window_spec *spec, int64_t time_ns)
{
    while (w->high > w->first && w->entries[w->high - 1].time_ns > time_ns) {
        w->high--;
        if (w->high >= w->low)
            count_out(w, &w->entries[w->high]);
        else
            w->low = w->high;
    }
    int64_t from = window_before(time_ns, spec->timespan_ns);
    while (w->low > w->first && w->entries[w->low - 1].time_ns >= from)
        count_in(w, &w->entries[--w->low]);
}

uint32_t window_slide(struct window *w, const struct window_spec *spec, int64_t horizon_ns, int64_t time_ns,
                      uint64_t value, uint32_t weight, window_hit_fn hit, void *context)
{
    uint32_t lost = 0;
    if (spec->distinct && w->values == NULL)
        w->values = value_set_new();
    drop_before(w, horizon_ns);
    make_room(w);
    if (window_count(w) >= spec->max_entries) {
        lost = 1;
        while (w->entries[w->first].what == 0)
            drop_first(w);
        if (time_ns < w->entries[w->first].time_ns)
            return lost; /* it is itself the oldest */
        drop_first(w);
    }
    struct value_record *record = spec->distinct ? value_set_get(w->values, value) : NULL;
    struct value_times before = {VALUE_NO_TIME, VALUE_NO_TIME};
    if (record != NULL)
        before = (struct value_times){record->last_ns, record->prior_ns};
    struct judgement j = {
        .spec = spec, .time_ns = time_ns, .value = value, .weight = weight, .hit = hit, .context = context};
    if (w->first < w->end && time_ns < window_newest_ns(w))
        roll_back(w, spec, time_ns);
    else
        raise_low(w, window_before(time_ns, spec->timespan_ns));
    enter(w, time_ns, value, weight);
    judge_forward(w, &j);
    if (spec->distinct)
        prune(w, spec, value, time_ns, before);
    return lost;
}

/* --- windows that are judged when they are over
 * ----------------------------------------------------------------------- */

bool window_gather(struct window *w, const struct window_spec *spec, int64_t time_ns, uint64_t value,
                   uint32_t weight)
{
    uint32_t at = w->end;
    while (at > w->first && w->entries[at - 1].time_ns > time_ns)
        at--;
    if (!spec->distinct && at > w->first && w->entries[at - 1].time_ns == time_ns) {
        w->entries[at - 1].what += weight;
        return true;
    }
    if (window_count(w) >= spec->max_entries)
        return false;
    uint32_t back = w->end - at;
    make_room(w);
    at = w->end - back; /* make_room may have moved all */
    memmove(&w->entries[at + 1], &w->entries[at], back * sizeof w->entries[0]);
    w->entries[at] = (struct window_entry){time_ns, spec->distinct ? value : weight};
    w->end++;
    w->low = w->high = w->end;
    return true;
}

int64_t window_closes_ns(const struct window *w, const struct window_spec *spec)
{
    return w->first == w->end ? INT64_MAX : window_after(w->entries[w->first].time_ns, spec->timespan_ns);
}

uint64_t window_close(struct window *w, const struct window_spec *spec, uint64_t *ret_seen)
{
    int64_t closes_ns = window_closes_ns(w, spec);
    struct value_set *values = spec->distinct ? value_set_new() : NULL;
    uint64_t value = 0;
    *ret_seen = 0;
    while (w->first < w->end && w->entries[w->first].time_ns <= closes_ns) {
        struct window_entry *e = &w->entries[w->first++];
        *ret_seen |= step_bit(e->what);
        if (values == NULL)
            value += e->what;
        else
            value_set_put(values, e->what);
    }
    if (values != NULL)
        value = values->count;
    value_set_free(&values);
    w->low = w->high = w->end;
    return value;
}

/* --- restoring
 * -------------------------------------------------------------------------------------------------------- */

bool window_restore(struct window *w, const struct window_spec *spec, int64_t time_ns, uint64_t what)
{
    if (what == 0 || time_ns == VALUE_NO_TIME || (w->first < w->end && time_ns < window_newest_ns(w)) ||
        window_count(w) >= spec->max_entries)
        return false;
    make_room(w);
    w->entries[w->end++] = (struct window_entry){time_ns, what};
    w->low = w->high = w->end;
    return true;
}

void window_restore_end(struct window *w, const struct window_spec *spec)
{
    if (w->first == w->end)
        return;
    if (spec->distinct && w->values == NULL)
        w->values = value_set_new();
    for (uint32_t i = w->first; spec->distinct && i < w->end; i++)
        remember_value(w, w->entries[i].what, w->entries[i].time_ns);
    w->low = w->high = lower_bound(w, window_before(window_newest_ns(w), spec->timespan_ns));
    while (w->high < w->end)
        count_in(w, &w->entries[w->high++]);
}
