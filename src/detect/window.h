/*
 * The events of one group, in order of event time, and the window that slides over them.
 *
 * The window at time x is [x - timespan, x], both ends counted. F(x) is its value: the number of events, or
 * of distinct values. A rule with `need` holds at x while F(x) >= need; a maximal stretch of time in which it
 * holds is an episode. F is defined by the kept events alone, so the order in which they arrived plays no
 * part in it: an event that comes out of order raises F on [t, t + timespan], and whatever episodes that
 * makes are found then. Each episode is said once; those that a late event joins or stretches were said
 * already.
 *
 * An entry is 16 bytes. Counting, events of one time share an entry. Counting distinct values, of a value's
 * entries v1 <= v2 <= v3 with v3 - v1 <= timespan the middle one is dropped: every window with v2 in it has
 * v1 or v3. So a flood of one value cannot push others out, and memory follows the distinct values. Adding in
 * order costs amortised O(1); out of order, O(entries that lie after it).
 */
#ifndef DETECT_WINDOW_H
#define DETECT_WINDOW_H

#include "base/num.h"
#include "detect/step_condition.h"

struct travel_spec;
struct baseline_spec;

struct window_spec {
    bool distinct;                      /* distinct values, else events */
    int64_t timespan_ns;                /* > 0 */
    uint64_t need;                      /* 1 or more */
    const struct step_condition *steps; /* distinct values are steps, and this stands in for `need`; or NULL.
                                           For sliding it does not negate. */
    uint32_t max_entries;
    const struct travel_spec *travel; /* memory.h's: what these kinds go by */
    const struct baseline_spec *baseline;
};

struct window_entry {
    int64_t time_ns;
    uint64_t what; /* number of events, or hash of the value; 0: dropped, counts for nothing */
};

struct value_set;

struct window { /* all zero is empty */
    struct window_entry *entries;
    uint32_t first, end, capacity; /* entries[first, end) are kept, by time */
    uint32_t low, high;            /* the window: entries[low, high); at rest high == end */
    uint32_t dropped;              /* entries with what == 0 in [first, end) */
    uint64_t value;                /* F at the newest entry */
    uint64_t seen;                 /* a bit for each distinct value: what `steps` asks */
    struct value_set *values;      /* distinct only */
};

void window_free(struct window *window); /* leaves it empty */

enum { WINDOW_FACTS = 5 };

struct window_hit {
    bool repeat;                 /* the episode was said before */
    int64_t time_ns;             /* the earliest time at which a window holds the event and the rule */
    uint64_t value;              /* F there */
    num_amount amount;           /* measure.h's: what came of the numbers */
    int64_t facts[WINDOW_FACTS]; /* memory.h's: what a kind tells of */
};
typedef void (*window_hit_fn)(void *context, const struct window_hit *hit);

/*
 * Adds an event of `weight` (counting) or `value` (distinct; its hash, not 0), after forgetting what lies
 * before `horizon_ns`; time_ns >= horizon_ns. Calls `hit` once per episode that is new by it, in order of
 * time; or once with `repeat` where it only belongs to episodes that were said. Returns entries that had to
 * go for want of room (max_entries).
 */
uint32_t window_slide(struct window *window, const struct window_spec *spec, int64_t horizon_ns,
                      int64_t time_ns, uint64_t value, uint32_t weight, window_hit_fn hit, void *context);

/*
 * For rules that are judged when a window is over. Adds without judging; returns false where there was no
 * room and the event was left out.
 */
bool window_gather(struct window *window, const struct window_spec *spec, int64_t time_ns, uint64_t value,
                   uint32_t weight);
/* When the window that its first event opened is over: that event's time + timespan. INT64_MAX when empty. */
int64_t window_closes_ns(const struct window *window, const struct window_spec *spec);
/* Takes out the events of that window and returns their value; *ret_seen: a bit for each step among them. */
uint64_t window_close(struct window *window, const struct window_spec *spec, uint64_t *ret_seen);

static inline uint32_t window_count(const struct window *window) /* entries that count */
{
    return window->end - window->first - window->dropped;
}
static inline int64_t window_newest_ns(const struct window *window) /* not for an empty one */
{
    return window->entries[window->end - 1].time_ns;
}
/* For restoring: appends an entry (times must not fall), then once window_restore_end. */
bool window_restore(struct window *window, const struct window_spec *spec, int64_t time_ns, uint64_t what);
void window_restore_end(struct window *window, const struct window_spec *spec);
size_t window_bytes(const struct window *window); /* memory held */

/* Times are any int64: sums and differences stop at the ends. */
static inline int64_t window_before(int64_t time_ns, int64_t span_ns)
{
    int64_t result;
    return __builtin_sub_overflow(time_ns, span_ns, &result) ? INT64_MIN : result;
}
static inline int64_t window_after(int64_t time_ns, int64_t span_ns)
{
    int64_t result;
    return __builtin_add_overflow(time_ns, span_ns, &result) ? INT64_MAX : result;
}

#endif
