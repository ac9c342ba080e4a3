/*
 * GET /loki/api/v1/tail: lines as they come, over a WebSocket, as Grafana's "Live" and `logcli query --tail`
 * ask for them. First the newest lines since `start`, at most `limit`, the oldest first; then every line that
 * passes, in the order of arrival, without a gap and without one twice: the position of the journal's end at
 * the beginning parts the two.
 *
 * Each client has a thread that follows the journal for it (TC_API_TAILS_MAX at most), so that a slow one
 * holds up nobody: it reads the journal as fast as it takes lines, and is cut where it takes none.
 */
#include "api/search.h"
#include "api/websocket.h"

#include "base/json_out.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    NICE = 10,
    IDLE_MS = 100,
    SEND_S = 20,               /* a client that has not taken a message by then is cut */
    PING_S = 15,               /* so that one that went without a word is found */
    MESSAGE_BYTES = 256 << 10, /* a message is sent once it is as long */
    MESSAGE_MAX = 16 << 20,    /* and a line more */
    STOP = TC_ESTATE,
};

struct loki_tail {
    struct api *api;
    struct request *request;
    struct search_job *job; /* query, start, limit; the request's */
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    pthread_t thread;
    bool runs;
    bool ended;      /* by the client, or it is cut */
    uint64_t end;    /* position that parts old lines from new ones */
    int64_t sent_ns; /* monotonic, of the last frame */
    struct buf message, frame;
    struct websocket_reader reader;
};

/* --- the socket
 * ----------------------------------------------------------------------------------------------------- */

static bool should_stop(void *context)
{
    struct loki_tail *t = context;
    pthread_mutex_lock(&t->api->lock);
    bool stopping = t->api->stopping;
    pthread_mutex_unlock(&t->api->lock);
    return t->ended || stopping;
}

