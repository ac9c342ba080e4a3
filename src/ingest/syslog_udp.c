/*
 * Datagrams by recvmmsg; see syslog_udp.h.
 *
 * The kernel tells its drops (SO_RXQ_OVFL) as a 32-bit running number with each datagram.
 */
#include "ingest/syslog_udp.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct datagram {
    struct sockaddr_storage peer;
    struct iovec part;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint32_t))];
    char bytes[TC_SYSLOG_DATAGRAM_BYTES];
};

struct syslog_udp {
    int fd;
    unsigned next, count; /* of the datagrams received last */
    uint32_t drops_seen;
    uint64_t drops;
    struct mmsghdr headers[TC_SYSLOG_DATAGRAMS];
    struct datagram datagrams[TC_SYSLOG_DATAGRAMS];
};

static void set_receive_buffer(int fd)
{
    int bytes = TC_SYSLOG_RECEIVE_BYTES, on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

int syslog_udp_open(const struct address *address, struct syslog_udp **ret, struct err *err)
{
    int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, "cannot make a socket for syslog over UDP");
    set_receive_buffer(fd);
    if (bind(fd, (const void *)&address->storage, address->bytes) != 0) {
        int rc = err_sys(err, "cannot listen for syslog on UDP port %u", address_port(&address->storage));
        close(fd);
        return rc;
    }
    struct syslog_udp *udp = tc_alloc(sizeof *udp);
    udp->fd = fd;
    *ret = udp;
    return 0;
}

void syslog_udp_close(struct syslog_udp **udp)
{
    if (*udp == NULL)
        return;
    close((*udp)->fd);
    free(*udp);
    *udp = NULL;
}

int syslog_udp_fd(const struct syslog_udp *udp)
{
    return udp->fd;
}

static void note_drops(struct syslog_udp *udp, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t drops;
            memcpy(&drops, CMSG_DATA(c), sizeof drops);
            udp->drops += (uint32_t)(drops - udp->drops_seen); /* wraps as the kernel's number does */
            udp->drops_seen = drops;
        }
}

static void receive_some(struct syslog_udp *udp)
{
    for (size_t i = 0; i < TC_SYSLOG_DATAGRAMS; i++) {
        struct datagram *d = &udp->datagrams[i];
        d->part = (struct iovec){d->bytes, sizeof d->bytes};
        udp->headers[i].msg_hdr = (struct msghdr){.msg_name = &d->peer,
                                                  .msg_namelen = sizeof d->peer,
                                                  .msg_iov = &d->part,
                                                  .msg_iovlen = 1,
                                                  .msg_control = d->control,
                                                  .msg_controllen = sizeof d->control};
    }
    int got = recvmmsg(udp->fd, udp->headers, TC_SYSLOG_DATAGRAMS, MSG_DONTWAIT, NULL);
    udp->next = 0;
    udp->count = got > 0 ? (unsigned)got : 0;
    for (unsigned i = 0; i < udp->count; i++)
        note_drops(udp, &udp->headers[i].msg_hdr);
}

int syslog_udp_next(struct syslog_udp *udp, bool receive, struct sv *ret,
                    const struct sockaddr_storage **ret_peer)
{
    if (udp->next == udp->count && receive)
        receive_some(udp);
    if (udp->next == udp->count)
        return 0;
    const struct datagram *d = &udp->datagrams[udp->next];
    *ret = sv_make(d->bytes, udp->headers[udp->next].msg_len);
    *ret_peer = &d->peer;
    udp->next++;
    return 1;
}

void syslog_udp_unread(struct syslog_udp *udp)
{
    tc_assert(udp->next > 0);
    udp->next--;
}

bool syslog_udp_held(const struct syslog_udp *udp)
{
    return udp->next < udp->count;
}

uint64_t syslog_udp_kernel_drops(const struct syslog_udp *udp)
{
    return udp->drops;
}
