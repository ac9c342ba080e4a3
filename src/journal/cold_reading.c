/*
 * Finding one's way in a chunk of columns; see cold_reading.h.
 */
#include "journal/cold_reading.h"

#include "journal/cold.h"

#include "base/varint.h"

enum { RAW_MAX = 64 << 20, ROOM_MAX = 1 << 30, COPIES_DEEP = 4 };

/* --- dictionaries
 * ----------------------------------------------------------------------------------------------------------
 */

static struct cold_shape_place get_place(struct cold_reading *r, struct reader *in,
                                         const struct cold_shape *s)
{
    uint64_t piece = reader_varint(in), offset = reader_varint(in);
    r->bad = r->bad || piece > s->piece_count || offset > RAW_MAX;
    return (struct cold_shape_place){(uint32_t)piece, (uint32_t)offset};
}

static size_t get_column(struct cold_reading *r, struct reader *in)
{
    uint64_t column = reader_varint(in);
    r->bad = r->bad || column >= r->column_count;
    return r->bad ? 0 : (size_t)column;
}

static void get_entry(struct cold_reading *r, struct reader *in, const struct cold_shape *s,
                      struct cold_shape_entry *e)
{
    *e = (struct cold_shape_entry){.type = reader_u8(in), .flags = reader_u8(in)};
    uint8_t where = reader_u8(in);
    e->name_in_raw = (where & 1) == COLD_IN_RAW;
    e->value_in_raw = (where >> 1 & 1) == COLD_IN_RAW;
    e->hash = reader_u32(in);
    e->name_n = (uint32_t)reader_varint(in);
    if (e->name_in_raw) {
        e->name = get_place(r, in, s);
    } else {
        uint64_t exact = reader_varint(in);
        r->bad = r->bad || exact > UINT16_MAX || in->bad;
        e->text = r->bad ? (struct sv){0} : reader_bytes(in, e->name_n + (size_t)exact);
    }
    if (e->value_in_raw) {
        e->from = get_place(r, in, s);
        e->to = get_place(r, in, s);
    } else {
        e->column = get_column(r, in);
    }
}

static void get_shape(struct cold_reading *r, struct sv key, struct cold_shape *s)
{
    struct reader in = reader_of(key);
    uint64_t pieces = reader_varint(&in);
    if (in.bad || pieces > COLD_PIECES_MAX || pieces > key.n) {
        r->bad = true;
        return;
    }
    s->piece_count = (uint32_t)pieces;
    s->pieces = ARENA_ARRAY(&r->room.arena, struct cold_shape_piece, pieces + 1);
    for (uint64_t i = 0; i < pieces && !r->bad && !in.bad; i++) {
        struct cold_shape_piece *p = &s->pieces[i];
        p->is_hole = reader_u8(&in) == COLD_HOLE;
        if (p->is_hole)
            p->column = get_column(r, &in);
        else
            p->literal = reader_bytes(&in, (size_t)reader_varint(&in));
    }
    s->has_table = reader_u8(&in) != 0;
    uint64_t entries = reader_varint(&in);
    if (in.bad || entries > key.n) {
        r->bad = true;
        return;
    }
    s->entry_count = (uint32_t)entries;
    s->entries = ARENA_ARRAY(&r->room.arena, struct cold_shape_entry, entries + 1);
    for (uint64_t i = 0; i < entries && !r->bad && !in.bad; i++)
        get_entry(r, &in, s, &s->entries[i]);
    r->bad = r->bad || in.bad || in.rest.n > 0 || (entries > 0 && !s->has_table);
}

/* Each value takes a byte at least, so that no product of their number and a length is too large. */
static bool has_room(const struct cold_packed_column *packed, uint64_t count)
{
    return count <= packed->first.raw_bytes + packed->second.raw_bytes;
}

static void get_columns(struct cold_reading *r, struct reader *in)
{
    struct cold_packed_stream packed;
    struct sv stream;
    if (!cold_find_stream(in, &packed) || !cold_unpack_stream(&packed, &r->room, &stream)) {
        r->bad = true;
        return;
    }
    struct reader names = reader_of(stream);
    uint64_t count = reader_varint(&names);
    if (names.bad || count > COLD_COLUMNS_MAX) {
        r->bad = true;
        return;
    }
    r->column_count = (size_t)count;
    uint64_t values = 0; /* each is a byte of a record at least, or an entry of its table */
    r->columns = ARENA_ARRAY(&r->room.arena, struct cold_column, r->column_count + 1);
    r->packed_columns = ARENA_ARRAY(&r->room.arena, struct cold_packed_column, r->column_count + 1);
    for (size_t i = 0; i < r->column_count && !r->bad; i++) {
        r->columns[i].name = reader_string(&names);
        r->bad = names.bad || !cold_read_coding(&names, i, &r->packed_columns[i]);
        r->columns[i].n = (size_t)reader_varint(&names);
        r->bad = r->bad || names.bad || !cold_find_column(in, &r->packed_columns[i]) ||
                 !has_room(&r->packed_columns[i], r->columns[i].n);
        values += r->columns[i].n;
        r->bad = r->bad || values > COLD_RAW_MAX_BYTES;
    }
    r->bad = r->bad || names.rest.n > 0 || in->rest.n > 0;
}

