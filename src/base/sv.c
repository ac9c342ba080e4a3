/*
 * The string-view functions that are too long for the header.
 */
#include "base/sv.h"

#ifdef __SSE2__
#include <emmintrin.h>

/*
 * Sixteen starts at a time: where the needle's first and last bytes both fit, the middle is compared. For
 * needles of a few bytes in lines of a few hundred this is several times faster than memmem, which prepares
 * for worse.
 */
size_t sv_find(struct sv a, struct sv needle)
{
    if (needle.n == 0 || a.n < needle.n)
        return needle.n == 0 ? 0 : a.n;
    if (needle.n == 1)
        return sv_find_char(a, needle.p[0]);
    const __m128i first = _mm_set1_epi8(needle.p[0]), last = _mm_set1_epi8(needle.p[needle.n - 1]);
    size_t at = 0, starts = a.n - needle.n + 1;
    for (; at + 16 <= starts; at += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a.p + at));
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(a.p + at + needle.n - 1));
        unsigned mask =
            (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(x, first), _mm_cmpeq_epi8(y, last)));
        for (; mask != 0; mask &= mask - 1) {
            size_t start = at + (size_t)__builtin_ctz(mask);
            if (memcmp(a.p + start + 1, needle.p + 1, needle.n - 1) == 0)
                return start;
        }
    }
    for (; at < starts; at++)
        if (a.p[at] == needle.p[0] && memcmp(a.p + at, needle.p, needle.n) == 0)
            return at;
    return a.n;
}
#else
size_t sv_find(struct sv a, struct sv needle)
{
    if (needle.n == 0)
        return 0;
    const char *at = a.n < needle.n ? NULL : memmem(a.p, a.n, needle.p, needle.n);
    return at == NULL ? a.n : (size_t)(at - a.p);
}
#endif

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct sv sv_trim(struct sv a)
{
    while (a.n > 0 && is_space(a.p[0]))
        a = sv_from(a, 1);
    while (a.n > 0 && is_space(a.p[a.n - 1]))
        a.n--;
    return a;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool sv_eq_nocase(struct sv a, struct sv b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

struct sv sv_cut(struct sv *rest, char c)
{
    size_t at = sv_find_char(*rest, c);
    struct sv part = sv_head(*rest, at);
    *rest = sv_from(*rest, at + (at < rest->n));
    return part;
}

struct sv sv_word(struct sv *rest)
{
    *rest = sv_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    struct sv word = sv_head(*rest, n);
    *rest = sv_from(*rest, n);
    return word;
}
