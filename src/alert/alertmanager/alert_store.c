/*
 * Texts that are stored once, and alerts made of their numbers; see alert_store.h. Both tables are open
 * addressing with linear probing, and removal shifts back what stands behind.
 */
#include "alert/alertmanager/alert_store.h"

#include "base/hash.h"

#include <stdlib.h>

enum { SLOTS_MIN = 64 };

#define NONE UINT32_MAX

struct am_text {
    uint32_t holders, bytes, hash;
    char text[];
};

/* --- tables of numbers --- */

/* Where a number's key hashes to. */
typedef uint32_t hash_of_fn(const void *context, uint32_t number);

static void insert_slot(uint32_t *slots, size_t slot_count, uint32_t hash, uint32_t number)
{
    size_t at = hash & (slot_count - 1);
    while (slots[at] != 0)
        at = (at + 1) & (slot_count - 1);
    slots[at] = number + 1;
}

/* Room for one more: at most 7 of 8 slots are taken. */
static void grow_slots(uint32_t **slots, size_t *slot_count, size_t live, hash_of_fn *hash_of,
                       const void *context)
{
    if ((live + 1) * 8 <= *slot_count * 7)
        return;
    size_t wanted = TC_MAX((size_t)SLOTS_MIN, *slot_count * 2);
    uint32_t *larger = tc_alloc(wanted * sizeof *larger);
    for (size_t i = 0; i < *slot_count; i++)
        if ((*slots)[i] != 0)
            insert_slot(larger, wanted, hash_of(context, (*slots)[i] - 1), (*slots)[i] - 1);
    free(*slots);
    *slots = larger;
    *slot_count = wanted;
}

static void remove_slot(uint32_t *slots, size_t slot_count, uint32_t hash, uint32_t number,
                        hash_of_fn *hash_of, const void *context)
{
    size_t mask = slot_count - 1, hole = hash & mask;
    while (slots[hole] != number + 1)
        hole = (hole + 1) & mask;
    for (size_t at = (hole + 1) & mask; slots[at] != 0; at = (at + 1) & mask) {
        size_t home = hash_of(context, slots[at] - 1) & mask;
        /* it may stand in the hole unless its home lies behind it */
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        slots[hole] = slots[at];
        hole = at;
    }
    slots[hole] = 0;
}

/* --- texts --- */

static uint32_t hash_text(struct sv text)
{
    return (uint32_t)hash_table_64(text);
}

static uint32_t hash_of_text(const void *context, uint32_t number)
{
    const struct am_texts *texts = context;
    return texts->items[number]->hash;
}

static struct sv text_of(const struct am_texts *texts, uint32_t number)
{
    const struct am_text *text = texts->items[number];
    return sv_make(text->text, text->bytes);
}

static uint32_t find_text(const struct am_texts *texts, struct sv text, uint32_t hash)
{
    size_t mask = texts->slot_count - 1;
    for (size_t at = hash & mask; texts->slot_count > 0 && texts->slots[at] != 0; at = (at + 1) & mask) {
        const struct am_text *item = texts->items[texts->slots[at] - 1];
        if (item->hash == hash && sv_eq(sv_make(item->text, item->bytes), text))
            return texts->slots[at] - 1;
    }
    return NONE;
}

static uint32_t new_number(struct am_texts *texts)
{
    uint32_t number = texts->free_number;
    if (number != NONE) {
        texts->free_number = texts->free_next[number];
        return number;
    }
    if (texts->count == texts->capacity) {
        texts->capacity = TC_MAX((size_t)SLOTS_MIN, texts->capacity + texts->capacity / 2);
        texts->items = tc_realloc(texts->items, texts->capacity * sizeof(struct am_text *));
        texts->free_next = tc_realloc(texts->free_next, texts->capacity * sizeof(uint32_t));
    }
    return (uint32_t)texts->count++;
}

static uint32_t hold_text(struct am_texts *texts, struct sv text)
{
    uint32_t hash = hash_text(text), number = find_text(texts, text, hash);
    if (number == NONE) {
        grow_slots(&texts->slots, &texts->slot_count, texts->count, hash_of_text, texts);
        number = new_number(texts);
        struct am_text *item = tc_alloc(sizeof *item + text.n);
        item->bytes = (uint32_t)text.n;
        item->hash = hash;
        if (text.n > 0)
            memcpy(item->text, text.p, text.n);
        texts->items[number] = item;
        insert_slot(texts->slots, texts->slot_count, hash, number);
    }
    texts->items[number]->holders++;
    return number;
}

static void drop_text(struct am_texts *texts, uint32_t number)
{
    struct am_text *text = texts->items[number];
    if (--text->holders > 0)
        return;
    remove_slot(texts->slots, texts->slot_count, text->hash, number, hash_of_text, texts);
    free(text);
    texts->items[number] = NULL;
    texts->free_next[number] = texts->free_number;
    texts->free_number = number;
}

