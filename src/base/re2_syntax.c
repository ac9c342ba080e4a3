/*
 * Go's regular expressions (regexp/syntax, flags Perl) read, and written anew for PCRE2; see re2_syntax.h.
 *
 * Written anew, because the two languages share most of their letters, but not all of their meanings: \v and
 * \s are other sets, PCRE2 takes what RE2 cannot do, and both have their own idea of what a { is. Each item
 * is read as Go reads it and written so that PCRE2 has no choice.
 */
#include "base/re2_syntax.h"

#include "base/arena.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>

enum { DEPTH_MAX = 1000, REPEAT_MAX = 1000, PATTERN_MAX_BYTES = 4 << 20, RUNE_MAX = 0x10FFFF };

struct reading {
    struct sv text;
    size_t at;
    struct re2_syntax *out;
    struct err *err;
    bool item;           /* something stands before that may be repeated */
    unsigned item_times; /* how often the most repeated thing in it is repeated */
    size_t repeat_start; /* of the repetition that ends here, or SIZE_MAX */
    size_t depth;        /* open groups */
    unsigned *times;     /* of what stands in each of them and outside of all: item_times at its most */
};

int re2_refuse(struct err *err, const char *problem, struct sv part)
{
    return err_set(err, TC_EINPUT, "error parsing regexp: %s: `%.*s`", problem, SV_FMT(part));
}

static struct sv rest_of(const struct reading *r)
{
    return sv_from(r->text, r->at);
}

static struct sv since(const struct reading *r, size_t start)
{
    return sv_make(r->text.p + start, r->at - start);
}

/* The expression is known to be UTF-8. */
static uint32_t next_rune(struct reading *r)
{
    uint32_t rune = 0;
    r->at += utf8_decode(rest_of(r), &rune);
    return rune;
}

static bool peek(const struct reading *r, char c)
{
    return r->at < r->text.n && r->text.p[r->at] == c;
}

static void write_rune(struct reading *r, uint32_t rune)
{
    char bytes[4];
    if (rune >= 0x80)
        buf_add(&r->out->pattern, bytes, utf8_encode(rune, bytes));
    else if (isalnum((int)rune))
        buf_char(&r->out->pattern, (char)rune);
    else
        buf_printf(&r->out->pattern, "\\x%02x", rune);
}

static bool is_surrogate(uint32_t rune)
{
    return rune >= 0xD800 && rune <= 0xDFFF;
}

static void item_read(struct reading *r)
{
    r->item = true;
    r->item_times = 1;
}

static void literal(struct reading *r, uint32_t rune)
{
    if (is_surrogate(rune)) /* may be written as \x{D800}, and is in no text */
        buf_str(&r->out->pattern, "(?:(?!))");
    else
        write_rune(r, rune);
    item_read(r);
}

/* --- escapes --- */

static int hex_digit(uint32_t c)
{
    return c >= '0' && c <= '9'   ? (int)c - '0'
           : c >= 'a' && c <= 'f' ? (int)c - 'a' + 10
           : c >= 'A' && c <= 'F' ? (int)c - 'A' + 10
                                  : -1;
}

static bool is_octal(const struct reading *r)
{
    return r->at < r->text.n && r->text.p[r->at] >= '0' && r->text.p[r->at] <= '7';
}

/* Behind \x. */
static bool read_hex(struct reading *r, uint32_t *ret)
{
    int digits[2];
    if (r->at >= r->text.n)
        return false;
    uint32_t c = next_rune(r), v = 0;
    if (c != '{') {
        digits[0] = hex_digit(c);
        digits[1] = r->at < r->text.n ? hex_digit(next_rune(r)) : -1;
        *ret = (uint32_t)(digits[0] * 16 + digits[1]);
        return digits[0] >= 0 && digits[1] >= 0;
    }
    for (size_t n = 0; r->at < r->text.n; n++) {
        c = next_rune(r);
        if (c == '}') {
            *ret = v;
            return n > 0;
        }
        if (hex_digit(c) < 0 || (v = v * 16 + (uint32_t)hex_digit(c)) > RUNE_MAX)
            return false;
    }
    return false;
}

