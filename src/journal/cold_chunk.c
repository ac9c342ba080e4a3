/*
 * Looking into a chunk by its columns; see cold_chunk.h.
 *
 * A record takes the next value of each column that its shape names, so which value is whose follows from the
 * shapes of the records before it; only columns that are asked for are counted and unpacked.
 */
#include "journal/cold_chunk.h"

#include "journal/cold_pack.h"
#include "journal/cold_reading.h"

#include "base/varint.h"

#include <stdlib.h>

struct shape_fields {
    struct field *fields; /* NULL: not made yet */
    uint32_t count;
};

struct cold_chunk {
    const struct cold *cold;
    const struct cold_entry *entry;
    struct buf stored;
    struct cold_reading of;
    struct cold_ids ids; /* envelope NULL: not read yet */
    int64_t *times;      /* NULL: not read yet */
    struct shape_fields *fields;
};

static int damaged(const struct cold_chunk *c, struct err *err)
{
    return cold_damaged(c->cold, c->entry->part.offset, "a chunk whose columns cannot be", err);
}

int cold_chunk_open(const struct cold *cold, const struct cold_entry *entry, struct cold_chunk **ret,
                    struct err *err)
{
    *ret = NULL;
    if (entry->coding != COLD_COLUMNS)
        return 0;
    struct cold_chunk *c = tc_alloc(sizeof *c);
    c->cold = cold;
    c->entry = entry;
    buf_init(&c->stored, COLD_RAW_MAX_BYTES + 1);
    /* no record is shorter than its header: so room by number is bounded by the room that all take */
    bool fits = entry->part.raw_bytes <= COLD_RAW_MAX_BYTES &&
                entry->count <= entry->part.raw_bytes / TC_RECORD_HEADER_BYTES;
    int rc = fits ? cold_read(cold, &entry->part, false, &c->stored, err) : damaged(c, err);
    if (rc == 0) {
        cold_reading_begin(&c->of, buf_view(&c->stored), entry->count);
        rc = c->of.bad ? damaged(c, err) : 0;
    }
    if (rc != 0)
        cold_chunk_close(&c);
    *ret = c;
    return rc;
}

void cold_chunk_close(struct cold_chunk **chunk)
{
    if (*chunk == NULL)
        return;
    cold_reading_end(&(*chunk)->of);
    buf_free(&(*chunk)->stored);
    free(*chunk);
    *chunk = NULL;
}

/* --- ids and times
 * ------------------------------------------------------------------------------------------------------------
 */

static void read_ids(struct cold_reading *of, enum cold_stream which, size_t least, size_t end, uint16_t *to)
{
    struct reader in = reader_of(cold_reading_stream(of, which));
    for (uint32_t i = 0; i < of->count && !of->bad; i++) {
        uint64_t id = reader_varint(&in);
        of->bad = in.bad || id < least || id >= end;
        to[i] = (uint16_t)id;
    }
}

static void read_envelopes(struct cold_reading *of, struct cold_envelope *to)
{
    for (size_t i = 0; i < of->envelope_count; i++) {
        struct sv e = of->envelopes[i];
        to[i] = (struct cold_envelope){.type = (uint8_t)e.p[1],
                                       .class = (uint8_t)e.p[2],
                                       .has_time = e.p[26] != 0,
                                       .source = sv_from(e, COLD_ENVELOPE_FIXED)};
    }
}

int cold_chunk_ids(struct cold_chunk *c, struct cold_ids *ret, struct err *err)
{
    struct cold_reading *of = &c->of;
    struct arena *arena = &of->room.arena;
    if (c->ids.envelope == NULL) {
        uint16_t *envelope = ARENA_ARRAY(arena, uint16_t, of->count + 1),
                 *shape = ARENA_ARRAY(arena, uint16_t, of->count + 1);
        struct cold_envelope *envelopes = ARENA_ARRAY(arena, struct cold_envelope, of->envelope_count + 1);
        read_ids(of, COLD_ENVELOPE, 0, of->envelope_count, envelope);
        read_ids(of, COLD_SHAPE, 0, of->shape_count + 1, shape);
        read_envelopes(of, envelopes);
        c->ids = (struct cold_ids){.envelope = envelope,
                                   .shape = shape,
                                   .shape_count = (uint32_t)of->shape_count,
                                   .envelopes = envelopes,
                                   .envelope_count = (uint32_t)of->envelope_count};
        c->fields = ARENA_ARRAY(arena, struct shape_fields, of->shape_count + 1);
    }
    *ret = c->ids;
    return of->bad ? damaged(c, err) : 0;
}

