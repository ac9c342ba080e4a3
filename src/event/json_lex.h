/*
 * The tokens of JSON (RFC 8259), for json.c alone; in a header so that its loop has them inline.
 *
 * Strings are scanned 16 bytes at a time where the processor can, 8 elsewhere, and looked at as UTF-8 only
 * where one of their bytes is not ASCII. Every function moves `at` behind what it took, or notes the problem
 * and its place and returns false. A problem at the end of the text means that the text was cut.
 */
#ifndef EVENT_JSON_LEX_H
#define EVENT_JSON_LEX_H

#include "base/buf.h"
#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct json_lex {
    struct sv text;
    size_t at;
    const char *problem;
    size_t problem_at;
    bool refuse_bad_utf8;
    bool bad_utf8; /* bytes that are not UTF-8 stand in a string */
};

struct json_string { /* between the quotes */
    struct sv bytes;
    bool escapes;
};

static inline bool json_lex_fail(struct json_lex *lex, size_t at, const char *problem)
{
    lex->problem = problem;
    lex->problem_at = at;
    return false;
}

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The next byte that is not white space, '\0' at the end. */
static inline char json_lex_next(struct json_lex *lex)
{
    while (lex->at < lex->text.n) {
        char c = lex->text.p[lex->at];
        if (TC_LIKELY(!json_is_space(c)))
            return c;
        lex->at++;
    }
    return '\0';
}

static inline char json_lex_peek(const struct json_lex *lex)
{
    return lex->at < lex->text.n ? lex->text.p[lex->at] : '\0';
}

/* --- strings --- */

#ifdef __SSE2__
enum { JSON_LEX_STEP = 16 };
/* Bit i of the result: byte i ends plain text (a quote, a backslash, a control character). Bit i of
 * *ret_high: byte i is not ASCII. */
static inline uint32_t json_lex_stops(const char *p, uint32_t *ret_high)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    *ret_high = (uint32_t)_mm_movemask_epi8(v);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
}
/* Copies JSON_LEX_STEP bytes; bit i of the result: byte i is a backslash. */
static inline uint32_t json_lex_copy(char *to, const char *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    _mm_storeu_si128((__m128i *)(void *)to, v);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
}
#else
enum { JSON_LEX_STEP = 8 };
static inline uint32_t json_lex_bits(uint64_t high_bits)
{
    return (uint32_t)((high_bits >> 7) * UINT64_C(0x0102040810204080) >> 56);
}
/* The high bit of each byte of v that is zero; exact, without a borrow between bytes. */
static inline uint64_t json_lex_zeros(uint64_t v)
{
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    return ~(((v & low) + low) | v | low);
}
static inline uint32_t json_lex_stops(const char *p, uint32_t *ret_high)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), v = load_u64(p);
    uint64_t stops =
        json_lex_zeros(v ^ ones * '"') | json_lex_zeros(v ^ ones * '\\') | json_lex_zeros(v & ones * 0xE0);
    *ret_high = json_lex_bits(v & ones * 0x80);
    return json_lex_bits(stops);
}
static inline uint32_t json_lex_copy(char *to, const char *p)
{
    const uint64_t v = load_u64(p);
    store_u64(to, v);
    return json_lex_bits(json_lex_zeros(v ^ UINT64_C(0x0101010101010101) * '\\'));
}
#endif

/* Offset of the byte that ends plain text, or the end of the text. */
static inline size_t json_lex_plain(struct sv text, size_t at, bool *non_ascii)
{
    while (text.n - at >= JSON_LEX_STEP) {
        uint32_t high, stops = json_lex_stops(text.p + at, &high);
        if (stops != 0) {
            unsigned length = (unsigned)__builtin_ctz(stops);
            *non_ascii |= (high & ((1u << length) - 1)) != 0;
            return at + length;
        }
        *non_ascii |= high != 0;
        at += JSON_LEX_STEP;
    }
    for (; at < text.n; at++) {
        unsigned char c = (unsigned char)text.p[at];
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *non_ascii |= c >= 0x80;
    }
    return at;
}

