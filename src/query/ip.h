/*
 * Ranges of addresses as ip("…") takes them: one address, a CIDR network, or FIRST-LAST; IPv4 and IPv6.
 */
#ifndef QUERY_IP_H
#define QUERY_IP_H

#include "base/sv.h"

struct ip_range {
    uint8_t first[16], last[16]; /* IPv4 as ::ffff:a.b.c.d */
};

TC_MUST_USE bool ip_range_parse(struct sv text, struct ip_range *ret);
/* All of `text` is an address in the range. */
bool ip_range_has(const struct ip_range *range, struct sv text);
/* Some address in `line` is in the range. */
bool ip_range_in_line(const struct ip_range *range, struct sv line);

#endif
