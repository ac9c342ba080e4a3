/*
 * The ring of exemplars; see exemplars.h.
 *
 * An entry of the ring owns its labels. Series are counted by their entries and go with the last of them, so
 * there are never more series than entries.
 */
#include "metrics/tsdb/exemplars.h"
#include "metrics/tsdb/tombstones.h"

#include "base/map.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { NONE = -1 };

struct entry {
    uint32_t series; /* index into `series` */
    struct tsdb_exemplar exemplar;
};

struct series {
    struct labels *labels; /* NULL: free */
    uint32_t entries;
    size_t newest; /* index into `ring` */
};

struct exemplars {
    struct entry *ring;
    size_t capacity, n, next; /* `next` is where the next one goes */
    struct series *series;    /* `capacity` + 1 of them: a new one comes before an old one goes */
    uint32_t *free_series;    /* a stack of the free ones */
    size_t free_count;
    struct map numbers; /* the bytes of a series' labels to its number */
    struct buf key;
};

struct exemplars *exemplars_new(size_t capacity)
{
    struct exemplars *e = tc_alloc(sizeof *e);
    e->capacity = capacity;
    e->ring = tc_alloc(capacity * sizeof *e->ring);
    e->series = tc_alloc((capacity + 1) * sizeof *e->series);
    e->free_series = tc_alloc((capacity + 1) * sizeof *e->free_series);
    for (size_t i = capacity + 1; i > 0; i--)
        e->free_series[e->free_count++] = (uint32_t)i - 1;
    map_init(&e->numbers, capacity + 1);
    buf_init(&e->key, 2 * (TSDB_LABEL_BYTES_MAX + TSDB_LABELS_MAX * 8));
    return e;
}

static void drop_labels(const struct labels *labels)
{
    free((struct labels *)(uintptr_t)labels);
}

void exemplars_free(struct exemplars **exemplars)
{
    struct exemplars *e = *exemplars;
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->n; i++)
        drop_labels(e->ring[i].exemplar.labels);
    for (size_t i = 0; i <= e->capacity; i++)
        free(e->series[i].labels);
    map_free(&e->numbers);
    buf_free(&e->key);
    free(e->ring);
    free(e->series);
    free(e->free_series);
    free(e);
    *exemplars = NULL;
}

size_t exemplars_count(const struct exemplars *e)
{
    return e->n;
}

/* Set and text in one piece; `p` has room for labels_bytes. */
static size_t labels_bytes(const struct label *items, size_t count)
{
    size_t n = sizeof(struct labels) + count * sizeof *items;
    for (size_t i = 0; i < count; i++)
        n += items[i].name.n + items[i].value.n;
    return n;
}

static struct sv put_text(char **at, struct sv text)
{
    struct sv copy = sv_make(*at, text.n);
    memcpy(*at, text.p, text.n);
    *at += text.n;
    return copy;
}

static struct labels *labels_at(void *p, const struct label *items, size_t count)
{
    struct labels *l = p;
    char *at = (char *)(l->items + count);
    *l = (struct labels){.hash = labels_items_hash(items, count), .count = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        l->items[i].name = put_text(&at, items[i].name);
        l->items[i].value = put_text(&at, items[i].value);
        if (sv_eq(items[i].name, METRIC_NAME))
            l->name_at = (uint32_t)i + 1;
    }
    return l;
}

static struct labels *labels_new(const struct label *items, size_t count)
{
    return labels_at(tc_alloc(labels_bytes(items, count)), items, count);
}

static struct sv key_of(struct exemplars *e, const struct label *items, size_t count)
{
    buf_clear(&e->key);
    for (size_t i = 0; i < count; i++) {
        buf_string(&e->key, items[i].name);
        buf_string(&e->key, items[i].value);
    }
    return buf_view(&e->key);
}

static void release_series(struct exemplars *e, uint32_t number)
{
    struct series *s = &e->series[number];
    if (--s->entries > 0)
        return;
    (void)map_remove(&e->numbers, key_of(e, s->labels->items, s->labels->count));
    free(s->labels);
    *s = (struct series){0};
    e->free_series[e->free_count++] = number;
}

static bool same(const struct tsdb_exemplar *a, const struct label *labels, size_t count, double v)
{
    if (memcmp(&a->v, &v, sizeof v) != 0 || a->labels->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!sv_eq(a->labels->items[i].name, labels[i].name) ||
            !sv_eq(a->labels->items[i].value, labels[i].value))
            return false;
    return true;
}

static size_t characters(struct sv text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return n;
}

static bool labels_are_short(const struct label *labels, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (utf8_valid(labels[i].name) < labels[i].name.n || utf8_valid(labels[i].value) < labels[i].value.n)
            return false;
        n += characters(labels[i].name) + characters(labels[i].value);
    }
    return n <= EXEMPLAR_CHARACTERS_MAX;
}

