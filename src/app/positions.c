/*
 * Names and values of positioned sources; see positions.h.
 *
 * Saved as: u32 count, then name and value of each as strings (u32 length, bytes).
 */
#include "app/positions.h"

#include <stdlib.h>

void positions_init(struct positions *positions)
{
    *positions = (struct positions){0};
    map_init(&positions->index, TC_POSITIONS_MAX);
}

static void free_values(struct positions *positions)
{
    for (size_t i = 0; i < positions->count; i++)
        free((void *)(uintptr_t)positions->values[i].p);
    positions->count = 0;
}

void positions_clear(struct positions *positions)
{
    free_values(positions);
    map_clear(&positions->index);
}

void positions_free(struct positions *positions)
{
    free_values(positions);
    free(positions->values);
    map_free(&positions->index);
    *positions = (struct positions){0};
}

static size_t free_slot(struct positions *positions)
{
    if (positions->index.live < positions->count) /* its own name is counted already: some slot may be free */
        for (size_t i = 0; i < positions->count; i++)
            if (positions->values[i].n == 0)
                return i;
    if (positions->count == positions->capacity) {
        positions->capacity = TC_MAX(positions->capacity * 2, (size_t)16);
        positions->values = tc_realloc(positions->values, positions->capacity * sizeof positions->values[0]);
    }
    positions->values[positions->count] = (struct sv){0};
    return positions->count++;
}

static void set_value(struct sv *at, struct sv value)
{
    char *copy = NULL;
    if (value.n > 0) {
        copy = tc_alloc(value.n);
        memcpy(copy, value.p, value.n);
    }
    free((void *)(uintptr_t)at->p);
    *at = sv_make(copy, value.n);
}

void positions_put(struct positions *positions, struct sv name, struct sv value)
{
    uint64_t *known = map_get(&positions->index, name);
    if (value.n == 0) {
        if (known == NULL)
            return;
        set_value(&positions->values[*known - 1], value);
        map_remove(&positions->index, name);
        return;
    }
    if (known != NULL && value.n <= TC_POSITION_BYTES) {
        set_value(&positions->values[*known - 1], value);
        return;
    }
    if (value.n > TC_POSITION_BYTES || positions->index.live >= TC_POSITIONS_MAX) {
        positions->refused++;
        return;
    }
    size_t slot = free_slot(positions);
    set_value(&positions->values[slot], value);
    *map_put(&positions->index, name, NULL) = slot + 1;
}

void positions_each(const struct positions *positions,
                    void (*each)(void *context, struct sv name, struct sv value), void *context)
{
    struct map_entry *entry;
    for (size_t at = 0; map_next(&positions->index, &at, &entry);)
        each(context, entry->key, positions->values[entry->value - 1]);
}

static void save_one(void *context, struct sv name, struct sv value)
{
    buf_string(context, name);
    buf_string(context, value);
}

void positions_save(const struct positions *positions, struct buf *out)
{
    buf_u32(out, (uint32_t)positions->index.live);
    positions_each(positions, save_one, out);
}

int positions_load(struct positions *positions, struct sv bytes, struct err *err)
{
    struct reader r = reader_of(bytes);
    positions_clear(positions);
    if (bytes.n == 0)
        return 0;
    uint32_t count = reader_u32(&r);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        struct sv name = reader_string(&r), value = reader_string(&r);
        if (!r.bad)
            positions_put(positions, name, value);
    }
    if (r.bad || r.rest.n > 0) {
        positions_clear(positions);
        return err_set(err, TC_ECORRUPT, "the positions of sources are not as they were written");
    }
    return 0;
}
