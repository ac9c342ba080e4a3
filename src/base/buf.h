/*
 * A growing byte buffer that cannot be made without its maximum.
 *
 * Past the maximum nothing is appended and `overflow` sticks, so a writer may append many parts and check
 * once at the end. Not thread-safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/sv.h"

struct buf {
    char *p;
    size_t n, capacity, max_bytes;
    bool overflow;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_free(struct buf *buf);  /* buf may be all zero */
void buf_clear(struct buf *buf); /* keeps the memory, clears `overflow` */
/* Room for n more bytes at buf->p + buf->n; the caller adds to buf->n. NULL (and overflow) past the maximum.
 */
char *buf_reserve(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_sv(struct buf *buf, struct sv text);
void buf_str(struct buf *buf, const char *text);
static inline void buf_char(struct buf *buf, char c)
{
    if (TC_LIKELY(buf->n < buf->capacity && !buf->overflow))
        buf->p[buf->n++] = c;
    else
        buf_add(buf, &c, 1);
}
void buf_printf(struct buf *buf, const char *format, ...) TC_PRINTF(2, 3);
/* Little-endian integers, as in every file format of ours. */
void buf_u8(struct buf *buf, uint8_t v);
void buf_u16(struct buf *buf, uint16_t v);
void buf_u32(struct buf *buf, uint32_t v);
void buf_u64(struct buf *buf, uint64_t v);
static inline struct sv buf_view(const struct buf *buf)
{
    return (struct sv){buf->p, buf->n};
}

/* A reader over bytes from disk or another room: every get is checked, the first failure sticks in `bad`. */
struct reader {
    struct sv rest;
    bool bad;
};
static inline struct reader reader_of(struct sv bytes)
{
    return (struct reader){bytes, false};
}
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
struct sv reader_bytes(struct reader *reader, size_t n);
/* A string written as u32 length and bytes (buf_string). */
struct sv reader_string(struct reader *reader);
void buf_string(struct buf *buf, struct sv text);

/* Unaligned little-endian loads and stores. */
static inline uint16_t load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_u16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "file formats are little-endian; a big-endian port needs swaps here");

#endif
