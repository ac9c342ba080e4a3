/*
 * Receiving Graphite's lines; see graphite_listener.h. One thread: what all connections had in a round goes
 * into the store at once.
 */
#include "metrics/graphite/graphite_listener.h"

#include "base/address.h"
#include "base/log.h"
#include "base/metric_text.h"
#include "metrics/graphite/graphite_line.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, BACKLOG = 64, WAIT_MS = 1000, RETRY_MS = 50 };

struct connection {
    int fd;
    char line[GRAPHITE_LINE_MAX]; /* the part of one that has come */
    size_t n;
    bool passing_over; /* a line that is too long */
};

struct graphite_listener {
    struct graphite_options options;
    int listen_fd, wake_fd;
    struct connection *connections[GRAPHITE_CONNECTIONS_MAX];
    size_t count;
    struct sample_list list; /* of the round; kept while the store takes nothing */
    unsigned source;
    atomic_bool ending;
    bool runs;
    pthread_t thread;
    atomic_ullong lines, malformed, refused, refused_connections, connections_now;
};

static void take_line(struct graphite_listener *l, struct sv line)
{
    line = sv_trim(line);
    if (line.n == 0)
        return;
    atomic_fetch_add(&l->lines, 1);
    if (!graphite_read(line, clk_now(l->options.clk).ns / 1000000, &l->list))
        atomic_fetch_add(&l->malformed, 1);
}

static void take_bytes(struct graphite_listener *l, struct connection *c, struct sv bytes)
{
    while (bytes.n > 0) {
        size_t end = sv_find_char(bytes, '\n');
        struct sv part = sv_head(bytes, end);
        bool whole = end < bytes.n;
        if (c->n + part.n > sizeof c->line) {
            c->passing_over = true;
            c->n = 0;
        } else if (!c->passing_over) {
            memcpy(c->line + c->n, part.p, part.n);
            c->n += part.n;
        }
        if (whole && c->passing_over) {
            atomic_fetch_add(&l->lines, 1);
            atomic_fetch_add(&l->malformed, 1);
        } else if (whole) {
            take_line(l, sv_make(c->line, c->n));
        }
        if (whole) {
            c->n = 0;
            c->passing_over = false;
        }
        bytes = sv_from(bytes, end + 1);
    }
}

static void drop(struct graphite_listener *l, size_t at)
{
    struct connection *c = l->connections[at];
    if (!c->passing_over)
        take_line(l, sv_make(c->line, c->n)); /* a last line without its end */
    close(c->fd);
    free(c);
    l->connections[at] = l->connections[--l->count];
}

/* False where the connection has ended. */
static bool read_some(struct graphite_listener *l, struct connection *c)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        take_bytes(l, c, sv_make(bytes, (size_t)n));
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void accept_all(struct graphite_listener *l)
{
    int fd;
    while ((fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (l->count == GRAPHITE_CONNECTIONS_MAX) {
            atomic_fetch_add(&l->refused_connections, 1);
            close(fd);
            continue;
        }
        l->connections[l->count] = tc_alloc(sizeof *l->connections[0]);
        l->connections[l->count++]->fd = fd;
    }
}

/* False where the store takes nothing now. */
static bool append(struct graphite_listener *l)
{
    struct sample_target target = {
        .tsdb = l->options.tsdb, .source = l->source, .now_ms = clk_now(l->options.clk).ns / 1000000};
    struct err err = {0};
    if (l->list.n == 0)
        return true;
    int rc = sample_list_append(&l->list, &target, NULL, NULL, &err);
    if (rc == TC_EAGAIN)
        return false;
    if (rc != 0)
        log_warn("graphite", "lines are lost: %s", err.text);
    if (l->list.refused > 0)
        log_warn("graphite", "%llu samples were not taken; the first: %s",
                 (unsigned long long)l->list.refused, l->list.first);
    atomic_fetch_add(&l->refused, rc != 0 ? l->list.n : l->list.refused);
    sample_list_reset(&l->list);
    return true;
}

static void round_of(struct graphite_listener *l, bool stuck)
{
    struct pollfd fds[GRAPHITE_CONNECTIONS_MAX + 2];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = l->listen_fd, .events = POLLIN};
    for (size_t i = 0; i < l->count && !stuck; i++)
        fds[n++] = (struct pollfd){.fd = l->connections[i]->fd, .events = POLLIN};
    if (poll(fds, n, stuck ? RETRY_MS : WAIT_MS) <= 0)
        return;
    for (size_t i = n; i-- > 2;) /* from the last, as `drop` fills the gap with it */
        if (fds[i].revents != 0 && !read_some(l, l->connections[i - 2]))
            drop(l, i - 2);
    if (fds[1].revents != 0)
        accept_all(l);
    atomic_store(&l->connections_now, l->count);
}

