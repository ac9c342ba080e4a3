/*
 * The syslog door; see syslog_listener.h.
 *
 * Two epoll sets: all of TCP (the listening socket and the connections) lies in one of its own, which is one
 * member of the loop's. So back-pressure is one call, whatever the number of connections: the set is no
 * longer watched, and the kernel's windows fill.
 *
 *   outlet says   TCP        UDP
 *   OPEN          read       read
 *   BUSY          not read   not read (its buffer in the kernel holds for the moment)
 *   FULL          not read   read, dropped, counted
 *
 * At most one message is in hand when the outlet stops taking: it is kept in `stalled`, with the unread rest
 * of what was received after it, and goes first when things move again.
 */
#include "ingest/syslog_listener.h"

#include "base/address.h"
#include "base/datagrams.h"
#include "base/log.h"
#include "base/map.h"
#include "ingest/syslog_frame.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 << 10,
    ROUND_CONNECTIONS = 256, /* read in one round */
    ROUND_DATAGRAMS = 1024,
    ROUND_ACCEPTS = 64,
    WAIT_MS = 200,     /* the loop looks at its clock so often */
    RETRY_MS = 50,     /* while the journal refuses */
    QUIET_MS = 150,    /* on stop: no byte for so long, and all is read */
    DRAIN_S = 5,       /* on stop: at most */
    SOURCE_BYTES = 64, /* "syslog:tcp:" and an address */
    BACKLOG = 128,
    DRAIN_DATAGRAM_ROUNDS = 64,
};

enum { WATCH_WAKE, WATCH_UDP, WATCH_TCP };
#define WATCH_LISTEN UINT64_MAX /* in the TCP set; else a slot */

struct connection {
    int fd;
    size_t slot;
    struct syslog_frame frame;
    char source[SOURCE_BYTES];
    int64_t heard_ns;     /* monotonic: when it last said something */
    size_t counted_bytes; /* its part of held_bytes */
};

struct stalled {
    struct connection *connection; /* NULL: nothing is in hand */
    struct split_record record;
    struct sv rest;
    bool ended; /* it was the connection's last */
};

struct syslog_listener {
    struct syslog_options options;
    struct outlet *outlet;
    int loop_fd, tcp_set_fd, wake_fd, listen_fd;
    struct datagrams *udp;
    uint16_t udp_port, tcp_port;
    enum outlet_state state;
    struct connection *connections[TC_SYSLOG_CONNECTIONS];
    struct map sources; /* addresses seen */
    struct stalled stalled;
    int64_t looked_ns; /* when the connections' times were last looked at */
    bool listening;    /* the listening socket is watched */
    pthread_t thread;
    atomic_bool stop;
    atomic_ullong udp_messages, tcp_messages, udp_dropped, udp_kernel_dropped, accepted, refused, timed_out,
        over_bound, broken_frames, other_sources, connection_count, held_bytes, waiting;
    char read_bytes[READ_BYTES];
};

/* --- small things ----------------------------------------------------------------------------------------
 */

static int64_t now_ns(const struct syslog_listener *l)
{
    return clk_monotonic_ns(l->options.clk);
}

static int watch(int set_fd, int operation, int fd, uint64_t data, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.u64 = data};
    return epoll_ctl(set_fd, operation, fd, &event);
}

static void set_state(struct syslog_listener *l, enum outlet_state state)
{
    if (state == l->state)
        return;
    watch(l->loop_fd, EPOLL_CTL_MOD, l->tcp_set_fd, WATCH_TCP, state == OUTLET_OPEN);
    if (l->udp != NULL)
        watch(l->loop_fd, EPOLL_CTL_MOD, datagrams_fd(l->udp), WATCH_UDP, state != OUTLET_BUSY);
    l->state = state;
    l->waiting = state != OUTLET_OPEN;
}

static void name_source(struct syslog_listener *l, const char *protocol, const struct sockaddr_storage *peer,
                        char out[SOURCE_BYTES])
{
    char address[TC_ADDRESS_TEXT_MAX];
    struct sv text = {address, address_format(peer, address)};
    bool known = text.n > 0 && map_put(&l->sources, text, NULL) != NULL;
    l->other_sources += !known;
    struct buf name;
    buf_init(&name, SOURCE_BYTES - 1);
    buf_printf(&name, "syslog:%s:%s", protocol, known ? address : "other");
    memcpy(out, name.p, name.n);
    out[name.n] = '\0';
    buf_free(&name);
}