static void get_dictionaries(struct cold_reading *r)
{
    struct reader envelopes = reader_of(cold_reading_stream(r, COLD_ENVELOPES)),
                  shapes = reader_of(cold_reading_stream(r, COLD_SHAPES));
    r->envelopes = ARENA_ARRAY(&r->room.arena, struct sv, envelopes.rest.n / (COLD_ENVELOPE_FIXED + 4) + 1);
    while (envelopes.rest.n > 0 && !r->bad) {
        struct sv text = reader_string(&envelopes);
        r->bad = envelopes.bad || text.n < COLD_ENVELOPE_FIXED || text.n > COLD_ENVELOPE_FIXED + UINT16_MAX;
        if (!r->bad)
            r->envelopes[r->envelope_count++] = text;
    }
    r->shapes = ARENA_ARRAY(&r->room.arena, struct cold_shape, COLD_SHAPES_MAX + 1);
    while (shapes.rest.n > 0 && !r->bad) {
        uint64_t n = reader_varint(&shapes);
        struct sv key = reader_bytes(&shapes, (size_t)n);
        r->bad = shapes.bad || r->shape_count == COLD_SHAPES_MAX;
        if (!r->bad)
            get_shape(r, key, &r->shapes[r->shape_count++]);
    }
}

/* --- all
 * -------------------------------------------------------------------------------------------------------------------
 */

struct sv cold_reading_stream(struct cold_reading *r, enum cold_stream which)
{
    struct sv bytes = {0};
    r->bad = r->bad || !cold_unpack_stream(&r->packed[which], &r->room, &bytes);
    return r->bad ? (struct sv){0} : bytes;
}

/* Puts in what was left out of the values. */
static void copy_all(struct cold_reading *r, struct cold_column *c, const struct cold_copy *copy)
{
    const struct cold_column *source = cold_reading_column(r, copy->source);
    uint64_t bytes = (uint64_t)copy->length * c->n;
    for (size_t i = 0; i < c->n; i++)
        bytes += c->values[i].n;
    r->bad = r->bad || source->n != c->n || bytes > RAW_MAX || r->room.arena.used_bytes > ROOM_MAX;
    if (r->bad)
        return;
    char *to = arena_alloc_raw(&r->room.arena, (size_t)bytes + 1, 1);
    for (size_t i = 0; i < c->n && !r->bad; i++) {
        r->bad = !cold_copy_put(copy, c->values[i], source->values[i], to);
        c->values[i] = sv_make(to, c->values[i].n + copy->length);
        to += c->values[i].n;
    }
}

struct cold_column *cold_reading_column(struct cold_reading *r, size_t column)
{
    struct cold_column *c = &r->columns[column];
    struct cold_packed_column *packed = &r->packed_columns[column];
    if (c->values != NULL || r->bad)
        return c;
    r->bad = !cold_column_unpack(packed, &r->room, c);
    for (size_t i = packed->copy_count; i-- > 0 && !r->bad;)
        copy_all(r, c, &packed->copies[i]);
    return c;
}

/* `depth`: of sources that are copies themselves; past it a column is unpacked as a whole, once. */
static struct sv value_at(struct cold_reading *r, size_t column, size_t i, unsigned depth)
{
    struct cold_column *c = &r->columns[column];
    struct cold_packed_column *packed = &r->packed_columns[column];
    struct sv value = {0};
    if (c->values != NULL || (packed->copy_count > 0 && depth == 0)) {
        cold_reading_column(r, column);
        r->bad = r->bad || i >= c->n;
        return r->bad ? value : c->values[i];
    }
    r->bad = r->bad || !cold_column_at(packed, &r->room, c->n, i, &value);
    for (size_t k = packed->copy_count; k-- > 0 && !r->bad;) {
        const struct cold_copy *copy = &packed->copies[k];
        struct sv source = value_at(r, copy->source, i, depth - 1);
        size_t n = value.n + copy->length;
        r->bad = r->bad || n > RAW_MAX || r->room.arena.used_bytes > ROOM_MAX;
        char *to = r->bad ? NULL : arena_alloc_raw(&r->room.arena, n + 1, 1);
        r->bad = r->bad || !cold_copy_put(copy, value, source, to);
        value = sv_make(to, n);
    }
    return r->bad ? (struct sv){0} : value;
}

struct sv cold_reading_value(struct cold_reading *r, size_t column, size_t i)
{
    return value_at(r, column, i, COPIES_DEEP);
}

void cold_reading_begin(struct cold_reading *r, struct sv stored, uint32_t count)
{
    struct reader in = reader_of(stored);
    struct sv seed = reader_bytes(&in, SALTS_SEED_BYTES);
    *r = (struct cold_reading){.count = count, .bad = in.bad};
    if (!r->bad)
        memcpy(r->seed, seed.p, seed.n);
    for (size_t i = 0; i < COLD_STREAMS && !r->bad; i++)
        r->bad = !cold_find_stream(&in, &r->packed[i]);
    if (!r->bad)
        get_columns(r, &in);
    if (!r->bad)
        get_dictionaries(r);
}

void cold_reading_end(struct cold_reading *r)
{
    cold_room_free(&r->room);
    *r = (struct cold_reading){0};
}
