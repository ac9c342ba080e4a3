/*
 * Needles by their rarest bytes.
 *
 * A needle is filed under grams of it (four bytes in a row): those that the fewest other needles contain, so
 * that lists are short and grams like "http" or ".exe" decide nothing. It is filed under two that follow one
 * another, so that a search need only look at every second place of the text: one of the two stands at such a
 * place. There: four bytes, one multiplication, two bits in one word of a filter that stays in the
 * first-level cache; only where both are set the table is asked, and only where the gram is known bytes are
 * compared, the needle's first eight at once. Two bits turn away nearly all that one would let through, and
 * what is let through costs a mispredicted branch and a cache line.
 *
 * Where there are so many needles that most grams of four bytes belong to one, they are filed by five bytes,
 * and every place is looked at. Needles of less than five bytes are filed by three, at every second place too
 * unless some needle has no more than three; few needles all share that table. Those of one and two bytes
 * share a map of all pairs of bytes. All of it is one pass.
 */
#include "detect/needles.h"

#include "base/buf.h"

#include <stdlib.h>

enum { SHARED_MAX = 1024, CROWD_MIN = 20000 }; /* so many needles may share coarser grams; need finer ones */
enum {
    CROWD_BYTES = 5,
    WIDE_BYTES = 4,
    NARROW_BYTES = 3,
    WIDTHS = 5,
    FILTER_BITS_MIN = 10,
    FILTER_BITS_MAX = 22,
    FILTER_BITS_PER_GRAM = 12,
    PAIRS = 1 << 16,
};

struct needle_entry { /* sorted by gram */
    uint64_t gram;
    uint32_t at; /* where the gram stands in the needle */
    uint32_t n;
    uint32_t id;
    uint64_t head; /* the first eight bytes; missing ones zero */
    const char *text;
};

struct gram_slot {
    uint64_t gram;
    uint32_t first; /* index + 1 into entries; 0 = empty */
};

struct gram_filter {
    const uint64_t *words;
    unsigned shift; /* from a gram's product to its word */
};

struct gram_table {                     /* of needles that are filed by grams of one width */
    const struct needle_entry *entries; /* one more at the end, with another gram */
    uint32_t entry_count;
    unsigned slot_bits;
    struct gram_filter filter; /* for grams of three and four bytes */
    struct gram_slot *slots;
};

typedef void (*found_fn)(void *context, uint32_t id);
struct search {
    struct sv text;
    found_fn found;
    void *context;
};

struct needles {
    void (*search)(const struct needles *needles, const struct search *in);
    struct gram_table tables[WIDTHS]; /* by width - 1 */
    bool narrow_everywhere;           /* not only at every second place */
    uint64_t *
        pairs; /* a bit for each two bytes in a row that begin a needle of one or two; NULL: no such needle */
};

