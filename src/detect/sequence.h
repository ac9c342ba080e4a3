/*
 * The steps of one group of a temporal_ordered: did they come in order, within the timespan?
 *
 * The order of entries is that of (event time, arrival); of one event that is several steps, that of the
 * steps. For each step k, latest(k) is the latest start of a run of steps 1..k that ends at or before some
 * place in that order; an entry of step k makes it latest(k - 1), one of step 1 its own time. The rule holds
 * at time x while latest(last step), as of x, is not before x - timespan. So the work is one comparison per
 * entry, whatever repeats of a step come in between, and no run that could be found is missed.
 *
 * Episodes are those of window.h: maximal stretches of time in which the rule holds, each said once; an event
 * that lies in a window in which it holds, and makes no new stretch, is a repeat.
 *
 * What is not after the floor can no longer be preceded by anything that comes: it is folded into one time
 * per step. Only entries after the floor are kept, so that events out of order find their place. Where there
 * are too many of them, the oldest is folded early: events that come before it are then judged as if they had
 * come at its time.
 */
#ifndef DETECT_SEQUENCE_H
#define DETECT_SEQUENCE_H

#include "base/buf.h"
#include "detect/window.h"

struct sequence;

struct sequence *
sequence_new(const struct window_spec *spec); /* spec->need: the number of steps, 1 or more */
void sequence_free(struct sequence **sequence);
/*
 * Adds an event that is step `step` (0 or more); time_ns is not before floor_ns. Calls `hit` like
 * window_slide. Returns the number of entries folded early for want of room.
 */
uint32_t sequence_add(struct sequence *sequence, const struct window_spec *spec, int64_t floor_ns,
                      int64_t time_ns, uint32_t step, window_hit_fn hit, void *context);
/* Steps done, in order and within the timespan, as of the newest entry. */
uint32_t sequence_progress(const struct sequence *sequence, const struct window_spec *spec);
int64_t sequence_newest_ns(const struct sequence *sequence);

/* u64 newest, u64 last folded, u64 per step, u32 entries, then u64 time and u32 step of each. */
void sequence_save(const struct sequence *sequence, const struct window_spec *spec, struct buf *out);
/* NULL where the bytes make no sense. */
struct sequence *sequence_load(const struct window_spec *spec, struct reader *from);

#endif
