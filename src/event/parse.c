/*
 * The table of parsers, recognising a format, and parsing one record; see parse.h.
 */
#include "event/parse.h"

#include "base/utf8.h"
#include "event/ecs.h"
#include "event/json.h"
#include "event/parse_sshd.h"
#include "event/split.h"

#include <stdio.h>

void parse_state_init(struct parse_state *state, int zone_offset_s, int year_or_0, int64_t modified_ns)
{
    *state = (struct parse_state){.zone_offset_s = zone_offset_s,
                                  .year = year_or_0 != 0 ? year_or_0 : clk_to_civil(modified_ns).year,
                                  .year_given = year_or_0 != 0,
                                  .modified_ns = modified_ns,
                                  .last_ns = TC_NO_TIME};
}

static void one_field(struct sv name, struct sv value, struct arena *arena, struct event *event)
{
    event->fields = ARENA_NEW(arena, struct field);
    event->field_count = 1;
    event->fields[0] = (struct field){.name = name,
                                      .exact = name,
                                      .value = value,
                                      .name_hash = event_name_hash(name),
                                      .next_same = -1,
                                      .type = FIELD_STRING};
}

/* Bytes that are not UTF-8 as U+FFFD: fields are text, raw keeps the bytes. */
static struct sv clean_text(struct sv raw, struct arena *arena, struct event *event)
{
    if (utf8_valid(raw) == raw.n)
        return raw;
    char *out = arena_alloc_raw(arena, raw.n * 3, 1), *to = out;
    event->flags |= EVENT_BAD_UTF8;
    for (size_t at = 0; at < raw.n;) {
        uint32_t rune = 0xFFFD;
        size_t n = utf8_decode(sv_from(raw, at), &rune);
        to += utf8_encode(n == 0 ? 0xFFFD : rune, to);
        at += n == 0 ? 1 : n;
    }
    return sv_make(out, (size_t)(to - out));
}

static enum parse_outcome parse_text(const struct parser *parser, struct parse_state *state, struct sv raw,
                                     struct arena *arena, struct event *ret)
{
    (void)parser;
    (void)state;
    if (raw.n == 0)
        return PARSE_SKIP;
    one_field(SV("message"), clean_text(raw, arena, ret), arena, ret);
    return PARSE_OK;
}

static enum parse_outcome parse_json(const struct parser *parser, struct parse_state *state, struct sv raw,
                                     struct arena *arena, struct event *ret)
{
    (void)parser;
    (void)state;
    if (sv_trim(raw).n == 0)
        return PARSE_SKIP;
    return json_parse_event(raw, arena, ret, NULL) == 0 ? PARSE_OK : PARSE_TEXT;
}

static enum parse_outcome parse_sshd_line(const struct parser *parser, struct parse_state *state,
                                          struct sv raw, struct arena *arena, struct event *ret)
{
    return parser_sshd.parse(parser, state, raw, arena, ret);
}

const struct parser parsers[] = {
    {"json", 1, parse_json},
    {"sshd", 1, parse_sshd_line},
    {"text", 1, parse_text},
    {0},
};

const struct parser *parser_find(struct sv name)
{
    if (sv_is(name, "ndjson"))
        name = SV("json");
    for (const struct parser *p = parsers; p->name != NULL; p++)
        if (sv_is(name, p->name))
            return p;
    return NULL;
}

/* --- recognising
 * ----------------------------------------------------------------------------------------------------- */

/* "Dec 10 06:55:46 host prog[1]: ", "2026-12-10T06:55:46Z host prog: ", either perhaps behind "<34>". */
static bool looks_like_syslog(struct sv line)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (line.n > 0 && line.p[0] == '<')
        line = sv_from(line, sv_find_char(line, '>') + 1);
    if (line.n < 17)
        return false;
    bool rfc3164 = line.p[3] == ' ' && line.p[6] == ' ' && line.p[9] == ':' && line.p[12] == ':';
    if (rfc3164) {
        size_t at = sv_find(sv_make(months, sizeof months - 1), sv_head(line, 3));
        return at < sizeof months - 1 && at % 3 == 0;
    }
    int64_t ns;
    struct sv stamp = sv_head(line, sv_find_char(line, ' '));
    return stamp.n >= 19 && stamp.p[10] == 'T' && clk_parse_rfc3339(stamp, 0, &ns);
}

const struct parser *parser_recognise(struct sv head)
{
    struct sv rest = head, trimmed = sv_trim(head);
    if (trimmed.n > 0 && trimmed.p[0] == '{')
        return parser_find(SV("json"));
    if (trimmed.n > 0 && trimmed.p[0] == '[') {
        /* an array of values; "[Sun Dec 04 04:47:44 2005] [error] …" is an Apache log */
        struct sv inner = sv_trim(sv_from(trimmed, 1));
        if (inner.n > 0 && strchr("{[]\"-0123456789", inner.p[0]) != NULL &&
            (inner.p[0] == '{' || inner.p[0] == ']' || json_value_length(trimmed) > 0))
            return parser_find(SV("json"));
    }
    size_t lines = 0, syslog = 0;
    while (rest.n > 0 && lines < 50) {
        struct sv line = sv_cut(&rest, '\n');
        if (sv_trim(line).n == 0)
            continue;
        lines++;
        syslog += looks_like_syslog(line);
    }
    return parser_find(syslog * 2 > lines ? SV("sshd") : SV("text"));
}

/* --- one record
 * ------------------------------------------------------------------------------------------------------ */

enum parse_outcome parse_record(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret)
{
    *ret = (struct event){.type = REC_EVENT,
                          .class = CLASS_SECURITY,
                          .parser_version = parser->version,
                          .time = {TC_NO_TIME},
                          .raw = raw,
                          .repeat = 1};
    enum parse_outcome outcome = parser->parse(parser, state, raw, arena, ret);
    if (outcome == PARSE_SKIP)
        return outcome;
    ret->raw = raw;
    if (outcome == PARSE_TEXT) {
        ret->flags = EVENT_TEXT | (ret->flags & EVENT_BAD_UTF8);
        one_field(SV("message"), clean_text(raw, arena, ret), arena, ret);
    }
    ecs_derive(ret, arena);
    if (ret->time.ns == TC_NO_TIME && outcome == PARSE_OK)
        ret->time.ns = ecs_time(ret, state->zone_offset_s);
    return outcome;
}

void parse_cut(const struct split_record *record, struct arena *arena, struct event *event)
{
    char hex[TC_SHA256_HEX];
    hash_hex(record->sha256, sizeof record->sha256, hex);
    struct sv names[] = {SV("tocsin.cut.length"), SV("tocsin.cut.sha256")};
    struct sv values[] = {arena_printf(arena, "%llu", (unsigned long long)record->full_bytes),
                          arena_sv(arena, sv_of(hex))};
    struct field *fields = arena_alloc_raw(arena, (event->field_count + 2) * sizeof fields[0], 16);
    if (event->field_count > 0)
        memcpy(fields, event->fields, event->field_count * sizeof fields[0]);
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        fields[event->field_count + i] = (struct field){.name = names[i],
                                                        .exact = names[i],
                                                        .value = values[i],
                                                        .name_hash = event_name_hash(names[i]),
                                                        .next_same = -1,
                                                        .type = i == 0 ? FIELD_NUMBER : FIELD_STRING,
                                                        .flags = FIELD_DERIVED};
    event->fields = fields;
    event->field_count += 2;
    event->flags |= EVENT_CUT;
    event_index(event, arena);
}
