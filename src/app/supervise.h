/*
 * What the server tells the supervisor that started it, by sd_notify's protocol: a datagram of KEY=VALUE
 * lines to the socket that NOTIFY_SOCKET names (a path, or @ and an abstract name).
 *
 * Without NOTIFY_SOCKET all of it does nothing. A message that cannot be sent is lost in silence: systemd
 * misses READY=1 and WATCHDOG=1 by itself, and says so.
 */
#ifndef APP_SUPERVISE_H
#define APP_SUPERVISE_H

#include "base/clk.h"

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment. Before threads
 * start, once. */
void supervise_open(void);
void supervise_close(void);

/* `status` is a line for `systemctl status`; NULL: none. Any thread. */
void supervise_ready(const char *status);
/* Before a reload begins; supervise_ready says that it is over. */
void supervise_reloading(const struct clk *clk);
void supervise_stopping(void);

/* How often supervise_alive must be called, half of what the supervisor waits; 0: no watchdog. */
int64_t supervise_interval_ns(void);
/* WATCHDOG=1: only to be said by who has looked that the work goes on. */
void supervise_alive(void);

#endif
