/*
 * Putting a chunk's records together again; see cold_columns.h.
 *
 * A shape is read once into a list of steps; a record is then its literals and the next values of its
 * columns.
 */
#include "journal/cold_columns.h"
#include "journal/cold_values.h"

#include "base/varint.h"

enum { ENTRY_BYTES = 24, TABLE_HEAD = 8, RAW_MAX = 64 << 20 };

struct place {
    uint32_t piece, offset;
};

struct shape_piece {
    bool is_hole;
    struct sv literal;
    size_t column;
};

struct shape_entry {
    uint8_t type, flags;
    bool name_in_raw, value_in_raw;
    struct place name, from, to;
    uint32_t name_n, hash;
    struct sv text; /* of a name that is not in raw, its exact name behind it */
    size_t column;
};

struct shape {
    struct shape_piece *pieces;
    struct shape_entry *entries;
    uint32_t piece_count, entry_count;
    bool has_table;
};

struct reading {
    struct arena arena;
    struct sv streams[COLD_STREAMS];
    struct sv *envelopes;
    size_t envelope_count;
    struct shape *shapes;
    size_t shape_count;
    struct cold_column *columns;
    size_t *next; /* of each column's values */
    size_t column_count;
    uint32_t *starts; /* of a record's pieces, and the end */
    uint8_t seed[SALTS_SEED_BYTES];
    bool bad;
};

/* --- dictionaries
 * ----------------------------------------------------------------------------------------------------------
 */

static struct place get_place(struct reading *r, struct reader *in, const struct shape *s)
{
    uint64_t piece = reader_varint(in), offset = reader_varint(in);
    r->bad = r->bad || piece > s->piece_count || offset > RAW_MAX;
    return (struct place){(uint32_t)piece, (uint32_t)offset};
}

static size_t get_column(struct reading *r, struct reader *in)
{
    uint64_t column = reader_varint(in);
    r->bad = r->bad || column >= r->column_count;
    return r->bad ? 0 : (size_t)column;
}

