/*
 * A treap in one array of nodes; see rank_tree.h.
 */
#include "detect/rank_tree.h"

#include "base/arena.h"
#include "base/hash.h"

#include <stdlib.h>

struct node {
    num_amount number;
    uint64_t times, total; /* of the number; of the whole subtree */
    uint64_t priority;
    uint32_t kids[2]; /* less, more; 0 is none */
};

struct rank_tree {
    uint64_t seed;
    struct node *nodes; /* [1, used); nodes[0] is the empty tree; free ones are chained by kids[0] */
    uint32_t root, used, capacity, free_node;
};

struct rank_tree *rank_tree_new(uint64_t seed)
{
    struct rank_tree *tree = tc_alloc(sizeof *tree);
    tree->seed = seed;
    tree->capacity = 4;
    tree->nodes = tc_alloc(tree->capacity * sizeof tree->nodes[0]);
    tree->used = 1;
    return tree;
}

void rank_tree_free(struct rank_tree **tree)
{
    if (*tree == NULL)
        return;
    free((*tree)->nodes);
    free(*tree);
    *tree = NULL;
}

static uint32_t new_node(struct rank_tree *tree, num_amount number, uint32_t times)
{
    uint32_t at = tree->free_node;
    if (at != 0) {
        tree->free_node = tree->nodes[at].kids[0];
    } else {
        if (tree->used == tree->capacity) {
            tree->capacity *= 2;
            tree->nodes = tc_realloc(tree->nodes, tree->capacity * sizeof tree->nodes[0]);
        }
        at = tree->used++;
    }
    tree->nodes[at] = (struct node){.number = number, .times = times, .total = times};
    tree->nodes[at].priority = hash_64_seed(sv_make((const char *)&number, sizeof number), tree->seed);
    return at;
}

static void count(struct rank_tree *tree, uint32_t at)
{
    struct node *n = &tree->nodes[at];
    n->total = n->times + tree->nodes[n->kids[0]].total + tree->nodes[n->kids[1]].total;
}

/* Lifts the kid of that side above `at`; returns it. */
static uint32_t rotate(struct rank_tree *tree, uint32_t at, unsigned side)
{
    uint32_t kid = tree->nodes[at].kids[side];
    tree->nodes[at].kids[side] = tree->nodes[kid].kids[!side];
    tree->nodes[kid].kids[!side] = at;
    count(tree, at);
    count(tree, kid);
    return kid;
}

static uint32_t add_below(struct rank_tree *tree, uint32_t at, num_amount number, uint32_t times)
{
    if (at == 0)
        return new_node(tree, number, times);
    if (tree->nodes[at].number == number) {
        tree->nodes[at].times += times;
        tree->nodes[at].total += times;
        return at;
    }
    unsigned side = number > tree->nodes[at].number;
    uint32_t kid = add_below(tree, tree->nodes[at].kids[side], number, times);
    tree->nodes[at].kids[side] = kid;
    count(tree, at);
    return tree->nodes[kid].priority > tree->nodes[at].priority ? rotate(tree, at, side) : at;
}

void rank_tree_add(struct rank_tree *tree, num_amount number, uint32_t times)
{
    tree->root = add_below(tree, tree->root, number, times);
}

/* Sinks the node until it has a free side, and puts the other in its place. */
static uint32_t take_out(struct rank_tree *tree, uint32_t at)
{
    const uint32_t *kids = tree->nodes[at].kids;
    if (kids[0] == 0 || kids[1] == 0) {
        uint32_t left = kids[0] + kids[1];
        tree->nodes[at].kids[0] = tree->free_node;
        tree->free_node = at;
        return left;
    }
    unsigned side = tree->nodes[kids[1]].priority > tree->nodes[kids[0]].priority;
    uint32_t top = rotate(tree, at, side);
    uint32_t below = take_out(tree, at);
    tree->nodes[top].kids[!side] = below;
    count(tree, top);
    return top;
}

static uint32_t remove_below(struct rank_tree *tree, uint32_t at, num_amount number, uint32_t times)
{
    tc_assert(at != 0);
    if (tree->nodes[at].number == number) {
        tree->nodes[at].times -= times;
        if (tree->nodes[at].times == 0)
            return take_out(tree, at);
    } else {
        unsigned side = number > tree->nodes[at].number;
        uint32_t kid = remove_below(tree, tree->nodes[at].kids[side], number, times);
        tree->nodes[at].kids[side] = kid;
    }
    count(tree, at);
    return at;
}

void rank_tree_remove(struct rank_tree *tree, num_amount number, uint32_t times)
{
    tree->root = remove_below(tree, tree->root, number, times);
}

num_amount rank_tree_at(const struct rank_tree *tree, uint64_t rank)
{
    uint32_t at = tree->root;
    tc_assert(rank < tree->nodes[at].total);
    for (;;) {
        const struct node *n = &tree->nodes[at];
        uint64_t below = tree->nodes[n->kids[0]].total;
        if (rank < below) {
            at = n->kids[0];
        } else if (rank < below + n->times) {
            return n->number;
        } else {
            rank -= below + n->times;
            at = n->kids[1];
        }
    }
}
