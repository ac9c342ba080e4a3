/*
 * The index's tables, for index.c (asking), index_build.c (building) and index_view.c (which tables).
 *
 *   event's log source -> view -> tables of the rules that apply
 *   field name -> field_index -> predicates that hold -> their postings: (rule, clause) -> rules, all of
 * whose clauses were seen
 */
#ifndef DETECT_INDEX_PRIV_H
#define DETECT_INDEX_PRIV_H

#include "base/buf.h"
#include "base/hash.h"
#include "detect/index.h"
#include "detect/needles.h"
#include "detect/witness.h"

enum { INDEX_NONE = 0 }; /* predicates and fields are counted from 1 */

struct index_predicate {
    struct sv text;
    uint32_t first, count; /* in postings */
};

/* Texts that are found by hash: the whole value, or so many bytes of its start or end. */
struct index_probe {
    uint8_t kind;  /* enum atom_kind */
    uint8_t bytes; /* ATOM_PREFIX, ATOM_SUFFIX */
};
enum { INDEX_PROBES_MAX = 24, INDEX_ANCHOR_MAX_BYTES = 16 };

struct index_slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t predicate;
};

struct field_index {
    struct sv name;
    uint32_t name_hash;
    uint32_t present; /* predicate, or INDEX_NONE */
    bool has_numbers;
    uint8_t probe_count;
    struct index_probe probes[INDEX_PROBES_MAX];
    uint64_t exact_lengths;   /* bit n % 64: some exact predicate has n bytes */
    struct index_slot *slots; /* slot_mask + 1, or NULL; linear probing, several of one tag */
    uint32_t slot_mask;
    const struct needles *needles;
};

/* All tables of some of the rules. Rules are counted anew in it, in order of their ordinals. */
struct index_tables {
    uint32_t rule_count, predicate_count;
    uint32_t *ordinals;                 /* by number of the rule in these tables */
    struct index_predicate *predicates; /* [0] unused */
    uint32_t *postings;                 /* rule * WITNESS_CLAUSES_MAX + clause */
    uint8_t *needed;                    /* by rule: bits of its clauses */
    uint64_t *open;                     /* bits of rules without clauses */
    size_t words;
    struct field_index *fields; /* [0] keywords */
    uint32_t field_count;
    uint32_t *names; /* name_mask + 1; field number, 0 = empty; by name_hash */
    uint32_t name_mask;
};
/* Fills `ret` from these rules (detections, ascending by ordinal). */
void index_tables_build(struct arena *arena, const struct rule *const *rules, size_t count,
                        struct index_tables *ret);

/* --- views (index_view.c)
 * ----------------------------------------------------------------------------------------------------------
 */

enum { INDEX_DIMENSIONS = 3, INDEX_WORDS_MAX = 8 }; /* product, category, service; words in one of them */

/* What an event says in one dimension: the numbers of its words that some rule has, ascending. */
struct index_said {
    uint32_t any; /* nothing is said: rules of all words apply */
    uint32_t count, numbers[INDEX_WORDS_MAX];
};

struct index_view {
    struct index_said said[INDEX_DIMENSIONS];
    struct arena arena;
    struct index_tables tables;
    struct index_view *next;
};

/* Remembers the views of the log sources that a thread saw last, by their texts. */
enum { INDEX_RECENT = 16, INDEX_RECENT_BYTES = 112 };
struct index_recent {
    uint64_t serial; /* of the index; 0: empty */
    const struct index_view *view;
    bool exact;
    uint16_t lengths[INDEX_DIMENSIONS];
    char texts[INDEX_RECENT_BYTES];
};

/* The view for the event. *ret_exact false: rules that do not apply are in it, too (rule_applies tells). */
const struct index_view *index_view_of(struct rule_index *index, const struct event *event,
                                       struct index_recent *recent, bool *ret_exact);

/* What is left of these ordinals without the rules that do not apply. */
size_t index_leave_out(const struct rule_index *index, const struct event *event, uint32_t *ordinals,
                       size_t count);

static inline struct sv index_dimension_of_rule(const struct rule *rule, size_t dimension)
{
    return dimension == 0 ? rule->product : dimension == 1 ? rule->category : rule->service;
}
static inline struct sv index_dimension_of_event(const struct event *event, size_t dimension)
{
    return dimension == 0 ? event->product : dimension == 1 ? event->category : event->service;
}

static inline uint64_t index_mix(uint64_t a, uint64_t b)
{
    uint64_t h = a * UINT64_C(0x9E3779B97F4A7C15) + (b ^ b >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    h = (h ^ h >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}
/* Of starts and ends, which are INDEX_ANCHOR_MAX_BYTES at most: a few instructions, no call. */
static inline uint64_t index_anchor_hash(const char *p, struct index_probe probe)
{
    const size_t n = probe.bytes;
    uint64_t kind = (uint64_t)probe.kind << 56 ^ (uint64_t)n << 48, low, high;
    if (n >= 8) {
        low = load_u64(p);
        high = load_u64(p + n - 8);
    } else if (n >= 4) {
        low = load_u32(p);
        high = load_u32(p + n - 4);
    } else {
        low = (unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8;
        high = (unsigned char)p[n - 1];
    }
    return index_mix(low ^ kind, high + n);
}
static inline uint64_t index_exact_hash(struct sv text)
{
    return text.n <= INDEX_ANCHOR_MAX_BYTES && text.n > 0
               ? index_anchor_hash(text.p, (struct index_probe){ATOM_EXACT, (uint8_t)text.n})
               : hash_64(text);
}
static inline uint64_t index_number_hash(uint64_t number)
{
    uint64_t h = (number + ATOM_NUMBER) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

#endif
