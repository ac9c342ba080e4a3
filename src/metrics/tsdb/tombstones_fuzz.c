/*
 * Deletions as a damaged log might hold them: whatever is accepted can be looked up, applied and written
 * again. The first byte of the input cuts it in two frames.
 */
#include "base/arena.h"
#include "metrics/tsdb/tombstones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct tombstones *t)
{
    struct arena arena = {0};
    struct buf out;
    struct chunk_columns c;
    buf_init(&out, 1 << 20);
    chunk_columns_init(&c, &arena, 64);
    for (size_t i = 0; i < t->count; i++) {
        const struct labels *l = t->items[i].labels;
        const struct tombstone *found = tombstones_find(t, l->items, l->count, l->hash);
        tc_assert(found != NULL && found->n > 0);
        for (c.n = 0; c.n < 64; c.n++) {
            c.t[c.n] = (int64_t)c.n * 3 - 60;
            c.f[c.n] = 1;
            c.h[c.n] = NULL;
        }
        tombstone_apply(found, &c);
        for (size_t k = 0; k < c.n; k++)
            tc_assert(!tombstone_covers(found, c.t[k], c.t[k]));
        tombstones_record_begin(&out, true);
        tombstones_record(&out, l->items, l->count, found->stretches, found->n);
        tombstones_record_end(&out);
    }
    buf_free(&out);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tombstones t;
    if (size == 0)
        return 0;
    struct sv rest = {(const char *)data + 1, size - 1};
    size_t first = TC_MIN((size_t)data[0], rest.n);
    tombstones_init(&t);
    if (tombstones_replay(&t, sv_head(rest, first), NULL) == 0 &&
        tombstones_replay(&t, sv_from(rest, first), NULL) == 0)
        use(&t);
    tombstones_free(&t);
    return 0;
}
