/*
 * The string-view functions that are too long for the header.
 */
#include "base/sv.h"

size_t sv_find(struct sv a, struct sv needle)
{
    if (needle.n == 0)
        return 0;
    const char *at = a.n < needle.n ? NULL : memmem(a.p, a.n, needle.p, needle.n);
    return at == NULL ? a.n : (size_t)(at - a.p);
}

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
