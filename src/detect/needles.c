/*
 * Needles by their rarest four bytes.
 *
 * Each needle is filed under one of its grams (four bytes in a row): the one that the fewest other needles
 * contain, so that lists are short and grams like "http" or ".exe" decide nothing. A search looks at each
 * place of the text once: four bytes, one multiplication, one bit of a filter that stays in the first-level
 * cache; only where the bit is set the table is asked, and only where the gram is known bytes are compared.
 * Needles of less than four bytes have tables of their own, with grams of three, two and one; each table is
 * another pass over the text, so few needles rather share the one with grams of three.
 */
#include "detect/needles.h"

#include "base/buf.h"

#include <stdlib.h>

enum { SHARED_MAX = 1024 }; /* so many needles may share coarser grams */
enum { GRAM_MAX_BYTES = 4, FILTER_BITS_MIN = 10, FILTER_BITS_MAX = 18, FILTER_BITS_PER_GRAM = 32 };

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

struct gram_table {                     /* of needles that are filed by grams of one width */
    const struct needle_entry *entries; /* one more at the end, with another gram */
    uint32_t entry_count;
    unsigned filter_bits, slot_bits;
    uint32_t mask; /* the bytes of four that a gram has */
    uint64_t *filter;
    struct gram_slot *slots;
};

struct needles {
    struct gram_table tables[GRAM_MAX_BYTES]; /* by width - 1 */
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

/* The `width` bytes at p, in the low bytes. */
static uint32_t gram_load(const char *p, size_t width)
{
    uint32_t gram = 0;
    memcpy(&gram, p, width);
    return gram;
}

/* All grams of all needles with the number of their occurrences, sorted. The caller frees. */
static struct gram_count *count_grams(const struct needle *list, size_t count, size_t width,
                                      size_t *ret_count)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        total += list[i].text.n - width + 1;
    uint32_t *all = tc_alloc((total + 1) * sizeof all[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k + width <= list[i].text.n; k++)
            all[n++] = gram_load(list[i].text.p + k, width);
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
static struct needle_entry entry_of(const struct gram_count *counts, size_t n, size_t width,
                                    const struct needle *needle)
{
    struct needle_entry e = {.n = (uint32_t)needle->text.n, .id = needle->id, .text = needle->text.p};
    uint32_t fewest = UINT32_MAX;
    for (size_t k = 0; k + width <= needle->text.n; k++) {
        uint32_t gram = gram_load(needle->text.p + k, width), count = count_of(counts, n, gram);
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

static void add_gram(struct gram_table *t, uint32_t gram, uint32_t first)
{
    uint32_t bit = gram_hash(gram, t->filter_bits), mask = (UINT32_C(1) << t->slot_bits) - 1;
    t->filter[bit / 64] |= UINT64_C(1) << (bit % 64);
    uint32_t slot = gram_hash(gram, t->slot_bits);
    while (t->slots[slot].first != 0)
        slot = (slot + 1) & mask;
    t->slots[slot] = (struct gram_slot){gram, first + 1};
}

static void fill_table(struct gram_table *t, struct arena *arena)
{
    size_t grams = 0;
    for (uint32_t i = 0; i < t->entry_count; i++)
        grams += i == 0 || t->entries[i].gram != t->entries[i - 1].gram;
    t->filter_bits = bits_for(grams * FILTER_BITS_PER_GRAM, FILTER_BITS_MIN, FILTER_BITS_MAX);
    t->slot_bits = bits_for(grams * 2 + 1, 4, 31);
    t->filter = arena_alloc(arena, (size_t)1 << (t->filter_bits - 3));
    t->slots = ARENA_ARRAY(arena, struct gram_slot, (size_t)1 << t->slot_bits);
    for (uint32_t i = 0; i < t->entry_count; i++)
        if (i == 0 || t->entries[i].gram != t->entries[i - 1].gram)
            add_gram(t, t->entries[i].gram, i);
}

static void build_table(struct gram_table *t, struct arena *arena, const struct needle *list, size_t count,
                        size_t width)
{
    size_t grams;
    struct needle_entry *entries = ARENA_ARRAY(arena, struct needle_entry, count + 1);
    struct gram_count *counts = count_grams(list, count, width, &grams);
    for (size_t i = 0; i < count; i++)
        entries[i] = entry_of(counts, grams, width, &list[i]);
    free(counts);
    qsort(entries, count, sizeof entries[0], compare_entries);
    entries[count].gram = ~entries[count - 1].gram;
    t->entries = entries;
    t->entry_count = (uint32_t)count;
    t->mask = UINT32_MAX >> (32 - width * 8);
    fill_table(t, arena);
}

/* The width of the grams that long needles are filed by: four, or three where a table of three is searched
 * anyway and few needles make it no less choosy. */
static size_t widest(const struct needle *list, size_t count)
{
    bool any_of_three = false;
    for (size_t i = 0; i < count; i++)
        any_of_three |= list[i].text.n == GRAM_MAX_BYTES - 1;
    return any_of_three && count <= SHARED_MAX ? GRAM_MAX_BYTES - 1 : GRAM_MAX_BYTES;
}

const struct needles *needles_new(struct arena *arena, const struct needle *list, size_t count)
{
    if (count == 0)
        return NULL;
    struct needles *s = ARENA_NEW(arena, struct needles);
    struct needle *some = tc_alloc(count * sizeof some[0]);
    const size_t most = widest(list, count);
    for (size_t width = 1; width <= most; width++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (TC_MIN(list[i].text.n, most) == width)
                some[n++] = list[i];
        if (n > 0)
            build_table(&s->tables[width - 1], arena, some, n, width);
    }
    free(some);
    return s;
}

/* --- searching
 * ------------------------------------------------------------------------------------------------------------------
 */

typedef void (*found_fn)(void *context, uint32_t id);

/* The filter let the gram at `at` through: which needles stand around it? */
static __attribute__((noinline)) void search_around(const struct gram_table *t, struct sv text, size_t at,
                                                    uint32_t gram, found_fn found, void *context)
{
    uint32_t mask = (UINT32_C(1) << t->slot_bits) - 1, slot = gram_hash(gram, t->slot_bits);
    while (t->slots[slot].first != 0 && t->slots[slot].gram != gram)
        slot = (slot + 1) & mask;
    if (t->slots[slot].first == 0)
        return;
    for (const struct needle_entry *e = &t->entries[t->slots[slot].first - 1]; e->gram == gram; e++)
        if (at >= e->at && e->n <= text.n - (at - e->at) && memcmp(text.p + at - e->at, e->text, e->n) == 0)
            found(context, e->id);
}

static void search_table(const struct gram_table *t, size_t width, struct sv text, found_fn found,
                         void *context)
{
    const uint64_t *filter = t->filter;
    const unsigned bits = t->filter_bits;
    size_t at = 0;
    for (; at + GRAM_MAX_BYTES <= text.n; at++) {
        uint32_t gram = load_u32(text.p + at) & t->mask, bit = gram_hash(gram, bits);
        if (TC_UNLIKELY(filter[bit / 64] >> (bit % 64) & 1))
            search_around(t, text, at, gram, found, context);
    }
    for (; at + width <= text.n; at++)
        search_around(t, text, at, gram_load(text.p + at, width), found, context);
}

void needles_search(const struct needles *s, struct sv text, found_fn found, void *context)
{
    for (size_t width = 1; width <= GRAM_MAX_BYTES; width++)
        if (s->tables[width - 1].entry_count > 0)
            search_table(&s->tables[width - 1], width, text, found, context);
}
