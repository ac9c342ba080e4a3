/*
 * A record as a line with labels; see line.h. What came by Loki's push is stored as JSON of one of two forms
 * (src/api/loki_push.c), of which the line is taken again:
 *   {"labels":{…},"@timestamp":"…","message":"LINE"}     {"@timestamp":"…","labels":{…},MEMBERS OF THE LINE}
 */
#include "query/line.h"

#include "event/json.h"

static const char *const class_names[] = {"security", "audit", "debug"};

/* Behind `lead` and one JSON value; n == 0 where it is not so. */
static struct sv behind_value(struct sv text, struct sv lead)
{
    if (!sv_starts(text, lead))
        return (struct sv){0};
    text = sv_from(text, lead.n);
    size_t n = json_value_length(text);
    return n == 0 ? (struct sv){0} : sv_from(text, n);
}

static void take_line(struct query_line *line)
{
    struct sv raw = line->event.raw, rest = behind_value(raw, SV("{\"labels\":"));
    line->line = raw;
    line->kind = LINE_OWN;
    if (rest.n > 0) {
        rest = behind_value(rest, SV(",\"@timestamp\":"));
        struct sv lead = SV(",\"message\":\"");
        if (!sv_starts(rest, lead) || !sv_ends(rest, SV("\"}")) || rest.n < lead.n + 2)
            return;
        rest = sv_make(rest.p + lead.n, rest.n - lead.n - 2);
        line->line = sv_find_char(rest, '\\') < rest.n ? json_unescape(line->arena, rest) : rest;
        line->kind = LINE_PUSHED_TEXT;
        return;
    }
    rest = behind_value(raw, SV("{\"@timestamp\":"));
    if (rest.n == 0)
        return;
    rest = behind_value(rest, SV(",\"labels\":"));
    if (rest.n < 2 || rest.p[0] != ',')
        return;
    char *copy = arena_str(line->arena, rest);
    copy[0] = '{';
    line->line = sv_make(copy, rest.n);
    line->kind = LINE_PUSHED_JSON;
}

int query_line_begin(struct query_line *line, struct sv block, struct err *err)
{
    int rc = record_decode_envelope(block, &line->event, err);
    if (rc != 0)
        return rc;
    line->block = block;
    line->decoded = line->changed = false;
    line->label_count = line->stream_count = 0;
    line->ns = line->event.time.ns != TC_NO_TIME ? line->event.time.ns : line->event.received.ns;
    take_line(line);
    return 0;
}

struct sv query_flat_name(struct sv name, struct arena *arena)
{
    bool digit = name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9';
    char *flat = arena_alloc_raw(arena, name.n + 2, 1);
    flat[0] = '_';
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool fits = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        flat[i + digit] = fits ? c : '_';
    }
    flat[name.n + digit] = '\0';
    return sv_make(flat, name.n + digit);
}

bool query_flat_equals(struct sv field, struct sv name)
{
    if (field.n != name.n)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = field.p[i];
        bool fits = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if ((fits ? c : '_') != name.p[i])
            return false;
    }
    return true;
}

static size_t find_label(const struct query_line *line, struct sv name)
{
    size_t i = 0;
    while (i < line->label_count && !sv_eq(line->labels[i].name, name))
        i++;
    return i;
}

struct sv query_line_get(const struct query_line *line, struct sv name)
{
    size_t at = find_label(line, name);
    if (at < line->label_count)
        return line->labels[at].value;
    for (uint32_t i = 0; line->decoded && i < line->event.field_count; i++) {
        const struct field *field = &line->event.fields[i];
        if (field->type != FIELD_OBJECT && field->type != FIELD_ARRAY && query_flat_equals(field->name, name))
            return field->value.p == NULL ? SV("") : field->value;
    }
    return (struct sv){0};
}

void query_line_set(struct query_line *line, struct sv name, struct sv value)
{
    size_t at = find_label(line, name);
    if (at == QUERY_LABELS_MAX)
        return;
    line->labels[at] = (struct query_label){name, value};
    line->label_count += at == line->label_count;
}

void query_line_extract(struct query_line *line, struct sv name, struct sv value)
{
    if (find_label(line, name) < line->stream_count)
        name = arena_printf(line->arena, "%.*s_extracted", SV_FMT(name));
    query_line_set(line, name, value);
}

void query_line_remove(struct query_line *line, size_t at)
{
    line->label_count--;
    line->stream_count -= at < line->stream_count;
    memmove(&line->labels[at], &line->labels[at + 1], (line->label_count - at) * sizeof line->labels[0]);
}

void query_line_error(struct query_line *line, const char *kind, const char *details)
{
    if (find_label(line, SV("__error__")) < line->label_count)
        return;
    query_line_set(line, SV("__error__"), sv_of(kind));
    query_line_set(line, SV("__error_details__"), arena_sv(line->arena, sv_of(details)));
}

bool query_match(const struct logql_matcher *m, struct sv value)
{
    switch (m->op) {
    case LOGQL_EQ:
        return sv_eq(value, m->value);
    case LOGQL_NEQ:
        return !sv_eq(value, m->value);
    case LOGQL_RE:
        return re2_matches(m->re, value);
    case LOGQL_NRE:
        return !re2_matches(m->re, value);
    default:
        return true;
    }
}

/* --- labels of the stream */

static void stream_label(struct query_line *line, const char *name, struct sv value)
{
    if (value.n > 0 && find_label(line, sv_of(name)) == line->label_count)
        query_line_set(line, sv_of(name), value);
}

/* In the order in which a line has them; names behind NULL are tried in turn. */
static const struct query_stream_label stream_labels[] = {
    {"product", {"logsource.product"}}, {"category", {"logsource.category"}},
    {"service", {"logsource.service"}}, {"host", {"host.name", "host.hostname", "hostname", "Computer"}},
    {"service_name", {"service.name"}}, {"level", {"log.level", "level", "severity"}},
};

const struct query_stream_label *query_stream_label(struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(stream_labels); i++)
        if (sv_is(name, stream_labels[i].name))
            return &stream_labels[i];
    return NULL;
}

static struct sv first_of(const struct event *event, const char *const *names)
{
    struct sv value = {0};
    for (size_t i = 0; i < QUERY_STREAM_FIELDS_MAX && names[i] != NULL && value.n == 0; i++)
        value = event_value(event, names[i]);
    return value;
}

int query_line_labels(struct query_line *line, struct err *err)
{
    struct event *event = &line->event;
    if (line->decoded)
        return 0;
    uint64_t position = event->position;
    int rc = record_decode(line->block, line->arena, event, err);
    if (rc != 0)
        return rc;
    event->position = position;
    line->decoded = true;
    stream_label(line, "source", event->source);
    stream_label(line, "class", sv_of(event->class < CLASS_COUNT ? class_names[event->class] : "other"));
    line->stream_count = line->label_count;
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        if (field->type == FIELD_STRING && sv_starts(field->name, SV("labels.")))
            query_line_extract(line, query_flat_name(sv_from(field->name, 7), line->arena), field->value);
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(stream_labels); i++)
        stream_label(line, stream_labels[i].name, first_of(event, stream_labels[i].fields));
    line->stream_count = line->label_count;
    return 0;
}