int cold_chunk_times(struct cold_chunk *c, const int64_t **ret_ns, struct err *err)
{
    struct cold_reading *of = &c->of;
    struct cold_ids ids;
    int rc = cold_chunk_ids(c, &ids, err);
    if (rc == 0 && c->times == NULL) {
        struct reader received = reader_of(cold_reading_stream(of, COLD_RECEIVED)),
                      time = reader_of(cold_reading_stream(of, COLD_TIME));
        uint64_t received_divisor = cold_read_divisor(&received), time_divisor = cold_read_divisor(&time);
        uint64_t at_received = 0, at_time = 0;
        c->times = ARENA_ARRAY(&of->room.arena, int64_t, of->count + 1);
        for (uint32_t i = 0; i < of->count; i++) {
            bool has_time = ids.envelopes[ids.envelope[i]].has_time;
            at_received += cold_read_step(&received, received_divisor);
            at_time += has_time ? cold_read_step(&time, time_divisor) : 0;
            c->times[i] = (int64_t)(has_time ? at_time : at_received);
        }
        of->bad = of->bad || received.bad || time.bad;
        rc = of->bad ? damaged(c, err) : 0;
    }
    *ret_ns = c->times;
    return rc;
}

/* --- fields
 * ----------------------------------------------------------------------------------------------------------
 */

/* Text of a shape's literal at a place. */
static bool literal_at(const struct cold_shape *s, struct cold_shape_place at, size_t n, struct sv *ret)
{
    if (at.piece >= s->piece_count || s->pieces[at.piece].is_hole ||
        at.offset > s->pieces[at.piece].literal.n || n > s->pieces[at.piece].literal.n - at.offset)
        return false;
    *ret = sv_make(s->pieces[at.piece].literal.p + at.offset, n);
    return true;
}

static bool make_fields(struct cold_reading *of, const struct cold_shape *s, struct shape_fields *ret)
{
    struct field *fields = ARENA_ARRAY(&of->room.arena, struct field, s->entry_count + 1);
    for (uint32_t i = 0; i < s->entry_count; i++) {
        const struct cold_shape_entry *e = &s->entries[i];
        struct sv name = sv_head(e->text, e->name_n);
        if (e->name_in_raw && !literal_at(s, e->name, e->name_n, &name))
            return false; /* a name that a value of the record gives */
        fields[i] = (struct field){.name = name,
                                   .exact = name,
                                   .value = SV("?"),
                                   .name_hash = e->hash,
                                   .type = e->type,
                                   .flags = e->flags};
    }
    *ret = (struct shape_fields){fields, s->entry_count};
    return true;
}

int cold_chunk_fields(struct cold_chunk *c, uint32_t shape, const struct field **ret, uint32_t *ret_count,
                      struct err *err)
{
    struct cold_ids ids;
    int rc = cold_chunk_ids(c, &ids, err);
    if (rc != 0)
        return rc;
    struct shape_fields *f = &c->fields[shape];
    if (shape == 0 || (f->fields == NULL && !make_fields(&c->of, &c->of.shapes[shape - 1], f)))
        return 0;
    *ret = f->fields;
    *ret_count = f->count;
    return 1;
}

/* How many values of a column a record of the shape takes before the one at piece `piece` and entry `entry`;
 * all of them where both are the end. */
