/*
 * The index's tables, for index.c (asking) and index_build.c (building).
 *
 *   field name -> field_index -> predicates that hold -> their postings: (rule, clause) -> rules, all of
 * whose clauses were seen
 */
#ifndef DETECT_INDEX_PRIV_H
#define DETECT_INDEX_PRIV_H

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
enum { INDEX_PROBES_MAX = 24 };

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
    size_t exact_max;         /* longest text of an exact predicate */
    struct index_slot *slots; /* slot_mask + 1, or NULL; linear probing, several of one tag */
    uint32_t slot_mask;
    const struct needles *needles;
};

struct index_dimension { /* product, category or service */
    struct sv *names;    /* names[i] has number i + 1; 0 = any */
    uint32_t count;
    uint32_t *of_rule; /* by ordinal */
};
enum { INDEX_DIMENSIONS = 3 };

struct rule_index {
    uint32_t rule_count, predicate_count;
    struct index_predicate *predicates; /* [0] unused */
    uint32_t *postings;                 /* ordinal * WITNESS_CLAUSES_MAX + clause */
    uint8_t *needed;                    /* by ordinal: bits of its clauses */
    uint64_t *open;                     /* bits of rules without clauses */
    uint64_t *detections;               /* bits of all that could be candidates */
    size_t words;
    struct field_index *fields; /* [0] keywords */
    uint32_t field_count;
    uint32_t *names; /* name_mask + 1; field number, 0 = empty; by name_hash */
    uint32_t name_mask;
    struct index_dimension dimensions[INDEX_DIMENSIONS];
};

static inline struct sv index_dimension_of_rule(const struct rule *rule, size_t dimension)
{
    return dimension == 0 ? rule->product : dimension == 1 ? rule->category : rule->service;
}
static inline struct sv index_dimension_of_event(const struct event *event, size_t dimension)
{
    return dimension == 0 ? event->product : dimension == 1 ? event->category : event->service;
}

static inline uint64_t index_hash(struct sv text, struct index_probe probe)
{
    return hash_64_seed(text, (uint64_t)probe.kind * 256 + probe.bytes + 1);
}
static inline uint64_t index_number_hash(uint64_t number)
{
    uint64_t h = (number + ATOM_NUMBER) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

#endif
