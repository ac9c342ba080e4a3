/*
 * The idempotency keys of the last 15 minutes: which batch first bore a key.
 *
 * A ring in order of arrival with a hash index over it; at TC_KEYS_MAX the oldest is forgotten early and
 * counted. Rebuilt from frame headers at open. Not thread-safe.
 */
#ifndef JOURNAL_KEYS_H
#define JOURNAL_KEYS_H

#include "base/clk.h"

enum { TC_KEYS_MAX = 1 << 20, TC_KEYS_WINDOW_S = 15 * 60 };

/* The first 8 bytes name a batch: an entry is found by them. The others are of its body. */
struct key_entry {
    uint8_t key[16];
    uint64_t first; /* position */
    struct receive_time received;
};

struct keys {
    struct key_entry *ring; /* `capacity` of them, a power of two */
    uint32_t *slots;        /* 2 * capacity: ring index + 1, 0 = free; linear probing */
    size_t capacity, head, n;
    uint64_t forgotten; /* before their time, for want of room */
};

void keys_free(struct keys *keys); /* an all-zero struct keys is empty and ready */
/* The entry that bears the name of `key`, where it is not older than the window at `now`, else NULL. Lent
 * until the next add. */
const struct key_entry *keys_find(const struct keys *keys, const uint8_t key[16], struct receive_time now);
/* Drops what is too old at `now`, then remembers; a key that is there already (too old) gets the new place.
 */
void keys_add(struct keys *keys, const uint8_t key[16], uint64_t first, struct receive_time now);
/* Forgets the batches at `position` and behind it: they were not kept. */
void keys_take_back(struct keys *keys, uint64_t position);

#endif
