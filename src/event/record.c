/*
 * The record block; see record.h for its bytes.
 */
#include "event/record.h"

#include "base/sha256_two.h"

enum { TABLE_HEAD = 8, ENTRY_BYTES = 24, SOURCE_MAX = 4096 };

static void header(struct buf *out, const struct event *e, struct sv source)
{
    buf_u32(out, 0); /* block length, known at the end */
    buf_u32(out, 0); /* field table length */
    buf_u8(out, TC_RECORD_VERSION);
    buf_u8(out, e->type);
    buf_u8(out, e->class);
    buf_u8(out, 0);
    buf_u32(out, e->flags);
    buf_u16(out, e->parser_version);
    buf_u16(out, (uint16_t)source.n);
    buf_u32(out, (uint32_t)e->raw.n);
    buf_u32(out, e->repeat == 0 ? 1 : e->repeat);
    buf_u32(out, 0);
    buf_u64(out, e->epoch);
    buf_u64(out, e->sequence);
    buf_u64(out, (uint64_t)e->received.ns);
    buf_u64(out, (uint64_t)e->time.ns);
    buf_u64(out, e->source_position);
    buf_sv(out, source);
    static const char no_salt[TC_RECORD_SALT_BYTES];
    buf_add(out, no_salt, sizeof no_salt);
    buf_sv(out, e->raw);
}

struct strings { /* texts that are not in raw, in order of the entries */
    struct sv raw;
    size_t n;
};

static bool inside(struct sv whole, struct sv part)
{
    return part.n > 0 && whole.n > 0 && (uintptr_t)part.p >= (uintptr_t)whole.p &&
           (uintptr_t)part.p + part.n <= (uintptr_t)whole.p + whole.n;
}

/* Where `text` will stand: in raw, or next among the strings. */
static uint32_t place(struct strings *strings, struct sv text)
{
    if (inside(strings->raw, text))
        return (uint32_t)(text.p - strings->raw.p);
    uint32_t at = (uint32_t)(strings->raw.n + strings->n);
    strings->n += text.n;
    return at;
}

static bool has_exact(const struct field *f)
{
    bool is_same = f->name.p == f->exact.p && f->name.n == f->exact.n; /* the usual case */
    return !is_same && f->exact.n > 0 && f->exact.n <= UINT16_MAX && !sv_eq(f->name, f->exact);
}

/* One entry. A name with an index path of its own is kept together with it, so it is never shared with raw.
 */
static void put_entry(struct strings *strings, const struct field *f, char *to)
{
    size_t before = strings->n;
    bool exact = has_exact(f);
    uint32_t name_at = exact ? (uint32_t)(strings->raw.n + before) : place(strings, f->name);
    strings->n += exact ? f->name.n + f->exact.n : 0;
    store_u32(to, name_at);
    store_u32(to + 4, (uint32_t)f->name.n);
    store_u32(to + 8, place(strings, f->value));
    store_u32(to + 12, (uint32_t)f->value.n);
    store_u32(to + 16, f->name_hash);
    to[20] = (char)f->type;
    to[21] = (char)f->flags;
    store_u16(to + 22, exact ? (uint16_t)f->exact.n : 0);
}

/* The texts that put_entry placed among the strings. */
static void put_strings(const struct strings *strings, const struct event *e, const char *entries, char *to)
{
    uint32_t raw_n = (uint32_t)strings->raw.n;
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        const char *entry = entries + (size_t)i * ENTRY_BYTES;
        uint32_t name_at = load_u32(entry), value_at = load_u32(entry + 8), exact_n = load_u16(entry + 22);
        if (name_at >= raw_n && f->name.n > 0)
            memcpy(to + (name_at - raw_n), f->name.p, f->name.n);
        if (exact_n > 0)
            memcpy(to + (name_at - raw_n) + f->name.n, f->exact.p, exact_n);
        if (value_at >= raw_n && f->value.n > 0)
            memcpy(to + (value_at - raw_n), f->value.p, f->value.n);
    }
}

static void table(struct buf *out, const struct event *e)
{
    struct strings strings = {.raw = e->raw};
    size_t start = out->n, entries_at = start + TABLE_HEAD,
           strings_at = entries_at + (size_t)e->field_count * ENTRY_BYTES;
    if (buf_reserve(out, strings_at - start) == NULL)
        return;
    for (uint32_t i = 0; i < e->field_count; i++)
        put_entry(&strings, &e->fields[i], out->p + entries_at + (size_t)i * ENTRY_BYTES);
    if (buf_reserve(out, strings_at - start + strings.n) == NULL)
        return;
    put_strings(&strings, e, out->p + entries_at, out->p + strings_at);
    store_u32(out->p + start, e->field_count);
    store_u32(out->p + start + 4, (uint32_t)strings.n);
    out->n = strings_at + strings.n;
}

