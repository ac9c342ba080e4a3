/*
 * Starting and stopping the server; see api.h for the promise and api_priv.h for a request's life.
 *
 * Stopping, in this order: no new connections and requests; the streams end; requests under way may finish
 * for TC_API_STOP_S; those that still wait for the journal or the core are told that nobody knows (503); then
 * the library's threads are joined, and ours once the core has answered what it was asked. The journal's
 * callback may come later still: it touches only its pending.
 */
#include "api/api_priv.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* --- settings --------------------------------------------------------------------------------------------
 */

static int take_options(struct api *api, const struct api_options *options, struct err *err)
{
    api->options = *options;
    if (api->options.max_body_bytes == 0)
        api->options.max_body_bytes = 32 << 20;
    if (api->options.threads == 0)
        api->options.threads = 2;
    api->options.threads = TC_MIN(api->options.threads, 64);
    api->options.store_path = tc_strdup(options->store_path);
    api->options.console_url = NULL;
    api->options.tokens = NULL;
    api->options.people = NULL;
    int rc = auth_set_listen(&api->auth, sv_of(options->listen), err);
    for (size_t i = 0; rc == 0 && i < options->token_count; i++)
        rc = auth_add_token(&api->auth, options->tokens[i].source, options->tokens[i].secret, err);
    for (size_t i = 0; rc == 0 && i < options->person_count; i++)
        rc = auth_add_person(&api->auth, options->people[i].name, options->people[i].secret,
                             options->people[i].looks_only ? ROLE_READER : ROLE_OPERATOR, err);
    if (rc == 0 && options->console_url != NULL)
        rc = auth_set_console(&api->auth, sv_of(options->console_url), err);
    if (rc == 0 && !api->auth.loopback && options->token_count == 0)
        rc = err_set(
            err, TC_EINPUT,
            "listen address %s can be reached from other hosts: configure a token per source, or listen "
            "on 127.0.0.1",
            options->listen);
    return rc;
}

static void take_receivers(struct api *api, const struct api_options *options)
{
    struct sv *copy = tc_alloc((options->receiver_count + 1) * sizeof *copy);
    for (size_t i = 0; i < options->receiver_count; i++) {
        char *text = tc_alloc(options->receivers[i].n + 1);
        memcpy(text, options->receivers[i].p, options->receivers[i].n);
        copy[i] = sv_make(text, options->receivers[i].n);
    }
    api->options.receivers = copy;
}

static void free_texts(struct api *api)
{
    union {
        const void *from;
        void *to;
    } p;
    for (size_t i = 0; api->options.receivers != NULL && i < api->options.receiver_count; i++) {
        p.from = api->options.receivers[i].p;
        free(p.to);
    }
    p.from = api->options.receivers;
    free(p.to);
    p.from = api->options.store_path;
    free(p.to);
}

int api_check(const struct api_options *options, struct err *err)
{
    struct api *api = tc_alloc(sizeof *api);
    int rc = take_options(api, options, err);
    auth_fini(&api->auth);
    free_texts(api);
    free(api);
    return rc;
}

static void make_secret(struct api *api)
{
    uint8_t bytes[32];
    rng_fill(api->options.rng, bytes, sizeof bytes);
    hash_hex(bytes, sizeof bytes, api->auth.secret);
}

/* --- the listening socket --------------------------------------------------------------------------------
 */

static socklen_t make_address(const struct auth *auth, struct sockaddr_storage *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)auth->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)auth->port)};
    if (inet_pton(AF_INET, auth->host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof v4);
        return sizeof v4;
    }
    inet_pton(AF_INET6, auth->host, &v6.sin6_addr);
    memcpy(ret, &v6, sizeof v6);
    return sizeof v6;
}

static void note_port(struct api *api)
{
    struct sockaddr_storage address;
    struct sockaddr_in v4;
    socklen_t n = sizeof address;
    bool is_v6 = strchr(api->auth.host, ':') != NULL;
    getsockname(api->listen_fd, (struct sockaddr *)&address, &n);
    memcpy(&v4, &address, sizeof v4); /* the port lies at the same place in both */
    api->auth.port = ntohs(v4.sin_port);
    snprintf(api->address, sizeof api->address, is_v6 ? "[%s]:%u" : "%s:%u", api->auth.host, api->auth.port);
}

static int open_socket(struct api *api, struct err *err)
{
    struct sockaddr_storage address = {0};
    socklen_t n = make_address(&api->auth, &address);
    int one = 1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, "cannot open a socket");
    api->listen_fd = fd;
    /* A restart must not wait for connections of the last run to leave TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, 511) != 0)
        return err_sys(err, "cannot listen on %s port %u%s", api->auth.host, api->auth.port,
                       errno == EADDRINUSE
                           ? " (another program has it: stop that one, or choose another port "
                             "with --listen)"
                           : "");
    note_port(api);
    return 0;
}

/* --- heartbeats ------------------------------------------------------------------------------------------
 */

