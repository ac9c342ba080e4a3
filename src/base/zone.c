/*
 * TZif files; see zone.h.
 *
 * The table of transitions answers what lies before its end by bisection; after it the footer's rule (POSIX
 * TZ text, RFC 8536 section 3.3) holds, which is worked out for the year in question.
 */
#include "base/zone.h"

#include "base/arena.h"
#include "base/fs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ZONE_FILE_MAX_BYTES = 65536,
    ZONE_NAME_MAX = 128,
    HEADER_BYTES = 44,
    ABBREVIATION_MAX = 16,
    SHARED_MAX = 1000,
    DAY_S = 86400,
};

struct local_type {
    int32_t east_s;
    bool daylight;
    char abbreviation[ABBREVIATION_MAX];
};

enum rule_kind { RULE_JULIAN, RULE_DAY, RULE_MONTH };
struct change { /* of a footer: when in a year */
    enum rule_kind kind;
    int month, week, day;
    int32_t at_s; /* local seconds after midnight, may be negative or beyond a day */
};

struct zone {
    struct zone *next; /* of the shared ones */
    char name[ZONE_NAME_MAX];
    size_t transition_count, type_count;
    int64_t *transitions;
    uint8_t *kinds;
    struct local_type *types;
    bool has_footer, has_daylight;
    struct local_type standard, summer;
    struct change to_summer, to_standard;
};

static uint32_t big_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t big_i64(const char *p)
{
    return (int64_t)((uint64_t)big_u32(p) << 32 | big_u32(p + 4));
}

/* --- the footer: POSIX TZ --- */

static bool take_name(struct sv *rest, char out[ABBREVIATION_MAX])
{
    bool quoted = rest->n > 0 && rest->p[0] == '<';
    size_t n = quoted ? 1 : 0;
    while (n < rest->n &&
           (quoted ? rest->p[n] != '>' : (rest->p[n] | 0x20) >= 'a' && (rest->p[n] | 0x20) <= 'z'))
        n++;
    struct sv name = sv_from(sv_head(*rest, n), quoted ? 1 : 0);
    if (name.n < 3 || name.n >= ABBREVIATION_MAX || (quoted && n == rest->n))
        return false;
    memcpy(out, name.p, name.n);
    out[name.n] = '\0';
    *rest = sv_from(*rest, n + quoted);
    return true;
}

static bool take_digits(struct sv *rest, int max, int *ret)
{
    int v = 0;
    size_t n = 0;
    for (; n < rest->n && rest->p[n] >= '0' && rest->p[n] <= '9' && v <= max; n++)
        v = v * 10 + (rest->p[n] - '0');
    *rest = sv_from(*rest, n);
    *ret = v;
    return n > 0 && v <= max;
}

