/*
 * Hashes. Fast ones (xxHash XXH3) for tables, SHA-256 (nettle) for what an auditor checks.
 *
 * XXH3 values may be stored inside a versioned file of ours (its output is fixed since xxHash 0.8).
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/sv.h"

#include <nettle/sha2.h>

enum { TC_SHA256_BYTES = 32, TC_SHA256_HEX = 65 };

uint64_t hash_64(struct sv bytes);
uint64_t hash_64_seed(struct sv bytes, uint64_t seed);
/* For tables of what strangers send: keyed once hash_table_key has been called, so that nobody can choose
 * texts that meet in one slot. Differs from process to process: never stored, never an order. */
uint64_t hash_table_64(struct sv bytes);
struct rng;
/* At the start of the process, before any table stands. */
void hash_table_key(const struct rng *rng);
struct hash_128 {
    uint64_t low, high;
};
struct hash_128 hash_128(struct sv bytes);
struct hash_128 hash_128_seed(struct sv bytes, uint64_t seed);

/* SHA-256 in parts: sha256_init(&c); sha256_update(&c, n, p)…; hash_sha256_final(&c, out). (nettle's names)
 */
void hash_sha256_final(struct sha256_ctx *context, uint8_t out[TC_SHA256_BYTES]);
void hash_sha256(struct sv bytes, uint8_t out[TC_SHA256_BYTES]);

/* Lower-case hexadecimal; out holds 2 * n + 1 bytes. */
void hash_hex(const void *bytes, size_t n, char *out);
/* Exactly 2 * n hexadecimal digits. */
bool hash_unhex(struct sv text, void *out, size_t n);

#endif
