/*
 * LogQL's parsers: fields of a line become labels. On the record's own line `json` gives what the record's
 * parser found already, whatever the format was; on a line that was changed it reads JSON anew.
 */
#include "query/line.h"

#include "event/json.h"

/* --- json */

/* a.b[0]["c"] as fields are called: a.b[0].c */
static struct sv plain_path(struct sv path, struct arena *arena)
{
    char *out = arena_alloc_raw(arena, path.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < path.n; i++) {
        if (sv_starts(sv_from(path, i), SV("[\""))) {
            size_t end = sv_find(sv_from(path, i), SV("\"]"));
            if (n > 0)
                out[n++] = '.';
            for (i += 2; i < path.n && path.p[i] != '"'; i++)
                out[n++] = path.p[i];
            i += end > 0;
            continue;
        }
        out[n++] = path.p[i];
    }
    return sv_make(out, n);
}

static void take_chosen(struct query_line *line, const struct event *event, const struct logql_assign *one)
{
    for (; one != NULL; one = one->next) {
        struct sv path = plain_path(one->text, line->arena);
        for (uint32_t i = 0; i < event->field_count; i++)
            if (sv_eq(event->fields[i].exact, path)) {
                query_line_extract(line, one->name, event->fields[i].value);
                break;
            }
    }
}

static bool is_pushed_wrapping(const struct query_line *line, const struct field *field)
{
    return line->kind != LINE_OWN && !line->changed &&
           (sv_is(field->name, "@timestamp") || sv_is(field->name, "labels") ||
            sv_starts(field->name, SV("labels.")));
}

static void take_all(struct query_line *line, const struct event *event)
{
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        bool in_array = field->exact.n != field->name.n;
        if (field->type == FIELD_OBJECT || field->type == FIELD_ARRAY || field->type == FIELD_NULL ||
            in_array || is_pushed_wrapping(line, field))
            continue;
        query_line_extract(line, query_flat_name(field->name, line->arena), field->value);
    }
}

/* Fills *ret with the fields of the present line. */
static bool read_json(struct query_line *line, struct event *ret)
{
    struct err err = {0};
    bool no_fields = line->event.flags & EVENT_TEXT || line->kind == LINE_PUSHED_TEXT;
    if (!line->changed && !no_fields) {
        *ret = line->event;
        return true;
    }
    struct sv text = sv_trim(line->line);
    *ret = (struct event){.time = {TC_NO_TIME}};
    if (text.n > 0 && text.p[0] == '{' && json_parse_event(text, line->arena, ret, &err) == 0)
        return true;
    query_line_error(line, "JSONParserErr", err.text[0] != '\0' ? err.text : "the line is no JSON object");
    return false;
}

static void extract_json(struct query_line *line, const struct logql_stage *stage)
{
    struct event event;
    if (!read_json(line, &event))
        return;
    if (stage->assigns != NULL)
        take_chosen(line, &event, stage->assigns);
    else
        take_all(line, &event);
}

/* promtail's pack: members are labels, and _entry is the line */
static void extract_unpack(struct query_line *line)
{
    struct event event;
    bool was = line->changed;
    line->changed = true; /* only the line itself may be a pack */
    bool good = read_json(line, &event);
    line->changed = was;
    for (uint32_t i = 0; good && i < event.field_count; i++) {
        const struct field *field = &event.fields[i];
        if (field->type != FIELD_STRING || field->exact.n != field->name.n)
            continue;
        if (sv_is(field->name, "_entry")) {
            line->line = field->value;
            line->changed = true;
        } else {
            query_line_extract(line, query_flat_name(field->name, line->arena), field->value);
        }
    }
}

/* --- logfmt */

static void put_pair(struct query_line *line, const struct logql_stage *stage, struct sv key, struct sv value)
{
    const struct logql_assign *one = stage->assigns;
    if (value.n == 0 && !stage->keep_empty)
        return;
    if (one == NULL) {
        query_line_extract(line, query_flat_name(key, line->arena), value);
        return;
    }
    for (; one != NULL; one = one->next)
        if (sv_eq(one->text, key))
            query_line_extract(line, one->name, value);
}

/* Length of "…" with its quotes; 0 where it does not end. */
static size_t quoted_length(struct sv text)
{
    for (size_t i = 1; i < text.n; i++) {
        if (text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t word_length(struct sv text, bool key)
{
    size_t n = 0;
    while (n < text.n && (uint8_t)text.p[n] > ' ' && text.p[n] != '"' && !(key && text.p[n] == '='))
        n++;
    return n;
}

static void extract_logfmt(struct query_line *line, const struct logql_stage *stage)
{
    struct sv rest = line->line;
    while (rest.n > 0) {
        size_t n = word_length(rest, true);
        struct sv key = sv_head(rest, n), value = {0};
        if (n == 0) {
            bool blank = (uint8_t)rest.p[0] <= ' ';
            if (!blank && stage->strict)
                query_line_error(line, "LogfmtParserErr", "logfmt syntax error: unexpected character");
            if (!blank && stage->strict)
                return;
            rest = sv_from(rest, 1);
            continue;
        }
        rest = sv_from(rest, n);
        if (rest.n > 0 && rest.p[0] == '=') {
            rest = sv_from(rest, 1);
            bool quoted = rest.n > 0 && rest.p[0] == '"';
            n = quoted ? quoted_length(rest) : word_length(rest, false);
            if (quoted && n == 0) {
                query_line_error(line, "LogfmtParserErr", "logfmt syntax error: unterminated quoted value");
                return;
            }
            value = quoted ? json_unescape(line->arena, sv_make(rest.p + 1, n - 2)) : sv_head(rest, n);
            rest = sv_from(rest, n);
        }
        put_pair(line, stage, key, value);
    }
}

/* --- regexp, pattern */

static void put_capture(void *context, struct sv name, struct sv value)
{
    if (value.p != NULL)
        query_line_extract(context, name, value);
}

void query_extract(struct query_line *line, const struct logql_stage *stage)
{
    switch (stage->kind) {
    case STAGE_JSON:
        extract_json(line, stage);
        return;
    case STAGE_UNPACK:
        extract_unpack(line);
        return;
    case STAGE_LOGFMT:
        extract_logfmt(line, stage);
        return;
    case STAGE_REGEXP:
        re2_match_names(stage->re, line->line, put_capture, line);
        return;
    case STAGE_PATTERN:
        capture_match(&stage->pattern, line->line, put_capture, line);
        return;
    default:
        return;
    }
}
