/*
 * Finding the handler of a request; see router.h. The table is short, so it is walked row by row: a row that
 * fits by path but not by method is remembered for the Allow header.
 */
#include "api/router.h"

#include <stdio.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at `at` stands for, or -1 where it is broken or a NUL (no name of ours holds one,
 * and C strings downstream would end at it). */
static int decode_escape(struct sv text, size_t at)
{
    if (text.n - at < 3)
        return -1;
    int high = hex_digit(text.p[at + 1]), low = hex_digit(text.p[at + 2]);
    return high < 0 || low < 0 || (high == 0 && low == 0) ? -1 : high << 4 | low;
}

bool router_decode(struct sv encoded, char *out, size_t size, size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < encoded.n; i++) {
        int byte = (unsigned char)encoded.p[i];
        if (byte == '%') {
            byte = decode_escape(encoded, i);
            i += 2;
        }
        if (byte <= 0 || n >= size)
            return false;
        out[n++] = (char)byte;
    }
    *ret_n = n;
    return true;
}

static bool well_encoded(struct sv path)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '\0' || (path.p[i] == '%' && decode_escape(path, i) < 0))
            return false;
    return path.n > 0 && path.p[0] == '/';
}

static bool take_param(struct sv part, struct route_match *match)
{
    size_t at = match->param_count, n;
    if (part.n == 0 || at >= TC_ROUTE_PARAMS_MAX ||
        !router_decode(part, match->text[at], TC_ROUTE_PARAM_BYTES, &n))
        return false;
    match->params[at] = sv_make(match->text[at], n);
    match->param_count++;
    return true;
}

static bool path_fits(struct sv pattern, struct sv path, struct route_match *match)
{
    match->param_count = 0;
    while (pattern.n > 0 && path.n > 0) {
        pattern = sv_from(pattern, 1); /* the slash that each part begins with */
        path = sv_from(path, 1);
        size_t want_n = sv_find_char(pattern, '/'), have_n = sv_find_char(path, '/');
        struct sv want = sv_head(pattern, want_n), have = sv_head(path, have_n);
        if (sv_ends(want, SV("*}")))
            return take_param(path, match);
        if (sv_starts(want, SV("{")) ? !take_param(have, match) : !sv_eq(want, have))
            return false;
        pattern = sv_from(pattern, want_n);
        path = sv_from(path, have_n);
    }
    return pattern.n == 0 && path.n == 0;
}

static void allow_add(char allow[TC_ROUTE_ALLOW_MAX], const char *method)
{
    size_t n = strlen(allow);
    const char *text = strcmp(method, "GET") == 0 ? "GET, HEAD" : method;
    snprintf(allow + n, TC_ROUTE_ALLOW_MAX - n, "%s%s", n == 0 ? "" : ", ", text);
}

unsigned router_find(const struct route *table, struct sv method, struct sv path, struct route_match *ret)
{
    if (!well_encoded(path))
        return 400;
    if (sv_is(method, "HEAD"))
        method = SV("GET");
    ret->allow[0] = '\0';
    for (const struct route *route = table; route->method != NULL; route++) {
        if (!path_fits(sv_of(route->pattern), path, ret))
            continue;
        if (sv_is(method, route->method)) {
            ret->route = route;
            return 200;
        }
        allow_add(ret->allow, route->method);
    }
    return ret->allow[0] != '\0' ? 405 : 404;
}
