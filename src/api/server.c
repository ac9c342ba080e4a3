/*
 * The HTTP server: libmicrohttpd's threads call in here with heads and bodies, and this file leads each
 * request through route, checks and handler (api_priv.h tells the life of one).
 *
 * A refused request's body is read and forgotten before the answer goes out, so that the client is not cut
 * off while it still sends and reads the answer; where it waits for "100 Continue", or announces more than we
 * care to read, it is answered at once. What the library itself refuses (a head that is no HTTP, 431, a
 * broken chunk) bears the library's own short page.
 */
#include "api/api_priv.h"

#include "base/arena.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { PACK_BYTES_MAX = 1 << 20 };

/* --- what handlers may ask of a request ------------------------------------------------------------------
 */

struct sv request_header(const struct request *request, const char *name)
{
    const char *value = NULL;
    size_t n = 0;
    if (MHD_lookup_connection_value_n(request->connection, MHD_HEADER_KIND, name, strlen(name), &value, &n) !=
            MHD_YES ||
        value == NULL)
        return (struct sv){0};
    return sv_trim(sv_make(value, n));
}

struct query_walk {
    bool (*each)(void *context, struct sv name, struct sv value);
    void *context;
    bool bad;
};

static enum MHD_Result query_each(void *context, enum MHD_ValueKind kind, const char *key, size_t key_n,
                                  const char *value, size_t value_n)
{
    struct query_walk *walk = context;
    char name[TC_ROUTE_PARAM_BYTES], text[4096];
    size_t name_n, n = 0;
    (void)kind;
    walk->bad = !router_decode(sv_make(key, key_n), name, sizeof name, &name_n) ||
                !router_decode(sv_make(value, value == NULL ? 0 : value_n), text, sizeof text, &n) ||
                !walk->each(walk->context, sv_make(name, name_n), sv_make(text, n));
    return walk->bad ? MHD_NO : MHD_YES;
}

bool request_query(const struct request *request,
                   bool (*each)(void *context, struct sv name, struct sv value), void *context)
{
    struct query_walk walk = {each, context, false};
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, query_each, &walk);
    return !walk.bad;
}

uint64_t api_body_budget(const struct api *api)
{
    return TC_MAX(UINT64_C(256) << 20, 4 * (uint64_t)api->options.max_body_bytes);
}

/* --- the head --------------------------------------------------------------------------------------------
 */

