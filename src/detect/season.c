/*
 * Buckets and slots; see season.h.
 */
#include "detect/season.h"

enum { HOUR_S = 3600, WEEK_S = 7 * SEASON_DAY_S };

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

static int64_t local_of(const struct season *s, int64_t seconds)
{
    return seconds + zone_at(s->zone, seconds).east_s;
}

static bool of_days(const struct season *s)
{
    return s->bucket_s == SEASON_DAY_S;
}

int64_t season_bucket(const struct season *s, int64_t seconds)
{
    int64_t local = local_of(s, seconds), part = local - floor_to(local, s->bucket_s);
    return of_days(s) ? zone_from_local(s->zone, floor_to(local, SEASON_DAY_S)) : seconds - part;
}

int64_t season_bucket_end(const struct season *s, int64_t start)
{
    /* a day has 23 to 25 hours; its midnight may be one that the clock leaves out */
    return of_days(s) ? season_bucket(s, start + SEASON_DAY_S + 6 * HOUR_S) : start + s->bucket_s;
}

static uint32_t weekday_of(int64_t local) /* Monday is 0 */
{
    return (uint32_t)((floor_to(local, SEASON_DAY_S) / SEASON_DAY_S + 3) % 7 + 7) % 7;
}

static uint32_t hour_of(int64_t local)
{
    return (uint32_t)((local - floor_to(local, SEASON_DAY_S)) / HOUR_S);
}

uint32_t season_slot(const struct season *s, int64_t start)
{
    /* of a day its noon, since its start may lie before the local midnight that the clock left out */
    int64_t local = local_of(s, of_days(s) ? start + 12 * HOUR_S : start);
    if (s->kind == SEASON_NONE)
        return 0;
    if (of_days(s))
        return s->kind == SEASON_WEEK ? weekday_of(local) : 0;
    return s->kind == SEASON_WEEK ? weekday_of(local) * 24 + hour_of(local) : hour_of(local);
}

int64_t season_period_s(const struct season *s)
{
    return s->kind == SEASON_WEEK ? WEEK_S : s->kind == SEASON_DAY ? SEASON_DAY_S : s->bucket_s;
}

uint32_t season_buckets_per_slot(const struct season *s)
{
    return s->kind == SEASON_NONE || of_days(s) ? 1 : (uint32_t)(HOUR_S / s->bucket_s);
}

int64_t season_next(const struct season *s, int64_t start)
{
    uint32_t slot = season_slot(s, start);
    int64_t next = season_bucket_end(s, start), local;
    if (season_slot(s, next) == slot)
        return next;
    if (of_days(s)) {
        while (season_slot(s, next) != slot)
            next = season_bucket_end(s, next);
        return next;
    }
    for (local = floor_to(local_of(s, start), HOUR_S) + season_period_s(s);; local += season_period_s(s)) {
        next = zone_from_local(s->zone, local);
        if (season_slot(s, next) == slot) /* not where the clock leaves that hour out */
            return next;
    }
}

void season_text(const struct season *s, int64_t start, struct buf *out)
{
    static const char *const weekdays[] = {"Mondays", "Tuesdays",  "Wednesdays", "Thursdays",
                                           "Fridays", "Saturdays", "Sundays"};
    int64_t local = local_of(s, of_days(s) ? start + 12 * HOUR_S : start);
    if (s->kind == SEASON_WEEK)
        buf_printf(out, " on %s", weekdays[weekday_of(local)]);
    if (s->kind != SEASON_NONE && !of_days(s))
        buf_printf(out, " at %02u:00", hour_of(local));
}