/* --- connections -----------------------------------------------------------------------------------------
 */

static void connection_close(struct syslog_listener *l, struct connection *c)
{
    l->connections[c->slot] = NULL;
    l->connection_count--;
    l->held_bytes -= c->counted_bytes;
    close(c->fd); /* leaves its epoll set with it */
    syslog_frame_free(&c->frame);
    free(c);
}

static bool connection_take(struct syslog_listener *l, struct connection *c,
                            const struct split_record *record)
{
    int rc = outlet_take(l->outlet, l->options.parser, sv_of(c->source), record->line,
                         l->options.zone_offset_s, record);
    l->tcp_messages += rc == 0;
    return rc != TC_EAGAIN;
}

/* False where the outlet took no more: the rest is in l->stalled. */
static bool connection_feed(struct syslog_listener *l, struct connection *c, struct sv bytes)
{
    struct split_record record;
    while (syslog_frame_next(&c->frame, &bytes, &record) == 1)
        if (!connection_take(l, c, &record)) {
            l->stalled = (struct stalled){.connection = c, .record = record, .rest = bytes};
            return false;
        }
    return true;
}

/* After a feed: the memory that its unfinished message takes, within the bound over all. */
static void connection_weigh(struct syslog_listener *l, struct connection *c)
{
    syslog_frame_release(&c->frame);
    l->held_bytes += c->frame.held.capacity;
    l->held_bytes -= c->counted_bytes;
    c->counted_bytes = c->frame.held.capacity;
    if (l->held_bytes > TC_SYSLOG_HELD_BYTES && c->counted_bytes > TC_EVENT_CUT_BYTES) {
        l->over_bound++;
        connection_close(l, c);
    }
}

/* What an ended (or given up) connection leaves is kept: its last line, or the broken message. */
static void connection_end(struct syslog_listener *l, struct connection *c)
{
    struct split_record record;
    bool broken = false;
    if (syslog_frame_end(&c->frame, &record, &broken) == 1 && !connection_take(l, c, &record))
        l->stalled = (struct stalled){.connection = c, .record = record, .ended = true};
    l->broken_frames += broken;
    if (l->stalled.connection != c)
        connection_close(l, c);
}

static void connection_read(struct syslog_listener *l, struct connection *c)
{
    ssize_t got = recv(c->fd, l->read_bytes, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        connection_end(l, c);
        return;
    }
    c->heard_ns = now_ns(l);
    if (connection_feed(l, c, sv_make(l->read_bytes, (size_t)got)))
        connection_weigh(l, c);
}

/* The message in hand, then what was received after it. */
static void resume_stalled(struct syslog_listener *l)
{
    struct stalled s = l->stalled;
    if (s.connection == NULL || !connection_take(l, s.connection, &s.record))
        return;
    l->stalled = (struct stalled){0};
    if (s.ended)
        connection_close(l, s.connection);
    else if (connection_feed(l, s.connection, s.rest))
        connection_weigh(l, s.connection);
}

