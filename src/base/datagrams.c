/*
 * Datagrams by recvmmsg; see datagrams.h.
 *
 * The kernel tells its drops (SO_RXQ_OVFL) as a 32-bit running number with each datagram.
 */
#include "base/datagrams.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

struct datagram {
    struct sockaddr_storage peer;
    struct iovec part;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint32_t))];
    char bytes[TC_DATAGRAM_BYTES];
};

struct datagrams {
    int fd;
    char *path;           /* of a socket in the file system; NULL: UDP */
    unsigned next, count; /* of the datagrams received last */
    uint32_t drops_seen;
    uint64_t drops;
    struct mmsghdr headers[TC_DATAGRAMS];
    struct datagram datagrams[TC_DATAGRAMS];
};

static void set_receive_buffer(int fd)
{
    int bytes = TC_DATAGRAM_RECEIVE_BYTES, on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

int datagrams_open_udp(const struct address *address, struct datagrams **ret, struct err *err)
{
    int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, "cannot make a socket for UDP");
    set_receive_buffer(fd);
    if (bind(fd, (const void *)&address->storage, address->bytes) != 0) {
        int rc = err_sys(err, "cannot listen on UDP port %u", address_port(&address->storage));
        close(fd);
        return rc;
    }
    struct datagrams *datagrams = tc_alloc(sizeof *datagrams);
    datagrams->fd = fd;
    *ret = datagrams;
    return 0;
}

/* Whether somebody listens there. */
static bool is_in_use(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool in_use = fd >= 0 && connect(fd, (const void *)at, sizeof *at) == 0;
    if (fd >= 0)
        close(fd);
    return in_use;
}

int datagrams_open_unix(const char *path, struct datagrams **ret, struct err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat stat;
    if (strlen(path) >= sizeof at.sun_path)
        return err_set(err, TC_EINPUT, "the path of a socket has at most %zu bytes: %s",
                       sizeof at.sun_path - 1, path);
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, "cannot make a socket for %s", path);
    set_receive_buffer(fd);
    if (lstat(path, &stat) == 0 && S_ISSOCK(stat.st_mode) && !is_in_use(&at))
        unlink(path);
    if (bind(fd, (const void *)&at, sizeof at) != 0 || chmod(path, 0666) != 0) {
        int rc = err_sys(err, "cannot listen on %s", path);
        close(fd);
        return rc;
    }
    struct datagrams *datagrams = tc_alloc(sizeof *datagrams);
    datagrams->fd = fd;
    datagrams->path = tc_strdup(path);
    *ret = datagrams;
    return 0;
}

void datagrams_close(struct datagrams **datagrams)
{
    if (*datagrams == NULL)
        return;
    close((*datagrams)->fd);
    if ((*datagrams)->path != NULL)
        unlink((*datagrams)->path);
    free((*datagrams)->path);
    free(*datagrams);
    *datagrams = NULL;
}

int datagrams_fd(const struct datagrams *datagrams)
{
    return datagrams->fd;
}

static void note_drops(struct datagrams *datagrams, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t drops;
            memcpy(&drops, CMSG_DATA(c), sizeof drops);
            datagrams->drops +=
                (uint32_t)(drops - datagrams->drops_seen); /* wraps as the kernel's number does */
            datagrams->drops_seen = drops;
        }
}

static void receive_some(struct datagrams *datagrams)
{
    for (size_t i = 0; i < TC_DATAGRAMS; i++) {
        struct datagram *d = &datagrams->datagrams[i];
        d->part = (struct iovec){d->bytes, sizeof d->bytes};
        datagrams->headers[i].msg_hdr = (struct msghdr){.msg_name = &d->peer,
                                                        .msg_namelen = sizeof d->peer,
                                                        .msg_iov = &d->part,
                                                        .msg_iovlen = 1,
                                                        .msg_control = d->control,
                                                        .msg_controllen = sizeof d->control};
    }
    int got = recvmmsg(datagrams->fd, datagrams->headers, TC_DATAGRAMS, MSG_DONTWAIT, NULL);
    datagrams->next = 0;
    datagrams->count = got > 0 ? (unsigned)got : 0;
    for (unsigned i = 0; i < datagrams->count; i++)
        note_drops(datagrams, &datagrams->headers[i].msg_hdr);
}

int datagrams_next(struct datagrams *datagrams, bool receive, struct sv *ret,
                   const struct sockaddr_storage **ret_peer)
{
    if (datagrams->next == datagrams->count && receive)
        receive_some(datagrams);
    if (datagrams->next == datagrams->count)
        return 0;
    const struct datagram *d = &datagrams->datagrams[datagrams->next];
    *ret = sv_make(d->bytes, datagrams->headers[datagrams->next].msg_len);
    *ret_peer = &d->peer;
    datagrams->next++;
    return 1;
}

void datagrams_unread(struct datagrams *datagrams)
{
    tc_assert(datagrams->next > 0);
    datagrams->next--;
}

bool datagrams_held(const struct datagrams *datagrams)
{
    return datagrams->next < datagrams->count;
}

uint64_t datagrams_kernel_drops(const struct datagrams *datagrams)
{
    return datagrams->drops;
}
