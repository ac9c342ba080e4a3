/*
 * The Merkle tree of RFC 6962, section 2.1, over leaf hashes that come one after another.
 *
 * Only the roots of the full subtrees at the right edge are kept (at most 64): adding a leaf costs two hashes
 * on average, a root at most 63. A proof is made in the same pass, by following one node while leaves are
 * added. A leaf is a record's leaf hash (event/record.h), which begins with the byte 0; nodes begin with 1.
 */
#ifndef JOURNAL_MERKLE_H
#define JOURNAL_MERKLE_H

#include "base/hash.h"

enum { MERKLE_LEVELS = 64, MERKLE_RANGE_NODES = 2 * MERKLE_LEVELS };

struct merkle {
    uint64_t size;                                 /* leaves */
    uint8_t nodes[MERKLE_LEVELS][TC_SHA256_BYTES]; /* level k counts where bit k of size is set */
};

/* The siblings from a node up to the root: audit path (section 2.1.1) or consistency proof (2.1.2). */
struct merkle_proof {
    bool following;
    unsigned level; /* of the node at the right edge that holds what is followed */
    size_t n;
    struct {
        uint8_t hash[TC_SHA256_BYTES];
        bool is_left; /* node = H(1 ‖ hash ‖ node), else H(1 ‖ node ‖ hash) */
    } steps[MERKLE_LEVELS];
};

/* SHA-256(1 ‖ left ‖ right); `out` may be one of them. */
void merkle_join(const uint8_t *left, const uint8_t *right, uint8_t out[TC_SHA256_BYTES]);
/* Adds a leaf. `proof` (NULL: none) is carried on where it follows something. */
void merkle_add(struct merkle *tree, const uint8_t leaf[TC_SHA256_BYTES], struct merkle_proof *proof);
/* As merkle_add; `proof` follows this leaf from now on. */
void merkle_add_followed(struct merkle *tree, const uint8_t leaf[TC_SHA256_BYTES],
                         struct merkle_proof *proof);
/* `proof` follows the smallest full subtree at the right edge of a tree that is not empty: what it holds at a
 * later root proves that the later tree begins with this one. *ret_node is that subtree's root. */
void merkle_follow_edge(const struct merkle *tree, struct merkle_proof *proof,
                        uint8_t ret_node[TC_SHA256_BYTES]);
/* Adds a full subtree of 2^level leaves by its root. False where the tree's size is no multiple of that. */
bool merkle_add_subtree(struct merkle *tree, unsigned level, const uint8_t node[TC_SHA256_BYTES],
                        struct merkle_proof *proof);

/* Leaves in a row, anywhere in a tree, as the roots of the largest full subtrees that they make up. */
struct merkle_range {
    uint64_t start, count; /* leaves before it, counted from the tree's first; in it */
    size_t n;
    struct {
        uint8_t level, hash[TC_SHA256_BYTES];
    } nodes[MERKLE_RANGE_NODES];
};
/* At its end; a leaf has level 0. False where no such subtree can stand there. */
bool merkle_range_add(struct merkle_range *range, unsigned level, const uint8_t node[TC_SHA256_BYTES]);

/* The root; of no leaves SHA-256 of nothing. `proof` (NULL: none) is completed for this root: of a proof that
 * is to go on, hand in a copy. */
void merkle_root(const struct merkle *tree, struct merkle_proof *proof, uint8_t out[TC_SHA256_BYTES]);
/* What a node becomes along its proof: the root, where all is right. */
void merkle_climb(const struct merkle_proof *proof, const uint8_t node[TC_SHA256_BYTES],
                  uint8_t out[TC_SHA256_BYTES]);

#endif
