/*
 * What a group remembers where no window of events will do: the kinds of rules that Sigma has no word for. A
 * kind is a row of functions; corr.c keeps its memories in groups like windows and sequences, so that shards,
 * bounds, order of findings and saved state are the same for all.
 *
 * To add a kind: its file memory_<name>.c with a `struct memory_kind`, a corr_type, a reader of its key in
 * the tocsin: map (sigma_new_value.c shows how), and a row in corr.c's table. A kind sees the hits of one
 * group in order of position, and nothing else: no clock, no other group; so a replay gives the same.
 */
#ifndef DETECT_MEMORY_H
#define DETECT_MEMORY_H

#include "base/buf.h"
#include "detect/season.h"
#include "detect/window.h"

struct memory; /* each kind's own */

struct memory_input { /* a hit */
    int64_t time_ns;
    int64_t floor_ns; /* nothing before it can come any more; INT64_MIN: not known yet */
    uint64_t value;   /* not 0: a hash; of travel the place (memory_place) */
    num_amount amount;
    uint32_t weight;
};

struct memory_kind {
    const char *name;
    struct memory *(*create)(void);
    void (*free)(struct memory *memory);
    /* Takes a hit; calls `hit` where that is a finding. Returns what had to be forgotten for want of room.
     * spec->timespan_ns is how long a memory lasts. */
    uint32_t (*add)(struct memory *memory, const struct window_spec *spec, const struct memory_input *input,
                    window_hit_fn hit, void *context);
    /* The group may be forgotten once this lies the timespan before anything that can still come. */
    int64_t (*newest_ns)(const struct memory *memory);
    /* 0 .. CORR_RANKS - 1: what goes first where there are too many groups. */
    uint32_t (*rank)(const struct memory *memory);
    /* Of a kind that speaks when time has passed; NULL of others. When what stands first is judged, and its
     * judgement, which takes it out: true is a finding at that time. A group that is empty then is forgotten.
     */
    int64_t (*closes_ns)(const struct memory *memory, const struct window_spec *spec);
    bool (*close_first)(struct memory *memory, const struct window_spec *spec, bool end_of_input);
    bool (*is_empty)(const struct memory *memory);
    /* What was expected and what was seen, for people, of the facts of a hit. NULL: the kind measures
     * nothing. */
    void (*tell)(const struct window_spec *spec, const int64_t facts[static WINDOW_FACTS], struct buf *out);
    void (*save)(const struct memory *memory, struct buf *out);
    struct memory *(*load)(struct reader *from); /* NULL where the bytes make no sense */
};

/*
 * new_value: the first time that a group (a user) shows a value (a country) that it did not show within the
 * timespan before. A group of which no value is remembered learns its first and says nothing. Seeing a value
 * again keeps it known. MEMORY_VALUES_MAX values are kept of a group; past them the one unseen for longest is
 * forgotten, and would be new again.
 */
enum { MEMORY_VALUES_MAX = 256 };
extern const struct memory_kind memory_new_value;

/*
 * absence: a group that was heard of is not heard of again within the timespan (both ends counted). Said
 * once, at the timespan's end, when the watermark has passed it; the group is forgotten then, and learned
 * anew when it is heard of again. The end of the input is no absence. MEMORY_TIMES_MAX times are kept of a
 * group whose events come out of order.
 */
enum { MEMORY_TIMES_MAX = 1024 };
extern const struct memory_kind memory_absence;

/*
 * travel: two places of a group (a user), one after the other by event time, that lie further apart than
 * anybody gets in the time between. Places are circles (accuracy radius): the way counted is the shortest.
 * MEMORY_PLACES_MAX places are kept of a group; of a stay the first and the last time matter.
 */
enum { MEMORY_PLACES_MAX = 64, MEMORY_RADIUS_MAX_KM = 20000 };
struct travel_spec {
    int64_t max_speed_mmh; /* metres an hour, rounded down */
    int64_t min_distance_m;
};
extern const struct memory_kind memory_travel;
/* A place as a value: millionths of a degree. False where it is none on earth. */
bool memory_place(num_amount latitude, num_amount longitude, uint64_t *ret);

/*
 * baseline: a group sends more in a bucket of time than its own history of that time of the week allows for.
 * MEMORY_BUCKETS_MAX buckets of a group may still grow at once (where events come late); with more, the
 * oldest is closed before its time. A group takes up to 8 KiB, so there are a tenth of the usual groups.
 */
enum {
    MEMORY_BUCKETS_MAX = 16,
    MEMORY_RANK_MAX = 15,
    BASELINE_BUCKETS_MAX = 10000,
    BASELINE_GROUPS_PART = 10
};
struct baseline_spec {
    struct season season;
    int64_t learn_s;
    uint32_t n_max;                    /* buckets of a slot that its mean is over */
    int64_t deviations, factor, least; /* millionths */
};
extern const struct memory_kind memory_baseline;

#endif
