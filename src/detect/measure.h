/*
 * The numbers of one group of a value_sum, value_avg, value_percentile or value_median, and the window that
 * slides over them.
 *
 * Numbers are whole millionths (num_millionths) in 128 bits, so that sums neither drift nor depend on the
 * order in which numbers came and went, and a restored window is the saved one to the last digit. The window
 * at time x is [x - timespan, x], as in window.h. A percentile is the nearest rank's: of n numbers in order
 * the ceil(N / 100 * n)-th, at least the first; a median is the mean of the two in the middle.
 *
 * Sliding (gt and gte only), the rule is judged at each arrival. An episode is a run of events at each of
 * which it holds, with no moment between them at which what has left the window let it fall; it is said
 * once. A number that comes out of order changes the windows that hold it: episodes that it makes are said
 * then; what was said is not taken back. (A sum of numbers that are not negative cannot fall by one more, so
 * for it out of order gives what in order gives.) With other comparisons the windows are judged when they are
 * over, like those of window.h.
 *
 * Adding in order costs amortised O(1) for sum and avg, O(log n) for the others, whose numbers in the window
 * also stand in an ordered tree that knows its ranks; out of order, that for each entry that lies after it.
 */
#ifndef DETECT_MEASURE_H
#define DETECT_MEASURE_H

#include "base/buf.h"
#include "base/num.h"
#include "detect/ruleset.h"
#include "detect/window.h"

struct measure_spec {
    enum corr_type type;
    uint32_t percentile; /* of value_percentile: 0 to 100 */
    int64_t timespan_ns; /* > 0 */
    const struct corr_test *tests;
    const num_amount *amounts; /* one for each test */
    size_t test_count;         /* 1 or more: all must hold */
    uint32_t max_entries;
    uint64_t seed; /* shapes trees; the outcome does not depend on it */
};

struct measure;

static inline bool measure_is_for(enum corr_type type)
{
    return type >= CORR_VALUE_SUM && type <= CORR_VALUE_MEDIAN;
}
struct measure *measure_new(void);
void measure_free(struct measure **measure);

/* Adds a number that came `weight` times, after forgetting what lies before horizon_ns (two timespans before
 * anything that can come: the window of the entry before a late one still counts).
 * Calls `hit` like window_slide; its value is the number of numbers in the window, its amount theirs. Returns
 * entries that had to go for want of room. */
uint32_t measure_slide(struct measure *measure, const struct measure_spec *spec, int64_t horizon_ns,
                       int64_t time_ns, num_amount amount, uint32_t weight, window_hit_fn hit, void *context);
/* Adds without judging; false where there was no room and the number was left out. */
bool measure_gather(struct measure *measure, const struct measure_spec *spec, int64_t time_ns,
                    num_amount amount, uint32_t weight);
/* When the window of the first event is over; INT64_MAX when empty. */
int64_t measure_closes_ns(const struct measure *measure, const struct measure_spec *spec);
/* Takes that window's numbers out. True where the rule held; *ret is as for a hit. */
bool measure_close(struct measure *measure, const struct measure_spec *spec, struct window_hit *ret);

uint32_t measure_count(const struct measure *measure);
int64_t measure_newest_ns(const struct measure *measure);
/* 0: one number or none; `top` - 1 where the rule holds; between: how far a sum has come on its way. */
uint32_t measure_rank(const struct measure *measure, const struct measure_spec *spec, uint32_t top);

/* u32 entries, then i64 time, 128 bits amount, u32 weight of each. */
void measure_save(const struct measure *measure, struct buf *out);
/* NULL where the bytes make no sense. Under a smaller bound than they were saved the newest stay. */
struct measure *measure_load(const struct measure_spec *spec, bool sliding, struct reader *from);

#endif
