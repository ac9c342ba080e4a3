/*
 * Finding series by labels: symbols (interned strings), postings (which series have a label), and selection
 * by matchers over either of the two indexes that there are, the head's and a block's.
 *
 * Not thread-safe; the head's lock guards the head's.
 */
#ifndef METRICS_TSDB_INDEX_H
#define METRICS_TSDB_INDEX_H

#include "base/map.h"
#include "metrics/matcher.h"

/* A label as symbols; pairs of a series are sorted by the text of their names. */
struct label_pair {
    uint32_t name, value;
};

struct posting_list { /* rising; lent */
    const uint32_t *ids;
    size_t n;
};

/* What selection needs of an index. Lists are lent or made in the arena. */
struct index_view {
    const void *context;
    size_t symbol_count;
    bool (*symbol)(const void *context, struct sv text, uint32_t *ret);
    struct sv (*text)(const void *context, uint32_t symbol);
    struct posting_list (*posting)(const void *context, uint32_t name, uint32_t value);
    size_t (*values)(const void *context, uint32_t name, struct arena *arena, uint32_t **ret);
    size_t (*names)(const void *context, struct arena *arena, uint32_t **ret);
    struct posting_list (*all)(const void *context, struct arena *arena);
    /* NULL where the series is gone. */
    const struct label_pair *(*pairs)(const void *context, uint32_t id, uint32_t *ret_count);
};

/* The series that match all, rising, in `arena`. */
struct posting_list index_select(const struct index_view *view, const struct matcher *matchers, size_t count,
                                 struct arena *arena);
/* The label set of a series, in `arena`; it shares text with `like`, which is of that arena or NULL. */
const struct labels *index_labels(const struct index_view *view, const struct label_pair *pairs,
                                  uint32_t count, const struct labels *like, struct arena *arena);

/* --- the head's --- */
enum { INDEX_SYMBOLS_MAX = 1 << 28 };

struct posting {
    uint32_t name, value;
    uint32_t n, capacity; /* capacity 0: the one id stands in `id` */
    union {
        uint32_t *ids;
        uint32_t id;
    };
};

struct name_values {
    uint32_t name;
    uint32_t *postings; /* indexes */
    uint32_t n, capacity;
};

struct label_index {
    struct map symbols; /* text -> number; its entries are in order of number */
    struct posting *postings;
    size_t posting_count, posting_capacity;
    uint32_t *slots; /* index + 1 into postings */
    size_t slot_count;
    struct name_values *names;
    size_t name_count, name_capacity;
    size_t posting_ids; /* in all lists, for the accounting */
};

void label_index_init(struct label_index *index);
void label_index_free(struct label_index *index);
/* The number of a text, made where it is new. UINT32_MAX at the bound. */
uint32_t label_index_symbol(struct label_index *index, struct sv text);
bool label_index_find(const struct label_index *index, struct sv text, uint32_t *ret);
static inline struct sv label_index_text(const struct label_index *index, uint32_t symbol)
{
    return index->symbols.entries[symbol].key;
}
/* `id` is above all ids so far. */
void label_index_add(struct label_index *index, uint32_t id, const struct label_pair *pairs, uint32_t count);
struct posting_list label_index_posting(const struct label_index *index, uint32_t name, uint32_t value);
size_t label_index_values(const struct label_index *index, uint32_t name, struct arena *arena,
                          uint32_t **ret);
size_t label_index_names(const struct label_index *index, struct arena *arena, uint32_t **ret);
size_t label_index_bytes(const struct label_index *index);

#endif
