/*
 * Needles by their rarest four bytes.
 *
 * Each needle is filed under one of its grams (four bytes in a row): the one that the fewest other needles
 * contain, so that lists are short and grams like "http" or ".exe" decide nothing. A search looks at each
 * place of the text once: four bytes, one multiplication, one bit of a filter that stays in the first-level
 * cache; only where the bit is set the table is asked, and only where the gram is known bytes are compared.
 * The few needles of less than four bytes are searched one by one.
 */
#include "detect/needles.h"

#include "base/buf.h"

#include <stdlib.h>

enum { GRAM_BYTES = 4, FILTER_BITS_MIN = 10, FILTER_BITS_MAX = 18, FILTER_BITS_PER_GRAM = 32 };

struct needle_entry { /* sorted by gram */
    uint32_t gram;
    uint32_t at; /* where the gram stands in the needle */
    uint32_t n;
    uint32_t id;
    const char *text;
};

struct gram_slot {
    uint32_t gram;
    uint32_t first; /* index + 1 into entries; 0 = empty */
};

struct needles {
    const struct needle_entry *entries; /* one more at the end, with another gram */
    uint32_t entry_count;
    unsigned filter_bits, slot_bits;
    uint64_t *filter;
    struct gram_slot *slots;
    const struct needle *shorts;
    size_t short_count;
};

static inline uint32_t gram_hash(uint32_t gram, unsigned bits)
{
    return (gram * UINT32_C(0x9E3779B1)) >> (32 - bits);
}

/* --- building
 * ------------------------------------------------------------------------------------------------------------------
 */

struct gram_count {
    uint32_t gram, count;
};

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t grams_of(struct sv text)
{
    return text.n < GRAM_BYTES ? 0 : text.n - GRAM_BYTES + 1;
}

/* All grams of all needles with the number of their occurrences, sorted. The caller frees. */
static struct gram_count *count_grams(const struct needle *list, size_t count, size_t *ret_count)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        total += grams_of(list[i].text);
    uint32_t *all = tc_alloc((total + 1) * sizeof all[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < grams_of(list[i].text); k++)
            all[n++] = load_u32(list[i].text.p + k);
    qsort(all, total, sizeof all[0], compare_u32);
    struct gram_count *counts = tc_alloc((total + 1) * sizeof counts[0]);
    n = 0;
    for (size_t i = 0; i < total; i++) {
        if (n == 0 || counts[n - 1].gram != all[i])
            counts[n++] = (struct gram_count){all[i], 0};
        counts[n - 1].count++;
    }
    free(all);
    *ret_count = n;
    return counts;
}

static uint32_t count_of(const struct gram_count *counts, size_t n, uint32_t gram)
{
    const struct gram_count *c = bsearch(&gram, counts, n, sizeof counts[0], compare_u32);
    return c == NULL ? 0 : c->count;
}

/* The gram that the needle is filed under; ties go to the later one, as texts differ more towards their ends.
 */
static struct needle_entry entry_of(const struct gram_count *counts, size_t n, const struct needle *needle)
{
    struct needle_entry e = {.n = (uint32_t)needle->text.n, .id = needle->id, .text = needle->text.p};
    uint32_t fewest = UINT32_MAX;
    for (size_t k = 0; k < grams_of(needle->text); k++) {
        uint32_t gram = load_u32(needle->text.p + k), count = count_of(counts, n, gram);
        if (count > fewest)
            continue;
        fewest = count;
        e.gram = gram;
        e.at = (uint32_t)k;
    }
    return e;
}

