/*
 * Series and samples in memory; see head.h.
 */
#include "metrics/tsdb/head.h"

#include "base/hash.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 4096 };
#define SLOT_GRAVE UINT32_MAX

void head_init(struct head *head)
{
    *head = (struct head){
        .slot_count = SLOTS_FIRST, .min_valid = INT64_MIN, .min_t = INT64_MAX, .max_t = INT64_MIN};
    head->slots = tc_alloc(SLOTS_FIRST * sizeof *head->slots);
    head->sources = tc_alloc(TSDB_SOURCES_MAX * sizeof *head->sources);
    label_index_init(&head->index);
    head_source(head, SV("unknown"));
}

static void free_series(struct head_series *s)
{
    for (uint32_t i = 0; i < s->closed_count; i++)
        free(s->closed[i].bytes);
    free(s->closed);
    free(s->late);
    chunk_free(&s->open);
    free(s);
}

void head_free(struct head *head)
{
    for (uint32_t i = 0; i < head->next_id; i++)
        if (head->series[i] != NULL)
            free_series(head->series[i]);
    free(head->series);
    free(head->slots);
    free(head->sources);
    label_index_free(&head->index);
    *head = (struct head){0};
}

static bool same_labels(const struct head *head, const struct head_series *s, const struct label *labels,
                        size_t count)
{
    if (s->label_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!sv_eq(label_index_text(&head->index, s->pairs[i].value), labels[i].value) ||
            !sv_eq(label_index_text(&head->index, s->pairs[i].name), labels[i].name))
            return false;
    return true;
}

uint32_t head_find(const struct head *head, const struct label *labels, size_t count, uint64_t hash)
{
    for (size_t at = hash & (head->slot_count - 1); head->slots[at] != 0;
         at = (at + 1) & (head->slot_count - 1)) {
        if (head->slots[at] == SLOT_GRAVE)
            continue;
        const struct head_series *s = head->series[head->slots[at] - 1];
        if (s->hash == hash && same_labels(head, s, labels, count))
            return s->id;
    }
    return UINT32_MAX;
}

static void put_slot(struct head *head, const struct head_series *s)
{
    size_t at = s->hash & (head->slot_count - 1);
    while (head->slots[at] != 0)
        at = (at + 1) & (head->slot_count - 1);
    head->slots[at] = s->id + 1;
    head->slots_used++;
}

static void rebuild_slots(struct head *head)
{
    while (head->live * 2 >= head->slot_count)
        head->slot_count *= 2;
    free(head->slots);
    head->slots = tc_alloc(head->slot_count * sizeof *head->slots);
    head->slots_used = 0;
    for (uint32_t i = 0; i < head->next_id; i++)
        if (head->series[i] != NULL)
            put_slot(head, head->series[i]);
}

void head_reserve(struct head *head, uint32_t next_id)
{
    if (next_id > head->series_capacity) {
        uint32_t capacity = TC_MAX(TC_MAX(1024U, next_id), head->series_capacity + head->series_capacity / 2);
        head->series = tc_realloc(head->series, capacity * sizeof(struct head_series *));
        memset(head->series + head->series_capacity, 0,
               (capacity - head->series_capacity) * sizeof(struct head_series *));
        head->series_capacity = capacity;
    }
    head->next_id = TC_MAX(head->next_id, next_id);
}

uint32_t head_add(struct head *head, uint32_t id, unsigned source, const struct label *labels, size_t count,
                  uint64_t hash)
{
    struct head_series *s = tc_alloc(sizeof *s + count * sizeof s->pairs[0]);
    s->id = id;
    s->hash = hash;
    s->source = (uint16_t)source;
    s->label_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        s->pairs[i] = (struct label_pair){label_index_symbol(&head->index, labels[i].name),
                                          label_index_symbol(&head->index, labels[i].value)};
    head_reserve(head, id + 1);
    head->series[id] = s;
    head->live++;
    head->created++;
    head->sources[source].series++;
    if (head->slots_used * 2 >= head->slot_count)
        rebuild_slots(head);
    else
        put_slot(head, s);
    label_index_add(&head->index, id, s->pairs, (uint32_t)count);
    return id;
}

