/*
 * Bounded buffers and checked readers; see buf.h.
 */
#include "base/buf.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_free(struct buf *buf)
{
    free(buf->p);
    *buf = (struct buf){.max_bytes = buf->max_bytes};
}

void buf_clear(struct buf *buf)
{
    buf->n = 0;
    buf->overflow = false;
}

char *buf_reserve(struct buf *buf, size_t n)
{
    if (buf->overflow || n > buf->max_bytes - buf->n) {
        buf->overflow = true;
        return NULL;
    }
    if (buf->p == NULL || buf->capacity - buf->n < n) {
        size_t want = TC_MAX(buf->n + n, TC_MIN(buf->capacity * 2, buf->max_bytes));
        buf->p = tc_realloc(buf->p, TC_MAX(want, (size_t)64));
        buf->capacity = TC_MAX(want, (size_t)64);
    }
    return buf->p + buf->n;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
    char *to = buf_reserve(buf, n);
    if (to != NULL && n > 0) {
        memcpy(to, bytes, n);
        buf->n += n;
    }
}

void buf_sv(struct buf *buf, struct sv text)
{
    buf_add(buf, text.p, text.n);
}

void buf_str(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* one byte more for the terminator that vsnprintf insists on */
    char *to = buf_reserve(buf, (size_t)n + 1);
    if (to == NULL)
        return;
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    buf->n += (size_t)n;
}

void buf_u8(struct buf *buf, uint8_t v)
{
    buf_add(buf, &v, sizeof v);
}

void buf_u16(struct buf *buf, uint16_t v)
{
    buf_add(buf, &v, sizeof v);
}

void buf_u32(struct buf *buf, uint32_t v)
{
    buf_add(buf, &v, sizeof v);
}

void buf_u64(struct buf *buf, uint64_t v)
{
    buf_add(buf, &v, sizeof v);
}

void buf_string(struct buf *buf, struct sv text)
{
    buf_u32(buf, (uint32_t)text.n);
    buf_sv(buf, text);
}

struct sv reader_bytes(struct reader *reader, size_t n)
{
    if (reader->bad || n > reader->rest.n) {
        reader->bad = true;
        return (struct sv){0};
    }
    struct sv got = sv_head(reader->rest, n);
    reader->rest = sv_from(reader->rest, n);
    return got;
}

uint8_t reader_u8(struct reader *reader)
{
    struct sv b = reader_bytes(reader, 1);
    return b.n == 0 ? 0 : (uint8_t)b.p[0];
}

uint16_t reader_u16(struct reader *reader)
{
    struct sv b = reader_bytes(reader, 2);
    return b.n == 0 ? 0 : load_u16(b.p);
}

uint32_t reader_u32(struct reader *reader)
{
    struct sv b = reader_bytes(reader, 4);
    return b.n == 0 ? 0 : load_u32(b.p);
}

uint64_t reader_u64(struct reader *reader)
{
    struct sv b = reader_bytes(reader, 8);
    return b.n == 0 ? 0 : load_u64(b.p);
}

struct sv reader_string(struct reader *reader)
{
    uint32_t n = reader_u32(reader);
    return reader_bytes(reader, n);
}
