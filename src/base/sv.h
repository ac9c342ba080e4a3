/*
 * A string view: bytes that somebody else owns, not terminated, any byte allowed. Passed by value.
 */
#ifndef BASE_SV_H
#define BASE_SV_H

#include "base/tc.h"

#include <string.h>

struct sv {
    const char *p; /* may be NULL only where n is 0 */
    size_t n;      /* bytes */
};

#define SV(literal) ((struct sv){"" literal, sizeof(literal) - 1})
#define SV_FMT(view)                                                                                         \
    (int)(view).n, (view).p /* for "%.*s"; views longer than INT_MAX do not occur (bodies are bounded) */

static inline struct sv sv_of(const char *text)
{
    return (struct sv){text, text == NULL ? 0 : strlen(text)};
}
static inline struct sv sv_make(const char *p, size_t n)
{
    return (struct sv){p, n};
}
static inline bool sv_eq(struct sv a, struct sv b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool sv_is(struct sv a, const char *text)
{
    return sv_eq(a, sv_of(text));
}
static inline bool sv_starts(struct sv a, struct sv prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}
static inline bool sv_ends(struct sv a, struct sv suffix)
{
    return a.n >= suffix.n && (suffix.n == 0 || memcmp(a.p + a.n - suffix.n, suffix.p, suffix.n) == 0);
}
/* -1, 0, 1 by bytes, shorter first. */
static inline int sv_cmp(struct sv a, struct sv b)
{
    size_t n = TC_MIN(a.n, b.n);
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return c != 0 ? (c < 0 ? -1 : 1) : (a.n > b.n) - (a.n < b.n);
}
/* From byte `from` (clamped) to the end. */
static inline struct sv sv_from(struct sv a, size_t from)
{
    from = TC_MIN(from, a.n);
    return (struct sv){a.p == NULL ? NULL : a.p + from, a.n - from};
}
static inline struct sv sv_head(struct sv a, size_t n)
{
    return (struct sv){a.p, TC_MIN(n, a.n)};
}
/* Offset of the first `c`, or a.n. */
static inline size_t sv_find_char(struct sv a, char c)
{
    const char *at = a.n == 0 ? NULL : memchr(a.p, c, a.n);
    return at == NULL ? a.n : (size_t)(at - a.p);
}
/* Offset of the first `needle`, or a.n where it is absent. An empty needle is at 0. */
size_t sv_find(struct sv a, struct sv needle);
/* Without leading and trailing ASCII white space. */
struct sv sv_trim(struct sv a);
/* ASCII letters compared without case. */
bool sv_eq_nocase(struct sv a, struct sv b);
/* Cuts the part before the first `c` off *rest and returns it; without a `c`, all of it, and *rest becomes
 * empty. */
struct sv sv_cut(struct sv *rest, char c);
/* Cuts the next word off *rest, which is trimmed first; words end at a blank or a tab. Empty: there is none.
 */
struct sv sv_word(struct sv *rest);

#endif
