/*
 * Chunks: the compressed samples of one series over a stretch of time, at most CHUNK_SAMPLES of one kind.
 *
 * Times follow a tracking filter (position and speed of the sender's clock), so regular ones cost one bit and
 * jittered ones little more than their jitter's entropy. Values that are decimals with few places are
 * integers after scaling and follow their mean step; others are XORed with the one before. What the filters
 * miss is Rice coded with a parameter that learns (bits.h). docs/format/metrics.md has every bit.
 *
 * A writer is plain memory of the series; it owns its bytes. Decoding checks every bound: bytes from disk may
 * be anything.
 */
#ifndef METRICS_TSDB_CHUNK_H
#define METRICS_TSDB_CHUNK_H

#include "base/arena.h"
#include "base/err.h"
#include "metrics/histogram.h"
#include "metrics/tsdb/bits.h"

enum {
    CHUNK_SAMPLES = 240,
    CHUNK_BYTES = 2048, /* a writer past it is full */
    CHUNK_HEADER_BYTES = 4,
    CHUNK_XOR = 15, /* a mode; 0 to CHUNK_PLACES_MAX are decimal places */
    CHUNK_PLACES_MAX = 6,
    CHUNK_BUCKETS_MAX = 4096,
    CHUNK_HISTOGRAM_BYTES = 1 << 16,
};
/* Times outside of it are refused everywhere. */
#define CHUNK_TIME_MAX (INT64_C(1) << 53)

enum chunk_kind { CHUNK_FLOAT = 1, CHUNK_HISTOGRAM = 2, CHUNK_PACKED = 3 };
enum { CHUNK_START_TIMES = 1, CHUNK_GAUGE = 2 }; /* flags */

/* The filter of times. */
struct chunk_clock {
    int64_t t;               /* the last one */
    int64_t position, speed; /* in sixteenths of a millisecond */
    uint32_t mean;
    bool jumped;
};

struct chunk_values {
    uint64_t last; /* scaled integer, or bits */
    int64_t step;  /* sixteenths */
    uint32_t mean;
    uint16_t seen;        /* integers so far */
    uint8_t lead, length; /* of the XOR window */
};

struct chunk_histograms; /* of a histogram chunk */

struct chunk_writer {
    uint8_t *p; /* NULL: none open */
    int64_t min_t, start_t;
    struct chunk_clock clock;
    struct chunk_values values;
    struct chunk_histograms *histograms;
    uint32_t bits, capacity;
    uint32_t start_mean;
    uint16_t count;
    uint8_t kind, flags, mode, escapes;
};

/* The decimal places with which `v` is an exact integer below 2^53, or CHUNK_XOR. */
unsigned chunk_mode_of(double v);

/* Opens a chunk of floats and puts the first sample in; start_t 0: none. */
void chunk_float_begin(struct chunk_writer *w, unsigned mode, int64_t t, double v, int64_t start_t);
/* False where the sample belongs into a new chunk; *ret_mode is then the mode to begin it with. */
bool chunk_float_add(struct chunk_writer *w, int64_t t, double v, int64_t start_t, unsigned *ret_mode);

void chunk_histogram_begin(struct chunk_writer *w, int64_t t, const struct histogram *h, int64_t start_t);
/* False where the sample belongs into a new chunk: another layout, a counter reset, full. */
bool chunk_histogram_add(struct chunk_writer *w, int64_t t, const struct histogram *h, int64_t start_t);
/* The newest histogram of an open histogram chunk. */
const struct histogram *chunk_histogram_last(const struct chunk_writer *w);

/* Whole bytes used so far, header included. They have BITS_SLACK behind them. */
struct sv chunk_view(const struct chunk_writer *w);
/* Floats of one mode, not CHUNK_XOR, with which every value is an integer, as two packed columns behind a
 * header: at most PACKED_MAX, which only blocks hold. `out` has room. */
void chunk_pack_values(struct buf *out, unsigned mode, const double *f, size_t n);
/* The mode of all of them, or CHUNK_XOR. */
unsigned chunk_mode_of_all(const double *f, size_t n);
/* A chunk that chunk_take gave: packed where that is shorter, in memory of its own. */
struct sv chunk_repack(struct sv bytes);
/* Hands the bytes over (malloc'd, with BITS_SLACK behind) and empties the writer. */
struct sv chunk_take(struct chunk_writer *w);
void chunk_free(struct chunk_writer *w);

/* Columns that a decoder appends to; the caller sized them. */
struct chunk_columns {
    int64_t *t, *st;
    double *f;
    struct histogram **h;
    size_t n, capacity;
    bool has_histograms, has_start;
};
void chunk_columns_init(struct chunk_columns *columns, struct arena *arena, size_t capacity);
/* `bytes` has BITS_SLACK readable bytes behind it. Histograms are made in `arena`. TC_ECORRUPT for what no
 * writer wrote; nothing is appended then. */
int chunk_decode(struct sv bytes, struct arena *arena, struct chunk_columns *columns, struct err *err);

/* For the two codecs. */
/* A sample ends at this bit. */
void chunk_counted(struct chunk_writer *w, size_t bits);
void chunk_room(struct chunk_writer *w, size_t bytes);
void chunk_clock_put(struct chunk_clock *clock, struct bit_writer *out, unsigned count, int64_t t);
int64_t chunk_clock_get(struct chunk_clock *clock, struct bit_reader *in, unsigned count);
void chunk_xor_put(struct chunk_values *values, struct bit_writer *out, uint64_t bits);
uint64_t chunk_xor_get(struct chunk_values *values, struct bit_reader *in);
void chunk_histograms_free(struct chunk_histograms **histograms);
/* Appends `count` floats; the columns have room. */
int chunk_floats_decode(struct bit_reader *in, unsigned flags, unsigned mode, unsigned count,
                        struct chunk_columns *columns, struct err *err);
/* The two columns of a packed chunk. */
int chunk_packed_decode(struct sv in, unsigned mode, unsigned count, struct chunk_columns *columns,
                        struct err *err);
int chunk_histogram_decode(struct bit_reader *in, unsigned flags, unsigned count, struct arena *arena,
                           struct chunk_columns *columns, struct err *err);

#endif
