/*
 * The Alertmanager's HTTP side: libmicrohttpd, a table of routes, the status and the metrics.
 */
#include "api/alertmanager/server_priv.h"

#include "alert/alertmanager/inhibit.h"
#include "alert/alertmanager/silence_index.h"
#include "base/metric_text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1000, IDLE_S = 60, THREADS = 2, HEAD_BYTES = 64 << 10 };
#define DRAIN_BYTES (4 * (uint64_t)AM_BODY_MAX_BYTES) /* of a refused body that are read and forgotten */

/* --- small handlers --- */

static void healthy(struct am_request *request, struct am_reply *reply)
{
    (void)request;
    reply->content_type = "text/plain; charset=utf-8";
    buf_str(&reply->body, "OK");
}

static void page(struct am_request *request, struct am_reply *reply)
{
    reply->content_type = "text/plain; charset=utf-8";
    buf_printf(&reply->body,
               "Tocsin %s as an Alertmanager. The API is under %s/api/v2/, metrics are at %s/metrics.\n",
               TC_VERSION, request->server->prefix, request->server->prefix);
}

void am_get_status(struct am_request *request, struct am_reply *reply)
{
    static const char *const absent[] = {"revision", "branch", "buildUser", "buildDate"};
    const struct am_server *server = request->server;
    struct json_out json = json_out_to(&reply->body);
    bool clustered = server->options.cluster_listen[0] != '\0';
    json_object(&json);
    json_key(&json, SV("cluster"));
    json_object(&json);
    if (clustered)
        json_kv_str(&json, "name", server->name);
    json_key(&json, SV("peers"));
    json_array(&json);
    if (clustered) {
        json_object(&json);
        json_kv_str(&json, "address", server->cluster_address);
        json_kv_str(&json, "name", server->name);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_kv_str(&json, "status", clustered ? "ready" : "disabled");
    json_object_end(&json);
    json_key(&json, SV("config"));
    json_object(&json);
    json_kv_string(&json, "original", buf_view(&server->shown));
    json_object_end(&json);
    am_json_time(&json, "uptime", server->started_ns);
    json_key(&json, SV("versionInfo"));
    json_object(&json);
    for (size_t i = 0; i < TC_ARRAY_LEN(absent); i++)
        json_kv_str(&json, absent[i], "");
    json_kv_str(&json, "goVersion", "none (tocsin)");
    json_kv_str(&json, "version", "tocsin-" TC_VERSION);
    json_object_end(&json);
    json_object_end(&json);
    buf_char(&reply->body, '\n');
}

static void by_kind(struct buf *out, const char *name, const char *help, const uint64_t *counts)
{
    metric_head(out, name, "counter", help);
    for (size_t i = 0; am_receiver_kinds[i].name != NULL; i++)
        metric_labelled(out, name, "integration", sv_of(am_receiver_kinds[i].name), (double)counts[i]);
}

void am_get_metrics(struct am_request *request, struct am_reply *reply)
{
    const struct am_server *server = request->server;
    struct buf *out = &reply->body;
    size_t count, silences[3] = {0}, states[2] = {0};
    const struct am_silence_record *const *all = am_silences_all(server->silences, &count);
    for (size_t i = 0; i < count; i++)
        silences[am_silence_state_at(&all[i]->silence, request->now_ns)]++;
    struct am_stored_alert stored;
    size_t source_count;
    struct am_labels *sources =
        am_dispatch_sources(server->dispatch, request->now_ns, request->arena, &source_count);
    size_t flat_count;
    const struct am_silence *flat = am_silences_flat(server->silences, &flat_count);
    struct am_silence_index index;
    am_silence_index_init(&index, flat, flat_count);
    for (size_t at = 0; am_dispatch_next_alert(server->dispatch, &at, request->arena, &stored);) {
        bool suppressed = am_inhibited(server->config->inhibit_rules, server->config->inhibit_rule_count,
                                       stored.alert->labels, sources, source_count, NULL, NULL);
        suppressed =
            suppressed || am_silence_index_find(&index, stored.alert->labels, request->now_ns, NULL, 0) > 0;
        states[suppressed]++;
    }
    am_silence_index_free(&index);
    struct courier_counts sent;
    courier_counts(server->courier, &sent);
    const struct metric of_alerts[] = {
        {"alertmanager_alerts_per_alert_limit", "gauge", "Current limit on number of alerts per alert name",
         (double)server->options.max_alerts_of_a_name},
        {"alertmanager_alerts_limited_total", "counter",
         "Total number of alerts that were dropped due to per alert name limit",
         (double)server->counts.limited},
        {"alertmanager_dispatcher_aggregation_groups", "gauge", "Number of active aggregation groups",
         (double)am_dispatch_group_count(server->dispatch)},
    };
    const struct metric of_server[] = {
        {"tocsin_alertmanager_notifications_under_way", "gauge", "Notifications that are being sent.",
         (double)sent.jobs},
        {"tocsin_alertmanager_notifications_under_way_limit", "gauge", "Their bound.", COURIER_JOBS_MAX},
        {"tocsin_alertmanager_body_bytes", "gauge", "Bodies of requests that are under way.",
         (double)server->body_bytes},
        {"tocsin_alertmanager_body_bytes_limit", "gauge", "Their bound.", AM_BODIES_MAX_BYTES},
        {"alertmanager_config_hash", "gauge", "Hash of the currently loaded alertmanager configuration.",
         (double)(server->hash & 0xffffffffffff)},
        {"alertmanager_config_last_reload_successful", "gauge",
         "Whether the last configuration reload attempt was successful.", server->reloaded},
        {"alertmanager_config_last_reload_success_timestamp_seconds", "gauge",
         "Timestamp of the last successful configuration reload.",
         (double)(server->reloaded_ns / TC_SECOND_NS)},
        {"alertmanager_receivers", "gauge", "Number of configured receivers.",
         (double)server->config->receiver_count},
        {"alertmanager_cluster_members", "gauge", "Number indicating current number of members in cluster.",
         1},
    };
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metric_head(out, "alertmanager_alerts", "gauge", "How many alerts by state.");
    metric_labelled(out, "alertmanager_alerts", "state", SV("active"), (double)states[0]);
    metric_labelled(out, "alertmanager_alerts", "state", SV("suppressed"), (double)states[1]);
    metric_head(out, "alertmanager_alerts_received_total", "counter", "The total number of received alerts.");
    buf_printf(out,
               "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} %llu\n"
               "alertmanager_alerts_received_total{status=\"resolved\",version=\"v2\"} %llu\n",
               (unsigned long long)server->counts.firing, (unsigned long long)server->counts.resolved);
    metric_head(out, "alertmanager_alerts_invalid_total", "counter",
                "The total number of received alerts that were invalid.");
    metric_labelled(out, "alertmanager_alerts_invalid_total", "version", SV("v2"),
                    (double)server->counts.invalid);
    metric_rows(out, of_alerts, TC_ARRAY_LEN(of_alerts));
    metric_head(out, "alertmanager_silences", "gauge", "How many silences by state.");
    for (int i = 0; i < 3; i++)
        metric_labelled(out, "alertmanager_silences", "state",
                        sv_of(am_silence_state_text((enum am_silence_state)i)), (double)silences[i]);
    by_kind(out, "alertmanager_notifications_total", "The total number of attempted notifications.",
            server->counts.notifications);
    by_kind(out, "alertmanager_notifications_failed_total", "The total number of failed notifications.",
            server->counts.failed);
    by_kind(out, "alertmanager_notification_requests_total",
            "The total number of attempted notification requests.", sent.requests);
    by_kind(out, "alertmanager_notification_requests_failed_total",
            "The total number of failed notification requests.", sent.failed_requests);
    metric_rows(out, of_server, TC_ARRAY_LEN(of_server));
    metric_head(out, "alertmanager_build_info", "gauge",
                "A metric with a constant '1' value labeled by version.");
    metric_labelled(out, "alertmanager_build_info", "version", SV("tocsin-" TC_VERSION), 1);
}

/* --- routes --- */

static const struct route_row {
    const char *method, *path; /* a path that ends with a slash (and is longer) takes one more part */
    am_handler *handle;        /* NULL: reload, which takes the lock itself */
    bool takes_json;
} rows[] = {
    {"GET", "/", page, false},
    {"GET", "/-/healthy", healthy, false},
    {"GET", "/-/ready", healthy, false},
    {"POST", "/-/reload", NULL, false},
    {"GET", "/metrics", am_get_metrics, false},
    {"GET", "/api/v2/status", am_get_status, false},
    {"GET", "/api/v2/alerts", am_get_alerts, false},
    {"POST", "/api/v2/alerts", am_post_alerts, true},
    {"GET", "/api/v2/alerts/groups", am_get_groups, false},
    {"GET", "/api/v2/receivers", am_get_receivers, false},
    {"GET", "/api/v2/silences", am_get_silences, false},
    {"POST", "/api/v2/silences", am_post_silences, true},
    {"GET", "/api/v2/silence/", am_get_silence, false},
    {"DELETE", "/api/v2/silence/", am_delete_silence, false},
};

static bool path_fits(const char *pattern, struct sv path, struct sv *ret_id)
{
    struct sv row = sv_of(pattern);
    if (row.n == 1 || row.p[row.n - 1] != '/')
        return sv_eq(row, path);
    *ret_id = sv_from(path, row.n);
    return sv_starts(path, row) && ret_id->n > 0 && sv_find_char(*ret_id, '/') == ret_id->n;
}

/* The row; where there is none, the status says why. */
static const struct route_row *find_row(const struct am_server *server, const char *path, const char *method,
                                        struct sv *ret_id, unsigned *ret_status)
{
    struct sv rest = sv_of(path);
    *ret_status = 404;
    if (!sv_starts(rest, sv_of(server->prefix)))
        return NULL;
    rest = sv_from(rest, strlen(server->prefix));
    if (rest.n == 0)
        rest = SV("/");
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        if (!path_fits(rows[i].path, rest, ret_id))
            continue;
        *ret_status = 405;
        if (strcmp(rows[i].method, method) == 0 ||
            (strcmp(method, "HEAD") == 0 && strcmp(rows[i].method, "GET") == 0))
            return &rows[i];
    }
    return NULL;
}

