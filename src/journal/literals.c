/*
 * The filter of literals; see literals.h.
 */
#include "journal/literals.h"

#include "base/arena.h"

#include <stdlib.h>

enum { LINE_BYTES = 64, LINE_BITS = 512, PROBES = 2, BITS_PER_GRAM = 4, LITERAL_ASKED_MAX = 256 };

void literals_free(struct literals *l)
{
    free(l->hashes);
    free(l->slots);
    *l = (struct literals){0};
}

void literals_clear(struct literals *l)
{
    if (l->n > 0)
        memset(l->slots, 0, l->slot_count * sizeof l->slots[0]);
    l->n = 0;
}

static uint64_t fold(const char *p)
{
    uint64_t v = 0;
    memcpy(&v, p, LITERAL_GRAM);
    uint64_t letters = v | UINT64_C(0x202020202020);
    /* bytes whose folded form is a letter: a to z, without a carry between bytes (all are below 128 then) */
    uint64_t low = letters & UINT64_C(0x7f7f7f7f7f7f);
    uint64_t from_a = low + UINT64_C(0x1f1f1f1f1f1f), past_z = low + UINT64_C(0x050505050505);
    uint64_t is_letter = from_a & ~past_z & ~letters & UINT64_C(0x808080808080);
    return v | is_letter >> 2;
}

static uint64_t hash_gram(uint64_t gram)
{
    gram ^= gram >> 29;
    gram *= UINT64_C(0xbf58476d1ce4e5b9);
    gram ^= gram >> 32;
    gram *= UINT64_C(0x94d049bb133111eb);
    return gram ^ gram >> 29;
}

/* False where it was there already. */
static bool put_slot(uint64_t *slots, size_t count, uint64_t hash)
{
    size_t at = (size_t)hash & (count - 1);
    for (; slots[at] != 0; at = (at + 1) & (count - 1))
        if (slots[at] == hash)
            return false;
    slots[at] = hash;
    return true;
}

static void grow(struct literals *l)
{
    l->capacity = TC_MAX((size_t)1 << 12, 2 * l->capacity);
    l->slot_count = 2 * l->capacity;
    l->hashes = tc_realloc(l->hashes, l->capacity * sizeof l->hashes[0]);
    free(l->slots);
    l->slots = tc_alloc(l->slot_count * sizeof l->slots[0]);
    for (size_t i = 0; i < l->n; i++)
        put_slot(l->slots, l->slot_count, l->hashes[i]);
}

static void add(struct literals *l, uint64_t hash)
{
    hash += hash == 0;
    if (l->n == l->capacity)
        grow(l);
    if (put_slot(l->slots, l->slot_count, hash))
        l->hashes[l->n++] = hash;
}

/* Of each window the least hash; one that stays the least is added once. */
void literals_add(struct literals *l, struct sv text)
{
    uint64_t ring[LITERAL_WINDOW];
    size_t least_at = SIZE_MAX;
    if (text.n < LITERAL_MIN)
        return;
    for (size_t i = 0; i + LITERAL_GRAM <= text.n; i++) {
        uint64_t padded = 0;
        memcpy(&padded, text.p + i, LITERAL_GRAM);
        uint64_t h = hash_gram(fold((const char *)&padded));
        ring[i % LITERAL_WINDOW] = h;
        if (i + 1 < LITERAL_WINDOW)
            continue;
        size_t from = i + 1 - LITERAL_WINDOW, best = from;
        if (least_at != SIZE_MAX && least_at >= from) {
            best = h < ring[least_at % LITERAL_WINDOW] ? i : least_at;
        } else {
            for (size_t k = from + 1; k <= i; k++)
                best = ring[k % LITERAL_WINDOW] < ring[best % LITERAL_WINDOW] ? k : best;
        }
        if (best != least_at)
            add(l, ring[best % LITERAL_WINDOW]);
        least_at = best;
    }
}

static size_t line_of(uint64_t hash, size_t lines)
{
    return (size_t)(((hash >> 32) * lines) >> 32); /* lines are far fewer than 2^32 */
}

static unsigned probe(uint64_t hash, unsigned i)
{
    return (unsigned)(hash >> (9 * i)) % LINE_BITS;
}

void literals_write(struct literals *l, struct buf *out)
{
    size_t n = l->n;
    if (n == 0)
        return;
    size_t lines = n * BITS_PER_GRAM / LINE_BITS + 1;
    char *to = buf_reserve(out, lines * LINE_BYTES);
    tc_assert(to != NULL);
    memset(to, 0, lines * LINE_BYTES);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < PROBES; k++) {
            unsigned bit = probe(l->hashes[i], k);
            to[line_of(l->hashes[i], lines) * LINE_BYTES + bit / 8] |= (char)(1 << bit % 8);
        }
    out->n += lines * LINE_BYTES;
}

/* A filter is read a line at a time and not as a whole: so its checksum is for those who read all (verify).
 * What a flipped bit could hide is told there. */
int literals_may_hold(const struct cold *c, const struct cold_entry *e, struct sv literal, struct err *err)
{
    struct literals asked = {0};
    char line[LINE_BYTES];
    size_t lines = (size_t)(e->words.bytes / LINE_BYTES);
    int rc = 1;
    literals_add(&asked, sv_head(literal, LITERAL_ASKED_MAX));
    for (size_t i = 0; rc == 1 && i < asked.n; i++) {
        uint64_t h = asked.hashes[i];
        int64_t got = c->fs->read_at(c->fs, c->file, line, sizeof line,
                                     e->words.offset + line_of(h, lines) * LINE_BYTES);
        if (got != LINE_BYTES)
            rc = got < 0 ? segment_sys(err, (int)got, "cannot read", c->path)
                         : cold_damaged(c, e->words.offset, "the file ends within a filter", err);
        for (unsigned k = 0; rc == 1 && k < PROBES; k++)
            rc = (line[probe(h, k) / 8] >> probe(h, k) % 8) & 1;
    }
    literals_free(&asked);
    return rc;
}
