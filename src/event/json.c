/*
 * The JSON parser; see json.h.
 *
 * One loop over the bytes with an explicit stack, no recursion and no tree. What makes it fast: strings are
 * scanned 16 bytes at a time and left where they are unless they have escapes; names of top-level members
 * point into the raw bytes; a field costs one 64-byte record. What keeps it right: the grammar is a small
 * state machine (`expect`), so nothing that RFC 8259 forbids passes, and bytes of strings are validated as
 * UTF-8 only where one of them is not ASCII.
 */
#include "event/json.h"

#include "base/utf8.h"

#include <emmintrin.h>

enum expect {
    WANT_VALUE,
    WANT_VALUE_OR_END,
    WANT_KEY,
    WANT_KEY_OR_END,
    WANT_COLON,
    WANT_COMMA_OR_END,
    WANT_NOTHING
};

struct level {
    bool is_array;
    bool indexed;   /* an array is on its path: exact differs from name */
    uint32_t index; /* next element of an array */
    int32_t field;  /* of the container itself, -1: none is kept */
    uint32_t start; /* offset of its bracket */
    struct sv name, exact;
};

struct parser {
    struct sv text;
    size_t at;
    bool strict;         /* bytes that are not UTF-8 are an error */
    bool prefix;         /* stop behind the first value */
    struct event *event; /* NULL: only check */
    struct arena *arena;
    uint32_t capacity;
    const char *problem;
    size_t problem_at;
    uint32_t depth;
    struct level levels[TC_JSON_DEPTH_MAX + 1];
};

struct string { /* a scanned string: between the quotes */
    struct sv bytes;
    bool escapes, non_ascii;
};

static bool fail(struct parser *p, size_t at, const char *problem)
{
    p->problem = problem;
    p->problem_at = at;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_space(struct parser *p)
{
    const char *s = p->text.p;
    size_t at = p->at, n = p->text.n;
    while (at < n && is_space(s[at]))
        at++;
    p->at = at;
}

/* Moves over plain string bytes; stops at a quote, a backslash or a control character. */
static size_t scan_plain(const char *s, size_t at, size_t n, bool *non_ascii)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
    while (at + 16 <= n) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + at));
        __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                    _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop), high = (unsigned)_mm_movemask_epi8(v);
        if (mask != 0) {
            unsigned length = (unsigned)__builtin_ctz(mask);
            *non_ascii |= (high & ((1u << length) - 1)) != 0;
            return at + length;
        }
        *non_ascii |= high != 0;
        at += 16;
    }
    for (; at < n; at++) {
        unsigned char c = (unsigned char)s[at];
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *non_ascii |= c >= 0x80;
    }
    return at;
}

static int hex4(const char *s)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/* p->at is behind the opening quote; afterwards behind the closing one. */
static bool scan_string(struct parser *p, struct string *ret)
{
    const char *s = p->text.p;
    size_t start = p->at, n = p->text.n;
    struct string string = {0};
    for (size_t at = start;;) {
        at = scan_plain(s, at, n, &string.non_ascii);
        if (at >= n)
            return fail(p, at, "a string is not closed");
        if (s[at] == '"') {
            string.bytes = sv_make(s + start, at - start);
            p->at = at + 1;
            break;
        }
        if (s[at] != '\\')
            return fail(p, at, "a control character in a string must be escaped");
        string.escapes = true;
        if (at + 1 >= n)
            return fail(p, n, "a string is not closed");
        char c = s[at + 1];
        if (c == 'u') {
            if (n - at < 6)
                return fail(p, n, "a string is not closed");
            if (hex4(s + at + 2) < 0)
                return fail(p, at, "\\u needs four hexadecimal digits");
            at += 6;
        } else if (c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' ||
                   c == 't') {
            at += 2;
        } else {
            return fail(p, at, "an unknown escape");
        }
    }
    if (string.non_ascii) {
        size_t good = utf8_valid(string.bytes);
        if (good < string.bytes.n && p->strict)
            return fail(p, start + good, "a byte that is not UTF-8");
        string.escapes |= good < string.bytes.n; /* needs a copy as well */
    }
    *ret = string;
    return true;
}

/* The rune of a \u escape at s (behind the backslash and u); *used is 6 or, for a surrogate pair, 12. Lone
 * surrogates: U+FFFD. */
