/*
 * logfmt and key=value; see parse_pairs.h. CEF and audit records are in files of their own.
 *
 * One scanner for both: a key, a mark, a value that is quoted or ends at a separator. What differs is a row
 * of `struct style`.
 */
#include "event/parse_pairs.h"

#include "base/utf8.h"
#include "event/parse_json.h"
#include "event/text_event.h"

struct style {
    char mark;              /* between key and value */
    const char *separators; /* between pairs */
    const char *quotes;
    bool lone_keys; /* a key without a value is true */
};
static const struct style logfmt = {'=', " \t", "\"", true};
static const struct style kv = {'=', " \t,;|", "\"'", false};
static const struct style kv_colon = {':', ",;|", "\"'", true};

static bool is_any(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* The four hexadecimal digits at `at`, or -1. */
static int32_t unit_at(struct sv value, size_t at)
{
    int32_t unit = 0;
    if (at + 4 > value.n)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        char c = value.p[i], low = (char)(c | 0x20);
        int32_t digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* "u00e9" or "ud83d\ude00" at `at`, as Go's loggers quote: its bytes to *to. Returns how long it is, or 0. */
static size_t take_unicode(struct sv value, size_t at, char **to)
{
    enum { HIGH = 0xD800, LOW = 0xDC00, END = 0xE000 };
    int32_t rune = value.p[at] == 'u' ? unit_at(value, at + 1) : -1, low = -1;
    size_t n = 5;
    if (rune >= HIGH && rune < LOW && at + 6 < value.n && value.p[at + 5] == '\\' && value.p[at + 6] == 'u')
        low = unit_at(value, at + 7);
    if (low >= LOW && low < END) {
        rune = 0x10000 + ((rune - HIGH) << 10) + (low - LOW);
        n = 11;
    }
    if (rune < 0 || (rune >= HIGH && rune < END))
        return 0;
    *to += utf8_encode((uint32_t)rune, *to);
    return n;
}

/* The escapes of a quoted value: \n \t \r \u00e9, else the byte itself. A view where there is none. */
static struct sv unescape(struct sv value, struct arena *arena)
{
    if (value.n == 0 || memchr(value.p, '\\', value.n) == NULL)
        return value;
    char *out = arena_alloc_raw(arena, value.n, 1), *to = out;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\\' && i + 1 < value.n) {
            size_t unicode = take_unicode(value, i + 1, &to);
            i += unicode;
            if (unicode > 0)
                continue;
            c = value.p[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        *to++ = c;
    }
    return sv_make(out, (size_t)(to - out));
}

/* A quoted value off *rest; an open quote takes the rest. */
static struct sv take_quoted(struct sv *rest, struct arena *arena)
{
    char quote = rest->p[0];
    size_t at = 1;
    while (at < rest->n && rest->p[at] != quote)
        at += rest->p[at] == '\\' ? 2 : 1;
    at = TC_MIN(at, rest->n);
    struct sv value = sv_make(rest->p + 1, at - 1);
    *rest = sv_from(*rest, at + 1);
    return unescape(value, arena);
}

static struct sv take_plain(struct sv *rest, const struct style *style)
{
    size_t n = 0;
    while (n < rest->n && !is_any(rest->p[n], style->separators))
        n++;
    struct sv value = sv_head(*rest, n);
    *rest = sv_from(*rest, n);
    return value;
}

static struct sv take_key(struct sv *rest, const struct style *style)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] != style->mark && !is_any(rest->p[n], style->separators))
        n++;
    struct sv key = sv_head(*rest, n);
    *rest = sv_from(*rest, n);
    return key;
}

/* Returns the number of pairs. */
static size_t take_pairs(struct text_event *text, struct sv rest, const struct style *style)
{
    size_t pairs = 0;
    while (rest.n > 0) {
        if (is_any(rest.p[0], style->separators)) {
            rest = sv_from(rest, 1);
            continue;
        }
        struct sv key = sv_trim(take_key(&rest, style));
        bool has_value = rest.n > 0 && rest.p[0] == style->mark;
        rest = sv_from(rest, has_value ? 1 : 0);
        if (key.n == 0 || !has_value) {
            if (has_value)
                take_plain(&rest, style); /* a value of nothing */
            else if (style->lone_keys)
                text_event_add(text, key, SV("true"), FIELD_BOOL);
            continue;
        }
        pairs++;
        if (rest.n > 0 && is_any(rest.p[0], style->quotes))
            text_event_add(text, key, take_quoted(&rest, text->arena), FIELD_STRING);
        else
            text_event_add_guess(text, key, take_plain(&rest, style));
    }
    return pairs;
}

static enum parse_outcome parse_pairs(const struct style *style, const struct parse_state *state,
                                      struct sv line, struct arena *arena, struct event *ret)
{
    struct text_event text;
    if (line.n == 0)
        return PARSE_SKIP;
    text_event_begin(&text, arena);
    if (take_pairs(&text, line, style) == 0)
        return PARSE_TEXT;
    text_event_end(&text, ret);
    parse_json_named_time(ret, state->zone_offset_s);
    return PARSE_OK;
}

enum parse_outcome parse_logfmt(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret)
{
    (void)parser;
    return parse_pairs(&logfmt, state, text_event_clean(raw, arena, ret), arena, ret);
}

enum parse_outcome parse_kv(const struct parser *parser, struct parse_state *state, struct sv raw,
                            struct arena *arena, struct event *ret)
{
    (void)parser;
    struct sv line = text_event_clean(raw, arena, ret);
    return parse_pairs(sv_find_char(line, '=') < line.n ? &kv : &kv_colon, state, line, arena, ret);
}