static bool peer_is_local(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL)
        return false;
    if (info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, info->client_addr, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 v6;
    if (info->client_addr->sa_family != AF_INET6)
        return false;
    memcpy(&v6, info->client_addr, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static struct sv api_key(const struct request *request)
{
    struct sv key = request_header(request, "DD-API-KEY");
    return key.p != NULL ? key : request_header(request, "X-Amz-Firehose-Access-Key");
}

static void check_auth(struct api *api, struct request *request, enum route_role role)
{
    struct auth_result result;
    struct auth_request auth = {.method = request->method,
                                .host = request_header(request, "Host"),
                                .origin = request_header(request, "Origin"),
                                .fetch_site = request_header(request, "Sec-Fetch-Site"),
                                .authorization = request_header(request, "Authorization"),
                                .secret = request_header(request, "X-Tocsin-Secret"),
                                .api_key = api_key(request),
                                .peer_local = peer_is_local(request->connection),
                                .role = role};
    auth_check(&api->auth, &auth, &result);
    request->source = result.source;
    request->person = result.person;
    request->unknown_token = result.unknown_token;
    api->bad_tokens += result.bad_token;
    if (result.status == 0)
        return;
    reply_error(&request->reply, result.status, "%s", result.text);
    if (result.status == 401)
        reply_header(&request->reply, "WWW-Authenticate", "Bearer realm=\"tocsin\"");
}

static size_t body_max(const struct request *request)
{
    const struct route *route = request->match.route;
    if (route == NULL)
        return 0;
    return route->body_max == SIZE_MAX ? request->api->options.max_body_bytes : route->body_max;
}

static void refuse_long_body(struct request *request)
{
    if (body_max(request) == 0)
        reply_error(&request->reply, 413, "this address takes no body: send none");
    else
        reply_error(&request->reply, 413, "the body is longer than %zu bytes: send it in smaller parts",
                    body_max(request));
}

/* What the head says of the body: none, its length, or (chunked) UINT64_MAX. */
static bool announced_length(const struct request *request, uint64_t *ret)
{
    struct sv length = request_header(request, "Content-Length");
    bool chunked = request_header(request, "Transfer-Encoding").p != NULL;
    *ret = chunked ? UINT64_MAX : 0;
    if (length.p == NULL)
        return true;
    return !chunked &&
           num_u64(length, 0, UINT64_MAX - 1, ret); /* both at once smuggle requests past proxies */
}

static void find_route(struct api *api, struct request *request, const char *path)
{
    unsigned status = router_find(api_routes, request->method, sv_of(path), &request->match);
    if (status != 200)
        request->match.route = NULL;
    check_auth(api, request, status == 200 ? request->match.route->role : ROLE_PUBLIC);
    if (request->match.route != NULL)
        request->body.max_bytes = body_max(request);
    if (request->reply.status != 0 || status == 200)
        return;
    if (status == 400) {
        reply_error(&request->reply, 400, "the path is not properly percent-encoded");
    } else if (status == 404) {
        reply_error(&request->reply, 404,
                    "nothing is served here: events go to POST /v1/events, the page is /");
    } else {
        reply_error(&request->reply, 405, "this address does not take %.*s: it takes %s",
                    SV_FMT(sv_head(request->method, 16)), request->match.allow);
        reply_header(&request->reply, "Allow", request->match.allow);
    }
}

static void begin(struct api *api, struct request *request, const char *path)
{
    struct reply *reply = &request->reply;
    uint64_t length = 0;
    find_route(api, request, path);
    if (reply->status == 0 && !announced_length(request, &length))
        reply_error(reply, 400, "Content-Length is not one number, or stands beside Transfer-Encoding");
    if (reply->status == 0 && length != UINT64_MAX && length > body_max(request))
        refuse_long_body(request);
    if (reply->status == 0 && request->match.route->begin != NULL)
        request->match.route->begin(api, request, reply);
    request->refused = reply->status != 0;
}

/* --- the body --------------------------------------------------------------------------------------------
 */

static void release_body(struct request *request)
{
    request->api->body_bytes -= request->body_held;
    request->body_held = 0;
    buf_free(&request->body);
}

static void refuse_body(struct request *request)
{
    request->refused = true;
    release_body(request);
}

static void keep_chunk(struct request *request, const char *bytes, size_t n)
{
    struct api *api = request->api;
    if (request->body.n + n > body_max(request)) {
        refuse_long_body(request);
        refuse_body(request);
        return;
    }
    request->body_held += n;
    if (atomic_fetch_add(&api->body_bytes, n) + n > api_body_budget(api)) {
        reply_error(&request->reply, 429,
                    "too many bodies are under way: send this one again a little later");
        refuse_body(request);
        return;
    }
    buf_add(&request->body, bytes, n);
}

/* False closes the connection: it takes too long, or sends without end what was refused. */
static bool take_chunk(struct request *request, const char *bytes, size_t n)
{
    int64_t now_ns = clk_monotonic_ns(request->api->options.clk);
    request->body_seen += n;
    if (request->body_seen > TC_API_DRAIN_BYTES ||
        now_ns - request->started_ns > TC_API_BODY_TIME_S * TC_SECOND_NS)
        return false;
    if (!request->refused)
        keep_chunk(request, bytes, n);
    return true;
}

/* --- answers ---------------------------------------------------------------------------------------------
 */

static void count_answer(struct api *api, const struct request *request)
{
    size_t row =
        request->match.route == NULL ? TC_API_ROUTES_MAX : (size_t)(request->match.route - api_routes);
    size_t column = 0;
    while (api_codes[column] != 0 && api_codes[column] != request->reply.status)
        column++;
    api->answers[row][column]++;
}

static enum MHD_Result answer(struct api *api, struct request *request)
{
    count_answer(api, request);
    /* more than that is packed by those who made it, beside the server's threads */
    reply_pack(&request->reply, request_header(request, "Accept-Encoding"), PACK_BYTES_MAX);
    return reply_send(&request->reply, request->connection);
}

static enum MHD_Result handle(struct api *api, struct request *request)
{
    if (!request->refused) {
        request->match.route->handle(api, request, &request->reply);
        release_body(request);
    }
    if (request->reply.later) {
        request->reply.later = false;
        return MHD_YES;
    }
    return answer(api, request);
}

static struct connection *held(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void stage(struct api *api, const struct request *request, enum connection_stage what)
{
    if (request->connection_held != NULL)
        connections_stage(&api->connections, request->connection_held, what, clk_monotonic_ns(&clk_system));
}

static enum MHD_Result on_accept(void *context, const struct sockaddr *address, socklen_t length)
{
    struct api *api = context;
    (void)length;
    return connections_admit(&api->connections, address) ? MHD_YES : MHD_NO;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode code)
{
    struct api *api = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*slot != NULL)
            connections_remove(&api->connections, *slot);
        *slot = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    int number = fd == NULL ? -1 : fd->connect_fd;
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *slot = connections_add(&api->connections, number, client == NULL ? NULL : client->client_addr,
                            clk_monotonic_ns(&clk_system));
}

static struct request *request_new(struct api *api, struct MHD_Connection *connection, const char *method)
{
    struct request *request = tc_alloc(sizeof *request);
    request->api = api;
    request->connection = connection;
    request->method = sv_of(method);
    request->connection_held = held(connection);
    stage(api, request, CONNECTION_BODY);
    request->started_ns = clk_monotonic_ns(api->options.clk);
    buf_init(&request->body, 0); /* its bound is the route's */
    buf_init(&request->reply.body, TC_API_REPLY_BYTES);
    buf_init(&request->answer, TC_API_REPLY_BYTES);
    pthread_mutex_lock(&api->lock);
    api->active++;
    bool stopping = api->stopping;
    pthread_mutex_unlock(&api->lock);
    if (stopping) {
        reply_error(&request->reply, 503, "Tocsin is stopping: send this again once it is back");
        request->refused = true;
    }
    return request;
}

/* Refused before the body: answer now, where waiting would only make the client send for nothing. */
static bool answer_at_once(const struct request *request)
{
    uint64_t length = 0;
    (void)announced_length(request, &length);
    return request->refused && (request_header(request, "Expect").p != NULL ||
                                (length != UINT64_MAX && length > TC_API_DRAIN_BYTES));
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **slot)
{
    struct api *api = context;
    struct request *request = *slot;
    (void)version;
    if (request == NULL) {
        *slot = request = request_new(api, connection, method);
        if (!request->refused)
            begin(api, request, path);
        return answer_at_once(request) ? answer(api, request) : MHD_YES;
    }
    if (*upload_n > 0) {
        if (request->connection_held != NULL)
            connections_bytes(&api->connections, request->connection_held, *upload_n);
        bool more = take_chunk(request, upload, *upload_n);
        *upload_n = 0;
        return more ? MHD_YES : MHD_NO;
    }
    stage(api, request, CONNECTION_ANSWER);
    return handle(api, request);
}

void request_end(struct request *request)
{
    struct api *api = request->api;
    stage(api, request, CONNECTION_KEPT);
    pending_release(api, &request->pending);
    command_release(api, &request->command);
    free(request->callback);
    search_release(api, &request->search);
    aside_release(api, &request->aside);
    release_body(request);
    reply_free(&request->reply);
    buf_free(&request->answer);
    pthread_mutex_lock(&api->lock);
    if (!request->is_stream)
        api->active--;
    api->tail_count -= request->tail != NULL;
    pthread_cond_broadcast(&api->changed);
    pthread_mutex_unlock(&api->lock);
    request->has_ended = true;
}

/* Of a connection that was handed over the library holds a lock here, which comes after ours: all that needs
 * ours was done before by request_end. */
static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    struct request *request = *slot;
    (void)context;
    (void)connection;
    (void)code;
    if (request == NULL)
        return;
    *slot = NULL;
    if (!request->has_ended)
        request_end(request);
    loki_tail_free(&request->tail);
    free(request);
}

/* Paths and parameters stay as they stood in the request: the router decodes them, with their lengths. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

struct MHD_Daemon *server_start(struct api *api)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
                     MHD_USE_ITC | (strchr(api->auth.host, ':') != NULL ? MHD_USE_IPv6 : 0);
    struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)api->options.threads, NULL},
                                    {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        flags, 0, on_accept, api, on_request, api, /* the listening socket is ours */
        MHD_OPTION_LISTEN_SOCKET, api->listen_fd,  /* so its errors are told by us */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)TC_API_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)TC_API_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)TC_API_HEAD_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, api,
        MHD_OPTION_ARRAY, api->options.threads > 1 ? pool : none, MHD_OPTION_END);
}
