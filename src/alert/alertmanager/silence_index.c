/*
 * See silence_index.h.
 */
#include "alert/alertmanager/silence_index.h"

#include <stdlib.h>

enum { KEY_MAX_BYTES = 1024 };

/* n is 0 where it is too long to be looked up. */
static struct sv key_of(struct sv name, struct sv value, char out[KEY_MAX_BYTES])
{
    if (name.n + value.n + 1 > KEY_MAX_BYTES)
        return SV("");
    memcpy(out, name.p, name.n);
    out[name.n] = '\0';
    memcpy(out + name.n + 1, value.p, value.n);
    return sv_make(out, name.n + 1 + value.n);
}

static bool put(struct am_silence_index *index, uint32_t at)
{
    struct am_matchers matchers = index->silences[at].matchers;
    char key[KEY_MAX_BYTES];
    for (size_t i = 0; i < matchers.count; i++) {
        const struct am_matcher *m = &matchers.items[i];
        struct sv text = m->type == AM_EQUAL && m->value.n > 0 ? key_of(m->name, m->value, key) : SV("");
        uint64_t *first = text.n == 0 ? NULL : map_put(&index->by_label, text, NULL);
        if (first == NULL)
            continue;
        index->next[at] = (uint32_t)*first;
        *first = at + 1;
        return true;
    }
    return false;
}

void am_silence_index_init(struct am_silence_index *index, const struct am_silence *silences, size_t count)
{
    *index = (struct am_silence_index){.silences = silences, .count = count};
    map_init(&index->by_label, count + 1);
    index->next = tc_alloc((count + 1) * sizeof(uint32_t));
    index->others = tc_alloc((count + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++)
        if (!put(index, i))
            index->others[index->other_count++] = i;
}

void am_silence_index_free(struct am_silence_index *index)
{
    map_free(&index->by_label);
    free(index->next);
    free(index->others);
    *index = (struct am_silence_index){0};
}

static bool holds(const struct am_silence_index *index, uint32_t at, struct am_labels labels, int64_t now_ns)
{
    const struct am_silence *silence = &index->silences[at];
    return silence->starts_at_ns <= now_ns && now_ns < silence->ends_at_ns &&
           am_matchers_match(silence->matchers, labels);
}

static int compare_places(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

size_t am_silence_index_find(const struct am_silence_index *index, struct am_labels labels, int64_t now_ns,
                             uint32_t *ret, size_t max)
{
    char key[KEY_MAX_BYTES];
    size_t found = 0;
    for (size_t i = 0; i < labels.count && index->by_label.live > 0; i++) {
        struct sv text = key_of(labels.items[i].name, labels.items[i].value, key);
        const uint64_t *first = text.n == 0 ? NULL : map_get(&index->by_label, text);
        for (uint32_t at = first == NULL ? 0 : (uint32_t)*first; at != 0; at = index->next[at - 1])
            if (holds(index, at - 1, labels, now_ns) && found++ < max)
                ret[found - 1] = at - 1;
    }
    for (size_t i = 0; i < index->other_count; i++)
        if (holds(index, index->others[i], labels, now_ns) && found++ < max)
            ret[found - 1] = index->others[i];
    if (max > 1)
        qsort(ret, TC_MIN(found, max), sizeof *ret, compare_places);
    return found;
}
