/*
 * Printing findings and alerts; see finding_out.h. Event content is hostile: it never reaches a terminal
 * unescaped.
 */
#include "cli/finding_out.h"

#include "base/json_out.h"
#include "base/num.h"
#include "base/utf8.h"
#include "cli/client.h"
#include "event/json.h"

/* A value that is JSON already, put on one line: line breaks in it can only be white space between tokens. */
static void raw_json(struct json_out *json, struct sv value)
{
    if (value.n == 0 || utf8_valid(value) < value.n) {
        json_string(json, value);
        return;
    }
    size_t start = json->buf->n;
    json_raw(json, value);
    for (size_t i = start; i < json->buf->n; i++)
        if (json->buf->p[i] == '\n' || json->buf->p[i] == '\r')
            json->buf->p[i] = ' ';
}

static void value_json(struct json_out *json, const struct finding_field *field)
{
    switch (field->type) {
    case FIELD_NULL:
        json_null(json);
        break;
    case FIELD_NUMBER:
    case FIELD_BOOL:
    case FIELD_OBJECT:
    case FIELD_ARRAY:
        raw_json(json, field->value); /* JSON's own text: these types come from the JSON parser only */
        break;
    default:
        json_string(json, field->value);
    }
}

static bool named_before(const struct finding_field *fields, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (sv_eq(fields[i].name, fields[at].name))
            return true;
    return false;
}

/* Several values of one name (array elements, duplicate keys) become one JSON array, so that no key stands
 * twice. */
static void fields_json(struct json_out *json, const struct finding_field *fields, size_t count)
{
    json_object(json);
    for (size_t i = 0; i < count; i++) {
        if (named_before(fields, i))
            continue;
        size_t same = 0;
        for (size_t j = i; j < count; j++)
            same += sv_eq(fields[j].name, fields[i].name);
        json_key(json, fields[i].name);
        if (same > 1)
            json_array(json);
        for (size_t j = i; j < count; j++)
            if (sv_eq(fields[j].name, fields[i].name))
                value_json(json, &fields[j]);
        if (same > 1)
            json_array_end(json);
    }
    json_object_end(json);
}

/* What a window's end says has no event of its own, and so no place. */
static void place_json(struct json_out *json, const char *file, uint64_t line, uint64_t index)
{
    if (file != NULL) {
        json_kv_str(json, "file", file);
        json_kv_u64(json, "line", line);
        json_kv_u64(json, "index", index);
        return;
    }
    static const char *const names[] = {"file", "line", "index"};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        json_key(json, sv_of(names[i]));
        json_null(json);
    }
}

void finding_out_json(const struct finding *f, const char *file, uint64_t line, uint64_t index,
                      struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    static const char *const kinds[] = {[FINDING_DETECTION] = "detection",
                                        [FINDING_CORRELATION] = "correlation",
                                        [FINDING_METRIC] = "metric"};
    json_kv_str(&json, "kind", kinds[f->kind]);
    json_key(&json, SV("rule"));
    json_object(&json);
    json_kv_string(&json, "id", f->rule->id);
    json_kv_string(&json, "title", f->rule->title);
    json_key(&json, SV("level"));
    if (f->rule->level.n > 0)
        json_string(&json, f->rule->level);
    else
        json_null(&json);
    json_object_end(&json);
    json_kv_str(&json, "severity", severity_name(finding_severity(f)));
    json_kv_time(&json, "time", f->time.ns);
    place_json(&json, file, line, index);
    json_key(&json, SV("event"));
    fields_json(&json, f->fields, f->field_count);
    json_key(&json, SV("group"));
    fields_json(&json, f->group, f->group_count);
    if (f->kind == FINDING_CORRELATION)
        json_kv_u64(&json, "count", f->count);
    if (f->value.n > 0)
        json_kv_string(&json, "value", f->value);
    if (f->why.n > 0)
        json_kv_string(&json, "why", f->why);
    json_object_end(&json);
    buf_char(out, '\n');
}

void terminal_text(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.n;) {
        uint32_t rune = 0;
        size_t n = utf8_decode(sv_from(text, i), &rune);
        bool control = n == 0 || rune < 0x20 || (rune >= 0x7F && rune < 0xA0) || rune == 0x2028 ||
                       rune == 0x2029 || (rune >= 0x202A && rune <= 0x202E) ||
                       (rune >= 0x2066 && rune <= 0x2069);
        if (control)
            buf_char(out, '?');
        else
            buf_add(out, text.p + i, n);
        i += n == 0 ? 1 : n;
    }
}

static void pairs(struct buf *out, const struct finding_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_char(out, ' ');
        terminal_text(out, fields[i].name);
        buf_char(out, '=');
        terminal_text(out, sv_head(fields[i].value, 120));
    }
}

void finding_out_table(const struct finding *f, const char *file, uint64_t line, struct buf *out)
{
    char time[TC_RFC3339_MAX] = "-";
    if (f->time.ns != TC_NO_TIME)
        clk_rfc3339(f->time.ns, time);
    buf_printf(out, "%-20s %s ", time, severity_name(finding_severity(f)));
    terminal_text(out, f->rule->title);
    pairs(out, f->kind == FINDING_CORRELATION ? f->group : f->fields,
          f->kind == FINDING_CORRELATION ? f->group_count : f->field_count);
    if (f->why.n > 0) {
        buf_str(out, ": ");
        terminal_text(out, f->why);
    }
    if (file != NULL) {
        buf_str(out, "  (");
        terminal_text(out, sv_of(file));
        buf_printf(out, ":%llu)", (unsigned long long)line);
    }
    buf_char(out, '\n');
}

void alert_out_table_head(struct buf *out)
{
    buf_printf(out, "%-12s %-4s %-13s %7s %-20s %s\n", "ID", "SEV", "STATE", "COUNT", "FIRST", "ALERT");
}

void alert_out_table(const struct alert *a, struct buf *out)
{
    char time[TC_RFC3339_MAX] = "-";
    if (a->first_ns != TC_NO_TIME)
        clk_rfc3339(a->first_ns, time);
    buf_printf(out, "%-12.12s %-4s %-13s %7llu %-20s ", a->id, severity_name(a->severity),
               alert_state_name(a->state), (unsigned long long)a->count, time);
    terminal_text(out, a->message);
    buf_char(out, '\n');
}

void deliveries_out(struct sv json, struct buf *out)
{
    struct sv member;
    while (client_member(&json, &member)) {
        struct arena arena = {0};
        struct event e = {.time = {TC_NO_TIME}};
        if (json_parse_event(member, &arena, &e, NULL) == 0) {
            static const char *const shown[] = {"status",      "channel", "at",     "detail",
                                                "provider_id", "error",   "next_at"};
            event_index(&e, &arena);
            buf_str(out, "delivery");
            for (size_t i = 0; i < TC_ARRAY_LEN(shown); i++) {
                struct sv value = event_value(&e, shown[i]);
                if (value.n == 0 || sv_is(value, "null"))
                    continue;
                buf_printf(out, " %s=\"", shown[i]);
                terminal_text(out, value);
                buf_char(out, '"');
            }
            buf_printf(out, " attempts=%.*s\n", SV_FMT(event_value(&e, "attempts")));
        }
        arena_free(&arena);
    }
}
