/*
 * Samples on their way into the store: what a body, a datagram or an event was read into, before the store is
 * locked for them. For every door but scraping and remote write, which have quicker ways of their own.
 *
 * A sample is cumulative, as the store keeps it, or a delta, which is added to what its series had (delta.h)
 * at the moment in which the store takes it. Deltas of a list that the store does not take change nothing, so
 * that a sender may repeat it.
 */
#ifndef METRICS_INTAKE_SAMPLES_H
#define METRICS_INTAKE_SAMPLES_H

#include "metrics/intake/delta.h"
#include "metrics/metadata.h"
#include "metrics/tsdb/tsdb.h"

enum {
    SAMPLES_MAX = 2 * 1000 * 1000,         /* of one list */
    SAMPLES_LABELS_MAX = 16 * 1000 * 1000, /* of all of them: a bucket of a histogram has all labels anew */
    SAMPLES_TEXT = 300,
};

struct sample {
    const struct label *labels; /* unsorted; __name__ among them */
    size_t label_count;
    int64_t t_ms, start_ms; /* start 0: unknown */
    double value;
    const struct histogram *histogram; /* NULL: a float */
    bool delta;
    bool any_order; /* a delta that is not newer than the one before counts, a millisecond after that one */
    uint32_t point; /* samples of one data point have one number */
};

struct sample_list {
    struct arena arena; /* of all that the samples point to */
    struct sample *items;
    size_t n, capacity;
    size_t labels;           /* of all items */
    uint32_t points;         /* data points so far, refused ones included */
    uint64_t taken, refused; /* samples; what was refused while reading counts as one each */
    uint64_t refused_points;
    char first[SAMPLES_TEXT]; /* why the first was refused; holds no value of a label */
};

void sample_list_free(struct sample_list *list);
/* For a next body; keeps memory. */
void sample_list_reset(struct sample_list *list);
/* The next samples are of another data point. */
static inline void sample_list_next_point(struct sample_list *list)
{
    list->points++;
}
/* Labels are copied into list->arena as an array, their texts are not. */
void sample_list_add(struct sample_list *list, const struct label *labels, size_t count, int64_t t_ms,
                     double value);
/* The same for all that a sample has; `labels` are copied, the histogram is not; `point` is set here. */
void sample_list_add_sample(struct sample_list *list, const struct sample *sample);
/* A data point that cannot be a sample. */
void sample_list_refuse(struct sample_list *list, const char *format, ...) TC_PRINTF(2, 3);

struct sample_target {
    struct tsdb *tsdb;
    struct delta_state *deltas;
    unsigned source; /* tsdb_source */
    int64_t now_ms;
};
/*
 * Appends all; `done` (may be NULL) comes when they are durable, on any thread. TC_EAGAIN, TC_EIO: nothing
 * was taken, `done` does not come. What single samples met with is in the list.
 */
int sample_list_append(struct sample_list *list, const struct sample_target *target, wal_done_fn done,
                       void *context, struct err *err);

/* `name` as a name of the classic alphabet: what does not belong becomes '_', a digit in front gets one
 * before it. In `arena`; `name` itself where it is one already. */
struct sv sample_name(struct arena *arena, struct sv name);
/* The same for the name of a label, which has no colons. */
struct sv sample_label_name(struct arena *arena, struct sv name);

#endif
