/*
 * Syslog going out; see syslog_out.h.
 */
#include "notify/syslog_out.h"

#include "base/arena.h"
#include "base/num.h"

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADDRESS_BYTES = 300, WAIT_MS = 1000 };

struct outgoing {
    struct transfer transfer;
    struct sv body;
};

/* "host", "port" of scheme://host:port, [::1] without its brackets. */
static bool split(struct sv url, const char *scheme, char host[ADDRESS_BYTES], char port[8])
{
    size_t n = strlen(scheme);
    uint64_t number;
    if (!sv_starts(url, sv_of(scheme)) || url.n - n >= ADDRESS_BYTES)
        return false;
    struct sv rest = sv_from(url, n);
    size_t colon = rest.n;
    while (colon > 0 && rest.p[colon - 1] != ':')
        colon--;
    struct sv name = sv_head(rest, colon > 0 ? colon - 1 : 0);
    if (!num_u64(sv_from(rest, colon), 1, 65535, &number) || name.n == 0)
        return false;
    if (sv_starts(name, SV("[")) && sv_ends(name, SV("]")))
        name = sv_from(sv_head(name, name.n - 1), 1);
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || strchr("/?#@%", name.p[i]) != NULL)
            return false;
    snprintf(host, ADDRESS_BYTES, "%.*s", SV_FMT(name));
    snprintf(port, 8, "%u", (unsigned)number);
    return true;
}

int syslog_out_check(const struct channel_config *config, struct err *err)
{
    char host[ADDRESS_BYTES], port[8];
    return split(config->api_url, "tcp://", host, port) || split(config->api_url, "tls://", host, port)
               ? 0
               : err_set(err, TC_EINPUT, "a cef channel needs api_url: tcp://host:port or tls://host:port");
}

static int resolve(const struct channel_config *config, struct addrinfo **ret)
{
    char host[ADDRESS_BYTES], port[8];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    return split(config->api_url, "udp://", host, port) && getaddrinfo(host, port, &hints, ret) == 0 ? 0 : -1;
}

int syslog_out_check_udp(const struct channel_config *config, struct err *err)
{
    struct addrinfo *address;
    if (resolve(config, &address) != 0)
        return err_set(err, TC_EINPUT,
                       "a cef_udp channel needs api_url: udp://192.0.2.1:514, an address and no name");
    freeaddrinfo(address);
    return 0;
}

/* Cuts the next message off; false where there is none. */
static bool next_message(struct sv *rest, struct sv *ret)
{
    uint64_t n;
    if (rest->n == 0 || !num_u64(sv_cut(rest, ' '), 1, rest->n, &n))
        return false;
    *ret = sv_head(*rest, (size_t)n);
    *rest = sv_from(*rest, (size_t)n);
    return true;
}

enum send_result syslog_out_deliver(const struct channel_config *config, struct sv body, struct err *err)
{
    struct addrinfo *address;
    struct sv message;
    if (resolve(config, &address) != 0) {
        err_set(err, TC_EINPUT, "its api_url is no address");
        return SEND_REFUSED;
    }
    int fd = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0;
    while (ok && next_message(&body, &message))
        ok = sendto(fd, message.p, message.n, MSG_NOSIGNAL, address->ai_addr, address->ai_addrlen) ==
             (ssize_t)message.n;
    if (!ok)
        err_sys(err, "the datagram is not sent");
    if (fd >= 0)
        close(fd);
    freeaddrinfo(address);
    return ok ? SEND_OK : SEND_RETRY;
}

/* --- TCP and TLS ------------------------------------------------------------------------------------------
 */

/* What the kernel does not take at once it takes within a moment: a body is small beside its buffer. */
static CURLcode write_all(CURL *easy, struct sv body)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    while (body.n > 0) {
        size_t n = 0;
        CURLcode rc = curl_easy_send(easy, body.p, body.n, &n);
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (rc == CURLE_AGAIN && poll(&ready, 1, WAIT_MS) == 1)
            continue;
        if (rc != CURLE_OK)
            return rc;
        body = sv_from(body, n);
    }
    return CURLE_OK;
}

static void judge(const struct transfer *transfer, CURLcode outcome, int64_t now_ns, struct answer *ret)
{
    const struct outgoing *o = (const struct outgoing *)(const void *)transfer;
    (void)now_ns;
    *ret = (struct answer){.result = SEND_OK, .retry_after_ns = -1};
    if (outcome == CURLE_OK)
        outcome = write_all(transfer->easy, o->body);
    if (outcome != CURLE_OK) {
        ret->result = SEND_RETRY;
        ret->destination_down = true;
        snprintf(ret->detail, sizeof ret->detail, "no delivery: %s", curl_easy_strerror(outcome));
    }
}

static void free_outgoing(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    free(transfer);
}

struct transfer *syslog_out_send(const struct channel_config *config, const struct parcel *parcel)
{
    struct outgoing *o = tc_alloc(sizeof *o);
    char url[ADDRESS_BYTES + 16], file[4096];
    bool tls = sv_starts(config->api_url, SV("tls://"));
    long timeout_ms = (long)TC_MAX(parcel->timeout_ns / 1000000, INT64_C(1));
    snprintf(url, sizeof url, "%s%.*s", tls ? "https" : "http", SV_FMT(sv_from(config->api_url, 3)));
    snprintf(file, sizeof file, "%.*s", SV_FMT(config->ca_file));
    o->transfer.judge = judge;
    o->transfer.free = free_outgoing;
    o->body = parcel->body;
    CURL *easy = o->transfer.easy = curl_easy_init();
    bool ok = easy != NULL && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
              (config->ca_file.n == 0 || curl_easy_setopt(easy, CURLOPT_CAINFO, file) == CURLE_OK) &&
              curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK;
    if (ok)
        return &o->transfer;
    free_outgoing(&o->transfer);
    return NULL;
}