static int compare_entries(const void *a, const void *b)
{
    const struct needle_entry *x = a, *y = b;
    if (x->gram != y->gram)
        return x->gram < y->gram ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static unsigned bits_for(size_t n, unsigned min, unsigned max)
{
    unsigned bits = min;
    while (bits < max && ((size_t)1 << bits) < n)
        bits++;
    return bits;
}

static void add_gram(struct needles *s, uint32_t gram, uint32_t first)
{
    uint32_t bit = gram_hash(gram, s->filter_bits), mask = (UINT32_C(1) << s->slot_bits) - 1;
    s->filter[bit / 64] |= UINT64_C(1) << (bit % 64);
    uint32_t slot = gram_hash(gram, s->slot_bits);
    while (s->slots[slot].first != 0)
        slot = (slot + 1) & mask;
    s->slots[slot] = (struct gram_slot){gram, first + 1};
}

static void build_tables(struct needles *s, struct arena *arena)
{
    size_t grams = 0;
    for (uint32_t i = 0; i < s->entry_count; i++)
        grams += i == 0 || s->entries[i].gram != s->entries[i - 1].gram;
    s->filter_bits = bits_for(grams * FILTER_BITS_PER_GRAM, FILTER_BITS_MIN, FILTER_BITS_MAX);
    s->slot_bits = bits_for(grams * 2 + 1, 4, 31);
    s->filter = arena_alloc(arena, (size_t)1 << (s->filter_bits - 3));
    s->slots = ARENA_ARRAY(arena, struct gram_slot, (size_t)1 << s->slot_bits);
    for (uint32_t i = 0; i < s->entry_count; i++)
        if (i == 0 || s->entries[i].gram != s->entries[i - 1].gram)
            add_gram(s, s->entries[i].gram, i);
}

const struct needles *needles_new(struct arena *arena, const struct needle *list, size_t count)
{
    size_t grams;
    if (count == 0)
        return NULL;
    struct needles *s = ARENA_NEW(arena, struct needles);
    struct needle_entry *entries = ARENA_ARRAY(arena, struct needle_entry, count + 1);
    struct needle *shorts = ARENA_ARRAY(arena, struct needle, count);
    struct gram_count *counts = count_grams(list, count, &grams);
    for (size_t i = 0; i < count; i++) {
        tc_assert(list[i].text.n > 0 && list[i].text.n < UINT32_MAX);
        if (list[i].text.n < GRAM_BYTES)
            shorts[s->short_count++] = list[i];
        else
            entries[s->entry_count++] = entry_of(counts, grams, &list[i]);
    }
    free(counts);
    qsort(entries, s->entry_count, sizeof entries[0], compare_entries);
    if (s->entry_count > 0)
        entries[s->entry_count].gram = ~entries[s->entry_count - 1].gram;
    s->entries = entries;
    s->shorts = shorts;
    build_tables(s, arena);
    return s;
}

/* --- searching
 * ------------------------------------------------------------------------------------------------------------------
 */

typedef void (*found_fn)(void *context, uint32_t id);

/* The filter let the gram at `at` through: which needles stand around it? */
static __attribute__((noinline)) void search_around(const struct needles *s, struct sv text, size_t at,
                                                    found_fn found, void *context)
{
    uint32_t gram = load_u32(text.p + at), mask = (UINT32_C(1) << s->slot_bits) - 1;
    uint32_t slot = gram_hash(gram, s->slot_bits);
    while (s->slots[slot].first != 0 && s->slots[slot].gram != gram)
        slot = (slot + 1) & mask;
    if (s->slots[slot].first == 0)
        return;
    for (const struct needle_entry *e = &s->entries[s->slots[slot].first - 1]; e->gram == gram; e++)
        if (at >= e->at && e->n <= text.n - (at - e->at) && memcmp(text.p + at - e->at, e->text, e->n) == 0)
            found(context, e->id);
}

void needles_search(const struct needles *s, struct sv text, found_fn found, void *context)
{
    for (size_t i = 0; i < s->short_count; i++)
        if (text.n >= s->shorts[i].text.n &&
            memmem(text.p, text.n, s->shorts[i].text.p, s->shorts[i].text.n) != NULL)
            found(context, s->shorts[i].id);
    if (s->entry_count == 0)
        return;
    const uint64_t *filter = s->filter;
    const unsigned bits = s->filter_bits;
    for (size_t at = 0; at + GRAM_BYTES <= text.n; at++) {
        uint32_t bit = gram_hash(load_u32(text.p + at), bits);
        if (TC_UNLIKELY(filter[bit / 64] >> (bit % 64) & 1))
            search_around(s, text, at, found, context);
    }
}
