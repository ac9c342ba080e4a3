/*
 * A declared parser at work; see parser_file.h.
 *
 * A line is first read as syslog where the parser asks for it; the patterns of the message are tried on what
 * the header leaves, those of the line on the whole. Everything is the caller's arena's.
 */
#include "event/ecs.h"
#include "event/parse_json.h"
#include "event/parse_sshd.h"
#include "event/parser_file_priv.h"
#include "event/text_event.h"
#include "event/time_format.h"

static bool read_time(const struct declared_time *time, struct sv text, struct parse_state *state,
                      int64_t *ret_ns)
{
    int outer = state->zone_offset_s;
    bool done = false;
    if (time->zone_given)
        state->zone_offset_s = time->zone_offset_s;
    if (time->form_count == 0)
        done = text_event_time(text, state->zone_offset_s, ret_ns);
    for (size_t i = 0; !done && i < time->form_count; i++)
        done = time_format_read(time->forms[i], text, state, ret_ns);
    state->zone_offset_s = outer;
    return done;
}

/* "[2001:db8::1]", "::ffff:192.0.2.1" as the address that is meant. */
static struct sv plain_address(struct sv text)
{
    static const struct sv mapped = {"::ffff:", 7};
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = sv_make(text.p + 1, text.n - 2);
    if (text.n > mapped.n && sv_eq_nocase(sv_head(text, mapped.n), mapped) &&
        sv_find_char(text, '.') < text.n)
        text = sv_from(text, mapped.n);
    return text;
}

/* Gives a captured value its declared type; false where the field is not to be. */
static bool settle(const struct declared_parser *owner, struct parse_state *state, struct field *field,
                   struct event *event)
{
    switch (field->type) {
    case CAPTURE_TIME:
        if (event->time.ns == TC_NO_TIME) /* a syslog header's wins */
            read_time(&owner->time, field->value, state, &event->time.ns);
        return false;
    case CAPTURE_IP:
        field->type = FIELD_STRING;
        field->value = plain_address(field->value);
        return ecs_is_address(field->value);
    case FIELD_NUMBER:
        if (!text_event_is_number(field->value))
            field->type = FIELD_STRING;
        return field->value.n > 0;
    default:
        return field->value.n > 0;
    }
}

static void take_logsource(const struct declared_parser *owner, struct event *event)
{
    if (owner->product.n == 0 && owner->category.n == 0 && owner->service.n == 0)
        return;
    event->product = owner->product;
    event->category = owner->category;
    event->service = owner->service;
}

/* The fields of the first pattern that matches, behind those that the event has. */
static enum pattern_outcome match(const struct declared_patterns *patterns, struct parse_state *state,
                                  struct sv program, struct sv text, struct arena *arena, struct event *event)
{
    struct field fields[TC_PATTERN_FIELDS_MAX];
    uint32_t count = 0, kept = 0;
    const struct pattern *pattern = NULL;
    if (patterns->set == NULL)
        return PATTERN_NONE;
    enum pattern_outcome outcome =
        pattern_match(patterns->set, program, text, arena, fields, &count, &pattern);
    if (outcome != PATTERN_MATCH)
        return outcome;
    const struct declared_parser *owner = patterns->owners[pattern - patterns->patterns];
    for (uint32_t i = 0; i < count; i++)
        if (settle(owner, state, &fields[i], event))
            fields[kept++] = fields[i];
    event_append(event, arena, fields, kept);
    take_logsource(owner, event);
    return outcome;
}

static void mark_limit(struct event *event, struct arena *arena)
{
    static const struct sv name = {"tocsin.parse.error", 18};
    struct field field = pattern_make_field(name, event_name_hash(name), SV("match limit"), FIELD_STRING);
    event_append(event, arena, &field, 1);
}

static struct sv value_of(const struct event *event, const char *name)
{
    for (uint32_t i = 0; i < event->field_count; i++)
        if (sv_is(event->fields[i].name, name))
            return event->fields[i].value;
    return (struct sv){0};
}

/* The header's fields end with the message; what the built-in patterns saw in it stands behind. */
static uint32_t header_fields(const struct event *event)
{
    uint32_t n = 0;
    while (n < event->field_count && !sv_is(event->fields[n].name, "message"))
        n++;
    return TC_MIN(n + 1, event->field_count);
}

