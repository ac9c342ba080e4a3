/*
 * Socket addresses as text; see address.h.
 */
#include "base/address.h"

#include "base/num.h"

#include <arpa/inet.h>

static const struct sockaddr_in *as_v4(const struct sockaddr_storage *storage)
{
    return (const void *)storage;
}

static const struct sockaddr_in6 *as_v6(const struct sockaddr_storage *storage)
{
    return (const void *)storage;
}

static bool fill(const char *host, uint16_t port, bool bracketed, struct address *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    *ret = (struct address){0};
    if (!bracketed && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        ret->bytes = sizeof v4;
        memcpy(&ret->storage, &v4, sizeof v4);
        return true;
    }
    if (!bracketed || inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return false;
    ret->bytes = sizeof v6;
    memcpy(&ret->storage, &v6, sizeof v6);
    return true;
}

int address_parse(struct sv text, struct address *ret, struct err *err)
{
    char host[TC_ADDRESS_TEXT_MAX];
    uint64_t port = 0;
    size_t colon = text.n;
    struct address address;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    struct sv name = sv_head(text, colon > 0 ? colon - 1 : 0);
    bool bracketed = sv_starts(name, SV("[")) && sv_ends(name, SV("]"));
    if (bracketed)
        name = sv_make(name.p + 1, name.n - 2);
    if (sv_is(name, "localhost"))
        name = SV("127.0.0.1");
    if (name.n > 0 && name.n < sizeof host && num_u64(sv_from(text, colon), 0, 65535, &port)) {
        memcpy(host, name.p, name.n);
        host[name.n] = '\0';
        if (fill(host, (uint16_t)port, bracketed, &address)) {
            *ret = address;
            return 0;
        }
    }
    return err_set(err, TC_EINPUT, "\"%.*s\" is not ADDRESS:PORT (as 127.0.0.1:5514 or [::1]:5514)",
                   SV_FMT(text));
}

bool address_is_loopback(const struct address *address)
{
    const struct sockaddr_storage *storage = &address->storage;
    if (storage->ss_family == AF_INET)
        return ntohl(as_v4(storage)->sin_addr.s_addr) >> 24 == 127;
    return storage->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&as_v6(storage)->sin6_addr);
}

size_t address_format(const struct sockaddr_storage *storage, char out[TC_ADDRESS_TEXT_MAX])
{
    const void *bytes = &as_v4(storage)->sin_addr;
    int family = storage->ss_family;
    if (family == AF_INET6) {
        const struct in6_addr *v6 = &as_v6(storage)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
        bytes = mapped ? (const void *)(v6->s6_addr + 12) : v6;
        family = mapped ? AF_INET : AF_INET6;
    }
    out[0] = '\0';
    if (family == AF_INET || family == AF_INET6)
        inet_ntop(family, bytes, out, TC_ADDRESS_TEXT_MAX);
    return strlen(out);
}

uint16_t address_port(const struct sockaddr_storage *storage)
{
    return ntohs(storage->ss_family == AF_INET6 ? as_v6(storage)->sin6_port : as_v4(storage)->sin_port);
}

struct sv address_shown_url(struct arena *arena, struct sv url)
{
    size_t scheme = sv_find(url, SV("://"));
    if (scheme == url.n)
        return arena_sv(arena, url);
    struct sv rest = sv_from(url, scheme + 3);
    struct sv authority = sv_head(rest, sv_find_char(rest, '/'));
    size_t at = authority.n;
    while (at > 0 && authority.p[at - 1] != '@')
        at--;
    struct sv user = sv_head(authority, at == 0 ? 0 : at - 1);
    size_t colon = sv_find_char(user, ':');
    if (at == 0 || colon == user.n)
        return arena_sv(arena, url);
    return arena_printf(arena, "%.*s%.*s:xxxxx@%.*s", SV_FMT(sv_head(url, scheme + 3)),
                        SV_FMT(sv_head(user, colon)), SV_FMT(sv_from(rest, at)));
}
