/*
 * Journal entries; see parse_journald.h.
 *
 * What the message means is asked of the parser of syslog lines, with the line that journald would forward.
 */
#include "event/parse_journald.h"

#include "base/num.h"
#include "event/json.h"
#include "event/parse_sshd.h"
#include "event/text_event.h"

/* The first value of a field; one that was set several times is a list. */
static struct sv value_of(const struct event *event, const char *name)
{
    for (uint32_t i = 0; i < event->field_count; i++)
        if (sv_is(event->fields[i].name, name) &&
            (event->fields[i].type == FIELD_STRING || event->fields[i].type == FIELD_NUMBER))
            return event->fields[i].value;
    return (struct sv){0};
}

static bool take_time(const struct event *event, const char *name, int64_t *ret_ns)
{
    uint64_t microseconds;
    if (!num_u64(value_of(event, name), 1, INT64_MAX / 1000, &microseconds))
        return false;
    *ret_ns = (int64_t)microseconds * 1000;
    return true;
}

/* [72,105]: what journalctl makes of bytes that are no text. */
static struct sv joined_bytes(struct sv list, struct arena *arena)
{
    char *out = arena_alloc_raw(arena, list.n + 1, 1);
    size_t n = 0;
    struct sv rest = sv_from(list, 1);
    while (rest.n > 0) {
        uint64_t byte;
        size_t end = TC_MIN(sv_find_char(rest, ','), sv_find_char(rest, ']'));
        if (!num_u64(sv_trim(sv_head(rest, end)), 0, 255, &byte))
            return (struct sv){0};
        out[n++] = (char)byte;
        if (end >= rest.n || rest.p[end] == ']')
            return json_clean_utf8(sv_make(out, n), arena);
        rest = sv_from(rest, end + 1);
    }
    return (struct sv){0};
}

static struct sv message_of(const struct event *event, struct arena *arena)
{
    struct sv bytes = {0};
    for (uint32_t i = 0; i < event->field_count && bytes.n == 0; i++)
        if (sv_is(event->fields[i].name, "MESSAGE") && event->fields[i].type == FIELD_ARRAY)
            bytes = joined_bytes(event->fields[i].value, arena);
    return bytes.n > 0 ? bytes : value_of(event, "MESSAGE");
}

/* A word of a syslog header: what would end it does not belong to it. */
static struct sv word(struct sv text, struct arena *arena)
{
    char *copy = arena_str(arena, sv_head(text, 128));
    for (char *p = copy; *p != '\0'; p++)
        if (*p <= ' ')
            *p = '_';
    return *copy == '\0' ? SV("-") : sv_of(copy);
}

static struct sv syslog_line(const struct event *event, struct sv message, struct arena *arena)
{
    char time[TC_RFC3339_MAX] = "-";
    struct sv program = value_of(event, "SYSLOG_IDENTIFIER"), pid = value_of(event, "SYSLOG_PID");
    uint64_t severity, facility = 0;
    if (program.n == 0)
        program = value_of(event, "_COMM");
    if (pid.n == 0)
        pid = value_of(event, "_PID");
    if (!num_u64(value_of(event, "PRIORITY"), 0, 7, &severity))
        severity = 6;
    if (!num_u64(value_of(event, "SYSLOG_FACILITY"), 0, 23, &facility))
        facility = 1;
    if (event->time.ns != TC_NO_TIME)
        clk_rfc3339(event->time.ns, time);
    struct sv host = word(value_of(event, "_HOSTNAME"), arena);
    program = word(program, arena);
    pid = word(pid, arena);
    return arena_printf(arena, "<%u>1 %s %.*s %.*s %.*s - - %.*s", (unsigned)(facility * 8 + severity), time,
                        SV_FMT(host), SV_FMT(program), SV_FMT(pid), SV_FMT(message));
}

static void add_meaning(struct parse_state *state, struct arena *arena, struct event *event, struct sv line)
{
    const struct parser *syslog = parser_find(SV("syslog"));
    struct parse_state inner_state = *state;
    struct event inner = {.time = {TC_NO_TIME}, .repeat = 1, .raw = line};
    if (syslog->parse(syslog, &inner_state, line, arena, &inner) != PARSE_OK ||
        inner.field_count + event->field_count > TC_EVENT_FIELDS_MAX)
        return;
    for (uint32_t i = 0; i < inner.field_count; i++)
        inner.fields[i].flags |= FIELD_DERIVED;
    event_append(event, arena, inner.fields, inner.field_count);
    event->repeat = inner.repeat;
    event->product = inner.product;
    event->category = inner.category;
    event->service = inner.service;
}

enum parse_outcome parse_journald(const struct parser *parser, struct parse_state *state, struct sv raw,
                                  struct arena *arena, struct event *ret)
{
    (void)parser;
    if (sv_trim(raw).n == 0)
        return PARSE_SKIP;
    if (json_parse_event(raw, arena, ret, NULL) != 0)
        return PARSE_TEXT;
    if (!take_time(ret, "_SOURCE_REALTIME_TIMESTAMP", &ret->time.ns))
        take_time(ret, "__REALTIME_TIMESTAMP", &ret->time.ns);
    struct sv message = message_of(ret, arena);
    if (message.n > 0 || value_of(ret, "SYSLOG_IDENTIFIER").n > 0 || value_of(ret, "_COMM").n > 0)
        add_meaning(state, arena, ret, syslog_line(ret, message, arena));
    return PARSE_OK;
}
