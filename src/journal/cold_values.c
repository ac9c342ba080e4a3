/*
 * Packing values; see cold_values.h.
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
    STREAM_MAX = 512 << 20,
    CHUNK_MAX = 1 << 30,    /* unpacked: no chunk that was written comes near */
    SMALL = 64,             /* bytes: not worth packing */
    DICTIONARY_MAX = 65535, /* values; 255 and fewer take a byte each */
    SAME_LENGTH_MAX = 64,
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

void cold_room_free(struct cold_room *room)
{
    arena_free(&room->arena);
    ZSTD_freeDCtx(room->zstd);
    *room = (struct cold_room){0};
}

bool cold_find_stream(struct reader *in, struct cold_packed_stream *ret)
{
    uint64_t raw = reader_varint(in), packed = reader_varint(in);
    struct sv stored = reader_bytes(in, (size_t)(packed > 0 ? packed : raw));
    *ret = (struct cold_packed_stream){.stored = stored, .raw_bytes = raw, .is_packed = packed > 0};
    return !in->bad && raw <= STREAM_MAX;
}

bool cold_unpack_stream(struct cold_packed_stream *s, struct cold_room *room, struct sv *ret)
{
    size_t raw = (size_t)s->raw_bytes;
    if (!s->is_ready && s->is_packed) {
        if (room->zstd == NULL)
            room->zstd = ZSTD_createDCtx();
        if (room->arena.used_bytes > CHUNK_MAX || room->zstd == NULL ||
            ZSTD_getFrameContentSize(s->stored.p, s->stored.n) != raw)
            return false;
        char *to = arena_alloc_raw(&room->arena, raw + 1, 1);
        if (ZSTD_decompressDCtx(room->zstd, to, raw, s->stored.p, s->stored.n) != raw)
            return false;
        s->bytes = sv_make(to, raw);
    } else if (!s->is_ready) {
        s->bytes = s->stored;
    }
    s->is_ready = true;
    *ret = s->bytes;
    return true;
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

uint64_t cold_read_divisor(struct reader *in)
{
    return in->rest.n == 0 ? 1 : reader_varint(in);
}

uint64_t cold_read_step(struct reader *in, uint64_t divisor)
{
    return (uint64_t)varint_unfold(reader_varint(in)) * divisor;
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

static size_t print_number(uint64_t v, char *to)
{
    char digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    for (size_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

static size_t print_ipv4(uint64_t v, char *to)
{
    size_t n = 0;
    for (int part = 3; part >= 0; part--) {
        n += print_number(v >> (8 * part) & 255, to + n);
        if (part > 0)
            to[n++] = '.';
    }
    return n;
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
    return sv_eq(text, sv_make(printed, print_ipv4(*ret, printed)));
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
    size_t most = TC_MIN((size_t)DICTIONARY_MAX, c->n / 3 + 1);
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
    return c->n > 16 && c->values[0].n > 0 && c->values[0].n <= SAME_LENGTH_MAX;
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
    buf_init(&a, STREAM_MAX);
    buf_init(&b, STREAM_MAX);
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

/* --- the other way
 * ---------------------------------------------------------------------------------------------------------
 */

static bool get_texts(struct cold_column *c, struct sv a, struct sv b)
{
    struct reader lengths = reader_of(a), bytes = reader_of(b);
    for (size_t i = 0; i < c->n && !bytes.bad; i++)
        c->values[i] = reader_bytes(&bytes, (size_t)reader_varint(&lengths));
    return !lengths.bad && !bytes.bad && lengths.rest.n == 0 && bytes.rest.n == 0;
}

static bool get_same_length(struct cold_column *c, struct sv a, struct sv b, struct arena *arena)
{
    struct reader in = reader_of(a);
    uint64_t length = reader_varint(&in);
    if (in.bad || length == 0 || length > SAME_LENGTH_MAX || b.n != length * c->n)
        return false;
    char *to = arena_alloc_raw(arena, b.n + 1, 1);
    for (size_t at = 0; at < length; at++)
        for (size_t i = 0; i < c->n; i++)
            to[i * length + at] = b.p[at * c->n + i];
    for (size_t i = 0; i < c->n; i++)
        c->values[i] = sv_make(to + i * length, (size_t)length);
    return true;
}

static bool get_dictionary(struct cold_column *c, struct sv a, struct sv b, struct arena *arena)
{
    struct reader in = reader_of(a);
    size_t n = 0, capacity = TC_MIN((size_t)DICTIONARY_MAX, a.n / 4 + 1);
    struct sv *texts = ARENA_ARRAY(arena, struct sv, capacity);
    while (in.rest.n > 0 && !in.bad && n < capacity)
        texts[n++] = reader_string(&in);
    bool wide = n > UINT8_MAX;
    if (in.bad || in.rest.n > 0 || b.n != c->n * (wide ? 2 : 1))
        return false;
    for (size_t i = 0; i < c->n; i++) {
        size_t id = (uint8_t)b.p[wide ? c->n + i : i] | (wide ? (size_t)(uint8_t)b.p[i] << 8 : 0);
        if (id >= n)
            return false;
        c->values[i] = texts[id];
    }
    return true;
}

static bool get_numbers(struct cold_column *c, struct sv a, struct sv b, uint64_t *numbers)
{
    struct reader in = reader_of(a), steps = reader_of(b);
    uint64_t least = reader_varint(&in), width = reader_varint(&in), before = least;
    if (in.bad || width > 8 || (width > 0 && b.n != width * c->n))
        return false;
    memset(numbers, 0, c->n * sizeof numbers[0]);
    for (uint64_t plane = 0; plane < width; plane++)
        for (size_t i = 0; i < c->n; i++)
            numbers[i] = numbers[i] << 8 | (uint8_t)b.p[plane * c->n + i];
    for (size_t i = 0; i < c->n; i++) {
        before += width > 0 ? 0 : reader_varint(&steps);
        numbers[i] = width > 0 ? numbers[i] + least : before;
    }
    return !steps.bad;
}

static bool get_printed(struct cold_column *c, struct sv a, struct sv b, bool ipv4, struct arena *arena)
{
    uint64_t *numbers = ARENA_ARRAY(arena, uint64_t, c->n + 1);
    if (ipv4 && b.n != 4 * c->n)
        return false;
    for (size_t plane = 0; ipv4 && plane < 4; plane++)
        for (size_t i = 0; i < c->n; i++)
            numbers[i] = numbers[i] << 8 | (uint8_t)b.p[plane * c->n + i];
    if (!ipv4 && !get_numbers(c, a, b, numbers))
        return false;
    char *to = arena_alloc_raw(arena, c->n * 20 + 1, 1);
    for (size_t i = 0; i < c->n; i++) {
        size_t n = ipv4 ? print_ipv4(numbers[i], to) : print_number(numbers[i], to);
        c->values[i] = sv_make(to, n);
        to += n;
    }
    return true;
}

bool cold_read_coding(struct reader *names, size_t column, struct cold_packed_column *ret)
{
    uint8_t coding;
    *ret = (struct cold_packed_column){0};
    while ((coding = reader_u8(names)) == COLD_COPY) {
        uint64_t source = reader_varint(names), from = reader_varint(names), length = reader_varint(names),
                 at = reader_varint(names);
        uint8_t letters = reader_u8(names);
        if (names->bad || ret->copy_count == COLD_COPIES_MAX || source >= column || from > STREAM_MAX ||
            length > STREAM_MAX || at > STREAM_MAX || letters >= COLD_COPY_CASES)
            return false;
        ret->copies[ret->copy_count++] =
            (struct cold_copy){(uint32_t)source, (uint32_t)from, (uint32_t)length, (uint32_t)at, letters};
    }
    ret->coding = coding;
    return !names->bad;
}

bool cold_find_column(struct reader *in, struct cold_packed_column *ret)
{
    return cold_find_stream(in, &ret->first) && cold_find_stream(in, &ret->second);
}

bool cold_column_unpack(struct cold_packed_column *packed, struct cold_room *room, struct cold_column *c)
{
    struct arena *arena = &room->arena;
    struct sv a, b;
    if (!cold_unpack_stream(&packed->first, room, &a) || !cold_unpack_stream(&packed->second, room, &b))
        return false;
    if (c->n > a.n + b.n && c->n > 0)
        return false; /* each takes a byte at least */
    c->values = ARENA_ARRAY(arena, struct sv, c->n + 1);
    switch (packed->coding) {
    case COLD_TEXT:
        return get_texts(c, a, b);
    case COLD_SAME_LENGTH:
        return get_same_length(c, a, b, arena);
    case COLD_DICTIONARY:
        return get_dictionary(c, a, b, arena);
    case COLD_INTEGERS:
        return get_printed(c, a, b, false, arena);
    case COLD_IPV4:
        return get_printed(c, a, b, true, arena);
    case COLD_COPY: /* read before */
        break;
    }
    return false;
}

/* --- one value
 * -------------------------------------------------------------------------------------------------------------
 */

static bool text_at(struct sv a, struct sv b, size_t i, struct sv *ret)
{
    struct reader lengths = reader_of(a);
    uint64_t at = 0, length = 0;
    for (size_t k = 0; k <= i && at <= b.n; k++) {
        at += length;
        length = reader_varint(&lengths);
    }
    if (lengths.bad || at > b.n || length > b.n - at)
        return false;
    *ret = sv_make(b.p + at, (size_t)length);
    return true;
}

static bool same_length_at(struct sv a, struct sv b, size_t n, size_t i, struct arena *arena, struct sv *ret)
{
    struct reader in = reader_of(a);
    uint64_t length = reader_varint(&in);
    if (in.bad || length == 0 || length > SAME_LENGTH_MAX || b.n != length * n)
        return false;
    char *to = arena_alloc_raw(arena, (size_t)length, 1);
    for (size_t at = 0; at < length; at++)
        to[at] = b.p[at * n + i];
    *ret = sv_make(to, (size_t)length);
    return true;
}

bool cold_column_is_text(const struct cold_packed_column *packed)
{
    return packed->coding == COLD_TEXT || packed->coding == COLD_SAME_LENGTH;
}

bool cold_column_at(struct cold_packed_column *packed, struct cold_room *room, size_t n, size_t i,
                    struct sv *ret)
{
    struct sv a, b;
    if (i >= n || !cold_unpack_stream(&packed->first, room, &a) ||
        !cold_unpack_stream(&packed->second, room, &b))
        return false;
    return packed->coding == COLD_TEXT ? text_at(a, b, i, ret)
                                       : same_length_at(a, b, n, i, &room->arena, ret);
}
