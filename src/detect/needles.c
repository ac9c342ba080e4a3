/*
 * Needles by their rarest four bytes.
 *
 * Each needle is filed under one of its grams (four bytes in a row): the one that the fewest other needles
 * contain, so that lists are short and grams like "http" or ".exe" decide nothing. A search looks at each
 * place of the text once: four bytes, one multiplication, two bits in one word of a filter that stays in the
 * first-level cache; only where both are set the table is asked, and only where the gram is known bytes are
 * compared, the needle's first eight at once. Two bits turn away nearly all that one bit lets through, and
 * each that is let through costs a mispredicted branch and a cache line.
 *
 * Needles of three bytes have a table of their own, looked at in the same pass; few needles rather all share
 * it. Those of one and two bytes share a map of all pairs of bytes, which is asked in that pass, too.
 */
#include "detect/needles.h"

#include "base/buf.h"

#include <stdlib.h>

enum { SHARED_MAX = 1024 }; /* so many needles may share coarser grams */
enum {
    GRAM_MAX_BYTES = 4,
    FILTER_BITS_MIN = 10,
    FILTER_BITS_MAX = 18,
    FILTER_BITS_PER_GRAM = 32,
    PAIRS = 1 << 16,
    WIDTH_FILTERED = 3
};

struct needle_entry { /* sorted by gram */
    uint32_t gram;
    uint32_t at; /* where the gram stands in the needle */
    uint32_t n;
    uint32_t id;
    uint64_t head; /* the first eight bytes; missing ones zero */
    const char *text;
};

struct gram_slot {
    uint32_t gram;
    uint32_t first; /* index + 1 into entries; 0 = empty */
};

struct gram_table {                     /* of needles that are filed by grams of one width */
    const struct needle_entry *entries; /* one more at the end, with another gram */
    uint32_t entry_count;
    unsigned filter_shift; /* from a gram's product to its word of the filter */
    unsigned slot_bits;
    uint64_t *filter; /* NULL for grams of one and two bytes */
    struct gram_slot *slots;
};

struct needles {
    struct gram_table tables[GRAM_MAX_BYTES]; /* by width - 1 */
    uint64_t *
        pairs; /* a bit for each two bytes in a row that begin a needle of one or two; NULL: no such needle */
};

static inline uint32_t gram_hash(uint32_t gram, unsigned bits)
{
    return (gram * UINT32_C(0x9E3779B1)) >> (32 - bits);
}

static inline uint64_t gram_product(uint32_t gram)
{
    return gram * UINT64_C(0x9E3779B97F4A7C15);
}
/* The `width` bytes at p, in the low bytes. */
static inline uint32_t gram_load(const char *p, size_t width)
{
    uint32_t gram = 0;
    memcpy(&gram, p, width);
    return gram;
}
/* Up to eight bytes, the missing ones zero. */
static inline uint64_t head_load(const char *p, size_t n)
{
    uint64_t head = 0;
    if (TC_LIKELY(n >= 8))
        return load_u64(p);
    memcpy(&head, p, n);
    return head;
}
/* The two bits of a product in its word; middle bits, as the upper ones chose the word. */
static inline unsigned gram_bit(uint64_t product, unsigned which)
{
    return (unsigned)(product >> (24 + which * 6)) & 63;
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
    struct needle_entry e = {.n = (uint32_t)needle->text.n,
                             .id = needle->id,
                             .head = head_load(needle->text.p, needle->text.n),
                             .text = needle->text.p};
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
    uint32_t mask = (UINT32_C(1) << t->slot_bits) - 1, slot = gram_hash(gram, t->slot_bits);
    uint64_t product = gram_product(gram);
    if (t->filter != NULL)
        t->filter[product >> t->filter_shift] |=
            UINT64_C(1) << gram_bit(product, 0) | UINT64_C(1) << gram_bit(product, 1);
    while (t->slots[slot].first != 0)
        slot = (slot + 1) & mask;
    t->slots[slot] = (struct gram_slot){gram, first + 1};
}

