/*
 * SHA-256 of two texts at once. A processor with SHA instructions waits for each one's result before the
 * next; with a second text there is something to do meanwhile, and two cost little more than one. Elsewhere
 * nettle hashes them one after the other.
 */
#ifndef BASE_SHA256_TWO_H
#define BASE_SHA256_TWO_H

#include "base/hash.h"

enum { TC_SHA256_PARTS_MAX = 4 };

/* A text in parts, which are lent. */
struct sha256_text {
    struct sv parts[TC_SHA256_PARTS_MAX]; /* n may be 0 */
};

void hash_sha256_two(const struct sha256_text texts[2], uint8_t out[2][TC_SHA256_BYTES]);
/* For tests and measurements: as on a processor without SHA instructions. */
void hash_sha256_two_plain(const struct sha256_text texts[2], uint8_t out[2][TC_SHA256_BYTES]);

#endif
