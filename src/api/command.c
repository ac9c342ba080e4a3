/*
 * Commands to the core, beside the server's threads: the core answers once the command is durable and
 * applied, which takes as long as the core is behind. A thread of the server that waited for it would stand
 * still with all its connections, so one thread of ours waits instead, and the request is suspended.
 *
 * A job has two holders, the request and the queue; the last frees it. The queue is bounded: past it 429.
 */
#include "api/api_priv.h"

#include "base/arena.h"

#include <stdlib.h>

struct command {
    struct command *next;
    unsigned refs;      /* under api->lock */
    struct arena arena; /* the texts of `what` */
    struct alert_command what;
    bool is_reload; /* in place of `what` */
    struct pending *pending;
    /* Written by the thread, read by the request once `pending` is done: */
    struct buf json;
    struct err err;
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

static void run(struct api *api, struct command *command)
{
    void *context = api->options.context;
    int rc = command->is_reload
                 ? api->options.reload(context, &command->json, &command->err)
                 : api->options.command(context, &command->what, &command->json, &command->err);
    pending_done(command->pending, rc, 0);
    let_go(api, command);
}

static void *command_main(void *context)
{
    struct api *api = context;
    pthread_mutex_lock(&api->lock);
    while (!api->commands_end || api->commands != NULL) {
        struct command *command = api->commands;
        if (command == NULL) {
            pthread_cond_wait(&api->command_due, &api->lock);
            continue;
        }
        api->commands = command->next;
        pthread_mutex_unlock(&api->lock);
        run(api, command);
        pthread_mutex_lock(&api->lock);
        api->command_count--;
    }
    pthread_mutex_unlock(&api->lock);
    return NULL;
}

int command_start(struct api *api, struct err *err)
{
    if (pthread_create(&api->commander, NULL, command_main, api) != 0)
        return err_set(err, TC_EIO, "cannot start the thread of commands");
    api->commander_runs = true;
    return 0;
}

void command_stop(struct api *api)
{
    if (!api->commander_runs)
        return;
    pthread_mutex_lock(&api->lock);
    api->commands_end = true;
    pthread_cond_signal(&api->command_due);
    pthread_mutex_unlock(&api->lock);
    pthread_join(api->commander, NULL);
    api->commander_runs = false;
}

static bool enqueue(struct api *api, struct command *command)
{
    pthread_mutex_lock(&api->lock);
    bool room = api->command_count < TC_API_COMMANDS_MAX;
    struct command **at = &api->commands;
    while (room && *at != NULL)
        at = &(*at)->next;
    if (room) {
        *at = command;
        command->refs++;
        api->command_count++;
        pthread_cond_signal(&api->command_due);
    }
    pthread_mutex_unlock(&api->lock);
    return room;
}

static void begin(struct api *api, struct request *request, struct reply *reply)
{
    struct command *command = request->command;
    command->refs = 1;
    buf_init(&command->json, TC_API_REPLY_BYTES);
    command->pending = request->pending = pending_new(api, request);
    if (enqueue(api, command))
        return;
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
