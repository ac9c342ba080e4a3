/*
 * A hash map from byte strings to 64-bit values, with a stated maximum.
 *
 * Open addressing, linear probing, keys copied into the map's own arena (a removed key's bytes are reclaimed
 * at the next growth). Iteration order is insertion order while nothing is removed; it never depends on
 * addresses nor on the hash, which is keyed (hash_table_64), so results that walk a map stay deterministic.
 * Not thread-safe.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/arena.h"

struct map_entry {
    struct sv key; /* lent; p is NULL in a removed entry */
    uint64_t hash;
    uint64_t value;
};

struct map {
    struct map_entry *entries; /* dense, in insertion order, with holes where removed */
    uint32_t *slots;           /* index + 1 into entries, 0 = free, UINT32_MAX = removed */
    size_t used;               /* entries in use incl. holes */
    size_t live;               /* entries without holes */
    size_t slot_count, max_entries;
    struct arena keys;
};

void map_init(struct map *map, size_t max_entries);
void map_free(struct map *map);
void map_clear(struct map *map);
/* NULL where absent. The pointer is good until the next put or remove. */
uint64_t *map_get(const struct map *map, struct sv key);
/* The value of `key`, inserted with 0 if absent (*ret_new, may be NULL, says so). NULL where the map is full.
 */
uint64_t *map_put(struct map *map, struct sv key, bool *ret_new);
bool map_remove(struct map *map, struct sv key);
/* for (size_t i = 0; map_next(&m, &i, &e);) visits every live entry. */
bool map_next(const struct map *map, size_t *at, struct map_entry **ret_entry);

#endif