static bool is_json(struct MHD_Connection *connection)
{
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
    struct sv rest = sv_of(type);
    return type != NULL && sv_eq_nocase(sv_trim(sv_cut(&rest, ';')), SV("application/json"));
}

static void reload(struct am_server *server, struct am_reply *reply)
{
    struct err err = {0};
    reply->content_type = "text/plain; charset=utf-8";
    if (am_server_reload(server, &err) == 0)
        return;
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    reply->status = 500;
    buf_printf(&reply->body, "failed to reload config: %s\n", err_format(&err, text, sizeof text));
}

static void handle(struct am_server *server, const struct route_row *row, struct sv id,
                   struct MHD_Connection *connection, struct sv body, struct am_reply *reply)
{
    struct arena arena = {0};
    if (row->handle == NULL) {
        reload(server, reply);
        return;
    }
    pthread_mutex_lock(&server->lock);
    struct am_request request = {.server = server,
                                 .connection = connection,
                                 .body = body,
                                 .id = id,
                                 .now_ns = clk_now(server->options.clk).ns,
                                 .arena = &arena};
    row->handle(&request, reply);
    pthread_mutex_unlock(&server->lock);
    arena_free(&arena);
    if (reply->body.overflow)
        am_reply_text(reply, 500, "the answer is longer than %d bytes: ask for less", AM_REPLY_MAX_BYTES);
}