void record_encode(const struct event *e, struct buf *out)
{
    size_t start = out->n;
    header(out, e, sv_head(e->source, SOURCE_MAX));
    size_t table_at = out->n;
    if (e->field_count > 0)
        table(out, e);
    if (out->overflow)
        return;
    store_u32(out->p + start, (uint32_t)(out->n - start));
    store_u32(out->p + start + 4, (uint32_t)(out->n - table_at));
}

void record_encode_plain(enum record_type type, enum record_class class, struct sv source,
                         struct receive_time received, struct event_time time, struct sv raw, struct buf *out)
{
    struct event e = {.type = (uint8_t)type,
                      .class = (uint8_t) class,
                      .source = source,
                      .received = received,
                      .time = time,
                      .raw = raw,
                      .repeat = 1};
    record_encode(&e, out);
}

size_t record_length(struct sv bytes)
{
    if (bytes.n < TC_RECORD_HEADER_BYTES + TC_RECORD_SALT_BYTES)
        return 0;
    size_t n = load_u32(bytes.p);
    return n >= TC_RECORD_HEADER_BYTES + TC_RECORD_SALT_BYTES && n <= bytes.n ? n : 0;
}

struct layout {
    size_t source, raw, table;        /* lengths */
    size_t salt_at, raw_at, table_at; /* offsets */
};

static int lay_out(struct sv block, struct layout *ret, struct err *err)
{
    if (block.n == 0 || record_length(block) != block.n)
        return err_set(err, TC_ECORRUPT, "a record's length is not that of its block");
    if ((uint8_t)block.p[8] != TC_RECORD_VERSION)
        return err_set(err, TC_EUNSUPPORTED, "a record of format version %u: this program reads version %u",
                       (uint8_t)block.p[8], TC_RECORD_VERSION);
    struct layout l = {
        .source = load_u16(block.p + 18), .raw = load_u32(block.p + 20), .table = load_u32(block.p + 4)};
    l.salt_at = TC_RECORD_HEADER_BYTES + l.source;
    l.raw_at = l.salt_at + TC_RECORD_SALT_BYTES;
    l.table_at = l.raw_at + l.raw;
    if (l.table_at > block.n || block.n - l.table_at != l.table || (uint8_t)block.p[10] >= CLASS_COUNT ||
        (uint8_t)block.p[9] < REC_EVENT || (uint8_t)block.p[9] > REC_METRIC)
        return err_set(err, TC_ECORRUPT, "a record's parts do not add up to its length");
    *ret = l;
    return 0;
}

static void envelope(struct sv block, const struct layout *l, struct event *ret)
{
    const char *p = block.p;
    *ret = (struct event){.type = (uint8_t)p[9],
                          .class = (uint8_t)p[10],
                          .flags = load_u32(p + 12),
                          .parser_version = load_u16(p + 16),
                          .repeat = TC_MAX(load_u32(p + 24), 1u),
                          .epoch = load_u64(p + 32),
                          .sequence = load_u64(p + 40),
                          .received = {(int64_t)load_u64(p + 48)},
                          .time = {(int64_t)load_u64(p + 56)},
                          .source_position = load_u64(p + 64),
                          .source = sv_make(p + TC_RECORD_HEADER_BYTES, l->source),
                          .raw = sv_make(p + l->raw_at, l->raw)};
}

int record_decode_envelope(struct sv block, struct event *ret, struct err *err)
{
    struct layout l;
    int rc = lay_out(block, &l, err);
    if (rc == 0)
        envelope(block, &l, ret);
    return rc;
}

struct texts { /* raw and strings, as one space of offsets */
    struct sv raw, strings;
};

static bool text_at(const struct texts *texts, uint32_t offset, uint32_t length, struct sv *ret)
{
    struct sv from = offset < texts->raw.n ? texts->raw : texts->strings;
    size_t at = offset < texts->raw.n ? offset : offset - texts->raw.n;
    if (at > from.n || length > from.n - at)
        return false;
    *ret = sv_make(from.p + at, length);
    return true;
}

