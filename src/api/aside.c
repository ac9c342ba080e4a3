/*
 * Handlers that take long, beside the server's threads: a query of PromQL may compute for minutes, and a
 * thread of the server that did so would stand still with all its connections, health checks and senders
 * among them. So the request is suspended, and a few threads of ours, at a lower priority, run the handler.
 *
 * The handler sees a copy of the request, which is nobody else's: the request itself belongs to its thread of
 * the server. The queue is bounded: past it 429. When the server stops, what runs is told to end
 * (api->asides_end), and the request waits for that before it goes.
 */
#include "api/api_priv.h"

#include "base/pool.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10 };

struct aside {
    struct aside *next;
    route_fn handle;
    struct pending *pending;
    struct request request; /* the copy, with the body */
    struct reply reply;
    bool done; /* under api->lock */
};

static void *aside_main(void *context)
{
    struct api *api = context;
    /* Where the system refuses, they run at the priority of all else. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    pthread_mutex_lock(&api->lock);
    if (api->query_pool == NULL && api->options.prometheus.query_threads > 1)
        api->query_pool =
            pool_new(TC_MIN(api->options.prometheus.query_threads, 64U)); /* of this priority, too */
    while (!api->asides_end || api->asides != NULL) {
        struct aside *job = api->asides;
        if (job == NULL) {
            pthread_cond_wait(&api->aside_due, &api->lock);
            continue;
        }
        api->asides = job->next;
        pthread_mutex_unlock(&api->lock);
        struct pending *pending = job->pending;
        if (!api->asides_end)
            job->handle(api, &job->request, &job->reply);
        else
            reply_error(&job->reply, 503, "Tocsin stops: ask again once it is back");
        pthread_mutex_lock(&api->lock);
        job->done = true; /* from here on it may be gone */
        api->aside_count--;
        pthread_cond_broadcast(&api->aside_done);
        pthread_mutex_unlock(&api->lock);
        pending_done(pending, 0, 0);
        pthread_mutex_lock(&api->lock);
    }
    pthread_mutex_unlock(&api->lock);
    return NULL;
}

int aside_start(struct api *api, struct err *err)
{
    for (; api->aside_threads < TC_API_ASIDE_THREADS; api->aside_threads++)
        if (pthread_create(&api->aside_thread[api->aside_threads], NULL, aside_main, api) != 0)
            return err_set(err, TC_EIO, "cannot start the threads of queries on metrics");
    return 0;
}

void aside_stop(struct api *api)
{
    pthread_mutex_lock(&api->lock);
    api->asides_end = true;
    pthread_cond_broadcast(&api->aside_due);
    pthread_mutex_unlock(&api->lock);
    while (api->aside_threads > 0)
        pthread_join(api->aside_thread[--api->aside_threads], NULL);
    struct pool *pool = api->query_pool;
    pool_free(&pool);
    api->query_pool = NULL;
}

static bool enqueue(struct api *api, struct aside *job)
{
    pthread_mutex_lock(&api->lock);
    bool room = api->aside_count < TC_API_ASIDES_MAX;
    struct aside **at = &api->asides;
    while (room && *at != NULL)
        at = &(*at)->next;
    if (room) {
        *at = job;
        api->aside_count++;
        pthread_cond_signal(&api->aside_due);
    }
    pthread_mutex_unlock(&api->lock);
    return room;
}

static void begin(struct api *api, struct request *request, route_fn handle, struct reply *reply)
{
    struct aside *job = request->aside = tc_alloc(sizeof *job);
    job->handle = handle;
    job->request = *request; /* what its match points at stays where it is */
    buf_init(&request->body, 0);
    buf_init(&job->reply.body, TC_API_REPLY_BYTES);
    job->pending = request->pending = pending_new(api, request);
    if (enqueue(api, job))
        return;
    job->done = true;
    pending_cancel(request->pending);
    pending_release(api, &request->pending);
    reply_error(reply, 429, "%d queries are under way already: send this one again a little later",
                TC_API_ASIDES_MAX);
}

/* Until nobody runs it any more. A request that waits is woken before that only when the server stops. */
static void see_it_end(struct api *api, const struct aside *job)
{
    pthread_mutex_lock(&api->lock);
    while (!job->done) {
        api->asides_end = true;
        pthread_cond_broadcast(&api->aside_due);
        pthread_cond_wait(&api->aside_done, &api->lock);
    }
    pthread_mutex_unlock(&api->lock);
}

void aside_run(struct api *api, struct request *request, route_fn handle, struct reply *reply)
{
    int rc = 0;
    if (request->pending == NULL)
        begin(api, request, handle, reply);
    if (request->pending == NULL)
        return;
    struct aside *job = request->aside;
    switch (pending_wait(api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_ABANDONED:
        see_it_end(api, job);
        reply_error(reply, 503, "Tocsin stops: ask again once it is back");
        return;
    case PENDING_DONE:
        break;
    }
    reply_free(reply);
    *reply = job->reply;
    job->reply = (struct reply){0};
}

void aside_release(struct api *api, struct aside **at)
{
    if (*at == NULL)
        return;
    see_it_end(api, *at);
    buf_free(&(*at)->request.body);
    reply_free(&(*at)->reply);
    free(*at);
    *at = NULL;
}
