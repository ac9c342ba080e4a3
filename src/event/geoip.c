/*
 * Facts about addresses; see geoip.h. Which facts there are is the table `facts`: an ECS name and where the
 * value stands in an MMDB record. Of several files the first that knows a fact is believed.
 *
 * libmaxminddb opens files by name only, so what was read and hashed is given to it as an anonymous file: the
 * hash is of what is really asked, and nobody can cut the mapping short.
 */
#include "event/geoip.h"

#include "base/utf8.h"

#include <arpa/inet.h>
#include <maxminddb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct geoip_file {
    char *path;
    char sha256[TC_SHA256_HEX];
    MMDB_s mmdb;
};

struct geoip_files {
    size_t count;
    struct geoip_file files[TC_GEOIP_FILES_MAX];
};

struct geoip {
    pthread_rwlock_t lock;
    struct geoip_files *files; /* NULL: none */
};

/* --- files
 * ------------------------------------------------------------------------------------------------------------
 */

static int anonymous_file(struct sv bytes, int *ret, struct err *err)
{
    int fd = memfd_create("tocsin-mmdb", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot make an anonymous file of %zu bytes", bytes.n);
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n <= 0) {
            int rc = err_sys(err, "cannot fill an anonymous file");
            close(fd);
            return rc;
        }
        bytes = sv_from(bytes, (size_t)n);
    }
    *ret = fd;
    return 0;
}

static int open_bytes(struct geoip_file *file, const char *path, struct sv bytes, struct err *err)
{
    uint8_t hash[TC_SHA256_BYTES];
    char name[64];
    int fd = -1;
    int rc = anonymous_file(bytes, &fd, err);
    if (rc != 0)
        return rc;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int status = MMDB_open(name, MMDB_MODE_MMAP, &file->mmdb);
    close(fd); /* the mapping stays */
    if (status != MMDB_SUCCESS)
        return err_at(err, TC_EINPUT, path, 0, 0, "is no MMDB file that can be used: %s",
                      MMDB_strerror(status));
    hash_sha256(bytes, hash);
    hash_hex(hash, sizeof hash, file->sha256);
    file->path = strdup(path);
    tc_assert(file->path != NULL);
    return 0;
}

static int open_file(const struct fs *fs, struct geoip_file *file, const char *path, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, TC_GEOIP_FILE_BYTES);
    int rc = fs_read_file(fs, path, &bytes, err);
    if (rc == TC_EIO && err != NULL)
        rc = err->code = TC_EINPUT; /* a named file that cannot be read is the user's to mend */
    if (rc == 0 && bytes.overflow)
        rc = err_at(err, TC_EINPUT, path, 0, 0, "is larger than %zu bytes", TC_GEOIP_FILE_BYTES);
    if (rc == 0)
        rc = open_bytes(file, path, buf_view(&bytes), err);
    buf_free(&bytes);
    return rc;
}

int geoip_files_open(const struct fs *fs, const char *const *paths, size_t count, struct geoip_files **ret,
                     struct err *err)
{
    if (count > TC_GEOIP_FILES_MAX)
        return err_set(err, TC_EINPUT, "more than %d GeoIP files", TC_GEOIP_FILES_MAX);
    struct geoip_files *files = tc_alloc(sizeof *files);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = open_file(fs, &files->files[i], paths[i], err);
        files->count += rc == 0;
    }
    if (rc != 0)
        geoip_files_close(&files);
    *ret = files;
    return rc;
}

void geoip_files_close(struct geoip_files **files)
{
    if (*files == NULL)
        return;
    for (size_t i = 0; i < (*files)->count; i++) {
        MMDB_close(&(*files)->files[i].mmdb);
        free((*files)->files[i].path);
    }
    free(*files);
    *files = NULL;
}

size_t geoip_files_count(const struct geoip_files *files)
{
    return files == NULL ? 0 : files->count;
}

const char *geoip_files_path(const struct geoip_files *files, size_t at)
{
    return files->files[at].path;
}

const char *geoip_files_sha256(const struct geoip_files *files, size_t at)
{
    return files->files[at].sha256;
}

/* --- what is in force
 * ---------------------------------------------------------------------------------------------------- */

struct geoip *geoip_new(void)
{
    struct geoip *geoip = tc_alloc(sizeof *geoip);
    pthread_rwlock_init(&geoip->lock, NULL);
    return geoip;
}

void geoip_free(struct geoip **geoip)
{
    if (*geoip == NULL)
        return;
    geoip_files_close(&(*geoip)->files);
    pthread_rwlock_destroy(&(*geoip)->lock);
    free(*geoip);
    *geoip = NULL;
}

