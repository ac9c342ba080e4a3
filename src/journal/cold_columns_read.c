/*
 * Putting a chunk's records together again; see cold_columns.h.
 *
 * A shape is read once into a list of steps; a record is then its literals and the next values of its
 * columns.
 */
#include "journal/cold_columns.h"
#include "journal/cold_reading.h"

#include "base/varint.h"

enum { ENTRY_BYTES = 24, TABLE_HEAD = 8, RAW_MAX = 64 << 20, FEW_RECORDS = 4 };

struct putting {
    struct cold_reading *of;
    bool all;            /* or many records: columns are unpacked whole */
    size_t *next;        /* of each column's values */
    uint32_t *starts;    /* of a record's pieces, and the end */
    struct buf unwanted; /* heads of records that are passed over */
};

/* --- a record
 * --------------------------------------------------------------------------------------------------------------
 */

static struct sv next_value(struct putting *r, size_t column)
{
    struct cold_reading *of = r->of;
    struct cold_column *c = &of->columns[column];
    struct sv value = {0};
    of->bad = of->bad || r->next[column] >= c->n;
    if (of->bad)
        return value;
    size_t i = r->next[column]++;
    if (!r->all)
        return cold_reading_value(of, column, i);
    return cold_reading_column(of, column)->values == NULL ? value : c->values[i];
}

static uint32_t at_place(struct putting *r, struct cold_shape_place p, uint32_t raw_n)
{
    uint64_t at = (uint64_t)r->starts[p.piece] + p.offset;
    r->of->bad = r->of->bad || at > raw_n;
    return (uint32_t)at;
}

/* Raw text at the end of `out`; returns its length. */
static uint32_t put_raw(struct putting *r, const struct cold_shape *s, struct buf *out)
{
    size_t start = out->n;
    for (uint32_t i = 0; i < s->piece_count; i++) {
        r->starts[i] = (uint32_t)(out->n - start);
        buf_sv(out, s->pieces[i].is_hole ? next_value(r, s->pieces[i].column) : s->pieces[i].literal);
    }
    r->starts[s->piece_count] = (uint32_t)(out->n - start);
    return (uint32_t)(out->n - start);
}