static void get_entry(struct reading *r, struct reader *in, const struct shape *s, struct shape_entry *e)
{
    *e = (struct shape_entry){.type = reader_u8(in), .flags = reader_u8(in)};
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

static void get_shape(struct reading *r, struct sv key, struct shape *s)
{
    struct reader in = reader_of(key);
    uint64_t pieces = reader_varint(&in);
    if (in.bad || pieces > COLD_PIECES_MAX || pieces > key.n) {
        r->bad = true;
        return;
    }
    s->piece_count = (uint32_t)pieces;
    s->pieces = ARENA_ARRAY(&r->arena, struct shape_piece, pieces + 1);
    for (uint64_t i = 0; i < pieces && !r->bad && !in.bad; i++) {
        struct shape_piece *p = &s->pieces[i];
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
    s->entries = ARENA_ARRAY(&r->arena, struct shape_entry, entries + 1);
    for (uint64_t i = 0; i < entries && !r->bad && !in.bad; i++)
        get_entry(r, &in, s, &s->entries[i]);
    r->bad = r->bad || in.bad || in.rest.n > 0;
}

static void get_columns(struct reading *r, struct reader *in)
{
    struct sv stream;
    if (!cold_get_stream(in, &r->arena, &stream)) {
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
    r->columns = ARENA_ARRAY(&r->arena, struct cold_column, r->column_count + 1);
    r->next = ARENA_ARRAY(&r->arena, size_t, r->column_count + 1);
    for (size_t i = 0; i < r->column_count && !r->bad; i++) {
        r->columns[i].name = reader_string(&names);
        enum cold_values coding = reader_u8(&names);
        r->columns[i].n = (size_t)reader_varint(&names);
        r->bad = names.bad || !cold_column_read(in, coding, &r->arena, &r->columns[i]);
    }
    r->bad = r->bad || names.rest.n > 0 || in->rest.n > 0;
}

static void get_dictionaries(struct reading *r)
{
    struct reader envelopes = reader_of(r->streams[COLD_ENVELOPES]),
                  shapes = reader_of(r->streams[COLD_SHAPES]);
    r->envelopes = ARENA_ARRAY(&r->arena, struct sv, envelopes.rest.n / (COLD_ENVELOPE_FIXED + 4) + 1);
    while (envelopes.rest.n > 0 && !r->bad) {
        struct sv text = reader_string(&envelopes);
        r->bad = envelopes.bad || text.n < COLD_ENVELOPE_FIXED || text.n > COLD_ENVELOPE_FIXED + UINT16_MAX;
        if (!r->bad)
            r->envelopes[r->envelope_count++] = text;
    }
    r->shapes = ARENA_ARRAY(&r->arena, struct shape, COLD_SHAPES_MAX + 1);
    while (shapes.rest.n > 0 && !r->bad) {
        uint64_t n = reader_varint(&shapes);
        struct sv key = reader_bytes(&shapes, (size_t)n);
        r->bad = shapes.bad || r->shape_count == COLD_SHAPES_MAX;
        if (!r->bad)
            get_shape(r, key, &r->shapes[r->shape_count++]);
    }
}

/* --- a record
 * --------------------------------------------------------------------------------------------------------------
 */

static struct sv next_value(struct reading *r, size_t column)
{
    struct cold_column *c = &r->columns[column];
    r->bad = r->bad || r->next[column] >= c->n;
    return r->bad ? (struct sv){0} : c->values[r->next[column]++];
}

static uint32_t at_place(struct reading *r, struct place p, uint32_t raw_n)
{
    uint64_t at = (uint64_t)r->starts[p.piece] + p.offset;
    r->bad = r->bad || at > raw_n;
    return (uint32_t)at;
}

/* Raw text at the end of `out`; returns its length. */
static uint32_t put_raw(struct reading *r, const struct shape *s, struct buf *out)
{
    size_t start = out->n;
    for (uint32_t i = 0; i < s->piece_count; i++) {
        r->starts[i] = (uint32_t)(out->n - start);
        buf_sv(out, s->pieces[i].is_hole ? next_value(r, s->pieces[i].column) : s->pieces[i].literal);
    }
    r->starts[s->piece_count] = (uint32_t)(out->n - start);
    return (uint32_t)(out->n - start);
}

static void put_table(struct reading *r, const struct shape *s, uint32_t raw_n, struct buf *out)
{
    size_t table_at = out->n, strings_at = table_at + TABLE_HEAD + (size_t)s->entry_count * ENTRY_BYTES;
    char *p = buf_reserve(out, TABLE_HEAD + (size_t)s->entry_count * ENTRY_BYTES);
    if (p == NULL)
        return;
    memset(p, 0, strings_at - table_at);
    out->n = strings_at;
    for (uint32_t i = 0; i < s->entry_count && !r->bad; i++) {
        const struct shape_entry *e = &s->entries[i];
        char entry[ENTRY_BYTES];
        uint32_t name_at =
            e->name_in_raw ? at_place(r, e->name, raw_n) : raw_n + (uint32_t)(out->n - strings_at);
        if (!e->name_in_raw)
            buf_sv(out, e->text);
        uint32_t value_at =
            e->value_in_raw ? at_place(r, e->from, raw_n) : raw_n + (uint32_t)(out->n - strings_at);
        uint32_t value_n = e->value_in_raw ? at_place(r, e->to, raw_n) - value_at : 0;
        if (!e->value_in_raw) {
            struct sv value = next_value(r, e->column);
            value_n = (uint32_t)value.n;
            buf_sv(out, value);
        }
        store_u32(entry, name_at);
        store_u32(entry + 4, e->name_n);
        store_u32(entry + 8, value_at);
        store_u32(entry + 12, value_n);
        store_u32(entry + 16, e->hash);
        entry[20] = (char)e->type;
        entry[21] = (char)e->flags;
        store_u16(entry + 22, e->name_in_raw ? 0 : (uint16_t)(e->text.n - e->name_n));
        if (!out->overflow)
            memcpy(out->p + table_at + TABLE_HEAD + (size_t)i * ENTRY_BYTES, entry, sizeof entry);
    }
    if (!out->overflow) {
        store_u32(out->p + table_at, s->entry_count);
        store_u32(out->p + table_at + 4, (uint32_t)(out->n - strings_at));
    }
}

struct numbers { /* where the streams of numbers stand */
    struct reader envelope, sequence, received, time, source_position, salts, shape, whole;
    uint64_t received_divisor, time_divisor;
    uint64_t at_sequence, at_received, at_time, at_source_position;
};

static void put_head(struct reading *r, struct numbers *n, struct buf *out)
{
    char head[TC_RECORD_HEADER_BYTES] = {0};
    uint64_t id = reader_varint(&n->envelope);
    r->bad = r->bad || id >= r->envelope_count;
    if (r->bad)
        return;
    struct sv envelope = r->envelopes[id], source = sv_from(envelope, COLD_ENVELOPE_FIXED);
    n->at_sequence = reader_varint_step(&n->sequence, n->at_sequence + 1);
    n->at_received += cold_read_step(&n->received, n->received_divisor);
    if (envelope.p[26] != 0)
        n->at_time += cold_read_step(&n->time, n->time_divisor);
    n->at_source_position = reader_varint_step(&n->source_position, n->at_source_position + 1);
    memcpy(head + 8, envelope.p, 10);
    store_u16(head + 18, (uint16_t)source.n);
    memcpy(head + 24, envelope.p + 10, 16);
    store_u64(head + 40, n->at_sequence);
    store_u64(head + 48, n->at_received);
    store_u64(head + 56, envelope.p[26] != 0 ? n->at_time : (uint64_t)TC_NO_TIME);
    store_u64(head + 64, n->at_source_position);
    buf_add(out, head, sizeof head);
    buf_sv(out, source);
}

static void put_salt(struct reading *r, struct numbers *n, struct buf *out)
{
    uint8_t salt[TC_RECORD_SALT_BYTES];
    if (r->streams[COLD_SALTS].n == 0) {
        salts_derive(r->seed, n->at_sequence, salt);
        buf_add(out, salt, sizeof salt);
    } else {
        buf_sv(out, reader_bytes(&n->salts, TC_RECORD_SALT_BYTES));
    }
}

static void put_record(struct reading *r, struct numbers *n, struct buf *out)
{
    size_t block_at = out->n;
    put_head(r, n, out);
    put_salt(r, n, out);
    uint64_t shape = reader_varint(&n->shape);
    size_t raw_at = out->n;
    uint32_t raw_n;
    r->bad = r->bad || shape > r->shape_count;
    if (r->bad)
        return;
    if (shape > 0) {
        const struct shape *s = &r->shapes[shape - 1];
        raw_n = put_raw(r, s, out);
        if (s->has_table)
            put_table(r, s, raw_n, out);
    } else {
        uint64_t raw = reader_varint(&n->whole), table = reader_varint(&n->whole);
        raw_n = (uint32_t)raw;
        r->bad = r->bad || n->whole.bad || raw > RAW_MAX || table > RAW_MAX;
        buf_sv(out, r->bad ? (struct sv){0} : reader_bytes(&n->whole, (size_t)(raw + table)));
    }
    if (r->bad || out->overflow)
        return;
    store_u32(out->p + block_at, (uint32_t)(out->n - block_at));
    store_u32(out->p + block_at + 4, (uint32_t)(out->n - raw_at - raw_n));
    store_u32(out->p + block_at + 20, raw_n);
}

/* --- all
 * -------------------------------------------------------------------------------------------------------------------
 */

static void get_positions(struct reading *r, uint32_t count, struct buf *out)
{
    struct reader in = reader_of(r->streams[COLD_POSITIONS]);
    uint64_t position = 0;
    for (uint32_t i = 0; i < count && !in.bad; i++) {
        uint64_t step = reader_varint(&in);
        r->bad = r->bad || step == 0 || position > UINT64_MAX - step;
        position += step;
        buf_u64(out, position);
    }
    r->bad = r->bad || in.bad || in.rest.n > 0;
}

static struct numbers begin_numbers(const struct reading *r)
{
    struct numbers n = {.envelope = reader_of(r->streams[COLD_ENVELOPE]),
                        .sequence = reader_of(r->streams[COLD_SEQUENCE]),
                        .received = reader_of(r->streams[COLD_RECEIVED]),
                        .time = reader_of(r->streams[COLD_TIME]),
                        .source_position = reader_of(r->streams[COLD_SOURCE_POSITION]),
                        .salts = reader_of(r->streams[COLD_SALTS]),
                        .shape = reader_of(r->streams[COLD_SHAPE]),
                        .whole = reader_of(r->streams[COLD_WHOLE])};
    n.received_divisor = cold_read_divisor(&n.received);
    n.time_divisor = cold_read_divisor(&n.time);
    return n;
}

bool cold_columns_read(struct sv stored, uint32_t count, struct buf *positions, struct buf *blocks,
                       uint8_t ret_seed[SALTS_SEED_BYTES])
{
    struct reading r = {0};
    struct reader in = reader_of(stored);
    struct sv seed = reader_bytes(&in, SALTS_SEED_BYTES);
    r.bad = in.bad;
    if (!r.bad)
        memcpy(r.seed, seed.p, seed.n);
    for (size_t i = 0; i < COLD_STREAMS && !r.bad; i++)
        r.bad = !cold_get_stream(&in, &r.arena, &r.streams[i]);
    if (!r.bad)
        get_columns(&r, &in);
    if (!r.bad)
        get_dictionaries(&r);
    r.starts = ARENA_ARRAY(&r.arena, uint32_t, COLD_PIECES_MAX + 1);
    if (!r.bad)
        get_positions(&r, count, positions);
    struct numbers n = begin_numbers(&r);
    for (uint32_t i = 0; i < count && !r.bad; i++)
        put_record(&r, &n, blocks);
    if (ret_seed != NULL && !r.bad)
        memcpy(ret_seed, r.seed, SALTS_SEED_BYTES);
    arena_free(&r.arena);
    return !r.bad && !blocks->overflow && !positions->overflow;
}