void geoip_put(struct geoip *geoip, struct geoip_files **files)
{
    pthread_rwlock_wrlock(&geoip->lock);
    struct geoip_files *old = geoip->files;
    geoip->files = *files;
    pthread_rwlock_unlock(&geoip->lock);
    *files = NULL;
    geoip_files_close(&old);
}

/* --- addresses
 * -----------------------------------------------------------------------------------------------------------
 */

static const struct {
    uint32_t address, mask;
} not_public_v4[] = {
    {0x00000000, 0xFF000000}, {0x0A000000, 0xFF000000}, {0x64400000, 0xFFC00000}, {0x7F000000, 0xFF000000},
    {0xA9FE0000, 0xFFFF0000}, {0xAC100000, 0xFFF00000}, {0xC0A80000, 0xFFFF0000}, {0xE0000000, 0xE0000000},
};

static bool is_public_v4(uint32_t address)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(not_public_v4); i++)
        if ((address & not_public_v4[i].mask) == not_public_v4[i].address)
            return false;
    return true;
}

/* Loopback and the like stand at the very front; then unique local, link-local, multicast. */
static bool is_public_v6(const struct in6_addr *a)
{
    static const uint8_t zeros[8];
    return memcmp(a->s6_addr, zeros, sizeof zeros) != 0 && (a->s6_addr[0] & 0xFE) != 0xFC &&
           !(a->s6_addr[0] == 0xFE && (a->s6_addr[1] & 0x80) != 0) && a->s6_addr[0] != 0xFF;
}

struct place { /* an address to ask about */
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    const struct sockaddr *address;
};

static bool read_v4(struct place *place, struct in_addr address)
{
    place->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = address};
    place->address = (const struct sockaddr *)&place->v4;
    return is_public_v4(ntohl(address.s_addr));
}

/* False for what is no address, or no place. */
static bool read_place(struct sv text, struct place *place)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = sv_make(text.p + 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1)
        return read_v4(place, v4);
    if (inet_pton(AF_INET6, copy, &v6) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        memcpy(&v4, v6.s6_addr + 12, sizeof v4);
        return read_v4(place, v4);
    }
    place->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = v6};
    place->address = (const struct sockaddr *)&place->v6;
    return is_public_v6(&v6);
}

/* --- facts
 * ------------------------------------------------------------------------------------------------------------
 */

/* In the order of the table. */
enum fact {
    FACT_CONTINENT,
    FACT_COUNTRY,
    FACT_COUNTRY_NAME,
    FACT_REGION,
    FACT_CITY,
    FACT_LATITUDE,
    FACT_LONGITUDE,
    FACT_RADIUS,
    FACT_AS,
    FACT_AS_NAME
};

enum { SIDES = 2 }; /* source, destination */
typedef bool (*fact_fn)(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret);
static bool read_number(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret);
static bool read_degrees(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret);
static bool read_text(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret);

static const struct {
    const char *names[SIDES];
    fact_fn read;
    const char *const *path;
} facts[] = {
#define FACT(name, read, ...)                                                                                \
    {                                                                                                        \
        {"source." name, "destination." name}, read, (const char *const[])                                   \
        {                                                                                                    \
            __VA_ARGS__, NULL                                                                                \
        }                                                                                                    \
    }
    [FACT_CONTINENT] = FACT("geo.continent_code", read_text, "continent", "code"),
    [FACT_COUNTRY] = FACT("geo.country_iso_code", read_text, "country", "iso_code"),
    [FACT_COUNTRY_NAME] = FACT("geo.country_name", read_text, "country", "names", "en"),
    [FACT_REGION] = FACT("geo.region_iso_code", read_text, "subdivisions", "0", "iso_code"),
    [FACT_CITY] = FACT("geo.city_name", read_text, "city", "names", "en"),
    [FACT_LATITUDE] = FACT("geo.location.lat", read_degrees, "location", "latitude"),
    [FACT_LONGITUDE] = FACT("geo.location.lon", read_degrees, "location", "longitude"),
    [FACT_RADIUS] = FACT("geo.accuracy_radius", read_number, "location", "accuracy_radius"),
    [FACT_AS] = FACT("as.number", read_number, "autonomous_system_number"),
    [FACT_AS_NAME] = FACT("as.organization.name", read_text, "autonomous_system_organization"),
};
_Static_assert(TC_ARRAY_LEN(facts) * SIDES <= TC_GEOIP_FACTS_MAX, "all facts have room");