static bool take_char(struct sv *rest, char c)
{
    if (rest->n == 0 || rest->p[0] != c)
        return false;
    *rest = sv_from(*rest, 1);
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool take_clock(struct sv *rest, int32_t *ret)
{
    int hours, minutes = 0, seconds = 0;
    int32_t sign = take_char(rest, '-') ? -1 : 1;
    if (sign == 1)
        (void)take_char(rest, '+');
    if (!take_digits(rest, 167, &hours))
        return false;
    if (take_char(rest, ':') && !take_digits(rest, 59, &minutes))
        return false;
    if (take_char(rest, ':') && !take_digits(rest, 59, &seconds))
        return false;
    *ret = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool take_change(struct sv *rest, struct change *ret)
{
    *ret = (struct change){.at_s = 2 * 3600};
    if (!take_char(rest, ','))
        return false;
    if (take_char(rest, 'M')) {
        ret->kind = RULE_MONTH;
        if (!take_digits(rest, 12, &ret->month) || !take_char(rest, '.') ||
            !take_digits(rest, 5, &ret->week) || !take_char(rest, '.') || !take_digits(rest, 6, &ret->day) ||
            ret->month == 0 || ret->week == 0)
            return false;
    } else {
        ret->kind = take_char(rest, 'J') ? RULE_JULIAN : RULE_DAY;
        if (!take_digits(rest, 365, &ret->day))
            return false;
    }
    return !take_char(rest, '/') || take_clock(rest, &ret->at_s);
}

static bool read_footer(struct zone *zone, struct sv text)
{
    int32_t west;
    if (!take_name(&text, zone->standard.abbreviation) || !take_clock(&text, &west))
        return false;
    zone->standard.east_s = -west;
    zone->has_footer = true;
    if (text.n == 0)
        return true;
    zone->summer = (struct local_type){.east_s = zone->standard.east_s + 3600, .daylight = true};
    if (!take_name(&text, zone->summer.abbreviation))
        return false;
    if (text.n > 0 && text.p[0] != ',') {
        if (!take_clock(&text, &west))
            return false;
        zone->summer.east_s = -west;
    }
    zone->has_daylight =
        take_change(&text, &zone->to_summer) && take_change(&text, &zone->to_standard) && text.n == 0;
    return zone->has_daylight;
}

/* --- years and days --- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to 1 January of `year`. */
static int64_t days_to_year(int64_t year)
{
    int64_t y = year - 1;
    int64_t floor4 = y >= 0 ? y / 4 : (y - 3) / 4, floor100 = y >= 0 ? y / 100 : (y - 99) / 100,
            floor400 = y >= 0 ? y / 400 : (y - 399) / 400;
    return y * 365 + floor4 - floor100 + floor400 - 719162;
}

static int64_t year_of(int64_t days)
{
    int64_t year = 1970 + days / 366;
    while (days_to_year(year + 1) <= days)
        year++;
    while (days_to_year(year) > days)
        year--;
    return year;
}

static int month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Local seconds since 1970 at which `change` happens in `year`, by the clock that is being left. */
static int64_t change_local(const struct change *change, int64_t year)
{
    int64_t day = days_to_year(year);
    if (change->kind == RULE_MONTH) {
        for (int month = 1; month < change->month; month++)
            day += month_days(year, month);
        int weekday = (int)(((day + 4) % 7 + 7) % 7), first = (change->day - weekday + 7) % 7;
        int of_month = first + (change->week - 1) * 7;
        while (of_month >= month_days(year, change->month))
            of_month -= 7;
        day += of_month;
    } else if (change->kind == RULE_JULIAN) {
        day += change->day - 1 + (is_leap(year) && change->day >= 60);
    } else {
        day += change->day;
    }
    return day * DAY_S + change->at_s;
}

static const struct local_type *by_footer(const struct zone *zone, int64_t seconds)
{
    if (!zone->has_daylight)
        return &zone->standard;
    int64_t local = seconds + zone->standard.east_s;
    int64_t year = year_of(local >= 0 ? local / DAY_S : (local - DAY_S + 1) / DAY_S);
    int64_t start = change_local(&zone->to_summer, year) - zone->standard.east_s;
    int64_t end = change_local(&zone->to_standard, year) - zone->summer.east_s;
    bool summer = start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
    return summer ? &zone->summer : &zone->standard;
}

/* --- the file --- */

struct header {
    uint32_t ut_count, std_count, leap_count, transition_count, type_count, text_bytes;
};

static bool take_header(struct sv *rest, struct header *ret, char *ret_version)
{
    if (rest->n < HEADER_BYTES || memcmp(rest->p, "TZif", 4) != 0)
        return false;
    *ret_version = rest->p[4];
    *ret = (struct header){big_u32(rest->p + 20), big_u32(rest->p + 24), big_u32(rest->p + 28),
                           big_u32(rest->p + 32), big_u32(rest->p + 36), big_u32(rest->p + 40)};
    *rest = sv_from(*rest, HEADER_BYTES);
    return ret->ut_count <= 4096 && ret->std_count <= 4096 && ret->leap_count <= 4096 &&
           ret->transition_count <= 8192 && ret->type_count >= 1 && ret->type_count <= 256 &&
           ret->text_bytes <= 4096;
}

static size_t body_bytes(const struct header *h, size_t time_bytes)
{
    return h->transition_count * (time_bytes + 1) + h->type_count * (size_t)6 + h->text_bytes +
           h->leap_count * (time_bytes + 4) + h->std_count + h->ut_count;
}

static bool read_body(struct zone *zone, const struct header *h, struct sv body, size_t time_bytes)
{
    const char *times = body.p, *kinds = times + h->transition_count * time_bytes;
    const char *types = kinds + h->transition_count, *texts = types + h->type_count * 6;
    zone->transition_count = h->transition_count;
    zone->type_count = h->type_count;
    zone->transitions = tc_alloc((h->transition_count + 1) * sizeof *zone->transitions);
    zone->kinds = tc_alloc(h->transition_count + 1);
    zone->types = tc_alloc(h->type_count * sizeof *zone->types);
    for (size_t i = 0; i < h->transition_count; i++) {
        zone->transitions[i] =
            time_bytes == 8 ? big_i64(times + i * 8) : (int64_t)(int32_t)big_u32(times + i * 4);
        zone->kinds[i] = (uint8_t)kinds[i];
        if (zone->kinds[i] >= h->type_count || (i > 0 && zone->transitions[i] <= zone->transitions[i - 1]))
            return false;
    }
    for (size_t i = 0; i < h->type_count; i++) {
        const char *type = types + i * 6;
        size_t at = (uint8_t)type[5], n = 0;
        zone->types[i].east_s = (int32_t)big_u32(type);
        zone->types[i].daylight = type[4] != 0;
        while (at + n < h->text_bytes && texts[at + n] != '\0' && n + 1 < ABBREVIATION_MAX) {
            zone->types[i].abbreviation[n] = texts[at + n];
            n++;
        }
    }
    return true;
}

static bool read_file(struct zone *zone, struct sv bytes)
{
    struct header header;
    char version;
    if (!take_header(&bytes, &header, &version) || bytes.n < body_bytes(&header, 4))
        return false;
    if (version < '2')
        return read_body(zone, &header, bytes, 4);
    bytes = sv_from(bytes, body_bytes(&header, 4)); /* the old 32-bit half */
    if (!take_header(&bytes, &header, &version) || bytes.n < body_bytes(&header, 8) ||
        !read_body(zone, &header, bytes, 8))
        return false;
    bytes = sv_from(bytes, body_bytes(&header, 8));
    if (!take_char(&bytes, '\n'))
        return false;
    struct sv footer = sv_cut(&bytes, '\n');
    return footer.n == 0 || read_footer(zone, footer);
}

int zone_read(struct sv name, struct sv tzif, struct zone **ret, struct err *err)
{
    struct zone *zone = tc_alloc(sizeof *zone);
    memcpy(zone->name, name.p == NULL ? "" : name.p, TC_MIN(name.n, sizeof zone->name - 1));
    if (!read_file(zone, tzif)) {
        zone_free(zone);
        return err_set(err, TC_EINPUT, "the file of time zone %.*s is not TZif (RFC 8536)", SV_FMT(name));
    }
    *ret = zone;
    return 0;
}

void zone_free(struct zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->transitions);
    free(zone->kinds);
    free(zone->types);
    free(zone);
}

/* A name of the database: parts of letters, digits, + - _ between slashes; nothing that climbs out of its
 * folder. */
static bool is_zone_name(struct sv name)
{
    if (name.n == 0 || name.n >= ZONE_NAME_MAX || name.p[0] == '/' || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '_' && c != '/')
            return false;
    }
    return true;
}

