/*
 * The clock seam. Two kinds of time that never mix: event time (what the event says) and receive time (when
 * it reached us). Both are nanoseconds since 1970-01-01T00:00:00Z; they are struct types so that the compiler
 * objects to a mix.
 *
 * Rooms get a `const struct clk *` handed in; only ingest/, notify/, api/ and app/ read it. What is left of
 * notify/ learns of time through records (receive times, ticks).
 */
#ifndef BASE_CLK_H
#define BASE_CLK_H

#include "base/err.h"
#include "base/sv.h"

#define TC_NO_TIME   INT64_MIN /* "the event bears no time" */
#define TC_SECOND_NS INT64_C(1000000000)

struct event_time {
    int64_t ns;
};
struct receive_time {
    int64_t ns;
};

struct clk {
    struct receive_time (*now)(const struct clk *clk); /* wall clock */
    int64_t (*monotonic_ns)(const struct clk *clk);    /* for time-outs and durations only */
    void *context;
};

extern const struct clk clk_system;
static inline struct receive_time clk_now(const struct clk *clk)
{
    return clk->now(clk);
}
static inline int64_t clk_monotonic_ns(const struct clk *clk)
{
    return clk->monotonic_ns(clk);
}

/* A clock that stands still until it is told; for tests. `sim` must outlive the returned clk. */
struct sim_clk {
    struct clk clk;
    int64_t now_ns;
};
void sim_clk_init(struct sim_clk *sim, int64_t now_ns);

/* Calendar, proleptic Gregorian, UTC. Years 0001 to 9999 (and within int64 nanoseconds: 1677 to 2262). */
struct civil {
    int year, month, day, hour, minute, second; /* month 1-12, day 1-31, second 0-60 */
    int32_t nanosecond;
};
/* Returns false where a part is out of range (31 April, hour 24, …) or the result does not fit. A leap second
 * counts as :59.999999999 + 1 ns. */
bool clk_from_civil(struct civil civil, int64_t *ret_ns);
struct civil clk_to_civil(int64_t ns);
/* Day of week 0 = Sunday; ISO 8601 week 1-53. */
int clk_weekday(int64_t ns);
int clk_iso_week(int64_t ns);

enum { TC_RFC3339_MAX = 40 };
/* "2026-11-21T09:17:26.5Z": fraction without trailing zeros, none if 0. Writes a terminated string, returns
 * its length. */
size_t clk_rfc3339(int64_t ns, char out[TC_RFC3339_MAX]);
/* RFC 3339, also with a space for T, ',' for '.', "+0200", and without zone (then `default_offset_s`, seconds
 * east of UTC, is taken). A date alone is midnight. The whole of `text` must be the time. */
bool clk_parse_rfc3339(struct sv text, int default_offset_s, int64_t *ret_ns);
/* "90s", "5m", "1h30m", "1d", "250ms", "1w" (Prometheus' durations); "0" is allowed. */
int clk_parse_duration(struct sv text, int64_t *ret_ns, struct err *err);
/* "5m", "1h30m"; exact inverse of the above. Writes a terminated string. */
size_t clk_format_duration(int64_t ns, char out[TC_RFC3339_MAX]);

#endif
