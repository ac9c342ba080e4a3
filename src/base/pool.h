/*
 * A pool of threads for one shape of work: a batch cut into numbered parts, all done before the call returns.
 *
 * The caller's thread works too, so a pool of 1 starts no thread. Results must depend on the part's number
 * only, never on the thread. One pool_run at a time per pool.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/tc.h"

struct pool;
typedef void (*pool_part_fn)(void *context, unsigned part,
                             unsigned worker); /* worker < threads, for scratch memory */

struct pool *pool_new(unsigned threads); /* 1..64 */
void pool_free(struct pool **pool);
/* As pool_run, where any thread may come: false, and nothing was done, while the pool is at work for another.
 * Not together with pool_run on one pool. */
bool pool_try_run(struct pool *pool, unsigned parts, pool_part_fn work, void *context);
unsigned pool_threads(const struct pool *pool);
void pool_run(struct pool *pool, unsigned parts, pool_part_fn work, void *context);
/* Processors this process may use, at least 1. */
unsigned pool_processors(void);

#endif
