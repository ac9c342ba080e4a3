/*
 * Receiving datagrams many at a time, and knowing how many the kernel threw away.
 */
#ifndef INGEST_SYSLOG_UDP_H
#define INGEST_SYSLOG_UDP_H

#include "base/address.h"

enum { TC_SYSLOG_DATAGRAMS = 64, TC_SYSLOG_DATAGRAM_BYTES = 64 << 10, TC_SYSLOG_RECEIVE_BYTES = 4 << 20 };

struct syslog_udp;
/* Binds; asks the kernel for a receive buffer of 4 MiB (it may give less). */
int syslog_udp_open(const struct address *address, struct syslog_udp **ret, struct err *err);
void syslog_udp_close(struct syslog_udp **udp);
int syslog_udp_fd(const struct syslog_udp *udp);
/* The next datagram, received now where none is left from the last time. 1 with *ret (lent until the next
 * call) and *ret_peer; 0 where there is none. `receive` false: only what was received before. */
int syslog_udp_next(struct syslog_udp *udp, bool receive, struct sv *ret,
                    const struct sockaddr_storage **ret_peer);
/* Puts the one that was just given back: the next call gives it again. */
void syslog_udp_unread(struct syslog_udp *udp);
bool syslog_udp_held(const struct syslog_udp *udp); /* some were received and not given yet */
/* Datagrams that the kernel dropped since the socket was opened, as of the last one received. */
uint64_t syslog_udp_kernel_drops(const struct syslog_udp *udp);

#endif
