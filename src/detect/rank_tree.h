/*
 * Numbers in order, each as often as it was added, that know their ranks: what percentiles are read from.
 *
 * A treap: a search tree by number and a heap by a seeded hash of the number, so its shape follows from what
 * is in it, whatever the order of adding and removing. All operations cost O(log n) of the distinct numbers,
 * as long as nobody who chooses the numbers knows the seed.
 */
#ifndef DETECT_RANK_TREE_H
#define DETECT_RANK_TREE_H

#include "base/num.h"

struct rank_tree;
struct rank_tree *rank_tree_new(uint64_t seed);
void rank_tree_free(struct rank_tree **tree); /* NULL is nothing */
void rank_tree_add(struct rank_tree *tree, num_amount number, uint32_t times);
void rank_tree_remove(struct rank_tree *tree, num_amount number, uint32_t times); /* it is there as often */
/* The number at `rank`, 0 the least; rank < number of numbers. */
num_amount rank_tree_at(const struct rank_tree *tree, uint64_t rank);

#endif
