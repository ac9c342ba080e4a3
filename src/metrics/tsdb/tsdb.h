/*
 * The store of metrics: series of samples, durable before they are acknowledged, in DIR.
 *
 * New samples go into the head (memory) and its write-ahead log (DIR/wal); each two hours become a block
 * (DIR/blocks), blocks are joined as they age, and the oldest go by time or size. docs/format/metrics.md has
 * the files.
 *
 * Threads: any number of appenders (they take turns), any number of queriers, one maintainer. A sample can be
 * read as soon as it is appended; it is acknowledged when `done` says so. No clock is read here: what depends
 * on the time of day is handed in.
 */
#ifndef METRICS_TSDB_TSDB_H
#define METRICS_TSDB_TSDB_H

#include "base/fs.h"
#include "base/hash.h"
#include "base/rng.h"
#include "metrics/series_source.h"
#include "metrics/tsdb/wal.h"

enum {
    TSDB_LABELS_MAX = 128,           /* of a series */
    TSDB_LABEL_BYTES_MAX = 16 << 10, /* names and values of a series */
    TSDB_OUT_OF_ORDER_SERIES = 4096, /* samples of a series that wait out of order */
    TSDB_SOURCES_MAX = 4096,
    TSDB_SOURCE_NAME_MAX = 256,
};

struct tsdb_options {
    const struct fs *fs;
    const struct rng *rng;
    const char *dir;             /* is made */
    uint64_t series_max;         /* in the head; 0: 2 million */
    uint64_t source_series_max;  /* of one source; 0: as many */
    uint64_t out_of_order_max;   /* samples in the head that came late; 0: 4 million */
    int64_t block_ms;            /* 0: 2 hours */
    int64_t out_of_order_ms;     /* how late a sample may come; at most half a block; 0: not at all */
    int64_t retention_ms;        /* 0: 15 days; negative: no bound */
    int64_t trend_retention_ms;  /* of thinned blocks (thin.h); not longer than the other: there are none */
    uint64_t retention_bytes;    /* of all blocks; 0: no bound */
    uint64_t segment_bytes;      /* of the log; 0: 128 MiB */
    size_t queue_bytes;          /* of the log; 0: 64 MiB */
    uint64_t index_cache_bytes;  /* indexes of blocks in memory, while not in use; 0: 256 MiB */
    uint64_t exemplars_max;      /* in memory, over all series; 0: 100,000 */
    const struct label *aliases; /* metrics whose series are kept under another name: name -> that name;
                                    sorted, lent for the store's life */
    size_t alias_count;
    /* More than 0: the store is a queue to another one. What it takes stays in the log until an outgoing
     * reader has sent it on, at most this much, and then in memory for about an hour, to judge what is late
     * or a repeat by; there are no blocks. */
    uint64_t outgoing_bytes_max;
    bool background; /* a thread of its own commits the log */
};

/* What became of a sample or a series; Prometheus' cases. */
enum tsdb_outcome {
    TSDB_OK,
    TSDB_DUPLICATE,     /* the same time with another value */
    TSDB_OUT_OF_ORDER,  /* older than the newest of its series, and no window for such */
    TSDB_TOO_OLD,       /* older than the window */
    TSDB_OUT_OF_BOUNDS, /* before what the head still takes */
    TSDB_TOO_FAR,       /* in the future */
    TSDB_SERIES_LIMIT,
    TSDB_SOURCE_LIMIT,
    TSDB_LATE_LIMIT, /* too many samples wait out of order */
    TSDB_BAD_LABELS,
    TSDB_PERSONAL, /* a label holds personal data or a secret (personal.h) */
    TSDB_OUTCOMES,
};
/* Prometheus' words, where it has some. */
const char *tsdb_outcome_text(enum tsdb_outcome outcome);

struct tsdb;
/* DIR is the store's own; two stores in one directory are the caller's to prevent. *ret_cut_bytes: torn bytes
 * that nobody was told were durable. */
int tsdb_open(const struct tsdb_options *options, struct tsdb **ret, uint64_t *ret_cut_bytes,
              struct err *err);
void tsdb_close(struct tsdb **tsdb); /* no appender, querier or maintainer is left */

