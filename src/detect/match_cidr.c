/*
 * Networks: does an address lie in a CIDR range?
 *
 * Both families are held as 16 bytes with IPv4 at its mapped place (::ffff:a.b.c.d), so an IPv4-mapped IPv6
 * address is its IPv4 address by construction. A value that is no address ("-", a host name, an address with
 * a port) is no match, never an error.
 */
#include "base/num.h"
#include "detect/match.h"

#include <arpa/inet.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool network_address(struct sv text, uint8_t ret[16], bool *ret_v4)
{
    char copy[INET6_ADDRSTRLEN + 1];
    bool colon = sv_find_char(text, ':') < text.n;
    if (colon)
        text = sv_head(text, sv_find_char(text, '%'));
    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (!colon) {
        memcpy(ret, mapped, sizeof mapped);
        *ret_v4 = true;
        return inet_pton(AF_INET, copy, ret + 12) == 1;
    }
    if (inet_pton(AF_INET6, copy, ret) != 1)
        return false;
    *ret_v4 = memcmp(ret, mapped, sizeof mapped) == 0;
    return true;
}

/* Are the first `bits` bits of both the same? */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (uint8_t)(a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

static bool host_bits_set(const struct network *network)
{
    uint8_t base[16] = {0};
    unsigned bytes = network->bits / 8, rest = network->bits % 8;
    memcpy(base, network->address, bytes);
    if (rest > 0)
        base[bytes] = (uint8_t)(network->address[bytes] & (0xFFu << (8 - rest)));
    return memcmp(base, network->address, sizeof base) != 0;
}

int network_parse(struct sv text, struct network *ret, struct err *err)
{
    struct network network;
    struct sv prefix = text, address = sv_cut(&prefix, '/');
    bool has_prefix = address.n < text.n, colon = sv_find_char(address, ':') < address.n;
    uint64_t bits = colon ? 128 : 32;
    if (!network_address(address, network.address, &network.v4))
        return err_set(err, TC_EINPUT, "\"%.*s\" is not an IP network", SV_FMT(sv_head(text, 80)));
    if (has_prefix && !num_u64(prefix, 0, bits, &bits))
        return err_set(err, TC_EINPUT, "\"%.*s\": the prefix length must be a number from 0 to %d",
                       SV_FMT(sv_head(text, 80)), colon ? 128 : 32);
    network.bits = (uint8_t)(colon ? bits : bits + 96);
    if (network.v4 && network.bits < 96)
        network.v4 = false; /* ::ffff:0:0/90 is a range of IPv6 around the mapped addresses */
    if (host_bits_set(&network))
        return err_set(err, TC_EINPUT, "\"%.*s\" has bits set beyond its prefix: write the network's address",
                       SV_FMT(sv_head(text, 80)));
    *ret = network;
    return 0;
}

bool network_holds(const struct network *network, struct sv value)
{
    uint8_t address[16];
    bool v4;
    return network_address(value, address, &v4) && v4 == network->v4 &&
           same_prefix(address, network->address, network->bits);
}
