/*
 * Names, hashes and the index of an event's fields; see event.h.
 *
 * The index is a small open-addressing table over 16-bit field numbers: it fits in a few cache lines for a
 * usual event, and an absent name (the usual answer to a rule) costs one probe.
 */
#include "event/event.h"

#include "base/buf.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static uint32_t finish(uint64_t h, size_t n)
{
    return (uint32_t)(mix(h, n) >> 32);
}

/* The last bytes of a name, fewer than 8, as one word; reads no byte outside of it. */
static uint64_t tail_word(const char *p, size_t n)
{
    if (n >= 4)
        return load_u32(p) | (uint64_t)load_u32(p + n - 4) << (8 * (n - 4));
    if (n == 0)
        return 0;
    const unsigned char *b = (const unsigned char *)p;
    return b[0] | (uint64_t)b[n / 2] << (8 * (n / 2)) | (uint64_t)b[n - 1] << (8 * (n - 1));
}

static bool has_space(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v = word ^ ones * ' ';
    return ((v - ones) & ~v & ones * 0x80) != 0;
}

/* The same value as for the name without its spaces: words are filled with the bytes that count. */
static uint32_t hash_without_spaces(struct sv name)
{
    uint64_t h = 0, word = 0;
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == ' ')
            continue;
        word |= (uint64_t)(unsigned char)name.p[i] << (8 * (n % 8));
        if (++n % 8 == 0) {
            h = mix(h, word);
            word = 0;
        }
    }
    return finish(n % 8 == 0 ? h : mix(h, word), n);
}

uint32_t event_name_hash(struct sv name)
{
    uint64_t h = 0;
    size_t i = 0;
    for (; name.n - i >= 8; i += 8) {
        uint64_t word = load_u64(name.p + i);
        if (TC_UNLIKELY(has_space(word)))
            return hash_without_spaces(name);
        h = mix(h, word);
    }
    if (i < name.n) {
        uint64_t word = tail_word(name.p + i, name.n - i);
        if (TC_UNLIKELY(has_space(word)))
            return hash_without_spaces(name);
        h = mix(h, word);
    }
    return finish(h, name.n);
}

bool event_name_eq(struct sv a, struct sv b)
{
    if (TC_LIKELY(sv_eq(a, b)))
        return true;
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a.n && a.p[i] == ' ')
            i++;
        while (j < b.n && b.p[j] == ' ')
            j++;
        if (i == a.n || j == b.n)
            return i == a.n && j == b.n;
        if (a.p[i++] != b.p[j++])
            return false;
    }
}

void event_append(struct event *event, struct arena *arena, const struct field *fields, uint32_t count)
{
    if (count == 0)
        return;
    tc_assert(event->field_count + count <= TC_EVENT_FIELDS_MAX + TC_EVENT_EXTRA_MAX);
    struct field *all = arena_alloc_raw(arena, (event->field_count + count) * sizeof all[0], 16);
    if (event->field_count > 0)
        memcpy(all, event->fields, event->field_count * sizeof all[0]);
    memcpy(all + event->field_count, fields, count * sizeof all[0]);
    event->fields = all;
    event->field_count += count;
}

/* While an event is indexed. */
struct indexing {
    struct event *event;
    struct arena *arena;
    uint16_t *tails; /* per bucket: last field of its chain, + 1 */
    uint16_t
        *exact; /* fields whose name occurs more than once, by their exact name, + 1; NULL before the first */
};

/* Adds a field by its exact name; false where that is there already. */
static bool is_new_exact(struct indexing *in, uint32_t at)
{
    struct event *event = in->event;
    const struct field *field = &event->fields[at];
    uint32_t slot = event_name_hash(field->exact) & event->bucket_mask;
    for (; in->exact[slot] != 0; slot = (slot + 1) & event->bucket_mask)
        if (sv_eq(event->fields[in->exact[slot] - 1].exact, field->exact))
            return false;
    in->exact[slot] = (uint16_t)(at + 1);
    return true;
}

/* A field whose name was there before goes to the end of its chain, which keeps the order of the event. */
static void join_chain(struct indexing *in, uint32_t slot, uint32_t at)
{
    struct event *event = in->event;
    struct field *field = &event->fields[at], *last = &event->fields[in->tails[slot] - 1];
    if (in->exact == NULL)
        in->exact = arena_alloc(in->arena, (event->bucket_mask + 1) * sizeof in->exact[0]);
    if (in->tails[slot] == event->buckets[slot])
        is_new_exact(in, event->buckets[slot] - 1u);
    if (!is_new_exact(in, at) && !(field->flags & FIELD_DERIVED)) {
        field->flags |= FIELD_DUPLICATE;
        event->flags |= EVENT_DUPLICATE_KEYS;
    }
    last->next_same = (int32_t)at;
    in->tails[slot] = (uint16_t)(at + 1);
}

static void index_field(struct indexing *in, uint32_t at)
{
    struct event *event = in->event;
    struct field *field = &event->fields[at];
    uint32_t slot = field->name_hash & event->bucket_mask;
    field->next_same = -1;
    for (; event->buckets[slot] != 0; slot = (slot + 1) & event->bucket_mask) {
        const struct field *first = &event->fields[event->buckets[slot] - 1];
        if (first->name_hash == field->name_hash && event_name_eq(first->name, field->name)) {
            join_chain(in, slot, at);
            return;
        }
    }
    event->buckets[slot] = in->tails[slot] = (uint16_t)(at + 1);
}

void event_index(struct event *event, struct arena *arena)
{
    uint32_t slots = 16;
    tc_assert(event->field_count <= TC_EVENT_FIELDS_MAX + TC_EVENT_EXTRA_MAX);
    while (slots < event->field_count * 2)
        slots *= 2;
    event->bucket_mask = slots - 1;
    event->buckets = arena_alloc(arena, slots * sizeof event->buckets[0]);
    struct indexing in = {event, arena, arena_alloc_raw(arena, slots * sizeof in.tails[0], 16), NULL};
    for (uint32_t i = 0; i < event->field_count; i++)
        index_field(&in, i);
}

const struct field *event_find(const struct event *event, struct sv name, uint32_t hash)
{
    if (event->field_count == 0)
        return NULL;
    for (uint32_t slot = hash & event->bucket_mask;; slot = (slot + 1) & event->bucket_mask) {
        uint16_t head = event->buckets[slot];
        if (head == 0)
            return NULL;
        const struct field *field = &event->fields[head - 1];
        if (field->name_hash == hash && event_name_eq(field->name, name))
            return field;
    }
}

struct sv event_value(const struct event *event, const char *name)
{
    const struct field *field = event_find(event, sv_of(name), event_name_hash(sv_of(name)));
    return field == NULL ? (struct sv){0} : field->value;
}
