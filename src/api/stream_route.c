/*
 * GET /v1/stream: changes of alerts as server-sent events (HTML standard, section 9.2), for the page.
 *
 * Each client has its own queue of unsent bytes with a bound. A client that reads slower than alerts change
 * is dropped, not waited for: the browser reconnects by itself and the page fetches all anew. A publisher
 * only appends and wakes, so it never blocks on a socket. Heartbeat comments find clients that went without a
 * word.
 *
 * One lock for all. Taken before the library's own (suspend, resume), never after.
 */
#include "api/api_priv.h"

#include "base/arena.h"

#include <stdlib.h>

struct client {
    struct stream *stream;
    struct MHD_Connection *connection;
    struct buf queue; /* bytes not sent yet, from `sent` on */
    size_t sent;
    bool suspended, dropped;
    struct client *previous, *next;
};

struct stream {
    pthread_mutex_t lock;
    struct client *clients; /* all below under lock */
    unsigned count;
    uint64_t dropped;
    bool closed;
};

struct stream *stream_new(void)
{
    struct stream *stream = tc_alloc(sizeof *stream);
    pthread_mutex_init(&stream->lock, NULL);
    return stream;
}

void stream_free(struct stream **stream)
{
    if (*stream == NULL)
        return;
    tc_assert((*stream)->clients == NULL);
    pthread_mutex_destroy(&(*stream)->lock);
    free(*stream);
    *stream = NULL;
}

/* --- publishing; the lock is held ------------------------------------------------------------------------
 */

static void client_wake(struct client *client)
{
    if (client->suspended)
        MHD_resume_connection(client->connection);
    client->suspended = false;
}

static void client_send(struct client *client, struct sv bytes)
{
    struct buf *queue = &client->queue;
    if (client->dropped)
        return;
    if (client->sent > 0 && queue->n + bytes.n > queue->max_bytes) {
        memmove(queue->p, queue->p + client->sent, queue->n - client->sent);
        queue->n -= client->sent;
        client->sent = 0;
    }
    buf_sv(&client->queue, bytes);
    if (client->queue.overflow) {
        client->dropped = true;
        client->stream->dropped++;
        buf_free(&client->queue);
    }
    client_wake(client);
}

static void send_all(struct stream *stream, struct sv bytes)
{
    pthread_mutex_lock(&stream->lock);
    for (struct client *client = stream->clients; client != NULL; client = client->next)
        client_send(client, bytes);
    pthread_mutex_unlock(&stream->lock);
}

void stream_publish(struct stream *stream, struct sv json)
{
    struct buf text;
    buf_init(&text, TC_API_STREAM_QUEUE_BYTES);
    buf_str(&text, "event: alert\n");
    while (json.n > 0) { /* a line feed would end the field; JSON has none inside of strings */
        buf_str(&text, "data: ");
        buf_sv(&text, sv_cut(&json, '\n'));
        buf_char(&text, '\n');
    }
    buf_char(&text, '\n');
    if (text.overflow) { /* the page cannot have it whole: it is told to fetch */
        buf_clear(&text);
        buf_str(&text, "event: refetch\ndata: {}\n\n");
    }
    send_all(stream, buf_view(&text));
    buf_free(&text);
}

void stream_heartbeat(struct stream *stream)
{
    send_all(stream, SV(": heartbeat\n\n"));
}

void stream_close(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->closed = true;
    for (struct client *client = stream->clients; client != NULL; client = client->next)
        client_wake(client);
    pthread_mutex_unlock(&stream->lock);
}

unsigned stream_clients(const struct stream *stream)
{
    struct stream *locked = (struct stream *)(uintptr_t)stream;
    pthread_mutex_lock(&locked->lock);
    unsigned count = locked->count;
    pthread_mutex_unlock(&locked->lock);
    return count;
}

uint64_t stream_dropped(const struct stream *stream)
{
    struct stream *locked = (struct stream *)(uintptr_t)stream;
    pthread_mutex_lock(&locked->lock);
    uint64_t dropped = locked->dropped;
    pthread_mutex_unlock(&locked->lock);
    return dropped;
}

/* --- sending, on the server's threads --------------------------------------------------------------------
 */

static ssize_t client_take(struct client *client, char *to, size_t max)
{
    size_t n = TC_MIN(max, client->queue.n - client->sent);
    memcpy(to, client->queue.p + client->sent, n);
    client->sent += n;
    if (client->sent == client->queue.n) {
        buf_clear(&client->queue);
        client->sent = 0;
    }
    return (ssize_t)n;
}

static ssize_t client_read(void *context, uint64_t at, char *to, size_t max)
{
    struct client *client = context;
    struct stream *stream = client->stream;
    ssize_t n = 0;
    (void)at;
    pthread_mutex_lock(&stream->lock);
    if (client->dropped || stream->closed) {
        n = MHD_CONTENT_READER_END_WITH_ERROR; /* closes the connection, which an end of stream would not */
    } else if (client->queue.n > client->sent) {
        n = client_take(client, to, max);
    } else {
        client->suspended = true;
        MHD_suspend_connection(client->connection);
    }
    pthread_mutex_unlock(&stream->lock);
    return n;
}

static void client_free(void *context)
{
    struct client *client = context;
    struct stream *stream = client->stream;
    pthread_mutex_lock(&stream->lock);
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        stream->clients = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    stream->count--;
    pthread_mutex_unlock(&stream->lock);
    buf_free(&client->queue);
    free(client);
}

static struct client *client_new(struct stream *stream, struct MHD_Connection *connection)
{
    struct client *client = tc_alloc(sizeof *client);
    client->stream = stream;
    client->connection = connection;
    buf_init(&client->queue, TC_API_STREAM_QUEUE_BYTES);
    buf_str(&client->queue, "retry: 2000\n: connected\n\n");
    client->next = stream->clients;
    if (client->next != NULL)
        client->next->previous = client;
    stream->clients = client;
    stream->count++;
    return client;
}

void stream_begin(struct api *api, struct request *request, struct reply *reply)
{
    if (sv_is(request->method, "HEAD"))
        return;
    if (stream_clients(api->stream) >= TC_API_STREAM_CLIENTS_MAX)
        reply_error(reply, 503, "%d pages listen already: close one, or poll GET /v1/alerts",
                    TC_API_STREAM_CLIENTS_MAX);
}

void stream_handle(struct api *api, struct request *request, struct reply *reply)
{
    struct stream *stream = api->stream;
    reply->status = 200;
    reply->content_type = "text/event-stream";
    if (sv_is(request->method, "HEAD"))
        return;
    pthread_mutex_lock(&stream->lock);
    struct client *client = client_new(stream, request->connection);
    pthread_mutex_unlock(&stream->lock);
    reply->response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, client_read, client, client_free);
    if (reply->response == NULL) {
        client_free(client);
        reply_error(reply, 503, "no memory for one more listener: try again later");
        return;
    }
    pthread_mutex_lock(&api->lock);
    request->is_stream = true;
    api->active--;
    pthread_cond_broadcast(&api->changed);
    pthread_mutex_unlock(&api->lock);
}