int zone_load(struct sv name, struct zone **ret, struct err *err)
{
    if (name.n == 0 || sv_is(name, "UTC")) {
        struct zone *zone = tc_alloc(sizeof *zone);
        memcpy(zone->name, "UTC", 4);
        zone->has_footer = true;
        memcpy(zone->standard.abbreviation, "UTC", 4);
        *ret = zone;
        return 0;
    }
    if (!is_zone_name(name))
        return err_set(err, TC_EINPUT, "unknown time zone %.*s", SV_FMT(name));
    char path[ZONE_NAME_MAX + 32];
    struct buf bytes;
    bool local = sv_is(name, "Local");
    if (local)
        strcpy(path, "/etc/localtime");
    else {
        memcpy(path, "/usr/share/zoneinfo/", 20);
        memcpy(path + 20, name.p, name.n);
        path[20 + name.n] = '\0';
    }
    buf_init(&bytes, ZONE_FILE_MAX_BYTES);
    struct fs_stat stat;
    if (fs_system.stat(&fs_system, path, &stat) != 0 || stat.is_dir ||
        fs_read_file(&fs_system, path, &bytes, NULL) != 0) {
        buf_free(&bytes);
        if (local)
            return zone_load(SV("UTC"), ret, err);
        if (fs_system.stat(&fs_system, "/usr/share/zoneinfo", &stat) != 0)
            return err_set(err, TC_EIO,
                           "time zone %.*s: there is no time zone database; install the package tzdata",
                           SV_FMT(name));
        return err_set(err, TC_EINPUT, "unknown time zone %.*s", SV_FMT(name));
    }
    int done = zone_read(name, buf_view(&bytes), ret, err);
    buf_free(&bytes);
    return done;
}

