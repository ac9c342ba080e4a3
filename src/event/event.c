/*
 * Names, hashes and the index of an event's fields; see event.h.
 *
 * The index is a small open-addressing table over 16-bit field numbers: it fits in a few cache lines for a
 * usual event, and an absent name (the usual answer to a rule) costs one probe.
 */
#include "event/event.h"

#include "base/buf.h"

enum { NAME_HASHED_MAX = 1024 }; /* longer names are told apart by comparing */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static uint32_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = n * UINT64_C(0xBF58476D1CE4E5B9);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        h = mix(h, load_u64(p + i));
    if (i < n) {
        uint64_t tail = 0;
        memcpy(&tail, p + i, n - i);
        h = mix(h, tail);
    }
    h = mix(h, 0);
    return (uint32_t)(h >> 32);
}

uint32_t event_name_hash(struct sv name)
{
    if (TC_LIKELY(name.n <= NAME_HASHED_MAX && sv_find_char(name, ' ') == name.n))
        return hash_bytes(name.p, name.n);
    char copy[NAME_HASHED_MAX];
    size_t n = 0;
    for (size_t i = 0; i < name.n && n < sizeof copy; i++)
        if (name.p[i] != ' ')
            copy[n++] = name.p[i];
    return hash_bytes(copy, n);
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

static void index_field(struct event *event, uint16_t *tails, uint32_t at)
{
    struct field *field = &event->fields[at];
    uint32_t slot = field->name_hash & event->bucket_mask;
    field->next_same = -1;
    for (;; slot = (slot + 1) & event->bucket_mask) {
        uint16_t head = event->buckets[slot];
        if (head == 0) {
            event->buckets[slot] = tails[slot] = (uint16_t)(at + 1);
            return;
        }
        struct field *first = &event->fields[head - 1];
        if (first->name_hash == field->name_hash && event_name_eq(first->name, field->name))
            break;
    }
    /* the chain keeps the order of the event, so a new one goes to its end */
    struct field *first = &event->fields[event->buckets[slot] - 1], *last = &event->fields[tails[slot] - 1];
    if (!(field->flags & FIELD_DERIVED) &&
        (sv_eq(field->exact, first->exact) || sv_eq(field->exact, last->exact))) {
        field->flags |= FIELD_DUPLICATE;
        event->flags |= EVENT_DUPLICATE_KEYS;
    }
    last->next_same = (int32_t)at;
    tails[slot] = (uint16_t)(at + 1);
}

void event_index(struct event *event, struct arena *arena)
{
    uint32_t slots = 16;
    tc_assert(event->field_count <= TC_EVENT_FIELDS_MAX + TC_EVENT_EXTRA_MAX);
    while (slots < event->field_count * 2)
        slots *= 2;
    event->bucket_mask = slots - 1;
    event->buckets = arena_alloc(arena, slots * sizeof event->buckets[0]);
    uint16_t *tails = arena_alloc_raw(arena, slots * sizeof tails[0], 16);
    for (uint32_t i = 0; i < event->field_count; i++)
        index_field(event, tails, i);
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
