/*
 * Patterns with captures; see capture.h. Parts alternate: the parser refuses two captures side by side, and
 * joins literals.
 */
#include "query/capture.h"

enum { PARTS_MAX = 128 };

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* Length of "<name>" at the front of `rest`; 0 where there is none. */
static size_t capture_length(struct sv rest)
{
    size_t n = 1;
    while (n < rest.n && is_name_char(rest.p[n], n == 1))
        n++;
    return rest.p[0] == '<' && n > 1 && n < rest.n && rest.p[n] == '>' ? n + 1 : 0;
}

int capture_parse(struct sv text, bool names, struct arena *arena, struct capture_pattern *ret,
                  struct err *err)
{
    struct capture_part *parts = ARENA_ARRAY(arena, struct capture_part, PARTS_MAX);
    size_t n = 0, named = 0, literal = 0;
    if (text.n == 0)
        return err_set(err, TC_EINPUT, "an empty pattern");
    for (size_t at = 0; at < text.n;) {
        size_t length = capture_length(sv_from(text, at));
        if (n + 2 >= PARTS_MAX)
            return err_set(err, TC_EINPUT, "a pattern of more than %d parts", PARTS_MAX);
        if (length == 0 && ++at < text.n)
            continue;
        if (at > literal)
            parts[n++] = (struct capture_part){sv_make(text.p + literal, at - literal), false};
        if (length == 0)
            break;
        if (n > 0 && parts[n - 1].is_capture)
            return err_set(err, TC_EINPUT, "found consecutive capture '%.*s'",
                           SV_FMT(sv_make(text.p + at, length)));
        struct sv name = sv_make(text.p + at + 1, length - 2);
        named += !sv_is(name, "_");
        parts[n++] = (struct capture_part){name, true};
        literal = at += length;
    }
    if (names && named == 0)
        return err_set(err, TC_EINPUT, "at least one capture is required");
    *ret = (struct capture_pattern){parts, n};
    return 0;
}

void capture_match(const struct capture_pattern *pattern, struct sv line,
                   void (*each)(void *context, struct sv name, struct sv value), void *context)
{
    size_t i = 0;
    if (!pattern->parts[0].is_capture) {
        if (!sv_starts(line, pattern->parts[0].text))
            return;
        line = sv_from(line, pattern->parts[0].text.n);
        i = 1;
    }
    for (; i < pattern->count; i += 2) {
        bool is_last = i + 1 == pattern->count;
        size_t at = is_last ? line.n : sv_find(line, pattern->parts[i + 1].text);
        if (!sv_is(pattern->parts[i].text, "_"))
            each(context, pattern->parts[i].text, sv_head(line, at));
        if (is_last || at == line.n)
            return;
        line = sv_from(line, at + pattern->parts[i + 1].text.n);
    }
}

bool capture_test(const struct capture_pattern *pattern, struct sv line)
{
    for (size_t i = 0; i < pattern->count; i++) {
        struct sv text = pattern->parts[i].text;
        if (pattern->parts[i].is_capture)
            continue;
        if (i + 1 == pattern->count && i > 0)
            return sv_ends(line, text);
        size_t at = sv_find(line, text);
        if ((i == 0 && !sv_starts(line, text)) || (at == line.n && text.n > 0))
            return false;
        line = sv_from(line, at + text.n);
    }
    return pattern->parts[pattern->count - 1].is_capture || line.n == 0;
}
