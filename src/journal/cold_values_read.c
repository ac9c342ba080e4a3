/*
 * Unpacking streams and values; see cold_values.h.
 */
#include "journal/cold_values.h"

#include "base/varint.h"

#include <zstd.h>

enum { CHUNK_MAX = 1 << 30 }; /* unpacked: no chunk that was written comes near */

/* --- streams
 * ---------------------------------------------------------------------------------------------------------------
 */

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
    return !in->bad && raw <= COLD_STREAM_MAX;
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

uint64_t cold_read_divisor(struct reader *in)
{
    return in->rest.n == 0 ? 1 : reader_varint(in);
}

uint64_t cold_read_step(struct reader *in, uint64_t divisor)
{
    return (uint64_t)varint_unfold(reader_varint(in)) * divisor;
}

/* --- values
 * ---------------------------------------------------------------------------------------------------------------
 */

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

size_t cold_print_ipv4(uint64_t v, char *to)
{
    size_t n = 0;
    for (int part = 3; part >= 0; part--) {
        n += print_number(v >> (8 * part) & 255, to + n);
        if (part > 0)
            to[n++] = '.';
    }
    return n;
}

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
    if (in.bad || length == 0 || length > COLD_SAME_LENGTH_MAX || b.n != length * c->n)
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
    size_t n = 0, capacity = TC_MIN((size_t)COLD_DICTIONARY_MAX, a.n / 4 + 1);
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
        size_t n = ipv4 ? cold_print_ipv4(numbers[i], to) : print_number(numbers[i], to);
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
        if (names->bad || ret->copy_count == COLD_COPIES_MAX || source >= column || from > COLD_STREAM_MAX ||
            length > COLD_STREAM_MAX || at > COLD_STREAM_MAX || letters >= COLD_COPY_CASES)
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
    if (in.bad || length == 0 || length > COLD_SAME_LENGTH_MAX || b.n != length * n)
        return false;
    char *to = arena_alloc_raw(arena, (size_t)length, 1);
    for (size_t at = 0; at < length; at++)
        to[at] = b.p[at * n + i];
    *ret = sv_make(to, (size_t)length);
    return true;
}

static bool dictionary_at(struct sv a, struct sv b, size_t n, size_t i, struct sv *ret)
{
    bool wide = b.n == 2 * n;
    if (b.n != n && !wide)
        return false;
    size_t id = (uint8_t)b.p[wide ? n + i : i] | (wide ? (size_t)(uint8_t)b.p[i] << 8 : 0);
    struct reader in = reader_of(a);
    for (size_t k = 0; k <= id && !in.bad; k++)
        *ret = reader_string(&in);
    return !in.bad;
}

static bool ipv4_at(struct sv b, size_t n, size_t i, struct arena *arena, struct sv *ret)
{
    uint64_t address = 0;
    char *to = arena_alloc_raw(arena, 20, 1);
    if (b.n != 4 * n)
        return false;
    for (size_t plane = 0; plane < 4; plane++)
        address = address << 8 | (uint8_t)b.p[plane * n + i];
    *ret = sv_make(to, cold_print_ipv4(address, to));
    return true;
}

bool cold_column_at(struct cold_packed_column *packed, struct cold_room *room, size_t n, size_t i,
                    struct sv *ret)
{
    struct sv a, b;
    struct cold_column all = {.n = n};
    if (i >= n || !cold_unpack_stream(&packed->first, room, &a) ||
        !cold_unpack_stream(&packed->second, room, &b))
        return false;
    switch (packed->coding) {
    case COLD_TEXT:
        return text_at(a, b, i, ret);
    case COLD_SAME_LENGTH:
        return same_length_at(a, b, n, i, &room->arena, ret);
    case COLD_DICTIONARY:
        return dictionary_at(a, b, n, i, ret);
    case COLD_IPV4:
        return ipv4_at(b, n, i, &room->arena, ret);
    default: /* numbers that follow from each other */
        if (!cold_column_unpack(packed, room, &all))
            return false;
        *ret = all.values[i];
        return true;
    }
}
