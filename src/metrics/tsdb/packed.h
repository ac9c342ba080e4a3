/*
 * Packed columns: many integers at once, for what is written once and read often (blocks).
 *
 * A column is predicted by a straight line or by its own last value and a mean step; what that misses is
 * coded either as numbers of one range, several in a word (mixed radix), or in Rice codes (bits.h). The
 * writer takes what is shortest. A line without misses takes no bits, however long. docs/format/metrics.md
 * has every byte.
 */
#ifndef METRICS_TSDB_PACKED_H
#define METRICS_TSDB_PACKED_H

#include "metrics/tsdb/bits.h"

enum { PACKED_MAX = 2048 /* integers of a column */, PACKED_SLACK = BITS_SLACK };

/* 1 <= n <= PACKED_MAX; each |v[i]| <= 2^53. */
void packed_put(struct buf *out, const int64_t *v, size_t n);
/* `n` integers from *in, which moves on behind them; PACKED_SLACK bytes after its end can be read. False: no
 * writer wrote this. Any bytes may come. */
bool packed_get(struct sv *in, int64_t *ret, size_t n);

#endif