int zone_get(struct sv name, const struct zone **ret, struct err *err)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct zone *shared;
    static size_t count;
    int done = 0;
    if (name.n == 0)
        name = SV("UTC");
    pthread_mutex_lock(&mutex);
    struct zone *zone = shared;
    while (zone != NULL && !sv_is(name, zone->name))
        zone = zone->next;
    if (zone == NULL && count >= SHARED_MAX)
        done = err_set(err, TC_EBOUND, "more than %d time zones", SHARED_MAX);
    else if (zone == NULL && (done = zone_load(name, &zone, err)) == 0) {
        memcpy(zone->name, name.p, name.n); /* is_zone_name has bounded it */
        zone->name[name.n] = '\0';
        zone->next = shared;
        shared = zone;
        count++;
    }
    if (done == 0)
        *ret = zone;
    pthread_mutex_unlock(&mutex);
    return done;
}

struct sv zone_name(const struct zone *zone)
{
    return zone == NULL ? SV("UTC") : sv_of(zone->name);
}

struct zone_offset zone_at(const struct zone *zone, int64_t seconds)
{
    static const struct local_type utc = {.abbreviation = "UTC"};
    const struct local_type *type = &utc;
    if (zone != NULL) {
        size_t low = 0, high = zone->transition_count;
        while (low < high) { /* the first transition after `seconds` */
            size_t middle = low + (high - low) / 2;
            if (zone->transitions[middle] <= seconds)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == zone->transition_count && zone->has_footer)
            type = by_footer(zone, seconds);
        else if (low > 0)
            type = &zone->types[zone->kinds[low - 1]];
        else {
            type = &zone->types[0];
            for (size_t i = 0; i < zone->type_count; i++)
                if (!zone->types[i].daylight) {
                    type = &zone->types[i];
                    break;
                }
        }
    }
    return (struct zone_offset){type->east_s, type->abbreviation, type->daylight};
}

int64_t zone_from_local(const struct zone *zone, int64_t local_seconds)
{
    /* The offsets a day before and a day after cover any change between. */
    int32_t before = zone_at(zone, local_seconds - DAY_S).east_s,
            after = zone_at(zone, local_seconds + DAY_S).east_s;
    int64_t first = local_seconds - before, second = local_seconds - after;
    if (zone_at(zone, first).east_s == before)
        return first;
    if (zone_at(zone, second).east_s == after)
        return second;
    return first;
}
