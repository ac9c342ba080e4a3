/*
 * Threads beside the server's, with a bounded queue of work: what takes long is put to them, so that no
 * thread of the server stands still with all its connections. First come, first served.
 *
 * Nothing that was put is dropped: what still waits when the end comes is run like the rest, and told so.
 */
#ifndef API_WORKERS_H
#define API_WORKERS_H

#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WORKERS_THREADS_MAX = 8 };

/* What waits in the queue: the first member of the caller's own struct, which stays the caller's. */
struct work {
    struct work *next;
};

struct workers_options {
    const char *what; /* they carry out, in the plural, for errors; not copied */
    unsigned limit;   /* of work that waits or runs */
    unsigned threads; /* 1..WORKERS_THREADS_MAX */
    bool background;  /* at a lower priority than the rest of the program */
    /* Both on one of the threads, no lock held. `ending`: workers_end or workers_stop was called. */
    void (*run)(void *context, struct work *work, bool ending);
    /* Tells whoever waits for it, and may free it. It no longer counts, so who is told finds room. */
    void (*done)(void *context, struct work *work);
    void *context;
};

/* All zero before the start and after the stop. */
struct workers {
    struct workers_options options;
    atomic_bool ending;
    pthread_mutex_t lock;
    pthread_cond_t due; /* the queue has grown, or stopping */
    struct work *first; /* that waits; under lock, as all below */
    struct work **last;
    unsigned count; /* waiting and running */
    bool stopping;
    pthread_t thread[WORKERS_THREADS_MAX]; /* of who starts and stops them, as the next */
    unsigned thread_count;
};

/* TC_EIO where the system gives no thread; none runs then. */
int workers_start(struct workers *workers, const struct workers_options *options, struct err *err);
/* Queues it; false where `limit` is reached. From then on `run` and `done` may come at any moment, also
 * before it returns. Any thread, between start and stop. */
bool workers_put(struct workers *workers, struct work *work);
/* From here on work is run as `ending`, that which is put later too. Does not wait. Any thread. */
void workers_end(struct workers *workers);
/* What work that is under way looks at to end early. Any thread. */
bool workers_ending(const struct workers *workers);
/* workers_end, and waits until all that was put is done; nobody puts any more. May follow a start that
 * failed, or none. */
void workers_stop(struct workers *workers);
/* How much waits or runs. Any thread, between start and stop. */
unsigned workers_count(struct workers *workers);

#endif
