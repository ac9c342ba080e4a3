/*
 * The tree's right edge; see merkle.h.
 */
#include "journal/merkle.h"

void merkle_join(const uint8_t *left, const uint8_t *right, uint8_t out[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, 1, (const uint8_t *)"\1");
    sha256_update(&context, TC_SHA256_BYTES, left);
    sha256_update(&context, TC_SHA256_BYTES, right);
    hash_sha256_final(&context, out);
}

static void add_step(struct merkle_proof *proof, const uint8_t hash[TC_SHA256_BYTES], bool is_left)
{
    tc_assert(proof->n < MERKLE_LEVELS);
    memcpy(proof->steps[proof->n].hash, hash, TC_SHA256_BYTES);
    proof->steps[proof->n++].is_left = is_left;
}

/* `held`: what is followed is in `added`, else it is at the edge or nowhere. */
static void add(struct merkle *t, unsigned level, const uint8_t added[TC_SHA256_BYTES],
                struct merkle_proof *proof, bool held)
{
    uint8_t node[TC_SHA256_BYTES];
    const unsigned from = level;
    memcpy(node, added, sizeof node);
    for (; t->size >> level & 1; level++) {
        if (held) {
            add_step(proof, t->nodes[level], true);
        } else if (proof != NULL && proof->following && proof->level == level) {
            add_step(proof, node, false);
            held = true;
        }
        merkle_join(t->nodes[level], node, node);
    }
    memcpy(t->nodes[level], node, sizeof node);
    if (held)
        proof->level = level;
    t->size += UINT64_C(1) << from;
}

void merkle_add(struct merkle *tree, const uint8_t leaf[TC_SHA256_BYTES], struct merkle_proof *proof)
{
    add(tree, 0, leaf, proof, false);
}

void merkle_add_followed(struct merkle *tree, const uint8_t leaf[TC_SHA256_BYTES], struct merkle_proof *proof)
{
    *proof = (struct merkle_proof){.following = true};
    add(tree, 0, leaf, proof, true);
}

static bool is_aligned(uint64_t leaves, unsigned level)
{
    return level < MERKLE_LEVELS && (leaves & ((UINT64_C(1) << level) - 1)) == 0;
}

bool merkle_add_subtree(struct merkle *tree, unsigned level, const uint8_t node[TC_SHA256_BYTES],
                        struct merkle_proof *proof)
{
    if (!is_aligned(tree->size, level))
        return false;
    add(tree, level, node, proof, false);
    return true;
}

bool merkle_range_add(struct merkle_range *r, unsigned level, const uint8_t node[TC_SHA256_BYTES])
{
    if (!is_aligned(r->start + r->count, level) || r->n == MERKLE_RANGE_NODES)
        return false;
    r->nodes[r->n].level = (uint8_t)level;
    memcpy(r->nodes[r->n++].hash, node, TC_SHA256_BYTES);
    r->count += UINT64_C(1) << level;
    for (; r->n > 1 && r->nodes[r->n - 2].level == level; level++) {
        if (!is_aligned(r->start + r->count - (UINT64_C(2) << level), level + 1))
            break; /* neighbours, but not the two halves of one subtree */
        merkle_join(r->nodes[r->n - 2].hash, r->nodes[r->n - 1].hash, r->nodes[r->n - 2].hash);
        r->nodes[--r->n - 1].level = (uint8_t)(level + 1);
    }
    return true;
}

static unsigned lowest(uint64_t size)
{
    tc_assert(size != 0);
    return (unsigned)__builtin_ctzll(size);
}

void merkle_follow_edge(const struct merkle *tree, struct merkle_proof *proof,
                        uint8_t ret_node[TC_SHA256_BYTES])
{
    *proof = (struct merkle_proof){.following = true, .level = lowest(tree->size)};
    memcpy(ret_node, tree->nodes[proof->level], TC_SHA256_BYTES);
}

void merkle_root(const struct merkle *t, struct merkle_proof *proof, uint8_t out[TC_SHA256_BYTES])
{
    if (t->size == 0) {
        hash_sha256((struct sv){0}, out);
        return;
    }
    unsigned level = lowest(t->size);
    bool follows = proof != NULL && proof->following, held = follows && proof->level == level;
    memcpy(out, t->nodes[level], TC_SHA256_BYTES);
    for (level++; level < MERKLE_LEVELS; level++) {
        if (!(t->size >> level & 1))
            continue;
        if (held) {
            add_step(proof, t->nodes[level], true);
        } else if (follows && proof->level == level) {
            add_step(proof, out, false);
            held = true;
        }
        merkle_join(t->nodes[level], out, out);
    }
}

void merkle_climb(const struct merkle_proof *proof, const uint8_t node[TC_SHA256_BYTES],
                  uint8_t out[TC_SHA256_BYTES])
{
    memcpy(out, node, TC_SHA256_BYTES);
    for (size_t i = 0; i < proof->n; i++)
        if (proof->steps[i].is_left)
            merkle_join(proof->steps[i].hash, out, out);
        else
            merkle_join(out, proof->steps[i].hash, out);
}