static bool read_entry(const struct texts *texts, const char *p, struct field *f)
{
    uint16_t exact = load_u16(p + 22);
    *f = (struct field){.name_hash = load_u32(p + 16), .type = (uint8_t)p[20], .flags = (uint8_t)p[21]};
    if (f->type > FIELD_ARRAY || !text_at(texts, load_u32(p), load_u32(p + 4), &f->name) ||
        !text_at(texts, load_u32(p + 8), load_u32(p + 12), &f->value))
        return false;
    f->exact = f->name;
    return exact == 0 || (load_u32(p) <= UINT32_MAX - (uint32_t)f->name.n &&
                          text_at(texts, load_u32(p) + (uint32_t)f->name.n, exact, &f->exact));
}

static const struct {
    const char *name;
    size_t offset;
} logsource_fields[] = {
    {"logsource.product", offsetof(struct event, product)},
    {"logsource.category", offsetof(struct event, category)},
    {"logsource.service", offsetof(struct event, service)},
};

static void read_logsource(struct event *e)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(logsource_fields); i++) {
        struct sv value = event_value(e, logsource_fields[i].name);
        memcpy((char *)e + logsource_fields[i].offset, &value, sizeof value);
    }
}

int record_decode(struct sv block, struct arena *arena, struct event *ret, struct err *err)
{
    struct layout l;
    int rc = lay_out(block, &l, err);
    if (rc != 0)
        return rc;
    struct event e;
    envelope(block, &l, &e);
    if (l.table > 0) {
        const char *p = block.p + l.table_at;
        uint32_t count = l.table < TABLE_HEAD ? UINT32_MAX : load_u32(p);
        size_t head = TABLE_HEAD + (size_t)count * ENTRY_BYTES;
        if (count > TC_EVENT_FIELDS_MAX + TC_EVENT_EXTRA_MAX || head > l.table ||
            load_u32(p + 4) != l.table - head)
            return err_set(err, TC_ECORRUPT, "a record's field table does not fit its length");
        struct texts texts = {e.raw, sv_make(p + head, l.table - head)};
        e.field_count = count;
        e.fields = arena_alloc_raw(arena, count * sizeof e.fields[0] + 1, 16);
        for (uint32_t i = 0; i < count; i++)
            if (!read_entry(&texts, p + TABLE_HEAD + (size_t)i * ENTRY_BYTES, &e.fields[i]))
                return err_set(err, TC_ECORRUPT, "a record's field %u points outside of it", i);
        event_index(&e, arena);
        read_logsource(&e);
    }
    *ret = e;
    return 0;
}

void record_seal(char *block, uint64_t epoch, uint64_t sequence, const uint8_t salt[TC_RECORD_SALT_BYTES])
{
    store_u64(block + 32, epoch);
    store_u64(block + 40, sequence);
    memcpy(block + TC_RECORD_HEADER_BYTES + load_u16(block + 18), salt, TC_RECORD_SALT_BYTES);
}

/* What a leaf is the hash of; false where the block is no record. */
static bool leaf_text(struct sv block, struct sha256_text *ret)
{
    struct layout l;
    const char *p = block.p;
    if (lay_out(block, &l, NULL) != 0)
        return false;
    *ret = (struct sha256_text){{sv_make("\0", 1), sv_make(p + l.salt_at, TC_RECORD_SALT_BYTES),
                                 sv_make(p + 8, l.salt_at - 8), sv_make(p + l.raw_at, l.raw)}};
    return true;
}

void record_leaf_hash(struct sv block, uint8_t out[TC_SHA256_BYTES])
{
    struct sha256_text text;
    struct sha256_ctx context;
    sha256_init(&context);
    /* damaged: a value of its own, which matches no leaf */
    if (!leaf_text(block, &text))
        text = (struct sha256_text){{sv_make("\0", 1), block}};
    for (size_t i = 0; i < TC_SHA256_PARTS_MAX; i++)
        if (text.parts[i].n > 0)
            sha256_update(&context, text.parts[i].n, (const uint8_t *)text.parts[i].p);
    hash_sha256_final(&context, out);
}

void record_leaf_hash_two(const struct sv blocks[2], uint8_t out[2][TC_SHA256_BYTES])
{
    struct sha256_text texts[2];
    if (leaf_text(blocks[0], &texts[0]) && leaf_text(blocks[1], &texts[1])) {
        hash_sha256_two(texts, out);
        return;
    }
    record_leaf_hash(blocks[0], out[0]);
    record_leaf_hash(blocks[1], out[1]);
}