enum tsdb_outcome exemplars_add(struct exemplars *e, const struct label *series, size_t series_count,
                                const struct label *labels, size_t count, int64_t t, double v,
                                bool *ret_fresh)
{
    *ret_fresh = false;
    if (!labels_are_short(labels, count))
        return TSDB_BAD_LABELS;
    struct sv key = key_of(e, series, series_count);
    const uint64_t *known = map_get(&e->numbers, key);
    if (known != NULL) {
        const struct tsdb_exemplar *newest = &e->ring[e->series[*known].newest].exemplar;
        if (t == newest->t && same(newest, labels, count, v))
            return TSDB_OK;
        if (t <= newest->t)
            return TSDB_OUT_OF_ORDER;
    }
    uint32_t number = known != NULL ? (uint32_t)*known : e->free_series[--e->free_count];
    struct series *s = &e->series[number];
    if (known == NULL) {
        *map_put(&e->numbers, key, NULL) = number;
        s->labels = labels_new(series, series_count);
    }
    s->entries++;
    struct entry *entry = &e->ring[e->next];
    if (e->n == e->capacity) {
        drop_labels(entry->exemplar.labels);
        release_series(e, entry->series);
    } else {
        e->n++;
    }
    *entry = (struct entry){number, {.t = t, .v = v, .labels = labels_new(labels, count)}};
    s->newest = e->next;
    e->next = (e->next + 1) % e->capacity;
    *ret_fresh = true;
    return TSDB_OK;
}

void exemplars_each(const struct exemplars *e,
                    void (*visit)(void *context, const struct labels *series,
                                  const struct tsdb_exemplar *exemplar),
                    void *context)
{
    size_t first = e->n == e->capacity ? e->next : 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct entry *entry = &e->ring[(first + i) % e->capacity];
        visit(context, e->series[entry->series].labels, &entry->exemplar);
    }
}

struct survivors {
    struct exemplars *to;
    const struct tombstones *tombstones;
};

static void keep(void *context, const struct labels *series, const struct tsdb_exemplar *x)
{
    const struct survivors *s = context;
    bool fresh;
    const struct tombstone *deleted =
        tombstones_find(s->tombstones, series->items, series->count, series->hash);
    if (!tombstone_covers(deleted, x->t, x->t))
        (void)exemplars_add(s->to, series->items, series->count, x->labels->items, x->labels->count, x->t,
                            x->v, &fresh);
}

void exemplars_erase(struct exemplars *e, const struct tombstones *tombstones)
{
    if (e->n == 0)
        return;
    struct survivors survivors = {exemplars_new(e->capacity), tombstones};
    exemplars_each(e, keep, &survivors);
    struct exemplars before = *e;
    *e = *survivors.to;
    *survivors.to = before;
    exemplars_free(&survivors.to);
}

/* --- selecting --- */

static const struct labels *labels_in(struct arena *arena, const struct labels *labels)
{
    void *p = arena_alloc_raw(arena, labels_bytes(labels->items, labels->count), _Alignof(struct labels));
    return labels_at(p, labels->items, labels->count);
}

static bool selected(const struct labels *labels, const struct tsdb_selector *selectors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matchers_match(selectors[i].matchers, selectors[i].count, labels))
            return true;
    return false;
}

static int by_labels(const void *a, const void *b)
{
    return labels_compare(((const struct tsdb_exemplar_series *)a)->labels,
                          ((const struct tsdb_exemplar_series *)b)->labels);
}

void exemplars_select(const struct exemplars *e, const struct tsdb_selector *selectors, size_t count,
                      int64_t min_t, int64_t max_t, struct arena *arena, struct tsdb_exemplar_series **ret,
                      size_t *ret_count)
{
    int32_t *places = tc_alloc((e->capacity + 1) * sizeof *places); /* of a series in the answer */
    size_t n = 0, first = e->n == e->capacity ? e->next : 0;
    *ret = ARENA_ARRAY(arena, struct tsdb_exemplar_series, e->numbers.live + 1);
    for (size_t i = 0; i <= e->capacity; i++) {
        const struct series *s = &e->series[i];
        places[i] = s->labels != NULL && selected(s->labels, selectors, count) ? (int32_t)n : NONE;
        if (places[i] != NONE)
            (*ret)[n++] = (struct tsdb_exemplar_series){
                labels_in(arena, s->labels), ARENA_ARRAY(arena, struct tsdb_exemplar, s->entries), 0};
    }
    for (size_t i = 0; i < e->n; i++) {
        const struct entry *entry = &e->ring[(first + i) % e->capacity];
        if (places[entry->series] == NONE || entry->exemplar.t < min_t || entry->exemplar.t > max_t)
            continue;
        struct tsdb_exemplar_series *to = &(*ret)[places[entry->series]];
        to->items[to->n] = entry->exemplar;
        to->items[to->n++].labels = labels_in(arena, entry->exemplar.labels);
    }
    free(places);
    *ret_count = 0;
    for (size_t i = 0; i < n; i++)
        if ((*ret)[i].n > 0)
            (*ret)[(*ret_count)++] = (*ret)[i];
    qsort(*ret, *ret_count, sizeof **ret, by_labels);
}
