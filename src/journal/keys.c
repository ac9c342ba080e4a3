/*
 * The table of idempotency keys; see keys.h. Keys are hashes already, so their first bytes are the
 * hash (a sender who could choose collisions would have to find them in a keyless 128-bit hash of its own
 * source, and would slow only linear probing of 2^-1 load).
 */
#include "journal/keys.h"

#include "base/arena.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 1024 };

void keys_free(struct keys *k)
{
    free(k->ring);
    free(k->slots);
    *k = (struct keys){0};
}

static size_t mask(const struct keys *k)
{
    return 2 * k->capacity - 1;
}

static size_t home(const struct keys *k, const uint8_t key[16])
{
    uint64_t h;
    memcpy(&h, key, sizeof h);
    return (size_t)(h * UINT64_C(0x9E3779B97F4A7C15) >> 20) & mask(k);
}

/* The slot that holds the key, or the free one where it would go. */
static size_t find_slot(const struct keys *k, const uint8_t key[16])
{
    size_t at = home(k, key);
    while (k->slots[at] != 0 && memcmp(k->ring[k->slots[at] - 1].key, key, 8) != 0)
        at = (at + 1) & mask(k);
    return at;
}

/* Frees a slot and moves up what had to step over it. */
static void free_slot(struct keys *k, size_t hole)
{
    k->slots[hole] = 0;
    for (size_t at = (hole + 1) & mask(k); k->slots[at] != 0; at = (at + 1) & mask(k)) {
        size_t wanted = home(k, k->ring[k->slots[at] - 1].key);
        if (((at - wanted) & mask(k)) < ((at - hole) & mask(k)))
            continue; /* its home lies behind the hole: it is where it should be */
        k->slots[hole] = k->slots[at];
        k->slots[at] = 0;
        hole = at;
    }
}

static void drop_oldest(struct keys *k)
{
    size_t slot = find_slot(k, k->ring[k->head].key);
    if (k->slots[slot] == k->head + 1) /* a newer batch may have taken the key over */
        free_slot(k, slot);
    k->head = (k->head + 1) & (k->capacity - 1);
    k->n--;
}

static void grow(struct keys *k)
{
    struct keys bigger = {
        .capacity = TC_MAX((size_t)FIRST_CAPACITY, 2 * k->capacity), .n = k->n, .forgotten = k->forgotten};
    bigger.ring = tc_alloc(bigger.capacity * sizeof bigger.ring[0]);
    bigger.slots = tc_alloc(2 * bigger.capacity * sizeof bigger.slots[0]);
    for (size_t i = 0; i < k->n; i++) {
        bigger.ring[i] = k->ring[(k->head + i) & (k->capacity - 1)];
        bigger.slots[find_slot(&bigger, bigger.ring[i].key)] = (uint32_t)i + 1; /* the newer wins */
    }
    free(k->ring);
    free(k->slots);
    *k = bigger;
}

static bool too_old(const struct key_entry *e, struct receive_time now)
{
    return e->received.ns < now.ns - TC_KEYS_WINDOW_S * TC_SECOND_NS;
}

const struct key_entry *keys_find(const struct keys *k, const uint8_t key[16], struct receive_time now)
{
    if (k->n == 0)
        return NULL;
    uint32_t slot = k->slots[find_slot(k, key)];
    return slot == 0 || too_old(&k->ring[slot - 1], now) ? NULL : &k->ring[slot - 1];
}

void keys_add(struct keys *k, const uint8_t key[16], uint64_t first, struct receive_time now)
{
    while (k->n > 0 && too_old(&k->ring[k->head], now))
        drop_oldest(k);
    if (k->n == TC_KEYS_MAX) {
        drop_oldest(k);
        k->forgotten++;
    }
    if (k->n == k->capacity)
        grow(k);
    size_t at = (k->head + k->n) & (k->capacity - 1);
    k->ring[at] = (struct key_entry){.first = first, .received = now};
    memcpy(k->ring[at].key, key, 16);
    k->slots[find_slot(k, key)] = (uint32_t)at + 1;
    k->n++;
}

void keys_take_back(struct keys *k, uint64_t position)
{
    while (k->n > 0) {
        size_t at = (k->head + k->n - 1) & (k->capacity - 1);
        if (k->ring[at].first < position)
            return;
        size_t slot = find_slot(k, k->ring[at].key);
        if (k->slots[slot] == at + 1)
            free_slot(k, slot);
        k->n--;
    }
}