/* The number of a source of series ("scrape:job", a token's name), for the limit per source. */
unsigned tsdb_source(struct tsdb *tsdb, struct sv name);

/* --- appending: begin, any number of series and samples, commit --- */
struct tsdb_appender {
    struct tsdb *tsdb;
    unsigned source;
    int64_t max_t; /* samples after it are TSDB_TOO_FAR; INT64_MAX: none */
};
/* TC_EAGAIN: the log's queue is full, or the outgoing one. TC_EIO: the log has ended. Else the store's
 * writing lock is held until tsdb_commit. */
int tsdb_begin(struct tsdb *tsdb, unsigned source, int64_t max_t, struct tsdb_appender *ret, struct err *err);
/* The series with these labels (sorted here, empty ones left out), made where it is new. */
enum tsdb_outcome tsdb_series(struct tsdb_appender *a, struct label *labels, size_t count,
                              uint32_t *ret_series);
/* Counts what was refused before it came here, so that one set of metrics tells of all. */
void tsdb_count_refused(struct tsdb *tsdb, enum tsdb_outcome outcome);
/* Bytes that stand for a series with some sender, and the series: saves reading its labels again. The key
 * must hold all that the labels depend on. */
bool tsdb_known(struct tsdb_appender *a, struct hash_128 hash, uint32_t *ret_series);
/* The hash of a key; its place in the table is on its way to the cache when this returns. A sender's batch is
 * faster in rounds (all hashes, then all look-ups, then all tsdb_expect, then the samples), as most of the
 * time is waiting for memory. */
struct hash_128 tsdb_key(const struct tsdb_appender *a, struct sv key);
/* What a sample of the series will need comes into the cache; step 0, then 1, in rounds. */
void tsdb_expect(const struct tsdb_appender *a, uint32_t series, unsigned step);
void tsdb_know(struct tsdb_appender *a, struct hash_128 hash, uint32_t series);
/* start_t 0: unknown. */
enum tsdb_outcome tsdb_float(struct tsdb_appender *a, uint32_t series, int64_t t, double v, int64_t start_t);
enum tsdb_outcome tsdb_histogram(struct tsdb_appender *a, uint32_t series, int64_t t,
                                 const struct histogram *h, int64_t start_t);
/* An example of what a series counted; `labels` is sorted here. Nothing new is TSDB_OK. Outcomes are not
 * counted among those of samples. */
enum tsdb_outcome tsdb_exemplar(struct tsdb_appender *a, uint32_t series, struct label *labels, size_t count,
                                int64_t t, double v);
/* Ends the batch. `done` comes once it is durable, on the log's thread, or here. May be NULL. */
void tsdb_commit(struct tsdb_appender *a, wal_done_fn done, void *context);

/* --- querying --- */
struct tsdb_querier;
/* Sees all samples that are there now and, of those that come, some. Of one thread. */
struct tsdb_querier *tsdb_querier_open(struct tsdb *tsdb);
void tsdb_querier_close(struct tsdb_querier **querier);
struct series_source tsdb_querier_source(struct tsdb_querier *querier);
/* Sorted texts in `arena`; of series that match and may have samples in the range. Without matchers: of all.
 */
int tsdb_label_names(struct tsdb_querier *querier, const struct matcher *matchers, size_t count,
                     int64_t min_t, int64_t max_t, struct arena *arena, struct sv **ret, size_t *ret_count,
                     struct err *err);
int tsdb_label_values(struct tsdb_querier *querier, struct sv name, const struct matcher *matchers,
                      size_t count, int64_t min_t, int64_t max_t, struct arena *arena, struct sv **ret,
                      size_t *ret_count, struct err *err);

struct tsdb_selector {
    const struct matcher *matchers;
    size_t count;
};
struct tsdb_exemplar {
    int64_t t;
    double v;
    const struct labels *labels;
};
struct tsdb_exemplar_series {
    const struct labels *labels;
    struct tsdb_exemplar *items; /* by time */
    size_t n;
};
/* Exemplars in [min_t, max_t] of series that one of the selectors takes, by labels, in `arena`. Any thread.
 */
void tsdb_exemplars(struct tsdb *tsdb, const struct tsdb_selector *selectors, size_t count, int64_t min_t,
                    int64_t max_t, struct arena *arena, struct tsdb_exemplar_series **ret, size_t *ret_count);

