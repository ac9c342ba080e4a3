/*
 * Text patterns: whole-value equality with Sigma's wildcards.
 *
 * Four shapes that make up nearly all rules (equal, starts with, ends with, contains) are answered by one
 * memory comparison or search; the rest by a matcher that cuts the pattern at its stars into segments. A
 * segment has a fixed number of code points, so taking the leftmost place for each is right and nothing is
 * ever tried twice: time is at most value length times segment length, whatever the pattern.
 */
#include "base/utf8.h"
#include "detect/match.h"

/* --- compiling
 * ------------------------------------------------------------------------------------------------------------------
 */

static struct sv fold_into(struct arena *arena, struct sv text)
{
    struct buf folded;
    buf_init(&folded, text.n * 2 + 16);
    utf8_fold(&folded, text);
    struct sv copy = arena_sv(arena, buf_view(&folded));
    buf_free(&folded);
    return copy;
}

static struct sv joined(struct arena *arena, struct sv a, struct sv b)
{
    char *p = arena_alloc_raw(arena, a.n + b.n + 1, 1);
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    p[a.n + b.n] = '\0';
    return sv_make(p, a.n + b.n);
}

static size_t compact(struct arena *arena, const struct token *from, size_t count, struct token *to)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct token *last = n > 0 ? &to[n - 1] : NULL;
        if (from[i].kind == TOKEN_TEXT && from[i].text.n == 0)
            continue;
        if (from[i].kind == TOKEN_STAR && last != NULL && last->kind == TOKEN_STAR)
            continue;
        if (from[i].kind == TOKEN_TEXT && last != NULL && last->kind == TOKEN_TEXT)
            to[n - 1].text = joined(arena, last->text, from[i].text);
        else
            to[n++] = from[i];
    }
    return n;
}

static enum pattern_shape shape_of(const struct token *t, size_t count, struct sv *ret_text)
{
    *ret_text = SV("");
    size_t texts = 0;
    for (size_t i = 0; i < count; i++) {
        if (t[i].kind == TOKEN_ONE || t[i].kind == TOKEN_DASH)
            return SHAPE_GENERAL;
        if (t[i].kind == TOKEN_TEXT) {
            *ret_text = t[i].text;
            texts++;
        }
    }
    if (texts > 1)
        return SHAPE_GENERAL;
    if (texts == 0)
        return count == 0 ? SHAPE_EXACT : SHAPE_ANY;
    bool open_start = t[0].kind == TOKEN_STAR, open_end = t[count - 1].kind == TOKEN_STAR;
    if (open_start)
        return open_end ? SHAPE_CONTAINS : SHAPE_SUFFIX;
    return open_end ? SHAPE_PREFIX : SHAPE_EXACT;
}

void pattern_compile(struct arena *arena, const struct token *tokens, size_t count, bool cased,
                     struct pattern *ret)
{
    struct token *own = ARENA_ARRAY(arena, struct token, count + 1);
    size_t n = compact(arena, tokens, count, own);
    for (size_t i = 0; i < n; i++)
        if (own[i].kind == TOKEN_TEXT)
            own[i].text = cased ? arena_sv(arena, own[i].text) : fold_into(arena, own[i].text);
    *ret = (struct pattern){.cased = cased, .tokens = own, .count = n};
    ret->shape = shape_of(own, n, &ret->text);
}

/* --- matching
 * -------------------------------------------------------------------------------------------------------------------
 */

static size_t rune_bytes(struct sv value)
{
    uint32_t rune;
    size_t n = utf8_decode(value, &rune);
    return n == 0 ? TC_MIN(value.n, 1) : n;
}

/* Bytes of a dash at the start of `value`, or 0. U+2013..U+2015 are E2 80 93..95. */
static size_t dash_bytes(struct sv value)
{
    const unsigned char *p = (const unsigned char *)value.p;
    if (value.n > 0 && (p[0] == '-' || p[0] == '/'))
        return 1;
    return value.n >= 3 && p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0x93 && p[2] <= 0x95 ? 3 : 0;
}

/* Bytes that one token takes at the start of `value`, or SIZE_MAX where it does not fit. */
static size_t token_takes(const struct token *token, struct sv value)
{
    size_t n;
    switch (token->kind) {
    case TOKEN_TEXT:
        return sv_starts(value, token->text) ? token->text.n : SIZE_MAX;
    case TOKEN_DASH:
        n = dash_bytes(value);
        return n > 0 ? n : SIZE_MAX;
    default:
        return value.n > 0 ? rune_bytes(value) : SIZE_MAX;
    }
}

/* A segment: the tokens between two stars. */
struct segment {
    const struct token *tokens;
    size_t count;
};

static size_t segment_takes(struct segment segment, struct sv value)
{
    size_t at = 0;
    for (size_t i = 0; i < segment.count; i++) {
        size_t n = token_takes(&segment.tokens[i], sv_from(value, at));
        if (n == SIZE_MAX)
            return SIZE_MAX;
        at += n;
    }
    return at;
}

/* The next place at or after `from` where the segment's first token could start; value.n + 1 where none. */
static size_t candidate(struct segment segment, struct sv value, size_t from)
{
    if (segment.tokens[0].kind != TOKEN_TEXT || from > value.n)
        return from;
    struct sv rest = sv_from(value, from);
    size_t at = sv_find(rest, segment.tokens[0].text);
    return at == rest.n ? value.n + 1 : from + at;
}

/* Finds the leftmost place of the segment (`at_end`: the one that ends with the value); returns where the
 * rest begins, or SIZE_MAX. */
static size_t segment_find(struct segment segment, struct sv value, size_t from, bool at_end)
{
    for (size_t at = candidate(segment, value, from); at <= value.n;) {
        size_t n = segment_takes(segment, sv_from(value, at));
        if (n != SIZE_MAX && (!at_end || at + n == value.n))
            return at + n;
        if (at == value.n)
            break;
        /* text finds its own place; a ? must not start inside of a code point */
        at = candidate(segment, value,
                       at + (segment.tokens[0].kind == TOKEN_TEXT ? 1 : rune_bytes(sv_from(value, at))));
    }
    return SIZE_MAX;
}

static struct segment segment_at(const struct pattern *pattern, size_t from)
{
    size_t n = 0;
    while (from + n < pattern->count && pattern->tokens[from + n].kind != TOKEN_STAR)
        n++;
    return (struct segment){pattern->tokens + from, n};
}

static bool general_matches(const struct pattern *pattern, struct sv value)
{
    struct segment segment = segment_at(pattern, 0);
    size_t at = segment_takes(segment, value);
    size_t token = segment.count;
    if (at == SIZE_MAX || token == pattern->count)
        return at == value.n;
    while (token < pattern->count) { /* at a star */
        segment = segment_at(pattern, token + 1);
        token += 1 + segment.count;
        if (segment.count == 0)
            return true; /* a star at the end */
        at = segment_find(segment, value, at, token == pattern->count);
        if (at == SIZE_MAX)
            return false;
    }
    return true;
}

bool pattern_matches(const struct pattern *pattern, struct sv value)
{
    switch (pattern->shape) {
    case SHAPE_EXACT:
        return sv_eq(value, pattern->text);
    case SHAPE_PREFIX:
        return sv_starts(value, pattern->text);
    case SHAPE_SUFFIX:
        return sv_ends(value, pattern->text);
    case SHAPE_CONTAINS:
        return value.n >= pattern->text.n &&
               (pattern->text.n == 0 || sv_find(value, pattern->text) < value.n);
    case SHAPE_ANY:
        return true;
    case SHAPE_GENERAL:
        break;
    }
    return general_matches(pattern, value);
}
