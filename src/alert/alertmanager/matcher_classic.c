/*
 * The classic syntax of matchers (alertmanager/pkg/labels): tolerant, with OpenMetrics' escapes. An open
 * brace in front, a close brace behind and a comma at the end may be there or not.
 */
#include "alert/alertmanager/matcher_priv.h"

#include "base/utf8.h"

/* \s of RE2. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static struct sv skip_blanks(struct sv text)
{
    while (text.n > 0 && is_blank(text.p[0]))
        text = sv_from(text, 1);
    return text;
}

static struct sv trim_end(struct sv text)
{
    while (text.n > 0 && is_blank(text.p[text.n - 1]))
        text.n--;
    return text;
}

static size_t name_length(struct sv text)
{
    size_t n = 0;
    while (n < text.n) {
        char c = text.p[n];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
        if (!letter && !(n > 0 && c >= '0' && c <= '9'))
            break;
        n++;
    }
    return n;
}

static bool read_operator(struct sv *text, enum am_match_type *ret)
{
    static const struct {
        const char *word;
        enum am_match_type type;
    } operators[] = {{"=~", AM_REGEXP}, {"=", AM_EQUAL}, {"!=", AM_NOT_EQUAL}, {"!~", AM_NOT_REGEXP}};
    for (size_t i = 0; i < TC_ARRAY_LEN(operators); i++)
        if (sv_starts(*text, sv_of(operators[i].word))) {
            *ret = operators[i].type;
            *text = sv_from(*text, strlen(operators[i].word));
            return true;
        }
    return false;
}

/* Undoes \n, \" and \\; any other backslash is itself. A quote that is not escaped may only be the last byte,
 * and only where one stands in front. */
static bool unescape(struct sv raw, bool quoted, struct buf *out)
{
    bool open = quoted;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '\\' && i + 1 < raw.n) {
            char next = raw.p[++i];
            if (next != 'n' && next != '"' && next != '\\')
                buf_char(out, '\\');
            buf_char(out, next == 'n' ? '\n' : next);
        } else if (c == '"') {
            if (!open || i + 1 < raw.n)
                return false;
            open = false;
        } else {
            buf_char(out, c);
        }
    }
    return !open;
}

int am_classic_matcher(struct am_pool *pool, struct sv input, struct am_matcher *ret, struct err *err)
{
    struct sv rest = skip_blanks(input), name = sv_head(rest, name_length(rest));
    enum am_match_type type;
    rest = skip_blanks(sv_from(rest, name.n));
    if (name.n == 0 || !read_operator(&rest, &type))
        return err_set(err, TC_EINPUT, "bad matcher format: %.*s", SV_FMT(input));
    struct sv written = trim_end(skip_blanks(rest)), raw = written;
    bool quoted = sv_starts(raw, SV("\""));
    if (quoted)
        raw = sv_from(raw, 1);
    if (utf8_valid(raw) != raw.n)
        return err_set(err, TC_EINPUT, "matcher value not valid UTF-8: %.*s", SV_FMT(written));
    struct buf value;
    buf_init(&value, AM_MATCHERS_MAX_BYTES);
    int rc =
        unescape(raw, quoted, &value)
            ? am_matcher_make(pool, type, name, buf_view(&value), ret, err)
            : err_set(err, TC_EINPUT, "matcher value contains unescaped double quote: %.*s", SV_FMT(written));
    buf_free(&value);
    return rc;
}

static int add(struct am_pool *pool, struct sv token, struct am_matchers *ret, struct err *err)
{
    struct am_matcher matcher;
    int rc = am_classic_matcher(pool, token, &matcher, err);
    return rc != 0 ? rc : am_matchers_add(pool, ret, matcher, err);
}

static struct sv trim_spaces(struct sv text)
{
    uint32_t rune;
    for (size_t n; (n = utf8_decode(text, &rune)) > 0 && am_is_space(rune);)
        text = sv_from(text, n);
    for (bool more = true; more && text.n > 0;) {
        size_t at = text.n - 1;
        while (at > 0 && ((unsigned char)text.p[at] & 0xc0) == 0x80)
            at--;
        more = utf8_decode(sv_from(text, at), &rune) == text.n - at && am_is_space(rune);
        if (more)
            text.n = at;
    }
    return text;
}

int am_classic_matchers(struct am_pool *pool, struct sv input, struct am_matchers *ret, struct err *err)
{
    if (sv_starts(input, SV("{")))
        input = sv_from(input, 1);
    if (sv_ends(input, SV("}")))
        input.n--;
    bool quoted = false, escaped = false;
    size_t start = 0;
    for (size_t i = 0; i < input.n; i++) {
        char c = input.p[i];
        if (c == ',' && !quoted) {
            int rc = add(pool, sv_make(input.p + start, i - start), ret, err);
            if (rc != 0)
                return rc;
            start = i + 1;
        } else if (c == '"') {
            quoted = escaped ? quoted : !quoted;
            escaped = false;
        } else if (c == '\\') {
            escaped = !escaped;
        } else if (c != ',') {
            escaped = false;
        }
    }
    struct sv last = trim_spaces(sv_from(input, start));
    return last.n == 0 ? 0 : add(pool, last, ret, err);
}