static inline uint64_t gram_product(uint64_t gram)
{
    return gram * UINT64_C(0x9E3779B97F4A7C15);
}
static inline uint32_t gram_hash(uint64_t gram, unsigned bits)
{
    return (uint32_t)(gram_product(gram) >> (64 - bits));
}
/* The `width` bytes at p, in the low bytes. */
static inline uint64_t gram_load(const char *p, size_t width)
{
    uint64_t gram = 0;
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

static unsigned bits_for(size_t n, unsigned min, unsigned max)
{
    unsigned bits = min;
    while (bits < max && ((size_t)1 << bits) < n)
        bits++;
    return bits;
}

/* How often each gram stands in the needles: a table with open addressing that grows with the distinct ones.
 * Thousands of rules have hundreds of thousands of grams, and each is counted once and asked about once: what
 * that costs is how much of the table is at hand, so an entry is a word. */
struct gram_count {
    uint64_t gram : 8 * CROWD_BYTES;
    uint64_t count : 64 - 8 * CROWD_BYTES; /* 0: an empty place; stays where it is full */
};

struct gram_counts {
    struct gram_count *slots;
    size_t used;
    unsigned bits;
};

enum { COUNT_MAX = (1 << (64 - 8 * CROWD_BYTES)) - 1, COUNT_BITS_MIN = 6 };

static struct gram_count *count_slot(const struct gram_counts *counts, uint64_t gram)
{
    uint32_t mask = (UINT32_C(1) << counts->bits) - 1, slot = gram_hash(gram, counts->bits);
    while (counts->slots[slot].count != 0 && counts->slots[slot].gram != gram)
        slot = (slot + 1) & mask;
    return &counts->slots[slot];
}

static void grow_counts(struct gram_counts *counts)
{
    struct gram_counts larger = {.used = counts->used, .bits = counts->bits + 1};
    larger.slots = tc_alloc(((size_t)1 << larger.bits) * sizeof larger.slots[0]);
    for (size_t i = 0; i < (size_t)1 << counts->bits; i++)
        if (counts->slots[i].count != 0)
            *count_slot(&larger, counts->slots[i].gram) = counts->slots[i];
    free(counts->slots);
    *counts = larger;
}

static void count_gram(struct gram_counts *counts, uint64_t gram)
{
    struct gram_count *c = count_slot(counts, gram);
    if (c->count == 0) {
        c->gram = gram;
        counts->used++;
    }
    if (c->count < COUNT_MAX)
        c->count++;
    if (counts->used > ((size_t)1 << counts->bits) / 4 * 3)
        grow_counts(counts);
}

/* All grams of all needles. The caller frees the slots. */
static struct gram_counts count_grams(const struct needle *list, size_t count, size_t width)
{
    struct gram_counts counts = {.bits = COUNT_BITS_MIN};
    counts.slots = tc_alloc(((size_t)1 << counts.bits) * sizeof counts.slots[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k + width <= list[i].text.n; k++)
            count_gram(&counts, gram_load(list[i].text.p + k, width));
    return counts;
}

/* Where the grams stand that the needle is filed under, one or two in a row; ties go to the later ones, as
 * texts differ more towards their ends. */
static size_t rarest(const struct gram_counts *counts, size_t width, size_t places, struct sv text)
{
    size_t best = 0;
    uint64_t fewest = UINT64_MAX, before = 0;
    for (size_t k = 0; k + width <= text.n; k++) {
        uint64_t here = count_slot(counts, gram_load(text.p + k, width))->count;
        if (k + 1 >= places && before + here <= fewest) {
            fewest = before + here;
            best = k + 1 - places;
        }
        before = places == 2 ? here : 0;
    }
    return best;
}

static struct needle_entry entry_at(const struct needle *needle, size_t at, size_t width)
{
    return (struct needle_entry){.gram = gram_load(needle->text.p + at, width),
                                 .at = (uint32_t)at,
                                 .n = (uint32_t)needle->text.n,
                                 .id = needle->id,
                                 .head = head_load(needle->text.p, needle->text.n),
                                 .text = needle->text.p};
}

static int compare_entries(const void *a, const void *b)
{
    const struct needle_entry *x = a, *y = b;
    if (x->gram != y->gram)
        return x->gram < y->gram ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void add_gram(struct gram_table *t, uint64_t *filter, uint64_t gram, uint32_t first)
{
    uint32_t mask = (UINT32_C(1) << t->slot_bits) - 1, slot = gram_hash(gram, t->slot_bits);
    uint64_t product = gram_product(gram);
    if (filter != NULL)
        filter[product >> t->filter.shift] |=
            UINT64_C(1) << gram_bit(product, 0) | UINT64_C(1) << gram_bit(product, 1);
    while (t->slots[slot].first != 0)
        slot = (slot + 1) & mask;
    t->slots[slot] = (struct gram_slot){gram, first + 1};
}

static void fill_table(struct gram_table *t, struct arena *arena, size_t width)
{
    size_t grams = 0;
    uint64_t *filter = NULL;
    for (uint32_t i = 0; i < t->entry_count; i++)
        grams += i == 0 || t->entries[i].gram != t->entries[i - 1].gram;
    if (width >= NARROW_BYTES) {
        unsigned bits = bits_for(grams * FILTER_BITS_PER_GRAM, FILTER_BITS_MIN, FILTER_BITS_MAX);
        filter = arena_alloc(arena, (size_t)1 << (bits - 3));
        t->filter = (struct gram_filter){filter, 64 - (bits - 6)};
    }
    t->slot_bits = bits_for(grams * 2 + 1, 4, 31);
    t->slots = ARENA_ARRAY(arena, struct gram_slot, (size_t)1 << t->slot_bits);
    for (uint32_t i = 0; i < t->entry_count; i++)
        if (i == 0 || t->entries[i].gram != t->entries[i - 1].gram)
            add_gram(t, filter, t->entries[i].gram, i);
}

static void build_table(struct gram_table *t, struct arena *arena, const struct needle *list, size_t count,
                        size_t width, size_t places)
{
    size_t n = 0;
    struct needle_entry *entries = ARENA_ARRAY(arena, struct needle_entry, count * places + 1);
    struct gram_counts counts = count_grams(list, count, width);
    for (size_t i = 0; i < count; i++) {
        size_t at = rarest(&counts, width, places, list[i].text);
        for (size_t k = 0; k < places; k++)
            entries[n++] = entry_at(&list[i], at + k, width);
    }
    free(counts.slots);
    qsort(entries, n, sizeof entries[0], compare_entries);
    entries[n].gram = ~entries[n - 1].gram;
    t->entries = entries;
    t->entry_count = (uint32_t)n;
    fill_table(t, arena, width);
}

/* The width of the grams that a needle of n bytes is filed by, where long ones are by `longest`. */
static size_t width_of(size_t n, size_t longest)
{
    return n < NARROW_BYTES ? n : n > WIDE_BYTES ? longest : NARROW_BYTES;
}

static void build_pairs(struct needles *s, struct arena *arena)
{
    if (s->tables[0].entry_count + s->tables[1].entry_count == 0)
        return;
    s->pairs = ARENA_ARRAY(arena, uint64_t, PAIRS / 64);
    for (uint32_t i = 0; i < s->tables[1].entry_count; i++) {
        uint32_t pair = (uint32_t)s->tables[1].entries[i].gram;
        s->pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
    }
    for (uint32_t i = 0; i < s->tables[0].entry_count; i++)
        for (uint32_t second = 0; second < 256; second++) {
            uint32_t pair = (uint32_t)s->tables[0].entries[i].gram | second << 8;
            s->pairs[pair / 64] |= UINT64_C(1) << (pair % 64);
        }
}

/* --- searching
 * ------------------------------------------------------------------------------------------------------------------
 */

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
                                                    size_t at, uint64_t gram)
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

static inline bool filter_passes(struct gram_filter filter, uint64_t gram)
{
    uint64_t product = gram_product(gram), word = filter.words[product >> filter.shift];
    return (word >> gram_bit(product, 0) & word >> gram_bit(product, 1) & 1) != 0;
}

/* What is looked for, and whether at odd places, too. */
struct looks {
    bool crowd, wide, narrow, narrow_odd, pairs;
};

/* One place. `five` is the five bytes there, of which `left` stand in the text. */
static inline __attribute__((always_inline)) void look(const struct needles *s, const struct search *in,
                                                       size_t at, uint64_t five, size_t left,
                                                       struct looks looks)
{
    const struct gram_table *crowd = &s->tables[CROWD_BYTES - 1], *wide = &s->tables[WIDE_BYTES - 1],
                            *narrow = &s->tables[NARROW_BYTES - 1];
    const uint32_t gram = (uint32_t)five;
    if (looks.crowd && left >= CROWD_BYTES && TC_UNLIKELY(filter_passes(crowd->filter, five)))
        search_around(crowd, in, at, five);
    if (looks.wide && left >= WIDE_BYTES && TC_UNLIKELY(filter_passes(wide->filter, gram)))
        search_around(wide, in, at, gram);
    if (looks.narrow && left >= NARROW_BYTES && TC_UNLIKELY(filter_passes(narrow->filter, gram & 0xFFFFFF)))
        search_around(narrow, in, at, gram & 0xFFFFFF);
    if (looks.pairs && TC_UNLIKELY(s->pairs[gram % PAIRS / 64] >> (gram % 64) & 1))
        search_short(s, in, at, gram);
}

static inline uint64_t five_at(const char *p, bool all)
{
    return all ? load_u32(p) | (uint64_t)(unsigned char)p[4] << 32 : load_u32(p);
}

/* The pass. Each set of looks has a copy of its own, in which the tests for absent ones are gone: they would
 * cost as much as the rest. */
static inline __attribute__((always_inline)) void search_with(const struct needles *s,
                                                              const struct search *in, struct looks looks)
{
    const struct looks odd = {.crowd = looks.crowd, .narrow = looks.narrow_odd, .pairs = looks.pairs};
    const char *p = in->text.p;
    const size_t n = in->text.n;
    size_t at = 0;
    for (; at + CROWD_BYTES < n; at += 2) {
        look(s, in, at, five_at(p + at, looks.crowd), CROWD_BYTES, looks);
        if (odd.crowd || odd.narrow || odd.pairs)
            look(s, in, at + 1, five_at(p + at + 1, looks.crowd), CROWD_BYTES, odd);
    }
    for (; at < n; at++) /* the last five at most */
        look(s, in, at, gram_load(p + at, TC_MIN(n - at, (size_t)CROWD_BYTES)), n - at,
             at % 2 == 0 ? looks : odd);
}

static void search_wide(const struct needles *s, const struct search *in)
{
    search_with(s, in, (struct looks){.wide = true});
}
static void search_narrow(const struct needles *s, const struct search *in)
{
    search_with(s, in, (struct looks){.narrow = true});
}
static void search_narrow_everywhere(const struct needles *s, const struct search *in)
{
    search_with(s, in, (struct looks){.narrow = true, .narrow_odd = true});
}
static void search_both(const struct needles *s, const struct search *in)
{
    search_with(s, in, (struct looks){.wide = true, .narrow = true});
}
static void search_any(const struct needles *s, const struct search *in)
{
    search_with(s, in,
                (struct looks){.crowd = s->tables[CROWD_BYTES - 1].entry_count > 0,
                               .wide = s->tables[WIDE_BYTES - 1].entry_count > 0,
                               .narrow = s->tables[NARROW_BYTES - 1].entry_count > 0,
                               .narrow_odd = s->narrow_everywhere,
                               .pairs = s->pairs != NULL});
}

static void (*search_of(const struct needles *s))(const struct needles *, const struct search *)
{
    bool wide = s->tables[WIDE_BYTES - 1].entry_count > 0,
         narrow = s->tables[NARROW_BYTES - 1].entry_count > 0;
    if (s->pairs != NULL || (wide && s->narrow_everywhere) || s->tables[CROWD_BYTES - 1].entry_count > 0)
        return search_any;
    if (wide)
        return narrow ? search_both : search_wide;
    return s->narrow_everywhere ? search_narrow_everywhere : search_narrow;
}

/* --- the doors
 * -----------------------------------------------------------------------------------------------------------------
 */

const struct needles *needles_new(struct arena *arena, const struct needle *list, size_t count)
{
    if (count == 0)
        return NULL;
    struct needles *s = ARENA_NEW(arena, struct needles);
    struct needle *some = tc_alloc(count * sizeof some[0]);
    bool any_narrow = false;
    for (size_t i = 0; i < count; i++) {
        s->narrow_everywhere |= list[i].text.n == NARROW_BYTES;
        any_narrow |= list[i].text.n == NARROW_BYTES || list[i].text.n == WIDE_BYTES;
    }
    const size_t longest = count >= CROWD_MIN                  ? CROWD_BYTES
                           : any_narrow && count <= SHARED_MAX ? NARROW_BYTES
                                                               : WIDE_BYTES;
    for (size_t width = 1; width <= WIDTHS; width++) {
        bool twice = width == WIDE_BYTES || (width == NARROW_BYTES && !s->narrow_everywhere);
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (width_of(list[i].text.n, longest) == width)
                some[n++] = list[i];
        if (n > 0)
            build_table(&s->tables[width - 1], arena, some, n, width, twice ? 2 : 1);
    }
    free(some);
    build_pairs(s, arena);
    s->search = search_of(s);
    return s;
}

void needles_search(const struct needles *s, struct sv text, found_fn found, void *context)
{
    s->search(s, &(struct search){text, found, context});
}
