/*
 * Where an address is: country, city and autonomous system from MMDB files (MaxMind's GeoLite2 and GeoIP2,
 * DB-IP and others of the same schema), as derived fields.
 *
 * Facts are derived when an event is parsed, before it is redacted, and stored with it: a replay needs no
 * file and gives the same whatever file is in force by then. Addresses that are nobody's place (private,
 * shared, loopback, link-local, multicast) get none. Names are ECS's, for `source` and `destination` alike:
 *
 *   source.geo.continent_code, .country_iso_code, .country_name, .region_iso_code, .city_name (names in
 * English), source.as.number, source.as.organization.name
 */
#ifndef EVENT_GEOIP_H
#define EVENT_GEOIP_H

#include "base/err.h"
#include "base/fs.h"
#include "base/hash.h"
#include "event/event.h"

enum {
    TC_GEOIP_FILES_MAX = 8,
    TC_GEOIP_FACTS_MAX = 20,   /* fields of one event */
    TC_GEOIP_TEXT_BYTES = 256, /* longer names are left out */
};
#define TC_GEOIP_FILE_BYTES ((size_t)512 << 20)

/* Files that were opened together; immutable. */
struct geoip_files;
/* Reads each file into memory (so that one that is replaced or cut short meanwhile harms nothing) and checks
 * that it is an MMDB. TC_EINPUT names the file. */
int geoip_files_open(const struct fs *fs, const char *const *paths, size_t count, struct geoip_files **ret,
                     struct err *err);
void geoip_files_close(struct geoip_files **files); /* NULL inside is allowed */
size_t geoip_files_count(const struct geoip_files *files);
const char *geoip_files_path(const struct geoip_files *files, size_t at);
const char *geoip_files_sha256(const struct geoip_files *files, size_t at); /* hex */

/* The files in force; any thread may ask while another puts new ones in place. */
struct geoip;
struct geoip *geoip_new(void);
void geoip_free(struct geoip **geoip);
/* Takes *files (sets it to NULL), closes those before. */
void geoip_put(struct geoip *geoip, struct geoip_files **files);

/* What is known of the event's addresses; at most TC_GEOIP_FACTS_MAX fields, whose texts live in `arena`.
 * Fields that the event has already are left out. Asked of an event as parsed; append with event_append, then
 * event_index. */
uint32_t geoip_facts(struct geoip *geoip, const struct event *event, struct arena *arena,
                     struct field facts[TC_GEOIP_FACTS_MAX]);

#endif
