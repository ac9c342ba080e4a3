/*
 * Time zones of the IANA database, read from the system's compiled files (RFC 8536, TZif).
 *
 * A zone is read once and immutable afterwards; any thread may ask it. The C library's own functions work on
 * one zone for the whole process, so they cannot serve here. Names are those of the database
 * ("Europe/Berlin"); "UTC" and
 * "" are always there and need no file; "Local" is the system's /etc/localtime.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"
#include "base/sv.h"

struct zone;

/*
 * The zone of that name. TC_EINPUT where the name is not one ("unknown time zone NAME") or its file is not
 * TZif; TC_EIO where there is no database at all (the text names the package to install). Free with
 * zone_free. At most 64 KiB are read.
 */
int zone_load(struct sv name, struct zone **ret, struct err *err);
/* As zone_load, of bytes that are there already (tests, contents kept with a configuration). */
int zone_read(struct sv name, struct sv tzif, struct zone **ret, struct err *err);
void zone_free(struct zone *zone);
/* As zone_load, once per name and process: the zone is shared and stays. At most 1,000 names. Any thread. */
int zone_get(struct sv name, const struct zone **ret, struct err *err);

struct sv zone_name(const struct zone *zone); /* NULL is "UTC" */
/* What holds at an instant (seconds since 1970): seconds east of UTC and the abbreviation ("CET"). `zone`
 * NULL is UTC. */
struct zone_offset {
    int32_t east_s;
    const char *abbreviation; /* lives as long as the zone */
    bool daylight;
};
struct zone_offset zone_at(const struct zone *zone, int64_t seconds);
/*
 * The instant of a local wall-clock time given as if it were UTC. Where clocks were set back and it stands
 * twice, the first; where they were set forward over it, the instant that the offset before the change gives
 * (as Go's time.Date).
 */
int64_t zone_from_local(const struct zone *zone, int64_t local_seconds);

#endif
