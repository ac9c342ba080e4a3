/*
 * Calendars (RFC 5545): shifts that others plan come in, ours go out; see oncall.h.
 *
 * In: only what says who is on call when. A line that this cannot read would put the wrong person on call, so
 * it is refused with its number, but for properties that mean nothing here.
 */
#include "alert/oncall/oncall.h"

#include "base/hash.h"
#include "base/num.h"

enum { LINE_MAX_BYTES = 8192, FOLD_BYTES = 73 };

/* --- in */

struct calendar {
    struct oncall *oncall;
    struct oncall_schedule *schedule;
    const char *file;
    struct err *err;
    struct sv rest;
    unsigned line; /* of the logical line's begin */
    unsigned next_line;
    char text[LINE_MAX_BYTES]; /* unfolded */
    size_t capacity;           /* of the schedule's events */
    bool inside;
    unsigned depth; /* of components within the event, such as alarms: they say nothing of shifts */
    struct oncall_event event;
    bool has_start, has_end, is_date, until_is_local, is_cancelled;
    struct sv summary;
};

static int refuse(const struct calendar *c, const char *what, struct sv text)
{
    return err_at(c->err, TC_EINPUT, c->file, c->line, 0, "%s: %.*s", what, SV_FMT(sv_head(text, 80)));
}

/* A logical line, with what was folded put together; false at the end. */
static bool next_line(struct calendar *c, struct sv *ret, bool *ret_long)
{
    size_t n = 0;
    *ret_long = false;
    if (c->rest.n == 0)
        return false;
    c->line = c->next_line;
    do {
        struct sv line = sv_cut(&c->rest, '\n');
        c->next_line++;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (n > 0)
            line = sv_from(line, 1);
        *ret_long |= n + line.n > sizeof c->text;
        line = sv_head(line, sizeof c->text - n);
        if (line.n > 0)
            memcpy(c->text + n, line.p, line.n);
        n += line.n;
    } while (n > 0 && c->rest.n > 0 && (c->rest.p[0] == ' ' || c->rest.p[0] == '\t'));
    *ret = sv_make(c->text, n);
    return true;
}

/* "20260105T090000Z", "20260105T090000", "20260105". */
static bool read_time(struct sv text, int64_t *ret_s, bool *ret_utc, bool *ret_date)
{
    char form[24];
    int64_t ns;
    *ret_date = text.n == 8;
    *ret_utc = text.n == 16 && text.p[15] == 'Z';
    if (!(*ret_date || *ret_utc || text.n == 15) || (text.n > 8 && text.p[8] != 'T'))
        return false;
    struct buf out = {.p = form, .capacity = sizeof form, .max_bytes = sizeof form};
    buf_printf(&out, "%.4s-%.2s-%.2s", text.p, text.p + 4, text.p + 6);
    if (!*ret_date)
        buf_printf(&out, "T%.2s:%.2s:%.2s", text.p + 9, text.p + 11, text.p + 13);
    if (!clk_parse_rfc3339(buf_view(&out), 0, &ns))
        return false;
    *ret_s = ns / TC_SECOND_NS;
    return true;
}

/* The value of a parameter of the property: ";TZID=Europe/Berlin;…". */
static struct sv parameter(struct sv parameters, const char *name)
{
    while (parameters.n > 0) {
        struct sv one = sv_cut(&parameters, ';');
        size_t equals = sv_find_char(one, '=');
        if (sv_eq_nocase(sv_head(one, equals), sv_of(name))) {
            struct sv value = sv_from(one, equals + 1);
            if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
                value = sv_make(value.p + 1, value.n - 2);
            return value;
        }
    }
    return (struct sv){0};
}

static int read_edge(struct calendar *c, struct sv parameters, struct sv value, int64_t *ret_s, bool is_start)
{
    bool utc, date;
    struct err why;
    struct sv name = parameter(parameters, "TZID");
    const struct zone *zone = c->schedule->zone;
    if (!read_time(value, ret_s, &utc, &date))
        return refuse(c, "this is no time", value);
    if (name.n > 0 && zone_get(name, &zone, &why) != 0)
        return refuse(c, "this is no time zone of the IANA database", name);
    if (utc)
        zone = NULL;
    if (is_start) {
        c->event.zone = zone;
        c->has_start = true;
        c->is_date = date;
    } else {
        if (zone != c->event.zone && c->has_start) /* to the wall clock of its begin */
            *ret_s += zone_at(c->event.zone, zone_from_local(zone, *ret_s)).east_s -
                      zone_at(zone, zone_from_local(zone, *ret_s)).east_s;
        c->has_end = true;
    }
    return 0;
}

