/*
 * A queue under one lock, and threads that wait for it to grow.
 *
 * The end and the stop are two things: told of the end, the threads still take what comes, since a request
 * that came in before may put its work after it, and waits for it. They leave once nobody can put any more.
 */
#include "api/workers.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10 };

/* The next to run, NULL once there will be none. */
static struct work *take(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    while (workers->first == NULL && !workers->stopping)
        pthread_cond_wait(&workers->due, &workers->lock);
    struct work *work = workers->first;
    if (work != NULL) {
        workers->first = work->next;
        if (workers->first == NULL)
            workers->last = &workers->first;
    }
    pthread_mutex_unlock(&workers->lock);
    return work;
}

static void *workers_main(void *context)
{
    struct workers *workers = context;
    const struct workers_options *options = &workers->options;
    struct work *work;
    /* Where the system refuses, they run at the priority of all else. */
    if (options->background)
        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    while ((work = take(workers)) != NULL) {
        options->run(options->context, work, workers_ending(workers));
        pthread_mutex_lock(&workers->lock);
        workers->count--;
        pthread_mutex_unlock(&workers->lock);
        options->done(options->context, work);
    }
    return NULL;
}

int workers_start(struct workers *workers, const struct workers_options *options, struct err *err)
{
    *workers = (struct workers){.options = *options};
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->due, NULL);
    for (; workers->thread_count < options->threads; workers->thread_count++)
        if (pthread_create(&workers->thread[workers->thread_count], NULL, workers_main, workers) != 0) {
            workers_stop(workers);
            return err_set(err, TC_EIO, "cannot start the %s of %s",
                           options->threads == 1 ? "thread" : "threads", options->what);
        }
    return 0;
}

bool workers_put(struct workers *workers, struct work *work)
{
    pthread_mutex_lock(&workers->lock);
    bool room = workers->count < workers->options.limit;
    if (room) {
        work->next = NULL;
        *workers->last = work;
        workers->last = &work->next;
        workers->count++;
        pthread_cond_signal(&workers->due);
    }
    pthread_mutex_unlock(&workers->lock);
    return room;
}

void workers_end(struct workers *workers)
{
    workers->ending = true;
}

bool workers_ending(const struct workers *workers)
{
    return workers->ending;
}

void workers_stop(struct workers *workers)
{
    if (workers->options.run == NULL) /* not started */
        return;
    workers_end(workers);
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->due);
    pthread_mutex_unlock(&workers->lock);
    while (workers->thread_count > 0)
        pthread_join(workers->thread[--workers->thread_count], NULL);
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->due);
    *workers = (struct workers){0};
}

unsigned workers_count(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    unsigned count = workers->count;
    pthread_mutex_unlock(&workers->lock);
    return count;
}
