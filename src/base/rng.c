/*
 * Randomness; see rng.h. A buffer per thread keeps a salt from costing a system call.
 */
#include "base/rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void fill_from_kernel(void *to, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = getrandom((char *)to + got, n - got, 0);
        tc_assert(r >= 0 || errno == EINTR);
        got += r < 0 ? 0 : (size_t)r;
    }
}

static void system_fill(const struct rng *rng, void *to, size_t n)
{
    static _Thread_local struct {
        unsigned char bytes[4096];
        size_t left;
    } pool;
    (void)rng;
    if (n > sizeof pool.bytes) {
        fill_from_kernel(to, n);
        return;
    }
    if (pool.left < n) {
        fill_from_kernel(pool.bytes, sizeof pool.bytes);
        pool.left = sizeof pool.bytes;
    }
    pool.left -= n;
    memcpy(to, pool.bytes + pool.left, n);
    memset(pool.bytes + pool.left, 0, n); /* handed out once */
}

const struct rng rng_system = {.fill = system_fill};

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void sim_fill(const struct rng *rng, void *to, size_t n)
{
    struct sim_rng *sim = rng->context;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = splitmix(&sim->state);
        memcpy((char *)to + i, &v, TC_MIN(n - i, sizeof v));
    }
}

void sim_rng_init(struct sim_rng *sim, uint64_t seed)
{
    sim->state = seed;
    sim->rng = (struct rng){.fill = sim_fill, .context = sim};
}

uint64_t rng_u64(const struct rng *rng)
{
    uint64_t v;
    rng_fill(rng, &v, sizeof v);
    return v;
}
