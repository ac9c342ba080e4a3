/*
 * The table of parsers, recognising a format, and parsing one record; see parse.h.
 *
 * To add a format: a file parse_<name>.c with its function, a row in `parsers` (before text, which takes
 * everything), and, where it can be told from its first lines, a line in parser_recognise.
 */
#include "event/parse.h"

#include "event/ecs.h"
#include "event/json.h"
#include "event/names.h"
#include "event/parse_aws.h"
#include "event/parse_journald.h"
#include "event/parse_json.h"
#include "event/parse_pairs.h"
#include "event/parse_sshd.h"
#include "event/parse_syslog.h"
#include "event/parse_web.h"
#include "event/split.h"
#include "event/syslog_time.h"
#include "event/text_event.h"

enum { RECOGNISE_LINES = 32 };

void parse_state_init(struct parse_state *state, int zone_offset_s, int year_or_0, int64_t modified_ns)
{
    int64_t local_ns;
    if (__builtin_add_overflow(modified_ns, zone_offset_s * TC_SECOND_NS, &local_ns))
        local_ns = modified_ns;
    *state = (struct parse_state){.zone_offset_s = zone_offset_s,
                                  .year = year_or_0 != 0 ? year_or_0 : clk_to_civil(local_ns).year,
                                  .year_given = year_or_0 != 0,
                                  .lateness_ns = -1,
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

static enum parse_outcome parse_text(const struct parser *parser, struct parse_state *state, struct sv raw,
                                     struct arena *arena, struct event *ret)
{
    (void)parser;
    (void)state;
    if (sv_trim(raw).n == 0)
        return PARSE_SKIP;
    one_field(SV("message"), text_event_utf8(raw, arena, ret), arena, ret);
    return PARSE_OK;
}

static enum parse_outcome parse_sshd_line(const struct parser *parser, struct parse_state *state,
                                          struct sv raw, struct arena *arena, struct event *ret)
{
    return parser_sshd.parse(parser, state, raw, arena, ret);
}

const struct parser parsers[] = {
    {"json", 2, PARSER_JSON | PARSER_STATELESS, parse_json},
    {"sshd", 3, 0, parse_sshd_line},
    {"nginx", 2, PARSER_STATELESS, parse_nginx},
    {"apache", 2, PARSER_STATELESS, parse_apache},
    {"syslog", 3, 0, parse_syslog},
    {"logfmt", 2, PARSER_STATELESS, parse_logfmt},
    {"kv", 2, PARSER_STATELESS, parse_kv},
    {"cef", 2, PARSER_STATELESS, parse_cef},
    {"auditd", 2, PARSER_STATELESS, parse_auditd},
    {"alb", 2, PARSER_STATELESS, parse_alb},
    {"vpcflow", 1, 0, parse_vpcflow},
    {"journald", 2, PARSER_JSON, parse_journald},
    {"text", 1, PARSER_STATELESS, parse_text},
    {0},
};

const struct parser *parser_find(struct sv name)
{
    static const char *const json_names[] = {"ndjson", "cloudtrail", "windows"}; /* content tells more */
    for (size_t i = 0; i < TC_ARRAY_LEN(json_names); i++)
        if (sv_is(name, json_names[i]))
            name = SV("json");
    for (const struct parser *p = parsers; p->name != NULL; p++)
        if (sv_is(name, p->name))
            return p;
    return NULL;
}

/* --- recognising --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The bytes of the stamp that the line begins with, as the parser of syslog lines reads it, or 0. */
static size_t syslog_stamp(struct sv line)
{
    struct parse_state scratch;
    int64_t ns;
    parse_state_init(&scratch, 0, 2000, 0);
    return syslog_time_scan(&scratch, line, &ns);
}

/* "sshd[24200]:" at the front, whatever follows. */
static bool is_tag_with_pid(struct sv text)
{
    size_t at = sv_find_char(text, '['), end = at + 1;
    while (end < text.n && is_digit(text.p[end]))
        end++;
    return at > 0 && end > at + 1 && end + 1 < text.n && text.p[end] == ']' && text.p[end + 1] == ':' &&
           sv_find_char(sv_head(text, at), ' ') == at;
}

/* "sshd[24200]:", "su:" at the front. */
static bool is_tag(struct sv text)
{
    struct sv program = sv_head(text, TC_MIN(sv_find_char(text, ':'), sv_find_char(text, '[')));
    return program.n > 0 && program.n < text.n && sv_find_char(program, ' ') == program.n;
}

/* RFC 5424, behind the priority: version 1 and a stamp or none. */
static bool is_rfc5424(struct sv line)
{
    struct sv rest = sv_from(line, 2);
    return sv_starts(line, SV("1 ")) && (sv_starts(rest, SV("- ")) || syslog_stamp(rest) > 0);
}

/* Stamp, host and program ("sshd[24200]:", "su:"), perhaps behind a priority "<34>"; the host may be missing
 * where the program tells its pid. With a blank inside it a date is anybody's: then the pid must be there,
 * too. */
static bool is_syslog_line(struct sv line)
{
    bool priority = line.n > 0 && line.p[0] == '<';
    if (priority)
        line = sv_from(line, sv_find_char(line, '>') + 1);
    if (priority && is_rfc5424(line))
        return true;
    size_t stamp = syslog_stamp(line);
    if (stamp == 0)
        return false;
    struct sv rest = sv_trim(sv_from(line, stamp));
    if (is_tag_with_pid(rest))
        return true;
    struct sv host = sv_cut(&rest, ' ');
    bool anybodys = is_digit(line.p[0]) && line.p[10] == ' ';
    return host.n > 0 && (anybodys ? is_tag_with_pid(rest) : is_tag(rest));
}

/* What people and tools write between the lines of a log: comments, journalctl's "-- Boot …", tail's "==> ".
 */
static bool is_remark(struct sv line)
{
    return line.n == 0 || line.p[0] == '#' || sv_starts(line, SV("-- ")) || sv_starts(line, SV("==> "));
}

/* A value stands at the front of `text`, or begins there and goes on behind the end of `text`. */
static bool begins_with_json(struct sv text, bool text_goes_on)
{
    size_t at;
    enum json_scan scan = json_scan(text, &at);
    if (scan != JSON_WHOLE)
        return scan == JSON_PARTIAL && text_goes_on;
    struct sv rest = sv_from(text, at);
    rest = sv_trim(sv_cut(&rest, '\n'));
    return rest.n == 0 || strchr("{[,", rest.p[0]) != NULL;
}

/* A broken first line does not make a file of JSON lines something else. */
static bool has_json_line(struct sv head)
{
    size_t at;
    for (unsigned lines = 0; head.n > 0 && lines < RECOGNISE_LINES; lines++) {
        struct sv line = sv_trim(sv_cut(&head, '\n'));
        if (line.n > 0 && line.p[0] == '{' && json_scan(line, &at) == JSON_WHOLE && at == line.n)
            return true;
    }
    return false;
}

static bool is_json(struct sv head)
{
    if (sv_starts(head, SV("\xEF\xBB\xBF")))
        head = sv_from(head, 3);
    struct sv text = sv_trim(head);
    if (text.n == 0 || (text.p[0] != '{' && text.p[0] != '['))
        return false;
    return begins_with_json(text, true) || has_json_line(text);
}

/* What `journalctl -o json` prints: both are in each entry. */
static bool is_journald(struct sv head)
{
    return sv_find(head, SV("\"__REALTIME_TIMESTAMP\"")) < head.n &&
           sv_find(head, SV("\"__CURSOR\"")) < head.n;
}

/* Formats that are told by their lines: most of the first ones must be of the form, so that a log that quotes
 * another is not taken for it. Asked in this order. */
static const struct {
    bool (*is_line)(struct sv line);
    const char *parser;
} line_forms[] = {
    {parse_pairs_is_cef, "cef"},         {parse_pairs_is_auditd, "auditd"},     {is_syslog_line, "sshd"},
    {parse_web_is_access, "nginx"}, /* an access log is the same for both servers */
    {parse_web_is_nginx_error, "nginx"}, {parse_web_is_apache_error, "apache"}, {parse_aws_is_alb, "alb"},
    {parse_aws_is_vpcflow, "vpcflow"},
};

static bool most_lines_are(bool (*is_line)(struct sv line), struct sv head)
{
    if (sv_starts(head, SV("\xEF\xBB\xBF")))
        head = sv_from(head, 3);
    unsigned lines = 0, hits = 0;
    while (head.n > 0 && lines < RECOGNISE_LINES) {
        struct sv line = sv_trim(sv_cut(&head, '\n'));
        if (is_remark(line))
            continue;
        lines++;
        hits += is_line(line);
    }
    return hits * 2 > lines;
}

const struct parser *parser_recognise(struct sv head)
{
    if (is_json(head))
        return parser_find(is_journald(head) ? SV("journald") : SV("json"));
    for (size_t i = 0; i < TC_ARRAY_LEN(line_forms); i++)
        if (most_lines_are(line_forms[i].is_line, head))
            return parser_find(sv_of(line_forms[i].parser));
    return parser_find(SV("text"));
}

/* --- one record --- */

enum parse_outcome parse_record(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret)
{
    struct names_found names; /* on the stack, which is warm: in the arena it costs more than it saves */
    const struct event prepared = {.type = REC_EVENT,
                                   .class = CLASS_SECURITY,
                                   .parser_version = parser->version,
                                   .time = {TC_NO_TIME},
                                   .raw = raw,
                                   .names = &names,
                                   .repeat = 1};
    *ret = prepared;
    enum parse_outcome outcome = parser->parse(parser, state, raw, arena, ret);
    if (outcome == PARSE_SKIP)
        return outcome;
    ret->raw = raw;
    if (outcome == PARSE_TEXT) {
        *ret = prepared;
        ret->flags = EVENT_TEXT;
        one_field(SV("message"), text_event_utf8(raw, arena, ret), arena, ret);
    }
    ecs_derive(ret, arena);
    ret->names = NULL;
    event_index(ret, arena);
    return outcome;
}

static struct field parse_field(const char *name, struct sv value)
{
    return (struct field){.name = sv_of(name),
                          .exact = sv_of(name),
                          .value = value,
                          .name_hash = event_name_hash(sv_of(name)),
                          .next_same = -1,
                          .type = FIELD_STRING,
                          .flags = FIELD_DERIVED};
}

void parse_cut(const struct split_record *record, struct arena *arena, struct event *event)
{
    char hex[TC_SHA256_HEX];
    hash_hex(record->sha256, sizeof record->sha256, hex);
    struct field fields[] = {
        parse_field("tocsin.cut.length", arena_printf(arena, "%llu", (unsigned long long)record->full_bytes)),
        parse_field("tocsin.cut.sha256", arena_sv(arena, sv_of(hex))),
    };
    fields[0].type = FIELD_NUMBER;
    event_append(event, arena, fields, TC_ARRAY_LEN(fields));
    event->flags |= EVENT_CUT;
    event_index(event, arena);
}