static void *run(void *context)
{
    struct graphite_listener *l = context;
    bool stuck = false;
    while (!atomic_load(&l->ending)) {
        round_of(l, stuck);
        stuck = !append(l);
    }
    for (size_t i = l->count; i-- > 0;) {
        while (read_some(l, l->connections[i]) && errno != EAGAIN)
            errno = 0;
        drop(l, i);
    }
    (void)append(l);
    return NULL;
}

static int open_door(struct graphite_listener *l, struct err *err)
{
    struct address address;
    int on = 1, rc = address_parse(sv_of(l->options.tcp), &address, err);
    if (rc != 0)
        return rc;
    if (!address_is_loopback(&address) && !l->options.allow_plaintext)
        return err_set(
            err, TC_EINPUT,
            "Graphite on %s would be open to everybody who reaches it, and is not encrypted: listen on "
            "loopback, or set metrics.graphite.allow_plaintext",
            l->options.tcp);
    l->listen_fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->listen_fd < 0)
        return err_sys(err, "cannot make a socket");
    setsockopt(l->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l->listen_fd, (const void *)&address.storage, address.bytes) != 0 ||
        listen(l->listen_fd, BACKLOG) != 0)
        return err_sys(err, "cannot listen for Graphite's lines on TCP %s", l->options.tcp);
    return 0;
}

int graphite_listener_start(const struct graphite_options *options, struct graphite_listener **ret,
                            struct err *err)
{
    struct graphite_listener *l = tc_alloc(sizeof *l);
    l->options = *options;
    l->listen_fd = -1;
    l->source = tsdb_source(options->tsdb, SV("graphite"));
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = l->wake_fd >= 0 ? open_door(l, err) : err_sys(err, "cannot make an eventfd");
    if (rc == 0) {
        l->runs = pthread_create(&l->thread, NULL, run, l) == 0;
        rc = l->runs ? 0 : err_set(err, TC_EIO, "cannot start the thread of Graphite's lines");
    }
    if (rc == 0)
        *ret = l;
    else
        graphite_listener_stop(&l);
    return rc;
}

void graphite_listener_stop(struct graphite_listener **listener)
{
    struct graphite_listener *l = *listener;
    if (l == NULL)
        return;
    atomic_store(&l->ending, true);
    if (l->runs) {
        uint64_t one = 1;
        ssize_t n = write(l->wake_fd, &one, sizeof one);
        (void)n; /* it is full where the thread is woken already */
        pthread_join(l->thread, NULL);
    }
    if (l->listen_fd >= 0)
        close(l->listen_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    sample_list_free(&l->list);
    free(l);
    *listener = NULL;
}

void graphite_listener_metrics(const struct graphite_listener *l, struct buf *out)
{
    const struct metric rows[] = {
        {"tocsin_graphite_lines_total", "counter", "Lines taken, malformed ones included.",
         (double)atomic_load(&l->lines)},
        {"tocsin_graphite_malformed_total", "counter", "Lines that are not NAME VALUE EPOCH.",
         (double)atomic_load(&l->malformed)},
        {"tocsin_graphite_refused_total", "counter", "Samples that the store did not take.",
         (double)atomic_load(&l->refused)},
        {"tocsin_graphite_connections", "gauge", "Connections.", (double)atomic_load(&l->connections_now)},
        {"tocsin_graphite_connections_limit", "gauge", "Connections that there may be.",
         GRAPHITE_CONNECTIONS_MAX},
        {"tocsin_graphite_connections_refused_total", "counter", "Connections that were one too many.",
         (double)atomic_load(&l->refused_connections)},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}
