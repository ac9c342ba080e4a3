/*
 * Packing values; see cold_values.h. cold_values_read.c goes the other way.
 *
 * Numbers and addresses become planes (all first bytes, then all second ones), as do texts of one length: a
 * time's slow digits then stand in a row. Few distinct values become a dictionary with numbers into it.
 */
#include "journal/cold_values.h"

#include "base/map.h"
#include "base/num.h"
#include "base/varint.h"

#include <stdlib.h>
#include <zstd.h>

enum {
    LEVEL = 9,
    SMALL = 64, /* bytes: not worth packing */
    INTEGER_DIGITS = 18,
};

void cold_column_add(struct cold_column *c, struct sv value, uint64_t record)
{
    c->rows = (c->rows ^ (record + 1)) * UINT64_C(0x9E3779B97F4A7C15);
    if (c->n == c->capacity) {
        c->capacity = TC_MAX((size_t)256, 2 * c->capacity);
        c->values = tc_realloc(c->values, c->capacity * sizeof c->values[0]);
    }
    c->values[c->n++] = value;
}

/* --- streams
 * ---------------------------------------------------------------------------------------------------------------
 */

void cold_put_stream(struct sv bytes, struct buf *out)
{
    size_t bound = ZSTD_compressBound(bytes.n), n = 0;
    char *packed = NULL;
    if (bytes.n >= SMALL) {
        packed = tc_alloc(bound);
        n = ZSTD_compress(packed, bound, bytes.p, bytes.n, LEVEL);
        n = ZSTD_isError(n) || n >= bytes.n ? 0 : n;
    }
    buf_varint(out, bytes.n);
    buf_varint(out, n);
    buf_sv(out, n > 0 ? sv_make(packed, n) : bytes);
    free(packed);
}

static uint64_t magnitude(uint64_t step)
{
    return (int64_t)step < 0 ? 0 - step : step;
}

void cold_pack_steps(struct buf *steps)
{
    struct buf out;
    uint64_t divisor = 0;
    for (size_t at = 0; at < steps->n; at += 8)
        for (uint64_t a = magnitude(load_u64(steps->p + at)); a != 0;) {
            uint64_t rest = divisor % a;
            divisor = a;
            a = rest;
        }
    buf_init(&out, steps->max_bytes);
    divisor = TC_MAX(divisor, (uint64_t)1);
    buf_varint(&out, divisor);
    for (size_t at = 0; at < steps->n; at += 8) {
        uint64_t step = load_u64(steps->p + at), times = magnitude(step) / divisor;
        buf_varint(&out, (int64_t)step < 0 ? varint_fold((int64_t)(0 - times)) : varint_fold((int64_t)times));
    }
    buf_free(steps);
    *steps = out;
}

/* --- integers, addresses
 * ------------------------------------------------------------------------------------------------------ */

/* As a program writes it: no plus, no zeros in front. */
static bool is_integer(struct sv text, uint64_t *ret)
{
    if (text.n == 0 || text.n > INTEGER_DIGITS || (text.n > 1 && text.p[0] == '0'))
        return false;
    *ret = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *ret = *ret * 10 + (uint64_t)(text.p[i] - '0');
    }
    return true;
}

static bool is_ipv4(struct sv text, uint64_t *ret)
{
    char printed[20];
    struct sv rest = text;
    *ret = 0;
    for (int part = 0; part < 4; part++) {
        uint64_t v;
        if (!is_integer(sv_cut(&rest, '.'), &v) || v > 255)
            return false;
        *ret = *ret << 8 | v;
    }
    return sv_eq(text, sv_make(printed, cold_print_ipv4(*ret, printed)));
}

static bool all_are(const struct cold_column *c, bool (*is)(struct sv, uint64_t *), uint64_t *numbers)
{
    for (size_t i = 0; i < c->n; i++)
        if (!is(c->values[i], &numbers[i]))
            return false;
    return c->n > 0;
}

static void put_planes(const uint64_t *numbers, size_t n, uint64_t least, unsigned width, struct buf *out)
{
    for (unsigned plane = width; plane-- > 0;)
        for (size_t i = 0; i < n; i++)
            buf_u8(out, (uint8_t)((numbers[i] - least) >> (8 * plane)));
}