static uint32_t unescape_rune(struct sv bytes, size_t at, size_t *used)
{
    uint32_t rune = (uint32_t)hex4(bytes.p + at + 2);
    *used = 6;
    if (rune < 0xD800 || rune > 0xDFFF)
        return rune;
    if (rune < 0xDC00 && at + 12 <= bytes.n && bytes.p[at + 6] == '\\' && bytes.p[at + 7] == 'u') {
        int low = hex4(bytes.p + at + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *used = 12;
            return 0x10000 + ((rune - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        }
    }
    return 0xFFFD;
}

static size_t unescape_simple(char c, char *to)
{
    static const char from[] = "bfnrt", what[] = "\b\f\n\r\t";
    const char *found = strchr(from, c);
    *to = found != NULL ? what[found - from] : c;
    return 1;
}

/* The value of a string that has escapes or bytes that are not UTF-8. Never longer than three bytes for each
 * byte read. */
static struct sv unescape(struct parser *p, struct sv bytes)
{
    bool valid = utf8_valid(bytes) == bytes.n;
    char *out = arena_alloc_raw(p->arena, (valid ? bytes.n : bytes.n * 3) + 4, 1), *to = out;
    for (size_t at = 0; at < bytes.n;) {
        uint32_t rune;
        size_t n;
        if (bytes.p[at] == '\\' && bytes.p[at + 1] == 'u') {
            rune = unescape_rune(bytes, at, &n);
            to += utf8_encode(rune, to);
            at += n;
        } else if (bytes.p[at] == '\\') {
            to += unescape_simple(bytes.p[at + 1], to);
            at += 2;
        } else if (valid || (unsigned char)bytes.p[at] < 0x80) {
            *to++ = bytes.p[at++];
        } else if ((n = utf8_decode(sv_from(bytes, at), &rune)) > 0) {
            memcpy(to, bytes.p + at, n);
            to += n;
            at += n;
        } else {
            p->event->flags |= EVENT_BAD_UTF8;
            to += utf8_encode(0xFFFD, to);
            at++;
        }
    }
    return sv_make(out, (size_t)(to - out));
}

static struct sv string_value(struct parser *p, const struct string *string)
{
    return string->escapes ? unescape(p, string->bytes) : string->bytes;
}

/* --- fields
 * ----------------------------------------------------------------------------------------------------------
 */

static struct sv join(struct parser *p, struct sv prefix, struct sv key)
{
    char *out = arena_alloc_raw(p->arena, prefix.n + 1 + key.n, 1);
    memcpy(out, prefix.p, prefix.n);
    out[prefix.n] = '.';
    if (key.n > 0)
        memcpy(out + prefix.n + 1, key.p, key.n);
    return sv_make(out, prefix.n + 1 + key.n);
}

static struct sv indexed(struct parser *p, struct sv prefix, uint32_t index)
{
    char digits[12];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + index % 10);
    while ((index /= 10) > 0);
    char *out = arena_alloc_raw(p->arena, prefix.n + n + 2, 1), *to = out + prefix.n;
    memcpy(out, prefix.p, prefix.n);
    *to++ = '[';
    while (n > 0)
        *to++ = digits[--n];
    *to++ = ']';
    return sv_make(out, (size_t)(to - out));
}

static bool keeps(const struct parser *p)
{
    return p->event != NULL && p->depth <= TC_EVENT_FIELD_DEPTH_MAX;
}

static void grow(struct parser *p)
{
    uint32_t capacity = p->capacity == 0 ? 48 : p->capacity * 2;
    struct field *fields = arena_alloc_raw(p->arena, capacity * sizeof fields[0], 16);
    if (p->event->field_count > 0)
        memcpy(fields, p->event->fields, p->event->field_count * sizeof fields[0]);
    p->event->fields = fields;
    p->capacity = capacity;
}

/* Returns the field's number, or -1 where no more are kept. */
static int32_t add(struct parser *p, struct sv name, struct sv exact, enum field_type type, struct sv value)
{
    struct event *e = p->event;
    if (e->field_count >= TC_EVENT_FIELDS_MAX) {
        e->flags |= EVENT_FIELDS_CUT;
        return -1;
    }
    if (e->field_count == p->capacity)
        grow(p);
    e->fields[e->field_count] = (struct field){.name = name,
                                               .exact = exact,
                                               .value = value,
                                               .name_hash = event_name_hash(name),
                                               .next_same = -1,
                                               .type = (uint8_t)type};
    return (int32_t)e->field_count++;
}

struct place { /* the name of the value that comes next */
    struct sv name, exact;
    bool indexed;
};

static struct place member_place(struct parser *p, struct sv key)
{
    const struct level *in = &p->levels[p->depth];
    struct place place = {.indexed = in->indexed};
    place.name = p->depth == 1 ? key : join(p, in->name, key);
    place.exact = in->indexed ? join(p, in->exact, key) : place.name;
    return place;
}

static struct place element_place(struct parser *p)
{
    struct level *in = &p->levels[p->depth];
    return (struct place){.name = in->name, .exact = indexed(p, in->exact, in->index++), .indexed = true};
}

/* --- values
 * ----------------------------------------------------------------------------------------------------------
 */

static bool scan_digits(struct parser *p)
{
    size_t start = p->at;
    while (p->at < p->text.n && p->text.p[p->at] >= '0' && p->text.p[p->at] <= '9')
        p->at++;
    return p->at > start;
}

static char peek(const struct parser *p)
{
    return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

static bool scan_number(struct parser *p, struct sv *ret)
{
    size_t start = p->at;
    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0')
        p->at++;
    else if (!scan_digits(p))
        return fail(p, p->at, "a number needs a digit here");
    if (peek(p) == '.') {
        p->at++;
        if (!scan_digits(p))
            return fail(p, p->at, "a number needs a digit after its point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (!scan_digits(p))
            return fail(p, p->at, "a number needs a digit in its exponent");
    }
    *ret = sv_make(p->text.p + start, p->at - start);
    return true;
}

static bool scan_word(struct parser *p, struct sv word)
{
    struct sv rest = sv_from(p->text, p->at);
    if (!sv_starts(rest, word))
        return fail(p, sv_starts(word, rest) ? p->text.n : p->at, "a value is expected here");
    p->at += word.n;
    return true;
}

static bool scalar(struct parser *p, const struct place *place)
{
    struct sv value = {0};
    struct string string;
    enum field_type type;
    size_t start = p->at;
    switch (p->text.p[p->at]) {
    case '"':
        p->at++;
        if (!scan_string(p, &string))
            return false;
        type = FIELD_STRING;
        if (place != NULL)
            value = string_value(p, &string);
        break;
    case 't':
    case 'f':
        if (!scan_word(p, p->text.p[start] == 't' ? SV("true") : SV("false")))
            return false;
        type = FIELD_BOOL;
        value = sv_make(p->text.p + start, p->at - start);
        break;
    case 'n':
        if (!scan_word(p, SV("null")))
            return false;
        type = FIELD_NULL;
        break;
    default:
        type = FIELD_NUMBER;
        if ((p->text.p[start] != '-' && (p->text.p[start] < '0' || p->text.p[start] > '9')))
            return fail(p, start, "a value is expected here");
        if (!scan_number(p, &value))
            return false;
    }
    if (place != NULL)
        add(p, place->name, place->exact, type, value);
    return true;
}

static bool open_container(struct parser *p, const struct place *place)
{
    if (p->depth == TC_JSON_DEPTH_MAX)
        return fail(p, p->at, "nested deeper than 512 levels");
    bool is_array = p->text.p[p->at] == '[';
    struct level *level = &p->levels[++p->depth];
    *level = (struct level){.is_array = is_array, .field = -1, .start = (uint32_t)p->at};
    if (place != NULL) {
        level->name = place->name;
        level->exact = place->exact;
        level->indexed = place->indexed;
        if (p->depth > 1 || is_array)
            level->field =
                add(p, place->name, place->exact, is_array ? FIELD_ARRAY : FIELD_OBJECT, (struct sv){0});
    }
    p->at++;
    return true;
}

static void close_container(struct parser *p)
{
    struct level *level = &p->levels[p->depth--];
    p->at++;
    if (level->field >= 0)
        p->event->fields[level->field].value = sv_make(p->text.p + level->start, p->at - level->start);
}

static enum expect after_value(const struct parser *p)
{
    return p->depth == 0 ? WANT_NOTHING : WANT_COMMA_OR_END;
}

static bool take_value(struct parser *p, struct place *key, enum expect *expect)
{
    struct place place, *kept = NULL;
    if (p->at >= p->text.n)
        return fail(p, p->at, "a value is expected here");
    if (keeps(p)) {
        kept = &place;
        if (p->depth == 0)
            place = (struct place){SV("message"), SV("message"), false};
        else
            place = p->levels[p->depth].is_array ? element_place(p) : *key;
    }
    char c = p->text.p[p->at];
    if (c != '{' && c != '[') {
        *expect = after_value(p);
        return scalar(p, kept);
    }
    *expect = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    return open_container(p, kept);
}

static bool take_key(struct parser *p, struct place *key)
{
    struct string string;
    if (peek(p) != '"')
        return fail(p, p->at, "a name in quotes is expected here");
    p->at++;
    if (!scan_string(p, &string))
        return false;
    if (keeps(p))
        *key = member_place(p, string_value(p, &string));
    return true;
}

static bool parse(struct parser *p)
{
    enum expect expect = WANT_VALUE;
    struct place key = {0};
    for (;;) {
        skip_space(p);
        char c = peek(p);
        bool at_end = p->at >= p->text.n;
        switch (expect) {
        case WANT_NOTHING:
            return at_end || p->prefix ||
                   fail(p, p->at, "nothing more is expected here: one value has ended");
        case WANT_VALUE_OR_END:
            if (c == ']') {
                close_container(p);
                expect = after_value(p);
                break;
            }
            TC_FALLTHROUGH;
        case WANT_VALUE:
            if (!take_value(p, &key, &expect))
                return false;
            break;
        case WANT_KEY_OR_END:
            if (c == '}') {
                close_container(p);
                expect = after_value(p);
                break;
            }
            TC_FALLTHROUGH;
        case WANT_KEY:
            if (!take_key(p, &key))
                return false;
            expect = WANT_COLON;
            break;
        case WANT_COLON:
            if (c != ':')
                return fail(p, p->at, "a colon is expected here");
            p->at++;
            expect = WANT_VALUE;
            break;
        case WANT_COMMA_OR_END: {
            bool is_array = p->levels[p->depth].is_array;
            if (c == ',') {
                p->at++;
                expect = is_array ? WANT_VALUE : WANT_KEY;
            } else if (c == (is_array ? ']' : '}') && !at_end) {
                close_container(p);
                expect = after_value(p);
            } else {
                return fail(p, p->at,
                            is_array ? "a comma or ] is expected here" : "a comma or } is expected here");
            }
        }
        }
    }
}

static int report(const struct parser *p, struct err *err)
{
    unsigned line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < p->problem_at && i < p->text.n; i++)
        if (p->text.p[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    return err_at(err, TC_EINPUT, NULL, line, (unsigned)(p->problem_at - line_start) + 1, "not JSON: %s",
                  p->problem);
}

int json_check(struct sv text, struct err *err)
{
    struct parser p;
    p.text = text;
    p.at = 0;
    p.strict = true;
    p.prefix = false;
    p.event = NULL;
    p.depth = 0;
    if (text.n > UINT32_MAX)
        return err_set(err, TC_EBOUND, "a JSON text of more than 4 GiB");
    return parse(&p) ? 0 : report(&p, err);
}

enum json_scan json_scan(struct sv text, size_t *ret_at)
{
    struct parser p;
    p.text = text;
    p.at = 0;
    p.strict = false;
    p.prefix = true;
    p.event = NULL;
    p.depth = 0;
    if (!parse(&p)) {
        *ret_at = TC_MIN(p.problem_at, text.n);
        return p.problem_at >= text.n ? JSON_PARTIAL : JSON_BROKEN;
    }
    while (p.at > 0 && is_space(text.p[p.at - 1]))
        p.at--;
    *ret_at = p.at;
    return JSON_WHOLE;
}

int json_parse_event(struct sv text, struct arena *arena, struct event *event, struct err *err)
{
    struct parser p; /* not zeroed: its stack of levels is large, and each level is set when it is opened */
    p.text = text;
    p.at = 0;
    p.strict = p.prefix = false;
    p.event = event;
    p.arena = arena;
    p.capacity = 0;
    p.depth = 0;
    event->fields = NULL;
    event->field_count = 0;
    if (text.n > UINT32_MAX)
        return err_set(err, TC_EBOUND, "a JSON text of more than 4 GiB");
    return parse(&p) ? 0 : report(&p, err);
}

size_t json_value_length(struct sv text)
{
    size_t at = 0, depth = 0;
    bool ignore = false;
    while (at < text.n &&
           (text.p[at] == ' ' || text.p[at] == '\n' || text.p[at] == '\t' || text.p[at] == '\r'))
        at++;
    size_t start = at;
    while (at < text.n) {
        char c = text.p[at++];
        if (c == '"') {
            for (;;) {
                at = scan_plain(text.p, at, text.n, &ignore);
                if (at >= text.n)
                    return 0;
                if (text.p[at] == '"')
                    break;
                at += text.p[at] == '\\' ? 2 : 1;
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
        } else if (depth == 0 && at - 1 > start &&
                   (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            return at - 1; /* a bare word or number ends before what follows it */
        }
    }
    return 0;
}
