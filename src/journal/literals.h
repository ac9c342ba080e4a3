/*
 * A filter of literals: whether a chunk can hold a text at all, told from a few bytes.
 *
 * What is kept of a chunk's bytes are the minimizers of their grams: of every LITERAL_WINDOW grams of
 * LITERAL_GRAM bytes in a row the one with the least hash. A text that is as long as such a window has a
 * minimizer of its own, and it is the same one wherever the text stands. So any text of LITERAL_MIN bytes or
 * more can be asked for, within words or across them, and no tokenizer decides what a word is. Upper and
 * lower case of ASCII are one.
 *
 * The filter is a Bloom filter in lines of 64 bytes; about 1 in 7 grams that are not there seems to be, and
 * a text has several. False positives cost time; there are no false negatives.
 */
#ifndef JOURNAL_LITERALS_H
#define JOURNAL_LITERALS_H

#include "journal/cold.h"

enum { LITERAL_GRAM = 6, LITERAL_WINDOW = 7, LITERAL_MIN = LITERAL_GRAM + LITERAL_WINDOW - 1 };

/* Hashes of grams, gathered while a chunk is filled; each once. */
struct literals {
    uint64_t *hashes;
    size_t n, capacity;
    uint64_t *slots; /* an open-addressing set of them; 0: free, so a hash of 0 is taken for 1 */
    size_t slot_count;
};
void literals_free(struct literals *literals); /* an all-zero one is empty and ready */
void literals_clear(struct literals *literals);
void literals_add(struct literals *literals, struct sv text);
/* Appends the filter; nothing where there are no grams. */
void literals_write(struct literals *literals, struct buf *out);
/* 1 = the chunk may hold the literal, 0 = it does not; negative where the filter cannot be read. A literal
 * that is too short may always be there. */
int literals_may_hold(const struct cold *cold, const struct cold_entry *entry, struct sv literal,
                      struct err *err);

#endif
