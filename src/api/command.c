/*
 * Commands to the core, beside the server's threads: the core answers once the command is durable and
 * applied, which takes as long as the core is behind. A thread of the server that waited for it would stand
 * still with all its connections, so one thread of ours waits instead (workers.h), and the request is
 * suspended. Those that wait when the server stops are carried out.
 *
 * A job has two holders, the request and the queue; the last frees it. The queue is bounded: past it 429.
 */
#include "api/api_priv.h"

#include "base/arena.h"

#include <stdlib.h>

struct command {
    struct work work;
    unsigned refs;      /* under api->lock */
    struct arena arena; /* the texts of `what` */
    struct alert_command what;
    bool is_reload; /* in place of `what` */
    struct pending *pending;
    /* Written by the thread, read by the request once `pending` is done: */
    struct buf json;
    struct err err;
    int rc; /* of the thread only: `pending` carries it */
};

static void let_go(struct api *api, struct command *command)
{
    pthread_mutex_lock(&api->lock);
    unsigned left = --command->refs;
    pthread_mutex_unlock(&api->lock);
    if (left > 0)
        return;
    arena_free(&command->arena);
    buf_free(&command->json);
    free(command);
}

static void run(void *context, struct work *work, bool ending)
{
    const struct api_options *core = &((struct api *)context)->options;
    struct command *command = (struct command *)work;
    (void)ending; /* a command that was taken is carried out */
    command->rc = command->is_reload
                      ? core->reload(core->context, &command->json, &command->err)
                      : core->command(core->context, &command->what, &command->json, &command->err);
}

static void done(void *context, struct work *work)
{
    struct command *command = (struct command *)work;
    pending_done(command->pending, command->rc, 0);
    let_go(context, command);
}

int command_start(struct api *api, struct err *err)
{
    const struct workers_options options = {.what = "commands",
                                            .limit = TC_API_COMMANDS_MAX,
                                            .threads = 1,
                                            .run = run,
                                            .done = done,
                                            .context = api};
    return workers_start(&api->commands, &options, err);
}

void command_stop(struct api *api)
{
    workers_stop(&api->commands);
}

static void begin(struct api *api, struct request *request, struct reply *reply)
{
    struct command *command = request->command;
    command->refs = 2; /* the request and the queue */
    buf_init(&command->json, TC_API_REPLY_BYTES);
    command->pending = request->pending = pending_new(api, request);
    if (workers_put(&api->commands, &command->work))
        return;
    let_go(api, command); /* the queue's */
    pending_cancel(request->pending);
    pending_release(api, &request->pending);
    reply_error(reply, 429, "%d commands wait already: send this one again a little later",
                TC_API_COMMANDS_MAX);
}

void command_begin(struct api *api, struct request *request, const struct alert_command *what,
                   struct reply *reply)
{
    struct command *command = request->command = tc_alloc(sizeof *command);
    struct arena *arena = &command->arena;
    for (const struct alert_command_member *m = alert_command_members; m->name != NULL; m++)
        *alert_command_at(&command->what, m) = arena_sv(arena, *alert_command_at(what, m));
    begin(api, request, reply);
}

void command_begin_reload(struct api *api, struct request *request, struct reply *reply)
{
    request->command = tc_alloc(sizeof *request->command);
    request->command->is_reload = true;
    begin(api, request, reply);
}

void command_finish(struct api *api, struct request *request, struct reply *reply)
{
    int rc = 0;
    switch (pending_wait(api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_ABANDONED:
        reply_error(reply, 503,
                    "Tocsin stops before it knows the outcome: ask for the alert once it is back");
        return;
    case PENDING_DONE:
        break;
    }
    if (rc != 0) {
        reply_err(reply, &request->command->err);
        return;
    }
    reply_json(reply, 200);
    buf_sv(&reply->body, buf_view(&request->command->json));
}

const struct err *command_error(const struct request *request)
{
    return &request->command->err;
}

void command_release(struct api *api, struct command **at)
{
    if (*at != NULL)
        let_go(api, *at);
    *at = NULL;
}