static void connection_open(struct syslog_listener *l, int fd, const struct sockaddr_storage *peer)
{
    size_t slot = 0;
    int on = 1;
    while (slot < TC_SYSLOG_CONNECTIONS && l->connections[slot] != NULL)
        slot++;
    if (slot == TC_SYSLOG_CONNECTIONS || watch(l->tcp_set_fd, EPOLL_CTL_ADD, fd, slot, true) != 0) {
        l->refused++;
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    struct connection *c = tc_alloc(sizeof *c);
    c->fd = fd;
    c->slot = slot;
    c->heard_ns = now_ns(l);
    name_source(l, "tcp", peer, c->source);
    syslog_frame_init(&c->frame);
    l->connections[slot] = c;
    l->connection_count++;
    l->accepted++;
}

static void accept_some(struct syslog_listener *l)
{
    for (int i = 0; i < ROUND_ACCEPTS; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t bytes = sizeof peer;
        int fd = accept4(l->listen_fd, (void *)&peer, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_open(l, fd, &peer);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            /* No descriptor left: not watched until the next look, else the loop would spin. */
            if (errno != EAGAIN)
                l->listening = watch(l->tcp_set_fd, EPOLL_CTL_MOD, l->listen_fd, WATCH_LISTEN, false) != 0;
            return;
        }
    }
}

/* --- rounds ----------------------------------------------------------------------------------------------
 */

static int tcp_round(struct syslog_listener *l, int wait_ms)
{
    struct epoll_event events[ROUND_CONNECTIONS];
    int count = epoll_wait(l->tcp_set_fd, events, ROUND_CONNECTIONS, wait_ms);
    for (int i = 0; i < count && l->stalled.connection == NULL; i++) {
        uint64_t slot = events[i].data.u64;
        if (slot == WATCH_LISTEN)
            accept_some(l);
        else if (l->connections[slot] != NULL)
            connection_read(l, l->connections[slot]);
    }
    return count;
}

/* False where the outlet took it not. */
static bool udp_take(struct syslog_listener *l, struct sv bytes, const struct sockaddr_storage *peer)
{
    char source[SOURCE_BYTES];
    while (bytes.n > 0 && (bytes.p[bytes.n - 1] == '\n' || bytes.p[bytes.n - 1] == '\0'))
        bytes.n--;
    if (bytes.n == 0)
        return true;
    name_source(l, "udp", peer, source);
    struct split_record record = {.raw = bytes, .line = l->udp_messages + 1, .full_bytes = bytes.n};
    int rc = outlet_take(l->outlet, l->options.parser, sv_of(source), record.line, l->options.zone_offset_s,
                         &record);
    l->udp_messages += rc == 0;
    return rc != TC_EAGAIN;
}

static int udp_round(struct syslog_listener *l)
{
    struct sv bytes;
    const struct sockaddr_storage *peer;
    int count = 0;
    while (l->state != OUTLET_BUSY && datagrams_next(l->udp, count < ROUND_DATAGRAMS, &bytes, &peer) == 1) {
        count++;
        if (l->state == OUTLET_FULL) {
            l->udp_dropped++;
        } else if (!udp_take(l, bytes, peer)) {
            datagrams_unread(l->udp);
            set_state(l, outlet_flush(l->outlet));
        }
    }
    l->udp_kernel_dropped = datagrams_kernel_drops(l->udp);
    return count;
}

static bool is_over(const struct syslog_listener *l, const struct connection *c)
{
    char byte;
    int64_t silent_ns = now_ns(l) - c->heard_ns;
    int64_t limit_ns = syslog_frame_unfinished(&c->frame) ? l->options.stuck_ns : l->options.idle_ns;
    /* What waits unread is our doing, not its. */
    return silent_ns > limit_ns && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static void look_at_times(struct syslog_listener *l)
{
    if (l->state != OUTLET_OPEN || now_ns(l) - l->looked_ns < WAIT_MS * (TC_SECOND_NS / 1000))
        return;
    l->looked_ns = now_ns(l);
    if (!l->listening && l->listen_fd >= 0)
        l->listening = watch(l->tcp_set_fd, EPOLL_CTL_MOD, l->listen_fd, WATCH_LISTEN, true) == 0;
    for (size_t i = 0; i < TC_SYSLOG_CONNECTIONS && l->stalled.connection == NULL; i++)
        if (l->connections[i] != NULL && is_over(l, l->connections[i])) {
            l->timed_out++;
            connection_end(l, l->connections[i]);
        }
}

static void end_round(struct syslog_listener *l)
{
    set_state(l, outlet_flush(l->outlet));
    while (l->state == OUTLET_OPEN && l->stalled.connection != NULL) {
        resume_stalled(l);
        set_state(l, outlet_flush(l->outlet));
    }
}

static int wait_ms(const struct syslog_listener *l)
{
    if (l->udp != NULL && l->state == OUTLET_OPEN && datagrams_held(l->udp))
        return 0;
    return l->state == OUTLET_FULL ? RETRY_MS : WAIT_MS;
}

static void loop_round(struct syslog_listener *l)
{
    struct epoll_event events[4];
    int count = epoll_wait(l->loop_fd, events, (int)TC_ARRAY_LEN(events), wait_ms(l));
    for (int i = 0; i < count; i++) {
        uint64_t landed;
        if (events[i].data.u64 == WATCH_TCP && l->state == OUTLET_OPEN)
            tcp_round(l, 0);
        else if (events[i].data.u64 == WATCH_WAKE && read(l->wake_fd, &landed, sizeof landed) < 0)
            continue; /* it was read before: nothing to do */
    }
    if (l->udp != NULL)
        udp_round(l);
    end_round(l);
    look_at_times(l);
}

/* --- stop ------------------------------------------------------------------------------------------------
 */

static void close_listening(struct syslog_listener *l)
{
    if (l->listen_fd >= 0)
        close(l->listen_fd);
    l->listen_fd = -1;
}

/* Waits a moment where the outlet takes nothing; false past the deadline. */
static bool drain_wait(struct syslog_listener *l, int64_t deadline_ns)
{
    struct pollfd wake = {.fd = l->wake_fd, .events = POLLIN};
    uint64_t landed;
    if (now_ns(l) > deadline_ns)
        return false;
    if (l->state != OUTLET_OPEN && poll(&wake, 1, RETRY_MS) > 0 &&
        read(l->wake_fd, &landed, sizeof landed) < 0 && errno != EAGAIN)
        return false;
    end_round(l);
    return true;
}

/* What the kernel has of datagrams, once. */
static void drain_udp(struct syslog_listener *l)
{
    for (int i = 0; l->udp != NULL && i < DRAIN_DATAGRAM_ROUNDS && udp_round(l) > 0; i++)
        end_round(l);
}

/* What has ended or is given up leaves its last line. */
static void drain_unfinished(struct syslog_listener *l, int64_t deadline_ns)
{
    for (size_t i = 0; i < TC_SYSLOG_CONNECTIONS; i++)
        while (l->connections[i] != NULL && drain_wait(l, deadline_ns))
            if (l->state == OUTLET_OPEN && l->stalled.connection == NULL)
                connection_end(l, l->connections[i]);
    while (drain_wait(l, deadline_ns) && (l->state != OUTLET_OPEN || l->stalled.connection != NULL))
        continue;
}

/* The senders see the end of our side, and we go on reading theirs until they are quiet. */
static void drain(struct syslog_listener *l)
{
    int64_t deadline_ns = now_ns(l) + DRAIN_S * TC_SECOND_NS;
    bool quiet = false;
    if (l->listen_fd >= 0)
        accept_some(l); /* who has connected may have written, too */
    close_listening(l);
    for (size_t i = 0; i < TC_SYSLOG_CONNECTIONS; i++)
        if (l->connections[i] != NULL)
            shutdown(l->connections[i]->fd, SHUT_WR);
    drain_udp(l);
    while (!quiet && l->connection_count > 0 && drain_wait(l, deadline_ns))
        if (l->state == OUTLET_OPEN && l->stalled.connection == NULL)
            quiet = tcp_round(l, QUIET_MS) <= 0;
    drain_unfinished(l, deadline_ns);
    if (l->stalled.connection != NULL)
        log_error("syslog", "stopped while the journal takes nothing: messages that were received are lost");
}

static void *syslog_main(void *context)
{
    struct syslog_listener *l = context;
    while (!atomic_load(&l->stop))
        loop_round(l);
    drain(l);
    return NULL;
}

static void free_all(struct syslog_listener **listener)
{
    struct syslog_listener *l = *listener;
    for (size_t i = 0; i < TC_SYSLOG_CONNECTIONS; i++)
        if (l->connections[i] != NULL)
            connection_close(l, l->connections[i]);
    close_listening(l);
    outlet_free(&l->outlet); /* waits: it writes wake_fd until then */
    datagrams_close(&l->udp);
    const int fds[] = {l->loop_fd, l->tcp_set_fd, l->wake_fd};
    for (size_t i = 0; i < TC_ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    map_free(&l->sources);
    free(l);
    *listener = NULL;
}

void syslog_listener_stop(struct syslog_listener **listener)
{
    struct syslog_listener *l = *listener;
    if (l == NULL)
        return;
    atomic_store(&l->stop, true);
    ssize_t written = write(l->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* a counter that is full has woken already */
    pthread_join(l->thread, NULL);
    free_all(listener);
}

/* --- start -----------------------------------------------------------------------------------------------
 */

static int read_address(const struct syslog_options *o, const char *text, struct address *ret,
                        struct err *err)
{
    int rc = address_parse(sv_of(text), ret, err);
    if (rc != 0)
        return err_while(err, "syslog");
    if (!o->allow_plaintext && !address_is_loopback(ret))
        return err_set(err, TC_EINPUT,
                       "syslog on %s would take unencrypted messages from anyone who reaches it: listen on "
                       "loopback, or set syslog: {allow_plaintext: true}",
                       text);
    return 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t bytes = sizeof storage;
    return getsockname(fd, (void *)&storage, &bytes) == 0 ? address_port(&storage) : 0;
}

static int open_tcp(struct syslog_listener *l, struct err *err)
{
    struct address address;
    int on = 1;
    int rc = read_address(&l->options, l->options.tcp, &address, err);
    if (rc != 0)
        return rc;
    l->listen_fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->listen_fd < 0)
        return err_sys(err, "cannot make a socket for syslog over TCP");
    setsockopt(l->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l->listen_fd, (const void *)&address.storage, address.bytes) != 0 ||
        listen(l->listen_fd, BACKLOG) != 0 ||
        watch(l->tcp_set_fd, EPOLL_CTL_ADD, l->listen_fd, WATCH_LISTEN, true) != 0)
        return err_sys(err, "cannot listen for syslog on TCP %s", l->options.tcp);
    l->listening = true;
    l->tcp_port = bound_port(l->listen_fd);
    return 0;
}

static int open_udp(struct syslog_listener *l, struct err *err)
{
    struct address address;
    int rc = read_address(&l->options, l->options.udp, &address, err);
    if (rc == 0)
        rc = datagrams_open_udp(&address, &l->udp, err);
    if (rc != 0)
        return rc;
    if (watch(l->loop_fd, EPOLL_CTL_ADD, datagrams_fd(l->udp), WATCH_UDP, true) != 0)
        return err_sys(err, "cannot watch the UDP socket of syslog");
    l->udp_port = bound_port(datagrams_fd(l->udp));
    return 0;
}

static int open_loop(struct syslog_listener *l, struct err *err)
{
    l->loop_fd = epoll_create1(EPOLL_CLOEXEC);
    l->tcp_set_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->loop_fd < 0 || l->tcp_set_fd < 0 || l->wake_fd < 0 ||
        watch(l->loop_fd, EPOLL_CTL_ADD, l->wake_fd, WATCH_WAKE, true) != 0 ||
        watch(l->loop_fd, EPOLL_CTL_ADD, l->tcp_set_fd, WATCH_TCP, true) != 0)
        return err_sys(err, "cannot make the loop of syslog");
    return 0;
}

static int start_thread(struct syslog_listener *l, struct err *err)
{
    l->outlet = outlet_new(&(struct outlet_options){.intake = l->options.intake,
                                                    .append = l->options.append,
                                                    .context = l->options.context,
                                                    .wake_fd = l->wake_fd,
                                                    .room = "syslog"});
    int rc = pthread_create(&l->thread, NULL, syslog_main, l);
    if (rc == 0)
        return 0;
    errno = rc;
    return err_sys(err, "cannot start the thread of syslog");
}

int syslog_listener_start(const struct syslog_options *options, struct syslog_listener **ret, struct err *err)
{
    struct syslog_listener *l = tc_alloc(sizeof *l);
    l->options = *options;
    if (l->options.idle_ns == 0)
        l->options.idle_ns = TC_SYSLOG_IDLE_S * TC_SECOND_NS;
    if (l->options.stuck_ns == 0)
        l->options.stuck_ns = TC_SYSLOG_STUCK_S * TC_SECOND_NS;
    l->loop_fd = l->tcp_set_fd = l->wake_fd = l->listen_fd = -1;
    l->state = OUTLET_OPEN;
    map_init(&l->sources, TC_SYSLOG_SOURCES);
    int rc = open_loop(l, err);
    if (rc == 0 && options->tcp != NULL)
        rc = open_tcp(l, err);
    if (rc == 0 && options->udp != NULL)
        rc = open_udp(l, err);
    if (rc == 0)
        rc = start_thread(l, err);
    if (rc == 0)
        *ret = l;
    else
        free_all(&l);
    return rc;
}

uint16_t syslog_listener_udp_port(const struct syslog_listener *listener)
{
    return listener->udp_port;
}

uint16_t syslog_listener_tcp_port(const struct syslog_listener *listener)
{
    return listener->tcp_port;
}

void syslog_listener_stats(const struct syslog_listener *l, struct syslog_stats *ret)
{
    *ret = (struct syslog_stats){.udp_messages = l->udp_messages,
                                 .tcp_messages = l->tcp_messages,
                                 .udp_dropped = l->udp_dropped,
                                 .udp_kernel_dropped = l->udp_kernel_dropped,
                                 .connections_accepted = l->accepted,
                                 .connections_refused = l->refused,
                                 .connections_timed_out = l->timed_out,
                                 .connections_over_bound = l->over_bound,
                                 .broken_frames = l->broken_frames,
                                 .other_sources = l->other_sources,
                                 .connections = l->connection_count,
                                 .held_bytes = l->held_bytes,
                                 .waiting = l->waiting};
    outlet_stats(l->outlet, &ret->outlet);
}