/* At a backslash: the one character that it stands for. */
static int read_escape(struct reading *r, uint32_t *ret)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    size_t start = r->at++;
    if (r->at >= r->text.n)
        return re2_refuse(r->err, "trailing backslash at end of expression", SV(""));
    uint32_t c = next_rune(r);
    const char *letter = c < 0x80 && c != 0 ? strchr(letters, (int)c) : NULL;
    if (c < 0x80 && !isalnum((int)c)) {
        *ret = c;
        return 0;
    }
    if (c == '0' || (c >= '1' && c <= '7' && is_octal(r))) {
        for (*ret = c - '0', c = 1; c < 3 && is_octal(r); c++)
            *ret = *ret * 8 + (uint32_t)(r->text.p[r->at++] - '0');
        return 0;
    }
    if (letter != NULL) {
        *ret = (unsigned char)meanings[letter - letters];
        return 0;
    }
    if (c == 'x' && read_hex(r, ret))
        return 0;
    return re2_refuse(r->err, "invalid escape sequence", since(r, start));
}

/* \d \D \w \W \s \S. PCRE2's \s has the vertical tab in it, RE2's has not. */
static bool read_perl_class(struct reading *r, bool in_class)
{
    static const struct {
        const char *name, *alone, *within;
    } classes[] = {{"\\d", "\\d", "\\d"},
                   {"\\D", "\\D", "\\D"},
                   {"\\w", "\\w", "\\w"},
                   {"\\W", "\\W", "\\W"},
                   {"\\s", "[\\t\\n\\f\\r\\x20]", "\\t\\n\\f\\r\\x20"},
                   {"\\S", "[^\\t\\n\\f\\r\\x20]", "\\S\\x0b"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(classes); i++)
        if (sv_starts(rest_of(r), sv_of(classes[i].name))) {
            buf_str(&r->out->pattern, in_class ? classes[i].within : classes[i].alone);
            r->at += 2;
            return true;
        }
    return false;
}

/* The names of general categories; anything else is a script's. */
static bool is_category(struct sv name)
{
    static const char *const subs[] = {"Ccfosn", "Lmoltu", "Mcen", "Ndlo", "Pcdefios", "Sckmo", "Zlps"};
    for (size_t i = 0; i < TC_ARRAY_LEN(subs); i++)
        if (name.p[0] == subs[i][0])
            return name.n == 1 || (name.n == 2 && strchr(subs[i] + 1, name.p[1]) != NULL);
    return false;
}

/* \pL \PL \p{Greek} \p{^Greek} */
static int read_property(struct reading *r)
{
    size_t start = r->at;
    bool negated = r->text.p[r->at + 1] == 'P';
    struct sv name;
    r->at += 2;
    if (peek(r, '{')) {
        size_t end = sv_find_char(rest_of(r), '}');
        name = sv_make(r->text.p + r->at + 1, end - 1);
        r->at = TC_MIN(r->at + end + 1, r->text.n);
        if (r->text.p[r->at - 1] != '}' || name.n == 0)
            return re2_refuse(r->err, "invalid character class range", since(r, start));
    } else {
        size_t name_start = r->at;
        if (r->at < r->text.n)
            (void)next_rune(r);
        name = since(r, name_start);
    }
    if (sv_starts(name, SV("^"))) {
        negated = !negated;
        name = sv_from(name, 1);
    }
    bool word = name.n > 0 && isalpha((unsigned char)name.p[0]);
    for (size_t i = 0; i < name.n && word; i++)
        word = isalpha((unsigned char)name.p[i]) || name.p[i] == '_';
    if (!word)
        return re2_refuse(r->err, "invalid character class range", since(r, start));
    r->out->property = since(r, start);
    if (sv_is(name, "LC"))
        name = SV("L&");
    const char *kind = sv_is(name, "Any") || sv_is(name, "L&") || is_category(name) ? "" : "sc:";
    buf_printf(&r->out->pattern, "\\%c{%s%.*s}", negated ? 'P' : 'p', kind, SV_FMT(name));
    return 0;
}

static bool at_property(const struct reading *r)
{
    return sv_starts(rest_of(r), SV("\\p")) || sv_starts(rest_of(r), SV("\\P"));
}

/* --- [...] --- */

/* [:alpha:] and the like. *ret_found: there was one. */
static int read_named_class(struct reading *r, bool *ret_found)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    struct sv rest = rest_of(r);
    size_t end = sv_starts(rest, SV("[:")) ? sv_find(sv_from(rest, 2), SV(":]")) + 2 : rest.n;
    *ret_found = end < rest.n;
    if (!*ret_found)
        return 0;
    struct sv whole = sv_head(rest, end + 2), name = sv_make(rest.p + 2, end - 2);
    name = sv_from(name, sv_starts(name, SV("^")));
    r->at += whole.n;
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        if (sv_is(name, names[i])) {
            buf_sv(&r->out->pattern, whole);
            return 0;
        }
    return re2_refuse(r->err, "invalid character class range", whole);
}

