/*
 * Taking a chunk's records apart; see cold_columns.h. cold_values.c packs the columns, cold_columns_read.c
 * goes the other way.
 */
#include "journal/cold_columns.h"

#include "journal/cold_values.h"

#include "base/map.h"
#include "base/varint.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TABLE_HEAD = 8,
    ENTRY_BYTES = 24,
    FIELDS_MAX = 2048,
    NEW_SHAPES_FREE = 64, /* so many are taken as they come; then a literal text must be common */
    RECORDS_PER_SHAPE = 16,
};

struct entry { /* of a field table */
    uint32_t name_at, name_n, value_at, value_n, hash;
    uint16_t exact_n;
    uint8_t type, flags;
    const char *name; /* text */
    const char *value;
};

struct piece {
    uint32_t at, end;
    bool is_hole;
    size_t column;
};

struct writing {
    struct arena arena;
    struct buf streams[COLD_STREAMS];
    struct map envelopes, shapes, names;
    struct cold_column *columns;
    size_t column_count;
    uint64_t records, sequence, received, time, source_position;
    struct entry *entries;
    uint32_t entry_count;
    struct piece *pieces;
    size_t piece_count;
    uint32_t *cuts;
    struct buf key;
};

/* --- the field table
 * ------------------------------------------------------------------------------------------------------- */

/* False where it does not stand as record_encode writes it: names and values outside of raw one after
 * another. */
static bool read_table(struct writing *w, struct sv raw, struct sv table)
{
    w->entry_count = 0;
    if (table.n == 0)
        return true;
    uint32_t count = table.n < TABLE_HEAD ? UINT32_MAX : load_u32(table.p);
    if (count > FIELDS_MAX || TABLE_HEAD + (size_t)count * ENTRY_BYTES > table.n)
        return false;
    struct sv strings = sv_from(table, TABLE_HEAD + (size_t)count * ENTRY_BYTES);
    uint64_t next = raw.n;
    for (uint32_t i = 0; i < count; i++) {
        const char *p = table.p + TABLE_HEAD + (size_t)i * ENTRY_BYTES;
        struct entry e = {.name_at = load_u32(p),
                          .name_n = load_u32(p + 4),
                          .value_at = load_u32(p + 8),
                          .value_n = load_u32(p + 12),
                          .hash = load_u32(p + 16),
                          .type = (uint8_t)p[20],
                          .flags = (uint8_t)p[21],
                          .exact_n = load_u16(p + 22)};
        bool name_in_raw = e.name_at < raw.n, value_in_raw = e.value_at < raw.n;
        uint64_t name_bytes = (uint64_t)e.name_n + e.exact_n;
        if (name_in_raw ? e.exact_n != 0 || e.name_at + (uint64_t)e.name_n > raw.n
                        : e.name_at != next || next - raw.n + name_bytes > strings.n)
            return false;
        e.name = name_in_raw ? raw.p + e.name_at : strings.p + (next - raw.n);
        next += name_in_raw ? 0 : name_bytes;
        if (value_in_raw ? e.value_n == 0 || e.value_at + (uint64_t)e.value_n > raw.n
                         : e.value_at != next || next - raw.n + e.value_n > strings.n)
            return false;
        e.value = value_in_raw ? raw.p + e.value_at : strings.p + (next - raw.n);
        next += value_in_raw ? 0 : e.value_n;
        w->entries[i] = e;
    }
    w->entry_count = count;
    return next == raw.n + strings.n && load_u32(table.p + 4) == strings.n;
}

/* --- pieces
 * ----------------------------------------------------------------------------------------------------------------
 */

