/*
 * A request that waits for the journal: suspended on the server's thread, woken on the journal's.
 *
 * Three can be first: the journal's callback (even before append returns), the suspension, and the client's
 * going. So what they share lives apart from the request, counted by two holders (request, callback), and
 * every step takes its lock. The callback touches nothing else: it may come after the server has gone.
 */
#include "api/api_priv.h"

#include "base/arena.h"

#include <stdlib.h>

static void let_go(struct pending *pending)
{
    unsigned left = --pending->refs;
    pthread_mutex_unlock(&pending->lock);
    if (left > 0)
        return;
    pthread_mutex_destroy(&pending->lock);
    free(pending);
}

struct pending *pending_new(struct api *api, struct request *request)
{
    struct pending *pending = tc_alloc(sizeof *pending);
    pthread_mutex_init(&pending->lock, NULL);
    pending->refs = 2;
    pending->connection = request->connection;
    pthread_mutex_lock(&api->lock);
    pending->next = api->pending;
    if (pending->next != NULL)
        pending->next->previous = pending;
    api->pending = pending;
    pthread_mutex_unlock(&api->lock);
    return pending;
}

static void wake(struct pending *pending)
{
    if (pending->suspended && pending->connection != NULL)
        MHD_resume_connection(pending->connection);
    pending->suspended = false;
}

void pending_done(void *context, int rc, uint64_t first)
{
    struct pending *pending = context;
    (void)first;
    pthread_mutex_lock(&pending->lock);
    pending->done = true;
    pending->rc = rc;
    wake(pending);
    let_go(pending);
}

void pending_cancel(struct pending *pending)
{
    pthread_mutex_lock(&pending->lock);
    let_go(pending);
}

enum pending_state pending_wait(struct api *api, struct pending *pending, int *ret_rc)
{
    enum pending_state state = PENDING_LATER;
    pthread_mutex_lock(&api->lock);
    bool cut_off = api->cut_off;
    pthread_mutex_lock(&pending->lock);
    if (pending->done) {
        state = PENDING_DONE;
        *ret_rc = pending->rc;
    } else if (pending->abandoned || cut_off) {
        state = PENDING_ABANDONED;
    } else {
        pending->suspended = true;
        MHD_suspend_connection(pending->connection);
    }
    pthread_mutex_unlock(&pending->lock);
    pthread_mutex_unlock(&api->lock);
    return state;
}

void pending_release(struct api *api, struct pending **at)
{
    struct pending *pending = *at;
    *at = NULL;
    if (pending == NULL)
        return;
    pthread_mutex_lock(&api->lock);
    if (pending->previous != NULL)
        pending->previous->next = pending->next;
    else
        api->pending = pending->next;
    if (pending->next != NULL)
        pending->next->previous = pending->previous;
    pthread_mutex_unlock(&api->lock);
    pthread_mutex_lock(&pending->lock);
    pending->connection = NULL;
    let_go(pending);
}

void pending_abandon_all(struct api *api)
{
    pthread_mutex_lock(&api->lock);
    api->cut_off = true;
    for (struct pending *pending = api->pending; pending != NULL; pending = pending->next) {
        pthread_mutex_lock(&pending->lock);
        pending->abandoned = true;
        wake(pending);
        pthread_mutex_unlock(&pending->lock);
    }
    pthread_mutex_unlock(&api->lock);
}