static int read_class_rune(struct reading *r, size_t class_start, uint32_t *ret)
{
    if (r->at >= r->text.n)
        return re2_refuse(r->err, "missing closing ]", sv_from(r->text, class_start));
    if (peek(r, '\\'))
        return read_escape(r, ret);
    *ret = next_rune(r);
    return 0;
}

static int read_range(struct reading *r, size_t class_start)
{
    size_t start = r->at;
    uint32_t low, high;
    int rc = read_class_rune(r, class_start, &low);
    if (rc != 0)
        return rc;
    high = low;
    if (peek(r, '-') && r->at + 1 < r->text.n && r->text.p[r->at + 1] != ']') {
        r->at++;
        if ((rc = read_class_rune(r, class_start, &high)) != 0)
            return rc;
        if (high < low)
            return re2_refuse(r->err, "invalid character class range", since(r, start));
    }
    low = is_surrogate(low) ? 0xE000 : low;
    high = is_surrogate(high) ? 0xD7FF : high;
    if (low > high) /* nothing but surrogates, which no text has */
        return 0;
    write_rune(r, low);
    if (high > low) {
        buf_char(&r->out->pattern, '-');
        write_rune(r, high);
    }
    return 0;
}

static int read_class(struct reading *r)
{
    struct buf *out = &r->out->pattern;
    size_t start = r->at++, before = out->n;
    bool negated = peek(r, '^');
    r->at += negated;
    buf_str(out, negated ? "[^" : "[");
    size_t opened = out->n;
    for (bool first = true; first || !peek(r, ']'); first = false) {
        bool found;
        int rc = read_named_class(r, &found);
        if (rc == 0 && !found && at_property(r)) {
            rc = read_property(r);
        } else if (rc == 0 && !found && !read_perl_class(r, true)) {
            rc = read_range(r, start);
        }
        if (rc != 0)
            return rc;
    }
    r->at++;
    if (out->n == opened) { /* an empty class is none of PCRE2's */
        out->n = before;
        buf_str(out, negated ? "(?s:.)" : "(?:(?!))");
    } else {
        buf_char(out, ']');
    }
    item_read(r);
    return 0;
}

/* --- groups --- */

static int open_group(struct reading *r, bool captures, struct sv name)
{
    struct re2_syntax *out = r->out;
    if (r->depth >= DEPTH_MAX)
        return re2_refuse(r->err, "expression nests too deeply", r->text);
    r->times[++r->depth] = 1;
    r->item = false;
    if (captures) {
        out->name_ends = tc_realloc(out->name_ends, (out->groups + 1) * sizeof *out->name_ends);
        buf_sv(&out->names, name);
        out->name_ends[out->groups++] = (uint32_t)out->names.n;
    }
    return 0;
}

static bool is_group_name(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '_')
            return false;
    return name.n > 0;
}