unsigned head_source(struct head *head, struct sv name)
{
    for (unsigned i = 0; i < head->source_count; i++)
        if (sv_is(name, head->sources[i].name))
            return i;
    if (head->source_count == TSDB_SOURCES_MAX || name.n >= TSDB_SOURCE_NAME_MAX)
        return 0;
    memcpy(head->sources[head->source_count].name, name.p, name.n);
    return head->source_count++;
}

/* --- samples --- */

void head_attach(struct head *head, struct head_series *s, const struct head_chunk *chunk)
{
    if (s->closed_count == s->closed_capacity) {
        s->closed_capacity = s->closed_capacity == 0 ? 2 : s->closed_capacity * 2;
        s->closed = tc_realloc(s->closed, s->closed_capacity * sizeof *s->closed);
    }
    s->closed[s->closed_count++] = *chunk;
    s->last_t = s->any ? TC_MAX(s->last_t, chunk->max_t) : chunk->max_t;
    s->any = true;
    head->chunk_bytes += chunk->n + BITS_SLACK;
    head->max_t = TC_MAX(head->max_t, chunk->max_t);
    head->min_t = TC_MIN(head->min_t, chunk->min_t);
    head->any = true;
}

void head_close_chunk(struct head *head, struct head_series *s)
{
    if (s->open.p == NULL)
        return;
    struct head_chunk c = {.min_t = s->open.min_t, .max_t = s->last_t, .count = s->open.count};
    struct sv bytes = chunk_repack(chunk_take(&s->open));
    c.bytes = (char *)(uintptr_t)bytes.p;
    c.n = (uint32_t)bytes.n;
    head_attach(head, s, &c);
}

static int64_t block_end(const struct head *head, int64_t t)
{
    int64_t r = t % head->block_ms;
    return t - r - (r < 0 ? head->block_ms : 0) + head->block_ms;
}

static void note_time(struct head *head, struct head_series *s, int64_t t)
{
    s->any = true;
    s->last_t = t;
    head->samples++;
    head->max_t = TC_MAX(head->max_t, t);
    head->min_t = TC_MIN(head->min_t, t);
    head->any = true;
}

enum place { IN_ORDER, SAME_TIME, LATE };

