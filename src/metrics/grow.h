/*
 * Arrays that grow in an arena: the old place is left behind, so doubling wastes at most as much again.
 */
#ifndef METRICS_GROW_H
#define METRICS_GROW_H

#include "base/arena.h"

/* `items` with room for one more than `n`; *capacity counts items of `item_bytes`. */
static inline void *grow(struct arena *arena, void *items, size_t n, size_t *capacity, size_t item_bytes)
{
    if (n < *capacity)
        return items;
    *capacity = TC_MAX((size_t)8, *capacity * 2);
    void *more = arena_alloc(arena, *capacity * item_bytes);
    if (n > 0)
        memcpy(more, items, n * item_bytes);
    return more;
}

#endif