static int read_rule(struct calendar *c, struct sv value)
{
    uint64_t interval = 1;
    int64_t unit_s = 0;
    bool utc, date;
    c->event.until_s = INT64_MAX;
    c->until_is_local = false;
    for (struct sv rest = value; rest.n > 0;) {
        struct sv part = sv_cut(&rest, ';');
        size_t equals = sv_find_char(part, '=');
        struct sv name = sv_head(part, equals), text = sv_from(part, equals + 1);
        if (sv_is(name, "FREQ") && (sv_is(text, "DAILY") || sv_is(text, "WEEKLY")))
            unit_s = sv_is(text, "DAILY") ? 86400 : 7 * 86400;
        else if (sv_is(name, "INTERVAL") && num_u64(text, 1, 1000, &interval))
            ;
        else if (sv_is(name, "COUNT") && num_u64(text, 1, 100000, &c->event.times))
            ;
        else if (sv_is(name, "UNTIL") && read_time(text, &c->event.until_s, &utc, &date))
            c->until_is_local = !utc;
        else if (!sv_is(name, "WKST"))
            return refuse(
                c, "this rule of recurrence is not supported (DAILY or WEEKLY with INTERVAL, COUNT, UNTIL)",
                part);
    }
    if (unit_s == 0)
        return refuse(c, "a rule of recurrence needs FREQ", value);
    c->event.every_s = unit_s * (int64_t)interval;
    return 0;
}

static const struct oncall_person *person_of(const struct oncall *oncall, struct sv summary)
{
    for (size_t i = 0; i < oncall->person_count; i++)
        if (sv_eq_nocase(oncall->people[i].id, summary) || sv_eq_nocase(oncall->people[i].name, summary))
            return &oncall->people[i];
    return NULL;
}

static int add_event(struct calendar *c)
{
    struct oncall_schedule *s = c->schedule;
    if (s->event_count == ONCALL_EVENTS_MAX)
        return refuse(c, "the calendar has more events than are read", c->summary);
    if (s->event_count == c->capacity) {
        const struct oncall_event *before = s->events;
        c->capacity = TC_MAX((size_t)16, c->capacity * 2);
        s->events = ARENA_ARRAY(&c->oncall->arena, struct oncall_event, c->capacity);
        if (s->event_count > 0)
            memcpy(s->events, before, s->event_count * sizeof *before);
    }
    s->events[s->event_count++] = c->event;
    return 0;
}

static int end_event(struct calendar *c)
{
    const struct oncall_person *person = person_of(c->oncall, c->summary);
    c->inside = false;
    if (c->is_cancelled)
        return 0;
    if (!c->has_start)
        return refuse(c, "an event has no DTSTART", c->summary);
    if (!c->has_end)
        c->event.to_s = c->event.from_s + (c->is_date ? 86400 : 0);
    if (c->event.to_s <= c->event.from_s)
        return refuse(c, "an event ends before it begins, or has no end", c->summary);
    if (person == NULL)
        return refuse(c, "the event's summary is nobody's id or name", c->summary);
    if (c->until_is_local) /* a date, or a time by the clock of the event's begin */
        c->event.until_s = zone_from_local(c->event.zone, c->event.until_s);
    c->event.person = person->id;
    return add_event(c);
}

/* The backslash before a comma, semicolon or backslash goes; \n becomes a space. */
static struct sv unescape(struct arena *arena, struct sv text)
{
    char *out = arena_alloc_raw(arena, text.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n)
            out[n++] = text.p[++i] == 'n' || text.p[i] == 'N' ? ' ' : text.p[i];
        else
            out[n++] = text.p[i];
    }
    return sv_trim(sv_make(out, n));
}

static int read_property(struct calendar *c, struct sv name, struct sv parameters, struct sv value)
{
    if (sv_eq_nocase(name, SV("DTSTART")))
        return read_edge(c, parameters, value, &c->event.from_s, true);
    if (sv_eq_nocase(name, SV("DTEND")))
        return read_edge(c, parameters, value, &c->event.to_s, false);
    if (sv_eq_nocase(name, SV("RRULE")))
        return read_rule(c, value);
    if (sv_eq_nocase(name, SV("SUMMARY")))
        c->summary = unescape(&c->oncall->arena, value);
    if (sv_eq_nocase(name, SV("STATUS")))
        c->is_cancelled = sv_eq_nocase(sv_trim(value), SV("CANCELLED"));
    static const char *const changing[] = {"DURATION", "RDATE", "EXDATE", "RECURRENCE-ID"};
    for (size_t i = 0; i < TC_ARRAY_LEN(changing); i++)
        if (sv_eq_nocase(name, sv_of(changing[i])))
            return refuse(c, "this property is not supported", name);
    return 0;
}

static int read_line(struct calendar *c, struct sv line)
{
    size_t colon = sv_find_char(line, ':'), quote = sv_find_char(line, '"');
    if (quote < colon) /* a parameter in quotes may hold a colon */
        colon = quote + 1 + sv_find_char(sv_from(line, quote + 1), '"') + 1,
        colon += sv_find_char(sv_from(line, colon), ':');
    struct sv parameters = sv_head(line, colon), value = sv_from(line, colon + 1);
    struct sv name = sv_cut(&parameters, ';');
    if (sv_eq_nocase(name, SV("BEGIN")) && sv_eq_nocase(value, SV("VEVENT"))) {
        c->event = (struct oncall_event){.zone = c->schedule->zone, .until_s = INT64_MAX};
        c->inside = true;
        c->has_start = c->has_end = c->until_is_local = c->is_cancelled = false;
        c->depth = 0;
        c->summary = (struct sv){0};
        return 0;
    }
    if (!c->inside)
        return 0;
    if (sv_eq_nocase(name, SV("BEGIN"))) {
        c->depth++;
        return 0;
    }
    if (c->depth > 0) {
        c->depth -= sv_eq_nocase(name, SV("END"));
        return 0;
    }
    return sv_eq_nocase(name, SV("END")) && sv_eq_nocase(value, SV("VEVENT"))
               ? end_event(c)
               : read_property(c, name, parameters, value);
}