static void wait_until(struct api *api, struct timespec until)
{
    pthread_cond_timedwait(&api->changed, &api->lock, &until);
}

static struct timespec from_now(int64_t ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t sum = at.tv_nsec + ns;
    at.tv_sec += (time_t)(sum / TC_SECOND_NS);
    at.tv_nsec = (long)(sum % TC_SECOND_NS);
    return at;
}

static bool is_past(struct timespec at)
{
    struct timespec now = from_now(0);
    return now.tv_sec > at.tv_sec || (now.tv_sec == at.tv_sec && now.tv_nsec >= at.tv_nsec);
}

static void *pulse(void *context)
{
    struct api *api = context;
    pthread_mutex_lock(&api->lock);
    for (unsigned beat = 1; !api->stopping; beat++) {
        struct timespec next = from_now(TC_SECOND_NS);
        while (!api->stopping && !is_past(next))
            wait_until(api, next);
        pthread_mutex_unlock(&api->lock);
        connections_sweep(&api->connections, clk_monotonic_ns(&clk_system));
        if (beat % TC_API_HEARTBEAT_S == 0)
            stream_heartbeat(api->stream);
        pthread_mutex_lock(&api->lock);
    }
    pthread_mutex_unlock(&api->lock);
    return NULL;
}

/* --- start and stop --------------------------------------------------------------------------------------
 */

static void init_locks(struct api *api)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&api->lock, NULL);
    pthread_mutex_init(&api->store_lock, NULL);
    connections_init(&api->connections);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&api->changed, &monotonic);
    pthread_cond_init(&api->aside_done, NULL);
    pthread_condattr_destroy(&monotonic);
}

static void free_all(struct api **at)
{
    struct api *api = *at;
    *at = NULL;
    command_stop(api);
    search_stop(api);
    aside_stop(api);
    if (api->listen_fd >= 0)
        close(api->listen_fd);
    workbench_free_all(api);
    stream_free(&api->stream);
    if (api->store != NULL)
        store_close(&api->store);
    auth_fini(&api->auth);
    free_texts(api);
    pthread_cond_destroy(&api->changed);
    pthread_cond_destroy(&api->aside_done);
    pthread_mutex_destroy(&api->lock);
    pthread_mutex_destroy(&api->store_lock);
    connections_fini(&api->connections);
    free(api);
}

static int start_threads(struct api *api, struct err *err)
{
    int rc = command_start(api, err);
    if (rc == 0)
        rc = search_start(api, err);
    if (rc == 0)
        rc = aside_start(api, err);
    if (rc != 0)
        return rc;
    api->daemon = server_start(api);
    if (api->daemon == NULL)
        return err_set(err, TC_EIO, "the HTTP server does not start on %s", api->address);
    api->pulse_runs = pthread_create(&api->pulse, NULL, pulse, api) == 0;
    return 0;
}

int api_start(const struct api_options *options, struct api **ret, struct err *err)
{
    struct api *api = tc_alloc(sizeof *api);
    api->listen_fd = -1;
    api->stop_grace_ns = TC_API_STOP_S * TC_SECOND_NS;
    init_locks(api);
    int rc = take_options(api, options, err);
    take_receivers(api, options);
    api->stream = stream_new();
    if (rc == 0)
        rc = open_socket(api, err);
    if (rc == 0) {
        make_secret(api);
        api->started_ns = clk_now(api->options.clk).ns;
        if (options->console_url != NULL)
            snprintf(api->console, sizeof api->console, "%s", options->console_url);
        else
            snprintf(api->console, sizeof api->console, "http://%s", api->address);
        rc = start_threads(api, err);
    }
    if (rc != 0)
        free_all(&api);
    else
        *ret = api;
    return rc;
}

const char *api_address(const struct api *api)
{
    return api->address;
}

void api_publish(struct api *api, struct sv json)
{
    stream_publish(api->stream, json);
}

static void wait_for_requests(struct api *api, int64_t at_most_ns)
{
    struct timespec until = from_now(at_most_ns);
    pthread_mutex_lock(&api->lock);
    while (api->active > 0 && !is_past(until))
        wait_until(api, until);
    pthread_mutex_unlock(&api->lock);
}

void api_stop(struct api **at)
{
    struct api *api = *at;
    if (api == NULL)
        return;
    pthread_mutex_lock(&api->lock);
    api->stopping = true;
    pthread_cond_broadcast(&api->changed);
    pthread_mutex_unlock(&api->lock);
    if (api->pulse_runs)
        pthread_join(api->pulse, NULL);
    MHD_quiesce_daemon(api->daemon); /* the socket is ours again, closed below */
    stream_close(api->stream);
    wait_for_requests(api, api->stop_grace_ns);
    pending_abandon_all(api);
    wait_for_requests(api, TC_MIN(api->stop_grace_ns, TC_SECOND_NS));
    connections_end(&api->connections, TC_SECOND_NS);
    MHD_stop_daemon(api->daemon);
    free_all(at);
}