static void put_table(struct putting *r, const struct cold_shape *s, uint32_t raw_n, struct buf *out)
{
    size_t table_at = out->n, strings_at = table_at + TABLE_HEAD + (size_t)s->entry_count * ENTRY_BYTES;
    char *p = buf_reserve(out, TABLE_HEAD + (size_t)s->entry_count * ENTRY_BYTES);
    if (p == NULL)
        return;
    memset(p, 0, strings_at - table_at);
    out->n = strings_at;
    for (uint32_t i = 0; i < s->entry_count && !r->of->bad; i++) {
        const struct cold_shape_entry *e = &s->entries[i];
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

static void put_head(struct putting *r, struct numbers *n, struct buf *out)
{
    char head[TC_RECORD_HEADER_BYTES] = {0};
    uint64_t id = reader_varint(&n->envelope);
    r->of->bad = r->of->bad || id >= r->of->envelope_count;
    if (r->of->bad)
        return;
    struct sv envelope = r->of->envelopes[id], source = sv_from(envelope, COLD_ENVELOPE_FIXED);
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

static void put_salt(struct putting *r, struct numbers *n, struct buf *out)
{
    uint8_t salt[TC_RECORD_SALT_BYTES];
    if (cold_reading_stream(r->of, COLD_SALTS).n == 0) {
        salts_derive(r->of->seed, n->at_sequence, salt);
        buf_add(out, salt, sizeof salt);
    } else {
        buf_sv(out, reader_bytes(&n->salts, TC_RECORD_SALT_BYTES));
    }
}

static void put_record(struct putting *r, struct numbers *n, struct buf *out)
{
    size_t block_at = out->n;
    put_head(r, n, out);
    put_salt(r, n, out);
    uint64_t shape = reader_varint(&n->shape);
    size_t raw_at = out->n;
    uint32_t raw_n;
    r->of->bad = r->of->bad || shape > r->of->shape_count;
    if (r->of->bad)
        return;
    if (shape > 0) {
        const struct cold_shape *s = &r->of->shapes[shape - 1];
        raw_n = put_raw(r, s, out);
        if (s->has_table)
            put_table(r, s, raw_n, out);
    } else {
        uint64_t raw = reader_varint(&n->whole), table = reader_varint(&n->whole);
        raw_n = (uint32_t)raw;
        r->of->bad = r->of->bad || n->whole.bad || raw > RAW_MAX || table > RAW_MAX;
        buf_sv(out, r->of->bad ? (struct sv){0} : reader_bytes(&n->whole, (size_t)(raw + table)));
    }
    if (r->of->bad || out->overflow)
        return;
    store_u32(out->p + block_at, (uint32_t)(out->n - block_at));
    store_u32(out->p + block_at + 4, (uint32_t)(out->n - raw_at - raw_n));
    store_u32(out->p + block_at + 20, raw_n);
}

/* --- all
 * -------------------------------------------------------------------------------------------------------------------
 */

static void get_positions(struct putting *r, uint32_t count, struct buf *out)
{
    struct reader in = reader_of(cold_reading_stream(r->of, COLD_POSITIONS));
    uint64_t position = 0;
    for (uint32_t i = 0; i < count && !in.bad; i++) {
        uint64_t step = reader_varint(&in);
        r->of->bad = r->of->bad || step == 0 || position > UINT64_MAX - step;
        position += step;
        buf_u64(out, position);
    }
    r->of->bad = r->of->bad || in.bad || in.rest.n > 0;
}

static struct numbers begin_numbers(struct putting *r)
{
    struct numbers n = {.envelope = reader_of(cold_reading_stream(r->of, COLD_ENVELOPE)),
                        .sequence = reader_of(cold_reading_stream(r->of, COLD_SEQUENCE)),
                        .received = reader_of(cold_reading_stream(r->of, COLD_RECEIVED)),
                        .time = reader_of(cold_reading_stream(r->of, COLD_TIME)),
                        .source_position = reader_of(cold_reading_stream(r->of, COLD_SOURCE_POSITION)),
                        .salts = reader_of(cold_reading_stream(r->of, COLD_SALTS)),
                        .shape = reader_of(cold_reading_stream(r->of, COLD_SHAPE)),
                        .whole = reader_of(cold_reading_stream(r->of, COLD_WHOLE))};
    n.received_divisor = cold_read_divisor(&n.received);
    n.time_divisor = cold_read_divisor(&n.time);
    return n;
}

static struct putting begin(struct cold_reading *of, bool all)
{
    struct arena *arena = &of->room.arena;
    return (struct putting){.of = of,
                            .all = all,
                            .next = ARENA_ARRAY(arena, size_t, of->column_count + 1),
                            .starts = ARENA_ARRAY(arena, uint32_t, COLD_PIECES_MAX + 1)};
}

/* The values that `times` records of a shape take are passed over. */
static void pass_over(struct putting *r, const struct cold_shape *s, size_t times)
{
    for (uint32_t i = 0; i < s->piece_count; i++)
        if (s->pieces[i].is_hole)
            r->next[s->pieces[i].column] += times;
    for (uint32_t i = 0; s->has_table && i < s->entry_count; i++)
        if (!s->entries[i].value_in_raw)
            r->next[s->entries[i].column] += times;
}

/* The numbers of one record that is not wanted; *ret_shape is its shape. */
static void skip_record(struct putting *r, struct numbers *n, size_t *ret_shape)
{
    buf_clear(&r->unwanted);
    put_head(r, n, &r->unwanted);
    if (cold_reading_stream(r->of, COLD_SALTS).n > 0)
        reader_bytes(&n->salts, TC_RECORD_SALT_BYTES);
    *ret_shape = (size_t)reader_varint(&n->shape);
    r->of->bad = r->of->bad || *ret_shape > r->of->shape_count;
    if (!r->of->bad && *ret_shape == 0) {
        uint64_t raw = reader_varint(&n->whole), table = reader_varint(&n->whole);
        r->of->bad = n->whole.bad || raw > RAW_MAX || table > RAW_MAX;
        reader_bytes(&n->whole, r->of->bad ? 0 : (size_t)(raw + table));
    }
}

bool cold_columns_some(struct cold_reading *of, const uint32_t *records, uint32_t count, struct buf *blocks)
{
    struct putting r = begin(of, count > FEW_RECORDS);
    buf_init(&r.unwanted, TC_RECORD_HEADER_BYTES + UINT16_MAX);
    struct numbers n = begin_numbers(&r);
    size_t *passed = ARENA_ARRAY(&of->room.arena, size_t, of->shape_count + 1), shape;
    for (uint32_t i = 0, k = 0; k < count && i < of->count && !of->bad; i++) {
        if (i < records[k]) {
            skip_record(&r, &n, &shape);
            if (!of->bad)
                passed[shape]++;
            continue;
        }
        for (size_t id = 1; id <= of->shape_count; id++) {
            if (passed[id] > 0)
                pass_over(&r, &of->shapes[id - 1], passed[id]);
            passed[id] = 0;
        }
        put_record(&r, &n, blocks);
        k++;
    }
    buf_free(&r.unwanted);
    return !of->bad && !blocks->overflow;
}

bool cold_columns_read(struct sv stored, uint32_t count, struct buf *positions, struct buf *blocks,
                       uint8_t ret_seed[SALTS_SEED_BYTES])
{
    struct cold_reading of;
    cold_reading_begin(&of, stored, count);
    struct putting r = begin(&of, true);
    if (!of.bad)
        get_positions(&r, count, positions);
    struct numbers n = begin_numbers(&r);
    for (uint32_t i = 0; i < count && !of.bad; i++)
        put_record(&r, &n, blocks);
    if (ret_seed != NULL && !of.bad)
        memcpy(ret_seed, of.seed, SALTS_SEED_BYTES);
    bool good = !of.bad && !blocks->overflow && !positions->overflow;
    cold_reading_end(&of);
    return good;
}
