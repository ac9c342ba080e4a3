/*
 * ArcSight's Common Event Format; see parse_pairs.h.
 *
 * Header values end at '|', in which '\|' is a bar; extension values end where " key=" begins, as blanks in
 * them are not escaped. A '=' in a value should be escaped and often is not: only a word behind a blank is a
 * key. The header in front of "CEF:" is a syslog header, from which the time is taken where the extension has
 * none (rt, end, start).
 */
#include "event/parse_pairs.h"
#include "event/syslog_time.h"
#include "event/text_event.h"

enum { HEADER_VALUES = 7 };
static const char *const header_names[HEADER_VALUES] = {
    "cefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity"};
static const char *const time_names[] = {"rt", "end", "start", "deviceCustomDate1"};

static const struct text_event_alias ecs_names[] = {
    {"src", "source.ip"},
    {"spt", "source.port"},
    {"dst", "destination.ip"},
    {"dpt", "destination.port"},
    {"suser", "user.name"},
    {"duser", "user.name"},
    {"dvchost", "host.name"},
    {"act", "event.action"},
    {"outcome", "event.outcome"},
    {"request", "url.original"},
    {"msg", "message"},
    {"requestMethod", "http.request.method"},
    {"proto", "network.transport"},
    {"requestClientApplication", "user_agent.original"},
};

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_.-[]#", c) != NULL);
}

/* Length of the key at `at` that a '=' follows, or 0. */
static size_t key_at(struct sv text, size_t at)
{
    size_t n = 0;
    while (at + n < text.n && is_key_byte(text.p[at + n]))
        n++;
    return at + n < text.n && text.p[at + n] == '=' ? n : 0;
}

static struct sv unescape(struct sv value, struct arena *arena)
{
    if (value.n == 0 || memchr(value.p, '\\', value.n) == NULL)
        return value;
    char *out = arena_alloc_raw(arena, value.n, 1), *to = out;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i], next = i + 1 < value.n ? value.p[i + 1] : '\0';
        bool escape = c == '\\' && next != '\0' && strchr("\\=|nr", next) != NULL;
        i += escape;
        *to++ = !escape ? c : next == 'n' ? '\n' : next == 'r' ? '\r' : next;
    }
    return sv_make(out, (size_t)(to - out));
}

/* Up to the next '|' that is not escaped. */
static bool take_header_value(struct sv *rest, struct sv *ret)
{
    size_t at = 0;
    while (at < rest->n && rest->p[at] != '|')
        at += rest->p[at] == '\\' ? 2 : 1;
    if (at >= rest->n)
        return false;
    *ret = sv_head(*rest, at);
    *rest = sv_from(*rest, at + 1);
    return true;
}

static void take_extension(struct text_event *text, struct sv rest)
{
    while (rest.n > 0) {
        size_t key = key_at(rest, 0), at = key + 1;
        if (key == 0) { /* no pair: on to the next word */
            rest = sv_from(rest, sv_find_char(rest, ' ') + 1);
            continue;
        }
        while (at < rest.n && !(rest.p[at] == ' ' && key_at(rest, at + 1) > 0))
            at++;
        struct sv value = sv_trim(sv_make(rest.p + key + 1, TC_MIN(at, rest.n) - key - 1));
        text_event_add_guess(text, sv_head(rest, key), unescape(value, text->arena));
        rest = sv_from(rest, at + 1);
    }
}

/* cs1=… cs1Label=Name: the value is found by its label, too. */
static void derive_labels(struct text_event *text)
{
    struct sv label = SV("Label");
    uint32_t count = text->count;
    for (uint32_t i = 0; i < count; i++) {
        struct sv name = text->fields[i].name, title = text->fields[i].value;
        if (name.n > label.n && name.n < 40 && sv_ends(name, label) && title.n > 0 && title.n < 256) {
            const char *of = arena_str(text->arena, sv_head(name, name.n - label.n));
            text_event_derive(text, arena_str(text->arena, title), text_event_value(text, of), FIELD_STRING);
        }
    }
}

/* Of the syslog header in front, the host, and the time where the extension has none. */
static void take_header(struct text_event *text, struct parse_state *state, struct sv header,
                        struct event *event)
{
    bool timed = false;
    struct parse_state unmoved = *state; /* a time that does not count does not move the file's year */
    int64_t ignored;
    for (size_t i = 0; !timed && i < TC_ARRAY_LEN(time_names); i++)
        timed = text_event_time(text_event_value(text, time_names[i]), state->zone_offset_s, &event->time.ns);
    if (header.n > 0 && header.p[0] == '<')
        header = sv_from(header, sv_find_char(header, '>') + 1);
    if (sv_starts(header, SV("1 ")))
        header = sv_from(header, 2);
    size_t stamp = syslog_time_scan(timed ? &unmoved : state, header, timed ? &ignored : &event->time.ns);
    struct sv rest = sv_trim(sv_from(header, stamp)), host = sv_cut(&rest, ' ');
    if (stamp > 0 && host.n > 0 && host.p[host.n - 1] != ':' && !sv_is(host, "-"))
        text_event_derive(text, "host.name", host, FIELD_STRING);
}

enum parse_outcome parse_cef(const struct parser *parser, struct parse_state *state, struct sv raw,
                             struct arena *arena, struct event *ret)
{
    (void)parser;
    struct sv line = text_event_clean(raw, arena, ret), mark = SV("CEF:"), value;
    size_t at = sv_find(line, mark);
    struct text_event text;
    if (line.n == 0)
        return PARSE_SKIP;
    if (at == line.n)
        return PARSE_TEXT;
    struct sv rest = sv_from(line, at + mark.n);
    text_event_begin(&text, arena);
    for (size_t i = 0; i < HEADER_VALUES; i++) {
        if (!take_header_value(&rest, &value))
            return PARSE_TEXT;
        text_event_add(&text, sv_of(header_names[i]), unescape(value, arena), FIELD_STRING);
    }
    take_extension(&text, rest);
    text_event_aliases(&text, ecs_names, TC_ARRAY_LEN(ecs_names));
    derive_labels(&text);
    take_header(&text, state, sv_head(line, at), ret);
    text_event_end(&text, ret);
    return PARSE_OK;
}

bool parse_pairs_is_cef(struct sv line)
{
    size_t at = sv_find(line, SV("CEF:")), bars = 0;
    for (size_t i = at; i < line.n; i++)
        bars += line.p[i] == '|';
    return at + 5 < line.n && at < 100 && bars >= HEADER_VALUES && line.p[at + 4] >= '0' &&
           line.p[at + 4] <= '9' && (at == 0 || line.p[at - 1] == ' ');
}
