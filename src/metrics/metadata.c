/*
 * Descriptions of metrics; see metadata.h. An entry's four texts, one after another, are its key.
 */
#include "metrics/metadata.h"

#include "base/buf.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

struct metadata {
    pthread_mutex_t lock;
    struct map numbers; /* key -> number + 1 */
    struct arena arena;
    struct metadata_entry *entries;
    size_t n, capacity;
    uint64_t refused;
    struct buf key;
};

struct metadata *metadata_new(void)
{
    struct metadata *m = tc_alloc(sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    map_init(&m->numbers, METADATA_ENTRIES_MAX);
    buf_init(&m->key, 64 << 10);
    return m;
}

void metadata_free(struct metadata **metadata)
{
    struct metadata *m = *metadata;
    if (m == NULL)
        return;
    map_free(&m->numbers);
    arena_free(&m->arena);
    buf_free(&m->key);
    free(m->entries);
    pthread_mutex_destroy(&m->lock);
    free(m);
    *metadata = NULL;
}

static struct metadata_entry cut(const struct metadata_entry *from)
{
    return (struct metadata_entry){sv_head(from->name, METADATA_TEXT_MAX), sv_head(from->type, 64),
                                   sv_head(from->help, METADATA_TEXT_MAX), sv_head(from->unit, 256)};
}

static struct sv key_of(struct metadata *m, const struct metadata_entry *entry)
{
    const struct sv parts[] = {entry->name, entry->type, entry->help, entry->unit};
    buf_clear(&m->key);
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++)
        buf_string(&m->key, parts[i]);
    return buf_view(&m->key);
}

static void keep(struct metadata *m, const struct metadata_entry *entry)
{
    if (m->n == m->capacity) {
        m->capacity = TC_MAX(m->capacity * 2, (size_t)64);
        m->entries = tc_realloc(m->entries, m->capacity * sizeof *m->entries);
    }
    m->entries[m->n++] =
        (struct metadata_entry){arena_sv(&m->arena, entry->name), arena_sv(&m->arena, entry->type),
                                arena_sv(&m->arena, entry->help), arena_sv(&m->arena, entry->unit)};
}

uint32_t metadata_put(struct metadata *m, const struct metadata_entry *told)
{
    struct metadata_entry entry = cut(told);
    uint32_t number = UINT32_MAX;
    pthread_mutex_lock(&m->lock);
    struct sv key = key_of(m, &entry);
    const uint64_t *known = map_get(&m->numbers, key);
    if (known != NULL) {
        number = (uint32_t)*known - 1;
    } else if (m->n < METADATA_ENTRIES_MAX && m->arena.used_bytes + key.n <= METADATA_BYTES_MAX) {
        keep(m, &entry);
        number = (uint32_t)m->n - 1;
        *map_put(&m->numbers, key, NULL) = m->n;
    } else {
        m->refused++;
    }
    pthread_mutex_unlock(&m->lock);
    return number;
}

struct metadata_entry metadata_get(struct metadata *m, uint32_t number)
{
    pthread_mutex_lock(&m->lock);
    struct metadata_entry entry = number < m->n ? m->entries[number] : (struct metadata_entry){0};
    pthread_mutex_unlock(&m->lock);
    return entry;
}

void metadata_each(struct metadata *m, bool (*each)(void *context, const struct metadata_entry *entry),
                   void *context)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n && each(context, &m->entries[i]); i++)
        continue;
    pthread_mutex_unlock(&m->lock);
}

struct metadata_stats metadata_stats(struct metadata *m)
{
    pthread_mutex_lock(&m->lock);
    struct metadata_stats stats = {m->n, m->arena.used_bytes, m->refused};
    pthread_mutex_unlock(&m->lock);
    return stats;
}