static bool is_scalar_in_raw(const struct entry *e, size_t raw_n)
{
    return e->value_at < raw_n && e->type != FIELD_OBJECT && e->type != FIELD_ARRAY;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t column_of(struct writing *w, struct sv name)
{
    bool is_new;
    uint64_t *slot = map_put(&w->names, name, &is_new);
    if (slot == NULL)
        return SIZE_MAX;
    if (is_new) {
        *slot = w->column_count;
        w->columns[w->column_count++] = (struct cold_column){.name = arena_sv(&w->arena, name)};
    }
    return (size_t)*slot;
}

/* Raw text is cut where scalar values begin and end. */
static bool cut_raw(struct writing *w, struct sv raw)
{
    size_t n = 0;
    w->cuts[n++] = 0;
    for (uint32_t i = 0; i < w->entry_count; i++)
        if (is_scalar_in_raw(&w->entries[i], raw.n)) {
            w->cuts[n++] = w->entries[i].value_at;
            w->cuts[n++] = w->entries[i].value_at + w->entries[i].value_n;
        }
    w->cuts[n++] = (uint32_t)raw.n;
    qsort(w->cuts, n, sizeof w->cuts[0], by_number);
    w->piece_count = 0;
    for (size_t i = 1; i < n; i++)
        if (w->cuts[i] > w->cuts[i - 1])
            w->pieces[w->piece_count++] = (struct piece){.at = w->cuts[i - 1], .end = w->cuts[i]};
    return w->piece_count <= COLD_PIECES_MAX;
}

/* The piece that holds offset `at`; piece_count where it is the end of all. */
static size_t piece_at(const struct writing *w, uint32_t at)
{
    size_t low = 0, high = w->piece_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->pieces[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool find_holes(struct writing *w, struct sv raw)
{
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const struct entry *e = &w->entries[i];
        if (!is_scalar_in_raw(e, raw.n))
            continue;
        size_t from = piece_at(w, e->value_at), to = piece_at(w, e->value_at + e->value_n - 1);
        for (size_t k = from; k <= to; k++) {
            bool is_it = from == to;
            if (w->pieces[k].is_hole && !is_it)
                continue;
            size_t column = column_of(w, is_it ? sv_make(e->name, e->name_n) : SV(""));
            if (column == SIZE_MAX)
                return false;
            w->pieces[k].column = w->pieces[k].is_hole && w->columns[w->pieces[k].column].name.n > 0
                                      ? w->pieces[k].column
                                      : column;
            w->pieces[k].is_hole = true;
        }
    }
    return true;
}

/* Texts that vary outside of any field: a column for each place. */
static bool open_literals(struct writing *w)
{
    char name[32];
    for (size_t i = 0; i < w->piece_count; i++) {
        if (w->pieces[i].is_hole)
            continue;
        int n = snprintf(name, sizeof name, "\x01%zu/%zu", i, w->piece_count);
        w->pieces[i].column = column_of(w, sv_make(name, (size_t)n));
        w->pieces[i].is_hole = true;
        if (w->pieces[i].column == SIZE_MAX)
            return false;
    }
    return true;
}

/* --- the shape
 * -------------------------------------------------------------------------------------------------------------
 */

/* An offset into raw as piece and distance from the piece's start. */
static void put_place(struct writing *w, uint32_t at)
{
    size_t piece = piece_at(w, at);
    buf_varint(&w->key, piece);
    buf_varint(&w->key, piece < w->piece_count ? at - w->pieces[piece].at : 0);
}

static bool put_entry(struct writing *w, const struct entry *e, struct sv raw)
{
    bool name_in_raw = e->name_at < raw.n, value_in_raw = e->value_at < raw.n;
    buf_u8(&w->key, e->type);
    buf_u8(&w->key, e->flags);
    buf_u8(&w->key, (uint8_t)((name_in_raw ? 0 : 1) | (value_in_raw ? 0 : 2)));
    buf_u32(&w->key, e->hash);
    buf_varint(&w->key, e->name_n);
    if (name_in_raw) {
        put_place(w, e->name_at);
    } else {
        buf_varint(&w->key, e->exact_n);
        buf_add(&w->key, e->name, (size_t)e->name_n + e->exact_n);
    }
    if (value_in_raw) {
        put_place(w, e->value_at);
        put_place(w, e->value_at + e->value_n);
        return true;
    }
    size_t column = column_of(w, sv_make(e->name, e->name_n));
    buf_varint(&w->key, column);
    return column != SIZE_MAX;
}

static bool make_key(struct writing *w, struct sv raw, struct sv table)
{
    bool good = true;
    buf_clear(&w->key);
    buf_varint(&w->key, w->piece_count);
    for (size_t i = 0; i < w->piece_count; i++) {
        const struct piece *p = &w->pieces[i];
        buf_u8(&w->key, p->is_hole ? COLD_HOLE : COLD_LITERAL);
        buf_varint(&w->key, p->is_hole ? p->column : p->end - p->at);
        if (!p->is_hole)
            buf_add(&w->key, raw.p + p->at, p->end - p->at);
    }
    buf_u8(&w->key, table.n > 0);
    buf_varint(&w->key, w->entry_count);
    for (uint32_t i = 0; good && i < w->entry_count; i++)
        good = put_entry(w, &w->entries[i], raw);
    return good && !w->key.overflow;
}

static size_t shape_of(struct writing *w)
{
    bool is_new;
    uint64_t *slot = map_put(&w->shapes, buf_view(&w->key), &is_new);
    if (slot == NULL)
        return 0;
    if (is_new) {
        *slot = w->shapes.live;
        buf_varint(&w->streams[COLD_SHAPES], w->key.n);
        buf_sv(&w->streams[COLD_SHAPES], buf_view(&w->key));
    }
    return (size_t)*slot;
}

/* The record's shape, 0 where it has none. */
static size_t find_shape(struct writing *w, struct sv raw, struct sv table)
{
    if (!read_table(w, raw, table) || !cut_raw(w, raw) || !find_holes(w, raw) || !make_key(w, raw, table))
        return 0;
    bool may_be_new = w->shapes.live < NEW_SHAPES_FREE || w->shapes.live < w->records / RECORDS_PER_SHAPE;
    if (!may_be_new && map_get(&w->shapes, buf_view(&w->key)) == NULL &&
        (!open_literals(w) || !make_key(w, raw, table)))
        return 0;
    return shape_of(w);
}

/* --- a record
 * --------------------------------------------------------------------------------------------------------------
 */

static void put_envelope(struct writing *w, struct sv block)
{
    char text[COLD_ENVELOPE_FIXED + UINT16_MAX];
    size_t source = load_u16(block.p + 18);
    bool is_new;
    memcpy(text, block.p + 8, 10);       /* version, type, class, zero, flags, parser */
    memcpy(text + 10, block.p + 24, 16); /* repeat, zero, epoch */
    text[26] = (int64_t)load_u64(block.p + 56) != TC_NO_TIME;
    memset(text + 27, 0, COLD_ENVELOPE_FIXED - 27);
    memcpy(text + COLD_ENVELOPE_FIXED, block.p + TC_RECORD_HEADER_BYTES, source);
    struct sv key = sv_make(text, COLD_ENVELOPE_FIXED + source);
    uint64_t *slot = map_put(&w->envelopes, key, &is_new);
    if (is_new) {
        *slot = w->envelopes.live - 1;
        buf_string(&w->streams[COLD_ENVELOPES], key);
    }
    buf_varint(&w->streams[COLD_ENVELOPE], *slot);
}

static void put_numbers(struct writing *w, struct sv block)
{
    uint64_t sequence = load_u64(block.p + 40), received = load_u64(block.p + 48),
             time = load_u64(block.p + 56), source_position = load_u64(block.p + 64);
    buf_varint_step(&w->streams[COLD_SEQUENCE], w->sequence + 1, sequence);
    buf_u64(&w->streams[COLD_RECEIVED], received - w->received);
    if ((int64_t)time != TC_NO_TIME) {
        buf_u64(&w->streams[COLD_TIME], time - w->time);
        w->time = time;
    }
    buf_varint_step(&w->streams[COLD_SOURCE_POSITION], w->source_position + 1, source_position);
    w->sequence = sequence;
    w->received = received;
    w->source_position = source_position;
}

static void put_values(struct writing *w, struct sv raw)
{
    for (size_t i = 0; i < w->piece_count; i++)
        if (w->pieces[i].is_hole)
            cold_column_add(&w->columns[w->pieces[i].column],
                            sv_make(raw.p + w->pieces[i].at, w->pieces[i].end - w->pieces[i].at), w->records);
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const struct entry *e = &w->entries[i];
        if (e->value_at >= raw.n)
            cold_column_add(&w->columns[column_of(w, sv_make(e->name, e->name_n))],
                            sv_make(e->value, e->value_n), w->records);
    }
}

static bool put_record(struct writing *w, struct sv block)
{
    struct event e;
    if (record_decode_envelope(block, &e, NULL) != 0 || load_u32(block.p + 28) != 0 ||
        w->envelopes.live > UINT16_MAX)
        return false;
    struct sv raw = e.raw, table = sv_make(raw.p + raw.n, load_u32(block.p + 4));
    put_envelope(w, block);
    put_numbers(w, block);
    buf_add(&w->streams[COLD_SALTS], raw.p - TC_RECORD_SALT_BYTES, TC_RECORD_SALT_BYTES);
    size_t shape = find_shape(w, raw, table);
    buf_varint(&w->streams[COLD_SHAPE], shape);
    if (shape != 0) {
        put_values(w, raw);
    } else {
        buf_varint(&w->streams[COLD_WHOLE], raw.n);
        buf_varint(&w->streams[COLD_WHOLE], table.n);
        buf_add(&w->streams[COLD_WHOLE], raw.p, raw.n + table.n);
    }
    w->records++;
    return true;
}

/* --- all
 * -------------------------------------------------------------------------------------------------------------------
 */

/* Salts that come from the seed need not be kept. */
static bool salts_fit(struct sv blocks, const uint8_t *seed)
{
    for (struct sv rest = blocks; seed != NULL && rest.n > 0;) {
        uint8_t salt[TC_RECORD_SALT_BYTES];
        salts_derive(seed, load_u64(rest.p + 40), salt);
        if (memcmp(salt, rest.p + TC_RECORD_HEADER_BYTES + load_u16(rest.p + 18), sizeof salt) != 0)
            return false;
        rest = sv_from(rest, record_length(rest));
    }
    return seed != NULL;
}

static void put_all(struct writing *w, struct sv blocks, const uint8_t *seed, struct buf *out)
{
    static const uint8_t none[SALTS_SEED_BYTES];
    struct buf names;
    bool derived = salts_fit(blocks, seed);
    if (derived)
        buf_clear(&w->streams[COLD_SALTS]);
    buf_add(out, derived ? seed : none, SALTS_SEED_BYTES);
    cold_pack_steps(&w->streams[COLD_RECEIVED]);
    cold_pack_steps(&w->streams[COLD_TIME]);
    for (size_t i = 0; i < COLD_STREAMS; i++)
        cold_put_stream(buf_view(&w->streams[i]), out);
    buf_init(&names, 64 << 20);
    struct buf values;
    buf_init(&values, out->max_bytes);
    buf_varint(&names, w->column_count);
    for (size_t i = 0; i < w->column_count; i++) {
        buf_string(&names, w->columns[i].name);
        cold_column_write(w->columns, i, &names, &values);
        buf_varint(&names, w->columns[i].n);
    }
    cold_put_stream(buf_view(&names), out);
    buf_sv(out, buf_view(&values));
    buf_free(&values);
    buf_free(&names);
}

static void begin(struct writing *w)
{
    *w = (struct writing){0};
    for (size_t i = 0; i < COLD_STREAMS; i++)
        buf_init(&w->streams[i], 512 << 20);
    map_init(&w->envelopes, UINT16_MAX + 2);
    map_init(&w->shapes, COLD_SHAPES_MAX);
    map_init(&w->names, COLD_COLUMNS_MAX);
    buf_init(&w->key, 8 << 20);
    w->columns = tc_alloc(COLD_COLUMNS_MAX * sizeof w->columns[0]);
    w->entries = tc_alloc(FIELDS_MAX * sizeof w->entries[0]);
    w->pieces = tc_alloc((2 * FIELDS_MAX + 2) * sizeof w->pieces[0]);
    w->cuts = tc_alloc((2 * FIELDS_MAX + 2) * sizeof w->cuts[0]);
}

static void end(struct writing *w)
{
    for (size_t i = 0; i < COLD_STREAMS; i++)
        buf_free(&w->streams[i]);
    for (size_t i = 0; i < w->column_count; i++)
        free(w->columns[i].values);
    map_free(&w->envelopes);
    map_free(&w->shapes);
    map_free(&w->names);
    buf_free(&w->key);
    free(w->columns);
    free(w->entries);
    free(w->pieces);
    free(w->cuts);
    arena_free(&w->arena);
}

bool cold_columns_write(struct sv positions, struct sv blocks, const uint8_t seed[SALTS_SEED_BYTES],
                        struct buf *out)
{
    struct writing w;
    uint64_t before = 0;
    bool good = true;
    begin(&w);
    for (size_t at = 0; at + 8 <= positions.n; at += 8) {
        uint64_t position = load_u64(positions.p + at);
        buf_varint(&w.streams[COLD_POSITIONS], position - before);
        before = position;
    }
    for (struct sv rest = blocks; good && rest.n > 0;) {
        size_t n = record_length(rest);
        good = n > 0 && put_record(&w, sv_head(rest, n));
        rest = sv_from(rest, n);
    }
    if (good)
        put_all(&w, blocks, seed, out);
    end(&w);
    return good && !out->overflow;
}
