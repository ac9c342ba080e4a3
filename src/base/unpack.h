/*
 * Reading files and bodies that may be gzip (RFC 1952, also several members) or zstd, recognised by their
 * first bytes.
 *
 * Expansion is bounded (beyond the first MiB: 100:1 for what peers send, 2,000:1 for files that a person
 * named, as recordings of one machine's events reach 250:1 with zstd): past it, and for damaged data, reading
 * fails with a clear error after all bytes that were good have been delivered. Memory does not grow with the
 * input.
 */
#ifndef BASE_UNPACK_H
#define BASE_UNPACK_H

#include "base/buf.h"
#include "base/err.h"

struct unpack;
typedef int64_t (*unpack_read_fn)(void *context, void *to, size_t n,
                                  struct err *err); /* 0 = end, negative = failed */

/* A stream over raw bytes from `read`; max_ratio 0 is 100. */
struct unpack *unpack_new(unpack_read_fn read, void *context, uint64_t max_ratio);
/* A stream over a file ("-" is standard input); it is opened here. */
int unpack_open(const char *path, struct unpack **ret, struct err *err);
void unpack_free(struct unpack **unpack);
/* Up to n unpacked bytes; 0 at the end; negative enum err_code. Its type fits split_read_fn. */
int64_t unpack_read(void *unpack, void *to, size_t n, struct err *err);
/* Bytes taken from below so far, packed as they lie there. */
uint64_t unpack_packed(const struct unpack *unpack);
/* A whole body in memory into `out` (its maximum is the bound: TC_EBOUND past it). Plain bytes are copied. */
int unpack_bytes(struct sv packed, uint64_t max_ratio, struct buf *out, struct err *err);

#endif
