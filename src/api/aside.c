/*
 * Handlers that take long, beside the server's threads: a query of PromQL may compute for minutes, and a
 * thread of the server that did so would stand still with all its connections, health checks and senders
 * among them. So the request is suspended, and a few threads of ours (workers.h), at a lower priority, run
 * the handler.
 *
 * The handler sees a copy of the request, which is nobody else's: the request itself belongs to its thread of
 * the server. The queue is bounded: past it 429. When the server stops, what runs is told to end
 * (it looks at workers_ending), what waits is answered 503, and the request waits for that before it goes.
 */
#include "api/api_priv.h"

#include <stdlib.h>

struct aside {
    struct work work;
    route_fn handle;
    struct pending *pending;
    struct request request; /* the copy, with the body */
    struct reply reply;
    bool done; /* under api->lock */
};

static void run(void *context, struct work *work, bool ending)
{
    struct aside *job = (struct aside *)work;
    if (!ending)
        job->handle(context, &job->request, &job->reply);
    else
        reply_error(&job->reply, 503, "Tocsin stops: ask again once it is back");
    reply_pack(&job->reply, request_header(&job->request, "Accept-Encoding"), SIZE_MAX);
}

static void done(void *context, struct work *work)
{
    struct api *api = context;
    struct aside *job = (struct aside *)work;
    struct pending *pending = job->pending;
    pthread_mutex_lock(&api->lock);
    job->done = true; /* from here on it may be gone */
    pthread_cond_broadcast(&api->aside_done);
    pthread_mutex_unlock(&api->lock);
    pending_done(pending, 0, 0);
}

int aside_start(struct api *api, struct err *err)
{
    const struct workers_options options = {.what = "queries on metrics",
                                            .limit = TC_API_ASIDES_MAX,
                                            .threads = TC_API_ASIDE_THREADS,
                                            .background = true,
                                            .run = run,
                                            .done = done,
                                            .context = api};
    return workers_start(&api->asides, &options, err);
}

void aside_stop(struct api *api)
{
    workers_stop(&api->asides);
}

static void begin(struct api *api, struct request *request, route_fn handle, struct reply *reply)
{
    struct aside *job = request->aside = tc_alloc(sizeof *job);
    job->handle = handle;
    job->request = *request; /* what its match points at stays where it is */
    buf_init(&request->body, 0);
    buf_init(&job->reply.body, TC_API_REPLY_BYTES);
    job->pending = request->pending = pending_new(api, request);
    if (workers_put(&api->asides, &job->work))
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
    if (!job->done)
        workers_end(&api->asides);
    while (!job->done)
        pthread_cond_wait(&api->aside_done, &api->lock);
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