static uint32_t taken_before(const struct cold_shape *s, size_t column, uint32_t piece, uint32_t entry)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < TC_MIN(piece, s->piece_count); i++)
        n += s->pieces[i].is_hole && s->pieces[i].column == column;
    for (uint32_t i = 0; s->has_table && i < TC_MIN(entry, s->entry_count); i++)
        n += !s->entries[i].value_in_raw && s->entries[i].column == column;
    return n;
}

struct pick { /* of a shape */
    enum { PICK_NONE, PICK_TEXT, PICK_COLUMN } kind;
    struct sv text;
    size_t column;
    uint32_t nth;
};

static bool make_pick(const struct cold_shape *s, uint32_t field, struct pick *ret)
{
    const struct cold_shape_entry *e = &s->entries[field];
    if (!e->value_in_raw) {
        *ret = (struct pick){PICK_COLUMN, .column = e->column,
                             .nth = taken_before(s, e->column, UINT32_MAX, field)};
        return true;
    }
    if (e->from.piece == e->to.piece && literal_at(s, e->from, e->to.offset - e->from.offset, &ret->text)) {
        ret->kind = PICK_TEXT;
        return true;
    }
    if (e->from.piece >= s->piece_count || !s->pieces[e->from.piece].is_hole || e->from.offset != 0 ||
        e->to.piece != e->from.piece + 1 || e->to.offset != 0)
        return false;
    size_t column = s->pieces[e->from.piece].column;
    *ret = (struct pick){PICK_COLUMN, .column = column, .nth = taken_before(s, column, e->from.piece, 0)};
    return true;
}

/* By shape: how many values of a column a record takes. */
static uint32_t *steps_of(struct cold_reading *of, size_t column)
{
    uint32_t *steps = ARENA_ARRAY(&of->room.arena, uint32_t, of->shape_count + 1);
    for (size_t s = 1; s <= of->shape_count; s++)
        steps[s] = taken_before(&of->shapes[s - 1], column, UINT32_MAX, UINT32_MAX);
    return steps;
}

/* The values that the records take of one column, into those whose shape picks it. */
static bool pick_column(struct cold_chunk *c, const struct pick *picks, size_t column, struct sv *values)
{
    struct cold_reading *of = &c->of;
    const struct cold_column *from = cold_reading_column(of, column);
    const uint32_t *steps = steps_of(of, column);
    const uint16_t *shape = c->ids.shape;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < of->count; i++)
        taken += steps[shape[i]];
    of->bad = of->bad || taken > from->n;
    int32_t *nth = ARENA_ARRAY(&of->room.arena, int32_t, of->shape_count + 1);
    for (size_t s = 0; s <= of->shape_count; s++)
        nth[s] = picks[s].kind == PICK_COLUMN && picks[s].column == column ? (int32_t)picks[s].nth : -1;
    const struct sv *next = from->values;
    for (uint32_t i = 0; !of->bad && i < of->count; i++) {
        uint16_t s = shape[i];
        if (nth[s] >= 0)
            values[i] = next[nth[s]];
        next += steps[s];
    }
    return !of->bad;
}

int cold_chunk_values(struct cold_chunk *c, const int32_t *field, struct sv *values, struct err *err)
{
    struct cold_reading *of = &c->of;
    struct pick *picks = ARENA_ARRAY(&of->room.arena, struct pick, of->shape_count + 1);
    for (size_t s = 1; s <= of->shape_count; s++)
        if (field[s] >= 0 && !make_pick(&of->shapes[s - 1], (uint32_t)field[s], &picks[s]))
            return 0;
    for (uint32_t i = 0; i < of->count; i++)
        values[i] = picks[c->ids.shape[i]].text;
    for (size_t s = 1; s <= of->shape_count; s++) {
        bool is_first = picks[s].kind == PICK_COLUMN;
        for (size_t k = 1; k < s && is_first; k++)
            is_first = picks[k].kind != PICK_COLUMN || picks[k].column != picks[s].column;
        if (is_first && !pick_column(c, picks, picks[s].column, values))
            return damaged(c, err);
    }
    return 1;
}

/* --- a text
 * ----------------------------------------------------------------------------------------------------------
 */