static enum tsdb_outcome place_of(const struct head *head, const struct head_series *s, int64_t t,
                                  enum place *ret)
{
    int64_t valid = head->min_valid;
    if (t > CHUNK_TIME_MAX || t < -CHUNK_TIME_MAX)
        return TSDB_OUT_OF_BOUNDS;
    if (head->any && !head->replaying)
        valid = TC_MAX(valid, head->max_t - head->block_ms / 2);
    *ret = s->any && t == s->last_t ? SAME_TIME : IN_ORDER;
    if (t >= valid && (!s->any || t >= s->last_t))
        return TSDB_OK;
    *ret = LATE;
    if (head->out_of_order_ms > 0 || head->replaying) {
        bool good = t >= head->min_valid && (head->replaying || t >= head->max_t - head->out_of_order_ms);
        return good ? TSDB_OK : TSDB_TOO_OLD;
    }
    return t < valid ? TSDB_OUT_OF_BOUNDS : TSDB_OUT_OF_ORDER;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static enum tsdb_outcome add_late(struct head *head, struct head_series *s, int64_t t, double v,
                                  int64_t start_t, bool *ret_new)
{
    struct late_samples *late = s->late;
    uint32_t at = late == NULL ? 0 : late->n;
    while (at > 0 && late->items[at - 1].t > t)
        at--;
    *ret_new = false;
    if (at > 0 && late->items[at - 1].t == t)
        return same_bits(late->items[at - 1].v, v) ? TSDB_OK : TSDB_DUPLICATE;
    if (head->late >= head->out_of_order_max || (late != NULL && late->n >= TSDB_OUT_OF_ORDER_SERIES))
        return TSDB_LATE_LIMIT;
    if (late == NULL || late->n == late->capacity) {
        uint32_t capacity = late == NULL ? 4 : late->capacity * 2, n = late == NULL ? 0 : late->n;
        late = tc_realloc(late, sizeof *late + capacity * sizeof late->items[0]);
        late->capacity = capacity;
        late->n = n;
        s->late = late;
    }
    memmove(late->items + at + 1, late->items + at, (late->n - at) * sizeof late->items[0]);
    late->items[at] = (struct late_sample){t, start_t, v};
    late->n++;
    head->late++;
    head->samples++;
    head->min_t = TC_MIN(head->min_t, t);
    head->max_t = TC_MAX(head->max_t, t);
    head->any = true;
    *ret_new = true;
    return TSDB_OK;
}

enum tsdb_outcome head_float(struct head *head, struct head_series *s, int64_t t, double v, int64_t start_t,
                             bool *ret_new)
{
    enum place place;
    enum tsdb_outcome outcome = place_of(head, s, t, &place);
    *ret_new = false;
    if (TC_UNLIKELY(outcome != TSDB_OK))
        return outcome;
    if (TC_UNLIKELY(place == LATE))
        return add_late(head, s, t, v, start_t, ret_new);
    if (TC_UNLIKELY(place == SAME_TIME))
        return !s->last_is_histogram && same_bits(s->last, v) ? TSDB_OK : TSDB_DUPLICATE;
    unsigned mode = CHUNK_XOR + 1;
    bool added = false;
    if (TC_LIKELY(s->open.p != NULL)) {
        if (s->open.kind != CHUNK_FLOAT || t >= block_end(head, s->open.min_t))
            head_close_chunk(head, s);
        else if (!(added = chunk_float_add(&s->open, t, v, start_t, &mode)))
            head_close_chunk(head, s);
    }
    if (!added)
        chunk_float_begin(&s->open, mode > CHUNK_XOR ? chunk_mode_of(v) : mode, t, v, start_t);
    s->last = v;
    s->last_is_histogram = false;
    note_time(head, s, t);
    *ret_new = true;
    return TSDB_OK;
}

enum tsdb_outcome head_histogram(struct head *head, struct head_series *s, int64_t t,
                                 const struct histogram *h, int64_t start_t, bool *ret_new)
{
    enum place place;
    enum tsdb_outcome outcome = place_of(head, s, t, &place);
    *ret_new = false;
    if (outcome != TSDB_OK)
        return outcome;
    if (place == LATE)
        return TSDB_OUT_OF_ORDER;
    if (place == SAME_TIME) {
        bool same = s->last_is_histogram && s->open.p != NULL && s->open.kind == CHUNK_HISTOGRAM &&
                    same_bits(s->last, h->sum) &&
                    (is_stale(h->sum) || histogram_equal(chunk_histogram_last(&s->open), h));
        return same ? TSDB_OK : TSDB_DUPLICATE;
    }
    if (s->open.p != NULL && (s->open.kind != CHUNK_HISTOGRAM || t >= block_end(head, s->open.min_t) ||
                              !chunk_histogram_add(&s->open, t, h, start_t)))
        head_close_chunk(head, s);
    else if (s->open.p != NULL)
        goto added;
    chunk_histogram_begin(&s->open, t, h, start_t);
added:
    s->last = h->sum;
    s->last_is_histogram = true;
    note_time(head, s, t);
    *ret_new = true;
    return TSDB_OK;
}

/* --- forgetting --- */

void head_remove(struct head *head, struct head_series *s)
{
    size_t at = s->hash & (head->slot_count - 1);
    while (head->slots[at] != s->id + 1)
        at = (at + 1) & (head->slot_count - 1);
    head->slots[at] = SLOT_GRAVE;
    head->series[s->id] = NULL;
    head->sources[s->source].series--;
    head->live--;
    head->removed++;
    free_series(s);
}

void head_truncate(struct head *head, int64_t t, uint32_t from, uint32_t to)
{
    for (uint32_t id = from; id < to && id < head->next_id; id++) {
        struct head_series *s = head->series[id];
        if (s == NULL)
            continue;
        if (s->open.p != NULL && s->last_t < t)
            head_close_chunk(head, s);
        uint32_t gone = 0;
        for (; gone < s->closed_count && s->closed[gone].max_t < t; gone++) {
            head->chunk_bytes -= s->closed[gone].n + BITS_SLACK;
            free(s->closed[gone].bytes);
        }
        s->closed_count -= gone;
        if (gone > 0)
            memmove(s->closed, s->closed + gone, s->closed_count * sizeof *s->closed);
        if (s->late != NULL) {
            uint32_t n = 0;
            while (n < s->late->n && s->late->items[n].t < t)
                n++;
            s->late->n -= n;
            head->late -= n;
            memmove(s->late->items, s->late->items + n, s->late->n * sizeof s->late->items[0]);
            if (s->late->n == 0) {
                free(s->late);
                s->late = NULL;
            }
        }
        if (s->closed_count == 0 && s->open.p == NULL && s->late == NULL)
            head_remove(head, s);
    }
    head->min_t = TC_MAX(head->min_t, t);
}

void head_collect(struct head *head, bool all)
{
    size_t ids = 0;
    for (uint32_t i = 0; i < head->next_id; i++)
        if (head->series[i] != NULL)
            ids += head->series[i]->label_count;
    if (head->index.posting_ids - ids <= (all ? 0 : head->index.posting_ids / 8))
        return;
    struct label_index old = head->index;
    label_index_init(&head->index);
    for (uint32_t i = 0; i < head->next_id; i++) {
        struct head_series *s = head->series[i];
        if (s == NULL)
            continue;
        for (uint32_t k = 0; k < s->label_count; k++)
            s->pairs[k] = (struct label_pair){
                label_index_symbol(&head->index, label_index_text(&old, s->pairs[k].name)),
                label_index_symbol(&head->index, label_index_text(&old, s->pairs[k].value))};
        label_index_add(&head->index, s->id, s->pairs, s->label_count);
    }
    label_index_free(&old);
    rebuild_slots(head);
}

size_t head_bytes(const struct head *head)
{
    enum { SERIES = sizeof(struct head_series) + 96 + 80 }; /* with labels and an open chunk of usual size */
    return head->live * SERIES + head->chunk_bytes + head->slot_count * 4 + head->series_capacity * 8 +
           head->late * sizeof(struct late_sample) + label_index_bytes(&head->index);
}

/* --- reading --- */

static bool view_symbol(const void *context, struct sv text, uint32_t *ret)
{
    return label_index_find(&((const struct head *)context)->index, text, ret);
}
static struct sv view_text(const void *context, uint32_t symbol)
{
    return label_index_text(&((const struct head *)context)->index, symbol);
}
static struct posting_list view_posting(const void *context, uint32_t name, uint32_t value)
{
    return label_index_posting(&((const struct head *)context)->index, name, value);
}
static size_t view_values(const void *context, uint32_t name, struct arena *arena, uint32_t **ret)
{
    return label_index_values(&((const struct head *)context)->index, name, arena, ret);
}
static size_t view_names(const void *context, struct arena *arena, uint32_t **ret)
{
    return label_index_names(&((const struct head *)context)->index, arena, ret);
}
static struct posting_list view_all(const void *context, struct arena *arena)
{
    const struct head *head = context;
    uint32_t *ids = arena_alloc_raw(arena, (head->live + 1) * sizeof *ids, 4);
    size_t n = 0;
    for (uint32_t i = 0; i < head->next_id; i++)
        if (head->series[i] != NULL)
            ids[n++] = i;
    return (struct posting_list){ids, n};
}
static const struct label_pair *view_pairs(const void *context, uint32_t id, uint32_t *ret_count)
{
    const struct head_series *s = head_series_of(context, id);
    if (s == NULL)
        return NULL;
    *ret_count = s->label_count;
    return s->pairs;
}

struct index_view head_view(const struct head *head)
{
    return (struct index_view){.context = head,
                               .symbol_count = head->index.symbols.used,
                               .symbol = view_symbol,
                               .text = view_text,
                               .posting = view_posting,
                               .values = view_values,
                               .names = view_names,
                               .all = view_all,
                               .pairs = view_pairs};
}

static bool overlaps(int64_t from, int64_t to, int64_t min_t, int64_t max_t)
{
    return from <= max_t && to >= min_t;
}

size_t head_count(const struct head_series *s, int64_t min_t, int64_t max_t)
{
    size_t n = s->late == NULL ? 0 : s->late->n;
    for (uint32_t i = 0; i < s->closed_count; i++)
        if (overlaps(s->closed[i].min_t, s->closed[i].max_t, min_t, max_t))
            n += s->closed[i].count;
    if (s->open.p != NULL && overlaps(s->open.min_t, s->last_t, min_t, max_t))
        n += s->open.count;
    return n;
}

int head_read(const struct head *head, const struct head_series *s, int64_t min_t, int64_t max_t,
              struct arena *arena, struct chunk_columns *c, struct err *err)
{
    (void)head;
    int rc = 0;
    for (uint32_t i = 0; i < s->closed_count && rc == 0; i++)
        if (overlaps(s->closed[i].min_t, s->closed[i].max_t, min_t, max_t))
            rc = chunk_decode(sv_make(s->closed[i].bytes, s->closed[i].n), arena, c, err);
    if (rc == 0 && s->open.p != NULL && overlaps(s->open.min_t, s->last_t, min_t, max_t))
        rc = chunk_decode(chunk_view(&s->open), arena, c, err);
    for (uint32_t i = 0; rc == 0 && s->late != NULL && i < s->late->n; i++) {
        if (s->late->items[i].t < min_t || s->late->items[i].t > max_t)
            continue;
        c->t[c->n] = s->late->items[i].t;
        c->st[c->n] = s->late->items[i].start_t;
        c->f[c->n] = s->late->items[i].v;
        c->h[c->n] = NULL;
        c->has_start |= s->late->items[i].start_t != 0;
        c->n++;
    }
    return rc;
}

struct column_key {
    int64_t t;
    size_t at;
};

static int by_time(const void *a, const void *b)
{
    const struct column_key *x = a, *y = b;
    if (x->t != y->t)
        return x->t < y->t ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

void columns_settle(struct chunk_columns *c, struct arena *arena)
{
    bool rising = true;
    for (size_t i = 1; i < c->n && rising; i++)
        rising = c->t[i - 1] < c->t[i];
    if (rising)
        return;
    struct column_key *keys = arena_alloc_raw(arena, c->n * sizeof *keys, 8);
    for (size_t i = 0; i < c->n; i++)
        keys[i] = (struct column_key){c->t[i], i};
    qsort(keys, c->n, sizeof *keys, by_time);
    struct chunk_columns to;
    chunk_columns_init(&to, arena, c->n);
    to.has_histograms = c->has_histograms;
    to.has_start = c->has_start;
    for (size_t i = 0; i < c->n; i++) {
        if (to.n > 0 && to.t[to.n - 1] == keys[i].t)
            continue;
        to.t[to.n] = keys[i].t;
        to.st[to.n] = c->st[keys[i].at];
        to.f[to.n] = c->f[keys[i].at];
        to.h[to.n] = c->h[keys[i].at];
        to.n++;
    }
    *c = to;
}
