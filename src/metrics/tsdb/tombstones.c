/*
 * The table of what was deleted, and its bytes in the log; see tombstones.h.
 */
#include "metrics/tsdb/tombstones.h"

#include "base/varint.h"
#include "metrics/tsdb/tsdb.h"

#include <stdlib.h>

enum { LAST = 1, FIRST = 2 }; /* of a payload among those of its deletion */

void tombstones_init(struct tombstones *t)
{
    *t = (struct tombstones){.min_t = INT64_MAX, .max_t = INT64_MIN};
    map_init(&t->by_hash, TOMBSTONES_MAX);
    buf_init(&t->waiting, (size_t)16 * WAL_PAYLOAD_MAX);
}

static void drop(struct tombstones *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].stretches);
    free(t->items);
    map_free(&t->by_hash);
    arena_free(&t->arena);
    buf_free(&t->waiting);
}

void tombstones_free(struct tombstones *t)
{
    drop(t);
    *t = (struct tombstones){0};
}

void tombstones_clear(struct tombstones *t)
{
    uint64_t sequence = t->sequence;
    drop(t);
    tombstones_init(t);
    t->sequence = sequence;
}

static struct sv hash_key(const uint64_t *hash)
{
    return sv_make((const char *)hash, sizeof *hash);
}

static bool same(const struct labels *a, const struct label *items, size_t count)
{
    if (a->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!sv_eq(a->items[i].value, items[i].value) || !sv_eq(a->items[i].name, items[i].name))
            return false;
    return true;
}

static struct tombstone *find(const struct tombstones *t, const struct label *labels, size_t count,
                              uint64_t hash)
{
    if (t->count == 0)
        return NULL;
    const uint64_t *first = map_get(&t->by_hash, hash_key(&hash));
    for (uint32_t at = first == NULL ? UINT32_MAX : (uint32_t)*first; at != UINT32_MAX;
         at = t->items[at].next)
        if (same(t->items[at].labels, labels, count))
            return &t->items[at];
    return NULL;
}

const struct tombstone *tombstones_find(const struct tombstones *t, const struct label *labels, size_t count,
                                        uint64_t hash)
{
    return find(t, labels, count, hash);
}

static const struct labels *copy_labels(struct arena *arena, const struct label *items, size_t count,
                                        uint64_t hash)
{
    struct labels *l = arena_alloc(arena, sizeof *l + count * sizeof *items);
    l->hash = hash;
    l->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        l->items[i] = (struct label){arena_sv(arena, items[i].name), arena_sv(arena, items[i].value)};
        if (sv_eq(items[i].name, METRIC_NAME))
            l->name_at = (uint32_t)i + 1;
    }
    return l;
}

uint64_t tombstone_bytes(const struct label *labels, size_t count)
{
    uint64_t bytes = count * sizeof *labels;
    for (size_t i = 0; i < count; i++)
        bytes += labels[i].name.n + labels[i].value.n;
    return bytes;
}

static struct tombstone *make(struct tombstones *t, const struct label *labels, size_t count, uint64_t hash)
{
    if (t->count == t->capacity) {
        t->capacity = TC_MAX((size_t)64, t->capacity * 2);
        t->items = tc_realloc(t->items, t->capacity * sizeof *t->items);
    }
    uint64_t *first = map_put(&t->by_hash, hash_key(&hash), NULL);
    struct tombstone *made = &t->items[t->count];
    tc_assert(first != NULL); /* whoever deletes looks at TOMBSTONES_MAX before */
    /* a place that was just made holds 0, which is also the first item's: it is that of another hash then */
    bool others = t->count > 0 && t->items[*first].labels->hash == hash;
    *made = (struct tombstone){.labels = copy_labels(&t->arena, labels, count, hash),
                               .next = others ? (uint32_t)*first : UINT32_MAX};
    *first = t->count++;
    t->bytes += tombstone_bytes(labels, count);
    return made;
}

/* Stretches that touch become one. */
static void insert(struct tombstone *s, struct stretch fresh)
{
    uint32_t from = 0, to;
    while (from < s->n && s->stretches[from].max_t < fresh.min_t - 1)
        from++;
    for (to = from; to < s->n && s->stretches[to].min_t <= fresh.max_t + 1; to++) {
        fresh.min_t = TC_MIN(fresh.min_t, s->stretches[to].min_t);
        fresh.max_t = TC_MAX(fresh.max_t, s->stretches[to].max_t);
    }
    if (s->n + 1 > s->capacity) {
        s->capacity = s->capacity == 0 ? 1 : s->capacity * 2;
        s->stretches = tc_realloc(s->stretches, s->capacity * sizeof *s->stretches);
    }
    memmove(s->stretches + from + 1, s->stretches + to, (s->n - to) * sizeof *s->stretches);
    s->stretches[from] = fresh;
    s->n = s->n - (to - from) + 1;
}