/* What is asked of a chunk. */
struct asked {
    struct sv literal;
    bool holds[256]; /* bytes that it has */
    uint8_t *found;  /* by record */
    uint8_t *has;    /* by column: one of its values holds the literal */
};

/* The literal may stand across the border of a value: a neighbour of a hole is one of its bytes, or is not
 * known. */
static bool may_cross(const struct asked *a, const struct cold_shape *s)
{
    for (uint32_t i = 0; i + 1 < s->piece_count; i++) {
        const struct cold_shape_piece *x = &s->pieces[i], *y = &s->pieces[i + 1];
        struct sv text = x->is_hole ? y->literal : x->literal;
        if (x->is_hole == y->is_hole || text.n == 0)
            return true;
        if (a->holds[(uint8_t)text.p[x->is_hole ? 0 : text.n - 1]])
            return true;
    }
    return false;
}

static bool literal_pieces_hold(const struct asked *a, const struct cold_shape *s)
{
    for (uint32_t i = 0; i < s->piece_count; i++)
        if (!s->pieces[i].is_hole && sv_find(s->pieces[i].literal, a->literal) < s->pieces[i].literal.n)
            return true;
    return false;
}

/* Records whose shape holds the literal by itself. False: a record's text is not made of such pieces. */
static bool find_in_shapes(struct cold_chunk *c, const struct asked *a)
{
    struct cold_reading *of = &c->of;
    uint8_t *holds = ARENA_ARRAY(&of->room.arena, uint8_t, of->shape_count + 1);
    for (size_t s = 1; s <= of->shape_count; s++) {
        if (may_cross(a, &of->shapes[s - 1]))
            return false;
        holds[s] = literal_pieces_hold(a, &of->shapes[s - 1]);
    }
    for (uint32_t i = 0; i < of->count; i++) {
        if (c->ids.shape[i] == 0)
            return false;
        a->found[i] = holds[c->ids.shape[i]];
    }
    return true;
}

/* None of the values, as they are stored, can hold the literal; told without making texts of them. */
static bool streams_are_hopeless(struct cold_reading *of, size_t column, const struct asked *a)
{
    struct cold_packed_column *p = &of->packed_columns[column];
    struct sv texts;
    switch (p->coding) {
    case COLD_IPV4:
    case COLD_INTEGERS: {
        size_t i = 0;
        while (i < a->literal.n &&
               ((a->literal.p[i] >= '0' && a->literal.p[i] <= '9') || a->literal.p[i] == '.'))
            i++;
        return i < a->literal.n || a->literal.n > 20;
    }
    case COLD_SAME_LENGTH:
    case COLD_DICTIONARY:
        of->bad = of->bad || !cold_unpack_stream(&p->first, &of->room, &texts);
        if (of->bad)
            return true;
        if (p->coding == COLD_DICTIONARY)
            return sv_find(texts, a->literal) == texts.n;
        struct reader in = reader_of(texts);
        return reader_varint(&in) < a->literal.n;
    default:
        of->bad = of->bad || !cold_unpack_stream(&p->second, &of->room, &texts);
        return of->bad || sv_find(texts, a->literal) == texts.n;
    }
}

/* Texts of one length stand byte by byte in planes: one that is as long as the literal is compared there. */
static bool planes_hold(struct cold_reading *of, size_t column, const struct asked *a)
{
    struct cold_packed_column *p = &of->packed_columns[column];
    size_t n = of->columns[column].n, length = a->literal.n;
    struct sv planes, first;
    of->bad = of->bad || !cold_unpack_stream(&p->second, &of->room, &planes) ||
              !cold_unpack_stream(&p->first, &of->room, &first);
    if (of->bad)
        return false;
    struct reader in = reader_of(first);
    if (reader_varint(&in) != length || planes.n != length * n)
        return true; /* longer: its texts are looked at */
    for (size_t i = 0; i < n; i++) {
        const char *next = memchr(planes.p + i, a->literal.p[0], n - i);
        if (next == NULL)
            return false;
        i = (size_t)(next - planes.p);
        size_t at = 1;
        while (at < length && planes.p[at * n + i] == a->literal.p[at])
            at++;
        if (at == length)
            return true;
    }
    return false;
}

