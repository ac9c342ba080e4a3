/*
 * Syslog around other formats; see parse_syslog.h.
 */
#include "event/parse_syslog.h"

#include "base/num.h"
#include "event/parse_json.h"
#include "event/parse_pairs.h"
#include "event/parse_sshd.h"
#include "event/text_event.h"

static struct sv message_of(const struct event *event)
{
    for (uint32_t i = 0; i < event->field_count; i++)
        if (sv_is(event->fields[i].name, "message"))
            return event->fields[i].value;
    return (struct sv){0};
}

/* The message as an event of its own; its fields join those of the header. */
static void join_message(struct parse_state *state, struct arena *arena, struct event *event)
{
    struct sv message = sv_trim(message_of(event));
    struct parse_state inner_state = *state; /* a time in the message does not move the file's year */
    struct event inner = {.time = {TC_NO_TIME}, .repeat = 1, .raw = message};
    enum parse_outcome outcome = PARSE_TEXT;
    if (message.n > 1 && message.p[0] == '{')
        outcome = parse_json(NULL, &inner_state, message, arena, &inner);
    else if (sv_starts(message, SV("CEF:")))
        outcome = parse_cef(NULL, &inner_state, message, arena, &inner);
    if (outcome != PARSE_OK || event->field_count + inner.field_count > TC_EVENT_FIELDS_MAX)
        return;
    event_append(event, arena, inner.fields, inner.field_count);
    event->flags |= inner.flags;
    if (event->time.ns == TC_NO_TIME)
        event->time = inner.time;
    if (inner.product.n + inner.category.n + inner.service.n > 0) {
        event->product = inner.product;
        event->category = inner.category;
        event->service = inner.service;
    }
}

static size_t add_priority(struct text_event *text, struct sv line)
{
    uint64_t priority;
    size_t end = sv_find_char(sv_head(line, 5), '>');
    if (line.n < 3 || line.p[0] != '<' || end >= TC_MIN(line.n, (size_t)5) ||
        !num_u64(sv_make(line.p + 1, end - 1), 0, 191, &priority))
        return 0;
    text_event_add(text, SV("log.syslog.facility.code"),
                   arena_printf(text->arena, "%u", (unsigned)(priority / 8)), FIELD_NUMBER);
    text_event_add(text, SV("log.syslog.severity.code"),
                   arena_printf(text->arena, "%u", (unsigned)(priority % 8)), FIELD_NUMBER);
    return end + 1;
}

/* The value of NAME="value" at the start of *rest (which stands at the quote), with \" \\ \] resolved. */
static struct sv take_parameter(struct sv *rest, struct arena *arena)
{
    size_t end = 1, at = 1;
    while (end < rest->n && rest->p[end] != '"')
        end += rest->p[end] == '\\' ? 2 : 1;
    /* as long as the value, not as what follows: there may be very many */
    char *out = arena_alloc_raw(arena, TC_MIN(end, rest->n), 1), *to = out;
    for (; at < rest->n && rest->p[at] != '"'; at++) {
        if (rest->p[at] == '\\' && at + 1 < rest->n && strchr("\"\\]", rest->p[at + 1]) != NULL &&
            rest->p[at + 1] != '\0')
            at++;
        *to++ = rest->p[at];
    }
    *rest = sv_from(*rest, at + 1);
    return sv_make(out, (size_t)(to - out));
}

/* "[id name="value" …][…]": what is malformed ends it. */
static void add_structured_data(struct text_event *text, struct sv rest)
{
    while (rest.n > 1 && rest.p[0] == '[') {
        size_t id_end = 1;
        while (id_end < rest.n && rest.p[id_end] != ' ' && rest.p[id_end] != ']')
            id_end++;
        struct sv id = sv_make(rest.p + 1, id_end - 1);
        rest = sv_from(rest, id_end);
        while (rest.n > 1 && rest.p[0] == ' ') {
            rest = sv_from(rest, 1);
            struct sv name = sv_head(rest, sv_find_char(rest, '='));
            if (name.n == 0 || name.n > 32 || id.n > 64 || name.n + 1 >= rest.n || rest.p[name.n + 1] != '"')
                return;
            rest = sv_from(rest, name.n + 1);
            struct sv full =
                arena_printf(text->arena, "log.syslog.structured_data.%.*s.%.*s", SV_FMT(id), SV_FMT(name));
            text_event_add(text, full, take_parameter(&rest, text->arena), FIELD_STRING);
        }
        if (rest.n == 0 || rest.p[0] != ']')
            return;
        rest = sv_from(rest, 1);
    }
}

/* What the header has that the sshd parser passes over. */
static void add_header(struct sv line, struct text_event *text)
{
    enum { BEFORE_ID = 5 }; /* version, time, host, program, process */
    size_t at = add_priority(text, line);
    struct sv rest = sv_from(line, at);
    if (at == 0 || !sv_starts(rest, SV("1 ")))
        return;
    for (int i = 0; i < BEFORE_ID; i++)
        sv_cut(&rest, ' ');
    struct sv id = sv_cut(&rest, ' ');
    if (id.n > 0 && !sv_is(id, "-"))
        text_event_add(text, SV("log.syslog.msgid"), id, FIELD_STRING);
    add_structured_data(text, rest);
}

enum parse_outcome parse_syslog(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret)
{
    enum parse_outcome outcome = parser_sshd.parse(parser, state, raw, arena, ret);
    if (outcome != PARSE_OK)
        return outcome;
    struct text_event text;
    text_event_begin(&text, arena);
    add_header(text_event_clean(raw, arena, ret), &text);
    if (text.count + ret->field_count <= TC_EVENT_FIELDS_MAX)
        event_append(ret, arena, text.fields, text.count);
    join_message(state, arena, ret);
    return PARSE_OK;
}