/* (?P<name> and (?<name> */
static int read_named_group(struct reading *r, size_t lead)
{
    struct sv rest = rest_of(r);
    size_t end = sv_find_char(rest, '>');
    if (end == rest.n)
        return re2_refuse(r->err, "invalid named capture", rest);
    struct sv name = sv_make(rest.p + lead, end - lead);
    if (!is_group_name(name))
        return re2_refuse(r->err, "invalid named capture", sv_head(rest, end + 1));
    r->at += end + 1;
    buf_char(&r->out->pattern, '(');
    return open_group(r, true, name);
}

/* (?i) and (?i: with the flags i, m, s and U; both languages mean the same by them. */
static int read_flags(struct reading *r)
{
    size_t start = r->at;
    bool minus = false, flag = false;
    r->at += 2;
    while (r->at < r->text.n) {
        uint32_t c = next_rune(r);
        if (c < 0x80 && c != 0 && strchr("imsU", (int)c) != NULL) {
            flag = true;
        } else if (c == '-' && !minus) {
            minus = true;
            flag = false;
        } else if ((c == ':' || c == ')') && (!minus || flag)) {
            if (c == ':' || r->at - start > 3) /* (?) changes nothing, and is none of PCRE2's */
                buf_sv(&r->out->pattern, since(r, start));
            return c == ':' ? open_group(r, false, SV("")) : 0;
        } else {
            break;
        }
    }
    return re2_refuse(r->err, "invalid or unsupported Perl syntax", since(r, start));
}

static int read_group(struct reading *r)
{
    struct sv rest = rest_of(r);
    if (sv_starts(rest, SV("(?P<")) && rest.n > 4)
        return read_named_group(r, 4);
    if (sv_starts(rest, SV("(?<")) && rest.n > 3)
        return read_named_group(r, 3);
    if (sv_starts(rest, SV("(?")))
        return read_flags(r);
    r->at++;
    buf_char(&r->out->pattern, '(');
    return open_group(r, true, SV(""));
}

static int close_group(struct reading *r)
{
    if (r->depth == 0)
        return re2_refuse(r->err, "unexpected )", r->text);
    r->at++;
    r->item = true;
    r->item_times = r->times[r->depth--];
    buf_char(&r->out->pattern, ')');
    return 0;
}

/* --- repetition --- */

/* Digits without a leading zero; more than REPEAT_MAX stays more. */
static bool read_count(struct reading *r, unsigned *ret)
{
    size_t start = r->at;
    for (*ret = 0; r->at < r->text.n && isdigit((unsigned char)r->text.p[r->at]); r->at++)
        *ret = TC_MIN(*ret * 10 + (unsigned)(r->text.p[r->at] - '0'), REPEAT_MAX + 1u);
    return r->at > start && (r->text.p[start] != '0' || r->at == start + 1);
}

/* {n}, {n,} and {n,m}; anything else leaves the brace a plain character, and the reader where it was. */
static bool read_braces(struct reading *r, unsigned *ret_least, unsigned *ret_most, bool *ret_bounded)
{
    size_t start = r->at++;
    *ret_bounded = true;
    if (read_count(r, ret_least)) {
        *ret_most = *ret_least;
        bool good = true;
        if (peek(r, ',')) {
            r->at++;
            *ret_bounded = !peek(r, '}');
            good = !*ret_bounded || read_count(r, ret_most);
        }
        if (good && peek(r, '}')) {
            r->at++;
            return true;
        }
    }
    r->at = start;
    return false;
}

static int read_repeat(struct reading *r)
{
    size_t start = r->at, last = r->repeat_start;
    unsigned least = 0, most = 0;
    bool bounded = false;
    if (!peek(r, '{')) {
        r->at++;
    } else if (!read_braces(r, &least, &most, &bounded)) {
        r->at++;
        r->repeat_start = SIZE_MAX;
        literal(r, '{');
        return 0;
    }
    struct sv operator= since(r, start);
    if (least > REPEAT_MAX || most > REPEAT_MAX || (bounded && least > most))
        return re2_refuse(r->err, "invalid repeat count", operator);
    if (peek(r, '?'))
        r->at++;
    if (last != SIZE_MAX)
        return re2_refuse(r->err, "invalid nested repetition operator", since(r, last));
    if (!r->item)
        return re2_refuse(r->err, "missing argument to repetition operator", since(r, start));
    if (least >= 2 || (bounded && most >= 2)) {
        r->item_times *= bounded && most > 0 ? most : TC_MAX(least, 1u);
        if (r->item_times > REPEAT_MAX)
            return re2_refuse(r->err, "invalid repeat count", since(r, start));
    }
    buf_sv(&r->out->pattern, since(r, start));
    r->repeat_start = start;
    return 0;
}

