/*
 * The randomness seam: epochs, salts, ids, jitter. The system's is getrandom(2) behind a buffer; a test's is
 * a seed.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/tc.h"

struct rng {
    void (*fill)(const struct rng *rng, void *to, size_t n); /* thread-safe; cannot fail */
    void *context;
};

extern const struct rng rng_system;
static inline void rng_fill(const struct rng *rng, void *to, size_t n)
{
    rng->fill(rng, to, n);
}
uint64_t rng_u64(const struct rng *rng);

/* Repeatable (SplitMix64); not thread-safe; for tests and simulations only. */
struct sim_rng {
    struct rng rng;
    uint64_t state;
};
void sim_rng_init(struct sim_rng *sim, uint64_t seed);

#endif