static enum MHD_Result send_reply(const struct am_server *server, struct MHD_Connection *connection,
                                  struct am_reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.n, reply->body.p, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        buf_free(&reply->body);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type",
                            reply->content_type == NULL ? "application/json" : reply->content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    size_t count;
    const struct am_web_header *headers = am_web_config_headers(server->web, &count);
    for (size_t i = 0; i < count; i++) {
        const char *usual = MHD_get_response_header(response, headers[i].name);
        if (usual != NULL)
            (void)MHD_del_response_header(response, headers[i].name, usual);
        MHD_add_response_header(response, headers[i].name, headers[i].value);
    }
    if (reply->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Basic");
    enum MHD_Result sent = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return sent;
}

static bool may_enter(struct am_server *server, struct MHD_Connection *connection)
{
    if (!am_web_config_has_users(server->web))
        return true;
    char *password = NULL, *user = MHD_basic_auth_get_username_password(connection, &password);
    bool good = user != NULL && am_web_config_login(server->web, user, password);
    if (password != NULL)
        explicit_bzero(password, strlen(password));
    MHD_free(user);
    MHD_free(password);
    return good;
}

/* --- bodies: of who may not enter nothing is kept, of all others so much together --- */

struct am_body {
    struct buf bytes;
    uint64_t seen;
    unsigned refused; /* the status; 0: not */
};

static void let_go(struct am_server *server, struct am_body *body)
{
    server->body_bytes -= body->bytes.n;
    buf_free(&body->bytes);
}

static void keep_chunk(struct am_server *server, struct am_body *body, const char *bytes, size_t n)
{
    if (body->refused == 0 && body->bytes.n + n > AM_BODY_MAX_BYTES)
        body->refused = 413;
    else if (body->refused == 0 && server->body_bytes + n > AM_BODIES_MAX_BYTES)
        body->refused = 503;
    if (body->refused != 0) {
        let_go(server, body);
        return;
    }
    server->body_bytes += n;
    buf_add(&body->bytes, bytes, n);
}

static void refuse(const struct am_body *body, struct am_reply *reply)
{
    if (body->refused == 413) {
        am_reply_invalid(reply, 413, 413, "the body is longer than %d bytes", AM_BODY_MAX_BYTES);
        return;
    }
    reply->status = body->refused;
    reply->content_type = "text/plain; charset=utf-8";
    buf_str(&reply->body, body->refused == 401
                              ? "Unauthorized\n"
                              : "Too many bodies are under way: send this one again a little later.\n");
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **slot)
{
    struct am_server *server = context;
    struct am_body *body = *slot;
    (void)version;
    if (body == NULL) {
        *slot = body = tc_alloc(sizeof *body);
        buf_init(&body->bytes, AM_BODY_MAX_BYTES);
        body->refused = may_enter(server, connection) ? 0 : 401;
        return MHD_YES;
    }
    if (*upload_n > 0) {
        body->seen += *upload_n;
        keep_chunk(server, body, upload, *upload_n);
        *upload_n = 0;
        return body->seen > DRAIN_BYTES ? MHD_NO : MHD_YES;
    }
    struct am_reply reply = {.status = 200};
    struct sv id = {0};
    unsigned status;
    buf_init(&reply.body, AM_REPLY_MAX_BYTES);
    const struct route_row *row = find_row(server, path, method, &id, &status);
    if (body->refused != 0)
        refuse(body, &reply);
    else if (row == NULL)
        am_reply_invalid(&reply, status, (int)status,
                         status == 404 ? "path %.200s was not found" : "method %.200s is not allowed here",
                         status == 404 ? path : method);
    else if (row->takes_json && !is_json(connection))
        am_reply_invalid(&reply, 415, 415, "unsupported media type, only [application/json] are allowed");
    else
        handle(server, row, id, connection, buf_view(&body->bytes), &reply);
    return send_reply(server, connection, &reply);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    struct am_body *body = *slot;
    (void)connection;
    (void)code;
    if (body == NULL)
        return;
    let_go(context, body);
    free(body);
    *slot = NULL;
}

/* --- listening --- */

static int listen_on(const struct addrinfo *at)
{
    int on = 1, off = 0;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, 1024) == 0)
        return fd;
    close(fd);
    return -1;
}