static bool read_number(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret)
{
    if (data->type != MMDB_DATA_TYPE_UINT32 && data->type != MMDB_DATA_TYPE_UINT16)
        return false;
    *ret = arena_printf(arena, "%lu",
                        (unsigned long)(data->type == MMDB_DATA_TYPE_UINT16 ? data->uint16 : data->uint32));
    return true;
}

/* Four digits are eleven metres; no file knows more. */
static bool read_degrees(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret)
{
    if (data->type != MMDB_DATA_TYPE_DOUBLE || !(data->double_value >= -180 && data->double_value <= 180))
        return false;
    *ret = arena_printf(arena, "%.4f", data->double_value);
    return true;
}

static bool read_text(const MMDB_entry_data_s *data, struct arena *arena, struct sv *ret)
{
    if (data->type != MMDB_DATA_TYPE_UTF8_STRING || data->data_size == 0 ||
        data->data_size > TC_GEOIP_TEXT_BYTES)
        return false;
    struct sv text = sv_make(data->utf8_string, data->data_size);
    if (utf8_valid(text) != text.n)
        return false;
    *ret = arena_sv(arena, text);
    return true;
}

static bool find_fact(MMDB_entry_s *entries, size_t count, enum fact fact, struct arena *arena,
                      struct sv *ret)
{
    for (size_t i = 0; i < count; i++) {
        MMDB_entry_data_s data;
        if (MMDB_aget_value(&entries[i], &data, facts[fact].path) == MMDB_SUCCESS && data.has_data &&
            facts[fact].read(&data, arena, ret))
            return true;
    }
    return false;
}

/* Where a place is comes from one file, the first that knows it: degrees of two would be nowhere. */
static bool find_place(MMDB_entry_s *entries, size_t count, enum fact fact, struct arena *arena,
                       struct sv *ret)
{
    size_t at = 0;
    while (at < count && (!find_fact(&entries[at], 1, FACT_LATITUDE, arena, ret) ||
                          !find_fact(&entries[at], 1, FACT_LONGITUDE, arena, ret)))
        at++;
    return at < count && find_fact(&entries[at], 1, fact, arena, ret);
}

static bool has_field(const struct event *event, struct sv name)
{
    return event_find(event, name, event_name_hash(name)) != NULL;
}

struct asking {
    const struct event *event;
    struct arena *arena;
    struct field *fields;
    uint32_t count;
};

static void add_fact(struct asking *a, struct sv name, struct sv value, bool number)
{
    if (has_field(a->event, name))
        return;
    a->fields[a->count++] = (struct field){.name = name,
                                           .exact = name,
                                           .value = value,
                                           .name_hash = event_name_hash(name),
                                           .next_same = -1,
                                           .type = number ? FIELD_NUMBER : FIELD_STRING,
                                           .flags = FIELD_DERIVED};
}

static void add_facts(struct asking *a, size_t side, MMDB_entry_s *entries, size_t count)
{
    struct sv country = {0}, value;
    for (enum fact fact = 0; fact < TC_ARRAY_LEN(facts); fact++) {
        bool is_place = fact == FACT_LATITUDE || fact == FACT_LONGITUDE || fact == FACT_RADIUS;
        if (!(is_place ? find_place : find_fact)(entries, count, fact, a->arena, &value))
            continue;
        if (fact == FACT_COUNTRY)
            country = value;
        if (fact == FACT_REGION && country.n == 0)
            continue;
        if (fact == FACT_REGION) /* ISO 3166-2: the file has the part behind the country */
            value = arena_printf(a->arena, "%.*s-%.*s", SV_FMT(country), SV_FMT(value));
        add_fact(a, sv_of(facts[fact].names[side]), value, facts[fact].read != read_text);
    }
}

static void ask(struct asking *a, struct geoip_files *files, size_t side)
{
    MMDB_entry_s entries[TC_GEOIP_FILES_MAX];
    size_t count = 0;
    struct place place;
    if (!read_place(event_value(a->event, side == 0 ? "source.ip" : "destination.ip"), &place))
        return;
    for (size_t i = 0; i < files->count; i++) {
        int status;
        MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&files->files[i].mmdb, place.address, &status);
        if (status == MMDB_SUCCESS && found.found_entry)
            entries[count++] = found.entry;
    }
    add_facts(a, side, entries, count);
}

uint32_t geoip_facts(struct geoip *geoip, const struct event *event, struct arena *arena,
                     struct field fields[TC_GEOIP_FACTS_MAX])
{
    struct asking a = {.event = event, .arena = arena, .fields = fields};
    pthread_rwlock_rdlock(&geoip->lock);
    for (size_t side = 0; geoip->files != NULL && side < SIDES; side++)
        ask(&a, geoip->files, side);
    pthread_rwlock_unlock(&geoip->lock);
    return a.count;
}
