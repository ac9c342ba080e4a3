/*
 * Seasons: which part of the week (or day) a moment belongs to, on the wall of a time zone.
 *
 * Time is cut in buckets: parts of an hour, whole hours, or local days. A slot is what buckets are compared
 * by: the hour of the week, the hour of the day, the day of the week, or one for all. Buckets begin at local
 * full hours' parts, so zones of half hours have theirs; the hour that comes twice in autumn makes two
 * buckets of one slot, the one that is left out in spring none; where a clock moves by half an hour the
 * buckets there are cut. All times are seconds since 1970.
 */
#ifndef DETECT_SEASON_H
#define DETECT_SEASON_H

#include "base/buf.h"
#include "base/zone.h"

enum season_kind { SEASON_WEEK, SEASON_DAY, SEASON_NONE };
enum { SEASON_SLOTS_MAX = 7 * 24, SEASON_DAY_S = 86400 };

struct season {
    enum season_kind kind;
    int64_t bucket_s; /* divides an hour, or a day */
    const struct zone *zone;
};

int64_t season_bucket(const struct season *season, int64_t seconds); /* its start */
int64_t season_bucket_end(const struct season *season, int64_t start);
uint32_t season_slot(const struct season *season, int64_t start);
/* The next bucket of the same slot. */
int64_t season_next(const struct season *season, int64_t start);
/* How long it is from a slot to its next: a week, a day, or a bucket; and how many buckets a slot has in it.
 */
int64_t season_period_s(const struct season *season);
uint32_t season_buckets_per_slot(const struct season *season);
/* "on Mondays at 09:00", "at 09:00", "on Mondays", or nothing; with a blank before. */
void season_text(const struct season *season, int64_t start, struct buf *out);

#endif