/* What stands in t->frame. */
static void send_frame(struct loki_tail *t)
{
    const struct clk *clk = t->api->options.clk;
    struct sv rest = buf_view(&t->frame);
    t->sent_ns = clk_monotonic_ns(clk);
    while (rest.n > 0 && !should_stop(t)) {
        struct pollfd poller = {.fd = t->fd, .events = POLLOUT};
        (void)poll(&poller, 1, IDLE_MS);
        ssize_t n = send(t->fd, rest.p, rest.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        bool waits = n < 0 && (errno == EAGAIN || errno == EINTR);
        bool late = clk_monotonic_ns(clk) - t->sent_ns > SEND_S * TC_SECOND_NS;
        t->ended = t->ended || (n <= 0 && !waits) || (waits && late);
        t->api->tails_cut += waits && late;
        if (n > 0)
            rest = sv_from(rest, (size_t)n);
    }
}

static void send_control(struct loki_tail *t, enum websocket_opcode opcode, struct sv payload)
{
    buf_clear(&t->frame);
    websocket_frame(opcode, payload, &t->frame);
    send_frame(t);
}

static void hear(struct loki_tail *t, struct sv bytes)
{
    while (!t->ended) {
        switch (websocket_read(&t->reader, &bytes)) {
        case WEBSOCKET_MORE:
            return;
        case WEBSOCKET_PINGED:
            send_control(t, WEBSOCKET_PONG,
                         sv_make((const char *)t->reader.control, t->reader.control_bytes));
            break;
        case WEBSOCKET_CLOSED:
        case WEBSOCKET_BROKEN:
            t->ended = true;
        }
    }
}

/* What the client has to say, waiting at most so long. */
static void listen_for(struct loki_tail *t, int ms)
{
    char bytes[4096];
    struct pollfd poller = {.fd = t->fd, .events = POLLIN};
    if (poll(&poller, 1, ms) <= 0)
        return;
    ssize_t n = recv(t->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        hear(t, sv_make(bytes, (size_t)n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        t->ended = true;
}

/* Asked at every frame of the journal: the client may go while nothing is found for it. */
static bool is_over(void *context)
{
    listen_for(context, 0);
    return should_stop(context);
}

/* --- messages
 * ------------------------------------------------------------------------------------------------------- */

static void send_message(struct loki_tail *t)
{
    if (t->message.n == 0)
        return;
    buf_str(&t->message, "]}");
    buf_clear(&t->frame);
    websocket_frame(WEBSOCKET_TEXT, buf_view(&t->message), &t->frame);
    buf_clear(&t->message);
    send_frame(t);
}

static int add_line(struct loki_tail *t, int64_t ns, struct sv line, const struct query_label *labels,
                    size_t count)
{
    struct json_out json = json_out_to(&t->message);
    buf_str(&t->message, t->message.n == 0 ? "{\"streams\":[{\"stream\":" : ",{\"stream\":");
    query_write_labels(labels, count, &t->message);
    buf_printf(&t->message, ",\"values\":[[\"%lld\",", (long long)ns);
    json_string(&json, line);
    buf_str(&t->message, "]]}");
    if (t->message.overflow)
        return STOP;
    if (t->message.n >= MESSAGE_BYTES)
        send_message(t);
    return should_stop(t) ? STOP : 0;
}

static int take_line(void *context, struct query_line *line, struct err *err)
{
    struct loki_tail *t = context;
    const struct logql *query = t->job->what.queries[0];
    struct query_label sorted[QUERY_LABELS_MAX];
    (void)err;
    if (!query_pipeline(line, query, query->root->stages))
        return 0;
    return add_line(t, line->ns, line->line, sorted, query_labels_sorted(line, sorted));
}

static bool idle(void *context)
{
    struct loki_tail *t = context;
    send_message(t);
    if (clk_monotonic_ns(t->api->options.clk) - t->sent_ns > PING_S * TC_SECOND_NS)
        send_control(t, WEBSOCKET_PING, (struct sv){0});
    listen_for(t, IDLE_MS);
    return !should_stop(t);
}

/* --- the thread
 * ----------------------------------------------------------------------------------------------------- */

static struct query_source source_of(struct loki_tail *t)
{
    return (struct query_source){.fs = t->api->options.fs,
                                 .dir = t->api->options.data_dir,
                                 .limit_to = t->api->options.journal,
                                 .index = t->api->index,
                                 .stop = is_over,
                                 .context = t};
}

static int send_old(struct loki_tail *t, struct err *err)
{
    const struct search_parameters *what = &t->job->what;
    const struct query_source source = source_of(t);
    struct query_answer answer;
    int rc =
        query_search(&source, what->queries[0], what->start_ns, INT64_MAX, what->limit, true, &answer, err);
    if (rc != 0)
        return rc;
    for (size_t i = answer.count; rc == 0 && i-- > 0;)
        if (answer.found[i]->position < t->end)
            rc = add_line(t, answer.found[i]->ns, answer.found[i]->line, answer.found[i]->labels,
                          answer.found[i]->label_count);
    query_answer_free(&answer);
    send_message(t);
    return rc;
}

/* The library closes the connection and calls on_completed, which waits for this thread. */
static void hand_back(struct loki_tail *t)
{
    request_end(t->request);
    MHD_upgrade_action(t->handle, MHD_UPGRADE_ACTION_CLOSE);
}

static void *tail_main(void *context)
{
    struct loki_tail *t = context;
    struct query_scan_stats stats = {0};
    struct err err = {0};
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    t->sent_ns = clk_monotonic_ns(t->api->options.clk);
    int rc = send_old(t, &err);
    struct query_source source = source_of(t);
    source.after = t->end - 1;
    if (rc == 0)
        rc = query_follow(&source, t->job->what.queries[0]->root, INT64_MIN, INT64_MAX, false, idle,
                          take_line, t, &stats, &err);
    if (!t->ended) { /* 1001: going away; 1011: an error, which is told as far as a close frame has room */
        char text[WEBSOCKET_CONTROL_MAX] = {0x03, (char)0xe9};
        size_t n = 2;
        if (rc != 0 && rc != STOP) {
            text[1] = (char)0xf3;
            n += (size_t)snprintf(text + 2, sizeof text - 2, "%.100s", err.text);
        }
        buf_clear(&t->frame);
        websocket_frame(WEBSOCKET_CLOSE, sv_make(text, n), &t->frame);
        (void)send(t->fd, t->frame.p, t->frame.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    hand_back(t);
    return NULL;
}

/* The library hands the socket over. */
static void upgraded(void *context, struct MHD_Connection *connection, void *request_context,
                     const char *extra, size_t extra_bytes, MHD_socket fd,
                     struct MHD_UpgradeResponseHandle *handle)
{
    struct request *request = request_context;
    struct loki_tail *t = request->tail;
    (void)context;
    (void)connection;
    t->fd = fd;
    t->handle = handle;
    hear(t, sv_make(extra, extra_bytes));
    t->runs = pthread_create(&t->thread, NULL, tail_main, t) == 0;
    if (!t->runs)
        hand_back(t);
}

/* --- the request
 * ---------------------------------------------------------------------------------------------------- */

static bool has_word(struct sv list, const char *word)
{
    while (list.n > 0)
        if (sv_eq_nocase(sv_trim(sv_cut(&list, ',')), sv_of(word)))
            return true;
    return false;
}

static bool is_handshake(const struct request *request, char accept[WEBSOCKET_ACCEPT_BYTES])
{
    return has_word(request_header(request, "Upgrade"), "websocket") &&
           has_word(request_header(request, "Connection"), "upgrade") &&
           sv_is(request_header(request, "Sec-WebSocket-Version"), "13") &&
           websocket_accept(request_header(request, "Sec-WebSocket-Key"), accept);
}

static bool take_place(struct api *api)
{
    pthread_mutex_lock(&api->lock);
    bool room = api->tail_count < TC_API_TAILS_MAX;
    api->tail_count += room;
    pthread_mutex_unlock(&api->lock);
    return room;
}

void loki_tail_begin(struct api *api, struct request *request, struct reply *reply)
{
    char accept[WEBSOCKET_ACCEPT_BYTES];
    if (!is_handshake(request, accept)) {
        reply_error(reply, 426,
                    "lines come over a WebSocket here (RFC 6455, version 13): use Grafana, `logcli query "
                    "--tail`, or `tocsin query --follow`");
        reply_header(reply, "Upgrade", "websocket");
        reply_header(reply, "Sec-WebSocket-Version", "13");
        return;
    }
    if (api->options.journal == NULL) {
        reply_error(reply, 404, "there is no journal to follow");
        return;
    }
    if (!take_place(api)) {
        reply_error(reply, 429, "%d clients follow already: end one of them", TC_API_TAILS_MAX);
        return;
    }
    struct loki_tail *t = request->tail = tc_alloc(sizeof *t);
    *t = (struct loki_tail){
        .api = api, .request = request, .job = request->search, .end = journal_end(api->options.journal)};
    buf_init(&t->message, MESSAGE_MAX);
    buf_init(&t->frame, MESSAGE_MAX + 64);
    reply->response = MHD_create_response_for_upgrade(upgraded, NULL);
    if (reply->response == NULL) {
        reply_error(reply, 503, "no memory for one more client: try again later");
        return;
    }
    reply->status = MHD_HTTP_SWITCHING_PROTOCOLS;
    reply_header(reply, "Upgrade", "websocket");
    reply_header(reply, "Sec-WebSocket-Accept", accept);
}

void loki_tail_free(struct loki_tail **at)
{
    struct loki_tail *t = *at;
    if (t == NULL)
        return;
    if (t->runs)
        pthread_join(t->thread, NULL);
    buf_free(&t->message);
    buf_free(&t->frame);
    free(t);
    *at = NULL;
}
