/*
 * The tree against the roots that the reference implementation of RFC 6962 publishes for its test leaves, and
 * against a second implementation that follows the RFC's recursive definition.
 */
#include "journal/merkle.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct sv inputs[] = {
    {"\0", 1},
    {"\0\0", 2},
    {"\0\x10", 2},
    {"\0\x20\x21", 3},
    {"\0\x30\x31", 3},
    {"\0\x40\x41\x42\x43", 5},
    {"\0\x50\x51\x52\x53\x54\x55\x56\x57", 9},
    {"\0\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 17},
};
static const char *const roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void known_roots(void **state)
{
    (void)state;
    struct merkle tree = {0};
    for (size_t i = 0;; i++) {
        uint8_t hash[TC_SHA256_BYTES];
        char hex[TC_SHA256_HEX];
        merkle_root(&tree, NULL, hash);
        hash_hex(hash, sizeof hash, hex);
        assert_string_equal(hex, roots[i]);
        if (i == TC_ARRAY_LEN(inputs))
            break;
        hash_sha256(inputs[i], hash);
        merkle_add(&tree, hash, NULL);
    }
}

enum { LEAVES = 130 };
static uint8_t leaves[LEAVES][TC_SHA256_BYTES];

static void make_leaves(void)
{
    for (size_t i = 0; i < LEAVES; i++) {
        char text[8];
        store_u64(text, i);
        hash_sha256(sv_make(text, sizeof text), leaves[i]);
    }
}

/* MTH of the RFC, word for word. */
static void by_definition(size_t from, size_t n, uint8_t out[TC_SHA256_BYTES])
{
    char pair[1 + 2 * TC_SHA256_BYTES] = {1};
    size_t k = 1;
    if (n == 1) {
        memcpy(out, leaves[from], TC_SHA256_BYTES);
        return;
    }
    while (k * 2 < n)
        k *= 2;
    by_definition(from, k, (uint8_t *)pair + 1);
    by_definition(from + k, n - k, (uint8_t *)pair + 1 + TC_SHA256_BYTES);
    hash_sha256(sv_make(pair, sizeof pair), out);
}

static void every_leaf_of_every_size(void **state)
{
    (void)state;
    make_leaves();
    for (size_t n = 1; n <= LEAVES; n++) {
        uint8_t wanted[TC_SHA256_BYTES], root[TC_SHA256_BYTES], climbed[TC_SHA256_BYTES];
        by_definition(0, n, wanted);
        for (size_t leaf = 0; leaf < n; leaf++) {
            struct merkle tree = {0};
            struct merkle_proof proof = {0};
            for (size_t i = 0; i < n; i++) {
                if (i == leaf)
                    merkle_add_followed(&tree, leaves[i], &proof);
                else
                    merkle_add(&tree, leaves[i], &proof);
            }
            merkle_root(&tree, &proof, root);
            assert_memory_equal(root, wanted, sizeof root);
            merkle_climb(&proof, leaves[leaf], climbed);
            assert_memory_equal(climbed, wanted, sizeof climbed);
            merkle_climb(&proof, leaves[(leaf + 1) % LEAVES], climbed);
            assert_memory_not_equal(climbed, wanted, sizeof climbed);
            assert_true(proof.n <= 8);
        }
    }
}

/* The root of the earlier tree from the same proof: the left siblings, and what is followed. */
static void earlier_root(const struct merkle_proof *proof, const uint8_t node[TC_SHA256_BYTES], size_t size,
                         uint8_t out[TC_SHA256_BYTES])
{
    struct merkle_proof left = {0};
    size_t ones = (size_t)__builtin_popcountll(size) - 1;
    for (size_t i = 0; i < proof->n; i++)
        if (proof->steps[i].is_left && left.n < ones)
            left.steps[left.n++] = proof->steps[i];
    merkle_climb(&left, node, out);
}

static void every_earlier_tree(void **state)
{
    (void)state;
    make_leaves();
    for (size_t n = 1; n <= LEAVES; n++) {
        for (size_t m = 1; m <= n; m++) {
            struct merkle tree = {0};
            struct merkle_proof proof = {0};
            uint8_t node[TC_SHA256_BYTES], root[TC_SHA256_BYTES], got[TC_SHA256_BYTES];
            for (size_t i = 0; i < n; i++) {
                merkle_add(&tree, leaves[i], &proof);
                if (i + 1 == m)
                    merkle_follow_edge(&tree, &proof, node);
            }
            merkle_root(&tree, &proof, root);
            merkle_climb(&proof, node, got);
            assert_memory_equal(got, root, sizeof got);
            earlier_root(&proof, node, m, got);
            by_definition(0, m, root);
            assert_memory_equal(got, root, sizeof got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-07: the roots of RFC 6962's reference trees", known_roots, NULL, NULL, NULL},
        {"J-07: a proof for every leaf of every tree of 1 to 130", every_leaf_of_every_size, NULL, NULL,
         NULL},
        {"J-07: a proof for every earlier tree of every tree of 1 to 130", every_earlier_tree, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