/* --- alerts --- */

static uint32_t hash_numbers(const uint32_t *pairs, size_t label_count)
{
    return (uint32_t)hash_table_64(sv_make((const char *)pairs, 2 * label_count * sizeof *pairs));
}

static uint32_t hash_of_stored(const void *context, uint32_t index)
{
    const struct am_alert_store *store = context;
    const struct stored *stored = store->list[index];
    return hash_numbers(stored->pairs, stored->label_count);
}

void alert_store_init(struct am_alert_store *store)
{
    *store = (struct am_alert_store){.texts.free_number = NONE};
}

void alert_store_free(struct am_alert_store *store)
{
    for (size_t i = 0; i < store->count; i++) {
        stored_leave_all(store->list[i]);
        free(store->list[i]->apart);
        free(store->list[i]);
    }
    for (size_t i = 0; i < store->texts.count; i++)
        free(store->texts.items[i]);
    free(store->texts.items);
    free(store->texts.free_next);
    free(store->texts.slots);
    free(store->list);
    free(store->slots);
    alert_store_init(store);
}

struct stored *alert_store_find(const struct am_alert_store *store, struct am_labels labels)
{
    enum { ON_STACK = 64 };
    uint32_t few[2 * ON_STACK], *pairs = few;
    struct stored *found = NULL;
    if (store->slot_count == 0)
        return NULL;
    if (labels.count > ON_STACK)
        pairs = tc_alloc(2 * labels.count * sizeof *pairs);
    bool known = true;
    for (size_t i = 0; i < labels.count && known; i++) {
        struct sv name = labels.items[i].name, value = labels.items[i].value;
        pairs[2 * i] = find_text(&store->texts, name, hash_text(name));
        pairs[2 * i + 1] = find_text(&store->texts, value, hash_text(value));
        known = pairs[2 * i] != NONE && pairs[2 * i + 1] != NONE;
    }
    size_t mask = store->slot_count - 1;
    for (size_t at = known ? hash_numbers(pairs, labels.count) & mask : 0;
         known && found == NULL && store->slots[at] != 0; at = (at + 1) & mask) {
        struct stored *stored = store->list[store->slots[at] - 1];
        if (stored->label_count == labels.count &&
            memcmp(stored->pairs, pairs, 2 * labels.count * sizeof *pairs) == 0)
            found = stored;
    }
    if (pairs != few)
        free(pairs);
    return found;
}

static void hold_pairs(struct am_texts *texts, struct am_labels labels, uint32_t *pairs)
{
    for (size_t i = 0; i < labels.count; i++) {
        pairs[2 * i] = hold_text(texts, labels.items[i].name);
        pairs[2 * i + 1] = hold_text(texts, labels.items[i].value);
    }
}

static void drop_pairs(struct am_texts *texts, const uint32_t *pairs, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++)
        drop_text(texts, pairs[i]);
}

static size_t block_bytes(size_t labels, size_t annotations)
{
    return sizeof(struct stored) + 2 * (labels + annotations) * sizeof(uint32_t);
}

struct stored *alert_store_add(struct am_alert_store *store, const struct am_alert *alert)
{
    size_t labels = alert->labels.count, annotations = alert->annotations.count;
    if (labels > UINT16_MAX || annotations > UINT16_MAX)
        return NULL;
    struct stored *stored = tc_alloc(block_bytes(labels, annotations));
    stored->label_count = (uint16_t)labels;
    stored->annotation_count = stored->room = (uint16_t)annotations;
    stored->source = NONE;
    hold_pairs(&store->texts, alert->labels, stored->pairs);
    hold_pairs(&store->texts, alert->annotations, stored->pairs + 2 * labels);
    stored->generator_url = hold_text(&store->texts, alert->generator_url);
    grow_slots(&store->slots, &store->slot_count, store->count, hash_of_stored, store);
    if (store->count == store->capacity) {
        store->capacity = TC_MAX((size_t)SLOTS_MIN, store->capacity + store->capacity / 2);
        store->list = tc_realloc(store->list, store->capacity * sizeof(struct stored *));
    }
    stored->index = (uint32_t)store->count;
    store->list[store->count++] = stored;
    insert_slot(store->slots, store->slot_count, hash_numbers(stored->pairs, labels), stored->index);
    return stored;
}

static const uint32_t *annotations_of(const struct stored *stored)
{
    return stored->apart != NULL ? stored->apart : stored->pairs + 2 * stored->label_count;
}

static bool same_annotations(const struct am_texts *texts, const struct stored *stored,
                             struct am_labels given)
{
    const uint32_t *pairs = annotations_of(stored);
    bool same = stored->annotation_count == given.count;
    for (size_t i = 0; i < given.count && same; i++)
        same = sv_eq(text_of(texts, pairs[2 * i + 1]), given.items[i].value) &&
               sv_eq(text_of(texts, pairs[2 * i]), given.items[i].name);
    return same;
}