static void put_integers(const uint64_t *numbers, size_t n, struct buf *a, struct buf *b)
{
    uint64_t least = UINT64_MAX, most = 0;
    bool rising = true;
    for (size_t i = 0; i < n; i++) {
        rising = rising && (i == 0 || numbers[i] >= numbers[i - 1]);
        least = TC_MIN(least, numbers[i]);
        most = TC_MAX(most, numbers[i]);
    }
    unsigned width = 1;
    while (width < 8 && (most - least) >> (8 * width) != 0)
        width++;
    buf_varint(a, least);
    buf_varint(a, rising ? 0 : width);
    if (!rising)
        put_planes(numbers, n, least, width, b);
    for (size_t i = 0; rising && i < n; i++)
        buf_varint(b, numbers[i] - (i == 0 ? least : numbers[i - 1]));
}

/* --- texts
 * -----------------------------------------------------------------------------------------------------------------
 */

static bool put_dictionary(const struct cold_column *c, struct buf *a, struct buf *b)
{
    struct map map;
    size_t most = TC_MIN((size_t)COLD_DICTIONARY_MAX, c->n / 3 + 1);
    bool fits = true, is_new;
    map_init(&map, most);
    for (size_t i = 0; fits && i < c->n; i++) {
        uint64_t *slot = map_put(&map, c->values[i], &is_new);
        fits = slot != NULL;
        if (fits && is_new) {
            *slot = map.live - 1;
            buf_string(a, c->values[i]);
        }
    }
    bool wide = map.live > UINT8_MAX;
    for (size_t i = 0; fits && wide && i < c->n; i++)
        buf_u8(b, (uint8_t)(*map_get(&map, c->values[i]) >> 8));
    for (size_t i = 0; fits && i < c->n; i++)
        buf_u8(b, (uint8_t)*map_get(&map, c->values[i]));
    if (!fits)
        buf_clear(a);
    map_free(&map);
    return fits;
}

static bool have_same_length(const struct cold_column *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->values[i].n != c->values[0].n)
            return false;
    return c->n > 16 && c->values[0].n > 0 && c->values[0].n <= COLD_SAME_LENGTH_MAX;
}

static void put_texts(const struct cold_column *c, struct buf *a, struct buf *b)
{
    for (size_t i = 0; i < c->n; i++) {
        buf_varint(a, c->values[i].n);
        buf_sv(b, c->values[i]);
    }
}

static void put_same_length(const struct cold_column *c, struct buf *a, struct buf *b)
{
    buf_varint(a, c->values[0].n);
    for (size_t at = 0; at < c->values[0].n; at++)
        for (size_t i = 0; i < c->n; i++)
            buf_u8(b, (uint8_t)c->values[i].p[at]);
}

static enum cold_values write_values(const struct cold_column *c, struct buf *out)
{
    struct buf a, b;
    uint64_t *numbers = tc_alloc(c->n * sizeof numbers[0] + 1);
    enum cold_values coding = COLD_TEXT;
    buf_init(&a, COLD_STREAM_MAX);
    buf_init(&b, COLD_STREAM_MAX);
    if (all_are(c, is_ipv4, numbers)) {
        coding = COLD_IPV4;
        put_planes(numbers, c->n, 0, 4, &b);
    } else if (put_dictionary(c, &a, &b)) {
        coding = COLD_DICTIONARY;
    } else if (all_are(c, is_integer, numbers)) {
        coding = COLD_INTEGERS;
        put_integers(numbers, c->n, &a, &b);
    } else if (have_same_length(c)) {
        coding = COLD_SAME_LENGTH;
        put_same_length(c, &a, &b);
    } else {
        put_texts(c, &a, &b);
    }
    cold_put_stream(buf_view(&a), out);
    cold_put_stream(buf_view(&b), out);
    buf_free(&a);
    buf_free(&b);
    free(numbers);
    return coding;
}

static void put_copy(const struct cold_copy *copy, struct buf *names)
{
    buf_u8(names, COLD_COPY);
    buf_varint(names, copy->source);
    buf_varint(names, copy->from);
    buf_varint(names, copy->length);
    buf_varint(names, copy->at);
    buf_u8(names, copy->letters);
}

void cold_column_write(const struct cold_column *columns, size_t column, struct buf *names, struct buf *out)
{
    struct arena arena = {0};
    struct cold_column rest = columns[column];
    struct cold_copy copy;
    for (size_t i = 0; i < COLD_COPIES_MAX && cold_copy_find(columns, column, rest.values, &copy); i++) {
        put_copy(&copy, names);
        rest.values = cold_copy_cut(&copy, rest.values, rest.n, &arena);
    }
    buf_u8(names, (uint8_t)write_values(&rest, out));
    arena_free(&arena);
}