/* --- deleting --- */
/*
 * Hides the samples in [min_t, max_t] of the series that one of the selectors takes, of each clamped to the
 * times that it has samples at now: what comes later is seen, but what comes out of order into that stretch.
 * From the return on no reader sees them; `done` comes once that is durable (then they never come back;
 * before, a crash leaves all of the deletion or nothing). Exemplars of such series and times go, too. Any
 * thread. TC_EAGAIN, TC_EIO as tsdb_begin; TC_EBOUND: too many deletions wait to leave the disk (`done` does
 * not come).
 */
int tsdb_delete(struct tsdb *tsdb, const struct tsdb_selector *selectors, size_t count, int64_t min_t,
                int64_t max_t, uint64_t *ret_series, wal_done_fn done, void *context, struct err *err);
/* Never beside tsdb_maintain: writes anew what has deleted samples (blocks, memory, the log), so that they
 * are gone from the disk. *ret_more: queries under way still see them; call it again. */
int tsdb_clean(struct tsdb *tsdb, bool *ret_more, struct err *err);
/* Never beside tsdb_maintain: a copy of the store in `dir` (made; nothing is there), which tsdb_open takes.
 * `with_head`: with what is in memory only. It is there whole or not at all. */
int tsdb_copy(struct tsdb *tsdb, const char *dir, bool with_head, struct err *err);

/* --- sending on --- */
struct outgoing_sample {
    int64_t t;
    double v;
    const struct histogram *histogram; /* NULL: a float */
};
struct outgoing_series {
    const struct label *labels; /* sorted by name */
    size_t label_count;
    const struct outgoing_sample *samples; /* in the order in which they came */
    size_t sample_count;
    const struct label *exemplar_labels; /* of one exemplar, in place of samples */
    size_t exemplar_label_count;
    struct outgoing_sample exemplar;
};
struct outgoing;
/* Reads what an outgoing store has taken, from where the one before it had come to; of one thread. */
int outgoing_open(struct tsdb *tsdb, struct outgoing **ret, struct err *err);
void outgoing_close(struct outgoing **outgoing);
/* What is next, of what is durable: *ret_count 0 where there is nothing. `samples_max` samples at most; lent
 * until the next call. It comes again, with more perhaps, until outgoing_sent. */
int outgoing_next(struct outgoing *outgoing, size_t samples_max, const struct outgoing_series **ret,
                  size_t *ret_count, struct err *err);
/* What outgoing_next gave need not be given again, but after a crash. */
void outgoing_sent(struct outgoing *outgoing);
/* Keeps how far all came, durably, so that little is sent twice after a crash. Call it now and then. */
int outgoing_keep(struct outgoing *outgoing, struct err *err);
/* Numbers that only grow: how far the durable log goes, and how far it was sent. */
uint64_t outgoing_end(struct tsdb *tsdb);
uint64_t outgoing_reached(struct tsdb *tsdb);

/* --- maintenance --- */
/* Cuts blocks, joins them, lets old ones go, and trims the log. Call it every minute or so, from one thread.
 * What a failure leaves undone is tried again by the next call. */
int tsdb_maintain(struct tsdb *tsdb, struct err *err);

struct tsdb_stats {
    uint64_t series, series_created, series_removed;
    uint64_t samples_appended, out_of_order_held, exemplars;
    uint64_t follow_notes; /* follow.h: new samples that nobody has taken yet */
    uint64_t outcomes[TSDB_OUTCOMES];
    uint64_t blocks, block_bytes, block_samples, blocks_cut, compactions, blocks_thinned, blocks_expired;
    uint64_t outgoing_bytes;        /* that wait to be sent on */
    uint64_t tombstones, cleanings; /* stretches of series that wait to leave the disk */
    uint64_t tombstone_bytes;       /* of their labels */
    uint64_t head_bytes;            /* estimate */
    int64_t min_t, max_t;
    struct wal_stats wal;
};
struct tsdb_stats tsdb_stats(struct tsdb *tsdb);
/* In Prometheus' text format, names tocsin_tsdb_*. */
void tsdb_metrics(struct tsdb *tsdb, struct buf *out);

#endif