/* --- the whole --- */

/* Go lets an assertion be repeated, PCRE2 does not, unless it is in a group. */
static void assertion(struct reading *r, const char *text, size_t length)
{
    buf_printf(&r->out->pattern, "(?:%s)", text);
    r->at += length;
    item_read(r);
}

static void read_quoted(struct reading *r)
{
    r->at += 2;
    size_t end = r->at + sv_find(rest_of(r), SV("\\E"));
    while (r->at < end)
        literal(r, next_rune(r));
    r->at = TC_MIN(end + 2, r->text.n);
}

static int read_backslash(struct reading *r)
{
    static const char *const assertions[] = {"\\A", "\\b", "\\B", "\\z"};
    uint32_t rune;
    for (size_t i = 0; i < TC_ARRAY_LEN(assertions); i++)
        if (sv_starts(rest_of(r), sv_of(assertions[i]))) {
            assertion(r, assertions[i], 2);
            return 0;
        }
    if (sv_starts(rest_of(r), SV("\\Q"))) {
        read_quoted(r);
        return 0;
    }
    if (at_property(r)) {
        item_read(r);
        return read_property(r);
    }
    if (read_perl_class(r, false)) {
        item_read(r);
        return 0;
    }
    int rc = read_escape(r, &rune);
    if (rc == 0)
        literal(r, rune);
    return rc;
}

static int read_one(struct reading *r)
{
    char c = r->text.p[r->at];
    if (c == '*' || c == '+' || c == '?' || c == '{')
        return read_repeat(r);
    r->repeat_start = SIZE_MAX;
    switch (c) {
    case '(':
        return read_group(r);
    case ')':
        return close_group(r);
    case '[':
        return read_class(r);
    case '\\':
        return read_backslash(r);
    case '|':
        r->at++;
        r->item = false;
        buf_char(&r->out->pattern, '|');
        return 0;
    case '^':
        assertion(r, "^", 1);
        return 0;
    case '$':
        assertion(r, "$", 1);
        return 0;
    case '.':
        r->at++;
        buf_char(&r->out->pattern, '.');
        item_read(r);
        return 0;
    default:
        literal(r, next_rune(r));
        return 0;
    }
}

int re2_syntax_read(struct sv expression, struct re2_syntax *ret, struct err *err)
{
    struct reading r = {.text = expression, .out = ret, .err = err, .repeat_start = SIZE_MAX};
    *ret = (struct re2_syntax){0};
    buf_init(&ret->pattern, PATTERN_MAX_BYTES);
    buf_init(&ret->names, PATTERN_MAX_BYTES);
    size_t valid = utf8_valid(expression);
    if (valid < expression.n)
        return re2_refuse(err, "invalid UTF-8", sv_from(expression, valid));
    r.times = tc_alloc((DEPTH_MAX + 1) * sizeof *r.times);
    int rc = 0;
    while (rc == 0 && r.at < expression.n) {
        rc = read_one(&r);
        if (r.item)
            r.times[r.depth] = TC_MAX(r.times[r.depth], r.item_times);
    }
    if (rc == 0 && r.depth > 0)
        rc = re2_refuse(err, "missing closing )", expression);
    if (rc == 0 && (ret->pattern.overflow || ret->names.overflow))
        rc = re2_refuse(err, "expression too large", expression);
    free(r.times);
    return rc;
}

void re2_syntax_free(struct re2_syntax *syntax)
{
    buf_free(&syntax->pattern);
    buf_free(&syntax->names);
    free(syntax->name_ends);
    syntax->name_ends = NULL;
}
