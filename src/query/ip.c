/*
 * Ranges of addresses; see ip.h. IPv4 is compared as the IPv6 address that it maps to.
 */
#include "query/ip.h"

#include "base/num.h"

#include <arpa/inet.h>

static bool parse_address(struct sv text, uint8_t out[16], bool *ret_v4)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    memset(out, 0, 16);
    out[10] = out[11] = 0xff;
    *ret_v4 = inet_pton(AF_INET, copy, out + 12) == 1;
    return *ret_v4 || inet_pton(AF_INET6, copy, out) == 1;
}

static void mask(struct ip_range *range, unsigned bits)
{
    memcpy(range->last, range->first, 16);
    for (unsigned i = bits; i < 128; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        range->first[i / 8] &= (uint8_t)~bit;
        range->last[i / 8] |= bit;
    }
}

bool ip_range_parse(struct sv text, struct ip_range *ret)
{
    bool v4, last_v4;
    size_t slash = sv_find_char(text, '/'), dash = sv_find_char(text, '-');
    uint64_t bits;
    if (slash < text.n) {
        if (!parse_address(sv_head(text, slash), ret->first, &v4) ||
            !num_u64(sv_from(text, slash + 1), 0, v4 ? 32 : 128, &bits))
            return false;
        mask(ret, (unsigned)bits + (v4 ? 96 : 0));
        return true;
    }
    if (dash < text.n)
        return parse_address(sv_head(text, dash), ret->first, &v4) &&
               parse_address(sv_from(text, dash + 1), ret->last, &last_v4) && v4 == last_v4 &&
               memcmp(ret->first, ret->last, 16) <= 0;
    if (!parse_address(text, ret->first, &v4))
        return false;
    memcpy(ret->last, ret->first, 16);
    return true;
}

bool ip_range_has(const struct ip_range *range, struct sv text)
{
    uint8_t address[16];
    bool v4;
    return parse_address(text, address, &v4) && memcmp(address, range->first, 16) >= 0 &&
           memcmp(address, range->last, 16) <= 0;
}

static bool is_address_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' || c == ':';
}

/* A run of an address' characters, perhaps with a port or a full stop behind it. */
static bool run_has(const struct ip_range *range, struct sv run)
{
    while (run.n > 0 && (run.p[run.n - 1] == '.' || (run.p[run.n - 1] == ':' && run.p[0] != ':')))
        run.n--;
    if (ip_range_has(range, run))
        return true;
    size_t colon = sv_find_char(run, ':');
    return colon < run.n && sv_find_char(sv_head(run, colon), '.') < colon &&
           ip_range_has(range, sv_head(run, colon));
}

bool ip_range_in_line(const struct ip_range *range, struct sv line)
{
    for (size_t at = 0; at < line.n;) {
        size_t end = at;
        while (end < line.n && is_address_char(line.p[end]))
            end++;
        if (end - at >= 2 && run_has(range, sv_make(line.p + at, end - at)))
            return true;
        at = end + 1;
    }
    return false;
}
