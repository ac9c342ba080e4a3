/*
 * Finding what columns repeat of each other; see cold_copy.h.
 *
 * Four records say what may be: where eight bytes of one value stand in another column's value, the longest
 * part around them that is the same in all four. All records are asked then, so nothing is lost by guessing.
 */
#include "journal/cold_copy.h"

#include "journal/cold_values.h"

enum { LEAST_BYTES = 8, SAMPLES = 4, VALUE_MAX = 512, RECORDS_MIN = 16 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static char cased(char c, uint8_t letters)
{
    if (letters == COLD_COPY_UPPER)
        return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    return letters == COLD_COPY_LOWER ? lower(c) : c;
}

static struct sv folded(struct sv text, char room[VALUE_MAX])
{
    size_t n = TC_MIN(text.n, (size_t)VALUE_MAX);
    for (size_t i = 0; i < n; i++)
        room[i] = lower(text.p[i]);
    return sv_make(room, n);
}

/* How far both are the same from there on. */
static size_t common(struct sv a, size_t at, struct sv b, size_t from)
{
    size_t n = 0;
    while (at + n < a.n && from + n < b.n && a.p[at + n] == b.p[from + n])
        n++;
    return n;
}

struct sample {
    struct sv value, source; /* folded */
    char value_room[VALUE_MAX], source_room[VALUE_MAX];
};

/* The longest part that all samples share at the same places. */
static void best_of(const struct sample samples[SAMPLES], struct cold_copy *best)
{
    struct sv value = samples[0].value, source = samples[0].source;
    for (size_t at = 0; at + LEAST_BYTES <= value.n; at++) {
        size_t from = sv_find(source, sv_head(sv_from(value, at), LEAST_BYTES));
        if (from == source.n)
            continue;
        size_t length = value.n;
        for (size_t i = 0; i < SAMPLES; i++)
            length = TC_MIN(length, common(samples[i].value, at, samples[i].source, from));
        if (length >= LEAST_BYTES && length > best->length)
            *best =
                (struct cold_copy){.from = (uint32_t)from, .length = (uint32_t)length, .at = (uint32_t)at};
    }
}

static bool holds(const struct cold_copy *copy, struct sv value, struct sv source)
{
    if (source.n < (size_t)copy->from + copy->length || value.n < (size_t)copy->at + copy->length)
        return false;
    for (size_t i = 0; i < copy->length; i++)
        if (value.p[copy->at + i] != cased(source.p[copy->from + i], copy->letters))
            return false;
    return true;
}

static bool hold_all(const struct cold_copy *copy, const struct sv *values, const struct sv *sources,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!holds(copy, values[i], sources[i]))
            return false;
    return true;
}

static bool find_in(const struct cold_column *of, const struct sv *values, struct cold_copy *ret)
{
    static const struct cold_copy none;
    struct sample samples[SAMPLES];
    *ret = none;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t row = i * (of->n - 1) / (SAMPLES - 1);
        samples[i].value = folded(values[row], samples[i].value_room);
        samples[i].source = folded(of->values[row], samples[i].source_room);
    }
    best_of(samples, ret);
    if (ret->length == 0)
        return false;
    for (ret->letters = 0; ret->letters < COLD_COPY_CASES; ret->letters++)
        if (hold_all(ret, values, of->values, of->n))
            return true;
    return false;
}

bool cold_copy_find(const struct cold_column *columns, size_t column, const struct sv *values,
                    struct cold_copy *ret)
{
    const struct cold_column *c = &columns[column];
    *ret = (struct cold_copy){0};
    if (c->n < RECORDS_MIN || values[0].n < LEAST_BYTES)
        return false;
    for (size_t i = 0; i < column; i++) {
        struct cold_copy copy;
        if (columns[i].n != c->n || columns[i].rows != c->rows || !find_in(&columns[i], values, &copy) ||
            copy.length <= ret->length)
            continue;
        *ret = copy;
        ret->source = (uint32_t)i;
    }
    return ret->length > 0;
}

static struct sv join(struct sv a, struct sv b, struct arena *arena)
{
    char *to = arena_alloc_raw(arena, a.n + b.n, 1);
    memcpy(to, a.p, a.n);
    memcpy(to + a.n, b.p, b.n);
    return sv_make(to, a.n + b.n);
}

struct sv *cold_copy_cut(const struct cold_copy *copy, const struct sv *values, size_t n, struct arena *arena)
{
    struct sv *rest = ARENA_ARRAY(arena, struct sv, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct sv head = sv_head(values[i], copy->at), tail = sv_from(values[i], copy->at + copy->length);
        rest[i] = tail.n == 0 ? head : head.n == 0 ? tail : join(head, tail, arena);
    }
    return rest;
}

bool cold_copy_put(const struct cold_copy *copy, struct sv rest, struct sv source, char *to)
{
    if (rest.n < copy->at || source.n < (size_t)copy->from + copy->length)
        return false;
    if (copy->at > 0)
        memcpy(to, rest.p, copy->at);
    if (copy->letters == COLD_COPY_AS_IS && copy->length > 0)
        memcpy(to + copy->at, source.p + copy->from, copy->length);
    for (size_t i = 0; copy->letters != COLD_COPY_AS_IS && i < copy->length; i++)
        to[copy->at + i] = cased(source.p[copy->from + i], copy->letters);
    if (rest.n > copy->at)
        memcpy(to + copy->at + copy->length, rest.p + copy->at, rest.n - copy->at);
    return true;
}
