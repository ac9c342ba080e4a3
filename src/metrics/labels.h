/*
 * Label sets: immutable, sorted by name, interned, so that two equal sets are one pointer.
 *
 * A table owns the sets of one lifetime (a query, a small store); within it equality is pointer equality, and
 * the number of a set (`id`) is dense and can index arrays. Not thread-safe: one table, one thread.
 */
#ifndef METRICS_LABELS_H
#define METRICS_LABELS_H

#include "base/arena.h"
#include "base/buf.h"

struct label {
    struct sv name, value; /* value is never empty: an empty label is an absent one */
};

struct labels {
    uint64_t hash;
    uint32_t id; /* dense, by order of appearance in the table */
    uint32_t count;
    uint32_t name_at; /* index of __name__ + 1; 0: none */
    struct label items[];
};

/* What was worked out of the sets of one table, by their numbers, of which mostly a stretch is used.
 * All-zero: empty. */
struct labels_memo {
    const struct labels **by_id;
    size_t first, size; /* the number that by_id[0] stands for; how many there are */
};

/* A stretch of numbers that has [first, first + size) and `id`, at least twice as long where it must grow. */
void labels_stretch(size_t id, size_t *first, size_t *size);

struct labels_table {
    struct arena arena;
    const struct labels **slots; /* open addressing */
    size_t slot_count, used;
    const struct labels *newest; /* lends its text to the next set */
    struct labels_memo nameless; /* of labels_drop_metadata */
};

#define METRIC_NAME SV("__name__")

void labels_table_init(struct labels_table *table);
void labels_table_free(struct labels_table *table);

/* Sorts `items` (in place), leaves out empty values, keeps the last of equal names, and interns. Text is
 * copied. */
const struct labels *labels_intern(struct labels_table *table, struct label *items, size_t count);
/* The same set in another table. */
const struct labels *labels_import(struct labels_table *table, const struct labels *labels);
const struct labels *labels_empty(struct labels_table *table);

/* The hash that a set of these items has; they are sorted, unique and without empty values. */
uint64_t labels_items_hash(const struct label *items, size_t count);
/* Where the result for `labels` (of `table`) is kept: NULL until the caller sets it. Good until the next
 * call. */
const struct labels **labels_memo_at(struct labels_memo *memo, const struct labels *labels);
void labels_memo_free(struct labels_memo *memo);

/* The value, or an empty view. */
struct sv labels_get(const struct labels *labels, struct sv name);
/* The value of __name__, or an empty view. */
static inline struct sv labels_name(const struct labels *labels)
{
    return labels->name_at > 0 ? labels->items[labels->name_at - 1].value : (struct sv){0};
}
/* Prometheus' order: name, value, name, …; the shorter first. */
int labels_compare(const struct labels *a, const struct labels *b);
/* {a="1", b="2"} */
void labels_format(struct buf *out, const struct labels *labels);
/* name{a="1"}: as people write a series. */
void labels_format_series(struct buf *out, const struct labels *labels);
/* The hash by which limit_ratio samples (XXH64 over length-prefixed names and values). */
uint64_t labels_sampling_hash(const struct labels *labels);

/* Subsets. `names` need no order. */
const struct labels *labels_keep(struct labels_table *table, const struct labels *labels,
                                 const struct sv *names, size_t count);
const struct labels *labels_drop(struct labels_table *table, const struct labels *labels,
                                 const struct sv *names, size_t count, bool drop_name);
/* Without __name__, __type__ and __unit__; `labels` must be of this table. */
const struct labels *labels_drop_metadata(struct labels_table *table, const struct labels *labels);
/* The same of a set of any table. */
const struct labels *labels_import_nameless(struct labels_table *table, const struct labels *labels);
/* With `name` set to `value` (removed where that is empty). */
const struct labels *labels_set(struct labels_table *table, const struct labels *labels, struct sv name,
                                struct sv value);

bool label_name_is_legacy(struct sv name); /* [a-zA-Z_][a-zA-Z0-9_]* */
bool label_name_is_valid(struct sv name);  /* any UTF-8, not empty */

#endif