static void change_annotations(struct am_texts *texts, struct stored *stored, struct am_labels given)
{
    enum { ON_STACK = 64 };
    uint32_t few[2 * ON_STACK], *was = few;
    size_t before = stored->annotation_count;
    /* what stays is held before what was is dropped */
    if (before > ON_STACK)
        was = tc_alloc(2 * before * sizeof *was);
    memcpy(was, annotations_of(stored), 2 * before * sizeof *was);
    if (given.count > stored->room) {
        stored->apart = tc_realloc(stored->apart, 2 * given.count * sizeof *stored->apart);
    } else {
        free(stored->apart);
        stored->apart = NULL;
    }
    hold_pairs(texts, given, (uint32_t *)(uintptr_t)annotations_of(stored));
    stored->annotation_count = (uint16_t)given.count;
    drop_pairs(texts, was, before);
    if (was != few)
        free(was);
}

bool alert_store_change(struct am_alert_store *store, struct stored *stored, const struct am_alert *alert)
{
    struct am_texts *texts = &store->texts;
    if (alert->annotations.count > UINT16_MAX)
        return false;
    if (!sv_eq(text_of(texts, stored->generator_url), alert->generator_url)) {
        uint32_t was = stored->generator_url;
        stored->generator_url = hold_text(texts, alert->generator_url);
        drop_text(texts, was);
    }
    if (!same_annotations(texts, stored, alert->annotations))
        change_annotations(texts, stored, alert->annotations);
    return true;
}

void alert_store_remove(struct am_alert_store *store, struct stored *stored)
{
    uint32_t index = stored->index, last = (uint32_t)store->count - 1;
    remove_slot(store->slots, store->slot_count, hash_of_stored(store, index), index, hash_of_stored, store);
    if (index != last) { /* the last one takes its place */
        struct stored *moved = store->list[last];
        size_t mask = store->slot_count - 1, at = hash_of_stored(store, last) & mask;
        while (store->slots[at] != last + 1)
            at = (at + 1) & mask;
        store->slots[at] = index + 1;
        store->list[index] = moved;
        moved->index = index;
    }
    store->count--;
    drop_pairs(&store->texts, stored->pairs, stored->label_count);
    drop_pairs(&store->texts, annotations_of(stored), stored->annotation_count);
    drop_text(&store->texts, stored->generator_url);
    stored_leave_all(stored);
    free(stored->apart);
    free(stored);
}

static void show_pairs(const struct am_texts *texts, const uint32_t *pairs, size_t count,
                       struct am_label *ret)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = (struct am_label){text_of(texts, pairs[2 * i]), text_of(texts, pairs[2 * i + 1])};
}

struct am_alert alert_store_view(const struct am_alert_store *store, const struct stored *stored,
                                 struct arena *arena)
{
    size_t count = (size_t)stored->label_count + stored->annotation_count;
    struct am_label *items = arena_alloc_raw(arena, (count + 1) * sizeof *items, _Alignof(struct am_label));
    show_pairs(&store->texts, stored->pairs, stored->label_count, items);
    show_pairs(&store->texts, annotations_of(stored), stored->annotation_count, items + stored->label_count);
    return (struct am_alert){.labels = {items, stored->label_count},
                             .annotations = {items + stored->label_count, stored->annotation_count},
                             .generator_url = text_of(&store->texts, stored->generator_url),
                             .starts_at_ns = stored->starts_at_ns,
                             .ends_at_ns = stored->ends_at_ns};
}

/* --- its groups --- */

struct group *const *stored_groups(const struct stored *stored)
{
    return stored->group_count > 1 ? stored->groups.many : &stored->groups.one;
}

void stored_join(struct stored *stored, struct group *group)
{
    struct group **many = NULL;
    if (stored->group_count > 0) {
        many = tc_alloc((stored->group_count + 1) * sizeof(struct group *));
        memcpy(many, stored_groups(stored), stored->group_count * sizeof(struct group *));
        many[stored->group_count] = group;
    }
    if (stored->group_count > 1)
        free(stored->groups.many);
    if (many != NULL)
        stored->groups.many = many;
    else
        stored->groups.one = group;
    stored->group_count++;
}

void stored_leave(struct stored *stored, const struct group *group)
{
    struct group **list = stored->group_count > 1 ? stored->groups.many : &stored->groups.one;
    uint32_t at = 0;
    while (at < stored->group_count && list[at] != group)
        at++;
    if (at == stored->group_count)
        return;
    list[at] = list[--stored->group_count];
    if (stored->group_count == 1) {
        struct group *last = list[0];
        free(stored->groups.many);
        stored->groups.one = last;
    }
}

void stored_leave_all(struct stored *stored)
{
    if (stored->group_count > 1)
        free(stored->groups.many);
    stored->group_count = 0;
}
