/*
 * Connections' bounds; see connections.h. A connection is only shut down here; the library then sees its end
 * and closes it, and takes it out of the list before the descriptor can be another's.
 */
#include "api/connections.h"

#include "base/arena.h"
#include "base/clk.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void address_of(const struct sockaddr *from, unsigned char to[16])
{
    memset(to, 0, 16);
    if (from != NULL && from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        memcpy(to, mapped, sizeof mapped);
        memcpy(to + 12, &v4.sin_addr, 4);
    } else if (from != NULL && from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(to, &v6.sin6_addr, 16);
    }
}

static bool is_loopback(const unsigned char address[16])
{
    static const unsigned char one[16] = {[15] = 1};
    return memcmp(address, one, 16) == 0 || (memcmp(address, mapped, 12) == 0 && address[12] == 127);
}

void connections_init(struct connections *c)
{
    *c = (struct connections){0};
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->emptied, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void connections_fini(struct connections *c)
{
    while (c->first != NULL)
        connections_remove(c, c->first);
    pthread_cond_destroy(&c->emptied);
    pthread_mutex_destroy(&c->lock);
}

bool connections_admit(struct connections *c, const struct sockaddr *from)
{
    unsigned char address[16];
    unsigned same = 0;
    address_of(from, address);
    if (is_loopback(address))
        return true;
    pthread_mutex_lock(&c->lock);
    for (const struct connection *one = c->first; one != NULL; one = one->next)
        same += memcmp(one->address, address, sizeof address) == 0;
    bool good = same < TC_API_PER_ADDRESS;
    c->refused += !good;
    pthread_mutex_unlock(&c->lock);
    return good;
}

struct connection *connections_add(struct connections *c, int fd, const struct sockaddr *address,
                                   int64_t now_ns)
{
    struct connection *one = tc_alloc(sizeof *one);
    one->fd = fd;
    one->since_ns = now_ns;
    address_of(address, one->address);
    pthread_mutex_lock(&c->lock);
    one->next = c->first;
    if (one->next != NULL)
        one->next->previous = one;
    c->first = one;
    c->count++;
    pthread_mutex_unlock(&c->lock);
    return one;
}

void connections_remove(struct connections *c, struct connection *one)
{
    pthread_mutex_lock(&c->lock);
    if (one->previous != NULL)
        one->previous->next = one->next;
    else
        c->first = one->next;
    if (one->next != NULL)
        one->next->previous = one->previous;
    if (--c->count == 0)
        pthread_cond_broadcast(&c->emptied);
    pthread_mutex_unlock(&c->lock);
    free(one);
}

void connections_stage(struct connections *c, struct connection *one, enum connection_stage stage,
                       int64_t now_ns)
{
    pthread_mutex_lock(&c->lock);
    one->stage = stage;
    one->since_ns = now_ns;
    one->body_bytes = 0;
    pthread_mutex_unlock(&c->lock);
}

void connections_bytes(struct connections *c, struct connection *one, uint64_t n)
{
    pthread_mutex_lock(&c->lock);
    one->body_bytes += n;
    pthread_mutex_unlock(&c->lock);
}

static bool is_late(const struct connection *one, int64_t now_ns)
{
    int64_t took_s = (now_ns - one->since_ns) / TC_SECOND_NS;
    switch (one->stage) {
    case CONNECTION_HEAD:
        return took_s >= TC_API_HEAD_TIME_S;
    case CONNECTION_KEPT:
        return took_s >= TC_API_KEPT_TIME_S;
    case CONNECTION_BODY:
        return took_s >= TC_API_BODY_GRACE_S && one->body_bytes / (uint64_t)took_s < TC_API_BODY_RATE;
    case CONNECTION_ANSWER:
        break;
    }
    return false;
}

void connections_sweep(struct connections *c, int64_t now_ns)
{
    pthread_mutex_lock(&c->lock);
    for (struct connection *one = c->first; one != NULL; one = one->next)
        if (!one->cut && is_late(one, now_ns)) {
            one->cut = true;
            c->timed_out++;
            shutdown(one->fd, SHUT_RDWR);
        }
    pthread_mutex_unlock(&c->lock);
}

void connections_end(struct connections *c, int64_t at_most_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + at_most_ns;
    until.tv_sec += (time_t)(ns / TC_SECOND_NS);
    until.tv_nsec = (long)(ns % TC_SECOND_NS);
    pthread_mutex_lock(&c->lock);
    for (struct connection *one = c->first; one != NULL; one = one->next) {
        one->cut = true;
        shutdown(one->fd, SHUT_RDWR);
    }
    while (c->count > 0 && pthread_cond_timedwait(&c->emptied, &c->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&c->lock);
}
