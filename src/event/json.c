/*
 * The JSON parser; see json.h.
 *
 * One loop over the bytes with an explicit stack, no recursion and no tree. A container is opened and pushed;
 * the loop takes one member or element of the innermost one, and what follows a value (a comma, or brackets
 * that close) is looked at in one place, so nothing that RFC 8259 forbids passes. Strings are left where they
 * are unless they have escapes; names of top-level members point into the raw bytes; a field costs one
 * 64-byte record.
 *
 * Names of members of nested containers are built, so their paths are bounded (JSON_PATH_MAX): without that a
 * long name above many members would cost its length for each. A container further down stays one field.
 */
#include "event/json.h"

#include "event/json_lex.h"

enum { JSON_PATH_MAX = 1024, FIELDS_FIRST = 40 };

struct level {
    bool is_array;
    bool keeps;     /* its members become fields */
    bool indexed;   /* an array is on its path: exact differs from name */
    uint32_t index; /* next element of an array */
    int32_t field;  /* of the container itself, -1: none is kept */
    size_t start;   /* offset of its bracket */
    struct sv name, exact;
};

struct json_parser {
    struct json_lex lex;
    struct event *event; /* NULL: only look */
    struct arena *arena;
    uint32_t capacity; /* of event->fields */
    uint32_t depth;
    struct level levels[TC_JSON_DEPTH_MAX + 1]; /* not zeroed: each is set when it is opened */
};

/* --- names and values of fields --- */

/* The rune of the \u escape at bytes.p[at]; *ret_used is 6 or, for a surrogate pair, 12. Lone surrogates:
 * U+FFFD. */
