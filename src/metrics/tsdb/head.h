/*
 * The head: the newest samples, in memory. Everything here happens under the caller's lock.
 */
#ifndef METRICS_TSDB_HEAD_H
#define METRICS_TSDB_HEAD_H

#include "metrics/tsdb/chunk.h"
#include "metrics/tsdb/index.h"
#include "metrics/tsdb/tsdb.h"

struct head_chunk { /* closed */
    int64_t min_t, max_t;
    char *bytes; /* owned, BITS_SLACK behind */
    uint32_t n, count;
};

struct late_sample {
    int64_t t, start_t;
    double v;
};

struct late_samples {
    uint32_t n, capacity;
    struct late_sample items[];
};

struct head_series {
    uint32_t id;
    uint16_t source, label_count;
    uint64_t hash;
    int64_t last_t;
    double last;
    bool any, last_is_histogram;
    bool followed; /* new samples are noted: follow.h */
    uint32_t closed_count, closed_capacity;
    struct chunk_writer open;
    struct head_chunk *closed;
    struct late_samples *late; /* NULL: none */
    struct label_pair pairs[];
};

struct head_source {
    char name[TSDB_SOURCE_NAME_MAX];
    uint64_t series, refused;
};

struct head {
    int64_t block_ms, out_of_order_ms;
    uint64_t series_max, source_series_max, out_of_order_max;
    int64_t min_valid; /* blocks have all before it */
    int64_t min_t, max_t;
    bool any;
    bool replaying; /* what was accepted once is accepted */
    struct label_index index;
    struct head_series **series; /* by id; NULL: gone */
    uint32_t next_id, series_capacity;
    uint64_t live, created, removed, late;
    uint32_t *slots; /* id + 1, by hash of labels */
    size_t slot_count;
    size_t slots_used; /* with graves */
    struct head_source *sources;
    unsigned source_count;
    uint64_t samples, chunk_bytes;
};

void head_init(struct head *head);
void head_free(struct head *head);
/* UINT32_MAX where there is none. Labels are sorted, unique, without empty values. */
uint32_t head_find(const struct head *head, const struct label *labels, size_t count, uint64_t hash);
/* Numbers below it count as given. */
void head_reserve(struct head *head, uint32_t next_id);
/* With a number of its own; `id` is at least head->next_id. */
uint32_t head_add(struct head *head, uint32_t id, unsigned source, const struct label *labels, size_t count,
                  uint64_t hash);
static inline struct head_series *head_series_of(const struct head *head, uint32_t id)
{
    return id < head->next_id ? head->series[id] : NULL;
}
/* *ret_new: false where the same sample was there. */
enum tsdb_outcome head_float(struct head *head, struct head_series *s, int64_t t, double v, int64_t start_t,
                             bool *ret_new);
enum tsdb_outcome head_histogram(struct head *head, struct head_series *s, int64_t t,
                                 const struct histogram *h, int64_t start_t, bool *ret_new);
void head_close_chunk(struct head *head, struct head_series *s);
/* A chunk from a snapshot; takes the bytes over. */
void head_attach(struct head *head, struct head_series *s, const struct head_chunk *chunk);
unsigned head_source(struct head *head, struct sv name);
struct index_view head_view(const struct head *head);
/* Samples of a series that may overlap the range, late ones merged in, strictly rising. */
int head_read(const struct head *head, const struct head_series *s, int64_t min_t, int64_t max_t,
              struct arena *arena, struct chunk_columns *ret, struct err *err);
size_t head_count(const struct head_series *s, int64_t min_t, int64_t max_t);
/* Forgets the samples before `t` of series [from, to); and the series that have none left. */
void head_truncate(struct head *head, int64_t t, uint32_t from, uint32_t to);
void head_remove(struct head *head, struct head_series *s);
/* Builds the index anew where many series have gone; `all`: where any has. */
void head_collect(struct head *head, bool all);
struct tombstone;
/* The times of the first and the last sample; false: there is none. */
bool head_span(const struct head_series *s, int64_t *ret_min, int64_t *ret_max);
/* Takes what is deleted out of memory, and the series with it where nothing is left. */
int head_erase(struct head *head, struct head_series *s, const struct tombstone *deleted, struct err *err);
size_t head_bytes(const struct head *head);

/* Makes columns strictly rising: sorted by time, of equal times the first. */
void columns_settle(struct chunk_columns *columns, struct arena *arena);

#endif
