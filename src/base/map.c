/*
 * The hash map; see map.h. A dense array of entries keeps insertion order; the table of slots only points
 * into it.
 */
#include "base/map.h"

#include "base/hash.h"

#include <stdlib.h>

#define SLOT_REMOVED UINT32_MAX

void map_init(struct map *map, size_t max_entries)
{
    *map = (struct map){.max_entries = TC_MIN(max_entries, (size_t)UINT32_MAX / 4)};
}

void map_free(struct map *map)
{
    free(map->entries);
    free(map->slots);
    arena_free(&map->keys);
    *map = (struct map){.max_entries = map->max_entries};
}

void map_clear(struct map *map)
{
    if (map->slots != NULL)
        memset(map->slots, 0, map->slot_count * sizeof map->slots[0]);
    map->used = map->live = 0;
    arena_reset(&map->keys);
}

/* The slot of `key`, or (when absent) the free one where it would go. */
static size_t map_slot(const struct map *map, struct sv key, uint64_t hash, bool *ret_found)
{
    size_t mask = map->slot_count - 1, removed = SIZE_MAX;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t slot = map->slots[at];
        if (slot == 0) {
            *ret_found = false;
            return removed != SIZE_MAX ? removed : at;
        }
        if (slot == SLOT_REMOVED) {
            removed = removed == SIZE_MAX ? at : removed;
            continue;
        }
        const struct map_entry *e = &map->entries[slot - 1];
        if (e->hash == hash && sv_eq(e->key, key)) {
            *ret_found = true;
            return at;
        }
    }
}

/* Rebuilds with room for one more: drops holes, doubles when needed, and moves the keys to a fresh arena. */
static void map_rebuild(struct map *map)
{
    size_t slots = map->slot_count == 0 ? 16 : map->slot_count;
    while ((map->live + 1) * 3 > slots * 2)
        slots *= 2;
    if (map->live * 3 + 3 > slots) /* keep some air, so that rebuilds stay rare */
        slots *= 2;
    struct map_entry *old = map->entries;
    size_t old_used = map->used;
    struct arena old_keys = map->keys;
    map->keys = (struct arena){0};
    map->entries = tc_realloc(NULL, (slots * 2 / 3 + 1) * sizeof old[0]);
    free(map->slots);
    map->slots = tc_alloc(slots * sizeof map->slots[0]);
    map->slot_count = slots;
    map->used = map->live = 0;
    for (size_t i = 0; i < old_used; i++) {
        if (old[i].key.p == NULL)
            continue;
        bool found;
        map->entries[map->used] = old[i];
        map->entries[map->used].key = arena_sv(&map->keys, old[i].key);
        map->slots[map_slot(map, old[i].key, old[i].hash, &found)] = (uint32_t)++map->used;
        map->live++;
    }
    free(old);
    arena_free(&old_keys);
}

uint64_t *map_get(const struct map *map, struct sv key)
{
    if (map->live == 0)
        return NULL;
    bool found;
    size_t at = map_slot(map, key, hash_table_64(key), &found);
    return found ? &map->entries[map->slots[at] - 1].value : NULL;
}

uint64_t *map_put(struct map *map, struct sv key, bool *ret_new)
{
    uint64_t *value = map_get(map, key);
    if (ret_new != NULL)
        *ret_new = value == NULL;
    if (value != NULL)
        return value;
    if (map->live >= map->max_entries)
        return NULL;
    if (map->slot_count == 0 || (map->used + 1) * 3 > map->slot_count * 2)
        map_rebuild(map);
    bool found;
    uint64_t hash = hash_table_64(key);
    size_t at = map_slot(map, key, hash, &found);
    map->entries[map->used] = (struct map_entry){arena_sv(&map->keys, key), hash, 0};
    map->slots[at] = (uint32_t)++map->used;
    map->live++;
    return &map->entries[map->used - 1].value;
}

bool map_remove(struct map *map, struct sv key)
{
    if (map->live == 0)
        return false;
    bool found;
    size_t at = map_slot(map, key, hash_table_64(key), &found);
    if (!found)
        return false;
    map->entries[map->slots[at] - 1].key.p = NULL;
    map->slots[at] = SLOT_REMOVED;
    map->live--;
    return true;
}

bool map_next(const struct map *map, size_t *at, struct map_entry **ret_entry)
{
    while (*at < map->used) {
        struct map_entry *e = &map->entries[(*at)++];
        if (e->key.p != NULL) {
            *ret_entry = e;
            return true;
        }
    }
    return false;
}