int oncall_ical_read(struct oncall *oncall, struct oncall_schedule *schedule, const char *file,
                     struct sv text, struct err *err)
{
    struct calendar *c = ARENA_NEW(&oncall->arena, struct calendar);
    struct sv line;
    bool too_long;
    int rc = 0;
    *c = (struct calendar){
        .oncall = oncall, .schedule = schedule, .file = file, .err = err, .rest = text, .next_line = 1};
    if (text.n > ONCALL_ICAL_BYTES)
        return refuse(c, "the calendar is too long", SV(""));
    bool seen = false;
    while (rc == 0 && next_line(c, &line, &too_long)) {
        seen = seen || sv_eq_nocase(sv_trim(line), SV("BEGIN:VCALENDAR"));
        rc = too_long && c->inside ? refuse(c, "the line is too long", line) : read_line(c, line);
    }
    return rc != 0 ? rc
           : seen  ? 0
                   : refuse(c, "this is no calendar: BEGIN:VCALENDAR is missing", sv_head(text, 40));
}

/* --- out */

/* RFC 5545, 3.1: no line is longer than 75 bytes; the rest follows after a space. Not within a character. */
static void put_line(struct sv text, struct buf *out)
{
    size_t room = FOLD_BYTES;
    while (text.n > room) {
        size_t n = room;
        while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
            n--;
        n = n == 0 ? room : n;
        buf_sv(out, sv_head(text, n));
        buf_str(out, "\r\n ");
        text = sv_from(text, n);
    }
    buf_sv(out, text);
    buf_str(out, "\r\n");
}

static void put_text(const char *name, struct sv text, struct buf *out)
{
    struct buf line;
    buf_init(&line, 16 << 10);
    buf_str(&line, name);
    for (size_t i = 0; i < TC_MIN(text.n, (size_t)4096); i++) {
        char c = text.p[i];
        if (c == ',' || c == ';' || c == '\\')
            buf_char(&line, '\\');
        if (c == '\n')
            buf_str(&line, "\\n");
        else if ((unsigned char)c >= ' ')
            buf_char(&line, c);
    }
    put_line(buf_view(&line), out);
    buf_free(&line);
}

static void put_time(const char *name, int64_t ns, struct buf *out)
{
    struct civil t = clk_to_civil(ns);
    buf_printf(out, "%s:%04d%02d%02dT%02d%02d%02dZ\r\n", name, t.year, t.month, t.day, t.hour, t.minute,
               t.second);
}

struct writing {
    const struct oncall *oncall;
    const struct oncall_schedule *schedule;
    int64_t stamp_ns;
    struct buf *out;
    struct arena arena;
};

/* The same shift has the same UID in every copy of the calendar. */
static void put_uid(struct writing *w, const struct oncall_shift *shift)
{
    uint8_t digest[TC_SHA256_BYTES];
    char hex[33];
    struct sv key = arena_printf(&w->arena, "%.*s\n%.*s\n%lld", SV_FMT(w->schedule->name),
                                 SV_FMT(shift->person), (long long)shift->from_ns);
    hash_sha256(key, digest);
    hash_hex(digest, 16, hex);
    buf_printf(w->out, "UID:%s@tocsin\r\n", hex);
}

static bool put_shift(void *context, const struct oncall_shift *shift)
{
    struct writing *w = context;
    const struct oncall_person *person = oncall_person(w->oncall, shift->person);
    if (shift->person.n == 0)
        return true;
    buf_str(w->out, "BEGIN:VEVENT\r\n");
    put_uid(w, shift);
    put_time("DTSTAMP", w->stamp_ns, w->out);
    put_time("DTSTART", shift->from_ns, w->out);
    put_time("DTEND", shift->to_ns, w->out);
    put_text("SUMMARY:", person == NULL ? shift->person : person->name, w->out);
    put_text("DESCRIPTION:", shift->layer, w->out);
    buf_str(w->out, "END:VEVENT\r\n");
    return !w->out->overflow;
}

void oncall_ical_write(const struct oncall *oncall, const struct oncall_schedule *schedule,
                       const struct oncall_overrides *overrides, int64_t from_ns, int64_t to_ns,
                       int64_t stamp_ns, struct buf *out)
{
    struct writing w = {.oncall = oncall, .schedule = schedule, .stamp_ns = stamp_ns, .out = out};
    buf_str(out, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Tocsin//on-call//EN\r\n");
    put_text("X-WR-CALNAME:", schedule->name, out);
    oncall_each_shift(schedule, overrides, from_ns, to_ns, put_shift, &w);
    buf_str(out, "END:VCALENDAR\r\n");
    arena_free(&w.arena);
}