/* A syslog line: its own fields, and ours in place of the built-in patterns' where one of ours matches. */
static enum parse_outcome parse_in_syslog(const struct declared_parser *p, struct parse_state *state,
                                          struct sv raw, struct arena *arena, struct event *ret)
{
    enum parse_outcome outcome = parser_sshd.parse(&parser_sshd, state, raw, arena, ret);
    if (outcome != PARSE_OK)
        return outcome;
    struct event ours = *ret;
    ours.field_count = header_fields(ret);
    switch (
        match(&p->message, state, value_of(ret, "process.name"), value_of(ret, "message"), arena, &ours)) {
    case PATTERN_MATCH:
        *ret = ours;
        break;
    case PATTERN_LIMIT:
        mark_limit(ret, arena);
        break;
    case PATTERN_NONE:
        break;
    }
    return PARSE_OK;
}

static enum parse_outcome parse_by_patterns(const struct declared_parser *p, struct parse_state *state,
                                            struct sv raw, struct arena *arena, struct event *ret)
{
    struct sv text = sv_trim(raw);
    if (text.n == 0)
        return PARSE_SKIP;
    struct event whole = *ret;
    text = text_event_utf8(text, arena, &whole);
    switch (match(&p->line, state, (struct sv){0}, text, arena, &whole)) {
    case PATTERN_MATCH:
        *ret = whole;
        return PARSE_OK;
    case PATTERN_LIMIT:
        return PARSE_TEXT;
    case PATTERN_NONE:
        break;
    }
    return p->in_syslog ? parse_in_syslog(p, state, raw, arena, ret) : PARSE_TEXT;
}

/* --- JSON ------------------------------------------------------------------------------------------------
 */

static const struct field *find_value(const struct event *event, struct sv path)
{
    uint32_t hash = event_name_hash(path);
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        if (field->name_hash == hash && event_name_eq(field->name, path) && field->type <= FIELD_BOOL &&
            field->value.n > 0)
            return field;
    }
    return NULL;
}

static bool mapped_value(const struct declared_copy *copy, struct sv value, struct sv *ret)
{
    *ret = value;
    for (size_t i = 0; i < copy->value_count; i++)
        if (sv_eq(copy->when[i], value)) {
            *ret = copy->then[i];
            return true;
        }
    return copy->value_count == 0;
}

static bool copy_value(const struct declared_copy *copy, const struct event *event, struct field *ret)
{
    for (size_t i = 0; i < copy->from_count; i++) {
        const struct field *from = find_value(event, copy->from[i]);
        struct sv value;
        if (from == NULL || !mapped_value(copy, from->value, &value))
            continue;
        if (copy->type == CAPTURE_IP && !ecs_is_address(value = plain_address(value)))
            continue;
        uint8_t type = copy->type == CAPTURE_IP || copy->value_count > 0 ? FIELD_STRING : from->type;
        if (copy->type == FIELD_NUMBER && text_event_is_number(value))
            type = FIELD_NUMBER;
        *ret = pattern_make_field(copy->to, event_name_hash(copy->to), value, type);
        ret->flags = FIELD_DERIVED;
        return true;
    }
    return false;
}

static void take_json_time(const struct declared_parser *p, struct parse_state *state, struct event *event)
{
    for (size_t i = 0; i < p->copy_count; i++) {
        const struct declared_copy *copy = &p->copies[i];
        for (size_t j = 0; copy->type == CAPTURE_TIME && j < copy->from_count; j++) {
            const struct field *from = find_value(event, copy->from[j]);
            if (from != NULL && read_time(&p->time, from->value, state, &event->time.ns))
                return;
        }
    }
}

static enum parse_outcome parse_by_paths(const struct declared_parser *p, struct parse_state *state,
                                         struct sv raw, struct arena *arena, struct event *ret)
{
    struct field derived[TC_PARSER_COPIES_MAX + TC_PATTERN_SET_MAX];
    uint32_t count = 0;
    enum parse_outcome outcome = parse_json(&p->parser, state, raw, arena, ret);
    if (outcome != PARSE_OK)
        return outcome;
    take_json_time(p, state, ret);
    for (size_t i = 0; i < p->copy_count; i++) {
        const struct declared_copy *copy = &p->copies[i];
        if (copy->type != CAPTURE_TIME && find_value(ret, copy->to) == NULL)
            count += copy_value(copy, ret, &derived[count]);
    }
    for (uint32_t i = 0; i < p->set_count; i++)
        if (find_value(ret, p->set[i].name) == NULL)
            derived[count++] = p->set[i];
    event_append(ret, arena, derived, count);
    take_logsource(p, ret);
    return PARSE_OK;
}

enum parse_outcome declared_parse(const struct parser *parser, struct parse_state *state, struct sv raw,
                                  struct arena *arena, struct event *ret)
{
    const struct declared_parser *p = (const struct declared_parser *)parser;
    return p->kind == DECLARED_JSON ? parse_by_paths(p, state, raw, arena, ret)
                                    : parse_by_patterns(p, state, raw, arena, ret);
}