static inline int json_hex4(const char *s)
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

/* *at is a backslash; moves behind the escape. */
static inline bool json_lex_escape(struct json_lex *lex, size_t *at)
{
    struct sv rest = sv_from(lex->text, *at);
    if (rest.n < 2)
        return json_lex_fail(lex, lex->text.n, "a string is not closed");
    if (rest.p[1] == 'u') {
        if (rest.n < 6)
            return json_lex_fail(lex, lex->text.n, "a string is not closed");
        if (json_hex4(rest.p + 2) < 0)
            return json_lex_fail(lex, *at, "\\u needs four hexadecimal digits");
        *at += 6;
        return true;
    }
    if (memchr("\"\\/bfnrt", rest.p[1], 8) == NULL)
        return json_lex_fail(lex, *at, "an unknown escape");
    *at += 2;
    return true;
}

static inline bool json_lex_utf8(struct json_lex *lex, struct sv bytes)
{
    size_t good = utf8_valid(bytes);
    if (good == bytes.n)
        return true;
    lex->bad_utf8 = true;
    return !lex->refuse_bad_utf8 ||
           json_lex_fail(lex, (size_t)(bytes.p - lex->text.p) + good, "a byte that is not UTF-8");
}

/* `at` is behind the opening quote; afterwards behind the closing one. */
static inline bool json_lex_string(struct json_lex *lex, struct json_string *ret)
{
    struct sv text = lex->text;
    size_t start = lex->at, at = start;
    bool non_ascii = false;
    ret->escapes = false;
    for (;;) {
        at = json_lex_plain(text, at, &non_ascii);
        if (TC_UNLIKELY(at >= text.n))
            return json_lex_fail(lex, at, "a string is not closed");
        if (TC_LIKELY(text.p[at] == '"'))
            break;
        if (text.p[at] != '\\')
            return json_lex_fail(lex, at, "a control character in a string must be escaped");
        ret->escapes = true;
        if (!json_lex_escape(lex, &at))
            return false;
    }
    ret->bytes = sv_make(text.p + start, at - start);
    lex->at = at + 1;
    return !non_ascii || json_lex_utf8(lex, ret->bytes);
}

/* --- numbers and words --- */

static inline bool json_lex_digits(struct json_lex *lex)
{
    size_t start = lex->at;
    while (lex->at < lex->text.n && lex->text.p[lex->at] >= '0' && lex->text.p[lex->at] <= '9')
        lex->at++;
    return lex->at > start;
}

static inline bool json_lex_number(struct json_lex *lex, struct sv *ret)
{
    size_t start = lex->at;
    if (json_lex_peek(lex) == '-')
        lex->at++;
    if (json_lex_peek(lex) == '0')
        lex->at++;
    else if (!json_lex_digits(lex))
        return json_lex_fail(lex, lex->at, "a number needs a digit here");
    if (json_lex_peek(lex) == '.') {
        lex->at++;
        if (!json_lex_digits(lex))
            return json_lex_fail(lex, lex->at, "a number needs a digit after its point");
    }
    if (json_lex_peek(lex) == 'e' || json_lex_peek(lex) == 'E') {
        lex->at++;
        if (json_lex_peek(lex) == '+' || json_lex_peek(lex) == '-')
            lex->at++;
        if (!json_lex_digits(lex))
            return json_lex_fail(lex, lex->at, "a number needs a digit in its exponent");
    }
    *ret = sv_make(lex->text.p + start, lex->at - start);
    return true;
}

static inline bool json_lex_word(struct json_lex *lex, struct sv word, struct sv *ret)
{
    struct sv rest = sv_from(lex->text, lex->at);
    if (!sv_starts(rest, word))
        return json_lex_fail(lex, sv_starts(word, rest) ? lex->text.n : lex->at, "a value is expected here");
    *ret = sv_head(rest, word.n);
    lex->at += word.n;
    return true;
}

#endif