static void fill_table(struct gram_table *t, struct arena *arena, size_t width)
{
    size_t grams = 0;
    for (uint32_t i = 0; i < t->entry_count; i++)
        grams += i == 0 || t->entries[i].gram != t->entries[i - 1].gram;
    if (width >= WIDTH_FILTERED) {
        unsigned bits = bits_for(grams * FILTER_BITS_PER_GRAM, FILTER_BITS_MIN, FILTER_BITS_MAX);
        t->filter = arena_alloc(arena, (size_t)1 << (bits - 3));
        t->filter_shift = 64 - (bits - 6);
    }
    t->slot_bits = bits_for(grams * 2 + 1, 4, 31);
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
    fill_table(t, arena, width);
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

static void build_pairs(struct needles *s, struct arena *arena)
{
    if (s->tables[0].entry_count + s->tables[1].entry_count == 0)
        return;
    s->pairs = ARENA_ARRAY(arena, uint64_t, PAIRS / 64);
    for (uint32_t i = 0; i < s->tables[1].entry_count; i++) {
        uint32_t pair = s->tables[1].entries[i].gram;
        s->pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
    }
    for (uint32_t i = 0; i < s->tables[0].entry_count; i++)
        for (uint32_t second = 0; second < 256; second++) {
            uint32_t pair = s->tables[0].entries[i].gram | second << 8;
            s->pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
        }
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
    build_pairs(s, arena);
    return s;
}

/* --- searching
 * ------------------------------------------------------------------------------------------------------------------
 */

typedef void (*found_fn)(void *context, uint32_t id);

struct search {
    struct sv text;
    found_fn found;
    void *context;
};

static inline bool stands_at(const struct needle_entry *e, struct sv text, size_t at)
{
    if (at < e->at || e->n > text.n - (at - e->at))
        return false;
    const char *p = text.p + at - e->at;
    uint64_t mask = e->n >= 8 ? UINT64_MAX : (UINT64_C(1) << (e->n * 8)) - 1;
    if ((head_load(p, text.n - (at - e->at)) & mask) != e->head)
        return false;
    return e->n <= 8 || memcmp(p + 8, e->text + 8, e->n - 8) == 0;
}

/* Which needles that are filed under `gram` stand around it? */
static __attribute__((noinline)) void search_around(const struct gram_table *t, const struct search *in,
                                                    size_t at, uint32_t gram)
{
    uint32_t mask = (UINT32_C(1) << t->slot_bits) - 1, slot = gram_hash(gram, t->slot_bits);
    while (t->slots[slot].first != 0 && t->slots[slot].gram != gram)
        slot = (slot + 1) & mask;
    if (t->slots[slot].first == 0)
        return;
    for (const struct needle_entry *e = &t->entries[t->slots[slot].first - 1]; e->gram == gram; e++)
        if (stands_at(e, in->text, at))
            in->found(in->context, e->id);
}

static __attribute__((noinline)) void search_short(const struct needles *s, const struct search *in,
                                                   size_t at, uint32_t gram)
{
    if (s->tables[0].entry_count > 0)
        search_around(&s->tables[0], in, at, gram & 0xFF);
    if (s->tables[1].entry_count > 0 && in->text.n - at >= 2)
        search_around(&s->tables[1], in, at, gram & 0xFFFF);
}

static inline bool filter_passes(const struct gram_table *t, uint32_t gram)
{
    uint64_t product = gram_product(gram), word = t->filter[product >> t->filter_shift];
    return (word >> gram_bit(product, 0) & word >> gram_bit(product, 1) & 1) != 0;
}

/* One place: `gram` is the four bytes there. */
static inline __attribute__((always_inline)) void look(const struct needles *s, const struct search *in,
                                                       size_t at, uint32_t gram, bool four, bool three,
                                                       bool pairs)
{
    if (four && TC_UNLIKELY(filter_passes(&s->tables[3], gram)))
        search_around(&s->tables[3], in, at, gram);
    if (three && TC_UNLIKELY(filter_passes(&s->tables[2], gram & 0xFFFFFF)))
        search_around(&s->tables[2], in, at, gram & 0xFFFFFF);
    if (pairs && TC_UNLIKELY(s->pairs[(gram & 0xFFFF) / 64] >> (gram % 64) & 1))
        search_short(s, in, at, gram);
}

/* The loop, made anew for each set of tables, as the tests for absent ones would cost as much as the rest. */
static inline __attribute__((always_inline)) void search_all(const struct needles *s, const struct search *in,
                                                             bool four, bool three, bool pairs)
{
    size_t at = 0;
    for (; at + GRAM_MAX_BYTES <= in->text.n; at++)
        look(s, in, at, load_u32(in->text.p + at), four, three, pairs);
    for (; at < in->text.n; at++) {
        size_t left = in->text.n - at;
        look(s, in, at, gram_load(in->text.p + at, left), false, three && left == 3, pairs);
    }
}

void needles_search(const struct needles *s, struct sv text, found_fn found, void *context)
{
    const struct search in = {text, found, context};
    const bool four = s->tables[3].entry_count > 0, three = s->tables[2].entry_count > 0;
    switch (four * 4 + three * 2 + (s->pairs != NULL)) {
    case 7:
        search_all(s, &in, true, true, true);
        break;
    case 6:
        search_all(s, &in, true, true, false);
        break;
    case 5:
        search_all(s, &in, true, false, true);
        break;
    case 4:
        search_all(s, &in, true, false, false);
        break;
    case 3:
        search_all(s, &in, false, true, true);
        break;
    case 2:
        search_all(s, &in, false, true, false);
        break;
    default:
        search_all(s, &in, false, false, true);
    }
}
