/*
 * The syslog door: RFC 5424 and RFC 3164 over UDP and TCP (RFC 6587, both framings).
 *
 * One thread, one epoll loop. What is readable in one round becomes one batch, made durable without waiting
 * (outlet.h). A record's source is "syslog:udp:<address>" or "syslog:tcp:<address>" of the peer; past
 * TC_SYSLOG_SOURCES addresses, "syslog:udp:other" and "syslog:tcp:other".
 *
 * Promises, and no more: TCP is best effort with back-pressure (while the journal is full nothing is read; a
 * sender that has written to a socket is never told what became of it), UDP is fire and forget (dropped and
 * counted while the journal is full, and counted where the kernel dropped). On stop no connection is cut off:
 * each is half-closed, what its sender had written is still read, and a sender that looks (rsyslog,
 * syslog-ng) keeps the rest for the next start.
 */
#ifndef INGEST_SYSLOG_LISTENER_H
#define INGEST_SYSLOG_LISTENER_H

#include "ingest/outlet.h"

enum {
    TC_SYSLOG_CONNECTIONS = 1000,
    TC_SYSLOG_SOURCES = 4096,
    TC_SYSLOG_HELD_BYTES = 128 << 20, /* of unfinished messages, over all connections */
    TC_SYSLOG_IDLE_S = 3600,          /* a connection that says nothing */
    TC_SYSLOG_STUCK_S = 60,           /* a connection that stops in the middle of a message */
};

struct syslog_options {
    const struct clk *clk;
    struct intake *intake;
    const struct parser *parser;
    int zone_offset_s;         /* for time stamps without zone */
    const char *udp;           /* ADDRESS:PORT; NULL: not over UDP */
    const char *tcp;           /* ADDRESS:PORT; NULL: not over TCP */
    bool allow_plaintext;      /* else anything but loopback is refused (TC_EINPUT) */
    int64_t idle_ns, stuck_ns; /* 0: the above */
    /* As in outlet.h; called on the listener's thread. */
    int (*append)(void *context, const struct intake_batch *batch, outlet_done_fn done, void *done_context,
                  struct err *err);
    void *context;
};

struct syslog_listener;
/* Binds both, then starts the thread. */
int syslog_listener_start(const struct syslog_options *options, struct syslog_listener **ret,
                          struct err *err);
/* Reads out what has come, waits until the journal has it (at most some seconds), ends the thread. NULL is
 * fine. */
void syslog_listener_stop(struct syslog_listener **listener);
/* The bound ports; 0 where not open. */
uint16_t syslog_listener_udp_port(const struct syslog_listener *listener);
uint16_t syslog_listener_tcp_port(const struct syslog_listener *listener);

struct syslog_stats {
    uint64_t udp_messages, tcp_messages;                /* taken */
    uint64_t udp_dropped;                               /* read and given up while the journal was full */
    uint64_t udp_kernel_dropped;                        /* given up by the kernel, its buffer being full */
    uint64_t connections_accepted, connections_refused; /* refused: the table was full */
    uint64_t connections_timed_out, connections_over_bound;
    uint64_t broken_frames; /* connections that ended or stuck in the middle of a counted message */
    uint64_t other_sources; /* messages or connections named "other" */
    uint64_t connections, held_bytes, waiting; /* now; waiting: 1 while the journal takes nothing */
    struct outlet_stats outlet;
};
void syslog_listener_stats(const struct syslog_listener *listener, struct syslog_stats *ret); /* any thread */

#endif
