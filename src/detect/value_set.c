/*
 * Distinct values of a group; see value_set.h. Linear probing; removal shifts back, so there are no
 * tombstones.
 */
#include "detect/value_set.h"

#include "base/arena.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 4 };

struct value_set *value_set_new(void)
{
    struct value_set *set = tc_alloc(sizeof *set);
    set->slots = FIRST_SLOTS;
    set->records = tc_alloc(set->slots * sizeof set->records[0]);
    return set;
}

void value_set_free(struct value_set **set)
{
    if (*set == NULL)
        return;
    free((*set)->records);
    free(*set);
    *set = NULL;
}

/* Where `hash` stands, or the free slot where it would. The bits are mixed once more, because the shard took
 * the low ones of another hash and values may come from anywhere. */
static uint32_t home(const struct value_set *set, uint64_t hash)
{
    return (uint32_t)((hash * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (set->slots - 1);
}

static uint32_t find(const struct value_set *set, uint64_t hash)
{
    uint32_t at = home(set, hash);
    while (set->records[at].hash != 0 && set->records[at].hash != hash)
        at = (at + 1) & (set->slots - 1);
    return at;
}

struct value_record *value_set_get(const struct value_set *set, uint64_t hash)
{
    struct value_record *record = &set->records[find(set, hash)];
    return record->hash == hash ? record : NULL;
}

static void grow(struct value_set *set)
{
    struct value_record *old = set->records;
    uint32_t old_slots = set->slots;
    set->slots *= 2;
    set->records = tc_alloc(set->slots * sizeof old[0]);
    for (uint32_t i = 0; i < old_slots; i++)
        if (old[i].hash != 0)
            set->records[find(set, old[i].hash)] = old[i];
    free(old);
}

struct value_record *value_set_put(struct value_set *set, uint64_t hash)
{
    struct value_record *record = &set->records[find(set, hash)];
    if (record->hash == hash)
        return record;
    if ((set->count + 1) * 4 > set->slots * 3) {
        grow(set);
        record = &set->records[find(set, hash)];
    }
    set->count++;
    *record = (struct value_record){.hash = hash, .last_ns = VALUE_NO_TIME, .prior_ns = VALUE_NO_TIME};
    return record;
}

void value_set_remove(struct value_set *set, uint64_t hash)
{
    uint32_t mask = set->slots - 1, hole = find(set, hash);
    if (set->records[hole].hash != hash)
        return;
    set->count--;
    for (uint32_t at = (hole + 1) & mask; set->records[at].hash != 0; at = (at + 1) & mask) {
        uint32_t want = home(set, set->records[at].hash);
        if (((at - want) & mask) >= ((at - hole) & mask)) { /* its way from home leads over the hole */
            set->records[hole] = set->records[at];
            hole = at;
        }
    }
    set->records[hole].hash = 0;
}

size_t value_set_bytes(const struct value_set *set)
{
    return sizeof *set + set->slots * sizeof set->records[0];
}