void tombstones_add(struct tombstones *t, const struct label *labels, size_t count, struct stretch stretch)
{
    uint64_t hash = labels_items_hash(labels, count);
    struct tombstone *s = find(t, labels, count, hash);
    if (s == NULL)
        s = make(t, labels, count, hash);
    t->stretches -= s->n;
    insert(s, stretch);
    t->stretches += s->n;
    t->min_t = TC_MIN(t->min_t, stretch.min_t);
    t->max_t = TC_MAX(t->max_t, stretch.max_t);
}

const struct tombstone *tombstone_copy(const struct tombstone *s, struct arena *arena)
{
    if (s == NULL)
        return NULL;
    struct tombstone *copy = ARENA_NEW(arena, struct tombstone);
    copy->n = copy->capacity = s->n;
    copy->stretches = arena_alloc_raw(arena, s->n * sizeof *s->stretches, 8);
    memcpy(copy->stretches, s->stretches, s->n * sizeof *s->stretches);
    return copy;
}

bool tombstone_overlaps(const struct tombstone *s, int64_t min_t, int64_t max_t)
{
    for (uint32_t i = 0; s != NULL && i < s->n; i++)
        if (s->stretches[i].min_t <= max_t && s->stretches[i].max_t >= min_t)
            return true;
    return false;
}

bool tombstone_covers(const struct tombstone *s, int64_t min_t, int64_t max_t)
{
    for (uint32_t i = 0; s != NULL && i < s->n; i++)
        if (s->stretches[i].min_t <= min_t && s->stretches[i].max_t >= max_t)
            return true;
    return false;
}

void tombstone_apply(const struct tombstone *s, struct chunk_columns *c)
{
    size_t kept = 0;
    uint32_t at = 0;
    for (size_t i = 0; s != NULL && i < c->n; i++) {
        while (at < s->n && s->stretches[at].max_t < c->t[i])
            at++;
        if (at < s->n && s->stretches[at].min_t <= c->t[i])
            continue;
        if (kept < i) {
            c->t[kept] = c->t[i];
            c->st[kept] = c->st[i];
            c->f[kept] = c->f[i];
            c->h[kept] = c->h[i];
        }
        kept++;
    }
    c->n = s == NULL ? c->n : kept;
}

/* --- bytes --- */

static void put_text(struct buf *out, struct sv text)
{
    buf_varint(out, text.n);
    buf_sv(out, text);
}

void tombstones_record_begin(struct buf *out, bool first)
{
    buf_clear(out);
    buf_u8(out, first ? FIRST : 0);
}

void tombstones_record(struct buf *out, const struct label *labels, size_t count,
                       const struct stretch *stretches, size_t n)
{
    buf_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        put_text(out, labels[i].name);
        put_text(out, labels[i].value);
    }
    buf_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        buf_varint(out, zigzag(stretches[i].min_t));
        buf_varint(out, zigzag(stretches[i].max_t));
    }
}

void tombstones_record_end(struct buf *out)
{
    out->p[0] |= LAST;
}

static struct sv read_text(struct reader *in)
{
    uint64_t n = reader_varint(in);
    in->bad |= n > in->rest.n;
    return in->bad ? (struct sv){0} : reader_bytes(in, n);
}

static bool replay_one(struct tombstones *t, struct reader *in)
{
    struct label labels[TSDB_LABELS_MAX];
    uint64_t count = reader_varint(in);
    if (in->bad || count > TC_ARRAY_LEN(labels))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        labels[i].name = read_text(in);
        labels[i].value = read_text(in);
    }
    uint64_t n = reader_varint(in);
    for (uint64_t i = 0; i < n && !in->bad; i++) {
        struct stretch s = {unzigzag(reader_varint(in)), 0};
        s.max_t = unzigzag(reader_varint(in));
        if (in->bad || s.min_t > s.max_t || s.min_t < -CHUNK_TIME_MAX || s.max_t > CHUNK_TIME_MAX ||
            t->stretches >= 2 * (size_t)TOMBSTONES_MAX || t->count >= TOMBSTONES_MAX)
            return false;
        tombstones_add(t, labels, count, s);
    }
    return !in->bad;
}

int tombstones_replay(struct tombstones *t, struct sv payload, struct err *err)
{
    unsigned flags = payload.n > 0 ? (uint8_t)payload.p[0] : LAST + FIRST + 1;
    if (flags & FIRST) /* what the power cut short before is no deletion */
        buf_clear(&t->waiting);
    buf_sv(&t->waiting, sv_from(payload, TC_MIN(payload.n, (size_t)1)));
    bool good = flags <= FIRST + LAST && !t->waiting.overflow;
    if (good && (flags & LAST) != 0) {
        struct reader in = reader_of(buf_view(&t->waiting));
        while (good && in.rest.n > 0)
            good = replay_one(t, &in);
        buf_clear(&t->waiting);
        t->sequence++;
    }
    return good ? 0 : err_set(err, TC_ECORRUPT, "the log of samples holds a deletion that cannot be");
}
