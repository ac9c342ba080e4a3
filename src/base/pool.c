/*
 * The thread pool; see pool.h. Parts are taken from one atomic counter, so a slow part does not hold the
 * others. A helper that the system wakes too late finds the round closed: nobody waits for it.
 */
#include "base/pool.h"

#include "base/arena.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct pool {
    unsigned threads;
    pthread_t handles[64];
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    unsigned round;   /* rises with each pool_run; guarded by lock, as are the next five */
    unsigned running; /* helpers at work in this round */
    bool open, stop;  /* open: more helpers may begin */
    pool_part_fn work;
    void *context;
    unsigned parts;
    atomic_uint next_part;
    atomic_flag lent; /* to a caller of pool_try_run */
};

struct helper {
    struct pool *pool;
    unsigned worker;
};

static void do_parts(struct pool *pool, unsigned worker)
{
    for (;;) {
        unsigned part = atomic_fetch_add(&pool->next_part, 1);
        if (part >= pool->parts)
            return;
        pool->work(pool->context, part, worker);
    }
}

static void *helper_main(void *argument)
{
    struct helper helper = *(struct helper *)argument;
    struct pool *pool = helper.pool;
    free(argument);
    unsigned seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while ((pool->round == seen || !pool->open) && !pool->stop)
            pthread_cond_wait(&pool->start, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->round;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        do_parts(pool, helper.worker);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct pool *pool_new(unsigned threads)
{
    tc_assert(threads >= 1 && threads <= 64);
    struct pool *pool = tc_alloc(sizeof *pool);
    pool->threads = 1;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    while (pool->threads < threads) {
        struct helper *helper = tc_alloc(sizeof *helper);
        *helper = (struct helper){pool, pool->threads};
        if (pthread_create(&pool->handles[pool->threads], NULL, helper_main, helper) != 0) {
            free(helper); /* fewer threads give the same results, later */
            break;
        }
        pool->threads++;
    }
    return pool;
}

void pool_free(struct pool **pool_at)
{
    struct pool *pool = *pool_at;
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 1; i < pool->threads; i++)
        pthread_join(pool->handles[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->done);
    free(pool);
    *pool_at = NULL;
}

unsigned pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_run(struct pool *pool, unsigned parts, pool_part_fn work, void *context)
{
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->context = context;
    pool->parts = parts;
    atomic_store(&pool->next_part, 0);
    pool->open = parts > 1 && pool->threads > 1;
    if (pool->open) {
        pool->round++;
        pthread_cond_broadcast(&pool->start);
    }
    pthread_mutex_unlock(&pool->lock);
    do_parts(pool, 0);
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    while (pool->running > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

unsigned pool_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : TC_MIN((unsigned)n, 64u);
}

bool pool_try_run(struct pool *pool, unsigned parts, pool_part_fn work, void *context)
{
    if (atomic_flag_test_and_set(&pool->lent))
        return false;
    pool_run(pool, parts, work, context);
    atomic_flag_clear(&pool->lent);
    return true;
}
