/*
 * Addresses to listen on, and those of peers: "127.0.0.1:5514" and "[::1]:5514" to socket addresses and back.
 * Literals only: a name that resolves elsewhere tomorrow is no address to listen on.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/sv.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t bytes;
};

enum { TC_ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN };

/* "ADDRESS:PORT", an IPv6 address in brackets, "localhost" for 127.0.0.1. TC_EINPUT otherwise. */
int address_parse(struct sv text, struct address *ret, struct err *err);
bool address_is_loopback(const struct address *address);
/* The address alone, without the port; an IPv4 address mapped into IPv6 is written as IPv4. Terminated;
 * returns its length. */
size_t address_format(const struct sockaddr_storage *storage, char out[TC_ADDRESS_TEXT_MAX]);
uint16_t address_port(const struct sockaddr_storage *storage);
/* http://user:password@host as http://user:xxxxx@host, for messages; terminated. */
struct sv address_shown_url(struct arena *arena, struct sv url);

#endif
