/*
 * Receiving datagrams many at a time, and knowing how many the kernel threw away.
 */
#ifndef BASE_DATAGRAMS_H
#define BASE_DATAGRAMS_H

#include "base/address.h"

enum { TC_DATAGRAMS = 64, TC_DATAGRAM_BYTES = 64 << 10, TC_DATAGRAM_RECEIVE_BYTES = 4 << 20 };

struct datagrams;
/* Binds; asks the kernel for a receive buffer of 4 MiB (it may give less). */
int datagrams_open_udp(const struct address *address, struct datagrams **ret, struct err *err);
/* The same of a socket in the file system (mode 0666, as senders are other users). A socket that lies there
 * and that nobody listens on is replaced. datagrams_close removes it. */
int datagrams_open_unix(const char *path, struct datagrams **ret, struct err *err);
void datagrams_close(struct datagrams **datagrams);
int datagrams_fd(const struct datagrams *datagrams);
/* The next datagram, received now where none is left from the last time. 1 with *ret (lent until the next
 * call) and *ret_peer; 0 where there is none. `receive` false: only what was received before. */
int datagrams_next(struct datagrams *datagrams, bool receive, struct sv *ret,
                   const struct sockaddr_storage **ret_peer);
/* Puts the one that was just given back: the next call gives it again. */
void datagrams_unread(struct datagrams *datagrams);
bool datagrams_held(const struct datagrams *datagrams); /* some were received and not given yet */
/* Datagrams that the kernel dropped since the socket was opened, as of the last one received. */
uint64_t datagrams_kernel_drops(const struct datagrams *datagrams);

#endif
