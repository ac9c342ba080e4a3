/*
 * A loopback HTTP server for tests: remembers what it was sent, answers from a script, or keeps silent.
 *
 * One thread, poll(); each connection bears one request. Header-only, included by test programs alone.
 */
#ifndef NOTIFY_MOCK_HTTP_H
#define NOTIFY_MOCK_HTTP_H

#include "base/arena.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOCK_CONNECTIONS = 32, MOCK_SEEN = 256, MOCK_REQUEST_BYTES = 32 << 10 };
#define MOCK_OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
#define MOCK_HOLD "" /* no answer until mock_release */
#define MOCK_STATUS(line, headers)                                                                           \
    "HTTP/1.1 " line "\r\n" headers "Content-Length: 0\r\nConnection: close\r\n\r\n"

struct mock_connection {
    int socket; /* -1: free */
    bool held;
    size_t n;
    char request[MOCK_REQUEST_BYTES];
};

struct mock {
    int listener, control[2];
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock; /* what follows */
    char *seen[MOCK_SEEN];
    size_t seen_count, open_count, most_open;
    const char *script[16]; /* for the first requests; then `otherwise` */
    size_t script_count;
    const char *otherwise;
    struct mock_connection connections[MOCK_CONNECTIONS]; /* the thread's own */
};

static inline bool mock_is_whole(const struct mock_connection *c)
{
    const char *end = memmem(c->request, c->n, "\r\n\r\n", 4);
    const char *length = memmem(c->request, c->n, "Content-Length: ", 16);
    if (end == NULL)
        return false;
    size_t body = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    return c->n >= (size_t)(end + 4 - c->request) + body;
}

static inline void mock_answer(struct mock *mock, struct mock_connection *c, const char *answer)
{
    for (size_t n = strlen(answer); n > 0;) {
        ssize_t written = send(c->socket, answer, n, MSG_NOSIGNAL);
        if (written <= 0)
            break;
        answer += written;
        n -= (size_t)written;
    }
    close(c->socket);
    c->socket = -1;
    mock->open_count--;
}

static inline void mock_take(struct mock *mock, struct mock_connection *c)
{
    size_t at = mock->seen_count;
    if (at < MOCK_SEEN) {
        mock->seen[at] = tc_alloc(c->n + 1);
        memcpy(mock->seen[at], c->request, c->n);
        mock->seen_count++;
    }
    const char *answer = at < mock->script_count ? mock->script[at] : mock->otherwise;
    c->held = answer[0] == '\0';
    if (!c->held)
        mock_answer(mock, c, answer);
}

static inline void mock_read(struct mock *mock, struct mock_connection *c)
{
    ssize_t n = recv(c->socket, c->request + c->n, sizeof c->request - c->n, 0);
    if (n <= 0) {
        close(c->socket);
        c->socket = -1;
        mock->open_count--;
        return;
    }
    c->n += (size_t)n;
    if (!c->held && mock_is_whole(c))
        mock_take(mock, c);
}

static inline void mock_accept(struct mock *mock)
{
    int socket = accept(mock->listener, NULL, NULL);
    for (size_t i = 0; socket >= 0 && i < MOCK_CONNECTIONS; i++)
        if (mock->connections[i].socket < 0) {
            mock->connections[i].socket = socket;
            mock->connections[i].n = 0;
            mock->connections[i].held = false;
            mock->open_count++;
            if (mock->open_count > mock->most_open)
                mock->most_open = mock->open_count;
            return;
        }
    tc_assert(socket < 0);
}

static inline void *mock_main(void *context)
{
    struct mock *mock = context;
    for (;;) {
        struct pollfd fds[MOCK_CONNECTIONS + 2] = {{.fd = mock->control[0], .events = POLLIN},
                                                   {.fd = mock->listener, .events = POLLIN}};
        for (size_t i = 0; i < MOCK_CONNECTIONS; i++)
            fds[i + 2] = (struct pollfd){.fd = mock->connections[i].socket, .events = POLLIN};
        poll(fds, MOCK_CONNECTIONS + 2, -1);
        char order = 0;
        if (fds[0].revents != 0 && read(mock->control[0], &order, 1) != 1)
            order = 'q';
        pthread_mutex_lock(&mock->lock);
        for (size_t i = 0; i < MOCK_CONNECTIONS; i++) {
            struct mock_connection *c = &mock->connections[i];
            if (c->socket >= 0 && fds[i + 2].revents != 0)
                mock_read(mock, c);
            if (c->socket >= 0 && order == 'r' && c->held)
                mock_answer(mock, c, MOCK_OK);
            if (c->socket >= 0 && order == 'q')
                mock_answer(mock, c, "");
        }
        if (fds[1].revents != 0)
            mock_accept(mock);
        pthread_mutex_unlock(&mock->lock);
        if (order == 'q')
            return NULL;
    }
}

/* port 0: any. */
static inline void mock_open(struct mock *mock, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1;
    memset(mock, 0, sizeof *mock);
    mock->otherwise = MOCK_OK;
    pthread_mutex_init(&mock->lock, NULL);
    for (size_t i = 0; i < MOCK_CONNECTIONS; i++)
        mock->connections[i].socket = -1;
    mock->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(mock->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool ok =
        bind(mock->listener, (struct sockaddr *)&address, length) == 0 && listen(mock->listener, 64) == 0 &&
        getsockname(mock->listener, (struct sockaddr *)&address, &length) == 0 && pipe(mock->control) == 0;
    tc_assert(ok);
    mock->port = ntohs(address.sin_port);
    ok = pthread_create(&mock->thread, NULL, mock_main, mock) == 0;
    tc_assert(ok);
}

static inline void mock_order(struct mock *mock, char order)
{
    bool ok = write(mock->control[1], &order, 1) == 1;
    tc_assert(ok);
}

/* Answers what is held with 200. */
static inline void mock_release(struct mock *mock)
{
    mock_order(mock, 'r');
}

static inline void mock_close(struct mock *mock)
{
    if (mock->port == 0)
        return;
    mock_order(mock, 'q');
    pthread_join(mock->thread, NULL);
    close(mock->listener);
    close(mock->control[0]);
    close(mock->control[1]);
    for (size_t i = 0; i < mock->seen_count; i++)
        free(mock->seen[i]);
    pthread_mutex_destroy(&mock->lock);
    mock->port = 0;
}

/* Before the first request. */
static inline void mock_script(struct mock *mock, const char *answer)
{
    pthread_mutex_lock(&mock->lock);
    mock->script[mock->script_count++] = answer;
    pthread_mutex_unlock(&mock->lock);
}

static inline void mock_otherwise(struct mock *mock, const char *answer)
{
    pthread_mutex_lock(&mock->lock);
    mock->otherwise = answer;
    pthread_mutex_unlock(&mock->lock);
}

static inline size_t mock_count(struct mock *mock)
{
    pthread_mutex_lock(&mock->lock);
    size_t count = mock->seen_count;
    pthread_mutex_unlock(&mock->lock);
    return count;
}

/* The whole of a request; lives until mock_close. */
static inline const char *mock_seen(struct mock *mock, size_t at)
{
    pthread_mutex_lock(&mock->lock);
    const char *text = at < mock->seen_count ? mock->seen[at] : "";
    pthread_mutex_unlock(&mock->lock);
    return text;
}

#endif