static void name_address(int fd, char *out, size_t size)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    char host[64] = "", port[16] = "";
    if (getsockname(fd, (struct sockaddr *)&at, &n) == 0)
        (void)getnameinfo((struct sockaddr *)&at, n, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, size, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_socket(struct am_server *server, struct err *err)
{
    const char *listen_text = server->options.listen, *colon = strrchr(listen_text, ':');
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
                    *found = NULL;
    char host[256];
    if (colon == NULL || (size_t)(colon - listen_text) >= sizeof host)
        return err_set(err, TC_EINPUT, "--web.listen-address=%s: it is host:port or :port", listen_text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen_text), listen_text);
    size_t n = strlen(host);
    if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
    }
    if (getaddrinfo(host[0] == '\0' ? NULL : host, colon[1] == '\0' ? "0" : colon + 1, &hints, &found) != 0)
        return err_set(err, TC_EINPUT, "--web.listen-address=%s: there is no such address", listen_text);
    server->listen_fd = -1;
    /* all addresses: IPv6's socket takes IPv4's, too */
    for (const struct addrinfo *at = found; at != NULL && host[0] == '\0' && server->listen_fd < 0;
         at = at->ai_next)
        if (at->ai_family == AF_INET6)
            server->listen_fd = listen_on(at);
    for (const struct addrinfo *at = found; at != NULL && server->listen_fd < 0; at = at->ai_next)
        server->listen_fd = listen_on(at);
    freeaddrinfo(found);
    if (server->listen_fd < 0)
        return err_sys(err, "listening on %s", listen_text);
    name_address(server->listen_fd, server->address, sizeof server->address);
    return 0;
}

/* The first socket that systemd hands over (sd_listen_fds(3)). */
static int take_socket(struct am_server *server, struct err *err)
{
    if (sd_listen_fds(1) < 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return err_set(
            err, TC_EINPUT,
            "--web.systemd-socket: systemd handed over no listening socket: start this by a .socket unit");
    server->listen_fd = SD_LISTEN_FDS_START;
    int flags = fcntl(server->listen_fd, F_GETFL);
    (void)fcntl(server->listen_fd, F_SETFL, flags | O_NONBLOCK);
    name_address(server->listen_fd, server->address, sizeof server->address);
    return 0;
}

int am_web_start(struct am_server *server, struct err *err)
{
    int rc = server->options.systemd_socket ? take_socket(server, err) : open_socket(server, err);
    if (rc != 0)
        return rc;
    const char *certificate = am_web_config_certificate(server->web);
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0,
         (void *)(uintptr_t)(certificate == NULL ? NULL : am_web_config_key(server->web))},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t)(certificate == NULL ? NULL : am_web_config_priorities(server->web))},
        {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned mode =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | (certificate == NULL ? 0 : (unsigned)MHD_USE_TLS);
    server->daemon = MHD_start_daemon(
        mode, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)THREADS, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_ARRAY,
        certificate == NULL ? none : tls, MHD_OPTION_END);
    if (server->daemon != NULL)
        return 0;
    close(server->listen_fd);
    return err_set(err, TC_EIO, "the HTTP server cannot start on %s%s", server->address,
                   certificate == NULL ? "" : ": see the certificate and the key of --web.config.file");
}

void am_web_stop(struct am_server *server)
{
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}
