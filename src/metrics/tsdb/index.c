/*
 * The head's index; see index.h. Postings are sorted arrays: ids only grow, so adding is appending, and most
 * lists (one value of one series) hold a single id, which needs no memory of its own.
 */
#include "metrics/tsdb/index.h"

#include "base/hash.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 1024 };

void label_index_init(struct label_index *x)
{
    *x = (struct label_index){.slot_count = SLOTS_FIRST};
    map_init(&x->symbols, INDEX_SYMBOLS_MAX);
    x->slots = tc_alloc(SLOTS_FIRST * sizeof *x->slots);
}

void label_index_free(struct label_index *x)
{
    for (size_t i = 0; i < x->posting_count; i++)
        if (x->postings[i].capacity > 0)
            free(x->postings[i].ids);
    for (size_t i = 0; i < x->name_count; i++)
        free(x->names[i].postings);
    free(x->postings);
    free(x->names);
    free(x->slots);
    map_free(&x->symbols);
    *x = (struct label_index){0};
}

uint32_t label_index_symbol(struct label_index *x, struct sv text)
{
    bool fresh;
    uint64_t *value = map_put(&x->symbols, text, &fresh);
    if (value == NULL)
        return UINT32_MAX;
    if (fresh)
        *value = x->symbols.used - 1;
    return (uint32_t)*value;
}

bool label_index_find(const struct label_index *x, struct sv text, uint32_t *ret)
{
    const uint64_t *value = map_get(&x->symbols, text);
    if (value != NULL)
        *ret = (uint32_t)*value;
    return value != NULL;
}

static size_t slot_of(const struct label_index *x, uint32_t name, uint32_t value)
{
    uint64_t h = ((uint64_t)name << 32 | value) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    size_t at = (h >> 20) & (x->slot_count - 1);
    for (; x->slots[at] != 0; at = (at + 1) & (x->slot_count - 1)) {
        const struct posting *p = &x->postings[x->slots[at] - 1];
        if (p->name == name && p->value == value)
            break;
    }
    return at;
}

static void grow_slots(struct label_index *x)
{
    x->slot_count *= 2;
    free(x->slots);
    x->slots = tc_alloc(x->slot_count * sizeof *x->slots);
    for (size_t i = 0; i < x->posting_count; i++)
        x->slots[slot_of(x, x->postings[i].name, x->postings[i].value)] = (uint32_t)i + 1;
}

static void add_value(struct label_index *x, uint32_t name, uint32_t posting)
{
    struct name_values *v = NULL;
    for (size_t i = 0; i < x->name_count && v == NULL; i++)
        if (x->names[i].name == name)
            v = &x->names[i];
    if (v == NULL) {
        if (x->name_count == x->name_capacity) {
            x->name_capacity = TC_MAX((size_t)32, x->name_capacity * 2);
            x->names = tc_realloc(x->names, x->name_capacity * sizeof *x->names);
        }
        v = &x->names[x->name_count++];
        *v = (struct name_values){.name = name};
    }
    if (v->n == v->capacity) {
        v->capacity = TC_MAX(4U, v->capacity * 2);
        v->postings = tc_realloc(v->postings, v->capacity * sizeof *v->postings);
    }
    v->postings[v->n++] = posting;
}

static struct posting *posting_of(struct label_index *x, uint32_t name, uint32_t value)
{
    if (x->posting_count * 2 >= x->slot_count)
        grow_slots(x);
    size_t at = slot_of(x, name, value);
    if (x->slots[at] != 0)
        return &x->postings[x->slots[at] - 1];
    if (x->posting_count == x->posting_capacity) {
        x->posting_capacity = TC_MAX((size_t)256, x->posting_capacity + x->posting_capacity / 2);
        x->postings = tc_realloc(x->postings, x->posting_capacity * sizeof *x->postings);
    }
    x->postings[x->posting_count] = (struct posting){.name = name, .value = value};
    x->slots[at] = (uint32_t)++x->posting_count;
    add_value(x, name, (uint32_t)x->posting_count - 1);
    return &x->postings[x->posting_count - 1];
}

static void posting_add(struct posting *p, uint32_t id)
{
    if (p->n == 0) {
        p->id = id;
    } else if (p->capacity == 0) {
        uint32_t first = p->id;
        p->capacity = 4;
        p->ids = tc_realloc(NULL, p->capacity * sizeof *p->ids);
        p->ids[0] = first;
        p->ids[1] = id;
    } else {
        if (p->n == p->capacity) {
            p->capacity += p->capacity / 2;
            p->ids = tc_realloc(p->ids, p->capacity * sizeof *p->ids);
        }
        p->ids[p->n] = id;
    }
    p->n++;
}

void label_index_add(struct label_index *x, uint32_t id, const struct label_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        posting_add(posting_of(x, pairs[i].name, pairs[i].value), id);
    x->posting_ids += count;
}

struct posting_list label_index_posting(const struct label_index *x, uint32_t name, uint32_t value)
{
    size_t at = slot_of(x, name, value);
    if (x->slots[at] == 0)
        return (struct posting_list){0};
    const struct posting *p = &x->postings[x->slots[at] - 1];
    return (struct posting_list){p->capacity == 0 ? &p->id : p->ids, p->n};
}

size_t label_index_values(const struct label_index *x, uint32_t name, struct arena *arena, uint32_t **ret)
{
    for (size_t i = 0; i < x->name_count; i++) {
        const struct name_values *v = &x->names[i];
        if (v->name != name)
            continue;
        *ret = arena_alloc_raw(arena, v->n * sizeof(uint32_t), 4);
        for (size_t k = 0; k < v->n; k++)
            (*ret)[k] = x->postings[v->postings[k]].value;
        return v->n;
    }
    return 0;
}

size_t label_index_names(const struct label_index *x, struct arena *arena, uint32_t **ret)
{
    *ret = arena_alloc_raw(arena, (x->name_count + 1) * sizeof(uint32_t), 4);
    for (size_t i = 0; i < x->name_count; i++)
        (*ret)[i] = x->names[i].name;
    return x->name_count;
}

size_t label_index_bytes(const struct label_index *x)
{
    return x->symbols.used * sizeof(struct map_entry) + x->symbols.slot_count * 4 +
           x->symbols.keys.used_bytes + x->posting_capacity * sizeof(struct posting) + x->slot_count * 4 +
           x->posting_ids * 6;
}