/* Nothing of what is stored, of what is copied, and of what stands across the border of both can hold it. */
static bool copy_is_hopeless(struct cold_reading *of, size_t column, const struct asked *a)
{
    struct cold_packed_column *p = &of->packed_columns[column];
    const struct cold_copy *copy = &p->copies[0];
    struct cold_column rest = {.n = of->columns[column].n};
    if (p->copy_count > 1 ||
        (copy->length >= a->literal.n && (copy->letters != COLD_COPY_AS_IS || a->has[copy->source])))
        return false;
    of->bad = of->bad || !cold_column_unpack(p, &of->room, &rest);
    for (size_t i = 0; i < rest.n && !of->bad; i++) {
        struct sv head = sv_head(rest.values[i], copy->at), tail = sv_from(rest.values[i], copy->at);
        if ((head.n > 0 && a->holds[(uint8_t)head.p[head.n - 1]]) ||
            (tail.n > 0 && a->holds[(uint8_t)tail.p[0]]))
            return false;
    }
    return true;
}

/* A column none of whose values can hold the literal. */
static bool is_hopeless(struct cold_reading *of, size_t column, const struct asked *a)
{
    struct cold_packed_column *p = &of->packed_columns[column];
    if (!streams_are_hopeless(of, column, a) && (p->coding != COLD_SAME_LENGTH || planes_hold(of, column, a)))
        return false;
    return p->copy_count == 0 || copy_is_hopeless(of, column, a);
}

static bool find_in_column(struct cold_chunk *c, const struct asked *a, size_t column)
{
    struct cold_reading *of = &c->of;
    if (is_hopeless(of, column, a))
        return !of->bad;
    const struct cold_column *values = cold_reading_column(of, column);
    const uint32_t *steps = steps_of(of, column);
    size_t next = 0;
    for (uint32_t i = 0; i < of->count && !of->bad; i++) {
        size_t end = next + steps[c->ids.shape[i]];
        of->bad = end > values->n;
        for (; next < end && !of->bad; next++)
            if (sv_find(values->values[next], a->literal) < values->values[next].n)
                a->found[i] = a->has[column] = 1;
    }
    return !of->bad;
}

int cold_chunk_find(struct cold_chunk *c, struct sv literal, uint32_t *records, uint32_t *ret_count,
                    struct err *err)
{
    struct cold_ids ids;
    struct cold_reading *of = &c->of;
    struct asked a = {.literal = literal,
                      .found = ARENA_ARRAY(&of->room.arena, uint8_t, of->count + 1),
                      .has = ARENA_ARRAY(&of->room.arena, uint8_t, of->column_count + 1)};
    int rc = cold_chunk_ids(c, &ids, err);
    *ret_count = 0;
    for (size_t i = 0; i < literal.n; i++)
        a.holds[(uint8_t)literal.p[i]] = true;
    if (rc != 0 || literal.n == 0 || !find_in_shapes(c, &a))
        return rc;
    for (size_t column = 0; column < of->column_count; column++)
        if (of->columns[column].n > 0 && !find_in_column(c, &a, column))
            return damaged(c, err);
    for (uint32_t i = 0; i < of->count; i++)
        if (a.found[i])
            records[(*ret_count)++] = i;
    return 1;
}

int cold_chunk_records(struct cold_chunk *c, const uint32_t *records, uint32_t count, struct buf *positions,
                       struct buf *blocks, struct err *err)
{
    struct cold_reading *of = &c->of;
    struct reader in = reader_of(cold_reading_stream(of, COLD_POSITIONS));
    uint64_t position = 0;
    for (uint32_t i = 0, k = 0; k < count && i < of->count; i++) {
        position += reader_varint(&in);
        if (i == records[k]) {
            buf_u64(positions, position);
            k++;
        }
    }
    return in.bad || positions->overflow || !cold_columns_some(of, records, count, blocks) ? damaged(c, err)
                                                                                           : 0;
}