static uint32_t unescape_rune(struct sv bytes, size_t at, size_t *ret_used)
{
    uint32_t rune = (uint32_t)json_hex4(bytes.p + at + 2);
    *ret_used = 6;
    if (rune < 0xD800 || rune > 0xDFFF)
        return rune;
    if (rune < 0xDC00 && at + 12 <= bytes.n && bytes.p[at + 6] == '\\' && bytes.p[at + 7] == 'u') {
        int low = json_hex4(bytes.p + at + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *ret_used = 12;
            return 0x10000 + ((rune - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        }
    }
    return 0xFFFD;
}

static char unescape_simple(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

/* Copies up to the next backslash, or all; returns the number of bytes. `to` has room for JSON_LEX_STEP more.
 */
static size_t copy_plain(char *to, struct sv bytes)
{
    size_t at = 0;
    for (; bytes.n - at >= JSON_LEX_STEP; at += JSON_LEX_STEP) {
        uint32_t backslashes = json_lex_copy(to + at, bytes.p + at);
        if (backslashes != 0)
            return at + (unsigned)__builtin_ctz(backslashes);
    }
    for (; at < bytes.n && bytes.p[at] != '\\'; at++)
        to[at] = bytes.p[at];
    return at;
}

struct sv json_unescape(struct arena *arena, struct sv bytes)
{
    char *out = arena_alloc_raw(arena, bytes.n + JSON_LEX_STEP, 1), *to = out;
    for (size_t at = 0; at < bytes.n;) {
        size_t plain = copy_plain(to, sv_from(bytes, at)), used = 2;
        to += plain;
        at += plain;
        if (at == bytes.n)
            break;
        if (bytes.p[at + 1] == 'u')
            to += utf8_encode(unescape_rune(bytes, at, &used), to);
        else
            *to++ = unescape_simple(bytes.p[at + 1]);
        at += used;
    }
    return sv_make(out, (size_t)(to - out));
}

static struct sv string_value(struct json_parser *p, const struct json_string *string)
{
    return string->escapes ? json_unescape(p->arena, string->bytes) : string->bytes;
}

static struct sv join(struct arena *arena, struct sv prefix, struct sv key)
{
    char *out = arena_alloc_raw(arena, prefix.n + 1 + key.n, 1);
    memcpy(out, prefix.p, prefix.n);
    out[prefix.n] = '.';
    if (key.n > 0)
        memcpy(out + prefix.n + 1, key.p, key.n);
    return sv_make(out, prefix.n + 1 + key.n);
}

static struct sv with_index(struct arena *arena, struct sv prefix, uint32_t index)
{
    char digits[12];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + index % 10);
    while ((index /= 10) > 0);
    char *out = arena_alloc_raw(arena, prefix.n + n + 2, 1), *to = out + prefix.n;
    memcpy(out, prefix.p, prefix.n);
    *to++ = '[';
    while (n > 0)
        *to++ = digits[--n];
    *to++ = ']';
    return sv_make(out, (size_t)(to - out));
}

static void grow(struct json_parser *p)
{
    uint32_t capacity = p->capacity == 0 ? FIELDS_FIRST : p->capacity * 2;
    struct field *fields = arena_alloc_raw(p->arena, capacity * sizeof fields[0], 16);
    if (p->event->field_count > 0)
        memcpy(fields, p->event->fields, p->event->field_count * sizeof fields[0]);
    p->event->fields = fields;
    p->capacity = capacity;
}

struct place { /* the name of the value that comes next */
    struct sv name, exact;
    bool kept, indexed;
};

/* Returns the field's number. */
static int32_t add(struct json_parser *p, const struct place *place, enum field_type type, struct sv value)
{
    struct event *e = p->event;
    if (TC_UNLIKELY(e->field_count == p->capacity))
        grow(p);
    e->fields[e->field_count] = (struct field){.name = place->name,
                                               .exact = place->exact,
                                               .value = value,
                                               .name_hash = event_name_hash(place->name),
                                               .next_same = -1,
                                               .type = (uint8_t)type};
    return (int32_t)e->field_count++;
}

/* Does the next member or element of this container become a field? */
static bool keeps_next(struct json_parser *p, const struct level *in)
{
    if (!in->keeps)
        return false;
    if (TC_LIKELY(p->event->field_count < TC_EVENT_FIELDS_MAX))
        return true;
    p->event->flags |= EVENT_FIELDS_CUT;
    return false;
}

static struct place member_place(struct json_parser *p, const struct json_string *string)
{
    const struct level *in = &p->levels[p->depth];
    struct place place = {.kept = keeps_next(p, in), .indexed = in->indexed};
    if (!place.kept)
        return place;
    struct sv key = string_value(p, string);
    place.name = p->depth == 1 ? key : join(p->arena, in->name, key);
    place.exact = in->indexed ? join(p->arena, in->exact, key) : place.name;
    return place;
}

static struct place element_place(struct json_parser *p)
{
    struct level *in = &p->levels[p->depth];
    struct place place = {.kept = keeps_next(p, in), .indexed = true};
    if (!place.kept)
        return place;
    place.name = in->name;
    place.exact = with_index(p->arena, in->exact, in->index++);
    return place;
}

/* --- the grammar --- */

static bool take_scalar(struct json_parser *p, char first, const struct place *place)
{
    struct json_lex *lex = &p->lex;
    struct json_string string;
    struct sv value = {0};
    enum field_type type;
    bool ok;
    switch (first) {
    case '"':
        type = FIELD_STRING;
        lex->at++;
        ok = json_lex_string(lex, &string);
        if (ok && place->kept)
            value = string_value(p, &string);
        break;
    case 't':
    case 'f':
        type = FIELD_BOOL;
        ok = json_lex_word(lex, first == 't' ? SV("true") : SV("false"), &value);
        break;
    case 'n':
        type = FIELD_NULL;
        ok = json_lex_word(lex, SV("null"), &value);
        value.n = 0;
        break;
    default:
        type = FIELD_NUMBER;
        if (first != '-' && (first < '0' || first > '9'))
            return json_lex_fail(lex, lex->at, "a value is expected here");
        ok = json_lex_number(lex, &value);
    }
    if (ok && place->kept)
        add(p, place, type, value);
    return ok;
}

static bool open_container(struct json_parser *p, bool is_array, const struct place *place)
{
    if (p->depth == TC_JSON_DEPTH_MAX)
        return json_lex_fail(&p->lex, p->lex.at, "nested deeper than 512 levels");
    struct level *level = &p->levels[++p->depth];
    level->is_array = is_array;
    level->keeps = place->kept && p->depth <= TC_EVENT_FIELD_DEPTH_MAX && place->exact.n <= JSON_PATH_MAX;
    level->indexed = place->indexed;
    level->index = 0;
    level->field = -1;
    level->start = p->lex.at++;
    level->name = place->name;
    level->exact = place->exact;
    if (place->kept && (p->depth > 1 || is_array))
        level->field = add(p, place, is_array ? FIELD_ARRAY : FIELD_OBJECT, (struct sv){0});
    return true;
}

static void close_container(struct json_parser *p)
{
    struct level *level = &p->levels[p->depth--];
    size_t end = ++p->lex.at;
    if (level->field >= 0)
        p->event->fields[level->field].value = sv_make(p->lex.text.p + level->start, end - level->start);
}

/* Behind a value: a comma, or brackets that close and then a comma, or the end of the outermost value. */
static bool after_value(struct json_parser *p)
{
    while (p->depth > 0) {
        bool is_array = p->levels[p->depth].is_array;
        char c = json_lex_next(&p->lex);
        if (c == ',') {
            p->lex.at++;
            return true;
        }
        if (c != (is_array ? ']' : '}'))
            return json_lex_fail(&p->lex, p->lex.at,
                                 is_array ? "a comma or ] is expected here"
                                          : "a comma or } is expected here");
        close_container(p);
    }
    return true;
}

/* A value begins at the next byte. A container that has something in it is only opened. */
static bool take_value(struct json_parser *p, const struct place *place)
{
    char c = json_lex_next(&p->lex);
    if (c != '{' && c != '[')
        return take_scalar(p, c, place) && after_value(p);
    if (!open_container(p, c == '[', place))
        return false;
    if (json_lex_next(&p->lex) != (c == '[' ? ']' : '}'))
        return true;
    close_container(p);
    return after_value(p);
}

static bool take_member(struct json_parser *p)
{
    struct json_lex *lex = &p->lex;
    struct json_string key;
    if (json_lex_next(lex) != '"')
        return json_lex_fail(lex, lex->at, "a name in quotes is expected here");
    lex->at++;
    if (!json_lex_string(lex, &key))
        return false;
    if (json_lex_next(lex) != ':')
        return json_lex_fail(lex, lex->at, "a colon is expected here");
    lex->at++;
    struct place place = member_place(p, &key);
    return take_value(p, &place);
}

static bool take_element(struct json_parser *p)
{
    struct place place = element_place(p);
    return take_value(p, &place);
}

/* One value, without what stands behind it. */
static bool parse(struct json_parser *p)
{
    struct place whole = {SV("message"), SV("message"), p->event != NULL, false};
    if (!take_value(p, &whole))
        return false;
    while (p->depth > 0)
        if (!(p->levels[p->depth].is_array ? take_element(p) : take_member(p)))
            return false;
    return true;
}

static bool parse_all(struct json_parser *p)
{
    if (!parse(p))
        return false;
    json_lex_next(&p->lex);
    return p->lex.at == p->lex.text.n ||
           json_lex_fail(&p->lex, p->lex.at, "nothing more is expected here: one value has ended");
}

static void prepare(struct json_parser *p, struct sv text, struct event *event, struct arena *arena)
{
    p->lex = (struct json_lex){.text = text};
    p->event = event;
    p->arena = arena;
    p->capacity = 0;
    p->depth = 0;
}

/* --- the doors --- */

static int report(const struct json_lex *lex, struct err *err)
{
    unsigned line = 1;
    size_t line_start = 0, end = TC_MIN(lex->problem_at, lex->text.n);
    for (size_t i = 0; i < end && err != NULL; i++)
        if (lex->text.p[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    return err_at(err, TC_EINPUT, NULL, line, (unsigned)(end - line_start) + 1, "not JSON: %s", lex->problem);
}

int json_check(struct sv text, struct err *err)
{
    struct json_parser p;
    prepare(&p, text, NULL, NULL);
    p.lex.refuse_bad_utf8 = true;
    return parse_all(&p) ? 0 : report(&p.lex, err);
}

enum json_scan json_scan(struct sv text, size_t *ret_at)
{
    struct json_parser p;
    prepare(&p, text, NULL, NULL);
    if (parse(&p)) {
        *ret_at = p.lex.at;
        return JSON_WHOLE;
    }
    *ret_at = TC_MIN(p.lex.problem_at, text.n);
    return p.lex.problem_at >= text.n ? JSON_PARTIAL : JSON_BROKEN;
}

static bool parse_event(struct json_parser *p, struct sv text, struct arena *arena, struct event *event)
{
    event->fields = NULL;
    event->field_count = 0;
    prepare(p, text, event, arena);
    return parse_all(p);
}

int json_parse_event(struct sv text, struct arena *arena, struct event *event, struct err *err)
{
    struct json_parser p;
    bool ok = parse_event(&p, text, arena, event);
    if (TC_UNLIKELY(ok && p.lex.bad_utf8)) {
        /* rare; from a clean copy, so that every field is UTF-8, those of containers too */
        event->flags |= EVENT_BAD_UTF8;
        ok = parse_event(&p, json_clean_utf8(text, arena), arena, event);
    }
    return ok ? 0 : report(&p.lex, err);
}

struct sv json_clean_utf8(struct sv text, struct arena *arena)
{
    size_t good = utf8_valid(text);
    if (good == text.n)
        return text;
    char *out = arena_alloc_raw(arena, good + (text.n - good) * 3, 1), *to = out;
    while (text.n > 0) {
        memcpy(to, text.p, good);
        to += good;
        if (good < text.n)
            to += utf8_encode(0xFFFD, to);
        text = sv_from(text, good + 1);
        good = utf8_valid(text);
    }
    return sv_make(out, (size_t)(to - out));
}

size_t json_value_length(struct sv text)
{
    size_t at = 0, depth = 0;
    bool ignore = false;
    while (at < text.n && json_is_space(text.p[at]))
        at++;
    size_t start = at;
    while (at < text.n) {
        char c = text.p[at++];
        if (c == '"') {
            for (;;) {
                at = json_lex_plain(text, at, &ignore);
                if (at >= text.n)
                    return 0;
                if (text.p[at] == '"')
                    break;
                at += text.p[at] == '\\' ? 2 : 1;
                if (at > text.n)
                    return 0;
            }
            at++;
            if (depth == 0)
                return at;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth <= 1)
                return at;
            depth--;
        } else if (depth == 0 && at - 1 > start && (c == ',' || json_is_space(c))) {
            return at - 1; /* a bare word or number ends before what follows it */
        }
    }
    return 0;
}
